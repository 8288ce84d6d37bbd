"""Arrays of 1T1R cells with wires: the Newton solver against ngspice's `.op`."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import solve_crossbar
from rram_jax.ngspice.netlist import count_elements
from rram_jax.ngspice.rram import METRE, TIGHT, rram_subcircuits
from rram_jax.ngspice.runner import run_deck
from tests.circuit.cells import V_CM, V_GATE, rram_cells
from tests.device.filaments import OTHER

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)
FLOATING = dataclasses.replace(UNEVEN, r_sense=math.inf)

DRIVE = {
    "read": np.array([0.21, -0.17, 0.2, 0.05, -0.2]),
    "large": np.array([0.9, -0.7, 0.0, 0.6, -0.4]),
}
"""[V] In both, cells of both polarities."""


def crossbar_deck(drive, law, array) -> str:
    """One array of 1T1R cells, node by node, with frozen barriers."""
    rows, cols = law.x.shape
    lines = ["* 1T1R array", rram_subcircuits(OTHER), TIGHT]
    lines += [f"Vcm cm 0 {V_CM}", f"Vg gate 0 {V_GATE}"]
    saved = [f"v(foot{j})" for j in range(cols)]
    for i in range(rows):
        lines.append(f"Vin{i} in{i} cm {float(drive[i])!r}")
        lines.append(f"Rd{i} in{i} row{i} {array.r_driver!r}")
        left = f"row{i}"
        for j in range(cols):
            here, x, s = f"{i}_{j}", float(law.x[i, j]), float(law.s[i, j])
            below = f"bl{i + 1}_{j}" if i + 1 < rows else f"foot{j}"
            lines += [
                f"Rs{here} {left} sl{here} {array.r_wire_sl!r}",
                f"Rb{here} bl{here} {below} {array.r_wire_bl!r}",
                f"X{here} bl{here} sl{here} gate 0 x{here} rram1t1r"
                f" x_init={x * METRE!r} s={s!r} move=0",
            ]
            saved += [f"v(sl{here})", f"v(bl{here})"]
            left = f"sl{here}"
    if math.isfinite(array.r_sense):
        lines += [f"Rf{j} foot{j} cm {array.r_sense!r}" for j in range(cols)]
    return "\n".join([*lines, ".save " + " ".join(saved), ".op", ".end\n"])


def test_elements_of_the_deck():
    text = crossbar_deck(DRIVE["read"], rram_cells(6, 5, 3), UNEVEN)
    counts = count_elements(text)
    assert counts["b"] == 3 * 15
    # Drivers, wires on both lines, feet, and one in every filament.
    assert counts["r"] == 5 + 2 * 15 + 3 + 15


@pytest.mark.ngspice
@pytest.mark.parametrize("array", [UNEVEN, FLOATING], ids=["r_sense", "floating"])
@pytest.mark.parametrize("name", DRIVE)
def test_operating_point_is_that_of_ngspice(array, name):
    with jax.enable_x64(True):
        drive, law = jnp.asarray(DRIVE[name]), rram_cells(6, 5, 3)
        out = solve_crossbar(drive, law, array, nodes=True)
        small = law(jnp.asarray(1e-6), jnp.asarray(0.0)) / 1e-6
        linear = solve_crossbar(drive, small, array)
        assert out.result == "converged"
        out, linear = jax.tree.map(np.asarray, (out, linear))
        data = run_deck(crossbar_deck(DRIVE[name], law, array)).data
    got = {
        line: np.array(
            [[data[f"v({line}{i}_{j})"][0] - V_CM for j in range(3)] for i in range(5)]
        )
        for line in ("sl", "bl")
    }
    foot = np.array([data[f"v(foot{j})"][0] - V_CM for j in range(3)])
    size = abs(DRIVE[name]).max()
    # 1e-4 of the drive is what is promised. ngspice solves to reltol 1e-6 of 0.83 V
    # and better, and puts 1e-12 S to ground at every cell.
    for value, expected in (
        (got["sl"], out.v_sl),
        (got["bl"], out.v_bl),
        (foot, out.voltage),
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6 * size)
    # The wires, and what is not linear, matter by far more than that.
    assert abs(out.v_sl[0, -1] - DRIVE[name][0]) > 1e-3 * size
    if name == "large":
        assert abs(linear.voltage - foot).max() > 1e-2 * size
