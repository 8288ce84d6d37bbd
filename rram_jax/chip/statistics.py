"""What sampled chips say together: accuracy as a distribution, and its uncertainty.

The unit is the chip, everywhere: an interval says how far the figure would move with
other chips of the same kind. It leaves out the test images, which are the same for all
chips (with n of them another set of images moves an accuracy a by sqrt(a (1 - a) / n),
standard deviation), and the seed of the training, which makes another network. Cycles
and passes of a chip are repeats, no further chips: their mean is the chip's accuracy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from rram_jax.errors import InputError
from rram_jax.types import Float

ROUNDING = 1e-9
"""[-] By which a mean of shares may fall short of a bar that it reaches."""


@dataclass(frozen=True, kw_only=True)
class AccuracySummary:
    """Accuracy as a distribution over chips. All are shares, 0 to 1."""

    mean: float
    sd: float
    """Between chips."""

    p01: float
    """1st percentile over chips."""

    worst: float
    ci95: tuple[float, float]
    """95 % interval of the mean, by Student's t with the chips as the unit; from one
    chip nothing follows: 0 to 1."""

    yield_above: float | None = None
    """Share of the chips that reach the bar, where one was asked for."""

    yield_ci95: tuple[float, float] | None = None
    """Its 95 % interval, by Clopper and Pearson: never too narrow, also where every
    chip reaches the bar, where Wilson's is.

    References:
        C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits
        illustrated in the case of the binomial", Biometrika 26, 1934,
        10.1093/biomet/26.4.404.
    """


def summarise(
    accuracy: Sequence[float] | np.ndarray, bar: float | None = None
) -> AccuracySummary:
    """Mean, sd, 1st percentile, worst, interval and yield; one number a chip.

    Args:
        accuracy: Shares of right answers, one a chip.
        bar: Accuracy that a good chip reaches, 0 to 1; None for no yield.

    Raises:
        InputError: There is no chip, or the bar is no accuracy.
    """
    a = np.asarray(accuracy, float)
    if not a.size:
        raise InputError("Accuracy over chips needs 1 chip or more; got none.")
    mean, (low, high) = float(a.mean()), mean_interval(a)
    share, interval = (None, None) if bar is None else yield_at(a, bar)
    return AccuracySummary(
        mean=mean,
        sd=float(a.std(ddof=1)) if a.size > 1 else 0.0,
        p01=float(np.quantile(a, 0.01)),
        worst=float(a.min()),
        ci95=(max(low, 0.0), min(high, 1.0)),
        yield_above=share,
        yield_ci95=interval,
    )


def mean_interval(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """95 % interval of the mean, by Student's t; infinite for one value."""
    n = values.size
    if n < 2:
        return -math.inf, math.inf
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    half = float(scipy.stats.t.ppf(0.975, n - 1)) * sd / np.sqrt(n)
    return float(mean - half), float(mean + half)


def yield_at(
    accuracy: Float[np.ndarray, " chips"], bar: float
) -> tuple[float, tuple[float, float]]:
    """Share of the chips that reach a bar, and its 95 % interval (Clopper-Pearson).

    Raises:
        InputError: The bar is no accuracy.
    """
    check_bar(bar)
    good = int((accuracy >= bar - ROUNDING).sum())
    interval = scipy.stats.binomtest(good, accuracy.size).proportion_ci(0.95, "exact")
    return good / accuracy.size, (float(interval.low), float(interval.high))


def check_bar(bar: float) -> None:
    """Check that a bar is an accuracy.

    Raises:
        InputError: It is not.
    """
    if not 0 < bar <= 1:
        raise InputError(
            "A bar is an accuracy above 0 and up to 1, such as 0.97 for 97 % of the"
            f" images; got {bar:g}."
        )


@dataclass(frozen=True, kw_only=True)
class SpreadParts:
    """Standard deviations of accuracy: what differs between chips, and within one.

    Estimated from nested means (analysis of variance); a part that comes out below 0
    is 0. None where nothing was repeated that could tell it.
    """

    chips: float | None
    """Between chips, with what moves from one repeat to the next taken out; all of it
    where a chip was programmed once."""

    cycles: float | None
    """Between programmings of one chip, passes taken out."""

    passes: float | None
    """Between passes over the images after one programming: RTN and thermal noise."""


def spread_parts(accuracy: Float[np.ndarray, "chips cycles passes"]) -> SpreadParts:
    """Split the spread of accuracy into chips, cycles of a chip and passes of a cycle.

    With means over passes and over cycles of balanced data, their variances expect
    v_cycles + v_passes / P and v_chips + (v_cycles + v_passes / P) / C.

    References:
        S. R. Searle, G. Casella, C. E. McCulloch, Variance Components, 1992,
        10.1002/9780470316856, chapter 4 (ANOVA estimates of nested data).
    """
    n_chips, n_cycles, n_passes = accuracy.shape
    within = passes = cycles = None
    if n_passes > 1:
        passes = within = float(accuracy.var(-1, ddof=1).mean())
    of_cycle = accuracy.mean(-1)
    repeats = (within or 0.0) / n_passes
    if n_cycles > 1:
        between = float(of_cycle.var(-1, ddof=1).mean())
        cycles, repeats = between - repeats, between
    chips = None
    if n_chips > 1:
        chips = float(of_cycle.mean(-1).var(ddof=1)) - repeats / n_cycles
    return SpreadParts(chips=_root(chips), cycles=_root(cycles), passes=_root(passes))


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(max(variance, 0.0))
