import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.model import (
    crossing,
    ideal_params,
    ramp,
    slot_weights,
    to_counts,
)

CONFIG = NeuronConfig(v_full=8e-3, v_shift=1e-3, clocks_per_slot=4, ramp_advance=0.7)


def real_params(dtype=jnp.float32):
    """A neuron with every imperfection, none of them at a round number."""
    changes = {"gain": 1.01, "offset": -0.23, "leak": 6.1e5, "curve": 17.0}
    changes |= {"lag": 1.3e-9}
    real = dataclasses.replace(
        ideal_params(CONFIG), **{k: jnp.float32(v) for k, v in changes.items()}
    )
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), real)


def staircases(n=7, seed=3):
    """Uneven staircases that reach beyond both ends of the scale."""
    return np.random.default_rng(seed).uniform(-3e-3, 9e-3, (n, SLOTS))


def test_ideal_crossing_is_the_mean_over_full_scale():
    v = staircases()
    expected = SLOTS * (v.mean(-1) + CONFIG.v_shift) / CONFIG.v_full
    # float32: 15 terms, each good to 6e-8.
    np.testing.assert_allclose(
        crossing(jnp.asarray(v, jnp.float32), ideal_params(CONFIG)),
        expected,
        rtol=2e-6,
        atol=2e-6,
    )


def test_a_leaking_neuron_against_a_simulation_in_small_steps():
    """An RC integrator that is stepped 2000 times a slot, by another formula."""
    v, leak, slot = staircases(1)[0], 2.3e6, CONFIG.t_slot
    steps = 2000
    h = slot / steps
    level = 0.0
    for k in range(SLOTS):
        for _ in range(steps):
            level += h * (v[k] + CONFIG.v_shift - leak * level)
    gap = SLOTS + 1 - CONFIG.ramp_advance - SLOTS
    level *= np.exp(-leak * gap * slot)
    t = 0.0
    while level > 0:
        level += h * (-CONFIG.v_full - leak * level)
        t += h
    params = dataclasses.replace(ideal_params(CONFIG), leak=jnp.float32(leak))
    # The model takes a slot's charge at its middle: (leak slot)^2 / 24 = 6e-6; a step
    # of the reference is 1 / 2000 slot.
    got = crossing(jnp.asarray(v, jnp.float32), params)
    assert float(got) == pytest.approx(t / slot, abs=2e-3)


def test_a_lagging_ramp_against_a_simulation_in_small_steps():
    """The current behind the step rises as 1 - exp(-t / lag); stepped 5000 times."""
    lag, slot = 1.3e-9, CONFIG.t_slot
    before = CONFIG.ramp_advance - 0.5  # the step, ahead of position 0
    params = dataclasses.replace(
        ideal_params(CONFIG),
        lag=jnp.float32(lag),
        offset=jnp.float32(lag / slot - before),
    )
    level = np.array([0.6e-3, 3e-3, 7e-3]) - CONFIG.v_shift
    got = crossing(jnp.asarray(level[:, None] + np.zeros(SLOTS), jnp.float32), params)
    t = (np.arange(75_000) + 0.5) * slot / 5000
    run_back = np.cumsum(1 - np.exp(-t / lag)) / 5000
    charge = SLOTS * (level + CONFIG.v_shift) / CONFIG.v_full
    expected = np.searchsorted(run_back, charge) / 5000 - before
    # 1.4 slots after the step three fixed-point steps leave 2e-6 slots; the simulation
    # steps by 2e-4.
    np.testing.assert_allclose(got, expected, atol=3e-4)
    assert expected[0] - (charge[0] + lag / slot - before) < -1e-3


def test_late_charge_counts_for_more():
    weights = slot_weights(real_params())
    assert (np.diff(weights) > 0).all()
    assert 0.9 < weights[0] < weights[-1] < 1


def test_compression_by_hand():
    params = dataclasses.replace(ideal_params(CONFIG), curve=jnp.float32(100.0))
    v = jnp.full(SLOTS, 3e-3, jnp.float32)
    # 4 mV behind the shift and 8 mV in the ramp, each times 1 - 100 v^2.
    expected = 7.5 * (1 - 1.6e-3) / (1 - 6.4e-3)
    assert float(crossing(v, params)) == pytest.approx(expected, rel=2e-6)


def test_more_on_the_bit_line_crosses_later():
    base = staircases(1)[0]
    lifted = jnp.asarray(base + np.linspace(-20e-3, 20e-3, 101)[:, None], jnp.float32)
    position = crossing(lifted, real_params())
    assert (np.diff(position) > 0).all()
    assert np.isfinite(position).all()


def test_ramp_is_smooth_where_its_series_takes_over():
    with jax.enable_x64(True):
        params = real_params(jnp.float64)
        edge = 1e-3 / (params.leak * params.t_slot)
        charge = edge * jnp.array([1 - 1e-9, 1 + 1e-9])
        below, above = np.asarray(ramp(charge, params))
        # The series drops x^3 / 4 at x = 1e-3.
        assert above - below == pytest.approx(0, abs=1e-9 * float(edge) * 4)


def test_a_neuron_axis_gives_each_neuron_its_own():
    v = staircases(6).reshape(2, 3, SLOTS)
    offset = jnp.array([0.0, 0.4, -1.3], jnp.float32)
    params = dataclasses.replace(real_params(), offset=offset)
    got = crossing(jnp.asarray(v, jnp.float32), params)
    assert got.shape == (2, 3)
    for j in range(3):
        one = dataclasses.replace(params, offset=offset[j])
        np.testing.assert_array_equal(
            got[:, j], crossing(jnp.asarray(v[:, j], jnp.float32), one)
        )


@pytest.mark.parametrize("wrt", ["v_bl", "params"])
def test_gradient_against_a_central_difference(wrt):
    with jax.enable_x64(True):
        params, v = real_params(jnp.float64), jnp.asarray(staircases())
        weigh = jnp.asarray(np.random.default_rng(5).standard_normal(len(v)))

        def loss(x):
            v_bl, p = (x, params) if wrt == "v_bl" else (v, x)
            return weigh @ crossing(v_bl, p)

        x = v if wrt == "v_bl" else params
        # Steps relative to each number: they reach from 1e-9 (t_slot) to 6e5 (leak).
        leaves, tree = jax.tree.flatten(x)
        rng = np.random.default_rng(6)
        way = tree.unflatten([a * rng.standard_normal(a.shape) for a in leaves])

        def moved(step):
            return jax.tree.map(lambda a, d: a + step * d, x, way)

        h = 1e-6
        slope = (loss(moved(h)) - loss(moved(-h))) / (2 * h)
        grad = jax.grad(loss)(x)
        dot = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, grad, way)))
        # Central difference in float64: h^2 and rounding over h are both near 1e-10.
        np.testing.assert_allclose(dot, slope, rtol=1e-7)
        assert abs(float(slope)) > 0.1


def test_gradient_without_a_leak_is_finite_and_exact():
    params = ideal_params(CONFIG)
    v = jnp.zeros((2, SLOTS), jnp.float32)
    slope = jax.grad(lambda p: crossing(v, p).sum())(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))
    # 15 slots of 1 mV over 8 mV are 1.875 slots; their charge waits (15 - k + 0.5 -
    # 0.7) slots of 5 ns, and half of 1.875 in the ramp: by hand for each neuron.
    wait = np.mean(SLOTS + 0.5 - 0.7 - np.arange(SLOTS)) + 1.875 / 2
    assert float(slope.leak) == pytest.approx(-2 * 1.875 * wait * 5e-9, rel=1e-5)


@pytest.mark.parametrize(
    ("clocks", "position", "counts"),
    [
        (
            1,
            [-3.0, 0.49, 0.51, 7.4, 7.6, 14.49, 14.51, 99],
            [0, 0, 1, 7, 8, 14, 15, 15],
        ),
        (4, [0.49, 0.51, 0.74, 0.76, 15.2, 15.3], [0, 1, 1, 2, 59, 60]),
    ],
)
def test_counts_by_hand(clocks, position, counts):
    config = dataclasses.replace(CONFIG, clocks_per_slot=clocks)
    got = to_counts(jnp.array(position, jnp.float32), config)
    np.testing.assert_array_equal(got, counts)


def test_counts_have_the_slope_of_the_clipped_line():
    position = jnp.array([-2.0, 0.1, 7.3, 15.6], jnp.float32)
    slope = jax.vmap(jax.grad(lambda s: to_counts(s, CONFIG)))(position)
    np.testing.assert_array_equal(slope, [0, 0, 4, 0])
    ideal = dataclasses.replace(CONFIG, clocks_per_slot=1)
    slope = jax.vmap(jax.grad(lambda s: to_counts(s, ideal)))(position)
    np.testing.assert_array_equal(slope, [0, 1, 1, 0])
