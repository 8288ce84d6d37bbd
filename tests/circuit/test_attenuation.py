import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.circuit.attenuation import (
    attenuation_map,
    closed_form_map,
    ideal_map,
    mapped_transfer,
)
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.pair import cells_of
from rram_jax.circuit.tile import layer_transfer, wireless_transfer
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance, sample_resistance
from rram_jax.errors import InputError

DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)
TILE = TileConfig(r_driver_pos=15.0, r_driver_neg=18.0)


def _nominal(weights):
    params = DEVICE.params()
    weights = jnp.asarray(weights)
    return tuple(mean_conductance(cells_of(w), params) for w in (weights, -weights))


def _weights(seed, shape, values=(-1, 1)):
    return np.random.default_rng(seed).choice(values, shape)


def _signed(transfer):
    transfer = np.asarray(transfer, np.float64)
    return transfer[0::2] - transfer[1::2]


def test_exact_at_the_nominal_and_at_the_negated_array():
    tile = dataclasses.replace(TILE, rows=8, cols=9, r_wire_bl=4.0, r_strap=2.0)
    nominal, negated = _nominal(_weights(1, (9, 12)))
    attenuation = attenuation_map(nominal, tile, 3)
    assert attenuation.slope.shape == attenuation.offset.shape == (18, 4)
    assert attenuation.r_row.shape == (18, 2)  # 12 columns: a tile of 6 and one of 6
    slope = np.asarray(attenuation.slope)
    values, where, count = np.unique(slope, return_inverse=True, return_counts=True)
    own = (count[where] == 1).reshape(slope.shape)
    assert own.mean() > 0.7  # the rest load their row as they share in their output
    for g, known in ((nominal, np.full(slope.shape, True)), (negated, own)):
        exact = np.asarray(layer_transfer(g, tile, 3))
        assert abs(exact / np.asarray(wireless_transfer(g, 3)) - 1).max() > 0.03
        mapped = np.asarray(mapped_transfer(g, attenuation))
        # float32 products and sums of the map.
        np.testing.assert_allclose(mapped[known], exact[known], rtol=2e-6)


def test_off_pairs_are_exact_at_the_nominal_array():
    tile = dataclasses.replace(TILE, rows=8)
    weights = _weights(2, (9, 5), (-1, 0, 0, 1))
    nominal, _ = _nominal(weights)
    attenuation = attenuation_map(nominal, tile)
    exact = np.asarray(layer_transfer(nominal, tile))
    np.testing.assert_allclose(mapped_transfer(nominal, attenuation), exact, rtol=2e-6)
    slope = np.asarray(attenuation.slope)
    off = np.repeat(weights == 0, 2, 0)
    # float32 mean.
    np.testing.assert_allclose(slope[off], slope[~off].mean(), rtol=1e-6)
    assert 0.9 < slope.min() < slope.max() < 1.1


@pytest.mark.parametrize(
    ("g", "c"),
    [
        pytest.param(np.full((6, 4), 2e-5), 2, id="no states"),
        pytest.param(np.array([[1e-4], [1e-5], [2e-5], [9e-5]]), 1, id="one column"),
    ],
)
@pytest.mark.parametrize("r", [0.0, 3.0], ids=["perfect rows", "driven rows"])
def test_exact_where_nothing_tells_slope_from_offset(g, c, r):
    tile = dataclasses.replace(
        TILE, r_wire_sl=r, r_driver_pos=r, r_driver_neg=2 * r, r_wire_bl=50.0
    )
    g = jnp.asarray(g)
    attenuation = attenuation_map(g, tile, c)
    exact = layer_transfer(g, tile, c)
    np.testing.assert_allclose(mapped_transfer(g, attenuation), exact, rtol=2e-6)


def test_closed_form_of_drivers_by_hand():
    """Two rows, one column, no wires: 1 V on the row of g through r."""
    tile = dataclasses.replace(TILE, r_wire_sl=0.0, r_wire_bl=0.0, r_strap=0.0)
    g, other = 1e-4, 3e-5
    cells = jnp.array([[g], [other]])
    mapped = mapped_transfer(cells, closed_form_map(cells, tile))
    share = g / (g + other)
    # What both drivers drop comes back through both rows alike: their mean.
    by_hand = (share + (15.0 + 18.0) / 2 * g / 2) / (1 + 15.0 * g)
    np.testing.assert_allclose(mapped[0, 0], by_hand, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("r_wire_sl", 0.5),
        ("r_driver_neg", 0.5),
        ("r_wire_bl", 0.02),
        ("r_strap", 0.02),
    ],
)
def test_closed_form_follows_each_wire_alone(name, spread):
    """On tiles of several rows and columns, where that wire moves something."""
    rng = np.random.default_rng(6)
    g = jnp.asarray(5e-5 * np.exp(spread * rng.standard_normal((66, 27))))
    wires = ("r_wire_sl", "r_wire_bl", "r_strap", "r_driver_pos", "r_driver_neg")
    tile = TileConfig(rows=30, cols=16, **{**dict.fromkeys(wires, 0.0), name: 2.0})
    exact = np.asarray(layer_transfer(g, tile))
    moved = abs(exact - np.asarray(wireless_transfer(g))).max()
    mapped = np.asarray(mapped_transfer(g, closed_form_map(g, tile)))
    assert moved > 2e-5
    # Measured 0.16 of it for r_wire_sl, 0.01 to 0.04 for the rest.
    assert abs(mapped - exact).max() < 0.2 * moved


def _error(transfer, exact, weights, z_full):
    """Rms over images a third of which is lit, as MNIST's, over the full scale."""
    rng = np.random.default_rng(5)
    x = rng.random((1000, len(weights))) * (rng.random((1000, len(weights))) < 0.3)
    full_scale = z_full * (weights * _signed(exact)).mean()
    wrong = x @ (_signed(transfer) - _signed(exact))
    return np.sqrt(np.mean(wrong**2)) / full_scale


def test_error_over_sampled_arrays():
    """144x64, sigma 0.3, over a full scale of 10 weights."""
    weights = _weights(3, (144, 64))
    nominal, _ = _nominal(weights)
    attenuation = attenuation_map(nominal, TILE)
    is_lrs = cells_of(jnp.asarray(weights))
    g = 1 / sample_resistance(jax.random.key(4), is_lrs, DEVICE.params())
    exact = layer_transfer(g, TILE)
    closed = closed_form_map(nominal, TILE)
    # Measured 0.09 % and 0.14 %; 1.2 % and 3.5 % with a ratio a cell and without wires.
    assert _error(mapped_transfer(g, attenuation), exact, weights, 10) < 0.0012
    assert _error(mapped_transfer(g, closed), exact, weights, 10) < 0.002
    ratio = np.asarray(layer_transfer(nominal, TILE)) / wireless_transfer(nominal)
    assert _error(wireless_transfer(g) * ratio, exact, weights, 10) > 0.01
    # The map of these weights for the cells of others: 0.13 % measured.
    others = _weights(7, weights.shape)
    is_lrs = cells_of(jnp.asarray(others))
    g = 1 / sample_resistance(jax.random.key(5), is_lrs, DEVICE.params())
    exact = layer_transfer(g, TILE)
    assert _error(mapped_transfer(g, attenuation), exact, others, 10) < 0.002


def test_gradient_is_the_exact_transfer_s():
    """Sum of one output's transfers over the conductances, beside the exact solve."""
    nominal, _ = _nominal(_weights(8, (12, 6)))
    attenuation = attenuation_map(nominal, TILE)
    probe = np.random.default_rng(9).standard_normal((24, 6))
    with jax.enable_x64(True):
        g = jnp.asarray(nominal, jnp.float64)
        exact, mapped, wireless = (
            jax.grad(lambda g, of=of: jnp.vdot(probe, of(g)))(g)
            for of in (
                lambda g: layer_transfer(g, TILE),
                lambda g: mapped_transfer(g, attenuation),
                wireless_transfer,
            )
        )
    size = np.linalg.norm(exact)
    # Measured 0.35 % and 1.5 %.
    assert np.linalg.norm(mapped - exact) < 0.005 * size
    assert np.linalg.norm(wireless - exact) > 0.01 * size


def test_a_map_of_another_array_is_refused():
    nominal, _ = _nominal(_weights(1, (3, 6)))
    attenuation = attenuation_map(nominal, TILE, 2)
    for shape in ((4, 6), (6, 5)):
        with pytest.raises(InputError, match="6 rows and of columns for 3 outputs"):
            mapped_transfer(jnp.full(shape, 1e-5), attenuation)


def test_ideal_map_changes_nothing():
    g = jnp.asarray([[1e-4, 2e-5], [3e-5, 2e-4]])
    attenuation = ideal_map((2, 2))
    mapped = mapped_transfer(g, attenuation)
    np.testing.assert_array_equal(mapped, wireless_transfer(g))


def test_rows_of_unequal_load():
    """Inputs with nearly all weights of one sign: rows load from 3 to 97 % LRS."""
    rng = np.random.default_rng(10)
    share = np.where(rng.random((144, 1)) < 0.5, 0.97, 0.03)
    weights = np.where(rng.random((144, 64)) < share, 1, -1)
    nominal, _ = _nominal(weights)
    attenuation = attenuation_map(nominal, TILE)
    is_lrs = cells_of(jnp.asarray(weights))
    g = 1 / sample_resistance(jax.random.key(11), is_lrs, DEVICE.params())
    # Measured 0.25 %; 0.4 % when nearly equal shares give slopes, 2.4 % without wires.
    error = _error(
        mapped_transfer(g, attenuation), layer_transfer(g, TILE), weights, 10
    )
    assert error < 0.0032
