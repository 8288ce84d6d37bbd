import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from rram_jax.device.card import load_card, preset_names
from rram_jax.device.variability import (
    conductance_variance,
    count_clipped,
    mean_conductance,
    sample_resistance,
)
from tests.device.test_card import CARD
from tests.helpers import assert_gradient

BODY = dataclasses.replace(CARD, sigma_lrs=0.3, sigma_hrs=0.7, tail_share=0.0)
N = 40_000


def _both(n=N):
    """As many cells of each state, one after the other."""
    return jnp.arange(2 * n) < n


def _sample(card, seed=5, n=N):
    draw = sample_resistance(jax.random.key(seed), _both(n), card.params())
    return np.asarray(draw[:n], float), np.asarray(draw[n:], float)


def _double(params):
    return jax.tree.map(lambda x: x.astype(jnp.float64), params)


def test_moments_by_hand():
    state = jnp.asarray([True, False])
    # E[1/R] = exp(s^2/2) / median and E[1/R^2] = exp(2 s^2) / median^2.
    mean = mean_conductance(state, BODY.params())
    np.testing.assert_allclose(mean, [2.0920557e-4, 2.0944612e-5], rtol=1e-6)
    variance = conductance_variance(state, BODY.params())
    by_hand = [4.12173e-9, 2.77382e-10]
    np.testing.assert_allclose(variance, by_hand, rtol=1e-5)  # float32 differences


def test_moments_of_body_and_tail_by_hand():
    state = jnp.asarray([True, False])
    # 98 parts in 100 with 0.1, 2 with 0.9, HRS as ever.
    first = 0.98 * math.exp(0.005) + 0.02 * math.exp(0.405)
    second = 0.98 * math.exp(0.02) + 0.02 * math.exp(1.62)
    mean = mean_conductance(state, CARD.params())
    np.testing.assert_allclose(mean, [first / 5e3, 2.0944612e-5], rtol=1e-6)
    variance = conductance_variance(state, CARD.params())
    by_hand = [(second - first**2) / 5e3**2, 2.77382e-10]
    np.testing.assert_allclose(variance, by_hand, rtol=1e-5)


def test_samples_have_the_medians_and_spreads_of_the_card():
    for r, median, sigma in zip(_sample(BODY), (5e3, 61e3), (0.3, 0.7), strict=True):
        # 40,000 cells; standard errors sigma sqrt(pi / 2n) and sigma / sqrt(2n). Four.
        off = np.log(np.median(r) / median)
        assert abs(off) < 4 * sigma * math.sqrt(math.pi / (2 * N))
        # A few of the LRS cells are clipped, at 5.1 sigma and beyond.
        assert abs(np.log(r).std() - sigma) < 4 * sigma / math.sqrt(2 * N)


def test_moments_are_those_of_the_samples():
    card = dataclasses.replace(CARD, sigma_hrs=0.4, sigma_tail=0.4)
    mean = np.asarray(mean_conductance(jnp.asarray([True, False]), card.params()))
    for r, expected in zip(_sample(card), mean, strict=True):
        error = (1 / r).std() / math.sqrt(N)
        assert abs((1 / r).mean() - expected) < 4 * error


def test_tail_belongs_to_the_lrs_alone():
    card = dataclasses.replace(CARD, sigma_lrs=0.0, sigma_hrs=0.0, tail_share=0.13)
    lrs, hrs = _sample(card)
    share = (lrs != 5e3).mean()
    assert abs(share - 0.13) < 4 * math.sqrt(0.13 * 0.87 / N)
    np.testing.assert_allclose(hrs, 61e3, rtol=1e-6)  # float32
    tail = np.log(lrs[lrs != 5e3] / 5e3)
    # What the clip at 1200 Ohm (-1.6 sigma) hides is left out: quantiles above it.
    n = len(tail)
    for p in (0.3, 0.5, 0.9):
        x = 0.9 * norm.ppf(p)
        density = norm.pdf(norm.ppf(p)) / 0.9
        error = math.sqrt(p * (1 - p) / n) / density
        assert abs(np.quantile(tail, p) - x) < 4 * error


def test_clip_leaves_100_ohm_beside_the_access_transistor():
    card = dataclasses.replace(BODY, sigma_lrs=1.1)
    draw = sample_resistance(jax.random.key(2), _both(), card.params())
    assert float(draw.min()) == 1200.0
    clipped = int(count_clipped(draw, card.params()))
    assert clipped == int((draw == 1200.0).sum())
    share = norm.cdf(math.log(1200 / 5e3) / 1.1)  # HRS: below 1e-8
    assert abs(clipped / N - share) < 4 * math.sqrt(share * (1 - share) / N)
    # A wider access transistor lets the same cells live.
    wide = dataclasses.replace(card, r_access=10.0).params()
    again = sample_resistance(jax.random.key(2), _both(), wide)
    assert int(count_clipped(again, wide)) < clipped / 10
    kept = np.asarray(draw > 1200.0)
    np.testing.assert_array_equal(np.asarray(again)[kept], np.asarray(draw)[kept])


def test_same_key_same_cells():
    is_lrs = jnp.asarray(np.random.default_rng(1).random((7, 5)) < 0.4)
    key, params = jax.random.key(3), CARD.params()
    draw = np.asarray(sample_resistance(key, is_lrs, params))
    with jax.enable_x64(True):
        double = sample_resistance(key, is_lrs, params)
        np.testing.assert_array_equal(double, draw)
    # The compiler may contract a product and a sum: the last bit.
    jitted = jax.jit(sample_resistance)(key, is_lrs, params)
    np.testing.assert_allclose(jitted, draw, rtol=3e-7)
    keys = jax.random.split(key, 3)
    many = jax.vmap(lambda k: sample_resistance(k, is_lrs, params))(keys)
    for one, k in zip(many, keys, strict=True):
        expected = sample_resistance(k, is_lrs, params)
        np.testing.assert_allclose(one, expected, rtol=3e-7)
    assert len({float(m[0, 0]) for m in many}) == 3


@pytest.mark.parametrize("name", ["sigma_lrs", "sigma_hrs", "r_lrs", "sigma_tail"])
def test_gradients_of_the_mean_log_resistance(name):
    card = dataclasses.replace(CARD, tail_share=0.2)

    with jax.enable_x64(True):
        # A wandering weight: the plain mean of the noise has almost no slope.
        weight, double = jnp.sin(jnp.arange(100.0)), _double(card.params())

        def of(x):
            params = dataclasses.replace(double, **{name: x})
            draw = sample_resistance(jax.random.key(4), _both(50), params)
            return (weight * jnp.log(draw)).mean()

        assert_gradient(of, jnp.asarray(getattr(card, name), jnp.float64))


def test_a_clipped_cell_has_no_gradient():
    def of(sigma):
        params = dataclasses.replace(CARD.params(), sigma_lrs=sigma)
        draw = sample_resistance(jax.random.key(0), jnp.ones(50, bool), params)
        return jnp.where(draw <= 1200.0, draw, 0.0).sum()

    sigma = jnp.asarray(9.0)
    assert of(sigma) > 10 * 1200.0
    assert float(jax.grad(of)(sigma)) == 0.0


TAILS = dataclasses.replace(
    CARD,
    tail_share=0.05,
    sigma_tail=0.2,
    tail_ratio=1.6,
    tail_share_hrs=0.3,
    sigma_tail_hrs=0.25,
    tail_ratio_hrs=0.4,
)


@pytest.mark.parametrize("x64", [False, True])
def test_cards_without_the_newer_effects_make_the_cells_they_always_made(x64):
    is_lrs = jnp.asarray(np.random.default_rng(1).random((30, 17)) < 0.4)
    cards = [load_card("bench-r10"), load_card("hfo2-nominal"), CARD]
    with jax.enable_x64(x64):
        for seed, card in enumerate(cards):
            key, device = jax.random.key(seed), card.params()
            # As it was before there were HRS tails, tail medians and stuck cells.
            normal_key, tail_key = jax.random.split(key)
            noise = jax.random.normal(normal_key, is_lrs.shape, jnp.float32)
            uniform = jax.random.uniform(tail_key, is_lrs.shape, jnp.float32)
            in_tail = uniform < device.tail_share
            sigma_lrs = jnp.where(in_tail, device.sigma_tail, device.sigma_lrs)
            sigma = jnp.where(is_lrs, sigma_lrs, device.sigma_hrs)
            median = jnp.where(is_lrs, device.r_lrs, device.r_hrs)
            least = device.r_access + 100.0
            wanted = jnp.maximum(median * jnp.exp(sigma * noise), least)
            np.testing.assert_array_equal(
                sample_resistance(key, is_lrs, device), wanted
            )


def test_each_state_has_its_tail():
    for r, median, body, share, ratio, tail in zip(
        _sample(TAILS),
        (5e3, 61e3),
        (0.1, 0.7),
        (0.05, 0.3),
        (1.6, 0.4),
        (0.2, 0.25),
        strict=True,
    ):
        x = np.sort(np.log(r / median))
        law = (1 - share) * norm.cdf(x / body)
        law += share * norm.cdf((x - math.log(ratio)) / tail)
        # 40,000 cells; beyond 2.0 / sqrt(n) in 1 of 1,500 (Kolmogorov).
        assert np.abs(law - np.arange(N) / N).max() < 2.0 / math.sqrt(N)


def test_stuck_cells_take_the_law_of_the_state_they_are_in():
    card = dataclasses.replace(BODY, sigma_lrs=0.05, sigma_hrs=0.2)
    stuck = dataclasses.replace(card, stuck_lrs=0.06, stuck_hrs=0.11)
    for before, after, share, wrong in zip(
        _sample(card), _sample(stuck), (0.11, 0.06), (61e3, 5e3), strict=True
    ):
        moved = before != after
        assert abs(moved.mean() - share) < 4 * math.sqrt(share * (1 - share) / N)
        # 2,400 cells or more, spread 0.2 at most: 4 * 1.25 * 0.2 / sqrt(2400).
        assert np.median(after[moved]) == pytest.approx(wrong, rel=0.021)
        assert abs(np.log(after[moved] / wrong)).max() < 1.0


def test_moments_follow_tails_and_stuck_cells():
    card = dataclasses.replace(TAILS, sigma_hrs=0.4, stuck_lrs=0.06, stuck_hrs=0.11)
    n = 400_000
    state = jnp.asarray([True, False])
    mean = np.asarray(mean_conductance(state, card.params()), float)
    variance = np.asarray(conductance_variance(state, card.params()), float)
    for r, m, v in zip(_sample(card, n=n), mean, variance, strict=True):
        g = 1 / r
        assert abs(g.mean() - m) < 4 * g.std() / math.sqrt(n)
        squares = (g - m) ** 2
        assert abs(squares.mean() - v) < 4 * squares.std() / math.sqrt(n)


@pytest.mark.parametrize("name", ["tail_ratio", "tail_ratio_hrs", "sigma_tail_hrs"])
def test_gradients_in_the_tails(name):
    with jax.enable_x64(True):
        weight, double = jnp.sin(jnp.arange(100.0)), _double(TAILS.params())

        def of(x):
            params = dataclasses.replace(double, **{name: x})
            draw = sample_resistance(jax.random.key(4), _both(50), params)
            return (weight * jnp.log(draw)).mean()

        assert_gradient(of, jnp.asarray(getattr(TAILS, name), jnp.float64))


def test_presets_are_clipped_in_hardly_any_cell():
    for name in preset_names():
        draw = sample_resistance(jax.random.key(1), _both(), load_card(name).params())
        assert int(count_clipped(draw, load_card(name).params())) < 2 * N * 1e-4
