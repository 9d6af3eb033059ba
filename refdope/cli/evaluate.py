"""`refdope evaluate`: what a trained model says of a text."""

import argparse
from pathlib import Path

import numpy as np

from refdope.data import Vocabulary, load, tokenize
from refdope.models import evaluate, evaluation_batches
from refdope.runs.trained import read_model
from refdope.units import in_unit, unit

ABOUT = ("measure a trained model on a test text",)
EXAMPLES = """\
  refdope evaluate runs/a                         on the test text it was trained with
  refdope evaluate runs/a --part valid            on all of its validation text
  refdope evaluate runs/a --data other.txt        on the test part of another text
"""


def options(evaluate: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    evaluate.add_argument("run", type=Path, help="run folder")
    evaluate.add_argument("--data", metavar="PATH", help="another text (default: that of the run)")
    evaluate.add_argument("--part", choices=("test", "valid"), default="test", help="of the text (default: test)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    trained = read_model(args.run)
    level = trained.config.level
    corpus = load(args.data or trained.config.data or None)
    if not args.data:
        trained.check(corpus.hash)
    tokens = Vocabulary.of(trained.record["vocabulary"]).encode(
        tokenize(getattr(corpus, args.part), level, corpus.spaced)
    )
    loss = evaluate(trained.model, evaluation_batches(tokens))
    unknown = np.mean(tokens == 0)
    told = f"{in_unit(loss, level):.4f} {unit(level)}"
    print(f"{corpus}\n{told} on {len(tokens):,} {args.part} tokens, {unknown:.1%} of them unknown")
