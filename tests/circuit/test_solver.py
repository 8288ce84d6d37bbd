import dataclasses
import doctest
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.circuit import solver
from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.cell_law import LinearCell
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import solve_crossbar, transfer_matrix
from rram_jax.errors import InputError
from tests.circuit.cells import sinh_cells
from tests.helpers import (
    assert_gradient,
    dense_crossbar,
    uneven_cells,
    without_type_checks,
)

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)
FLOATING = dataclasses.replace(UNEVEN, r_sense=math.inf)
GROUNDED = dataclasses.replace(UNEVEN, r_sense=0.0)

PROBLEMS = {
    "1x1": (1, 1, UNEVEN),
    "one row": (1, 4, FLOATING),
    "one column": (5, 1, GROUNDED),
    "wide": (4, 3, UNEVEN),
    "tall": (3, 5, FLOATING),
    "current": (4, 3, GROUNDED),
    "no source-line wires": (4, 3, dataclasses.replace(UNEVEN, r_wire_sl=0.0)),
    "no bit-line wires": (4, 3, dataclasses.replace(UNEVEN, r_wire_bl=0.0)),
    "no driver": (4, 3, dataclasses.replace(FLOATING, r_driver=0.0)),
    "nothing but cells": (
        4,
        3,
        ArrayConfig(r_wire_sl=0.0, r_wire_bl=0.0, r_sense=math.inf),
    ),
    "cells into ground": (
        4,
        3,
        ArrayConfig(r_wire_sl=0.0, r_wire_bl=0.0, r_sense=0.0),
    ),
}


def _problem(name):
    """Drives of two patterns, one of them partly at rest; and the cells."""
    rows, cols, array = PROBLEMS[name]
    g = uneven_cells(len(name), rows, cols)
    rng = np.random.default_rng(rows)
    drive = rng.uniform(-0.2, 0.2, (2, rows))
    drive[1, rows // 2] = 0.0
    return drive, g, array


# As far as float64 goes, to compare with digits; `test_tolerance` asks for less.
_exact = partial(solve_crossbar, tolerance=1e-13, nodes=True)


def _solve(drive, g, array):
    with jax.enable_x64(True):
        out = _exact(jnp.asarray(drive), jnp.asarray(g), array)
        return jax.tree.map(np.asarray, out)


def test_1x1_by_hand():
    out = _solve(np.array([0.2]), np.array([[1 / 5000]]), UNEVEN)
    current = 0.2 / (20 + 1.5 + 5000 + 7 + 300)
    np.testing.assert_allclose(out.current, [current], rtol=1e-14)
    np.testing.assert_allclose(out.voltage, [300 * current], rtol=1e-14)
    np.testing.assert_allclose(out.v_sl, [[0.2 - 21.5 * current]], rtol=1e-14)
    np.testing.assert_allclose(out.v_bl, [[307 * current]], rtol=1e-14)


def test_2x1_by_hand():
    out = _solve(np.array([0.2, -0.1]), np.array([[1 / 4000], [1 / 9000]]), FLOATING)
    # The first row comes down one bit-line segment; nothing flows below the second.
    first, second = 1 / (20 + 1.5 + 4000 + 7), 1 / (20 + 1.5 + 9000)
    volts = (0.2 * first - 0.1 * second) / (first + second)
    np.testing.assert_allclose(out.voltage, [volts], rtol=1e-14)
    assert out.current == 0.0
    np.testing.assert_allclose(out.v_bl[1], [volts], rtol=1e-14)
    np.testing.assert_allclose(out.v_bl[0], [volts + 7 * first * (0.2 - volts)])


@pytest.mark.parametrize("name", PROBLEMS)
def test_against_a_dense_nodal_matrix(name):
    drive, g, array = _problem(name)
    out = _solve(drive, g, array)
    for k in range(2):
        expected = dense_crossbar(drive[k], g, array)
        for field, value in expected.items():
            # Float64 and a condition number near 1e5 (52 kOhm beside 1.5 Ohm).
            np.testing.assert_allclose(
                getattr(out, field)[k], value, rtol=1e-9, atol=1e-13, err_msg=field
            )


def test_against_the_dense_matrix_where_wires_win():
    # 100 Ohm a segment at cells down to 500 Ohm: far columns see next to nothing.
    g = uneven_cells(3, 11, 17, r_on=500.0, r_off=2e3)
    array = ArrayConfig(r_wire_sl=100.0, r_wire_bl=60.0, r_driver=5.0, r_sense=40.0)
    drive = np.linspace(0.2, -0.15, 11)
    out, expected = _solve(drive, g, array), dense_crossbar(drive, g, array)
    assert abs(expected["voltage"]).max() < 0.2 / 50
    for field, value in expected.items():
        np.testing.assert_allclose(getattr(out, field), value, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("array", [UNEVEN, FLOATING, GROUNDED])
def test_open_cells(array):
    drive, g, _ = _problem("wide")
    g[0] = 0.0  # a row without cells
    g[:, 1] = 0.0  # a bit line that nothing touches stays at v_cm
    g[2, 2] = 0.0
    out, expected = _solve(drive[0], g, array), dense_crossbar(drive[0], g, array)
    for field, value in expected.items():
        np.testing.assert_allclose(getattr(out, field), value, rtol=1e-9, atol=1e-13)
    assert out.voltage[1] == out.current[1] == 0.0


@pytest.mark.parametrize("name", PROBLEMS)
def test_no_current_is_lost(name):
    drive, g, array = _problem(name)
    out = _solve(drive, g, array)
    # Volts near 0.2 over 7 Ohm with digits of 1e-16: rounding of 1e-14 A at most.
    assert out.kcl_residual.shape == (2,)
    assert out.kcl_residual.max() < 1e-13
    cell = g * (out.v_sl - out.v_bl)
    np.testing.assert_allclose(cell.sum(1), out.current, rtol=1e-9, atol=1e-14)
    if array.r_wire_sl:
        wire = -np.diff(out.v_sl, axis=-1) / array.r_wire_sl
        to_right = np.cumsum(cell[..., ::-1], -1)[..., ::-1]
        # The volts' digits over 1.5 Ohm, as above.
        np.testing.assert_allclose(wire, to_right[..., 1:], atol=1e-13)


@pytest.mark.parametrize("name", ["1x1", "wide", "tall", "current"])
def test_power_in_is_power_out(name):
    drive, g, array = _problem(name)
    out = _solve(drive, g, array)
    cell = g * (out.v_sl - out.v_bl)
    to_right = np.cumsum(cell[..., ::-1], -1)[..., ::-1]
    down = np.cumsum(cell, -2)
    burnt = (
        (cell**2 / g).sum((1, 2))
        + array.r_wire_sl * (to_right**2).sum((1, 2))
        + array.r_driver * (to_right[..., 0] ** 2).sum(1)
        + array.r_wire_bl * (down**2).sum((1, 2))
        + (out.voltage * out.current).sum(1)
    )
    np.testing.assert_allclose((drive * to_right[..., 0]).sum(1), burnt, rtol=1e-10)


def test_an_unfinished_solution_has_a_residual():
    # Bit lines 100 Ohm a segment: one sweep is far from enough. What the solver calls
    # its residual is what the nodes' wires and cells say.
    g = uneven_cells(7, 12, 9, r_on=1e3, r_off=1e4)
    array = ArrayConfig(r_wire_sl=80.0, r_wire_bl=100.0, r_sense=30.0)
    drive = np.linspace(0.2, 0.05, 12)
    residuals = []
    for tolerance in (0.5, 1e-3, 1e-9):
        out = solve_crossbar(drive, g, array, tolerance=tolerance, nodes=True)
        v_sl, v_bl = (np.asarray(x, np.float64) for x in (out.v_sl, out.v_bl))
        to_right = -np.diff(v_sl, prepend=drive[:, None], append=v_sl[:, -1:]) / 80
        lost = -np.diff(to_right) - g * (v_sl - v_bl)
        # Digits of 0.2 V over 80 Ohm, in float32 or float64.
        slack = 20 * float(jnp.finfo(out.v_sl.dtype).eps) * 0.2 / 80
        assert abs(abs(lost).max() - float(out.kcl_residual)) < slack
        residuals.append(float(out.kcl_residual))
    assert residuals[0] > 1e-6 > residuals[1] > residuals[2]


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9, 1e-12])
def test_tolerance(tolerance):
    g = uneven_cells(3, 11, 17, r_on=500.0, r_off=2e3)
    array = ArrayConfig(r_wire_sl=100.0, r_wire_bl=60.0, r_driver=5.0)
    drive = np.stack([np.linspace(0.2, -0.15, 11), np.ones(11)])
    exact = _solve(drive, g, array)
    with jax.enable_x64(True):
        out = solve_crossbar(drive, g, array, tolerance=tolerance)
    assert out.result == "converged"
    wrong = abs(np.asarray(out.voltage) - exact.voltage).max(1)
    assert (wrong <= tolerance * abs(exact.voltage).max(1)).all()
    assert (np.asarray(out.error) <= tolerance).all()
    assert (np.asarray(out.iterations) < exact.iterations).all() or tolerance < 1e-9
    assert out.v_bl is None
    assert out.v_sl is None


@pytest.mark.parametrize("array", [UNEVEN, FLOATING, GROUNDED])
def test_answers_are_linear_in_the_drive(array):
    drive, g, _ = _problem("wide")
    out = _solve(np.stack([*drive, 2.5 * drive[0] - drive[1]]), g, array)
    for field in ("voltage", "current", "v_bl", "v_sl"):
        value = getattr(out, field)
        # Sums of a few products in float64.
        expected = 2.5 * value[0] - value[1]
        np.testing.assert_allclose(value[2], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("x64", [False, True])
def test_an_ordinary_solve_says_converged(x64):
    drive, g, array = _problem("wide")
    with jax.enable_x64(x64):
        for cells in (jnp.asarray(g), sinh_cells()):
            out = solve_crossbar(jnp.asarray(drive), cells, array)
            assert out.voltage.dtype == (jnp.float64 if x64 else jnp.float32)
            assert out.result == "converged"
            assert out.error.max() <= (1e-9 if x64 else 1e-4)
    assert doctest.testmod(solver).failed == 0


def test_linear_cells_with_a_law_are_conductances():
    """Not the Newton method, whose time grows with cols^3."""
    drive, g, array = _problem("wide")
    out = solve_crossbar(drive, LinearCell(conductance=jnp.asarray(g)), array)
    expected = solve_crossbar(drive, jnp.asarray(g), array)
    for field in ("voltage", "current", "iterations"):
        np.testing.assert_array_equal(getattr(out, field), getattr(expected, field))


def test_limit_of_no_wires_is_a_matrix_product():
    drive, g, array = _problem("nothing but cells")
    out = _solve(drive, g, array)
    np.testing.assert_allclose(out.voltage, drive @ g / g.sum(0), rtol=1e-13)
    drive, g, array = _problem("cells into ground")
    out = _solve(drive, g, array)
    np.testing.assert_allclose(out.current, drive @ g, rtol=1e-13)
    np.testing.assert_array_equal(out.voltage, 0.0)


@pytest.mark.parametrize("array", [UNEVEN, FLOATING, GROUNDED])
def test_float32_keeps_its_digits(array):
    g = uneven_cells(8, 30, 12)
    drive = np.random.default_rng(8).uniform(0.05, 0.2, 30)
    exact = _solve(drive, g, array)
    single = solve_crossbar(
        jnp.asarray(drive, jnp.float32),
        jnp.asarray(g, jnp.float32),
        array,
        tolerance=1e-9,
        nodes=True,
    )
    assert single.voltage.dtype == single.current.dtype == jnp.float32
    # 30 rows of sums without a subtraction: a few times sqrt(30) units of 6e-8.
    np.testing.assert_allclose(single.voltage, exact.voltage, rtol=3e-6, atol=0)
    np.testing.assert_allclose(single.current, exact.current, rtol=3e-6, atol=0)
    np.testing.assert_allclose(single.v_bl, exact.v_bl, rtol=3e-6)


def test_batches_jit_and_vmap_are_loops():
    rows, cols = 4, 3
    cells = np.stack([uneven_cells(k, rows, cols) for k in range(3)])
    drive = np.random.default_rng(2).uniform(-0.2, 0.2, (2, 5, rows))
    with jax.enable_x64(True):
        solve = partial(_exact, array=UNEVEN)
        u, g = jnp.asarray(drive), jnp.asarray(cells)
        chips = jax.vmap(solve, (None, 0))(u, g)
        jitted = jax.jit(solve)(u, g[1])
        assert chips.v_bl.shape == (3, 2, 5, rows, cols)
        assert chips.kcl_residual.shape == (3, 2, 5)
        for field in ("voltage", "current", "v_bl", "v_sl"):
            value = np.asarray(getattr(chips, field))
            np.testing.assert_allclose(getattr(jitted, field), value[1], rtol=1e-12)
            for k in range(3):
                one = solve(u[1, 4], g[k])
                # The same sums in another order.
                np.testing.assert_allclose(
                    value[k, 1, 4], getattr(one, field), rtol=1e-12
                )


@pytest.mark.parametrize(
    "name", ["wide", "tall", pytest.param("current", marks=pytest.mark.slow)]
)
def test_gradients_against_differences(name):
    drive, g, array = _problem(name)
    weight = np.random.default_rng(1).standard_normal((2, g.shape[1]))
    with jax.enable_x64(True):
        weight = jnp.asarray(weight)

        def of(drive, g):
            out = _exact(drive, g, array)
            return (weight * (out.voltage + 1e3 * out.current)).sum() + out.v_bl[
                0, 0, 0
            ]

        assert_gradient(partial(of, jnp.asarray(drive)), jnp.asarray(g))
        assert_gradient(lambda u: of(u, jnp.asarray(g)), jnp.asarray(drive))


@pytest.mark.parametrize("array", [UNEVEN, FLOATING, GROUNDED])
def test_gradients_at_the_corners_are_finite(array):
    def of(drive, g):
        return (solve_crossbar(drive, g, array).voltage ** 2).sum()

    g = jnp.full((4, 3), 2e-5)
    for drive, cells in (
        (jnp.zeros(4), g),
        (jnp.ones(4), g.at[:, 1].set(0.0)),
        (jnp.ones(4), 0 * g),
    ):
        for slope in jax.grad(of, (0, 1))(drive, cells):
            assert bool(jnp.isfinite(slope).all())


def test_arrays_of_a_batch():
    rng = np.random.default_rng(4)
    g = np.stack([uneven_cells(k, 4, 3) for k in range(6)]).reshape(2, 3, 4, 3)
    drive = rng.uniform(-0.2, 0.2, (3, 4))
    own = _solve(drive, g, UNEVEN)
    shared = _solve(drive, g[:, :1], UNEVEN)
    assert own.v_bl.shape == shared.v_bl.shape == (2, 3, 4, 3)
    for k in range(2):
        for n in range(3):
            for out, cells in ((own, g[k, n]), (shared, g[k, 0])):
                one = _solve(drive[n], cells, UNEVEN)
                np.testing.assert_allclose(out.current[k, n], one.current, rtol=1e-12)


def test_many_drives_are_solved_in_turn(monkeypatch):
    drive, g, array = _problem("wide")
    drive = np.random.default_rng(0).uniform(-0.2, 0.2, (11, 4))
    with jax.enable_x64(True):
        whole = _exact(drive, g, array)
        monkeypatch.setattr("rram_jax.circuit.solver.NODES_AT_ONCE", 1)
        turns = jax.jit(partial(_exact, array=array))(drive, g)
    np.testing.assert_allclose(turns.v_sl, whole.v_sl, rtol=1e-12)
    np.testing.assert_allclose(turns.current, whole.current, rtol=1e-12)


@pytest.mark.parametrize("name", ["nothing but cells", "wide", "tall", "current"])
def test_gradients_by_resistances(name):
    """Also at zero, where the difference is one-sided."""
    drive, g, array = _problem(name)
    weight = np.random.default_rng(1).standard_normal((2, g.shape[1]))
    with jax.enable_x64(True):

        @jax.jit
        def of(params):
            out = _exact(drive, g, params)
            return (weight * (out.voltage + 1e3 * out.current)).sum() + out.v_sl.sum()

        params = array_params(array)
        slopes = jax.grad(of)(params)
        for field in ("r_wire_sl", "r_wire_bl", "r_driver", "r_sense"):
            r = getattr(params, field)
            if jnp.isinf(r):  # floating bit lines
                assert getattr(slopes, field) == 0
                continue
            h = 1e-3
            f = [
                of(dataclasses.replace(params, **{field: r + k * h})) for k in range(3)
            ]
            # Second order in 1 mOhm beside kOhms; 1e-16 / 1e-3 of rounding.
            slope = (-3 * f[0] + 4 * f[1] - f[2]) / (2 * h)
            np.testing.assert_allclose(
                getattr(slopes, field), slope, rtol=1e-6, atol=1e-12
            )


def test_gradients_against_a_dense_matrix():
    """Automatic differentiation of a dense nodal solve, to 1e-9; twice, too."""
    rows, cols = 4, 3
    g = uneven_cells(9, rows, cols)
    weight = np.random.default_rng(1).standard_normal(cols)

    def dense(drive, g, params):
        n = rows * cols
        node = np.arange(n).reshape(rows, cols)
        y = jnp.zeros((2 * n, 2 * n))

        def join(y, a, b, s):
            a, b, s = a.ravel(), b.ravel(), jnp.broadcast_to(s, a.shape).ravel()
            return y.at[a, a].add(s).at[b, b].add(s).at[a, b].add(-s).at[b, a].add(-s)

        y = join(y, node, node + n, g)
        y = join(y, node[:, :-1], node[:, 1:], 1 / params.r_wire_sl)
        y = join(y, node[:-1] + n, node[1:] + n, 1 / params.r_wire_bl)
        left = 1 / (params.r_driver + params.r_wire_sl)
        foot = 1 / (params.r_sense + params.r_wire_bl)
        y = y.at[node[:, 0], node[:, 0]].add(left)
        y = y.at[node[-1] + n, node[-1] + n].add(foot)
        v = jnp.linalg.solve(y, jnp.zeros(2 * n).at[node[:, 0]].set(left * drive))
        return (weight * v[node[-1] + n] * foot * 1e3).sum()

    def ours(drive, g, params):
        return (weight * _exact(drive, g, params).current * 1e3).sum()

    with jax.enable_x64(True):
        at = (jnp.linspace(0.2, -0.1, rows), jnp.asarray(g), array_params(UNEVEN))
        both = [jax.tree.leaves(jax.grad(f, (0, 1, 2))(*at)) for f in (dense, ours)]
        for expected, found in zip(*both, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9)

        def second(f):
            return jax.grad(lambda g: (jax.grad(f, 1)(at[0], g, at[2]) * g).sum())

        found, expected = second(ours)(at[1]), second(dense)(at[1])
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["wide", "tall", "current", "one column"])
def test_transfer_matrix_is_every_solve(name):
    drive, g, array = _problem(name)
    with jax.enable_x64(True):
        transfer = np.asarray(transfer_matrix(g, array))
        out = _solve(drive, g, array)
        expected = out.current if array.r_sense == 0 else out.voltage
        np.testing.assert_allclose(drive @ transfer, expected, rtol=1e-8)
        two = transfer_matrix(np.stack([g, 2 * g]), array)
        np.testing.assert_allclose(two[0], transfer, rtol=1e-12)
        assert transfer.shape == g.shape
        weight = np.random.default_rng(2).standard_normal(g.shape)

        def of(g):
            return (weight * transfer_matrix(g, array, tolerance=1e-13)).sum()

        assert_gradient(of, jnp.asarray(g))
    with without_type_checks(), pytest.raises(InputError, match="not empty"):
        transfer_matrix(np.zeros(3), array)
