"""Submissions to lab A, honest, wrong and hostile, with the points of each: what nbgrader and mark.py are to give."""

from .conftest import read, submission
from .test_checks import WRONG

LOOP = "while True:\n    pass"
WHOLE = ("a-cost", "    left = m1", "    {}\n    left = m1")


def within(text):
    """In the function of the last step, which gives 2 points."""
    return submission([(WHOLE[0], WHOLE[1], WHOLE[2].format(text))])


# name: the notebook, its points of 14
HONEST = {
    "solution": (submission(), 14),
    "stubs": (read("student", "a_kronecker"), 0),
    "help": (submission(scratch="kron_entry?"), 14),
    "magic": (submission(scratch="%matplotlib inline\n%time z = 1\nassert z == 1\ndisplay(z)"), 14),
    "timed": (submission([("a-cost", "def kron_cost", "%%time\ndef kron_cost")]), 14),
    "awaits": (submission(scratch="import asyncio\nawait asyncio.sleep(0)"), 14),
    "scratch-error": (submission(scratch="1 / 0"), 14),
    "syntax-error": (submission([("a-cost", "left = m1", "left = = m1")]), 12),
    "own-figure": (submission(scratch="plt.plot([1, 2])"), 14),
}
HOSTILE = {
    "endless": (submission(scratch=LOOP), 14),
    "endless-step": (within("while True:\n        pass"), 12),
    "interrupts": (submission(scratch="raise KeyboardInterrupt"), 14),
    "interrupts-step": (within("raise KeyboardInterrupt"), 12),
    "prints": (submission(scratch="for _ in range(50):\n    print(10**6 * 'x')"), 14),
    "no-memory": (submission(scratch="z = np.ones(10**14)"), 14),
    "no-memory-step": (within("z = np.ones(10**14)"), 12),
    "exits-step": (within("import sys; sys.exit(0)"), 12),
    "recursion": (within("return kron_cost(m1, n1, m2, n2)"), 12),
    "asserts": (submission([("a-cost-test", "check.kron_cost(kron_cost)", "pass"),
                            ("a-cost", "min(left, right)", "0")]), 12),
    "check-deleted": (submission(without=["a-adjoint-test"]), 12),
    "answer-deleted": (submission(without=["a-cost"]), 12),
}  # fmt: skip
WRONG_ONES = {}
for _, check, old, new, _ in (each for each in WRONG if each[0] == "a"):
    costs = {"a-entry": 1, "a-forward": 3}.get(check.removesuffix("-test"), 2)
    WRONG_ONES[f"wrong-{len(WRONG_ONES)}"] = (submission([(check.removesuffix("-test"), old, new)]), 14 - costs)

SUBMISSIONS = HONEST | HOSTILE | WRONG_ONES

# nbgrader gives no marks at all to these
BEYOND_NBGRADER = {
    "exits": (submission(scratch="import os\nos._exit(3)"), 14),
    "exits-in-step": (within("import os; os._exit(0)"), 12),
    "kills": (submission(scratch="import os, signal\nos.killpg(0, signal.SIGKILL)"), 14),
    "deaf": (submission(scratch="while True:\n    try:\n        while True:\n            pass\n"
                                "    except BaseException:\n        pass"), 14),
    "huge": (submission(scratch="z = np.ones(2 * 10**8)"), 14),
    "huge-step": (within("z = np.ones(2 * 10**8)"), 12),
    "writes": (submission(scratch="open('/dev/shm/own', 'wb').write(bytes(2 * 10**8))"), 14),
}  # fmt: skip
