import json
import sys

import pytest

from rram_jax import doctor
from rram_jax.cli import main
from tests.commands.test_train import refused


def test_what_is_found_is_printed_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NGSPICE", "/nowhere/ngspice")
    assert main(["doctor", "--json", "d.json"]) == 0
    out = capsys.readouterr().out
    assert sys.version.split()[0] in out
    assert out.endswith("The same as JSON: d.json.\n")
    found = json.loads((tmp_path / "d.json").read_text())
    assert found == doctor.examine()
    assert any("/nowhere/ngspice" in sentence for sentence in found["missing"])


def test_where_nothing_can_be_written_nothing_is_done(monkeypatch, capsys):
    monkeypatch.setattr("rram_jax.commands.doctor.examine", pytest.fail)
    told = refused(capsys, "doctor", "--json", "none/d.json")
    assert "there is no folder none" in told
