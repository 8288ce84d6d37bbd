"""Which cells of a measured array switch.

Cells switch, right or swapped (LRS reads above HRS), or are stuck. Where the laws of
the states overlap, a card too makes swapped cells, and cells whose states happen to be
equal. So both belong to what is fitted. A cell that seems stuck is taken for it if it
reads like an ordinary cell of one state twice, or if the law of the cells that switch
does not reach it.
"""

import math

import numpy as np
from scipy.stats import f as fisher

from rram_jax.device.mixture_fit import PROBABILITIES, TOLERANCES, fit_mixture
from rram_jax.types import Float, Int

MIN_RATIO = 1.1
"""[-] Least ratio of a cell's median HRS and LRS, either way up, if it switches."""

REACH_P = 1e-3
"""[-] Share of the cells of a law that lie beyond its reach."""

ORDINARY = 1.645
"""[-] Standard deviations about the mean of a state that hold nine cells of ten."""


def kinds_of_cells(
    row: Int[np.ndarray, " rows"],
    log_lrs: Float[np.ndarray, " rows"],
    log_hrs: Float[np.ndarray, " rows"],
) -> np.ndarray:
    """Of each cell: right, swapped, stuck_lrs or stuck_hrs.

    A stuck cell reads HRS above LRS in half of its cycles, give or take 0.5 / sqrt(n).
    Two of these make a cell one that switches, or a quarter if there are few cycles;
    more would drop cells whose states are close, and they are no random choice: it
    weakened the correlation of the states. Others seem stuck, in the state that they
    are nearer to, and are taken for it as the module says.

    Args:
        row: Number of the cell of each row: 0, 1, ..., ascending.
        log_lrs: ln R [-] in LRS.
        log_hrs: ln R [-] in HRS.
    """
    cycles = np.bincount(row)
    wins = np.sign(log_hrs - log_lrs)  # a draw counts half
    above = 0.5 * np.bincount(row, wins) / cycles
    margin = np.minimum(1 / np.sqrt(cycles), 0.25)
    first = np.cumsum(cycles) - cycles
    ratio = np.array(
        [
            np.median(log_hrs[k : k + n]) - np.median(log_lrs[k : k + n])
            for k, n in zip(first, cycles, strict=True)
        ]
    )
    right = (above >= margin) & (ratio >= math.log(MIN_RATIO))
    swapped = (above <= -margin) & (ratio <= -math.log(MIN_RATIO))
    kinds = np.full(len(cycles), "stuck_hrs", "U9")
    level = np.bincount(row, log_hrs + log_lrs) / cycles / 2
    if right.any():
        of_right = right[row]
        middle = (np.median(log_lrs[of_right]) + np.median(log_hrs[of_right])) / 2
        kinds[level < middle] = "stuck_lrs"
    alive = right | swapped
    if alive.sum() > 2 and not alive.all():
        stuck_lrs = kinds == "stuck_lrs"
        right |= ~alive & _made_by_law(row, (log_lrs, log_hrs), alive, stuck_lrs)
    kinds[swapped] = "swapped"
    kinds[right] = "right"
    return kinds


def _made_by_law(row, logs, alive, stuck_lrs) -> np.ndarray:
    """Whether the law of the cells that switch makes each cell rather than a defect.

    Where the law holds, the mean normal numbers of a cell, one a state, are normal; and
    the distance of a new cell from those of `alive` is Hotelling's T^2: H. Hotelling,
    The generalization of Student's ratio, Annals of Mathematical Statistics 2, 1931,
    10.1214/aoms/1177732979.
    """
    both = []  # both reads of each cell, in numbers of the law of LRS and of HRS
    for x, tolerances in zip(logs, TOLERANCES.values(), strict=True):
        quantiles = np.quantile(x[alive[row]], PROBABILITIES, method="hazen")
        law = fit_mixture(quantiles, tolerances)
        both.append([np.bincount(row, law.normal(y)) / np.bincount(row) for y in logs])
    both, n = np.array(both), alive.sum()
    means = both[[0, 1], [0, 1]]
    middle = means[:, alive].mean(1, keepdims=True)
    off = means - middle
    # 1e-6 keeps the covariance of equal cells invertible.
    covariance = np.cov(means[:, alive]) + 1e-6 * np.eye(2)
    distance = (off * np.linalg.solve(covariance, off)).sum(0)
    reach = fisher.isf(REACH_P, 2, n - 2) * 2 * (n * n - 1) / (n * (n - 2))
    spread = np.sqrt(np.diag(covariance))[:, None]
    ordinary = np.abs(both.mean(1) - middle) < ORDINARY * spread
    return (distance < reach) & ~np.where(stuck_lrs, *ordinary)
