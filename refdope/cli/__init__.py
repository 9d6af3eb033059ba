"""The command line: `refdope COMMAND`, or `python -m refdope COMMAND`.

A file a command: what it is (`ABOUT`), `EXAMPLES`, the `options` that it takes, and `run`, which does it.

Exit status: 0 done; 1 a gradient is wrong (`refdope gradcheck`), a run failed (`refdope experiment`), or a process of
ours was killed; 2 the input was wrong, and one line on standard error says how; 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

from refdope.cli import compress, demo, evaluate, experiment, generate, gradcheck, report, selection, train

COMMANDS = {
    "demo": demo,
    "train": train,
    "evaluate": evaluate,
    "gradcheck": gradcheck,
    "generate": generate,
    "experiment": experiment,
    "compress": compress,
    "report": report,
    "selection": selection,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, by default those of this process.
    """
    args = parser().parse_args(argv)
    try:
        return int(args.run_command(args) or 0)
    except KeyboardInterrupt as interrupt:
        return _told(f"interrupted; {interrupt.args[0] if interrupt.args else 'nothing was written'}", 130)
    except BrokenExecutor:
        return _told("a process that trained was killed, for want of memory perhaps; fewer --jobs need less", 1)
    except (ValueError, OSError, ArithmeticError, MemoryError, NotImplementedError) as error:
        return _told(str(error) or type(error).__name__, 2)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; the arguments that it finds have the command itself as `run_command`."""
    from refdope import __version__

    whole = argparse.ArgumentParser(
        prog="refdope",
        description="Doped structured matrices for LSTMs, in NumPy and SciPy.",
        epilog="refdope COMMAND --help has examples",
    )
    whole.add_argument("--version", action="version", version=f"refdope {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        first, *more = command.ABOUT
        own = commands.add_parser(
            name,
            help=first,
            description=" ".join([f"{first[0].upper()}{first[1:]}.", *more]),
            epilog=f"examples:\n{command.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.options(own)
        own.set_defaults(run_command=command.run)
    return whole


def _told(what: str, status: int) -> int:
    """Say in one line how it ended."""
    print(f"refdope: {' '.join(what.split())}", file=sys.stderr)
    return status
