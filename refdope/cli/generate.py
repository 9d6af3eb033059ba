"""`refdope generate`: a trained model writes."""

import argparse
from pathlib import Path

import numpy as np

from refdope.data import Vocabulary, tokenize
from refdope.models import generate
from refdope.runs.trained import read_model

ABOUT = ("let a trained model write",)
EXAMPLES = """\
  refdope generate runs/a --prompt "Return the " --length 300 --temperature 0.7
"""


def options(generate: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    generate.add_argument("run", type=Path, help="run folder")
    generate.add_argument("--prompt", default="", help="text to go on from (default: the start of a line)")
    generate.add_argument("--length", type=int, default=300, help="how many tokens (default: %(default)s)")
    generate.add_argument("--temperature", type=float, default=0.8, help="higher: more varied (default: %(default)s)")
    generate.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.length < 1:
        raise ValueError(f"--length must be at least 1, got {args.length}")
    trained = read_model(args.run)
    level, vocabulary = trained.config.level, Vocabulary.of(trained.record["vocabulary"])
    words = tokenize(args.prompt or "\n", level, trained.record["spaced"])
    tokens = vocabulary.encode(words[:-1] if level == "word" and args.prompt else words)
    written = generate(trained.model, tokens, args.length, np.random.default_rng(args.seed), args.temperature)
    text = vocabulary.decode(written, level)
    print(args.prompt + (" " if level == "word" and args.prompt else "") + text)
