"""`refdope report`: runs side by side."""

import argparse
import sys
from pathlib import Path

from refdope.analysis import by_matrix, markdown
from refdope.files import csv_text, whole
from refdope.runs import report
from refdope.runs.trained import read_model

ABOUT = ("lay runs side by side: what they are, what they reached, what they cost",)
EXAMPLES = """\
  refdope report runs/a runs/b runs/c
  refdope report runs/* --format csv > runs.csv
  refdope report runs/* --figure runs.png
"""


def options(report: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    report.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders, ended or not")
    formats = ("text", "markdown", "csv")
    report.add_argument("--format", choices=formats, default="text", help="(default: %(default)s)")
    report.add_argument("--figure", type=Path, metavar="PNG", help="draw the runs' courses into this file")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    found = report.rows(args.runs)
    if args.format == "csv":
        print(csv_text(found), end="")
    elif args.format == "markdown" or len(found) > 1:
        print(markdown(found))
    if args.format == "text" and len(found) == 1:  # one run reads better from top to bottom
        print("\n".join(f"{name:<16} {value}" for name, value in found[0].items()))
        print("\n" + markdown(by_matrix(read_model(args.runs[0]).model)))
    for line in report.warnings(args.runs):
        print(f"refdope: {line}", file=sys.stderr)
    if args.figure:
        from refdope.runs.picture import report_figure  # Matplotlib takes as long to load as all the rest

        with whole(args.figure) as file:
            report_figure(args.runs, file)
