import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import welch

from rram_jax.device.rtn import (
    MAX_TRAPS,
    Traps,
    frozen_rtn,
    rtn_spectrum,
    rtn_waveform,
    sample_traps,
)
from tests.device.test_card import CARD

TRAP, STATE = jax.random.key(11), jax.random.key(12)
N = 40_000


def _both(n=N):
    return jnp.arange(2 * n) < n


def _medians(n=N, card=CARD):
    """[Ohm] Half of the cells at the median of LRS, half at that of HRS."""
    return jnp.where(_both(n), jnp.float32(card.r_lrs), jnp.float32(card.r_hrs))


def _frozen(card, n=N, trap_key=TRAP, state_key=STATE):
    traps = sample_traps(trap_key, _medians(n, card), _both(n), card.params())
    return np.asarray(frozen_rtn(state_key, traps), float)


def _one_trap(change=0.2, capture=0.04, emission=0.01):
    """One trap in one cell; asymmetric."""
    return Traps(
        change=jnp.array([[change]]),
        capture=jnp.array([[capture]]),
        emission=jnp.array([[emission]]),
    )


def test_no_traps_no_noise():
    card = dataclasses.replace(CARD, rtn_traps_lrs=0.0, rtn_traps_hrs=0.0)
    np.testing.assert_array_equal(_frozen(card, 9), 1)


def test_numbers_and_sizes_of_traps():
    # Unequal amplitudes and means; the cells stand at their state's median.
    traps = sample_traps(TRAP, _medians(), _both(), CARD.params())
    change = np.asarray(traps.change, float)
    parts = change[:, :N], change[:, N:]
    for part, mean, amplitude in zip(parts, (0.2, 0.6), (0.004, 0.13), strict=True):
        count = (part > 0).sum(0)
        # 40,000 cells, four standard errors.
        assert abs(count.mean() - mean) < 4 * math.sqrt(mean / N)
        empty = math.exp(-mean)
        share = (count == 0).mean()
        assert abs(share - empty) < 4 * math.sqrt(empty * (1 - empty) / N)
        assert abs(count.var() - mean) < 4 * math.sqrt((mean + 2 * mean**2) / N)
        size = np.log(part[part > 0] / amplitude)
        error = 0.45 / math.sqrt(size.size)
        assert abs(np.median(size)) < 4 * error * math.sqrt(math.pi / 2)
        assert abs(size.std() - 0.45) < 4 * error / math.sqrt(2)


@pytest.mark.parametrize(("factor", "mean"), [(0.5, 0.0), (3.0, 0.286), (40.0, 0.961)])
def test_the_number_grows_with_the_barrier_of_hrs_cells_alone(factor, mean):
    # 0.6 ln(R / r_lrs) / ln(r_hrs / r_lrs), by hand for r_hrs / r_lrs = 10.
    card = dataclasses.replace(CARD, r_hrs=10 * CARD.r_lrs)
    r = jnp.full(2 * N, jnp.float32(factor * card.r_lrs))
    count = np.asarray(sample_traps(TRAP, r, _both(), card.params()).change > 0).sum(0)
    assert abs(count[:N].mean() - 0.2) < 4 * math.sqrt(0.2 / N)
    assert abs(count[N:].mean() - mean) < 4 * math.sqrt(mean / N) + 1e-3


def test_thickest_barriers_have_the_largest_mean():
    card = dataclasses.replace(CARD, rtn_traps_hrs=2.0)
    r = jnp.full(2 * N, jnp.float32(1e9))
    count = np.asarray(sample_traps(TRAP, r, _both(), card.params()).change > 0).sum(0)
    assert abs(count[N:].mean() - 2.0) < 4 * math.sqrt(2.0 / N)  # cut off: 1e-4
    assert count.max() <= MAX_TRAPS


def test_times_are_log_uniform_and_independent():
    card = dataclasses.replace(CARD, rtn_time_low=1e-4, rtn_time_high=10.0)
    traps = sample_traps(TRAP, _medians(), _both(), card.params())
    for time in (traps.capture, traps.emission):
        log = np.log10(np.asarray(time, float)).ravel()
        assert log.min() >= -4.001
        assert log.max() <= 1.001
        error = math.sqrt(5**2 / 12 / log.size)
        assert abs(log.mean() - -1.5) < 4 * error
        assert abs(log.std() - 5 / math.sqrt(12)) < 4 * error
    pair = [np.log(np.ravel(t)) for t in (traps.capture, traps.emission)]
    assert abs(np.corrcoef(pair)[0, 1]) < 4 / math.sqrt(pair[0].size)


def test_a_trap_is_full_its_share_of_the_time():
    traps = _one_trap()
    states = jax.vmap(lambda key: frozen_rtn(key, traps))(
        jax.random.split(STATE, 20_000)
    )
    full = np.asarray(states)[:, 0] > 1.1
    np.testing.assert_allclose(np.asarray(states)[full], 1.2)
    np.testing.assert_allclose(np.asarray(states)[~full], 1.0)
    assert abs(full.mean() - 0.2) < 4 * math.sqrt(0.2 * 0.8 / full.size)


def test_keys_are_chip_and_state():
    first = _frozen(CARD, 500)
    other_state = _frozen(CARD, 500, state_key=TRAP)
    other_chip = _frozen(CARD, 500, trap_key=STATE)
    assert (first != other_state).any()
    # The same traps in another state: a cell without traps stays without.
    traps = (first > 1) | (other_state > 1)
    assert ((other_chip > 1) & ~traps).any()


@pytest.mark.slow  # compiled in both modes
def test_same_keys_same_state_in_every_mode():
    is_lrs = jnp.asarray(np.random.default_rng(1).random((9, 5)) < 0.4)
    card = dataclasses.replace(CARD, rtn_traps_lrs=1.0)

    def draw():
        r = jnp.where(is_lrs, card.r_lrs, card.r_hrs).astype(jnp.float32)
        traps = sample_traps(TRAP, r, is_lrs, card.params())
        return frozen_rtn(STATE, traps)

    first = np.asarray(draw())
    assert (first > 1).sum() > 10
    with jax.enable_x64(True):
        np.testing.assert_array_equal(draw(), first)
    np.testing.assert_allclose(jax.jit(draw)(), first, rtol=3e-7)  # contracted products


def test_dwell_times_are_exponential():
    step, n = 2e-4, 200_000
    wave = rtn_waveform(STATE, step * jnp.arange(n), _one_trap())[:, 0]
    full = np.asarray(wave) > 1.1
    edges = np.flatnonzero(np.diff(full.astype(int)))
    dwell = step * np.diff(edges)
    in_full = full[edges[:-1] + 1]
    # Some 800 of each; a dwell shorter than a step is missed, 2 % of the full ones.
    for times, mean in ((dwell[in_full], 0.01), (dwell[~in_full], 0.04)):
        assert abs(times.mean() / mean - 1) < 4 / math.sqrt(times.size) + 0.03
        assert abs(times.std() / mean - 1) < 4 / math.sqrt(times.size / 2) + 0.03
    assert abs(full.mean() - 0.2) < 4 * math.sqrt(0.2 * 0.8 * 2 * 0.008 / (step * n))


def test_spectrum_is_the_sum_of_lorentzians():
    traps = Traps(
        change=jnp.array([[0.2], [0.05]]),
        capture=jnp.array([[0.04], [0.002]]),
        emission=jnp.array([[0.01], [0.005]]),
    )
    step, n, part = 2e-4, 400_000, 4096
    wave = rtn_waveform(STATE, step * jnp.arange(n), traps)[:, 0]
    f, measured = welch(np.asarray(wave, float), 1 / step, nperseg=part)
    inside = (f > 2) & (f < 500)  # below, the window smears; above, it folds back
    expected = np.asarray(rtn_spectrum(jnp.asarray(f[inside]), traps))[:, 0]
    ratio = measured[inside] / expected
    # Bins average 2 n / part = 195 periodograms, 11/18 of them independent (Hann).
    error = 1 / math.sqrt(195 * 11 / 18)
    bins = ratio[: 400 // 20 * 20].reshape(20, -1).mean(1)
    np.testing.assert_allclose(bins, 1, atol=4 * error / math.sqrt(8) + 0.03)
    # By hand: at low frequency 4 A^2 p (1 - p) / l of the slow trap, and both.
    slow = 4 * 0.2**2 * 0.2 * 0.8 / 125
    fast = 4 * 0.05**2 * (5 / 7) * (2 / 7) / 700
    at_zero = float(rtn_spectrum(jnp.array([1e-3]), traps)[0, 0])
    assert at_zero == pytest.approx(slow + fast, rel=1e-3)
    at_corner = _one_trap()
    corner = float(at_corner.corner[0, 0]) / (2 * math.pi)
    half = float(rtn_spectrum(jnp.array([corner]), at_corner)[0, 0])
    assert half == pytest.approx(slow / 2, rel=1e-5)


def test_a_waveform_in_float64_mode():
    with jax.enable_x64(True):
        time = jnp.linspace(0.0, 1.0, 50)
        traps = sample_traps(TRAP, _medians(20), _both(20), CARD.params())
        wave = rtn_waveform(STATE, time, traps)
    assert np.isfinite(wave).all()


def test_power_of_the_waveform_is_that_of_the_spectrum():
    traps = _one_trap()
    f = np.geomspace(1e-3, 1e6, 20_000)
    density = np.asarray(rtn_spectrum(jnp.asarray(f), traps), float)[:, 0]
    power = np.trapezoid(density, f)
    assert power == pytest.approx(0.2**2 * 0.2 * 0.8, rel=2e-3)
