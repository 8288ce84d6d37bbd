import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from scipy.optimize import brentq, root

from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.cell_law import LinearCell, RramCell
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.newton import solve_nonlinear
from rram_jax.circuit.solver import solve_crossbar
from rram_jax.errors import InputError
from tests.circuit.cells import (
    V_CM,
    V_GATE,
    access,
    filament,
    node_equations,
    rram_cells,
)
from tests.device.filaments import OTHER
from tests.helpers import is_one_sentence, uneven_cells, without_type_checks

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)
FLOATING = dataclasses.replace(UNEVEN, r_sense=math.inf)
GROUNDED = dataclasses.replace(UNEVEN, r_sense=0.0)
NO_WIRES = ArrayConfig(r_wire_sl=0.0, r_wire_bl=0.0, r_sense=math.inf)

DRIVE = np.array([[0.21, -0.17, 0.4, 0.05], [0.0, 0.9, -1.1, 0.6]])
"""[V] On four rows: a read, and large enough for both non-linearities."""


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def sinh_law(g, v0, v_sl, v_bl):
    return g * v0 * jnp.sinh((v_sl - v_bl) / v0)


def sinh_cells(seed=1, rows=4, cols=3):
    g = jnp.asarray(uneven_cells(seed, rows, cols))
    return Partial(sinh_law, g, jnp.asarray(0.21))


def saturating_law(i_max, v0, v_sl, v_bl):
    return i_max * jnp.tanh((v_sl - v_bl) / v0)


def score(voltage, v_bl):
    """A number that hangs on everything."""
    weight = jnp.cos(jnp.arange(voltage.size)).reshape(voltage.shape)
    return (weight * voltage).sum() + v_bl[0, 0] ** 2


@jax.jit
@partial(jax.value_and_grad, has_aux=True)
def value_and_slopes(problem):
    out = solve_nonlinear(*problem, tolerance=1e-13)
    return score(out.voltage, out.v_bl), out


# -- values --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "cols", "array"),
    [
        (4, 3, UNEVEN),
        (5, 1, dataclasses.replace(GROUNDED, r_wire_sl=0.0)),
        (3, 5, NO_WIRES),
    ],
)
def test_linear_cells_are_solve_crossbar(rows, cols, array):
    g = uneven_cells(rows, rows, cols)
    g[rows // 2, 0] = 0.0
    if cols > 2:
        g[:, 1] = 0.0  # a line that nothing touches
    drive = jnp.asarray(np.random.default_rng(rows).uniform(-0.2, 0.2, (2, rows)))
    g = jnp.asarray(g)
    out = solve_nonlinear(drive, LinearCell(conductance=g), array)
    expected = solve_crossbar(drive, g, array, nodes=True)
    assert out.message == "converged"
    np.testing.assert_array_equal(out.iterations, 1)
    for field in ("voltage", "current", "v_bl", "v_sl"):
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
    out = solve_nonlinear(jnp.asarray([u]), law, UNEVEN, tolerance=1e-12)
    x, s = float(law.x[0, 0]), float(law.s[0, 0])
    # With the line at its node's voltage, which the current itself lifts by 307 Ohm.
    i = brentq(lambda i: rram_row(307 * i, u, x, s, 21.5) - i, -2e-3, 2e-3, xtol=1e-300)
    np.testing.assert_allclose(out.current, [i], rtol=1e-11)
    np.testing.assert_allclose(out.voltage, [300 * i], rtol=1e-11)
    np.testing.assert_allclose(out.v_bl, [[307 * i]], rtol=1e-11)
    np.testing.assert_allclose(out.v_sl, [[u - 21.5 * i]], rtol=1e-11)


def test_2x1_by_hand():
    law, u = rram_cells(3, 2, 1), np.array([0.5, -0.3])
    out = solve_nonlinear(jnp.asarray(u), law, FLOATING, tolerance=1e-12)
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
    (_, out), _ = value_and_slopes((jnp.asarray(drive), law, wires))
    assert out.message == "converged"
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
    law, wires, drive = rram_cells(1, 4, 3), array_params(FLOATING), DRIVE[1]
    (_, exact), _ = value_and_slopes((jnp.asarray(drive), law, wires))
    single = jax.tree.map(lambda a: a.astype(jnp.float32), law)
    out = solve_nonlinear(jnp.asarray(drive, jnp.float32), single, FLOATING)
    assert out.message == "converged"
    assert out.voltage.dtype == out.cell_current.dtype == jnp.float32
    # exp(x / x0) at x / x0 = 2.6 and 1e-5 of the largest current
    np.testing.assert_allclose(out.voltage, exact.voltage, rtol=3e-5, atol=3e-6)


# -- the way there -------------------------------------------------------------------


def test_convergence_is_quadratic():
    law, drive = rram_cells(1, 4, 3), jnp.asarray(DRIVE)
    exact = solve_nonlinear(drive, law, FLOATING, tolerance=1e-13)
    error = []
    for n in (1, 2, 3, 4):
        out = solve_nonlinear(drive, law, FLOATING, tolerance=1e-13, max_steps=n)
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
    cold = solve_nonlinear(drive, law, FLOATING)
    near = dataclasses.replace(law, x=law.x * 1.0001)
    warm = solve_nonlinear(drive, near, FLOATING, start=cold)
    anew = solve_nonlinear(drive, near, FLOATING)
    assert (warm.iterations < anew.iterations).all()
    np.testing.assert_allclose(warm.voltage, anew.voltage, rtol=1e-7)
    # One operating point, for example the linear one, for a whole batch; and its own.
    linear = solve_crossbar(drive[1], jnp.full((4, 3), 1e-4), FLOATING, nodes=True)
    for start in (linear, anew):
        out = solve_nonlinear(drive, near, FLOATING, start=start)
        assert out.message == "converged"
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
    out = solve_nonlinear(jnp.asarray(u), law, NO_WIRES)
    assert out.message == "converged"
    assert -0.4 < float(out.voltage[0]) < 0.4
    at = np.tanh((u - float(out.voltage[0])) / v0)
    assert abs((i_max * at).sum()) < 1e-9 * 1e-5


def test_results_in_words():
    law, drive = sinh_cells(), jnp.asarray(DRIVE[1])
    stopped = solve_nonlinear(drive, law, UNEVEN, max_steps=2)
    assert stopped.iterations == 2
    assert "max_steps" in stopped.message
    assert stopped.kcl_residual > 1e-9 * abs(stopped.cell_current).max()
    huge = solve_nonlinear(1e4 * drive, law, UNEVEN)
    assert "not finite" in huge.message
    assert not jnp.isfinite(huge.kcl_residual)
    done = solve_nonlinear(drive, law, UNEVEN, tolerance=0.0)
    assert done.message == "converged"  # what rounding leaves is tolerated


def test_jit_and_vmap_are_loops():
    laws = [sinh_cells(0), sinh_cells(1)]
    lost = Partial(sinh_law, laws[0].args[0].at[1, 2].set(jnp.nan), laws[0].args[1])
    chips = jax.tree.map(lambda *a: jnp.stack(a), *laws, lost)
    drive = jnp.asarray(DRIVE)
    solve = jax.jit(jax.vmap(lambda law: solve_nonlinear(drive, law, UNEVEN)))
    out = solve(chips)
    assert out.v_bl.shape == (3, 2, 4, 3)
    # What one chip lacks is said of it alone.
    np.testing.assert_array_equal(out.result, [[0, 0], [0, 0], [3, 3]])
    for k, law in enumerate(laws):
        for n in range(2):
            one = solve_nonlinear(drive[n], law, UNEVEN)
            for field in ("voltage", "v_bl", "v_sl", "cell_current", "iterations"):
                got, expected = getattr(out, field)[k, n], getattr(one, field)
                np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-16)


# -- gradients -----------------------------------------------------------------------


def dense_score(drive, law, wires):
    """Newton on the dense node equations, to be differentiated step by step."""

    def step(nodes, _):
        def off(v):
            return node_equations(v, drive, law, wires, jnp)

        return nodes - jnp.linalg.solve(jax.jacfwd(off)(nodes), off(nodes)), None

    nodes = jax.lax.scan(step, jnp.zeros(39), None, length=12)[0]
    return score(nodes[36:], nodes[24:36].reshape(4, 3))


@pytest.mark.parametrize("array", [UNEVEN, FLOATING])
def test_gradients(array):
    """In drive, wires, states, gate, v_cm and the card's numbers, one by one.

    The dense reference is exact to the condition of its matrix; the difference's error
    is 1e-11 by truncation and 1e-16 / 3e-6 by rounding, over the share of a number.
    """
    problem = (jnp.asarray(DRIVE[1]), rram_cells(1, 4, 3), array_params(array))
    (value, _), got = value_and_slopes(problem)
    dense, expected = jax.jit(jax.value_and_grad(lambda p: dense_score(*p)))(problem)
    np.testing.assert_allclose(value, dense, rtol=1e-10)
    flat, back = jax.tree.flatten(problem)
    rng, moved = np.random.default_rng(0), 0
    leaves = zip(flat, jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    for k, (a, slope, exact) in enumerate(leaves):
        scale = float(abs(a * exact).max())
        np.testing.assert_allclose(
            a * slope, a * exact, rtol=1e-9, atol=1e-9 * scale + 1e-16
        )
        if scale < 1e-7:
            continue  # a number that the law does not use
        moved += 1
        way = 3e-6 * a * jnp.asarray(rng.standard_normal(a.shape))
        above, below = (
            value_and_slopes(back.unflatten([*flat[:k], b, *flat[k + 1 :]]))[0][0]
            for b in (a + way, a - way)
        )
        np.testing.assert_allclose(
            2 * jnp.vdot(slope, way), above - below, rtol=1e-6, atol=1e-16
        )
    # The drive, x, s, gate, v_cm, all wires and 9 of the card's numbers.
    assert moved == 5 + len(jax.tree.leaves(problem[2])) + 9


def test_corners_are_finite():
    law, wires, drive = rram_cells(1, 4, 3), array_params(FLOATING), DRIVE[1]
    low, high = 0 * law.x, 0 * law.x + 3e-9
    for u, x in ((0 * drive, law.x), (drive, low), (drive, high), (0 * drive, low)):
        problem = (jnp.asarray(u), dataclasses.replace(law, x=x), wires)
        (value, out), slopes = value_and_slopes(problem)
        assert out.message == "converged"
        for leaf in jax.tree.leaves((value, out, slopes)):
            assert bool(jnp.isfinite(leaf).all())
        if not u.any():
            np.testing.assert_array_equal(out.v_bl, 0.0)
    # All rows alike: nothing flows, and no voltage is lost.
    (_, out), _ = value_and_slopes((jnp.asarray(4 * [0.2]), law, wires))
    assert out.message == "converged"
    np.testing.assert_allclose(out.voltage, 0.2, rtol=1e-12)


def test_second_derivatives():
    law, wires = sinh_cells(), array_params(UNEVEN)
    flat, back = ravel_pytree((law, wires, jnp.asarray(DRIVE[1])))
    way = jnp.asarray(np.random.default_rng(4).standard_normal(flat.shape))

    def of(log):
        law, wires, drive = back(flat * jnp.exp(log))
        out = solve_nonlinear(drive, law, wires, tolerance=1e-13)
        return score(out.voltage, out.v_bl)

    bend = jax.jit(lambda z: jax.jvp(jax.grad(of), (z,), (way,)))
    below, (_, bent), above = (bend(step * way) for step in (-1e-5, 0.0, 1e-5))
    np.testing.assert_allclose(bent, (above[0] - below[0]) / 2e-5, rtol=1e-6, atol=1e-9)


def test_what_the_gradient_keeps_does_not_grow_with_the_steps():
    law, kept = sinh_cells(), []
    for drive, steps in ((DRIVE[0], 3), (DRIVE[1], 5)):

        def of(u, law):
            out = solve_nonlinear(u, law, UNEVEN)
            return out.voltage, out

        _, pull, out = jax.vjp(of, jnp.asarray(drive), law, has_aux=True)
        assert out.iterations == steps
        kept.append(sum(a.nbytes for a in jax.tree.leaves(pull)))
    # Three matrices (cols, cols) a row, and some numbers a cell.
    assert kept[0] == kept[1] < 8 * (3 * 4 * 3 * 3 + 40 * 4 * 3)


# -- what is refused -----------------------------------------------------------------


def linear(*shape, value=1.0):
    return LinearCell(conductance=jnp.full(shape, value))


@pytest.mark.parametrize(
    ("drive", "law", "told"),
    [
        ((3,), lambda: linear(4, 3), r"\(3,\) and \(4, 3\)"),
        ((), lambda: linear(4, 3), r"\(4, 3\)"),
        ((4,), lambda: linear(4), r"\(4,\)"),
        ((4,), lambda: Partial(sinh_law, jnp.ones((4, 3)), jnp.ones(2)), "fit"),
        ((4,), lambda: lambda v_sl, v_bl: v_sl - v_bl, "callable pytree"),
        ((4,), lambda: jnp.ones((4, 3)), "callable pytree"),
        ((4,), lambda: linear(4, 3, value=jnp.nan), "NaN"),
    ],
)
def test_what_cannot_be_used(drive, law, told):
    with without_type_checks(), pytest.raises(InputError, match=told) as error:
        solve_nonlinear(jnp.zeros(drive), law(), UNEVEN)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize("r", [-1.0, math.inf])
def test_resistances_that_are_none(r):
    wires = dataclasses.replace(array_params(UNEVEN), r_wire_bl=jnp.asarray(r))
    with pytest.raises(InputError, match="r_wire_bl") as error:
        solve_nonlinear(jnp.zeros(4), sinh_cells(), wires)
    assert is_one_sentence(error.value)


def test_no_steps():
    with pytest.raises(InputError, match="max_steps") as error:
        solve_nonlinear(jnp.zeros(4), sinh_cells(), UNEVEN, max_steps=0)
    assert is_one_sentence(error.value)


def test_a_start_of_another_shape():
    other = solve_crossbar(jnp.zeros(3), jnp.ones((3, 3)), UNEVEN, nodes=True)
    with pytest.raises(InputError, match=r"\(3, 3\)") as error:
        solve_nonlinear(jnp.zeros(4), sinh_cells(), UNEVEN, start=other)
    assert is_one_sentence(error.value)
