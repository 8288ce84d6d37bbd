"""Two networks on the same chips: how much better one is, and how sure that is.

Chip n of a seed draws the same numbers for both, so what a chip adds to both accuracies
falls out of their difference. That takes layers of the same shape; between other
networks the comparison holds too, but its interval is as wide as without pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

from rram_jax.chip.statistics import mean_interval
from rram_jax.errors import InputError
from rram_jax.types import Float

N_RESAMPLES = 9999
"""[-] Bootstrap samples behind the interval of a recovered share."""

DIGITS = 12
"""[-] Decimals that differences of shares are rounded to: what is left are ties."""

SMALLEST_LOSS = 1e-9
"""[-] Stands for none in a bootstrap sample: less than one image of any set."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What network b has over network a; differences of accuracy, b minus a.

    The unit is the chip: images and training seeds stay as they are (see
    `chip.statistics`). Each stands alone: nothing is corrected for several comparisons.
    """

    n_chips: int

    difference: float
    """[-] Mean over chips."""

    ci95: tuple[float, float]
    """Its 95 % interval, by Student's t of the pairs' differences."""

    p_value: float
    """Of the paired t test that the mean difference is 0: the question that the
    interval answers, and the two always agree. With ten chips or more it stands
    accuracies' skew well."""

    p_rank: float
    """Of Wilcoxon's signed-rank test (zeros by Pratt): that differences lie evenly on
    both sides of 0. It tells whether a few odd chips make up the t test's answer, but
    not about the mean."""

    share_better: float
    """Share of the chips on which b has more right answers."""

    share_equal: float
    """Share of the chips on which both have as many."""

    worst_difference: float
    """b's worst chip minus a's worst, which need not be the same chip."""

    recovered: float | None
    """Of what the spread costs a, clean accuracy minus mean: the share that b wins
    back. None where the clean accuracy is not given, or the cost is not above 0 with
    95 % confidence."""

    recovered_ci95: tuple[float, float] | None
    """Its 95 % interval, by a percentile bootstrap of pairs; the clean accuracy is the
    same for all chips and has no spread.

    References:
        B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993,
        10.1007/978-1-4899-4541-9, sections 8.4 and 13.3.
    """


def compare(
    accuracy_a: Sequence[float] | np.ndarray,
    accuracy_b: Sequence[float] | np.ndarray,
    clean_a: float | None = None,
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two networks on the same chips.

    Args:
        accuracy_a: (chips,) Shares of right answers of the reference.
        accuracy_b: (chips,) Of the other network, in the same order of chips.
        clean_a: The reference's accuracy without spread; None for no recovered share.
        seed: Makes the bootstrap samples.

    Raises:
        InputError: There are fewer than two chips, or not as many of both.
    """
    a, b = np.asarray(accuracy_a, float), np.asarray(accuracy_b, float)
    if a.shape != b.shape or a.ndim != 1 or a.size < 2:
        raise InputError(
            "A paired comparison needs two chips or more, the same for both networks;"
            f" got {a.size} and {b.size}."
        )
    difference = np.round(b - a, DIGITS)
    recovered, interval = _recovered(a, b, clean_a, seed)
    return Comparison(
        n_chips=a.size,
        difference=float(difference.mean()),
        ci95=mean_interval(difference),
        p_value=_t_test(difference),
        p_rank=_rank_test(difference),
        share_better=float((difference > 0).mean()),
        share_equal=float((difference == 0).mean()),
        worst_difference=float(b.min() - a.min()),
        recovered=recovered,
        recovered_ci95=interval,
    )


def _t_test(difference: Float[np.ndarray, " chips"]) -> float:
    """Two-sided p of `scipy.stats.ttest_rel`, without its complaint on equal pairs."""
    error = float(difference.std(ddof=1)) / np.sqrt(difference.size)
    mean = abs(float(difference.mean()))
    if error < 10.0**-DIGITS:
        return 1.0 if mean < 10.0**-DIGITS else 0.0
    return float(2 * scipy.stats.t.sf(mean / error, difference.size - 1))


def _rank_test(difference: Float[np.ndarray, " chips"]) -> float:
    if not difference.any():
        return 1.0
    found: Any = scipy.stats.wilcoxon(difference, zero_method="pratt")
    return float(found.pvalue)


def _recovered(a, b, clean_a, seed):
    """Recovered share and its interval, or None twice."""
    if clean_a is None or clean_a - mean_interval(a)[1] <= 0:
        return None, None

    def share(a, b, axis=-1):
        loss = np.maximum(clean_a - a.mean(axis), SMALLEST_LOSS)
        return (b - a).mean(axis) / loss

    interval = scipy.stats.bootstrap(
        (a, b),
        share,
        paired=True,
        vectorized=True,
        n_resamples=N_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(share(a, b)), (float(interval.low), float(interval.high))
