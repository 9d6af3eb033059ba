import csv
import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_array

import benchmarks
from benchmarks import crossover, memory, roofline, share
from benchmarks.__main__ import COMMANDS, main
from benchmarks.comparison import distance, merged
from benchmarks.contenders import MAKERS
from benchmarks.pictures import spread
from benchmarks.process import pinned
from benchmarks.results import publish, read
from benchmarks.roofline import Level
from benchmarks.targets import TARGETS, Target, table
from benchmarks.works import FULL, QUICK, Work, text
from refdope import Dense, Doped, Kronecker, Overlay, SparseOverlay
from refdope.training import SGD

MODULES = sorted(path.stem for path in Path(benchmarks.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])
def test_every_module_is_imported_without_the_peers(name):
    assert import_module(f"benchmarks.{name}").__doc__  # that it can be, and says what it is


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_module(name):
    assert callable(import_module(f"benchmarks.{name}").command)


# --------------------------------------------------------------------------------------------------- command line


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--only", "no such work"], "no such work"),
        (["--quick", "--only", "product, 6000"], "leaves no work"),
        (["rooflin"], "invalid choice: 'rooflin'"),
        (["share", "--only", "x"], "--only"),
    ],
)
def test_wrong_input_is_status_2_and_a_line(argv, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(argv)
    except SystemExit as end:  # argparse's own
        status = end.code
    assert status == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_a_contender_that_fails_is_status_1_and_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def fail(**_):
        raise RuntimeError("PyTorch is 1 away\nfrom ours")

    monkeypatch.setattr("benchmarks.comparison.command", fail)
    assert main([]) == 1
    assert capsys.readouterr().err == "benchmarks: PyTorch is 1 away from ours\n"


def test_results_are_written_for_programs_and_for_readers(tmp_path, capsys):
    rows = [{"work": "a", "ms": "1.5"}]
    publish(tmp_path, "x", rows, [], [{"asked": "2"}], figure=lambda rows, file: file.write(b"png"))
    with (tmp_path / "x.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == rows
    told = (tmp_path / "x.md").read_text()
    assert "numpy" in told  # what it was measured with
    assert told.endswith(capsys.readouterr().out)
    assert (tmp_path / "x.png").read_bytes() == b"png"


def test_threads_are_pinned():
    environment = pinned(2)
    assert environment["OPENBLAS_NUM_THREADS"] == environment["OMP_NUM_THREADS"] == "2"


def test_how_threads_wait_is_left_to_each_library(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "0")
        assert name not in pinned(2)


def test_works_measured_again_take_their_places_and_say_on_which_machine(tmp_path, capsys):
    def some(work, cpu, ms):
        return [{"work": work, "contender": name, "ms": ms, "cpu": cpu} for name in ("ours", "peer")]

    old = some("a", "old", "1") + some("b", "old", "1") + some("c", "old", "1")
    rows = merged(old, some("b", "new", "2"), ["a", "b", "c"])
    assert [(row["work"], row["contender"], row["ms"]) for row in rows] == [
        (work, name, "2" if work == "b" else "1") for work in "abc" for name in ("ours", "peer")
    ]
    publish(tmp_path, "x", rows)
    assert [row["cpu"] for row in read(tmp_path / "x.csv")] == ["old", "old", "new", "new", "old", "old"]
    lines = (tmp_path / "x.md").read_text().splitlines()
    assert [line.split()[1:4] for line in lines[2:4]] == [["1", "|", "old"], ["2", "|", "new"]]
    assert [line.split()[1] for line in lines[7:]] == ["1", "1", "2", "2", "1", "1"]
    capsys.readouterr()


def test_nothing_is_measured_that_has_no_table_to_merge_into(tmp_path, capsys):
    assert main(["--quick", "--merge", "--only", "lstm step", "--out", str(tmp_path)]) == 2
    assert "quick.csv, which is not there" in capsys.readouterr().err


def test_results_that_are_not_the_same_are_far_apart():
    first = {"h": np.array([[1.0, -4.0]]), "dx": np.array([2.0])}
    assert distance(first, first) == 0
    assert distance({"h": np.array([[1.0, -3.0]])}, first) == 0.25
    assert np.isnan(distance({"h": first["h"], "dx": np.array([np.nan])}, first))
    assert distance({"h": first["h"], "dx": np.array([[2.0]])}, first) == np.inf  # would broadcast
    assert distance(first | {"other": first["h"]}, first) == np.inf
    assert distance({}, first) == np.inf


# -------------------------------------------------------------------------------------------------------- targets


def row(work, contender, ms):
    return {"work": str(work), "contender": contender, "ms, median": f"{ms:.4f}"}


def test_targets_are_ratios_of_medians():
    a, b = Work("lstm step", 8), Work("lstm step", 8, threads=2)
    rows = [row(a, "ours", 2.0), row(a, "peer", 3.0), row(b, "ours", 3.0), row(b, "peer", 3.599)]
    targets = [
        Target(a, "ours", "peer", 1.5),
        Target(b, "ours", "peer", 1.2),
        Target(b, "ours", "peer", None),
        Target(Work("lstm step", 9), "ours", "peer", 1.0),  # was not measured
    ]
    found = table(rows, targets)
    assert [r["at least"] for r in found] == ["1.50x", "1.20x", "–"]
    assert [r["measured"] for r in found] == ["1.50x", "1.20x asked, 1.19x", "1.19x"]
    assert found[0]["work"] == str(a)
    assert table([], targets) == []


def test_every_target_is_measured_by_a_full_run():
    for work, contender, against, _ in TARGETS:
        assert work in FULL
        assert {contender, against} <= MAKERS[work.kind].keys()


def test_works_differ_in_their_names_and_survive_the_way_to_a_worker():
    for works in (FULL, QUICK):
        assert len({str(work) for work in works}) == len(works)
        for work in works:
            given = json.loads(json.dumps(asdict(work)))
            assert Work(**given | {"shape": tuple(given["shape"])}) == work


def test_text_is_words_and_their_successors():
    tokens, targets = text(Work("model step", 8, T=4, B=3, V=5))
    assert tokens.shape == targets.shape == (4, 3)
    assert np.array_equal(tokens[1:], targets[:-1])
    assert tokens.min() >= 0
    assert tokens.max() < 5


# ------------------------------------------------------------------------------------------------------- roofline


def sparse():
    return csr_array(np.array([[1, 0, 0, 0, 2, 0], [0, 0, 0, 0, 0, 0], [0, 3, 0, 0, 0, 0], [0] * 6], np.float32))


@pytest.mark.parametrize(
    ("W", "macs", "bytes_of_W"),
    [
        (Dense(np.ones((4, 6), np.float32)), 24, 4 * 24),
        (Overlay(np.ones((4, 6), np.float32), np.ones((4, 6), bool)), 24, 4 * 24),  # the mask is not read
        (SparseOverlay(sparse()), 3, 4 * (3 + 3 + 5)),  # values, columns, where rows begin
        (Kronecker(np.ones((2, 3), np.float32), np.ones((2, 2), np.float32)), 20, 4 * 10),  # 2·3·2, then 2·2·2
        (
            Doped(Kronecker(np.ones((2, 3), np.float32), np.ones((2, 2), np.float32)), SparseOverlay(sparse())),
            23,
            4 * (10 + 11),
        ),
    ],
)
def test_multiply_adds_and_bytes_of_a_product(W, macs, bytes_of_W):
    assert roofline.counts(W, 5) == (5 * macs, bytes_of_W + 5 * (6 + 4) * 4)


def test_the_roof_is_that_of_the_smallest_level_that_holds_the_bytes():
    W = Dense(np.ones((4, 6), np.float32))  # one row: 136 bytes, 48 operations
    levels = [Level("L2", 135, {"copy": 1e12}), Level("memory", np.inf, {"copy": 1e9, "read": 17e9})]
    found = roofline.row(W, 1, 1e-8, 100e9, levels)
    assert (found["multiply-adds"], found["bytes"], found["fits"]) == (24, 136, "memory")
    assert (found["GFLOP/s"], found["bound, GFLOP/s"], found["of bound"]) == ("4.80", "6.0", "0.80")
    assert roofline.row(W, 1, 1e-8, 5e9, levels)["bound, GFLOP/s"] == "5.0"  # the peak


def test_products_are_what_they_are_called():
    made = dict(roofline.products((256, 64)))
    assert made["CSR, 4 %"].n_params == int(0.04 * 256 * 64)
    assert made["Doped, 25x, CSR"].n_params == 256 * 64 // 25
    assert all(W.forward(np.ones((2, 64), np.float32)).dtype == np.float32 for W in made.values())


def test_roofline_figure(tmp_path):
    levels = [Level("L2", 1e4, {"copy": 1e11}), Level("memory", np.inf, {"copy": 1e10})]
    W = Dense(np.ones((4, 6), np.float32))
    rows = [{"matrix": "Dense"} | roofline.row(W, count, 1e-6, 1e11, levels) for count in (1, 20)]
    with (tmp_path / "x.png").open("wb") as file:
        roofline.draw(rows, 1e11, levels, file)
    assert (tmp_path / "x.png").stat().st_size > 10_000


# ------------------------------------------------------------------------------------------------------ crossover


def test_crossover_matrices_and_figure(tmp_path):
    made = crossover.matrices(16, (0.1, 0.5), np.random.default_rng(0))
    assert made["overlay", 0.1].n_params == round(0.1 * 64 * 16)
    assert np.count_nonzero(made["dense", None].W) == 64 * 16  # pruning the overlay left it alone
    assert made["doped", 0.5].overlay is made["overlay", 0.5]
    rows = []
    for k, key in enumerate((("product", 1), ("product", 20), ("lstm tokens", 1))):
        rows += crossover._rows(key[0], 16, key[1], {name: 1e-6 * (k + j + 1) for j, name in enumerate(made)})
    assert rows[0] == {
        "work": "product",
        "matrix": "Kronecker",
        "H": 16,
        "batch": 1,
        "density": "–",
        "µs": "2.0",
        "dense, µs": "1.0",
        "speed-up": "0.500",
    }
    with (tmp_path / "x.png").open("wb") as file:
        crossover.draw(rows, file)
    assert (tmp_path / "x.png").stat().st_size > 10_000


@pytest.mark.parametrize("places", [[], [0.5], [0.1, 0.1, 0.1], [0.9, 0.2, 0.21]])
def test_labels_are_spread_in_order(places):
    found = spread(places, 0.05)
    assert np.all(np.diff(sorted(found)) > 0.05 - 1e-12)
    assert np.array_equal(np.argsort(found, kind="stable"), np.argsort(places, kind="stable"))
    assert np.isclose(sum(found), sum(places))


# --------------------------------------------------------------------------------------------------------- memory


def test_a_buffer_that_is_shared_is_counted_once():
    a, b = np.zeros(100), np.zeros((2, 10), np.float32)
    cache = SimpleNamespace(view=a[3:50], again=[a.reshape(10, 10).T, (a,)], repeated=np.broadcast_to(b[0], (7, 10)))
    assert memory.account(parameters={"a": a}, activations=(cache, cache)) == {"parameters": 800, "activations": 80}
    assert memory.account(activations=cache) == {"activations": 880}
    assert memory.account(activations=sparse()) == {"activations": 4 * (3 + 3 + 5)}


# ---------------------------------------------------------------------------------------------------------- share


def test_products_of_a_step_are_timed_and_nothing_else_changes():
    from benchmarks.model_step import network

    work = Work("model step", 8, T=3, B=2, V=11)
    tokens, targets = text(work)
    plain, net, optimizer = network(work), network(work), SGD()
    clock = share.watched(net, optimizer)
    loss, _, cache = net.forward(tokens, targets)
    grads = net.backward(cache)
    expected, _, cache = plain.forward(tokens, targets)
    assert loss == expected
    for name, g in plain.backward(cache).items():
        assert np.array_equal(grads[name], g)
    optimizer.step(net.params, grads, 1.0)
    assert not np.array_equal(net.params["softmax.W"], plain.params["softmax.W"])
    assert clock.spent.keys() == {
        "LSTM", "LSTM, products", "softmax", "softmax, products", "embedding", "optimiser, clipping"
    }  # fmt: skip
    assert clock.spent["softmax, products"] < clock.spent["softmax"]


def test_matrix_products_alone_are_timed(monkeypatch):
    seen = []
    monkeypatch.setattr(share.Timed, "matmul", staticmethod(lambda *a, **k: seen.append(a) or np.matmul(*a, **k)))
    W = np.arange(6.0).reshape(2, 3).view(share.Timed)
    y = (W * 2).T @ np.ones(2)
    assert len(seen) == 1
    assert type(y) is np.ndarray
    assert y.tolist() == [6, 10, 14]
    assert isinstance(W.sum(), float)
    out = np.empty((2, 2))
    np.matmul(W, W.T, out=out)
    assert len(seen) == 2
    W -= 1
    assert type(W) is share.Timed
