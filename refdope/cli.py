"""The command line: `refdope COMMAND`, or `python -m refdope COMMAND`.

Exit status: 0 done; 1 a gradient is wrong (`refdope gradcheck`), or a run failed (`refdope experiment`); 2 the input
was wrong, and one line on standard error says how; 130 interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

EXAMPLES = {
    "demo": """\
examples:
  refdope demo                                    five models, two minutes, results in figures/
  refdope demo --seeds 5 --out runs/seeds         the same with five seeds, to see what is noise
  refdope demo --structure lmf --factor 10        dope a low-rank matrix instead
  refdope demo --data my.txt --level word         your own text, by words
""",
    "train": """\
examples:
  refdope train runs/a --data my.txt --hidden 128 --factor 20 --cmr 0.1
  refdope train runs/b --structure dense --no-overlay --epochs 5
  refdope train runs/c --structure none --factor 20           gradual pruning, no structure
  refdope train runs/d --preset zaremba-small --data ptb/     Zaremba's small model on PTB
  refdope train runs/e --config runs/a/config.toml --seed 1   run a again with another seed
  refdope train --resume runs/a                               go on after an interrupt or a crash
""",
    "evaluate": """\
examples:
  refdope evaluate runs/a                         on the test text it was trained with
  refdope evaluate runs/a --data other.txt        on the test part of another text
""",
    "compress": """\
examples:
  refdope compress runs/dense runs/small --structure kronecker --factor 20 --updates 1000
  refdope compress lstm.safetensors small.npz --factor 10      weights under PyTorch's names
""",
    "report": """\
examples:
  refdope report runs/a runs/b runs/c
  refdope report runs/* --format csv > runs.csv
  refdope report runs/* --figure runs.png
""",
    "gradcheck": """\
examples:
  refdope gradcheck                               every structure, layer and model of this package, as a table
  refdope gradcheck --entries                     the same entry by entry; a minute
  refdope gradcheck mine.py                       your own: a file that defines loss, params and grads
  refdope gradcheck mine.py --figure mine.png     and where in the worst array the error is

mine.py, in short:
  params = {"W": np.ones((3, 2))}                 where to check
  def loss(params): ...                           a scalar
  def grads(params): ...                          {"W": d loss / d W}
  blocks, cases                                   optional, see help(refdope.gradcheck)
""",
    "experiment": """\
examples:
  refdope experiment ptb --data ptb/              experiments/ptb.toml, two runs at a time
  refdope experiment ptb --data ptb/              again, after an interrupt: goes on, and skips what is done
  refdope experiment cma --table runs/cma.csv     a table that is there is added to: run all again into another
  refdope experiment ptb --data ptb/ --preset zaremba-medium --out runs/ptb-650 --table ptb-650.csv
  refdope experiment mine.toml --jobs 8           your own file, on the default corpus
  refdope experiment ptb --data /shared/ptb --out /shared/runs --dask tcp://10.0.0.1:8786
""",
    "generate": """\
examples:
  refdope generate runs/a --prompt "Return the " --length 300 --temperature 0.7
""",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    args = _parser().parse_args(argv)
    try:
        status = args.command(args)
    except KeyboardInterrupt:
        print("refdope: interrupted; nothing was written", file=sys.stderr)
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"refdope: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return int(status or 0)


def _parser() -> argparse.ArgumentParser:
    from refdope import __version__

    parser = argparse.ArgumentParser(
        prog="refdope",
        description="Doped structured matrices for LSTMs, in NumPy and SciPy.",
        epilog="refdope COMMAND --help has examples",
    )
    parser.add_argument("--version", action="version", version=f"refdope {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, about: str, more: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}. {more}",
            epilog=EXAMPLES[name],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(command=run)
        return made

    _demo_options(command("demo", _demo, "train one language model five ways, compressed equally, and compare"))
    _train_options(command("train", _train, "train a language model in a run folder that can be resumed at any moment"))
    evaluate = command("evaluate", _evaluate, "measure a trained model on a test text")
    evaluate.add_argument("run", type=Path, help="run folder")
    evaluate.add_argument("--data", metavar="PATH", help="another text (default: that of the run)")
    gradcheck = command(
        "gradcheck",
        _gradcheck,
        "check hand-written gradients, ours or yours, and tell what is wrong with them",
        "Exit status 1 if one is wrong.",
    )
    gradcheck.add_argument("file", type=Path, nargs="?", metavar="FILE.py", help="defines loss, params and grads")
    gradcheck.add_argument("--entries", action="store_true", help="every entry, however long it takes")
    gradcheck.add_argument("--csv", type=Path, metavar="FILE", help="write the table of the package's derivatives")
    gradcheck.add_argument("--html", type=Path, metavar="FILE", help="write the report on FILE.py as a page")
    gradcheck.add_argument("--figure", type=Path, metavar="PNG", help="draw the worst array of FILE.py")
    generate = command("generate", _generate, "let a trained model write")
    generate.add_argument("run", type=Path, help="run folder")
    generate.add_argument("--prompt", default="", help="text to go on from (default: the start of a line)")
    generate.add_argument("--length", type=int, default=300, help="how many tokens (default: %(default)s)")
    generate.add_argument("--temperature", type=float, default=0.8, help="below 1: bolder (default: %(default)s)")
    generate.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    _experiment_options(
        command(
            "experiment",
            _experiment,
            "run every training run that an experiment file lists, and write a table of them",
            "Runs are resumable, and skipped when done: what the table has is done. Exit status 1 if one failed.",
        )
    )
    _compress_options(command("compress", _compress, "give the doped LSTM nearest to a trained dense one"))
    report = command("report", _report, "lay runs side by side: what they are, what they reached, what they cost")
    report.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders, ended or not")
    formats = ("text", "markdown", "csv")
    report.add_argument("--format", choices=formats, default="text", help="(default: %(default)s)")
    report.add_argument("--figure", type=Path, metavar="PNG", help="draw the runs' courses into this file")
    return parser


# ------------------------------------------------------------------------------------------------------------- train


def _train_options(train: argparse.ArgumentParser) -> None:
    from refdope.training.config import PRESETS, Config

    train.add_argument("run", type=Path, nargs="?", help="run folder, not there yet")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    train.add_argument("--config", type=Path, metavar="TOML", help="settings from a file; flags come on top")
    train.add_argument("--preset", choices=tuple(PRESETS), help="settings of a published model; flags come on top")
    for setting in fields(Config):
        flag, choices = "--" + setting.name.replace("_", "-"), setting.metadata["choices"]
        about = f"{setting.metadata['help']} (default: {setting.default!r})".replace("%", "%%")
        if isinstance(setting.default, bool):
            train.add_argument(flag, dest=setting.name, action=argparse.BooleanOptionalAction, default=None, help=about)
        else:
            kind = type(setting.default)
            metavar = None if choices else {str: "PATH", int: "N", float: "X"}[kind]
            train.add_argument(flag, dest=setting.name, type=kind, choices=choices, metavar=metavar, help=about)


def _train(args: argparse.Namespace) -> int:
    from refdope.memory import keep_memory
    from refdope.training import folder
    from refdope.training.config import PRESETS, Config, read_toml

    keep_memory()
    flags = {f.name: getattr(args, f.name) for f in fields(Config) if getattr(args, f.name) is not None}
    if args.resume is not None:
        if args.run or args.config or args.preset or flags:
            raise ValueError("--resume goes on with a run as it is: it takes no other arguments")
        return 0 if folder.resume(args.resume) else 130
    if args.run is None:
        raise ValueError("train needs a run folder, or --resume RUN")
    if flags.get("data"):
        flags["data"] = str(Path(flags["data"]).absolute())
    given = PRESETS.get(args.preset, {}) | (read_toml(args.config) if args.config else {}) | flags
    config = Config.from_dict(given, str(args.config or "train"))
    return 0 if folder.start(args.run, config) else 130


def _experiment_options(experiment: argparse.ArgumentParser) -> None:
    from refdope.training.config import PRESETS

    option = experiment.add_argument
    option("name", help="a TOML file, or its name in experiments/")
    option("--data", metavar="PATH", default="", help="a text file, a folder of .txt files, or PTB's folder")
    option("--jobs", type=int, default=2, metavar="N", help="processes, one thread each (default: 2)")
    option("--preset", choices=tuple(PRESETS), default="", help="settings of a published model in place of the file's")
    option("--out", type=Path, metavar="DIR", help="where the run folders go (default: runs/NAME)")
    option("--table", type=Path, metavar="CSV", help="the table; runs that it has are done (default: figures/NAME.csv)")
    option("--dask", metavar="ADDRESS", help="send the runs to a Dask cluster, whose workers see PATH and DIR")


def _experiment(args: argparse.Namespace) -> int:
    from refdope.training import study
    from refdope.training.conduct import conduct
    from refdope.workers import dask, workers

    if args.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {args.jobs}")
    path = Path(args.name) if args.name.endswith(".toml") else Path("experiments") / f"{args.name}.toml"
    data = {"data": str(Path(args.data).absolute())} if args.data else {}
    read = study.read(path, args.preset, **data)
    out, table = args.out or Path("runs") / read.name, args.table or Path("figures") / f"{read.name}.csv"
    with dask(args.dask) if args.dask else workers(args.jobs) as executor:
        failed = conduct(read, out.absolute(), table, executor, None if args.dask else args.jobs)
    print(f"{table}: all runs that are done; their folders are in {out}")
    for run in failed:
        print(f"refdope: failed: {run}", file=sys.stderr)
    return 1 if failed else 0


def _evaluate(args: argparse.Namespace) -> None:
    import numpy as np

    from refdope.data import load, tokenize
    from refdope.training import evaluate, evaluation_batches
    from refdope.training.folder import read_model

    model, vocabulary, config = read_model(args.run)
    corpus = load(args.data or config.data or None)
    tokens = vocabulary.encode(tokenize(corpus.test, config.level, corpus.spaced))
    loss = evaluate(model, evaluation_batches(tokens))
    unknown = np.mean(tokens == 0)
    told = f"{loss / np.log(2):.4f} bits per character" if config.level == "char" else f"perplexity {np.exp(loss):.3f}"
    print(f"{corpus}\n{told} on {len(tokens):,} test tokens, {unknown:.1%} of them unknown")


def _report(args: argparse.Namespace) -> None:
    from refdope.analysis import by_matrix, markdown, report
    from refdope.files import csv_text, whole
    from refdope.training.folder import read_model

    found = report.rows(args.runs)
    if args.format == "csv":
        print(csv_text(found), end="")
    elif args.format == "markdown" or len(found) > 1:
        print(markdown(found))
    if args.format == "text" and len(found) == 1:  # one run reads better from top to bottom
        print("\n".join(f"{name:<16} {value}" for name, value in found[0].items()))
        print("\n" + markdown(by_matrix(read_model(args.runs[0])[0])))
    if args.figure:
        from refdope.analysis.plots import report_figure

        with whole(args.figure) as file:
            report_figure(args.runs, file)


def _gradcheck(args: argparse.Namespace) -> int:
    if args.file is None:
        if args.html or args.figure:
            raise ValueError("--html and --figure are of a report on FILE.py; name one")
        return _gradcheck_package(args)
    if args.csv:
        raise ValueError("--csv is of the package's own derivatives, without FILE.py")
    from refdope.checks.mine import check_file
    from refdope.files import whole

    report = check_file(args.file, "entries" if args.entries else "auto")
    print(report)
    if args.html:
        with whole(args.html) as file:
            file.write(
                f"<!doctype html><meta charset='utf-8'><title>{args.file.name}</title>{report._repr_html_()}".encode()
            )
    if args.figure:
        figure = report.figure()
        with whole(args.figure) as file:
            figure.savefig(file, format="png")
    return 0 if report.ok else 1


def _gradcheck_package(args: argparse.Namespace) -> int:
    from refdope.analysis import markdown
    from refdope.checks.package import table
    from refdope.files import write_csv

    rows, wrong = table("entries" if args.entries else "directions")
    print(markdown(rows))
    for report in wrong:
        print(f"\n{report}")
    if args.csv:
        write_csv(args.csv, rows)
    return 1 if wrong else 0


def _generate(args: argparse.Namespace) -> None:
    import numpy as np

    from refdope.data import tokenize
    from refdope.training.folder import read_model

    if args.length < 1:
        raise ValueError(f"--length must be at least 1, got {args.length}")
    model, vocabulary, config = read_model(args.run)
    prompt = args.prompt or "\n"
    words = tokenize(prompt, config.level)
    tokens = vocabulary.encode(words[:-1] if config.level == "word" and args.prompt else words)
    written = model.generate(tokens, args.length, np.random.default_rng(args.seed), args.temperature)
    text = vocabulary.decode(written, config.level)
    print(args.prompt + (" " if config.level == "word" and args.prompt else "") + text)


# ---------------------------------------------------------------------------------------------------------- compress


def _compress_options(compress: argparse.ArgumentParser) -> None:
    from refdope.structures import STRUCTURES

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


def _compress(args: argparse.Namespace) -> None:
    import numpy as np

    from refdope import interop
    from refdope.analysis import markdown
    from refdope.structures.base import join
    from refdope.training.compress import compress_layers, compress_run
    from refdope.training.config import KINDS
    from refdope.training.folder import read_config

    if args.updates < 0 or not 0 < args.lr < float("inf"):
        raise ValueError(f"--updates must be 0 or more and --lr above 0, got {args.updates} and {args.lr}")
    if args.source.is_dir():
        found = compress_run(args.source, args.out, args.structure, args.factor, args.updates, args.lr)
        char = read_config(args.out).level == "char"
        told = {k: found[k] / np.log(2) if char else np.exp(found[k]) for k in ("before", "after", "tuned")}
        print(markdown(found["errors"]))
        print(
            f"{'bits per character' if char else 'perplexity'} on the test text: {told['before']:.3f} dense, "
            f"{told['after']:.3f} compressed, {told['tuned']:.3f} after {args.updates} updates"
        )
        return
    if args.out.exists():
        raise FileExistsError(f"{args.out} is there already: name another file")
    kind = KINDS[args.structure]
    layers, errors = compress_layers(interop.from_torch(interop.read(args.source)), kind, args.factor)  # type: ignore[arg-type]
    arrays = join(**{f"layers.{k}": layer.params | layer.constants for k, layer in enumerate(layers)})
    interop.write(args.out, arrays)
    print(markdown(errors))


# -------------------------------------------------------------------------------------------------------------- demo


def _demo_options(demo: argparse.ArgumentParser) -> None:
    from refdope.structures import STRUCTURES, Dense

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


def _demo(args: argparse.Namespace) -> None:
    from dataclasses import asdict

    from refdope import analysis, data, demo
    from refdope.training.config import Config

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
        if outcome.run.config.seed == 0 and outcome.run.name in ("dense", "doped"):
            print(f"\nwritten by the {outcome.run.name} model: {outcome.sample}")
    print(f"\n{analysis.markdown(demo.table(outcomes, config.level))}\n")
    print(f"in {args.out}: demo.png, demo.csv, demo_table.csv, demo_snapshots.npz, demo.json")
