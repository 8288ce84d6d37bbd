import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr

from rram_jax.device.cycles import sample_cycles
from rram_jax.device.law import mixture_quantile
from rram_jax.device.variability import sample_resistance
from tests.device.test_card import CARD
from tests.helpers import assert_gradient

CYCLED = dataclasses.replace(
    CARD,
    tail_ratio=1.7,
    sigma_tail=0.3,
    tail_share_hrs=0.12,
    tail_ratio_hrs=0.3,
    sigma_tail_hrs=0.35,
    d2d_lrs=0.3,
    d2d_hrs=0.65,
    correlation_d2d=-0.5,
    correlation_c2c=0.25,
)
PLAIN = dataclasses.replace(CYCLED, tail_share=0.0, tail_share_hrs=0.0)
KEY = jax.random.key(8)


def _sample(card, cells, cycles):
    pair = sample_cycles(KEY, jnp.asarray(cells), cycles, card.params())
    return [np.asarray(r, float) for r in pair]


def test_a_quantile_has_its_probability():
    normal = jnp.linspace(-4.5, 4.5, 61)
    for share, sigma, shift, sigma_tail in (
        (0.07, 0.09, 0.5, 0.3),
        (0.4, 1.1, -2.0, 0.05),
        (0.2, 0.0, 0.3, 0.4),
    ):
        x = mixture_quantile(
            normal, *map(jnp.asarray, (share, sigma, shift, sigma_tail))
        )
        x, z = np.asarray(x, float), np.asarray(normal, float)
        assert (np.diff(x) >= 0).all()
        sigma = max(sigma, 1e-6)
        for side in (1, -1):  # both ends in digits of their own
            found = (1 - share) * ndtr(side * x / sigma)
            found += share * ndtr(side * (x - shift) / sigma_tail)
            half = side * z < 0
            if sigma > 1e-5:  # else the law has a step where x stands
                # float32's x, 1e-7 of up to 5, times a relative density of up to 5/s.
                np.testing.assert_allclose(found[half], ndtr(side * z[half]), rtol=3e-4)


def test_without_a_tail_it_is_the_normal_itself():
    normal = jnp.linspace(-5, 5, 41)
    zero = jnp.asarray(0.0)
    x = mixture_quantile(normal, zero, jnp.asarray(0.7), zero, zero)
    np.testing.assert_allclose(x, 0.7 * normal, rtol=2e-6, atol=1e-7)  # float32


@pytest.mark.parametrize("name", ["share", "sigma", "shift", "sigma_tail", "normal"])
def test_gradient_of_a_quantile(name):
    with jax.enable_x64(True):
        point = {
            "normal": jnp.linspace(-2.0, 2.5, 9),
            "share": jnp.asarray(0.1),
            "sigma": jnp.asarray(0.2),
            "shift": jnp.asarray(0.6),
            "sigma_tail": jnp.asarray(0.4),
        }
        weight = jnp.sin(jnp.arange(9.0))

        def of(x):
            return (weight * mixture_quantile(**(point | {name: x}))).sum()

        # Bisection leaves 4e-8 of a bracket, which one Newton step squares.
        assert_gradient(of, point[name])


def test_one_cycle_has_the_law_of_a_programmed_array():
    n = 60_000
    params = CYCLED.params()
    both = sample_resistance(KEY, jnp.arange(2 * n) < n, params)
    for one, other in zip(
        _sample(CYCLED, range(n), 1), (both[:n], both[n:]), strict=True
    ):
        # Two samples of 60,000: the largest distance of their distributions stays
        # below 2.0 sqrt(2 / n) in all but 1 of 1,500 pairs (Kolmogorov, Smirnov).
        grid = np.quantile(one, np.linspace(0.002, 0.998, 400))
        p = [np.searchsorted(np.sort(x), grid) / n for x in (one[:, 0], other)]
        assert np.abs(p[0] - p[1]).max() < 2.0 * math.sqrt(2 / n)


def test_shares_and_correlations_are_the_cards():
    n_cells, n_cycles = 4000, 25
    log_r = [np.log(r) for r in _sample(PLAIN, range(n_cells), n_cycles)]
    mean = [x.mean(1) for x in log_r]
    rest = [x - m[:, None] for x, m in zip(log_r, mean, strict=True)]
    dof = n_cells * (n_cycles - 1)
    inside = np.array([[(a * b).sum() / dof for a in rest] for b in rest])
    between = np.cov(mean) - inside / n_cycles
    for k, (sigma, d2d) in enumerate(((0.1, 0.3), (0.7, 0.65))):
        # A variance of n normal numbers has the relative standard error sqrt(2 / n);
        # the mean of a cell holds a part of the inner one, 1.1 times at most. Four.
        error = 4 * 1.1 * math.sqrt(2 / n_cells)
        assert between[k, k] == pytest.approx(sigma**2 * d2d, rel=error)
        error = 4 * math.sqrt(2 / dof)
        assert inside[k, k] == pytest.approx(sigma**2 * (1 - d2d), rel=error)
    found = between[0, 1] / math.sqrt(between[0, 0] * between[1, 1])
    assert found == pytest.approx(-0.5, abs=4 * 1.1 / math.sqrt(n_cells))
    found = inside[0, 1] / math.sqrt(inside[0, 0] * inside[1, 1])
    assert found == pytest.approx(0.25, abs=4 / math.sqrt(dof))


def test_any_split_of_the_cells_gives_the_same():
    whole = _sample(CYCLED, range(11), 7)
    parts = [_sample(CYCLED, cells, 7) for cells in (range(3), range(3, 11))]
    for k in range(2):
        again = np.concatenate([part[k] for part in parts])
        np.testing.assert_allclose(again, whole[k], rtol=1e-6)  # other vector lengths
        assert len(np.unique(whole[k])) == 77
    with jax.enable_x64(True):
        double = _sample(CYCLED, range(11), 7)
    # The normal numbers are float32's, what is made of them is not.
    np.testing.assert_allclose(double, whole, rtol=2e-5)


def test_stuck_cells_stay_what_they_are():
    card = dataclasses.replace(
        PLAIN, sigma_lrs=0.05, sigma_hrs=0.3, stuck_lrs=0.1, stuck_hrs=0.04
    )
    n = 3000
    r_lrs, r_hrs = _sample(card, range(n), 9)
    border = math.sqrt(5e3 * 61e3)  # over four standard deviations from both states
    low, high = (r_hrs < border).all(1), (r_lrs > border).all(1)
    for found, share in ((low, 0.1), (high, 0.04)):
        assert abs(found.mean() - share) < 4 * math.sqrt(share * (1 - share) / n)
    other = ~low & ~high
    assert (r_hrs[other] > border).all()
    assert (r_lrs[other] < border).all()
    # The cell's own part of the spread is in both of its reads.
    ln = [np.log(r[high]).mean(1) for r in (r_lrs, r_hrs)]
    assert np.corrcoef(ln)[0, 1] > 0.8  # expected 0.94: 0.65 / (0.65 + 0.35 / 9)
