import math

import numpy as np
import pytest
import scipy.stats

from rram_jax.chip.statistics import spread_parts, summarise
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence


def test_summary_by_hand():
    summary = summarise([0.9, 0.7, 0.8, 0.6])
    assert math.isclose(summary.mean, 0.75)
    # Squared deviations .0225, .0025, .0025, .0225 over three.
    sd = math.sqrt(0.05 / 3)
    assert math.isclose(summary.sd, sd)
    assert summary.worst == 0.6
    # A hundredth of the way from the worst to the last of four: 3 % of one gap.
    assert math.isclose(summary.p01, 0.603)
    # t of three degrees of freedom at 97.5 %: 3.18245 (table).
    half = 3.18245 * sd / 2
    np.testing.assert_allclose(summary.ci95, [0.75 - half, 0.75 + half], rtol=1e-5)


def test_summary_against_scipy():
    accuracy = np.random.default_rng(2).beta(20, 2, 31)
    summary = summarise(accuracy.tolist())
    expected = scipy.stats.ttest_1samp(accuracy, 0).confidence_interval(0.95)
    np.testing.assert_allclose(summary.ci95, expected, rtol=1e-10)


def test_summary_of_one_chip():
    summary = summarise([0.5])
    assert (summary.mean, summary.sd, summary.ci95) == (0.5, 0.0, (0.0, 1.0))


@pytest.mark.parametrize("accuracy", [[], np.zeros(0)])
def test_no_chip_has_no_summary(accuracy):
    with pytest.raises(InputError, match="1 chip or more") as error:
        summarise(accuracy)
    assert is_one_sentence(error.value)


def test_yield_by_hand():
    summary = summarise([0.97] * 10, bar=0.97)
    assert summary.yield_above == 1.0
    # Ten of ten: the lower end p has p^10 = 2.5 %.
    assert summary.yield_ci95 is not None
    np.testing.assert_allclose(summary.yield_ci95, [0.025**0.1, 1.0], rtol=1e-9)
    # Seven of ten: Clopper and Pearson's own chart, and any table since.
    summary = summarise([0.9] * 3 + [0.98] * 7, bar=0.95)
    assert summary.yield_above == 0.7
    np.testing.assert_allclose(summary.yield_ci95, [0.3475, 0.9333], atol=5e-5)
    assert summarise([0.9, 0.8]).yield_above is None


def test_a_chip_at_the_bar_reaches_it():
    # The mean of three repeats that all are 0.7 is a rounding below 0.7.
    at = np.full(3, 0.7).sum() / 3
    assert at < 0.7
    assert summarise([at, 0.7 - 1e-4], bar=0.7).yield_above == 0.5


@pytest.mark.parametrize("bar", [0.0, -0.1, 97.0, math.nan])
def test_a_bar_is_an_accuracy(bar):
    with pytest.raises(InputError, match="such as 0.97") as error:
        summarise([0.9], bar)
    assert is_one_sentence(error.value)


def test_spread_parts_by_hand():
    # Two chips, two cycles of each, two passes of each.
    accuracy = np.array([[[0.90, 0.92], [0.80, 0.82]], [[0.70, 0.72], [0.70, 0.72]]])
    parts = spread_parts(accuracy)
    # Passes: pairs 0.02 apart, variance 0.0002 in all four. Cycles: means 0.91, 0.81
    # and 0.71, 0.71: variances 0.005 and 0. Chips: means 0.86 and 0.71.
    passes, cycles, chips = 0.0002, 0.0025 - 0.0001, 0.01125 - 0.0025 / 2
    expected = [math.sqrt(x) for x in (chips, cycles, passes)]
    found = [parts.chips, parts.cycles, parts.passes]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    # Passes alone.
    parts = spread_parts(accuracy[:, :1])
    assert parts.cycles is None
    np.testing.assert_allclose(parts.passes, expected[2], rtol=1e-9)
    chips = ((0.91 - 0.71) ** 2 / 2) - 0.0001
    np.testing.assert_allclose(parts.chips, math.sqrt(chips), rtol=1e-9)
    # Nothing repeated: all is between chips; one chip says nothing of that.
    parts = spread_parts(accuracy[:, :1, :1])
    assert (parts.cycles, parts.passes) == (None, None)
    np.testing.assert_allclose(parts.chips, 0.2 / math.sqrt(2), rtol=1e-9)
    assert spread_parts(accuracy[:1, :1, :1]).chips is None
    # What comes out below zero is none.
    parts = spread_parts(np.array([[[0.5], [0.6]], [[0.6], [0.5]]]))
    assert parts.chips == 0


def test_spread_parts_of_known_ones():
    rng = np.random.default_rng(3)
    n, c, p = 400, 3, 2
    accuracy = 0.9 + 0.02 * rng.standard_normal((n, 1, 1))
    accuracy = accuracy + 0.03 * rng.standard_normal((n, c, 1))
    accuracy = accuracy + 0.01 * rng.standard_normal((n, c, p))
    parts = spread_parts(accuracy)
    # Relative standard errors: 1 / sqrt(2 * 1200) for passes; for cycles about the same
    # as of 800 values, 2.6 %; chips 3.5 % of their mean's 0.027, 6.5 % of 0.02. Three.
    assert parts.passes == pytest.approx(0.01, rel=0.06)
    assert parts.cycles == pytest.approx(0.03, rel=0.08)
    assert parts.chips == pytest.approx(0.02, rel=0.2)
