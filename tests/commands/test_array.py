import csv

import numpy as np
import pytest

from rram_jax.circuit.config import ArrayConfig
from rram_jax.cli import main
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
    out = capsys.readouterr().out
    assert "3 rows, 2 columns, cells of g.csv: converged" in " ".join(out.split())
    for kind in ("png", "svg"):
        assert (tmp_path / "a" / f"array.{kind}").stat().st_size > 1000


def test_random_cells(tmp_path):
    argv = ("array", "show", "--rows", "6", "--cols", "4")
    assert main([*argv]) == 0
    first = _feet(tmp_path / "runs" / "array-6x4")
    assert main([*argv, "--out", "b", "--seed", "1"]) == 0
    assert first.shape == (2, 4)
    np.testing.assert_array_equal(first[1], 0)  # floating
    assert (first != _feet(tmp_path / "b")).any()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--rows", "0"), "1 to 1024 rows"),
        (("--v-read", "2"), "up to 1 V"),
        (("--conductance", "none.csv"), "give a CSV file"),
        (("--conductance", "words.csv"), "numbers with commas"),
        (("--conductance", "minus.csv"), "0 S or more"),
        (("--drive", "long.csv"), "has 3 drives, and the array has 64 rows"),
        (("--r-wire-sl", "-1"), "0 or more"),
    ],
)
def test_what_does_not_serve_is_one_sentence(tmp_path, capsys, argv, told):
    (tmp_path / "words.csv").write_text("a,b\n1,2\n")
    (tmp_path / "minus.csv").write_text("-1e-4,1e-4\n")
    (tmp_path / "long.csv").write_text("0.1\n0.2\n0.3\n")
    assert told in refused(capsys, "array", "show", *argv)
