import math

import numpy as np
import pytest
import scipy.stats

from rram_jax.chip.compare import compare
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence


def _pairs(n=60, seed=1):
    """A reference that loses 4 points of 98, and a network that loses half of it."""
    rng = np.random.default_rng(seed)
    loss = 0.04 + 0.01 * rng.standard_normal(n)
    a, b = 0.98 - loss, 0.98 - loss / 2 + 0.002 * rng.standard_normal(n)
    return np.round(a, 4), np.round(b, 4)


def test_by_hand():
    a, b = [0.90, 0.80, 0.85, 0.70], [0.92, 0.80, 0.84, 0.80]
    found = compare(a, b, 0.95)
    # Differences 0.02, 0, -0.01, 0.10: mean 0.0275, squared deviations 0.007475.
    assert found.difference == pytest.approx(0.0275)
    half = 3.18245 * math.sqrt(0.007475 / 3) / 2
    np.testing.assert_allclose(found.ci95, [0.0275 - half, 0.0275 + half], rtol=1e-5)
    assert (found.share_better, found.share_equal, found.n_chips) == (0.5, 0.25, 4)
    assert found.worst_difference == pytest.approx(0.80 - 0.70)
    # Losses of 0.05, 0.15, 0.10, 0.25 are not above 0 for sure: 0.1375 +- 0.136.
    assert found.recovered == pytest.approx(0.0275 / 0.1375)
    assert compare(a, b, 0.94).recovered is None
    assert compare(a, b).recovered is None


def test_against_scipy():
    a, b = _pairs()
    found = compare(a, b)
    test = scipy.stats.ttest_rel(b, a)
    assert found.p_value == pytest.approx(test.pvalue, rel=1e-6)
    np.testing.assert_allclose(found.ci95, test.confidence_interval(0.95), rtol=1e-9)
    few = compare(a[:6], b[:6] - 0.02)
    test = scipy.stats.ttest_rel(b[:6] - 0.02, a[:6])
    assert few.p_value == pytest.approx(test.pvalue, rel=1e-6)
    # Differences of shares are rounded before they are ranked: equal ones tie.
    ranks = scipy.stats.wilcoxon(np.round(1e4 * (b[:6] - 0.02 - a[:6])))
    assert few.p_rank == pytest.approx(ranks.pvalue, rel=1e-6)


def test_pairs_tell_more_than_two_samples():
    a, b = _pairs()
    found = compare(a, b)
    loose = scipy.stats.ttest_ind(b, a).confidence_interval(0.95)
    assert np.ptp(found.ci95) < 0.6 * np.ptp(loose)
    # Shuffled, they are no pairs any more.
    shuffled = np.random.default_rng(4).permutation(b)
    assert np.ptp(compare(a, shuffled).ci95) > 1.5 * np.ptp(found.ci95)


def test_recovered_share_against_the_delta_method():
    a, b = _pairs()
    found = compare(a, b, 0.98)
    loss = 0.98 - a
    share = (b - a).mean() / loss.mean()
    assert found.recovered == pytest.approx(share)
    # The ratio's residuals, to first order.
    error = (b - a - share * loss).std(ddof=1) / loss.mean() / math.sqrt(len(a))
    by_hand = [share - 1.96 * error, share + 1.96 * error]
    # Percentiles of 9999 samples have an error of 0.03 of their distance; the
    # bootstrap's spread is sqrt(1 - 1/60) of the other's.
    np.testing.assert_allclose(found.recovered_ci95, by_hand, atol=0.1 * 1.96 * error)
    assert compare(a, b, 0.98) == found
    assert compare(a, b, 0.98, seed=1).recovered_ci95 != found.recovered_ci95


def test_a_network_without_loss_recovers_all_of_it():
    a, _ = _pairs()
    found = compare(a, np.full(a.shape, 0.98), 0.98)
    assert found.recovered == pytest.approx(1.0)
    np.testing.assert_allclose(found.recovered_ci95, [1.0, 1.0], rtol=1e-9)


def test_equal_networks_and_equal_differences():
    a, _ = _pairs()
    same = compare(a, a, 0.98)
    assert (same.difference, same.ci95, same.share_equal) == (0, (0, 0), 1)
    assert (same.p_value, same.p_rank, same.recovered) == (1, 1, 0)
    shifted = compare(a, a + 0.01)
    assert shifted.p_value == 0
    np.testing.assert_allclose(shifted.ci95, [0.01, 0.01])
    assert shifted.share_better == 1


def test_p_values_are_even_where_nothing_differs():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(300):
        common = 0.02 * rng.standard_normal(25)
        a, b = (0.9 + common + 0.01 * rng.standard_normal(25) for _ in range(2))
        c = compare(np.round(a, 3), np.round(b, 3))
        found.append((c.p_value, c.p_rank))
        assert (c.p_value < 0.05) == (c.ci95[0] > 0 or c.ci95[1] < 0)
    # Of 300 even numbers: Kolmogorov's distance is above 1.63 / sqrt(n) in 1 of 100.
    for p in np.array(found).T:
        distance = scipy.stats.kstest(p, "uniform").statistic
        assert distance < 1.63 / math.sqrt(300)


@pytest.mark.parametrize(("a", "b"), [([0.9], [0.8]), ([0.9, 0.8], [0.7])])
def test_what_is_no_pair_is_told(a, b):
    with pytest.raises(InputError, match="two chips or more") as error:
        compare(a, b)
    assert is_one_sentence(error.value)
