import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import _kcl, solve_crossbar
from rram_jax.errors import InputError
from tests.helpers import (
    assert_gradient,
    dense_crossbar,
    is_one_sentence,
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


def _solve(drive, g, array):
    with jax.enable_x64(True):
        out = solve_crossbar(jnp.asarray(drive), jnp.asarray(g), array)
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


def test_a_wrong_solution_has_a_residual():
    # The diagnostic itself: with another wire the same formula must not close.
    drive, g, array = _problem("wide")
    out = _solve(drive[0], g, array)
    with jax.enable_x64(True):
        v = [jnp.asarray(x[..., None]) for x in (out.v_bl, out.v_sl)]
        foot = jnp.asarray(out.current[:, None])
        right = float(_kcl(*v, jnp.asarray(g), foot, array.r_wire_bl)[0])
        wrong = float(_kcl(*v, jnp.asarray(g), foot, 1.01 * array.r_wire_bl)[0])
    assert right < 1e-13 < 1e-8 < wrong


@pytest.mark.parametrize("array", [UNEVEN, FLOATING, GROUNDED])
def test_answers_are_linear_in_the_drive(array):
    drive, g, _ = _problem("wide")
    out = _solve(np.stack([*drive, 2.5 * drive[0] - drive[1]]), g, array)
    for field in ("voltage", "current", "v_bl", "v_sl"):
        value = getattr(out, field)
        # Sums of a few products in float64.
        expected = 2.5 * value[0] - value[1]
        np.testing.assert_allclose(value[2], expected, rtol=1e-12, atol=1e-15)


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
        jnp.asarray(drive, jnp.float32), jnp.asarray(g, jnp.float32), array
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
        solve = partial(solve_crossbar, array=UNEVEN)
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


@pytest.mark.parametrize("name", ["wide", "tall", "current"])
def test_gradients_against_differences(name):
    drive, g, array = _problem(name)
    weight = np.random.default_rng(1).standard_normal((2, g.shape[1]))
    with jax.enable_x64(True):
        weight = jnp.asarray(weight)

        def of(drive, g):
            out = solve_crossbar(drive, g, array)
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


@pytest.mark.parametrize(
    ("drive", "g"), [((3,), (4, 3)), ((2, 3), (4, 3)), ((4,), (4,)), ((), (4, 3))]
)
def test_shapes_that_do_not_fit(drive, g):
    with without_type_checks(), pytest.raises(InputError) as error:
        solve_crossbar(jnp.zeros(drive), jnp.zeros(g), UNEVEN)
    assert str(drive) in str(error.value)
    assert str(g) in str(error.value)
    assert is_one_sentence(error.value)
