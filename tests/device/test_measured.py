import gzip

import numpy as np
import pytest

from rram_jax.device import measured
from rram_jax.device.measured import measurement_writer, read_measurements
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence

HEADER = "cell,cycle,r_hrs_ohm,r_lrs_ohm\n"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_what_is_written_comes_back_sorted(tmp_path, name):
    path = tmp_path / name
    with measurement_writer(path) as write:
        write([7, 7], [1, 0], [51234.56, 8e4], [4321.04, 5e3])
        assert not path.exists()
        write(np.array([[3]]), np.array([[5]]), np.array([[1e6]]), np.array([[6e3]]))
    found = read_measurements(path)
    np.testing.assert_array_equal(found.cell, [3, 7, 7])
    np.testing.assert_array_equal(found.cycle, [5, 0, 1])
    np.testing.assert_array_equal(found.r_hrs, [1e6, 8e4, 51234.6])
    np.testing.assert_array_equal(found.r_lrs, [6e3, 5e3, 4321.0])
    first = path.read_bytes()
    with measurement_writer(path) as write:
        write([7, 7, 3], [1, 0, 5], [51234.56, 8e4, 1e6], [4321.04, 5e3, 6e3])
    assert path.read_bytes() == first  # no time, no name, no trace of the pieces
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_failed_writer_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), measurement_writer(tmp_path / "a") as write:
        write([1], [1], [1.0], [1 / 0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "lacks cell and cycle and r_hrs_ohm and r_lrs_ohm"),
        ("cell,cycle,r_hrs_ohm\n1,1,2\n", "lacks r_lrs_ohm"),
        ("cycle,cell,r_hrs_ohm,r_lrs_ohm\n", "must be cell,cycle"),
        ("cell,cycle,r_hrs_kOhm,r_lrs_kohm\n1,1,2,1\n", "gives r_hrs in 'kOhm'"),
        (HEADER, "no rows"),
        (HEADER + "1,1,5e4,5e3\n1,2,5e4,-5e3\n", "line 3: a row has resistances above"),
        (HEADER + "1,1,0,5e3\n", "above 0 Ohm; got '1,1,0,5e3'"),
        (HEADER + "1,1,nan,5e3\n", "above 0 Ohm"),
        (HEADER + "1,1,inf,5e3\n", "above 0 Ohm"),
        (HEADER + "1,1,5e4\n", "four numbers and three commas; got '1,1,5e4'"),
        (HEADER + "1,1,5e4,x\n", "four numbers"),
        (HEADER + "1.5,1,5e4,5e3\n", "whole numbers of cell and cycle"),
        (HEADER + "1,inf,5e4,5e3\n", "whole numbers"),
        (HEADER + "-1,1,5e4,5e3\n", "whole numbers"),
        (HEADER + "4,1,5e4,5e3\n4,2,5e4,5e3\n4,1,5e4,5e3\n", "cycle 1 of cell 4 twice"),
        (HEADER + "1" * 5000 + "\n", "four numbers"),
        (HEADER + "1,1,5e4,5e3\n" * 9, "more than 5 rows"),
        (b"\xff\xfe\x00", "neither text nor gzip"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(tmp_path, monkeypatch, text, told):
    monkeypatch.setattr(measured, "MAX_ROWS", 5)
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as error:
        read_measurements(path)
    assert told in str(error.value)
    assert is_one_sentence(error.value)


def test_wrong_gzip_files_are_told(tmp_path):
    path = tmp_path / "a.csv.gz"
    whole = gzip.compress((HEADER + "1,1,5e4,5e3\n" * 100).encode())
    for data in (HEADER.encode(), whole[:-20], whole[:30] + b"\0" * 9 + whole[39:]):
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged") as error:
            read_measurements(path)
        assert is_one_sentence(error.value)
    with pytest.raises(InputError, match="There is no file"):
        read_measurements(tmp_path / "none.csv")


def test_spreadsheets_mark_and_line_ends_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(
        b"\xef\xbb\xbf" + (HEADER + "1,2,5e4,5e3\n\n").encode().replace(b"\n", b"\r\n")
    )
    assert read_measurements(path).cycle.tolist() == [2]
