import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rram_jax.chip.config import NetworkConfig
from rram_jax.chip.surrogate import with_constants
from rram_jax.device.card import load_card
from rram_jax.qnn.chips import (
    mixed,
    sample_factors,
    with_spread,
    without_noise,
    worst_factors,
)
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.losses import TEMPERATURE, classification_loss, mean_and_tail
from rram_jax.qnn.model import Mlp, sampled_sums
from rram_jax.qnn.objective import objective
from rram_jax.qnn.spread import spread_of
from rram_jax.qnn.surroundings import ideal_surroundings

SHAPE = NetworkConfig(sizes=(12, 8, 3), columns_per_output=2)
CARD = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)
DEVICE = CARD.params()
AROUND = (ideal_surroundings(spread_of(DEVICE)),) * 2
MODEL = Mlp(SHAPE, rngs=nnx.Rngs(params=1))
KEY = jax.random.key(7)


def _batch(n=20, teacher=False):
    rng = np.random.default_rng(3)
    codes = jnp.asarray(rng.integers(0, 16, (n, 12)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, 3, n), jnp.int32)
    answers = jnp.asarray(rng.normal(0, 3, (n, 3)), jnp.float32)
    return codes, labels, answers if teacher else None


def _loss(key=KEY, teacher=False, **settings):
    config = TrainConfig(network=SHAPE, **({"sigma_lrs": 0.3} | settings))
    return objective(MODEL, _batch(teacher=teacher), AROUND, DEVICE, key, config)


def test_tail_by_hand():
    losses = jnp.asarray([1.0, 5.0, 2.0, 4.0])
    np.testing.assert_allclose(mean_and_tail(losses, 0.0, 0.5), 3.0)
    np.testing.assert_allclose(mean_and_tail(losses, 1.0, 0.5), 4.5)
    np.testing.assert_allclose(mean_and_tail(losses, 0.5, 0.25), 4.0)
    np.testing.assert_allclose(mean_and_tail(losses, 1.0, 0.0), 5.0)  # one at least


def test_distillation_by_hand():
    logits = jnp.asarray([[2.0, 0.0, -1.0]])
    teacher = jnp.asarray([[0.0, 3.0, 0.0]])
    hard = -np.log(np.exp(2) / (np.exp([2.0, 0.0, -1.0]).sum()))
    p = np.exp([0.0, 1.5, 0.0]) / np.exp([0.0, 1.5, 0.0]).sum()
    q = np.exp([1.0, 0.0, -0.5]) / np.exp([1.0, 0.0, -0.5]).sum()
    assert TEMPERATURE == 2
    expected = 0.25 * hard - 0.75 * 4 * (p * np.log(q)).sum()
    labels = jnp.asarray([0], jnp.int32)
    found = classification_loss(logits, labels, teacher, 0.75)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(
        classification_loss(logits, labels, None, 0.75), hard, rtol=1e-6
    )


def test_a_conventional_loss_is_that_of_the_model():
    codes, labels, _ = _batch()
    logits = MODEL(codes, AROUND)
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    np.testing.assert_allclose(_loss(sigma_lrs=0.0), expected, rtol=1e-6)


def test_several_draws_are_their_mean_and_tail():
    keys = jax.random.split(KEY, 4)
    for spread, weight in (("noise", 0.0), ("cells", 0.3)):
        single = jnp.stack([_loss(key, spread=spread) for key in keys])
        assert float(single.std()) > 1e-3
        found = _loss(draws=4, tail_weight=weight, tail_share=0.5, spread=spread)
        expected = mean_and_tail(single, weight, 0.5)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_sampled_cells_have_the_variance_of_the_noise():
    config = TrainConfig(network=SHAPE, sigma_lrs=0.3)
    layer, codes = MODEL.layers[0], _batch()[0]

    def sums(key):
        factors = sample_factors(key, [layer.weights()], DEVICE)[0]
        return layer(codes, AROUND[0], None, factors)

    keys = jax.random.split(KEY, 4000)
    drawn = np.asarray(jax.lax.map(sums, keys, batch_size=500))
    noisy = np.asarray(
        jax.lax.map(lambda k: layer(codes, AROUND[0], k), keys, batch_size=500)
    )
    assert config.hardened
    # 4,000 draws, first order; over 160 sums the mean of the ratios.
    ratio = drawn.std(0) / noisy.std(0)
    assert 0.95 < ratio.mean() < 1.05
    # A chip's cells are shared by its examples, the noise is not.
    assert abs(np.corrcoef(drawn[:, :4, 0].T)[0, 1:]).max() > 0.3
    assert abs(np.corrcoef(noisy[:, :4, 0].T)[0, 1:]).max() < 0.1


def test_mixed_spreads_are_uniform_over_the_examples():
    spread = mixed(KEY, 5000, 0.1, 0.5, DEVICE)(AROUND[0].spread)
    assert spread.var_lrs.shape == (5000, 1)
    sigma = np.sqrt(np.log1p(np.asarray(spread.var_lrs)[:, 0]))
    assert 0.1 <= sigma.min() < 0.11
    assert 0.49 < sigma.max() <= 0.5
    np.testing.assert_allclose(sigma.mean(), 0.3, atol=0.007)  # 4 x 0.4/sqrt(12 x 5000)
    assert _loss(sigma_lrs=0.1, sigma_lrs_max=0.9) > 0


def _distance(factors, weights):
    sigma = 0.3, 0.46  # of ln R on the card
    total = 0.0
    for factor, w in zip(factors, weights, strict=True):
        is_lrs = np.stack([w > 0, w < 0], 1).reshape(-1, w.shape[1])
        total += ((np.log(factor) / np.where(is_lrs, *sigma)) ** 2).sum()
    return np.sqrt(total)


def test_the_worst_chip_is_worse_than_others_as_far_away():
    weights = [layer.weights() for layer in MODEL.layers]

    def loss(factors):
        logits = MODEL(_batch()[0], AROUND, None, factors)
        return classification_loss(logits, _batch()[1], None, 0.0)

    worst = worst_factors(loss, weights, DEVICE, 2.0)
    np.testing.assert_allclose(_distance(worst, weights), 2.0, rtol=1e-3)
    random = sample_factors(KEY, weights, DEVICE)
    scale = 2.0 / _distance(random, weights)
    scaled = tuple(jnp.exp(scale * jnp.log(f)) for f in random)
    mean = tuple(jnp.ones_like(f) for f in random)
    assert float(loss(worst) - loss(mean)) > 3 * abs(float(loss(scaled) - loss(mean)))
    assert float(_loss(worst_distance=3.0)) > float(_loss())


@pytest.mark.parametrize(
    "settings",
    [
        {"spread": "cells"},
        {"worst_distance": 1.0},
        {"sigma_lrs": 0.1, "sigma_lrs_max": 0.5},
        {"sigma_lrs": 0.1, "sigma_lrs_max": 0.5, "spread": "cells"},
        {"spread": "cells", "draws": 3, "tail_weight": 0.5},
        {"spread": "cells", "worst_distance": 1.0},
    ],
)
def test_every_method_has_gradients_and_is_another(settings):
    config = TrainConfig(network=SHAPE, **({"sigma_lrs": 0.3} | settings))
    graph, params = nnx.split(MODEL)

    def loss(params):
        model = nnx.merge(graph, params)
        return objective(model, _batch(teacher=True), AROUND, DEVICE, KEY, config)

    value, slope = jax.jit(jax.value_and_grad(loss))(params)
    assert float(value) != pytest.approx(float(_loss(teacher=True)), rel=1e-6)
    for leaf in jax.tree.leaves(slope):
        assert bool(jnp.isfinite(leaf).all())
        assert bool((leaf != 0).any())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sigma_lrs": 0.0},
        {"sigma_lrs": 0.1, "sigma_lrs_max": 0.5},
        {"spread": "cells"},
    ],
)
def test_rtn_is_there_in_every_mode(settings):
    """As noise on the sums, whatever the spread of programming is."""
    config = TrainConfig(
        network=SHAPE, circuit="full", **({"sigma_lrs": 0.3} | settings)
    )
    loud = jnp.asarray(0.5)

    def loss(rtn):
        def change(spread):
            return dataclasses.replace(spread, rtn_lrs=rtn, rtn_hrs=rtn)

        around = with_spread(AROUND, change)
        return objective(MODEL, _batch(), around, DEVICE, KEY, config)

    assert abs(float(loss(loud) - loss(0 * loud))) > 1e-3


def test_trimmed_chips_of_drawn_cells_lose_their_mean_error():
    shape = dataclasses.replace(SHAPE, trim=True)
    model = Mlp(shape, rngs=nnx.Rngs(params=1))
    layer, codes = model.layers[0], _batch(200)[0] * 0 + 9 + (_batch(200)[0] > 12)
    still = ideal_surroundings(without_noise(AROUND[0].spread))
    exact = layer(codes, still)

    def errors(layer):
        def of_chip(key):
            factors = sample_factors(key, [layer.weights()], DEVICE)[0]
            return layer(codes, still, None, factors) - exact

        return np.asarray(jax.lax.map(of_chip, jax.random.split(KEY, 50)))

    left = errors(layer)
    np.testing.assert_allclose(left.mean(1), 0, atol=1e-4)
    layer.n_trim = 0
    lost = errors_without(layer, codes, still, exact)
    assert lost.std() > 3 * left.std()


def errors_without(layer, codes, still, exact):
    """The same chips' errors without trimming; the trim pairs stay, and stay off."""
    weights = jnp.concatenate(
        [layer.weights(), jnp.zeros((5, layer.latent[...].shape[1]))]
    )

    def of_chip(key):
        factors = sample_factors(key, [weights], DEVICE)[0]
        matrix = sampled_sums(weights, factors, layer.columns, still.spread)
        return with_constants(codes, layer.constant_codes) @ matrix / 15 - exact

    return np.asarray(jax.lax.map(of_chip, jax.random.split(KEY, 50)))
