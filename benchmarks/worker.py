"""One contender in a process of its own, `python -m benchmarks.worker WORK NAME`, told what to do line by line.

It answers "ready" once its step is made, then to every line: "check FILE" writes what the step computes, "go SECONDS"
runs the step for about so long and answers with the time of each run. Every contender gets the allocator that this
package's training has, `refdope.memory.keep_memory`.
"""

import json
import sys
import warnings

import numpy as np

from benchmarks.contenders import MAKERS
from benchmarks.timing import run
from benchmarks.works import Work
from refdope.memory import keep_memory


def main() -> None:
    """Serve one contender."""
    warnings.simplefilter("ignore")
    keep_memory()
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a peer prints is no answer
    given = json.loads(sys.argv[1])
    work = Work(**given | {"shape": tuple(given["shape"])})
    made = MAKERS[work.kind][sys.argv[2]](work)
    step, check = made if isinstance(made, tuple) else (made, made)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        command, argument = line.split(maxsplit=1)
        if command == "check":
            np.savez(argument.strip(), **check())
            print("done", file=answers, flush=True)
        else:
            print(json.dumps(run(step, float(argument))), file=answers, flush=True)


if __name__ == "__main__":
    main()
