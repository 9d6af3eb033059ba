"""What a run has trained can be read, evaluated and written with, by the text that it was trained on and no other."""

import json
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from refdope.cli import main
from refdope.data import Vocabulary
from refdope.runs import checkpoint
from refdope.runs.folder import checkpoints, read_config
from refdope.runs.trained import read_model
from tests.experiments.small import TEXT
from tests.runs.small import flags


def test_evaluate_gives_what_the_run_found(runs, capsys):
    assert main(["evaluate", str(runs / "ended")]) == 0
    result = json.loads((runs / "ended" / "result.json").read_text())
    assert f"{result['test_in_unit']:.4f} bits per character on" in capsys.readouterr().out
    assert main(["evaluate", str(runs / "ended"), "--data", str(runs / "text.txt")]) == 0
    assert main(["evaluate", str(runs / "stopped")]) == 0  # a run under way: its last checkpoint
    assert main(["evaluate", str(runs / "nowhere")]) == 2
    assert "there is no run in" in capsys.readouterr().err


def test_a_text_that_was_changed_is_not_taken_for_the_one_that_was_trained_on(text, tmp_path, capsys):
    dense = ["--structure", "dense", "--no-overlay", "--cmr", "0"]
    assert main(["train", str(tmp_path / "run"), *flags(text), *dense]) == 0
    text.write_text(TEXT[::-1])  # of the same characters
    for command in (["evaluate", str(tmp_path / "run")], ["compress", str(tmp_path / "run"), str(tmp_path / "small")]):
        capsys.readouterr()
        assert main(command) == 2
        assert "is not the text any more that the model was trained on" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(text)]) == 0  # asked for


def test_an_earlier_checkpoint_is_evaluated_if_the_last_is_damaged(runs, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(runs / "stopped", run)
    last = checkpoints(run)[-1]
    last.write_bytes(last.read_bytes()[:-100])
    assert main(["evaluate", str(run)]) == 0
    assert "is damaged" in capsys.readouterr().err


def test_any_name_of_a_text_can_be_read_back(tmp_path):
    text = tmp_path / 'tëxt "😀"\\.txt'
    text.write_text(TEXT)
    assert main(["train", str(tmp_path / "run"), *flags(text)]) == 0
    assert read_config(tmp_path / "run").data == str(text)
    assert main(["evaluate", str(tmp_path / "run")]) == 0


def test_a_prompt_is_split_as_the_text_was(tmp_path, capsys):
    folder = tmp_path / "ptb"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"ptb.{split}.txt").write_text(" it was n't <unk> of <unk> they say \n" * 60)
    assert main(["train", str(tmp_path / "run"), *flags(folder, level="word", words=20)]) == 0
    record = read_model(tmp_path / "run").record
    assert record["spaced"]
    assert "n't" in record["vocabulary"]
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Vocabulary, "encode", lambda self, tokens: seen.append(tokens) or np.zeros(len(tokens), int))
        assert main(["generate", str(tmp_path / "run"), "--prompt", "was n't <unk>", "--length", "3"]) == 0
    assert seen == [["was", "n't", "<unk>"]]


def test_generate_writes_from_characters_and_from_words(runs, text, tmp_path, capsys):
    assert main(["generate", str(runs / "ended"), "--prompt", "the qu", "--length", "50"]) == 0
    written = capsys.readouterr().out
    assert written.startswith("the qu")
    assert len(written.replace("<unk>", "?")) == 6 + 50 + 1
    words = {"level": "word", "words": 20}
    assert main(["train", str(tmp_path / "words"), *flags(text, **words)]) == 0
    assert main(["generate", str(tmp_path / "words"), "--prompt", "over the", "--length", "8"]) == 0
    assert capsys.readouterr().out.startswith("over the ")
    assert main(["evaluate", str(tmp_path / "words")]) == 0
    assert "perplexity" in capsys.readouterr().out
    for bad, says in ((["--length", "0"], "--length must be at least 1"), (["--temperature", "0"], "temperature must")):
        assert main(["generate", str(runs / "ended"), *bad]) == 2
        assert says in capsys.readouterr().err


def test_a_model_that_is_read_is_the_one_that_was_trained(runs):
    model, config, _, record = read_model(runs / "ended")
    arrays, _ = checkpoint.load(runs / "ended" / "weights.npz")
    for name, a in model.params.items():
        assert_array_equal(a, arrays[f"params.{name}"])
    assert record["vocabulary"][0] == "<unk>"
    assert config.hidden == 8
