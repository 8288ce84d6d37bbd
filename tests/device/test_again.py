"""Programming an array again: `sample_resistance` with a cycle."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from rram_jax.device.card import load_card
from rram_jax.device.variability import sample_resistance, sample_verified
from tests.helpers import assert_gradient

KEY = jax.random.key(11)
N = 20_000
STATES = jnp.arange(2 * N) < N
CARD = dataclasses.replace(
    load_card("bench-r10"), sigma_lrs=0.3, d2d_lrs=0.8, d2d_hrs=0.3
)
TAILS = dataclasses.replace(
    CARD,
    tail_share=0.1,
    tail_ratio=1.6,
    sigma_tail=0.4,
    tail_share_hrs=0.2,
    tail_ratio_hrs=0.4,
    sigma_tail_hrs=0.25,
)

draw, verified = jax.jit(sample_resistance), jax.jit(sample_verified)
"""With a traced cycle."""


def _cycles(card, n=3):
    """[cycles, states, cells] ln R less ln of its median."""
    params = card.params()
    r = [np.asarray(draw(KEY, STATES, params, None, k), float) for k in range(n)]
    median = np.array([[card.r_lrs], [card.r_hrs]])
    return np.log(np.array(r).reshape(n, 2, N) / median)


def _law(card, state, x):
    """Distribution function of ln R over its median."""
    s = ("", "_hrs")[state]
    share, ratio = getattr(card, f"tail_share{s}"), getattr(card, f"tail_ratio{s}")
    body = norm.cdf(x / (card.sigma_lrs, card.sigma_hrs)[state])
    tail = norm.cdf((x - math.log(ratio)) / getattr(card, f"sigma_tail{s}"))
    return (1 - share) * body + share * tail


@pytest.mark.parametrize("card", [CARD, TAILS], ids=["body", "tails"])
def test_cells_correlate_as_the_card_says(card):
    x = _cycles(card)
    if card is TAILS:  # normal numbers at the same probability
        law = np.stack([_law(card, k, x[:, k]) for k in (0, 1)], 1)
        x = norm.ppf(law.clip(1e-9, 1 - 1e-9))
    for state, d2d in enumerate((0.8, 0.3)):
        for one, other in ((0, 1), (0, 2), (1, 2)):
            found = np.corrcoef(x[one, state], x[other, state])[0, 1]
            # 20,000 pairs: standard error (1 - d2d^2) / sqrt(n). Four.
            assert abs(found - d2d) < 4 * (1 - d2d**2) / math.sqrt(N)


def test_the_law_of_every_cycle_is_the_first_ones():
    for cycle in _cycles(TAILS):
        for state in (0, 1):
            x = np.sort(cycle[state])
            distance = np.abs(_law(TAILS, state, x) - np.arange(N) / N).max()
            # Beyond 2.0 / sqrt(n) in 1 of 1,500 (Kolmogorov).
            assert distance < 2.0 / math.sqrt(N)


def test_all_or_nothing_stays():
    whole = dataclasses.replace(TAILS, d2d_lrs=1.0, d2d_hrs=1.0)
    x = _cycles(whole)
    assert np.ptp(x[0]) > 1
    # float32 quantiles, there and back; far out in a tail they have fewer digits.
    np.testing.assert_allclose(x[1:], np.stack([x[0]] * 2), atol=2e-4)
    none = dataclasses.replace(CARD, d2d_lrs=0.0, d2d_hrs=0.0)
    x = _cycles(none)
    assert (x[0] != x[1]).all()
    assert abs(np.corrcoef(x[0, 0], x[1, 0])[0, 1]) < 4 / math.sqrt(N)


def test_the_first_cycle_is_the_draw_without_cycles():
    params = dataclasses.replace(TAILS, stuck_hrs=0.1).params()
    plain = np.asarray(draw(KEY, STATES, params))
    known = jax.jit(lambda *args: sample_resistance(*args, cycle=0))
    np.testing.assert_array_equal(known(KEY, STATES, params), plain)
    # Another program may contract a product and a sum: the last bit.
    traced = draw(KEY, STATES, params, None, 0)
    np.testing.assert_allclose(traced, plain, rtol=3e-7)
    assert (np.asarray(draw(KEY, STATES, params, None, 1)) != plain).all()


def test_stuck_cells_stay_stuck():
    card = dataclasses.replace(CARD, sigma_lrs=0.05, sigma_hrs=0.2, stuck_hrs=0.2)
    params = card.params()
    first, again = (
        np.asarray(draw(KEY, STATES, params, None, k))[:N] > 15e3 for k in (0, 3)
    )
    assert first.mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(first, again)


@pytest.mark.slow
def test_write_verify_keeps_the_cells_part():
    card = dataclasses.replace(CARD, band_lrs=0.25, d2d_lrs=0.6)

    def cycles(card):
        """ln R of the LRS cells and their programmings, cycles 0 and 1."""
        both = [verified(KEY, STATES, card.params(), None, k) for k in (0, 1)]
        r, writes = (
            np.array([np.asarray(part, float)[:N] for part in parts])
            for parts in zip(*both, strict=True)
        )
        return np.log(r / card.r_lrs), writes

    x, writes = cycles(card)
    # Some cells lie so far out that twenty programmings do not do.
    assert ((np.abs(x) < 0.2501).mean(1) > 0.97).all()
    # The same cells are hard to bring into the band, and where they end correlates.
    assert np.corrcoef(x)[0, 1] > 0.2
    assert np.corrcoef(writes)[0, 1] > 0.2
    x, _ = cycles(dataclasses.replace(card, d2d_lrs=0.0))
    assert abs(np.corrcoef(x)[0, 1]) < 4 / math.sqrt(N)
    # The first cycle is the draw without cycles.
    plain, _ = verified(KEY, STATES, card.params())
    first, _ = verified(KEY, STATES, card.params(), None, 0)
    np.testing.assert_allclose(first, plain, rtol=3e-7)


def test_gradients_through_a_later_cycle():
    name = "sigma_lrs"
    with jax.enable_x64(True):
        double = jax.tree.map(lambda x: x.astype(jnp.float64), CARD.params())
        weight, is_lrs = jnp.sin(jnp.arange(100.0)), jnp.arange(100) < 50

        def of(x):
            params = dataclasses.replace(double, **{name: x})
            r = sample_resistance(KEY, is_lrs, params, cycle=2)
            return (weight * jnp.log(r)).mean()

        assert_gradient(of, jnp.asarray(getattr(CARD, name), jnp.float64))
