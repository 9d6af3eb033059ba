"""`refdope compress`: a trained dense LSTM, doped."""

import argparse
from pathlib import Path

from refdope import interop
from refdope.analysis import markdown
from refdope.arrays import join
from refdope.runs.compress import compress_layers, compress_run
from refdope.runs.folder import read_config
from refdope.structures import STRUCTURES, Recipe
from refdope.units import in_unit, unit

ABOUT = ("give the doped LSTM nearest to a trained dense one",)
EXAMPLES = """\
  refdope compress runs/dense runs/small --structure kronecker --factor 20 --updates 1000
  refdope compress lstm.safetensors small.npz --factor 10      weights under PyTorch's names
"""


def options(compress: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    kinds = [kind.__name__.lower() for kind in STRUCTURES]
    option = compress.add_argument
    option(
        "source", type=Path, help="run folder of a dense model, or an .npz or .safetensors file of PyTorch's weights"
    )
    option("out", type=Path, help="run folder, or .npz file, not there yet")
    option("--structure", choices=kinds, default="kronecker", help="under the overlay (default: %(default)s)")
    option("--factor", type=float, default=20.0, help="compression factor of the matrices (default: %(default)s)")
    option("--updates", type=int, default=1000, help="of a run's fine-tuning, 0: none (default: %(default)s)")
    option("--lr", type=float, default=0.002, help="its learning rate at the start (default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.updates < 0 or not 0 < args.lr < float("inf"):
        raise ValueError(f"--updates must be 0 or more and --lr above 0, got {args.updates} and {args.lr}")
    if args.source.is_dir():
        _run_folder(args)
    else:
        _weights(args)


def _run_folder(args: argparse.Namespace) -> None:
    """Compress the model of a run, and say what that cost and what fine-tuning brought back."""
    found = compress_run(args.source, args.out, args.structure, args.factor, args.updates, args.lr)
    level = read_config(args.out).level
    told = {k: in_unit(found[k], level) for k in ("before", "after", "tuned")}
    print(markdown(found["errors"]))
    print(
        f"{unit(level)} on the test text: {told['before']:.3f} dense, "
        f"{told['after']:.3f} compressed, {told['tuned']:.3f} after {args.updates} updates"
    )


def _weights(args: argparse.Namespace) -> None:
    """Compress the LSTM layers of a file of weights."""
    if args.out.exists():
        raise FileExistsError(f"{args.out} is there already: name another file")
    recipe = Recipe(args.structure, args.factor, doped=True)
    layers, errors = compress_layers(interop.from_torch(interop.read(args.source)), recipe)
    arrays = join(**{f"layers.{k}": layer.params | layer.constants for k, layer in enumerate(layers)})
    interop.write(args.out, arrays)
    print(markdown(errors))
