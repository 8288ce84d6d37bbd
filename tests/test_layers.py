"""The import order of the package, and what may be imported in few places only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "rram_jax"

FOUNDATION = {"types", "errors", "toml_file", "spice_files", "numerics"}
PHYSICS = FOUNDATION | {"parallel", "device", "circuit", "neuron", "chip"}
EVERYTHING = PHYSICS | {"data", "qnn", "ngspice", "run_folder", "doctor", "report"}

# What each folder, and each file beside them, may import of the package.
LAYERS = {
    "types": set(),
    "errors": set(),
    "toml_file": {"errors"},
    "spice_files": set(),
    "numerics": {"types", "errors"},
    "parallel": {"errors"},
    "data": {"types", "errors"},
    "device": FOUNDATION,
    "circuit": FOUNDATION | {"device"},
    "neuron": FOUNDATION | {"device", "circuit"},
    "chip": FOUNDATION | {"parallel", "device", "circuit", "neuron"},
    "qnn": PHYSICS | {"data"},
    "ngspice": PHYSICS,
    "run_folder": {"errors"},
    "doctor": {"errors", "data", "ngspice"},
    "report": EVERYTHING,
    "commands": EVERYTHING,
    "cli": EVERYTHING | {"commands"},
    "__init__": EVERYTHING,
}

# Where a package from outside may be imported at all: files or folders.
ONLY_IN = {
    "PySpice": ("ngspice/cmos.py", "ngspice/drivers.py", "ngspice/neuron.py"),
    "orbax": ("qnn/checkpoint.py",),
    "subprocess": ("ngspice/child.py",),
    "dask": ("ngspice/cluster.py",),
    "distributed": ("ngspice/cluster.py",),
    "flax": ("qnn/",),
}


def imported(source: str) -> set[str]:
    """Return the dotted name of everything that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def violations(path: str, source: str) -> list[str]:
    """Return a sentence for every import that a file of the package may not have."""
    layer = Path(path).parts[0].removesuffix(".py")
    if layer not in LAYERS:
        return [f"{path}: give `{layer}` a row in LAYERS"]
    found = []
    for name in sorted(imported(source)):
        top, _, rest = name.partition(".")
        if top == "rram_jax":
            other = rest.partition(".")[0]
            # A public name, or the package itself: all layers at once.
            other = other if other in LAYERS else "__init__"
            if other not in LAYERS[layer] | {layer}:
                found.append(f"{path}: `{layer}` may not import {name}")
        elif top in ONLY_IN and not path.startswith(ONLY_IN[top]):
            found.append(f"{path}: {top} may only be imported in {ONLY_IN[top]}")
    return found


def test_the_package_keeps_its_import_order():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 10  # the walk found the package
    found = []
    for file in files:
        found += violations(
            file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")
        )
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("device/card.py", "from rram_jax.circuit.pair import Pair"),
        ("device/card.py", "from rram_jax import circuit"),
        ("device/card.py", "from rram_jax import ProgrammedTile"),
        ("device/card.py", "import rram_jax.circuit.pair as pair"),
        ("device/card.py", "import rram_jax"),
        ("device/card.py", "def f():\n    from rram_jax.qnn import train"),
        ("ngspice/deck.py", "from rram_jax.qnn.models import Mlp"),
        ("ngspice/deck.py", "import flax.nnx"),
        ("ngspice/deck.py", "from PySpice.Spice.Netlist import Circuit"),
        ("qnn/train.py", "import orbax.checkpoint as ocp"),
        ("qnn/train.py", "from rram_jax.report.html import write"),
        ("report/html.py", "from subprocess import run"),
        ("report/html.py", "from rram_jax.commands.train import train"),
        ("data/idx.py", "from rram_jax.numerics import straight_through"),
        ("circuit/solver.py", "from rram_jax.parallel import replicate"),
        ("tuning/search.py", ""),
        ("helpers.py", ""),
    ],
)
def test_a_violation_is_found(path, source):
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("device/card.py", "from rram_jax.device.rtn import sample\nimport jax"),
        ("chip/tile.py", "from rram_jax.neuron.model import f\nimport rram_jax.types"),
        ("qnn/checkpoint.py", "import orbax.checkpoint as ocp\nfrom flax import nnx"),
        ("ngspice/neuron.py", "from PySpice.Spice.Netlist import SubCircuit"),
        ("cli.py", "from rram_jax.report.html import write"),
    ],
)
def test_what_is_allowed_passes(path, source):
    assert violations(path, source) == []
