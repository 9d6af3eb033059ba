"""`python -m refdope` is `refdope`."""

import sys

from refdope.cli import main

if __name__ == "__main__":
    sys.exit(main())
