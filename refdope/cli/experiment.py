"""`refdope experiment`: the runs of a file of `experiments/`, and the table of what they reached."""

import argparse
import sys
from pathlib import Path

from refdope.experiments.conduct import conduct
from refdope.experiments.experiment import read
from refdope.experiments.order import Order
from refdope.experiments.table import Table
from refdope.experiments.workers import dask, workers
from refdope.runs.config import PRESETS

ABOUT = (
    "run every training run that an experiment file lists, and write a table of them",
    "Runs are resumable, and skipped when done: what the table has is done. Exit status 1 if one failed.",
)
EXAMPLES = """\
  refdope experiment ptb --data ptb/              experiments/ptb.toml, two runs at a time
  refdope experiment ptb --data ptb/              again, after an interrupt: goes on, and skips what is done
  refdope experiment cma --table runs/cma.csv     a table that is there is added to: run all again into another
  refdope experiment ptb --data ptb/ --preset zaremba-medium --out runs/ptb-650 --table ptb-650.csv
  refdope experiment mine.toml --jobs 8           your own file, on the default corpus
  refdope experiment ptb --data /shared/ptb --out /shared/runs --dask tcp://10.0.0.1:8786
"""


def options(experiment: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    option = experiment.add_argument
    option("name", help="a TOML file, or its name in experiments/")
    option("--data", metavar="PATH", default="", help="a text file, a folder of .txt files, or PTB's folder")
    option("--jobs", type=int, default=2, metavar="N", help="processes, one thread each (default: 2)")
    option("--preset", choices=tuple(PRESETS), default="", help="settings of a published model in place of the file's")
    option("--out", type=Path, metavar="DIR", help="where the run folders go (default: runs/NAME)")
    option("--table", type=Path, metavar="CSV", help="the table; runs that it has are done (default: figures/NAME.csv)")
    option("--dask", metavar="ADDRESS", help="send the runs to a Dask cluster, whose workers see PATH and DIR")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {args.jobs}")
    path = Path(args.name) if args.name.endswith(".toml") else Path("experiments") / f"{args.name}.toml"
    data = {"data": str(Path(args.data).absolute())} if args.data else {}
    experiment = read(path, args.preset, **data)
    out, table = args.out or Path("runs") / experiment.name, args.table or Path("figures") / f"{experiment.name}.csv"
    try:
        with dask(args.dask) if args.dask else workers(args.jobs) as executor:
            failed = conduct(experiment, out.absolute(), table, executor, None if args.dask else args.jobs)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what is done is in {table}, and the same command goes on from there") from None
    print(f"{table}: all runs that are done; their folders are in {out}")
    for one in Order(experiment, Table(table, out.absolute())).at_an_edge():
        print(f"refdope: {one}", file=sys.stderr)
    for one in failed:
        print(f"refdope: failed: {one}", file=sys.stderr)
    return 1 if failed else 0
