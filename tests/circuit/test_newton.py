import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.optimize import brentq, root

from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.cell_law import RramCell
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solution import CONVERGED, NOT_SOLVED
from rram_jax.circuit.solver import solve_crossbar
from tests.circuit.cells import (
    DRIVE,
    V_CM,
    V_GATE,
    access,
    after_steps,
    filament,
    node_equations,
    rram_cells,
    sinh_cells,
    sinh_law,
)
from tests.device.filaments import OTHER
from tests.helpers import uneven_cells

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)
FLOATING = dataclasses.replace(UNEVEN, r_sense=math.inf)
GROUNDED = dataclasses.replace(UNEVEN, r_sense=0.0)
NO_WIRES = ArrayConfig(r_wire_sl=0.0, r_wire_bl=0.0, r_sense=math.inf)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


_solve = partial(solve_crossbar, nodes=True)


def saturating_law(i_max, v0, v_sl, v_bl):
    return i_max * jnp.tanh((v_sl - v_bl) / v0)


# -- values --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "cols", "array"),
    [
        (4, 3, UNEVEN),
        (5, 1, dataclasses.replace(GROUNDED, r_wire_sl=0.0)),
        (3, 5, NO_WIRES),
    ],
)
def test_a_linear_law_is_a_conductance(rows, cols, array):
    g = uneven_cells(rows, rows, cols)
    g[rows // 2, 0] = 0.0
    if cols > 2:
        g[:, 1] = 0.0  # a line that nothing touches
    drive = jnp.asarray(np.random.default_rng(rows).uniform(-0.2, 0.2, (2, rows)))
    g = jnp.asarray(g)
    out = _solve(drive, Partial(lambda g, v_sl, v_bl: g * (v_sl - v_bl), g), array)
    expected = solve_crossbar(drive, g, array, nodes=True)
    assert out.result == "converged"
    np.testing.assert_array_equal(out.iterations, 1)
    for field in ("voltage", "current", "v_bl", "v_sl", "cell_current"):
        np.testing.assert_allclose(
            getattr(out, field), getattr(expected, field), rtol=1e-12, atol=1e-16
        )


def rram_row(v_bl, u, x, s, r_row):
    """[A] From a row's driver to a bit line at `v_bl`, one cell, by root finding."""
    if u == v_bl:
        return 0.0

    def off(i):
        r = OTHER.r_filament / s * (np.exp(x / OTHER.x0) - x / OTHER.t_ox)
        v0 = OTHER.v0_hrs + (OTHER.v0_lrs - OTHER.v0_hrs) * np.exp(-x / OTHER.x0)
        mid = v_bl + v0 * np.arcsinh(i * r / v0)
        sl = u - r_row * i
        return access(V_CM + sl, V_CM + mid, V_GATE, OTHER) - i

    bound = (u - v_bl) / OTHER.r_filament * 3
    return brentq(off, -abs(bound), abs(bound), xtol=1e-300, rtol=1e-15)


@pytest.mark.parametrize("u", [0.2, -0.6, 1.1])
def test_1x1_by_hand(u):
    law = rram_cells(5, 1, 1)
    out = _solve(jnp.asarray([u]), law, UNEVEN, tolerance=1e-12)
    x, s = float(law.x[0, 0]), float(law.s[0, 0])
    # With the line at its node's voltage, which the current itself lifts by 307 Ohm.
    i = brentq(lambda i: rram_row(307 * i, u, x, s, 21.5) - i, -2e-3, 2e-3, xtol=1e-300)
    np.testing.assert_allclose(out.current, [i], rtol=1e-11)
    np.testing.assert_allclose(out.voltage, [300 * i], rtol=1e-11)
    np.testing.assert_allclose(out.v_bl, [[307 * i]], rtol=1e-11)
    np.testing.assert_allclose(out.v_sl, [[u - 21.5 * i]], rtol=1e-11)


def test_2x1_by_hand():
    law, u = rram_cells(3, 2, 1), np.array([0.5, -0.3])
    out = _solve(jnp.asarray(u), law, FLOATING, tolerance=1e-12)
    (x0,), (x1,) = np.asarray(law.x).tolist()
    (s0,), (s1,) = np.asarray(law.s).tolist()

    def first(v):
        """The first row's current comes down one bit-line segment of 7 Ohm."""
        return brentq(
            lambda i: rram_row(v + 7 * i, u[0], x0, s0, 21.5) - i,
            -1e-3,
            1e-3,
            xtol=1e-300,
        )

    v = brentq(
        lambda v: first(v) + rram_row(v, u[1], x1, s1, 21.5), -0.3, 0.5, xtol=1e-300
    )
    np.testing.assert_allclose(out.voltage, [v], rtol=1e-9)
    np.testing.assert_allclose(out.v_bl[1], [v], rtol=1e-9)
    np.testing.assert_allclose(out.cell_current[0], [first(v)], rtol=1e-8)
    np.testing.assert_array_equal(out.current, 0.0)


@pytest.mark.parametrize("array", [UNEVEN, FLOATING])
@pytest.mark.parametrize("drive", DRIVE)
def test_against_dense_node_equations(array, drive):
    """The middle node of every cell is one more unknown, and scipy finds the root."""
    law, wires = rram_cells(1, 4, 3), array_params(array)
    out = _solve(jnp.asarray(drive), law, wires, tolerance=1e-13)
    assert out.result == "converged"
    law, wires = jax.tree.map(np.asarray, (law, wires))
    found = root(
        lambda nodes: 1e6 * node_equations(nodes, drive, law, wires),
        np.zeros(39),
        tol=1e-14,
    )
    # [uA]; the digits of 0.5 V over 1.5 Ohm are 1e-10 of them.
    assert abs(found.fun).max() < 1e-8
    sl, mid, bl = found.x[:36].reshape(3, 4, 3)
    np.testing.assert_allclose(out.v_sl, sl, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(out.v_bl, bl, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(out.voltage, found.x[36:], rtol=1e-9, atol=1e-12)
    i = filament(mid - bl, law.x, law.s, OTHER)
    np.testing.assert_allclose(out.cell_current, i, rtol=1e-8, atol=1e-14)
    # What the cells of a column bring leaves it at the foot.
    np.testing.assert_allclose(i.sum(0), out.current, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("v_cm", [0.0, 0.9])
def test_the_law_away_from_ground(v_cm):
    """Against the series solve with all potentials as they are, both polarities."""
    v_sl, v_bl = jnp.array([0.3, -0.6, 0.02, 0.1]), jnp.array([-0.4, 0.5, 0.02, 0.11])
    cell = rram_cells(2, 1, 1)
    law = RramCell(
        x=cell.x,
        s=cell.s,
        v_gate=cell.v_gate,
        v_cm=jnp.asarray(v_cm),
        params=cell.params,
    )
    got = law(v_sl, v_bl)[0]
    for i, a, b in zip(got, v_sl, v_bl, strict=True):

        def off(mid, a=float(a), b=float(b)):
            return float(
                access(v_cm + a, v_cm + mid, V_GATE, OTHER)
                - filament(mid - b, cell.x[0, 0], cell.s[0, 0], OTHER)
            )

        low, high = sorted([float(a), float(b)])
        mid = brentq(off, low, high, xtol=1e-300, rtol=1e-15) if high > low else low
        expected = filament(mid - b, cell.x[0, 0], cell.s[0, 0], OTHER)
        np.testing.assert_allclose(i, expected, rtol=1e-9, atol=1e-20)


def test_float32_keeps_its_digits():
    law, drive = rram_cells(1, 4, 3), DRIVE[1]
    exact = _solve(jnp.asarray(drive), law, FLOATING, tolerance=1e-13)
    single = jax.tree.map(lambda a: a.astype(jnp.float32), law)
    drive = jnp.asarray(drive, jnp.float32)
    out = _solve(drive, single, FLOATING, tolerance=1e-9)
    assert "float32 rounding; ask for a tolerance of 1e-5 or x64" in out.result
    assert _solve(drive, single, FLOATING).result == "converged"
    assert out.voltage.dtype == out.cell_current.dtype == jnp.float32
    # exp(x / x0) at x / x0 = 2.6 and 1e-5 of the largest current
    np.testing.assert_allclose(out.voltage, exact.voltage, rtol=3e-5, atol=3e-6)


# -- the way there -------------------------------------------------------------------


def test_convergence_is_quadratic():
    law, drive = rram_cells(1, 4, 3), jnp.asarray(DRIVE)
    exact = _solve(drive, law, FLOATING, tolerance=1e-13)
    error = []
    for n in (1, 2, 3, 4):
        out = after_steps(n, drive, law, FLOATING)
        assert out.iterations[1] == n
        error.append(float(abs(out.v_bl - exact.v_bl)[1].max()))
    # Each error is the square of the one before it over some volts, until the digits
    # end.
    assert error[0] > 1e-3
    for before, after in zip(error, error[1:], strict=False):
        assert after < max(2 * before**2, 1e-14)
    assert error[-1] < 1e-10


def test_a_warm_start_saves_steps():
    law, drive = rram_cells(1, 4, 3), jnp.asarray(DRIVE)
    cold = _solve(drive, law, FLOATING)
    near = dataclasses.replace(law, x=law.x * 1.0001)
    warm = _solve(drive, near, FLOATING, start=cold)
    anew = _solve(drive, near, FLOATING)
    assert (warm.iterations < anew.iterations).all()
    np.testing.assert_allclose(warm.voltage, anew.voltage, rtol=1e-7)
    # One operating point, for example the linear one, for a whole batch; and its own.
    linear = solve_crossbar(drive[1], jnp.full((4, 3), 1e-4), FLOATING, nodes=True)
    for start in (linear, anew):
        out = _solve(drive, near, FLOATING, start=start)
        assert out.result == "converged"
        np.testing.assert_allclose(out.voltage, anew.voltage, rtol=1e-7)
    np.testing.assert_array_equal(out.iterations, 1)


def test_saturated_cells_need_damping():
    """Two saturated cells in series: plain Newton steps leave for ever."""
    i_max, v0, u = np.array([1e-5, 1.1e-5]), 0.05, np.array([0.4, -0.4])
    v = 0.0
    for _ in range(50):
        share = np.tanh((u - v) / v0)
        with np.errstate(divide="ignore"):  # where it leaves, its slope has underflown
            v += (i_max * share).sum() / (i_max * (1 - share**2) / v0).sum()
        if not np.isfinite(v):
            break
    assert not abs(v) < 0.4
    law = Partial(saturating_law, jnp.asarray(i_max)[:, None], jnp.asarray(v0))
    out = _solve(jnp.asarray(u), law, NO_WIRES)
    assert out.result == "converged"
    assert -0.4 < float(out.voltage[0]) < 0.4
    at = np.tanh((u - float(out.voltage[0])) / v0)
    assert abs((i_max * at).sum()) < 1e-9 * 1e-5


@pytest.mark.parametrize("array", [UNEVEN, FLOATING, GROUNDED])
def test_the_error_is_not_less_than_it_says(array):
    """After every number of steps."""
    drive = jnp.asarray(DRIVE)
    i_max = jnp.asarray(uneven_cells(4, 4, 3)) * 0.05
    for law in (
        sinh_cells(),
        rram_cells(1, 4, 3),
        Partial(saturating_law, i_max, jnp.asarray(0.1)),
    ):
        exact = _solve(drive, law, array, tolerance=1e-13)
        assert exact.result == "converged"
        for n in range(1, 9):
            out = after_steps(n, drive, law, array)
            for k in range(2):
                wrong = max(
                    abs(a - b)[k].max() / abs(b)[k].max()
                    for a, b in (
                        (out.v_sl, exact.v_sl),
                        (out.cell_current, exact.cell_current),
                    )
                )
                # To second order in itself; `exact` to 1e-13.
                assert wrong < max((2 + 8 * wrong) * float(out.error[k]), 1e-13)


def test_nodes_are_told_when_asked_for():
    law, drive = rram_cells(1, 4, 3), jnp.asarray(DRIVE)
    out, g = solve_crossbar(drive, law, UNEVEN), jnp.asarray(uneven_cells(1, 4, 3))
    assert out.v_bl is out.v_sl is out.cell_current is None
    np.testing.assert_array_equal(out.current, _solve(drive, law, UNEVEN).current)
    linear = _solve(drive, g, UNEVEN)
    np.testing.assert_array_equal(linear.cell_current, g * (linear.v_sl - linear.v_bl))
    assert solve_crossbar(drive, g, UNEVEN).cell_current is None


def test_jit_and_vmap_are_loops():
    laws = [sinh_cells(0), sinh_cells(1)]
    lost = Partial(sinh_law, laws[0].args[0].at[1, 2].set(jnp.nan), laws[0].args[1])
    chips = jax.tree.map(lambda *a: jnp.stack(a), *laws, lost)
    drive = jnp.asarray(DRIVE)
    solve = jax.jit(jax.vmap(lambda law: _solve(drive, law, UNEVEN)))
    out = solve(chips)
    assert out.v_bl.shape == (3, 2, 4, 3)
    # What one chip lacks is said of it alone.
    said = 2 * [[CONVERGED, CONVERGED]] + [[NOT_SOLVED, NOT_SOLVED]]
    np.testing.assert_array_equal(out.status, said)
    for k, law in enumerate(laws):
        for n in range(2):
            one = _solve(drive[n], law, UNEVEN)
            for field in ("voltage", "v_bl", "v_sl", "cell_current", "iterations"):
                got, expected = getattr(out, field)[k, n], getattr(one, field)
                np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-16)
