import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.neuron.calibrate import (
    NeuronFit,
    crossings,
    fit_crossings,
    fit_neuron,
    judge,
    latch_threshold,
)
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.model import crossing

TRUTH = NeuronFit(
    gain=1.013, offset=0.31, leak=6e5, curve=22.0, threshold=-3e-3, bracket=0.0
)
CONFIG = NeuronConfig(v_full=12e-3, clocks_per_slot=4, v_shift=3e-3)


def observed(config, n=60, seed=2):
    """What a testbench would say of a neuron that is exactly `TRUTH`."""
    rng = np.random.default_rng(seed)
    stairs = rng.uniform(-3e-3, 9e-3, (n, 1)) + 4e-3 * rng.standard_normal((n, SLOTS))
    with jax.enable_x64(True):
        position = crossing(jnp.asarray(stairs), TRUTH.params(config))
        position = np.asarray(position)
    edges = 0.5 + np.arange(config.decisions) / config.clocks_per_slot
    difference = 0.03 * (position[:, None] - edges) + TRUTH.threshold
    counts = (difference > TRUTH.threshold).sum(1)
    return stairs, difference, counts, position


@pytest.mark.parametrize("advance", [0.5, 0.81])
def test_a_known_neuron_is_found_again(advance):
    config = dataclasses.replace(CONFIG, ramp_advance=advance)
    stairs, difference, counts, _ = observed(config)
    fit = fit_neuron(stairs, difference, counts, config)
    # Within the doubt about the threshold, which moves offsets only.
    assert fit.threshold == pytest.approx(TRUTH.threshold, abs=fit.bracket)
    assert fit.bracket < 0.5e-3
    assert fit.offset == pytest.approx(TRUTH.offset, abs=fit.bracket / 0.03 + 1e-3)
    assert fit.gain == pytest.approx(TRUTH.gain, abs=1e-3)
    assert fit.leak == pytest.approx(TRUTH.leak, rel=0.02)
    assert fit.curve == pytest.approx(TRUTH.curve, abs=1.0)


def test_crossings_alone_tell_the_same_neuron():
    stairs, _, _, position = observed(CONFIG)
    position = np.where(np.arange(len(position)) < 3, np.nan, position)
    fit = fit_crossings(stairs, position, CONFIG)
    assert fit.threshold == fit.bracket == 0
    # Without doubt about a threshold, but for the prior on the curve.
    assert fit.offset == pytest.approx(TRUTH.offset, abs=1e-3)
    assert fit.gain == pytest.approx(TRUTH.gain, abs=1e-3)


def test_an_earlier_ramp_takes_the_offset_away():
    config = dataclasses.replace(CONFIG, ramp_advance=0.81)
    # float32: two numbers below one.
    assert float(TRUTH.params(config).offset) == pytest.approx(0, abs=1e-7)
    assert float(TRUTH.params(CONFIG).offset) == pytest.approx(0.31, abs=1e-7)


def test_a_fit_is_judged_on_counts_and_crossings():
    stairs, difference, counts, _ = observed(CONFIG, seed=3)
    measured = crossings(difference, TRUTH.threshold, CONFIG)
    says = judge(TRUTH, stairs, measured, counts, CONFIG)
    assert says["equal"] == says["within_1"] == 1
    assert says["residual_max"] < 1e-9  # of crossings made by the same formula
    worse = dataclasses.replace(TRUTH, offset=TRUTH.offset + 0.2)
    says = judge(worse, stairs, measured, counts, CONFIG)
    assert says["residual_rms"] == pytest.approx(0.2, rel=1e-6)
    assert 0.05 < says["equal"] < 0.5  # 0.2 slots are 0.8 clocks
    assert says["within_1"] == 1


def test_crossings_lie_between_the_edges():
    config = NeuronConfig(v_full=12e-3)
    k = np.arange(SLOTS)
    lines = np.array([4.25 - 0.5 - k, -0.2 - k, 14.4 - k, 20 - k, -3 - k]) * 30e-3
    got = crossings(lines, 0.0, config)
    # Edge k stands at 0.5 + k; half a slot beyond the ends is still read.
    np.testing.assert_allclose(got[:3], [4.25, 0.3, 14.9], rtol=1e-12)
    assert np.isnan(got[3:]).all()


def test_the_threshold_lies_where_the_counts_put_it():
    difference = np.array([[50e-3, 21e-3, -9e-3], [42e-3, 13e-3, -17e-3]])
    # The first ends below 21 mV (its third decision is 0), the second below 42 mV.
    middle, half = latch_threshold(difference, np.array([2, 1]))
    assert middle == pytest.approx(17e-3)
    assert half == pytest.approx(4e-3)
