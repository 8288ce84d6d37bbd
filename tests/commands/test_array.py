import csv
import json

import numpy as np
import pytest

from rram_jax.circuit.config import ArrayConfig
from rram_jax.cli import main
from rram_jax.report.array import SolvedArray, array_figure, whole_ticks
from rram_jax.report.figure import new_panels
from tests.commands.test_train import refused
from tests.helpers import dense_crossbar


def _feet(folder):
    with (folder / "feet.csv").open() as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(r["voltage"]), float(r["current"])] for r in rows]).T


def test_cells_and_drives_from_files(tmp_path, capsys):
    g = np.array([[1e-4, 2e-5], [3e-5, 2e-4], [0.0, 5e-5]])
    drive = np.array([0.2, -0.1, 0.05])
    np.savetxt(tmp_path / "g.csv", g, delimiter=",")
    np.savetxt(tmp_path / "v.csv", drive)
    argv = ("array", "show", "--conductance", "g.csv", "--drive", "v.csv")
    wires = ("--r-wire-sl", "30", "--r-wire-bl", "70", "--r-driver", "20")
    assert main([*argv, *wires, "--r-sense", "300", "--out", "a"]) == 0
    voltage, current = _feet(tmp_path / "a")
    # Two columns into 300 Ohm each, node by node.
    config = ArrayConfig(r_wire_sl=30.0, r_wire_bl=70.0, r_driver=20.0, r_sense=300.0)
    expected = dense_crossbar(drive, g, config)["voltage"]
    np.testing.assert_allclose(voltage, 300 * current, rtol=1e-9)
    np.testing.assert_allclose(voltage, expected, rtol=1e-7)
    told = capsys.readouterr().out
    assert "3 rows, 2 columns, cells of g.csv: converged in" in told
    for kind in ("png", "svg"):
        assert (tmp_path / "a" / f"array.{kind}").stat().st_size > 1000
    assert _metrics(tmp_path / "a")["converged"]
    np.testing.assert_array_equal(_numbers(tmp_path / "a" / "conductance.csv"), g)
    np.testing.assert_array_equal(_numbers(tmp_path / "a" / "drive.csv")[:, 0], drive)
    # Once more: shown from the folder, which stays as it is.
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "a").iterdir()}
    assert main([*argv, *wires, "--r-sense", "300", "--out", "a"]) == 0
    again = capsys.readouterr().out
    assert "finished before" in again
    assert told in again
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "a").iterdir()}
    # Other contents under the same name are another run.
    np.savetxt(tmp_path / "v.csv", 2 * drive)
    assert "give another --out" in refused(
        capsys, *argv, *wires, "--r-sense", "300", "--out", "a"
    )


def _numbers(path):
    return np.loadtxt(path, delimiter=",", ndmin=2)


def _metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_random_cells(tmp_path):
    argv = ("array", "show", "--rows", "6", "--cols", "4")
    assert main([*argv]) == 0
    (folder,) = (tmp_path / "runs").glob("array-6x4-*")
    first = _feet(folder)
    assert main([*argv, "--out", "b", "--seed", "1"]) == 0
    assert first.shape == (2, 4)
    np.testing.assert_array_equal(first[1], 0)  # floating
    assert (first != _feet(tmp_path / "b")).any()
    config = json.loads((tmp_path / "b" / "config.json").read_text())
    assert config["shape"] == [6, 4]
    assert config["wires"]["r_sense"] == "inf"


def test_one_cell_of_ohms(tmp_path, capsys):
    (tmp_path / "ohms.csv").write_text("4500\n")
    assert main(["array", "show", "--conductance", "ohms.csv", "--r-sense", "0"]) == 0
    told = capsys.readouterr().out
    assert "cells are in siemens" in told
    assert "1 row, 1 column, cells of ohms.csv: converged in" in told


def test_what_did_not_converge_is_a_failure(tmp_path, capsys):
    # No float64 reaches it.
    argv = ("array", "show", "--rows", "5", "--cols", "3", "--tolerance", "1e-30")
    for _ in range(2):
        assert main([*argv, "--out", "c"]) == 1
        told = capsys.readouterr()
        assert "5 rows, 3 columns" in told.out
        assert "not converged in" in told.out
        assert "above the tolerance" in told.err
        assert told.err.count("\n") == 1
    assert not _metrics(tmp_path / "c")["converged"]


def test_what_a_solve_cannot_give_is_drawn_and_written_too(tmp_path):
    nan = np.full((1, 2), np.nan)
    solved = SolvedArray(
        conductance=np.ones((1, 2)),
        drive=np.ones(1),
        v_sl=nan,
        v_bl=nan,
        cell_current=nan,
        voltage=nan[0],
        current=nan[0],
    )
    array_figure(solved, ArrayConfig(), "of nothing", tmp_path / "nan")
    assert (tmp_path / "nan.svg").stat().st_size > 1000


def test_ticks_are_rows_and_columns():
    _, (axes,) = new_panels("", 1, 1)
    for n in (1, 2, 3, 40):
        axes.imshow(np.zeros((n, n)))
        whole_ticks(axes, x=n, y=n)
        for ticks in (axes.get_xticks(), axes.get_yticks()):
            np.testing.assert_array_equal(ticks, np.round(ticks))


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--rows", "0"), "1 to 1024 rows"),
        (("--v-read", "2"), "up to 1 V"),
        (("--conductance", "none.csv"), "give a CSV file"),
        (("--conductance", "words.csv"), "no header; line 1 is 'a,b'"),
        (("--conductance", "ragged.csv"), "line 3 has 1, those before it have 2"),
        (("--conductance", "empty.csv"), "empty.csv holds no numbers"),
        (("--conductance", "minus.csv", "--cols", "2"), "--cols is for random cells"),
        (("--drive", "long.csv", "--v-read", "0.1"), "--v-read is for random drives"),
        (("--tolerance", "0"), "between 0 and 1"),
        (("--out", "long.csv"), "long.csv is a file"),
        (("--conductance", "minus.csv"), "0 S or more"),
        (("--drive", "long.csv"), "has 3 drives, and the array has 64 rows"),
        (("--drive", "square.csv", "--rows", "4"), "2 lines of 2 drives"),
        (("--r-wire-sl", "-1"), "0 or more"),
    ],
)
def test_what_does_not_serve_is_one_sentence(tmp_path, capsys, argv, told):
    (tmp_path / "words.csv").write_text("a,b\n1,2\n")
    (tmp_path / "ragged.csv").write_text("1,2\n\n3\n")
    (tmp_path / "empty.csv").write_text("\n")
    (tmp_path / "minus.csv").write_text("-1e-4,1e-4\n")
    (tmp_path / "square.csv").write_text("0.1,0.2\n0.1,0.2\n")
    (tmp_path / "long.csv").write_text("0.1\n0.2\n0.3\n")
    assert told in refused(capsys, "array", "show", *argv)
