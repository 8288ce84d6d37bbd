import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.device.card import load_card
from rram_jax.qnn.spread import spread_of, spread_variance, with_rtn

PAIRS = 36
DRAWS = 20_000


def _card(sigma_lrs, sigma_hrs, **changes):
    return dataclasses.replace(
        load_card("bench-r10"), sigma_lrs=sigma_lrs, sigma_hrs=sigma_hrs, **changes
    )


def _moments(card):
    """Mean and variance of an LRS and an HRS conductance, over the mean LRS one."""
    lrs, hrs = math.exp(card.sigma_lrs**2 / 2), math.exp(card.sigma_hrs**2 / 2) / 10
    v_lrs = math.expm1(card.sigma_lrs**2) * lrs**2
    v_hrs = math.expm1(card.sigma_hrs**2) * hrs**2
    return hrs / lrs, v_lrs / lrs**2, v_hrs / lrs**2


def test_spread_by_hand():
    spread = spread_of(_card(0.3, 0.7).params())
    by_hand = _moments(_card(0.3, 0.7))
    found = [float(spread.mean_hrs), float(spread.var_lrs), float(spread.var_hrs)]
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)  # float32 differences
    # exp(0.245 - 0.045) / 10 and exp(0.09) - 1.
    np.testing.assert_allclose(found[:2], [0.12214028, 0.09417428], rtol=1e-5)


def test_tail_counts_as_spread_of_the_lrs():
    plain = spread_of(_card(0.1, 0.4).params())
    tailed = spread_of(_card(0.1, 0.4, tail_share=0.1, sigma_tail=0.6).params())
    assert float(tailed.var_lrs) > 3 * float(plain.var_lrs)


@pytest.mark.parametrize("columns", [1, 4])
@pytest.mark.parametrize(("sigma_lrs", "sigma_hrs"), [(0.06, 0.02), (0.02, 0.25)])
def test_variance_is_that_of_sampled_cells(columns, sigma_lrs, sigma_hrs):
    """Whole arrays drawn cell by cell, in numpy; spreads small: first order."""
    card = _card(sigma_lrs, sigma_hrs)
    rng = np.random.default_rng(7)
    x = rng.integers(0, 16, PAIRS) / 15 * (rng.random(PAIRS) < 0.7)
    # Sums from far below zero over next to nothing to far above.
    weights = np.stack(
        [np.ones(PAIRS), -np.ones(PAIRS), rng.choice([-1, 1], PAIRS)], 1
    ).repeat(columns, 1)
    sigma = np.where(weights > 0, sigma_lrs, sigma_hrs)
    other = np.where(weights > 0, sigma_hrs, sigma_lrs)
    noise = rng.standard_normal((2, DRAWS, *weights.shape), np.float32)
    positive = np.where(weights > 0, 1, 0.1) * np.exp(sigma * noise[0])
    negative = np.where(weights > 0, 0.1, 1) * np.exp(other * noise[1])
    shape = (DRAWS, PAIRS, 3, columns)
    top = ((positive - negative) * x[:, None]).reshape(shape).sum((1, 3))
    load = (positive + negative).reshape(shape).sum((1, 3))
    h = _moments(card)[0]
    n = PAIRS * columns
    sampled = top / load * n * (1 + h) / (1 - h)
    z = jnp.asarray(sampled.mean(0), jnp.float32)
    assert float(z[1]) < -5 < 5 < float(z[0])
    energy = jnp.asarray([columns * (x**2).sum()], jnp.float32)
    predicted = spread_variance(z, energy, n, spread_of(card.params()))
    # A variance from 20,000 draws: standard error 1 %, four of them; what the second
    # order adds is of the order of sigma^2, 0.4 % and 6 %, over n cells: less.
    np.testing.assert_allclose(predicted, sampled.var(0), rtol=0.045)


def test_a_dark_image_has_no_noise_and_a_finite_gradient():
    spread = spread_of(_card(0.3, 0.46).params())

    def noise(z):
        return jnp.sqrt(spread_variance(z, jnp.zeros(1), PAIRS, spread)).sum()

    assert float(noise(jnp.zeros(1))) < 1e-3
    assert bool(jnp.isfinite(jax.grad(noise)(jnp.zeros(1))).all())


def test_load_of_off_pairs_by_hand():
    card = _card(0.3, 0.46)
    h = _moments(card)[0]
    spread = spread_of(card.params())
    # One pair of four is off: three of (1, h) and one of (h, h), over four of (1, h).
    by_hand = (3 * (1 + h) + 2 * h) / (4 * (1 + h))
    load = spread.load(jnp.asarray([0.25, 0.0, 1.0]))
    np.testing.assert_allclose(load, [by_hand, 1.0, 2 * h / (1 + h)], rtol=1e-6)


def test_rtn_adds_to_every_cell():
    """By hand: var (1 + f), f of relative variance r, is v + r (v + mean^2)."""
    spread = spread_of(_card(0.3, 0.46).params())
    noisy = dataclasses.replace(
        spread, rtn_lrs=jnp.asarray(0.01), rtn_hrs=jnp.asarray(0.2)
    )
    h, v_lrs, v_hrs = _moments(_card(0.3, 0.46))
    found = [float(x) for x in noisy.variances()]
    by_hand = [v_lrs + 0.01 * (v_lrs + 1), v_hrs + 0.2 * (v_hrs + h * h)]
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)
    z, energy = jnp.asarray([3.0]), jnp.asarray([8.0])
    quiet = spread_variance(z, energy, PAIRS, spread)
    assert float(spread_variance(z, energy, PAIRS, noisy)[0]) > float(quiet[0])


def test_rtn_of_a_card_is_that_of_its_cells():
    card = load_card("hfo2-nominal")
    spread = with_rtn(spread_of(card.params()), card.params())
    assert 1e-6 < float(spread.rtn_lrs) < 1e-3
    # An HRS cell's traps have amplitudes of about a tenth.
    assert 1e-3 < float(spread.rtn_hrs) < 0.3
    none = with_rtn(spread_of(_card(0.3, 0.46).params()), _card(0.3, 0.46).params())
    assert float(none.rtn_lrs) == float(none.rtn_hrs) == 0
