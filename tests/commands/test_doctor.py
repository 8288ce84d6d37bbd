import json
import sys

from rram_jax import doctor
from rram_jax.cli import main


def test_what_is_found_is_printed_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NGSPICE", "/nowhere/ngspice")
    assert main(["doctor", "--json", "d.json"]) == 0
    out = capsys.readouterr().out
    assert sys.version.split()[0] in out
    assert out.endswith("The same as JSON: d.json.\n")
    found = json.loads((tmp_path / "d.json").read_text())
    assert found == doctor.examine()
    assert any("/nowhere/ngspice" in sentence for sentence in found["missing"])
