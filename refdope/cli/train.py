"""`refdope train`: a run folder; a flag for every setting of `refdope.runs.config.Config`."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from refdope.memory import keep_memory
from refdope.runs import folder
from refdope.runs.config import PRESETS, Config, read_toml

ABOUT = ("train a language model in a run folder that can be resumed at any moment",)
EXAMPLES = """\
  refdope train runs/a --data my.txt --hidden 128 --factor 20 --cmr 0.1
  refdope train runs/b --structure dense --no-overlay --epochs 5
  refdope train runs/c --structure none --factor 20           gradual pruning, no structure
  refdope train runs/d --preset zaremba-small --data ptb/     Zaremba's small model on PTB
  refdope train runs/e --config runs/a/config.toml --seed 1   run a again with another seed
  refdope train --resume runs/a                               go on after an interrupt or a crash
"""


def options(train: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    train.add_argument("run", type=Path, nargs="?", help="run folder, not there yet")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    train.add_argument("--config", type=Path, metavar="TOML", help="settings from a file; flags come on top")
    train.add_argument("--preset", choices=tuple(PRESETS), help="settings of a published model; flags come on top")
    for setting in fields(Config):
        flag, choices = "--" + setting.name.replace("_", "-"), setting.metadata["choices"]
        about = f"{setting.metadata['help']} (default: {setting.default!r})".replace("%", "%%")
        if setting.name == "options":
            about = "an option of the structure, such as first=50x4; may be repeated (default: its own defaults)"
            train.add_argument("--option", dest="options", action="append", metavar="NAME=VALUE", help=about)
        elif isinstance(setting.default, bool):
            train.add_argument(flag, dest=setting.name, action=argparse.BooleanOptionalAction, default=None, help=about)
        else:
            kind = type(setting.default)
            metavar = None if choices else {str: "PATH", int: "N", float: "X"}[kind]
            train.add_argument(flag, dest=setting.name, type=kind, choices=choices, metavar=metavar, help=about)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    keep_memory()
    flags = {f.name: getattr(args, f.name) for f in fields(Config) if getattr(args, f.name) is not None}
    if args.resume is not None:
        if args.run or args.config or args.preset or flags:
            raise ValueError("--resume goes on with a run as it is: it takes no other arguments")
        return _status(args.resume, lambda: folder.resume(args.resume))
    if args.run is None:
        raise ValueError("train needs a run folder, or --resume RUN")
    if "options" in flags:
        flags["options"] = ",".join(flags["options"])
    if flags.get("data"):
        flags["data"] = str(Path(flags["data"]).absolute())
    given = PRESETS.get(args.preset, {}) | (read_toml(args.config) if args.config else {}) | flags
    config = Config.from_dict(given, str(args.config or "train"))
    return _status(args.run, lambda: folder.start(args.run, config))


def _status(path: Path, train: Callable[[], bool]) -> int:
    """Train; return the exit status, and say of an interrupt before or after the updates what it left."""
    try:
        return 0 if train() else 130
    except KeyboardInterrupt:
        begun = (path / "config.toml").exists()
        raise KeyboardInterrupt(*[f"go on with `refdope train --resume {path}`"] if begun else []) from None
