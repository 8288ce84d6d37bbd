import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from rram_jax.device.card import DeviceCard
from rram_jax.device.cycles import sample_cycles
from rram_jax.device.law import resistance_at, score_at
from rram_jax.device.variability import (
    conductance_variance,
    mean_conductance,
    sample_resistance,
    sample_verified,
)
from tests.device.test_card import CARD
from tests.helpers import assert_gradient

BANDED = dataclasses.replace(
    CARD,
    r_lrs=4500.0,
    r_hrs=45e3,
    sigma_lrs=0.3,
    sigma_hrs=0.5,
    tail_share=0.08,
    sigma_tail=0.4,
    tail_ratio=1.6,
    d2d_lrs=0.4,
    d2d_hrs=0.0,
    stuck_lrs=0.0,
    stuck_hrs=0.0,
    band_lrs=0.2,
    band_hrs=0.6,
    max_writes=4,
)
KEY = jax.random.key(3)
N = 100_000


def _states(n=N):
    return jnp.arange(2 * n) < n


def _draw(card, n=N):
    r, writes = jax.jit(sample_verified)(KEY, _states(n), card.params())
    r, writes = np.asarray(r, float), np.asarray(writes)
    return (r[:n], writes[:n]), (r[n:], writes[n:])


def _program_in_a_loop(card: DeviceCard, is_lrs: bool, n: int = N):
    """The same process in NumPy, programming after programming."""
    rng = np.random.default_rng(1)
    state = "lrs" if is_lrs else "hrs"
    median, sigma = getattr(card, f"r_{state}"), getattr(card, f"sigma_{state}")
    band, d2d = getattr(card, f"band_{state}"), getattr(card, f"d2d_{state}")
    # The law by its own quantile function, on a fine grid.
    ln = np.linspace(-4, 4, 40_001)
    share = card.tail_share if is_lrs else card.tail_share_hrs
    ratio = card.tail_ratio if is_lrs else card.tail_ratio_hrs
    wide = card.sigma_tail if is_lrs else card.sigma_tail_hrs
    law = (1 - share) * norm.cdf(ln / sigma)
    if share:
        law = law + share * norm.cdf((ln - math.log(ratio)) / wide)
    score = norm.ppf(np.clip(law, 1e-12, 1 - 1e-12))
    z = rng.standard_normal(n)
    offset, writes = np.zeros(n), np.zeros(n)
    for k in range(1, card.max_writes + 1):
        open_ = (writes == 0) | (np.abs(offset) > band)
        e = rng.standard_normal(n)
        fresh = np.interp(math.sqrt(d2d) * z + math.sqrt(1 - d2d) * e, score, ln)
        offset, writes = np.where(open_, fresh, offset), np.where(open_, k, writes)
    return median * np.exp(offset), writes


@pytest.mark.parametrize("is_lrs", [True, False])
def test_it_is_programming_in_a_loop(is_lrs):
    r, writes = _draw(BANDED)[0 if is_lrs else 1]
    expected, tries = _program_in_a_loop(BANDED, is_lrs)
    # Two samples of 100,000 cells: four standard errors of a difference.
    error = math.sqrt(2 / N)
    for k in range(1, BANDED.max_writes + 1):
        share = (tries == k).mean()
        assert abs((writes == k).mean() - share) < 4 * error * 0.5
    for p in (0.001, 0.02, 0.2, 0.5, 0.7, 0.95, 0.995):
        at = np.quantile(expected, p)
        assert abs((r < at).mean() - p) < 4 * error * math.sqrt(p * (1 - p))
    for order in (1, 2):
        moment = (BANDED.r_lrs / expected) ** order
        difference = ((BANDED.r_lrs / r) ** order).mean() - moment.mean()
        assert abs(difference) < 4 * error * moment.std()


def test_a_cell_is_in_the_band_or_has_been_tried_to_the_last():
    for (r, writes), median, band in zip(
        _draw(BANDED), (4500.0, 45e3), (0.2, 0.6), strict=True
    ):
        inside = np.abs(np.log(r / median)) < band + 1e-5
        assert inside[writes < 4].all()
        assert 0.2 < inside[writes == 4].mean() < 0.9
        assert (np.bincount(writes.astype(int), minlength=5)[1:] > 1000).all()


@pytest.mark.slow  # large draws
def test_moments_are_those_of_the_draw():
    # 300,000 cells; the sums miss less than 1e-3.
    for card in (BANDED, dataclasses.replace(BANDED, d2d_lrs=0.95, band_hrs=0.0)):
        n = 300_000
        sample = sample_resistance(KEY, _states(n), card.params())
        g = 1 / np.asarray(sample, float).reshape(2, n)
        mean = mean_conductance(jnp.array([True, False]), card.params())
        variance = conductance_variance(jnp.array([True, False]), card.params())
        np.testing.assert_allclose(mean, g.mean(1), rtol=5e-3)
        np.testing.assert_allclose(np.sqrt(variance), g.std(1), rtol=1e-2)


def test_stuck_cells_do_not_come_into_the_band():
    card = dataclasses.replace(BANDED, stuck_hrs=0.1)
    (r, writes), _ = _draw(card)
    (free, _), _ = _draw(BANDED)
    stuck = r != free
    assert abs(stuck.mean() - 0.1) < 4 * math.sqrt(0.1 * 0.9 / N)
    np.testing.assert_array_equal(writes[stuck], 4)
    # The law of HRS, written blindly: one normal of ln R.
    ln = np.log(r[stuck] / 45e3)
    assert abs(np.median(ln)) < 4 * 0.5 * math.sqrt(math.pi / 2 / stuck.sum())
    assert abs(ln.std() - 0.5) < 4 * 0.5 / math.sqrt(2 * stuck.sum())


def test_a_band_of_one_state_leaves_the_other_as_it_was():
    stuck = dict(stuck_lrs=0.02, stuck_hrs=0.05)
    blind = dataclasses.replace(BANDED, band_lrs=0.0, band_hrs=0.0, **stuck)
    card = dataclasses.replace(blind, band_hrs=0.6)
    before = np.asarray(sample_resistance(KEY, _states(), blind.params()))
    (low, writes), (high, _) = _draw(card)
    np.testing.assert_allclose(low, before[:N], rtol=1e-6)
    np.testing.assert_array_equal(writes, 1)
    # The same cells are stuck: they keep what the blind programming made of them.
    stuck_in_lrs = before[N:] < 8e3
    same = np.abs(high / before[N:] - 1) < 1e-5
    assert same[stuck_in_lrs].mean() > 0.95
    assert same.mean() == pytest.approx(0.02, abs=4 * math.sqrt(0.02 / N))


def test_an_infinite_band_writes_once_and_is_the_blind_law():
    card = dataclasses.replace(BANDED, band_lrs=3.0, band_hrs=0.0)
    blind = dataclasses.replace(card, band_lrs=0.0)
    for (r, writes), other in zip(
        _draw(card),
        np.split(np.asarray(sample_resistance(KEY, _states(), blind.params())), 2),
        strict=True,
    ):
        assert (writes == 1).mean() > 0.999
        for p in (0.05, 0.5, 0.95):
            at = np.quantile(other, p)
            assert abs((r < at).mean() - p) < 4 * math.sqrt(2 * p * (1 - p) / N)


def test_cycles_of_a_cell_are_verified_too():
    cells = jnp.arange(5000)
    r_lrs, r_hrs = sample_cycles(KEY, cells, 20, BANDED.params())
    for is_lrs, r in ((True, r_lrs), (False, r_hrs)):
        expected, _ = _program_in_a_loop(BANDED, is_lrs)
        for p in (0.1, 0.5, 0.9):
            at = np.quantile(expected, p)
            # 5,000 cells whose own part counts as one sample each.
            error = math.sqrt(p * (1 - p) * (1 / 5000 + 1 / N))
            assert abs((np.asarray(r) < at).mean() - p) < 4 * error
    part = sample_cycles(KEY, cells[3:5], 20, BANDED.params())[0]
    np.testing.assert_array_equal(part, r_lrs[3:5])


def test_score_is_the_inverse_of_the_quantile():
    device = BANDED.params()
    for is_lrs in (True, False):
        normal = jnp.linspace(-4.0, 4.0, 33)
        r = resistance_at(normal, jnp.asarray(is_lrs), device)
        median = device.r_lrs if is_lrs else device.r_hrs
        back = score_at(jnp.log(r / median), jnp.asarray(is_lrs), device)
        # float32 of ln R and of probabilities near 3e-5.
        np.testing.assert_allclose(back, normal, atol=2e-3)


def test_gradients_against_differences():
    with jax.enable_x64(True):
        params = jax.tree.map(lambda a: a.astype(float), BANDED.params())
        is_lrs = jnp.arange(40) < 20

        def total(z):
            device = dataclasses.replace(
                params, r_lrs=z[0], sigma_lrs=z[1], band=jnp.stack([z[2], z[3]])
            )
            return jnp.log(sample_resistance(KEY, is_lrs, device)).sum()

        assert_gradient(
            jax.jit(total), jnp.array([4400.0, 0.31, 0.21, 0.55]), rtol=1e-4
        )


@pytest.mark.slow
@pytest.mark.parametrize("d2d", [0.0, 0.4, 1.0])
def test_gradients_are_finite_at_the_corners(d2d):
    card = dataclasses.replace(BANDED, d2d_lrs=d2d, band_lrs=0.01, band_hrs=0.0)

    def total(device):
        r = sample_resistance(KEY, _states(2000), device)
        return jnp.log(r).sum() + mean_conductance(_states(1), device).sum()

    value, gradient = jax.jit(jax.value_and_grad(total))(card.params())
    assert np.isfinite(value)
    for name, leaf in vars(gradient).items():
        if name != "d2d":  # which enters as a square root, steep at 0 and at 1
            assert np.isfinite(leaf).all(), name
