"""What the pages of the project say is so."""

import csv
import re
from dataclasses import replace
from math import log
from pathlib import Path
from statistics import mean

import pytest

from refdope.data import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


GRADCHECK = (ROOT / "docs" / "gradcheck.md").read_text()


def examples(text):
    """The Python examples of a page that print something, and what the page says they print."""
    return re.findall(r"```python\n([^`]*?)```\s+```text\n(.*?)```", text, re.DOTALL)


def same_report(shown, printed):
    """Whether two reports say the same, but for times, numbers that are rounding, and the order of what is right."""
    told = [
        sorted(re.sub(r"[\d.]+e[+-]\d+|[\d.]+ s$", "#", line) for line in text.splitlines())
        for text in (shown, printed)
    ]
    return told[0] == told[1]


def run(code, page, capsys):
    exec(compile(code, page, "exec"), {"__name__": "example"})
    return capsys.readouterr().out


def test_the_readmes_example_checks_a_derivative_in_ten_lines(capsys):
    ((code, shown),) = examples(README)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    printed = run(code, "README.md", capsys)
    assert printed.startswith("gradcheck: 7 arrays, all right")
    assert same_report(shown, printed), printed


def test_the_readmes_training_in_python_ends_at_its_budget(capsys, monkeypatch):
    (code,) = re.findall(r"```python\n(import numpy as np\nfrom refdope import CMR, Lang[^`]*)```", README)
    corpus = load(packages=["numpy"])
    short = replace(corpus, train=corpus.train[:20_000], valid=corpus.valid[:2_000], test=corpus.test[:2_000])
    monkeypatch.setattr("refdope.data.load", lambda: short)
    names = {"__name__": "example"}
    exec(compile(code.replace("rng(0), 2000", "rng(0), 40"), "README.md", "exec"), names)
    assert 2 < float(capsys.readouterr().out.split()[0]) < 6
    assert all(W.n_params == W.shape[0] * W.shape[1] // 20 for W in names["model"].matrices.values())


def test_the_checkers_page_shows_what_a_numpy_function_gives_and_the_readme_its_beginning(capsys):
    code, shown = examples(GRADCHECK)[0]
    printed = run(code, "docs/gradcheck.md", capsys)
    assert same_report(shown, printed), printed
    assert "off by the constant factor 5, which is axis 0 of x" in printed
    assert shown.splitlines()[1:5] == README.split("most likely is:")[1].split("```")[1].splitlines()[2:6]


def test_the_checkers_page_counts_what_the_zoos_table_says():
    with (ROOT / "figures" / "zoo.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first, unseen = [row["named"] == "1" for row in rows], [row for row in rows if row["set"] == "unseen"]
    of_unseen = sum(row["named"] == "1" for row in unseen)
    text = " ".join(GRADCHECK.split())
    assert all(row["refdope"] != "right" for row in rows)
    assert f"the {len(rows)} wrong backward passes" in text
    assert (
        f"the right one for {sum(first)}, and for {of_unseen} of the {len(unseen)} that nothing was learnt from" in text
    )


@pytest.mark.torch
def test_the_checkers_page_shows_what_a_torch_module_gives(capsys):
    code, shown = examples(GRADCHECK)[1]
    printed = run(code, "docs/gradcheck.md", capsys)
    assert "4 arrays, all right" in printed
    assert same_report(shown, printed), printed


PAGES = ["README.md", "CONTRIBUTING.md", "docs/gradcheck.md", "docs/evidence.md", "docs/selection.md"]
PAGES += [f"{folder}/README.md" for folder in ("benchmarks", "figures", "tutorials", "tutorials/labs")]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists(), target


def test_the_readmes_table_is_the_one_that_the_demo_wrote():
    with (ROOT / "figures" / "seeds" / "demo_table.csv").open() as file:
        rows = [line.strip().split(",") for line in file][1:]
    for row in rows:
        assert re.search(rf"^\| {re.escape(row[0])} +\| +{re.escape(row[1])} ", README, re.MULTILINE), row


def test_the_readmes_other_numbers_are_those_of_the_demos_course():
    with (ROOT / "figures" / "seeds" / "demo.csv").open() as file:
        rows = list(csv.DictReader(file))

    def bits(model, column, step):
        found = [float(row[column]) for row in rows if (row["model"], row["step"]) == (model, step)]
        assert len(found) == 3
        return f"{mean(found) / log(2):.2f}"

    text = " ".join(README.split())
    peaks = [[_peak(rows, model, seed) for seed in "012"] for model in ("doped", "pruned", "doped + CMR")]
    hump = [f"{mean(peak) / log(2):.2f}" for peak in peaks]
    assert "it is {} at its top without CMR, {} for the pruned model, {} with CMR".format(*hump) in text
    assert all(plain > pruned > with_cmr for plain, pruned, with_cmr in zip(*peaks, strict=True))  # "in every seed"
    alone = [f"{float(bits(m, c, '2000')):.1f}" for c in ("without_overlay", "without_structure") for m in
             ("doped + CMR", "doped")]  # fmt: skip
    assert "({} against {} bits), without its structure worse ({} against {})".format(*alone) in text


def _peak(rows, model, seed):
    """The highest validation loss of one run while most entries go, steps 500 to 1,200."""
    run = [row for row in rows if (row["model"], row["seed"]) == (model, seed)]
    return max(float(row["loss"]) for row in run if 500 <= int(row["step"]) <= 1200)


def test_commands_of_the_pages_are_targets_of_the_makefile():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = README + (ROOT / "CONTRIBUTING.md").read_text()
    assert {"demo", "test"} <= set(re.findall(r"\bmake ([\w-]+)", pages)) <= targets


def test_nothing_is_pinned_outside_the_ranges_of_the_project():
    pins = dict(re.findall(r"^([\w-]+)==([\d.]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    ranges = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', (ROOT / "pyproject.toml").read_text()))
    ranges.pop("setuptools")
    assert set(ranges) <= set(pins)
    for name, least in ranges.items():
        assert _version(pins[name]) >= _version(least), name


def _version(text: str) -> list[int]:
    return [int(number) for number in text.split(".")]


def test_the_readmes_speeds_are_those_of_the_benchmarks():
    measured = (ROOT / "benchmarks" / "results" / "bench.md").read_text().splitlines()
    shown = [line for line in README.splitlines() if re.match(r"\| (lstm|model step|product)", line)]
    assert len(shown) > 10
    assert not set(shown) - set(measured)


@pytest.mark.parametrize("page", ["figures/README.md", "docs/evidence.md"])
def test_what_the_experiments_say_is_quoted_from_their_tables(page):
    text = " ".join((ROOT / page).read_text().split())
    tables = "".join(table.read_text() for table in (ROOT / "figures").glob("*.md") if table.name != "README.md")
    quoted = re.findall(r"[+-]?\d\.\d+ ± \d\.\d+", text)
    assert len(quoted) > 20
    assert [number for number in quoted if number not in tables] == []


def test_every_rate_on_ptb_is_marked_as_a_bound_where_it_ends_its_grid():
    with (ROOT / "figures" / "ptb.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = (ROOT / "figures" / "ptb.md").read_text()
    for run in (row for row in rows if row["trial"] == "False"):
        tried = [float(row["lr"]) for row in rows if (row["variant"], row["trial"]) == (run["variant"], "True")]
        line = re.search(rf"^\| {re.escape(run['variant'])} +\|(.*)$", shown, re.MULTILINE)[1]
        end = {min(tried): "lr lowest", max(tried): "lr highest"}.get(float(run["lr"]))
        assert (end in line and "≤" in line) if end else "lr " not in line


def test_shares_of_cmrs_gain_are_those_of_the_tables():
    tables = [(ROOT / "figures" / f"{name}.md").read_text() for name in ("cma", "compression")]
    one, other = (re.search(r"a pruned matrix gains (\d+)% ", table)[1] for table in tables)
    for page in ("README.md", "figures/README.md", "docs/evidence.md"):
        text = (ROOT / page).read_text()
        assert f"{one} %" in text
        assert f"{other} %" in text
    notebooks = [*(ROOT / "tutorials").glob("[56]_*.ipynb"), *(ROOT / "tutorials" / "labs").glob("*/d_cmr.ipynb")]
    assert len(notebooks) == 5
    for notebook in notebooks:
        assert f"{one} % of" in notebook.read_text()
        assert f"({other} % with 120 units)" in notebook.read_text()


def test_what_is_called_clear_is_so_by_the_rule():
    tables = "".join((ROOT / "figures" / f"{name}.md").read_text() for name in ("cma", "compression"))
    text = (ROOT / "docs" / "evidence.md").read_text()
    bold = re.findall(r"\*\*([+-]\d\.\d+ ± \d\.\d+)\*\*", text)
    assert len(bold) == 4
    assert all(f"**{number}**" in tables for number in bold)
    for plain in ("-0.015 ± 0.013", "-0.024 ± 0.010", "-0.030 ± 0.013", "-0.010 ± 0.009", "+0.012 ± 0.010"):
        assert f"**{plain}**" not in tables


def test_the_verdicts_lead_to_their_details():
    details = (ROOT / "docs" / "evidence.md").read_text()
    titles = re.findall(r"^## (.*)$", details, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert anchors == set(re.findall(r"evidence\.md#([\w-]+)\)", (ROOT / "figures" / "README.md").read_text()))
