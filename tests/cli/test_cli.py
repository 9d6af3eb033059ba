"""The command line as a whole: its commands, their help and their ends."""

import argparse
import os
import shlex
import subprocess
import sys

import pytest

from refdope import __version__
from refdope.cli import COMMANDS, main, parser


@pytest.mark.parametrize("arguments", [[], ["dmo"], ["demo", "--structure", "dense"], ["demo", "--steps", "many"]])
def test_usage_errors_are_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: refdope" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_that_parse_and_every_option_its_text(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert f"examples:\n{COMMANDS[name].EXAMPLES}" in capsys.readouterr().out
    own = argparse.ArgumentParser()
    COMMANDS[name].options(own)
    assert [action.dest for action in own._actions if not action.help] == []
    lines = [line.split("   ")[0] for line in COMMANDS[name].EXAMPLES.splitlines() if line.startswith("  refdope ")]
    for line in (line.strip().split(" > ")[0] for line in lines or pytest.fail("no examples")):
        assert parser().parse_args(shlex.split(line)[1:]).run_command is COMMANDS[name].run


def test_python_m_refdope_is_the_command():
    ended = subprocess.run(
        [sys.executable, "-m", "refdope", "--version"], capture_output=True, text=True, check=True, env=os.environ
    )
    assert ended.stdout == f"refdope {__version__}\n"


def test_import_loads_neither_matplotlib_nor_tqdm():
    code = "import sys, refdope; print([m for m in ('matplotlib', 'tqdm', 'multiprocessing') if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
