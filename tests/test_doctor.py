import importlib.metadata
import io
import json
import subprocess
import sys

import jax
import pytest
from rich.console import Console

from rram_jax import doctor
from rram_jax.ngspice import runner


@pytest.fixture
def bare(monkeypatch):
    """Hide ngspice, the OSDI compiler and the data."""
    monkeypatch.setenv("NGSPICE", "/nowhere/ngspice")
    monkeypatch.delenv("RRAM_JAX_DATA", raising=False)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)


def printed(examination):
    out = io.StringIO()
    doctor.show(examination, Console(width=200, file=out))
    return out.getvalue()


def only(examination, start):
    """Return the one sentence on what is missing that starts so."""
    (sentence,) = [s for s in examination["missing"] if s.startswith(start)]
    return sentence


def test_what_is_missing_is_said_and_printed(bare):
    examination = doctor.examine()
    assert examination["ngspice"] is None
    assert examination["osdi_compiler"] is False
    assert examination["data"] is None
    only(examination, "ngspice was not found as `/nowhere/ngspice`")
    assert "'rram_jax[osdi]'" in only(examination, "No Verilog-A compiler")
    only(examination, "RRAM_JAX_DATA is not set")
    text = printed(examination)
    for sentence in examination["missing"]:
        assert sentence in " ".join(text.split())


def test_what_is_there_is_found(bare, monkeypatch, tmp_path):
    for name in ("rram", "mnist"):
        (tmp_path / name).mkdir()
    (tmp_path / "README").touch()
    monkeypatch.setenv("RRAM_JAX_DATA", str(tmp_path))
    info = runner.NgspiceInfo(path=tmp_path / "[ng]spice", version=46, klu=True)
    monkeypatch.setattr(runner, "ngspice_info", lambda: info)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: name)
    requirements = ["jax>=0.8.1", "PySpice<1.6,>=1.5"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: requirements)
    examination = doctor.examine()
    assert examination["ngspice"] == {
        "path": str(info.path),
        "version": 46,
        "klu": True,
    }
    assert examination["osdi_compiler"] is True
    assert examination["data"] == {"folder": str(tmp_path), "sets": ["mnist", "rram"]}
    assert examination["versions"]["jax"] == jax.__version__
    assert examination["versions"]["PySpice"] == importlib.metadata.version("pyspice")
    assert len(examination["devices"]) == jax.device_count()
    assert examination["memory_bytes"] > 2**27  # bytes, whatever this machine has
    assert not any("ngspice" in s or "DATA" in s for s in examination["missing"])
    assert json.loads(json.dumps(examination)) == examination
    text = printed(examination)
    assert "mnist, rram" in text
    assert "[ng]spice" in text  # square brackets are not taken for rich's markup


def test_an_ngspice_without_klu_is_told(monkeypatch, tmp_path):
    info = runner.NgspiceInfo(path=tmp_path, version=39, klu=False)
    monkeypatch.setattr(runner, "ngspice_info", lambda: info)
    only(doctor.examine(), "ngspice 39 has no KLU solver")


def test_a_data_folder_that_is_none_is_told(bare, monkeypatch):
    monkeypatch.setenv("RRAM_JAX_DATA", "/nowhere")
    only(doctor.examine(), "RRAM_JAX_DATA=/nowhere is no folder")


def test_packages_that_are_missing_are_told(bare, monkeypatch):
    requirements = ["not-there>=1", "jax>=0.8.1", 'never-asked>=2; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: requirements)
    examination = doctor.examine()
    assert examination["versions"]["not-there"] is None
    assert "never-asked" not in examination["versions"]
    assert "pip install not-there" in only(examination, "The package not-there")
    assert "not installed" in printed(examination)


def test_a_package_that_is_not_installed_is_told(bare, monkeypatch):
    def requires(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    examination = doctor.examine()
    assert examination["versions"] == {}
    only(examination, "rram_jax runs from a folder without being installed")


def test_a_jax_that_does_not_start_is_told(bare, monkeypatch):
    def devices():
        raise RuntimeError("no backend")

    monkeypatch.setattr(jax, "devices", devices)
    examination = doctor.examine()
    assert examination["devices"] == []
    only(examination, "JAX does not start (no backend)")


def test_it_is_imported_without_jax():
    code = "import sys, rram_jax.doctor; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
