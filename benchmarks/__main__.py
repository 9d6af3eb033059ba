"""The command line: `python -m benchmarks [COMMAND] [--quick] [--out FOLDER]`; without a command, the comparison.

Exit status: 0 done; 1 a contender failed or computes something else; 2 the input was wrong, and a line on standard
error says how; 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

COMMANDS = {
    "comparison": "this package against its peers: PyTorch, ONNX Runtime, autograd, numpy-ml, pyfastkron",
    "roofline": "each product's rate against the machine's peak and bandwidth",
    "crossover": "from which size, density and batch on a compressed matrix is faster than a dense one",
    "ramp": "which storage of an overlay trains faster, along the ramp",
    "memory": "the peak memory of a training step against what it needs",
    "selection": "whole paths of sparse models against general solvers",
    "share": "the share of a training step spent in matrix products",
}
EXAMPLES = """\
examples:
  python -m benchmarks                            a quarter of an hour; results in benchmarks/results/
  python -m benchmarks --quick                    fewer works and rounds, a minute
  python -m benchmarks --only "product, 2600"     only works with this in their name
  python -m benchmarks --only "2 threads" --merge measure these works again, keep the rest of bench.csv and bench.md
  python -m benchmarks roofline --out here/there  another folder
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this package. Without a command: the comparison.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        command.add_argument("--quick", action="store_true", help="smaller sizes, fewer rounds")
        command.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="(default: %(default)s)")
        if name == "crossover":
            command.add_argument("--redraw", action="store_true", help="draw the picture of the data that are there")
        if name == "comparison":
            command.add_argument("--only", default="", metavar="TEXT", help="only works whose name has this in it")
            told = "put the works measured in their places in the table of all, instead of in a table of their own"
            command.add_argument("--merge", action="store_true", help=told)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        argv = ["comparison", *argv]
    given = vars(parser().parse_args(argv))
    try:
        given["out"].mkdir(parents=True, exist_ok=True)
        import_module(f"benchmarks.{given.pop('command')}").command(**given)
    except KeyboardInterrupt:
        print("benchmarks: interrupted; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError) as error:
        print(f"benchmarks: {' '.join(str(error).split())}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
