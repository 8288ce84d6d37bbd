import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.attenuation import attenuation_map, ideal_map, mapped_transfer
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.pair import cells_of, signed_transfer
from rram_jax.circuit.tile import layer_transfer, wireless_transfer
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance, sample_resistance

DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)
TILE = TileConfig(r_driver_pos=15.0, r_driver_neg=18.0)


def _nominal(weights):
    params = DEVICE.params()
    weights = jnp.asarray(weights)
    return tuple(mean_conductance(cells_of(w), params) for w in (weights, -weights))


def _weights(seed, shape, values=(-1, 1)):
    return np.random.default_rng(seed).choice(values, shape)


def test_exact_at_the_nominal_and_at_the_swapped_array():
    tile = dataclasses.replace(TILE, rows=8, cols=9, r_wire_bl=4.0, r_strap=2.0)
    nominal, swapped = _nominal(_weights(1, (9, 12)))
    attenuation = attenuation_map(nominal, swapped, tile, 3)
    assert attenuation.slope.shape == attenuation.offset.shape == (18, 4)
    for g in (nominal, swapped):
        exact = np.asarray(layer_transfer(g, tile, 3))
        assert abs(exact / np.asarray(wireless_transfer(g, 3)) - 1).max() > 0.03
        # float32 products and sums of the map.
        np.testing.assert_allclose(mapped_transfer(g, attenuation, 3), exact, rtol=2e-6)


def test_off_pairs_are_exact_at_the_nominal_array():
    tile = dataclasses.replace(TILE, rows=8)
    weights = _weights(2, (9, 5), (-1, 0, 0, 1))
    nominal, swapped = _nominal(weights)
    attenuation = attenuation_map(nominal, swapped, tile)
    exact = np.asarray(layer_transfer(nominal, tile))
    np.testing.assert_allclose(mapped_transfer(nominal, attenuation), exact, rtol=2e-6)
    slope = np.asarray(attenuation.slope)
    off = np.repeat(weights == 0, 2, 0)
    # float32 mean.
    np.testing.assert_allclose(slope[off], slope[~off].mean(), rtol=1e-6)
    assert 0.7 < slope.min() < slope.max() < 1


def test_an_array_without_states_is_not_attenuated():
    g = jnp.full((6, 4), 2e-5)
    attenuation = attenuation_map(g, g, TILE, 2)
    np.testing.assert_array_equal(mapped_transfer(g, attenuation, 2), 1 / 6)


def test_error_over_sampled_arrays():
    """144x64, sigma 0.3, full scale at 10 weights: the bar of the design is 0.2 %."""
    weights = _weights(3, (144, 64))
    nominal, swapped = _nominal(weights)
    attenuation = attenuation_map(nominal, swapped, TILE)
    key, params = jax.random.key(4), DEVICE.params()
    g = 1 / sample_resistance(key, cells_of(jnp.asarray(weights)), params)
    exact = np.asarray(signed_transfer(jnp.asarray(layer_transfer(g, TILE))))
    mapped = np.asarray(signed_transfer(mapped_transfer(g, attenuation)))
    ratio = layer_transfer(nominal, TILE) / np.asarray(wireless_transfer(nominal))
    one_number = np.asarray(signed_transfer(wireless_transfer(g) * jnp.asarray(ratio)))
    # Images a third of which is lit, as MNIST's.
    rng = np.random.default_rng(5)
    x = rng.random((1000, 144)) * (rng.random((1000, 144)) < 0.3)
    signed = weights * np.asarray(signed_transfer(jnp.asarray(layer_transfer(nominal, TILE))))
    full_scale = 10 * signed.mean()

    def error(transfer):
        return np.sqrt(np.mean((x @ (transfer - exact)) ** 2)) / full_scale

    assert error(mapped) < 0.0025
    # One ratio a cell is what the second number is there for.
    assert error(one_number) > 3 * error(mapped)
    assert error(np.asarray(signed_transfer(wireless_transfer(g)))) > 0.01


def test_ideal_map_changes_nothing():
    g = jnp.asarray([[1e-4, 2e-5], [3e-5, 2e-4]])
    attenuation = ideal_map((2, 2))
    mapped = mapped_transfer(g, attenuation)
    np.testing.assert_array_equal(mapped, wireless_transfer(g))
