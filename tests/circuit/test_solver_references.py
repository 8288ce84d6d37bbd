"""The solver against others' numbers: badcrossbar's and ngspice's."""

import math

import jax
import numpy as np
import pytest

from experiments.benchmarks.crossbar_solver import badcrossbar
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import solve_crossbar
from rram_jax.ngspice.runner import run_deck
from tests.helpers import uneven_cells

# The example of badcrossbar's README: four drives [V] of 3 x 5 cells [Ohm].
DRIVE = np.array([[1.5, 4.1, 2.6, 2.1], [2.3, 4.5, 1.1, 0.8], [1.7, 4.0, 3.3, 1.1]]).T
OHMS = np.array(
    [[345, 903, 755, 257, 646], [652, 401, 508, 166, 454], [442, 874, 190, 244, 635]]
)

# What badcrossbar 1.1.0 makes of it with 0.5 Ohm wires, printed to 10 digits; and of
# the second drive with 0.7 Ohm in word lines and 12 Ohm in bit lines.
README_CURRENTS = [
    [0.01158502542, 0.009190641636, 0.01511568117, 0.02583320822, 0.009811792883],
    [0.02751147913, 0.02001367344, 0.03455572835, 0.05763285826, 0.02199828527],
    [0.01649934146, 0.009253888029, 0.02247116161, 0.02938042463, 0.01136674128],
    [0.009687361909, 0.0054936966, 0.009925952138, 0.01697803591, 0.006586207801],
]
UNEVEN_CURRENT = [
    0.02445305362,
    0.01833557368,
    0.03086608583,
    0.0459470092,
    0.01998086330,
]
UNEVEN_WORD_LINES = [
    [4.075049845, 4.057134681, 4.042025703, 4.030133518, 4.026286987],
    [4.462682035, 4.429632221, 4.403635795, 4.3829945, 4.376879012],
    [3.96456031, 3.934934616, 3.908284249, 3.894668218, 3.890643634],
]
UNEVEN_BIT_LINES = [
    [0.6078046055, 0.4371542228, 0.5724853114, 1.076228934, 0.4764883701],
    [0.4872047711, 0.3890481702, 0.5173402985, 0.9383034286, 0.4105478385],
    [0.2934366434, 0.2200268842, 0.3703930299, 0.5513641104, 0.2397703596],
]


def _current_sensing(r_sl, r_bl):
    return ArrayConfig(r_wire_sl=r_sl, r_wire_bl=r_bl, r_driver=0.0, r_sense=0.0)


def _solve(drive, g, array):
    with jax.enable_x64(True):
        out = solve_crossbar(drive, g, array, tolerance=1e-12, nodes=True)
        return jax.tree.map(np.asarray, out)


def test_badcrossbars_example_as_it_printed_it():
    out = _solve(DRIVE, 1 / OHMS, _current_sensing(0.5, 0.5))
    np.testing.assert_allclose(out.current, README_CURRENTS, rtol=1e-9)
    # "Current through the device in question is ~0.00986 A": row 0, column 3, drive 2.
    device = (out.v_sl - out.v_bl)[2, 0, 3] / OHMS[0, 3]
    assert f"{device:.3g}" == "0.00986"


def test_unequal_wires_as_badcrossbar_printed_them():
    out = _solve(DRIVE[1], 1 / OHMS, _current_sensing(0.7, 12.0))
    np.testing.assert_allclose(out.current, UNEVEN_CURRENT, rtol=1e-9)
    np.testing.assert_allclose(out.v_sl, UNEVEN_WORD_LINES, rtol=1e-9)
    np.testing.assert_allclose(out.v_bl, UNEVEN_BIT_LINES, rtol=1e-9)


@pytest.mark.parametrize(("r_sl", "r_bl"), [(0.5, 0.5), (0.7, 12.0), (3.0, 0.4)])
def test_badcrossbar_itself(r_sl, r_bl):
    peer = badcrossbar()
    if peer is None:  # its numbers stand above, for machines without it
        pytest.skip("badcrossbar is not installed: make bench-peers")
    rng = np.random.default_rng(1)
    examples = [(DRIVE, OHMS), (rng.uniform(-1, 1, (2, 9)), 1 / uneven_cells(1, 9, 6))]
    for drive, ohms in examples:
        expected = peer.compute(
            drive.T, ohms, r_i_word_line=r_sl, r_i_bit_line=r_bl, node_voltages=True
        )
        out = _solve(drive, 1 / ohms, _current_sensing(r_sl, r_bl))
        np.testing.assert_allclose(out.current, expected.currents.output, rtol=1e-9)
        for found, volts in (
            (out.v_sl, expected.voltages.word_line),
            (out.v_bl, expected.voltages.bit_line),
        ):
            np.testing.assert_allclose(
                found, np.moveaxis(volts, 2, 0), rtol=1e-9, atol=1e-12
            )


@pytest.mark.ngspice
@pytest.mark.parametrize(
    "array",
    [
        ArrayConfig(r_wire_sl=3.0, r_wire_bl=11.0, r_driver=20.0, r_sense=300.0),
        ArrayConfig(r_wire_sl=9.0, r_wire_bl=2.0, r_driver=5.0, r_sense=math.inf),
    ],
)
def test_operating_point_of_ngspice(array):
    rows, cols = 5, 7
    g, drive = uneven_cells(4, rows, cols), np.linspace(0.2, -0.1, rows)
    lines = ["crossbar", ".options reltol=1e-9 vntol=1e-12 gmin=1e-18"]
    for i in range(rows):
        lines += [
            f"V{i} u{i} 0 {float(drive[i])!r}",
            f"Rd{i} u{i} t{i} {array.r_driver}",
        ]
        left = f"t{i}"
        for j in range(cols):
            lines.append(f"Rs{i}_{j} {left} w{i}_{j} {array.r_wire_sl}")
            lines.append(f"Rc{i}_{j} w{i}_{j} b{i}_{j} {float(1 / g[i, j])!r}")
            below = f"b{i + 1}_{j}" if i + 1 < rows else f"f{j}"
            lines.append(f"Rb{i}_{j} b{i}_{j} {below} {array.r_wire_bl}")
            left = f"w{i}_{j}"
    if not math.isinf(array.r_sense):
        lines += [f"Rf{j} f{j} 0 {array.r_sense}" for j in range(cols)]
    data = run_deck("\n".join([*lines, ".op", ".end", ""])).data
    out = _solve(drive, g, array)

    def volts(name):
        return np.ravel(data[f"v({name})"])[0]

    foot = [volts(f"f{j}") for j in range(cols)]
    nodes = [[volts(f"b{i}_{j}") for j in range(cols)] for i in range(rows)]
    np.testing.assert_allclose(out.voltage, foot, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(out.v_bl, nodes, rtol=1e-9, atol=1e-12)
