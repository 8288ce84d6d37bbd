import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from rram_jax.device.cell import (
    access_current,
    cell_current,
    read_resistance,
    rram_voltage,
)
from rram_jax.device.filament import current, load_filament
from tests.device.filaments import OTHER
from tests.helpers import assert_gradient


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def arrays(*values):
    return tuple(jnp.asarray(v, float) for v in values)


def test_access_current_in_strong_inversion():
    """Far above threshold F(u) is (u / 2)^2: the square law, with slope factor n."""
    low, high, gate = arrays(0.1, 0.35, 2.0)
    pinch = (2.0 - 0.4) / 1.25
    expected = 1.25 * 1.1e-3 / 2 * ((pinch - 0.1) ** 2 - (pinch - 0.35) ** 2)
    # exp(-(pinch - V) / (2 V_T)) is 1e-8 here.
    np.testing.assert_allclose(
        access_current(low, high, gate, OTHER.params()), expected, rtol=1e-7
    )


def test_access_current_below_threshold_falls_by_its_slope():
    low, high = arrays(0.0, 1.0)
    one, two = access_current(low, high, jnp.array([0.0, 0.05]), OTHER.params())
    v_t = 8.617333262145179e-5 * 310.0
    # The next term is exp((V_gate - V_threshold) / (2 n V_T)), 0.5 % there.
    np.testing.assert_allclose(two / one, np.exp(0.05 / (1.25 * v_t)), rtol=1e-2)


def test_access_is_symmetric():
    low, high, gate = arrays(0.1, 0.7, 1.3)
    params = OTHER.params()
    forth = access_current(low, high, gate, params)
    assert float(forth) == -float(access_current(high, low, gate, params))


def test_packaged_access_at_the_read_point():
    card = load_filament("hfo2")
    low, high, gate = arrays(0.0, 0.2, card.gate_read)
    r = 0.2 / float(access_current(low, high, gate, card.params()))
    assert r == pytest.approx(900, rel=0.01)  # r_access of the device cards


@pytest.mark.parametrize("v_cell", [1.46, 0.2, 1e-6, -0.05, -0.9, -8.0])
@pytest.mark.parametrize("v_gate", [0.1, 1.2, 3.0])
@pytest.mark.parametrize("x", [0.0, 0.9e-9, 3e-9])
def test_series_solve_against_brentq(v_cell, v_gate, x):
    params, size = OTHER.params(), abs(v_cell)
    s = jnp.asarray(0.7)

    def imbalance(v):
        low, high = (v, size) if v_cell > 0 else (0.0, size - v)
        carried = current(*arrays(v, x), s, params)
        return float(carried - access_current(*arrays(low, high, v_gate), params))

    expected = brentq(imbalance, 0, size, xtol=1e-300, rtol=1e-14)
    got = float(rram_voltage(*arrays(v_cell, v_gate, x), s, params))
    assert got * v_cell > 0
    # A closed transistor leaves pA to balance: the last digits of F's difference go.
    assert abs(got) == pytest.approx(expected, rel=1e-9)


def test_no_voltage_no_current():
    zero, gate, x, s = arrays(0.0, 1.2, 0.4e-9, 1.0)
    assert float(cell_current(zero, gate, x, s, OTHER.params())) == 0
    slope = jax.grad(cell_current)(zero, gate, x, s, OTHER.params())
    assert 0 < float(slope) < 1 / 2900


def test_current_is_bounded_by_the_gate_in_set():
    params, one = load_filament("hfo2").params(), jnp.ones(())
    bound = -access_current(0 * one, 5 * one, 1.2 * one, params)
    i = cell_current(-jnp.array([0.3, 1.0, 3.0]), 1.2 * one, 0 * one, one, params)
    assert (i >= bound * (1 + 1e-12)).all()
    np.testing.assert_allclose(i[2], bound, rtol=1e-4)  # saturated


def test_read_resistance_is_the_sum_at_small_voltage():
    params = OTHER.params()
    v, gate, x, s = arrays(1e-5, 1.7, 0.2e-9, 1.1)
    rram = 2900 / 1.1 * (np.exp(0.4) - 0.2 / 6)
    access = 1e-5 / access_current(0 * v, v, gate, params)
    # 1e-5 V bends the transistor by 1e-5 / 1.3 V.
    np.testing.assert_allclose(
        read_resistance(v, gate, x, s, params), rram + access, rtol=1e-5
    )


def test_jit_and_vmap_are_a_loop():
    params = OTHER.params()
    v, gate = jnp.array([0.9, -0.4, 1.3]), jnp.array([3.0, 1.1, 2.5])
    x, s = jnp.array([0.2e-9, 1e-9, 0.0]), jnp.array([0.9, 1.0, 1.4])
    at_once = jax.jit(cell_current)(v, gate, x, s, params)
    singly = [cell_current(*cell, params) for cell in zip(v, gate, x, s, strict=True)]
    np.testing.assert_allclose(at_once, jnp.stack(singly), rtol=1e-13)


@pytest.mark.parametrize("v_cell", [1.2, -0.7])
def test_gradient_is_implicit_and_right(v_cell):
    params = OTHER.params()

    def log_current(z):
        return jnp.log(jnp.abs(cell_current(*z, params)))

    assert_gradient(log_current, jnp.array([v_cell, 1.5, 0.4e-9, 1.2]), rtol=1e-7)
