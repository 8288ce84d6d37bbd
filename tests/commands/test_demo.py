"""The main job, small: one image through a whole network, twice."""

import json

import pytest

from rram_jax.cli import main

SMALL = ["--network", "mlp-144-8-10", "--epochs", "2", "--chips", "2", "--images", "1"]


@pytest.mark.slow
@pytest.mark.ngspice
@pytest.mark.timeout(3000)
def test_the_main_job_from_digits_to_a_report(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", *SMALL, "--out", str(out)]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    multiport, cells = metrics["verify_multiport"], metrics["verify_cells"]
    assert multiport["n_mosfets"] == cells["n_mosfets"] > 1000
    assert multiport["codes_within_1"] == cells["codes_within_1"] == 1.0
    # Kron reduction is exact, so both forms give the same codes.
    assert multiport["codes_equal"] == cells["codes_equal"]
    assert "What is ideal" in (out / "report.html").read_text()
    first = (out / "report.html").read_bytes()
    capsys.readouterr()
    assert main(["demo", *SMALL, "--out", str(out)]) == 0
    assert "finished before" in capsys.readouterr().out
    assert (out / "report.html").read_bytes() == first


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--sigma-lrs", "3"], "sigma_lrs"),
        (["--images", "5000"], "1000 test images"),
        (["--network", "mlp-145-8-10"], "145"),
    ],
)
def test_wrong_settings_are_told_before_any_work(tmp_path, capsys, wrong, told):
    out = tmp_path / "demo"
    assert main(["demo", *SMALL, *wrong, "--out", str(out)]) == 2
    assert told in capsys.readouterr().err
    assert not (out / "conventional").exists()


def test_a_missing_ngspice_is_told_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NGSPICE", "/nowhere/ngspice")
    out = tmp_path / "demo"
    assert main(["demo", *SMALL, "--out", str(out)]) == 2
    assert "ngspice was not found" in capsys.readouterr().err
    assert not (out / "conventional").exists()
