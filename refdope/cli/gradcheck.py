"""`refdope gradcheck`: the derivatives of this package, or of a reader's file."""

import argparse
from pathlib import Path

from refdope.analysis import markdown
from refdope.files import whole, write_csv
from refdope.gradcheck.mine import check_file
from refdope.selfcheck import table

ABOUT = (
    "check hand-written gradients, ours or yours, and tell what is wrong with them",
    "Exit status 1 if one is wrong.",
)
EXAMPLES = """\
  refdope gradcheck                               every structure, layer and model of this package, as a table
  refdope gradcheck --entries                     the same entry by entry; a minute
  refdope gradcheck mine.py                       your own: a file that defines loss, params and grads
  refdope gradcheck mine.py --figure mine.png     and where in the worst array the error is

mine.py, in short:
  params = {"W": np.ones((3, 2))}                 where to check
  def loss(params): ...                           a scalar
  def grads(params): ...                          {"W": d loss / d W}
  blocks, cases                                   optional, see help(refdope.gradcheck)
"""


def options(gradcheck: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    gradcheck.add_argument("file", type=Path, nargs="?", metavar="FILE.py", help="defines loss, params and grads")
    gradcheck.add_argument("--entries", action="store_true", help="every entry, however long it takes")
    gradcheck.add_argument("--csv", type=Path, metavar="FILE", help="write the table of the package's derivatives")
    gradcheck.add_argument("--html", type=Path, metavar="FILE", help="write the report on FILE.py as a page")
    gradcheck.add_argument("--figure", type=Path, metavar="PNG", help="draw the worst array of FILE.py")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.file is None:
        if args.html or args.figure:
            raise ValueError("--html and --figure are of a report on FILE.py; name one")
        return _package(args)
    if args.csv:
        raise ValueError("--csv is of the package's own derivatives, without FILE.py")
    report = check_file(args.file, "entries" if args.entries else "auto")
    print(report)
    if args.html:
        head = f"<!doctype html><meta charset='utf-8'><title>{args.file.name}</title>"
        with whole(args.html) as file:
            file.write(f"{head}{report._repr_html_()}".encode())
    if args.figure:
        figure = report.figure()
        with whole(args.figure) as file:
            figure.savefig(file, format="png")
    return 0 if report.ok else 1


def _package(args: argparse.Namespace) -> int:
    """Check every derivative of this package."""
    rows, wrong = table("entries" if args.entries else "directions")
    print(markdown(rows))
    for report in wrong:
        print(f"\n{report}")
    if args.csv:
        write_csv(args.csv, rows)
    return 1 if wrong else 0
