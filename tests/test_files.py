import pytest

from refdope.files import whole, write_csv


def test_a_file_is_replaced_when_it_is_complete(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("before")
    with whole(path) as file:
        file.write(b"after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_what_was_there_stays_when_writing_fails(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("before")

    def fail():
        with whole(path) as file:
            file.write(b"half of it")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_csv(tmp_path):
    write_csv(tmp_path / "a.csv", [{"x": 1, "y": "a, b"}, {"x": 0.1, "y": "ü"}])
    assert (tmp_path / "a.csv").read_bytes() == 'x,y\n1,"a, b"\n0.1,ü\n'.encode()
