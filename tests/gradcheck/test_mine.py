import pytest

from refdope.cli import main

MINE = """
import numpy as np

x = np.array([0.3, -1.2])
params = {"W": np.array([[0.2, 0.5], [-0.7, 0.1], [0.4, -0.6]])}

def loss(params):
    return np.tanh(params["W"] @ x).sum()

def grads(params):
    return {"W": np.outer(1 - np.tanh(params["W"] @ x) ** 2, x)}
"""


@pytest.fixture
def mine(tmp_path):
    def written(text=MINE):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return path

    return written


def test_a_right_file_passes(mine, capsys):
    assert main(["gradcheck", str(mine())]) == 0
    assert "1 arrays, all right" in capsys.readouterr().out


def test_a_wrong_file_is_told_with_status_1_as_text_page_and_picture(mine, tmp_path, capsys):
    page, picture = tmp_path / "mine.html", tmp_path / "mine.png"
    wrong = mine(MINE.replace("1 - np.tanh", "2 - 2 * np.tanh"))
    assert main(["gradcheck", str(wrong), "--html", str(page), "--figure", str(picture)]) == 1
    assert "[factor] W: off by the constant factor" in capsys.readouterr().out
    assert "off by the constant factor" in page.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("loss = 1", "must define loss, params, grads; it lacks params, grads"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        (MINE.replace("params = {", "params = {'k': np.arange(2), "), r"params['k'] must be a float array"),
        (MINE.replace("np.outer(", "np.outer(undefined, "), "NameError: name 'undefined' is not defined"),
    ],
)
def test_a_file_that_cannot_be_checked_is_told_in_one_line(mine, capsys, text, told):
    assert main(["gradcheck", str(mine(text))]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_arguments_that_do_not_fit_are_told(mine, tmp_path, capsys):
    for arguments, told in (
        (["gradcheck", str(tmp_path / "none.py")], "no such file"),
        (["gradcheck", "--html", "a.html"], "--html and --figure are of a report on FILE.py"),
        (["gradcheck", str(mine()), "--csv", "a.csv"], "--csv is of the package's own derivatives"),
    ):
        assert main(arguments) == 2
        assert told in capsys.readouterr().err


def test_the_package_is_checked_as_a_table_that_can_be_kept(monkeypatch, tmp_path, capsys):
    from refdope.selfcheck import every as package

    some = [check for check in package.checks() if check.what == "kronecker"][:3]
    monkeypatch.setattr(package, "checks", lambda: some)
    assert main(["gradcheck", "--csv", str(tmp_path / "table.csv")]) == 0
    assert "| structure | kronecker |" in capsys.readouterr().out
    assert (tmp_path / "table.csv").read_text().startswith("part,what,variants,arrays,complex step,stencil,verdict\n")
