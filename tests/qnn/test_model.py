import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rram_jax.chip.config import NetworkConfig
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance
from rram_jax.qnn import quantize
from rram_jax.qnn.chips import sample_factors, without_noise
from rram_jax.qnn.model import LOGIT_RANGE, Mlp, SignedDense
from rram_jax.qnn.spread import spread_of, spread_variance
from rram_jax.qnn.surroundings import ideal_surroundings

CARD = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)
SPREAD = spread_of(CARD.params())
AROUND = ideal_surroundings(SPREAD)
CONFIG = NetworkConfig(sizes=(9, 7, 3), columns_per_output=4, n_bias=2)


def _layer(config, index=1, seed=3):
    layer = SignedDense(config, index, rngs=nnx.Rngs(params=seed))
    # Of random latents hardly any lies below the threshold of off pairs.
    latent = np.array(layer.latent[...])
    latent[1::3, ::2] *= 0.1
    latent[-1, :3] = 0.01
    layer.latent[...] = jnp.asarray(latent)
    return layer


def _codes(n, inputs, seed=4):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.integers(0, 16, (n, inputs)), jnp.float32)


@pytest.mark.parametrize("ternary", [False, True])
def test_pre_activation_is_that_of_the_cells(ternary):
    """sum (G+ - G-) x / sum (G+ + G-) over the cells of an output, in weights."""
    config = dataclasses.replace(CONFIG, ternary=ternary)
    layer = _layer(config)
    weights = np.asarray(layer.weights())
    assert (weights[:-2] == 0).any() == ternary
    assert (weights[-2:] == 0).any()  # bias pairs may be off in any network
    codes = _codes(5, 7)
    z = np.asarray(layer(codes, AROUND, None))
    g_on, g_off = np.asarray(
        mean_conductance(jnp.asarray([True, False]), CARD.params()), float
    )
    positive = np.where(weights > 0, g_on, g_off)
    negative = np.where(weights < 0, g_on, g_off)
    x = np.c_[np.asarray(codes), np.full((5, 2), 15.0)] / 15
    top = (x @ (positive - negative)).reshape(5, 3, 4).sum(-1)
    load = (positive + negative).sum(0).reshape(3, 4).sum(-1)
    expected = top / load * 9 * 4 * (g_on + g_off) / (g_on - g_off)
    assert np.ptp(expected) > 3
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-5)  # float32


def test_noise_has_the_variance_of_the_spread():
    layer, codes = _layer(CONFIG), _codes(2, 7)
    z = layer(codes, AROUND, None)
    keys = jax.random.split(jax.random.key(5), 20_000)
    noisy = np.asarray(jax.vmap(lambda k: layer(codes, AROUND, k))(keys), float)
    x = np.c_[np.asarray(codes), np.full((2, 2), 15.0)] / 15
    energy = jnp.asarray(4 * (x**2).sum(1, keepdims=True), jnp.float32)
    variance = np.asarray(spread_variance(z, energy, 9 * 4, SPREAD), float)
    # 20,000 draws: standard errors 1 % of the variance and s / 141 of the mean. Four.
    np.testing.assert_allclose(noisy.var(0), variance, rtol=0.04)
    np.testing.assert_allclose(
        (noisy.mean(0) - np.asarray(z)) / np.sqrt(variance), 0, atol=4 / 141
    )
    # Fresh for every example and neuron.
    off = (noisy - noisy.mean(0)).reshape(20_000, -1)
    others = np.corrcoef(off.T)[~np.eye(6, dtype=bool)]
    assert abs(others).max() < 4.5 / 141  # 15 pairs


def test_layers_draw_noise_of_their_own():
    config = NetworkConfig(sizes=(9, 7, 7, 3), columns_per_output=2)
    model = Mlp(config, rngs=nnx.Rngs(params=0))
    codes, key = _codes(4, 9), jax.random.key(1)
    logits = model(codes, (AROUND,) * 3, key)
    np.testing.assert_array_equal(model(codes, (AROUND,) * 3, key), logits)
    assert (np.asarray(model(codes, (AROUND,) * 3, jax.random.key(2)) != logits)).any()
    # Layer k's key is the k-th fold of the model's: by hand, layer after layer.
    hidden = codes
    for k, layer in enumerate(model.layers):
        z = layer(hidden, AROUND, jax.random.fold_in(key, k))
        hidden = jnp.clip(jnp.ceil(15 * z / layer.z_full() - 0.5), 0, 15)
    scaled = LOGIT_RANGE * z / model.layers[-1].z_full()
    np.testing.assert_allclose(logits, scaled, rtol=1e-5)


def test_gradients_reach_every_parameter():
    model = Mlp(CONFIG, rngs=nnx.Rngs(params=0))

    def loss(model):
        logits = model(_codes(30, 9), (AROUND,) * 2, jax.random.key(0))
        return jnp.square(logits - 1).mean()

    gradient = nnx.grad(loss)(model)
    for k in range(2):
        layer = gradient["layers"][k]
        latent = np.asarray(layer["latent"][...])
        assert np.isfinite(latent).all()
        # A hidden neuron that is dark or full for all images passes nothing on.
        assert (latent != 0).mean() > 0.5
        assert float(layer["log_z_full"][...]) != 0


def test_first_guess_leaves_hidden_codes_on_the_scale():
    # Neither all dark nor all full, whatever the size: else nothing would be learned.
    for sizes in ((16, 12, 3), (784, 40, 10)):
        model = Mlp(NetworkConfig(sizes=sizes), rngs=nnx.Rngs(params=0))
        layer = model.layers[0]
        codes = _codes(100, sizes[0])
        position = np.asarray(15 * layer(codes, AROUND, None) / layer.z_full())
        assert ((position > 0.5) & (position < 14.5)).mean() > 0.3


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.17])
def test_noise_is_that_of_drawn_cells_with_off_pairs(threshold, monkeypatch):
    """Cell by cell, on columns that off pairs have made lighter."""
    monkeypatch.setattr(quantize, "OFF_BELOW", threshold)
    config = NetworkConfig(sizes=(40, 12, 3), columns_per_output=2, ternary=True)
    layer, codes = SignedDense(config, 0, rngs=nnx.Rngs(params=2)), _codes(6, 40)
    weights = layer.weights()
    off = float((weights == 0).mean())
    assert abs(off - threshold / 0.25) < 0.1
    keys = jax.random.split(jax.random.key(8), 2000)

    def drawn(key):
        factors = sample_factors(key, [weights], CARD.params())[0]
        still = ideal_surroundings(without_noise(SPREAD))
        return layer(codes, still, None, factors)

    sampled = np.asarray(jax.lax.map(drawn, keys, batch_size=500)).var(0)
    noisy = jax.lax.map(lambda k: layer(codes, AROUND, k), keys, batch_size=500)
    # 2,000 draws: 3 % of a variance each; over 72 sums the mean ratio, first order.
    ratio = (np.asarray(noisy).var(0) / sampled).mean()
    assert 0.9 < ratio < 1.1
