"""The command line: `refdope demo`, or `python -m refdope demo`.

Exit status: 0 done; 2 the input was wrong, and one line on standard error says how; 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = """\
examples:
  refdope demo                                    five models, two minutes, results in figures/
  refdope demo --seeds 5 --out runs/seeds         the same with five seeds, to see what is noise
  refdope demo --structure lmf --factor 10        dope a low-rank matrix instead
  refdope demo --data my.txt --level word         your own text, by words
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    args = _parser().parse_args(argv)
    try:
        args.command(args)
    except KeyboardInterrupt:
        print("refdope: interrupted; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"refdope: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    from refdope import __version__
    from refdope.structures import STRUCTURES, Dense

    parser = argparse.ArgumentParser(
        prog="refdope",
        description="Doped structured matrices for LSTMs, in NumPy and SciPy.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"refdope {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="train one language model five ways, compressed equally, and compare",
        description="Train one LSTM language model dense, pruned, as a structured matrix, doped, and doped with "
        "co-matrix dropout, all at one compression factor; print a table, and write it, the measured course of "
        "training (CSV) and a picture.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.set_defaults(command=_demo)
    kinds = {kind.__name__.lower(): kind for kind in STRUCTURES if kind is not Dense}
    option = demo.add_argument
    option("--structure", choices=sorted(kinds), help="what is doped (default: kronecker)")
    option("--factor", type=float, help="compression factor of the LSTM matrices (default: 19.8)")
    option("--data", metavar="PATH", help="a text file, a folder of .txt files, or PTB's folder (default: docstrings)")
    option("--level", choices=("char", "word"), help="what a token is (default: char)")
    option("--words", type=int, metavar="N", help="with --level word, keep the N most frequent (default: 4000)")
    option("--hidden", type=int, dest="H", metavar="H", help="hidden units (default: 100)")
    option("--steps", type=int, help="training steps a model (default: 2000)")
    option("--cmr-rate", type=float, metavar="P", help="rate of the co-matrix dropout")
    option("--cmr-rows", choices=("both", "sparse", "exclusive", "elements"), help="what it drops (default: both)")
    option("--seeds", type=int, default=1, metavar="N", help="train every model with N seeds (default: 1)")
    option("--jobs", type=int, default=2, metavar="N", help="processes, one thread each (default: 2)")
    option("--out", type=Path, default=Path("figures"), metavar="DIR", help="where results go (default: figures)")
    demo.set_defaults(kinds=kinds)
    return parser


def _demo(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from refdope import analysis, data, demo

    for name in ("seeds", "jobs"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} must be at least 1, got {getattr(args, name)}")
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"--out: {args.out} is a file, it must be a folder")
    given = {
        name: getattr(args, name)
        for name in ("factor", "level", "words", "H", "steps")
        if getattr(args, name) is not None
    }
    settings = demo.Settings(**given)
    if args.structure:
        settings = replace(settings, kind=args.kinds[args.structure])
    cmr = {"rate": args.cmr_rate, "rows": args.cmr_rows}
    settings = replace(settings, cmr=replace(settings.cmr, **{k: v for k, v in cmr.items() if v is not None}))
    text = demo.Text.of(data.load(args.data), settings)
    print(text, flush=True)
    outcomes = demo.run(settings, text, args.out, seeds=args.seeds, jobs=args.jobs)
    for outcome in outcomes:
        if outcome.run.seed == 0 and outcome.run.name in ("dense", "doped"):
            print(f"\nwritten by the {outcome.run.name} model: {outcome.sample}")
    print(f"\n{analysis.markdown(demo.table(outcomes, settings.level))}\n")
    print(f"in {args.out}: demo.png, demo.csv, demo_table.csv, demo_snapshots.npz, demo.json")
