"""Keep freed memory for the next training step.

A step frees large arrays, and the next one asks for the same sizes again. glibc returns such memory to the system at
once, and what comes back is mapped and zeroed page by page: a share of a step's time that `make bench` measures.
"""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LIMITS = 2**31 - 1, 2**25  # older glibc takes no more than the second for MMAP_THRESHOLD


def keep_memory() -> bool:
    """Tell the C library to keep what is freed, in this process; return whether it could be told.

    The process then holds the most memory that it ever used at once. `refdope train`, `demo` and their worker processes
    do this; importing refdope does not. Outside glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    told = [any(mallopt(which, limit) == 1 for limit in LIMITS) for which in (MMAP_THRESHOLD, TRIM_THRESHOLD)]
    return all(told)
