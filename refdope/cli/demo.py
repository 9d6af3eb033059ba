"""`refdope demo`: one language model, five ways."""

import argparse
from dataclasses import asdict
from pathlib import Path

from refdope import analysis, data, demo
from refdope.runs.config import Config
from refdope.structures import STRUCTURES, Dense

ABOUT = ("train one language model five ways, compressed equally, and compare",)
EXAMPLES = """\
  refdope demo                                    five models, two minutes, results in figures/
  refdope demo --seeds 5 --out runs/seeds         the same with five seeds, to see what is noise
  refdope demo --structure lmf --factor 10        dope a low-rank matrix instead
  refdope demo --data my.txt --level word         your own text, by words
"""


def options(demo: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    kinds = [kind.__name__.lower() for kind in STRUCTURES if kind is not Dense]
    option = demo.add_argument
    option("--structure", choices=sorted(kinds), help="what is doped (default: kronecker)")
    option("--factor", type=float, help="compression factor of the LSTM matrices (default: 19.8)")
    option("--data", metavar="PATH", help="a text file, a folder of .txt files, or PTB's folder (default: docstrings)")
    option("--level", choices=("char", "word"), help="what a token is (default: char)")
    option("--words", type=int, metavar="N", help="with --level word, keep the N most frequent (default: 4000)")
    option("--hidden", type=int, metavar="H", help="hidden units (default: 100)")
    option("--steps", type=int, help="training steps a model (default: 2000)")
    option("--cmr", type=float, metavar="P", help="rate of the co-matrix dropout (default: 0.1)")
    option("--cmr-rows", choices=("both", "sparse", "exclusive", "elements"), help="what it drops (default: both)")
    option("--seeds", type=int, default=1, metavar="N", help="train every model with N seeds (default: 1)")
    option("--jobs", type=int, default=2, metavar="N", help="processes, one thread each (default: 2)")
    option("--out", type=Path, default=Path("figures"), metavar="DIR", help="where results go (default: figures)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    for name in ("seeds", "jobs"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} must be at least 1, got {getattr(args, name)}")
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"--out: {args.out} is a file, it must be a folder")
    names = ("structure", "factor", "level", "words", "hidden", "steps", "cmr", "cmr_rows")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    config = Config.from_dict(asdict(demo.DEMO) | given, "demo")
    text = data.Text.of(data.load(args.data), config.level, config.words)
    print(text, flush=True)
    outcomes = demo.run(config, text, args.out, seeds=args.seeds, jobs=args.jobs)
    for outcome in outcomes:
        if outcome.contender.config.seed == 0 and outcome.contender.name in ("dense", "doped"):
            print(f"\nwritten by the {outcome.contender.name} model: {outcome.sample}")
    print(f"\n{analysis.markdown(demo.table(outcomes, config.level))}\n")
    print(f"in {args.out}: demo.png, demo.csv, demo_table.csv, demo_snapshots.npz, demo.json")
