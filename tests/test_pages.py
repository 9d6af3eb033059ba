"""What the pages of the project say is so."""

import csv
import re
from math import log
from pathlib import Path
from statistics import mean

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_readmes_example_checks_a_derivative_in_ten_lines(capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "gradcheck: 7 arrays, all right"
    shown = re.search(r"```text\n(.*?)```", README, re.DOTALL)[1].splitlines()
    assert shown[0] == printed[0]
    assert sorted(line.split()[1] for line in shown[1:]) == sorted(line.split()[1] for line in printed[1:])


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target


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

    hump = [bits(model, "loss", "900") for model in ("doped", "pruned", "doped + CMR")]
    text = " ".join(README.split())
    assert "{} at step 900 without CMR, {} for the pruned model, {} with CMR".format(*hump) in text
    peaks = [[_peak(rows, model, seed) for seed in "012"] for model in ("doped + CMR", "doped")]
    assert all(with_cmr < plain for with_cmr, plain in zip(*peaks, strict=True))  # "in every seed"
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
