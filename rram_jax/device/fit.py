"""A device card from a user's measurements, with intervals of confidence.

The law of each state (`mixture_fit.py`) is fitted to quantiles over all cycles of all
cells that switch (`cell_kinds.py`). Which part of it is device-to-device comes from
normal scores (the standard normal number at the rank of each resistance), split into
variance components by the one-way analysis of variance with random effects, which for
equally many cycles a cell is restricted maximum likelihood: S. R. Searle, G. Casella,
C. E. McCulloch, Variance Components, 1992, 10.1002/9780470316856, section 3.6 (unequal
numbers: equation for n_0 there). Scores are the normal numbers of `cycles.py`, up to
the misfit of the law.
Intervals are percentiles of a bootstrap that resamples cells, as
the cycles of a cell are no independent measurements: B. Efron, R. J. Tibshirani, An
Introduction to the Bootstrap, 1993, 10.1201/9780429246593, section 13.3. How often they
hold the truth: `python -m experiments.fit_coverage`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import beta, chi2

from rram_jax.device.card import DeviceCard
from rram_jax.device.cell_kinds import kinds_of_cells
from rram_jax.device.measured import Measurements
from rram_jax.device.mixture_fit import (
    PROBABILITIES,
    TOLERANCES,
    Mixture,
    fit_mixture,
    fit_normal,
)
from rram_jax.errors import InputError
from rram_jax.types import Float

MIN_CELLS = 10
"""[-] Cells that switch: fewer say nothing of a spread between cells."""

MIN_CYCLES = 10
"""[-] Of each cell: fewer do not tell a cell that switches from one that does not."""

TAIL_P = 1e-3
"""[-] A tail is fitted where one normal has a smaller p-value than this."""

R_ACCESS = 900.0
"""[Ohm] Assumed of the access transistor, at most a fifth of the LRS median."""

STATES = ("lrs", "hrs")


@dataclass(frozen=True, kw_only=True)
class StateSummary:
    """Measured and fitted ln R of one state over the cells that switch."""

    measured: Float[np.ndarray, " p"]
    """[-] ln of the measured quantiles in ohms at `mixture_fit.PROBABILITIES`."""

    fitted: Float[np.ndarray, " p"]
    """[-] The same of the fitted law."""

    sd_d2d: float
    """[-] Measured standard deviation of ln R between cells."""

    sd_c2c: float
    """[-] Measured standard deviation of ln R between the cycles of a cell."""


@dataclass(frozen=True, kw_only=True)
class DeviceFit:
    """A fitted card and what it rests on."""

    card: DeviceCard

    intervals: dict[str, tuple[float, float]]
    """Of every fitted number of the card, by its name."""

    level: float
    """[-] Probability of the intervals."""

    states: dict[str, StateSummary]
    """By `lrs` and `hrs`."""

    n_cells: int
    """[-] All cells measured, those left out below included."""

    n_rows: int
    """[-] All rows, likewise."""

    n_inverted: int
    """[-] Rows of cells that switch whose HRS is below their LRS."""

    stuck_lrs: tuple[int, ...]
    """Cells left out because they do not switch, nearer to LRS."""

    stuck_hrs: tuple[int, ...]
    """Cells left out because they do not switch, nearer to HRS."""

    swapped: tuple[int, ...]
    """Cells that switch the wrong way round: their LRS reads above their HRS."""


def fit_card(
    measured: Measurements,
    name: str,
    origin: str,
    *,
    level: float = 0.95,
    replicates: int = 500,
    seed: int = 0,
    on_replicate: Callable[[], None] = lambda: None,
) -> DeviceFit:
    """Fit a device card to measurements.

    Args:
        measured: Resistances of cells over cycles.
        name: Of the card.
        origin: What was measured, for the card's `source`.
        level: [-] Probability of the intervals.
        replicates: [-] Bootstrap samples.
        seed: Makes the bootstrap samples.
        on_replicate: Called after each of them, to show progress.

    Raises:
        InputError: Too few cells or cycles, resistances that are no 1T1R cell's in
            ohms, or states that are not apart.
    """
    cells, row = np.unique(measured.cell, return_inverse=True)
    cycles = np.bincount(row)
    _check_size(cells, cycles)
    log_r = {"lrs": np.log(measured.r_lrs), "hrs": np.log(measured.r_hrs)}
    _check_unit(log_r)
    kinds = kinds_of_cells(row, log_r["lrs"], log_r["hrs"])
    right, swapped = kinds == "right", kinds == "swapped"
    if right.sum() < MIN_CELLS:
        raise InputError(
            f"Only {right.sum()} of {len(cells)} cells switch, and a fit needs"
            f" {MIN_CELLS}: measure more cells, and check that r_hrs_ohm and r_lrs_ohm"
            " are not exchanged."
        )
    alive = right | swapped
    kept = alive[row]
    index = (np.cumsum(alive) - 1)[row[kept]]
    samples = {s: _Sample(log_r[s][kept], index) for s in STATES}
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(cells), np.full(len(cells), 1 / len(cells)), replicates)
    draws = [d for d in draws if (d[alive] > 0).sum() > 2]
    boot = [np.stack([x.quantiles(d[alive]) for d in draws]) for x in samples.values()]
    tails = {s: _needs_tail(samples[s], b) for s, b in zip(STATES, boot, strict=True)}

    ones = np.ones(int(alive.sum()))
    laws = {s: _law(samples[s].quantiles(ones), s, tails[s]) for s in STATES}
    point = _numbers(samples, laws, ones)
    replicas = []
    for k, draw in enumerate(draws):
        again = {
            s: _law(b[k], s, tails[s], laws[s])
            for s, b in zip(STATES, boot, strict=True)
        }
        replicas.append(_numbers(samples, again, draw[alive]))
        on_replicate()
    edges = ((1 - level) / 2, (1 + level) / 2)
    intervals = {}
    for key in point:
        low, high = np.quantile([numbers[key] for numbers in replicas], edges)
        intervals[key] = (float(low), float(high))
    stuck = {s: tuple(cells[kinds == f"stuck_{s}"].tolist()) for s in STATES}
    for s in STATES:
        point[f"stuck_{s}"] = len(stuck[s]) / len(cells)
        intervals[f"stuck_{s}"] = _share_interval(len(stuck[s]), len(cells), level)

    median = math.exp(float(samples["lrs"].quantiles(ones)[5]))
    r_access = min(R_ACCESS, 0.2 * median)
    rounded: dict[str, Any] = {key: _rounded(value) for key, value in point.items()}
    card = DeviceCard(
        name=name,
        source=f"Fitted to {origin}: {len(cells)} cells, {len(row)} rows;"
        f" {len(stuck['lrs']) + len(stuck['hrs'])} stuck cells left out of the fit,"
        f" {swapped.sum()} swapped kept. Assumed:"
        " r_access. Left out: RTN, drift and memory between the cycles of a cell.",
        r_access=_rounded(r_access),
        **rounded,
    )
    summaries = {}
    for s in STATES:
        between, within = samples[s].components(samples[s].x, samples[s].x, ones)
        summaries[s] = StateSummary(
            measured=samples[s].quantiles(ones),
            fitted=laws[s].quantile(ndtri(PROBABILITIES)),
            sd_d2d=math.sqrt(max(between, 0.0)),
            sd_c2c=math.sqrt(within),
        )
    return DeviceFit(
        card=card,
        intervals=intervals,
        level=level,
        states=summaries,
        n_cells=len(cells),
        n_rows=len(row),
        n_inverted=int((log_r["hrs"] < log_r["lrs"])[kept].sum()),
        stuck_lrs=stuck["lrs"],
        stuck_hrs=stuck["hrs"],
        swapped=tuple(cells[swapped].tolist()),
    )


class _Sample:
    """ln R of one state, sorted once; every cell has a weight in what follows."""

    def __init__(self, x, cell):
        self.x, self.cell = x, cell
        self.order = np.argsort(x, kind="stable")
        self.count = np.bincount(cell)

    def positions(self, weight):
        """Probability of each row in sorted order, in the middle of its step."""
        w = weight[self.cell[self.order]].astype(float)
        total = np.cumsum(w)
        return (total - w / 2) / total[-1], w > 0

    def quantiles(self, weight):
        position, there = self.positions(weight)
        return np.interp(PROBABILITIES, position[there], self.x[self.order][there])

    def scores(self, weight):
        """Normal scores of all rows; those of cells without weight mean nothing."""
        scores = np.empty_like(self.x)
        scores[self.order] = ndtri(np.clip(self.positions(weight)[0], 1e-9, 1 - 1e-9))
        return scores

    def components(self, a, b, weight):
        """(Co)variance of two quantities of each row: between and within cells."""
        n, k, total = self.count, weight.sum(), (weight * self.count).sum()
        mean_a = np.bincount(self.cell, a) / n
        mean_b = np.bincount(self.cell, b) / n
        inside = np.bincount(
            self.cell, (a - mean_a[self.cell]) * (b - mean_b[self.cell])
        )
        within = (weight * inside).sum() / (total - k)
        off_a = mean_a - (weight * n * mean_a).sum() / total
        off_b = mean_b - (weight * n * mean_b).sum() / total
        between = (weight * n * off_a * off_b).sum() / (k - 1)
        n_0 = (total - (weight * n * n).sum() / total) / (k - 1)
        return (between - within) / n_0, within


def _numbers(samples, laws, weight) -> dict[str, float]:
    """The fitted numbers under their names in a card."""
    numbers = {}
    for s, end in zip(STATES, ("", "_hrs"), strict=True):
        law = laws[s]
        numbers[f"r_{s}"] = math.exp(law.mean)
        numbers[f"sigma_{s}"] = min(law.sigma, 3.0)
        if law.share:
            numbers[f"tail_share{end}"] = law.share
            numbers[f"tail_ratio{end}"] = min(max(math.exp(law.shift), 1e-3), 1e3)
            numbers[f"sigma_tail{end}"] = min(law.sigma_tail, 3.0)
    rows = samples["lrs"]
    a, b = (samples[s].scores(weight) for s in STATES)
    aa, bb, ab = (rows.components(*pair, weight) for pair in ((a, a), (b, b), (a, b)))
    for s, (between, within) in zip(STATES, (aa, bb), strict=True):
        numbers[f"d2d_{s}"] = _ratio(max(between, 0.0), max(between, 0.0) + within)
    for part, label in enumerate(("d2d", "c2c")):
        scale = math.sqrt(max(aa[part], 0.0) * max(bb[part], 0.0))
        numbers[f"correlation_{label}"] = min(max(_ratio(ab[part], scale), -1.0), 1.0)
    return numbers


def _law(quantiles, state, tail, start=None) -> Mixture:
    if not tail:
        return fit_normal(quantiles, TOLERANCES[state])
    return fit_mixture(quantiles, TOLERANCES[state], start)


def _needs_tail(sample: _Sample, boot: np.ndarray) -> bool:
    """Whether one normal is refuted: generalised least squares of the quantiles.

    Their covariance is the bootstrap's, so that cells, not rows, are what counts.
    """
    quantiles = sample.quantiles(np.ones(len(sample.count)))
    # The files' resolution of 0.1 Ohm keeps the covariance of equal cells invertible.
    covariance = np.cov(boot.T) + 1e-4**2 * np.eye(len(PROBABILITIES))
    root = np.linalg.cholesky(covariance)
    design = np.stack([np.ones(len(PROBABILITIES)), ndtri(PROBABILITIES)], 1)
    white = np.linalg.solve(root, np.column_stack([design, quantiles]))
    solution = np.linalg.lstsq(white[:, :2], white[:, 2], rcond=None)[0]
    misfit = ((white[:, 2] - white[:, :2] @ solution) ** 2).sum()
    return bool(misfit > chi2.isf(TAIL_P, len(PROBABILITIES) - 2))


def _check_size(cells, cycles) -> None:
    if len(cells) < MIN_CELLS:
        raise InputError(
            f"The measurements are of {len(cells)} {_plural('cell', len(cells))}, and"
            f" the spread between cells needs {MIN_CELLS} or more: measure more cells."
        )
    least = int(cycles.argmin())
    if (n := int(cycles[least])) < MIN_CYCLES:
        raise InputError(
            f"Cell {cells[least]} has {n} {_plural('cycle', n)}, and a fit needs"
            f" {MIN_CYCLES} or more of every cell: measure more cycles, or remove that"
            " cell."
        )


def _check_unit(log_r) -> None:
    lrs, hrs = (math.exp(float(np.median(log_r[s]))) for s in STATES)
    if not 200 < lrs < 1e8:
        told = "this looks like kOhm: multiply by 1000" if lrs <= 200 else "check it"
        raise InputError(
            f"The median of r_lrs_ohm is {lrs:.3g}, and a 1T1R cell has between 200"
            f" and 1e8 Ohm; {told}."
        )
    if hrs <= lrs:
        raise InputError(
            f"The median of r_hrs_ohm, {hrs:.3g} Ohm, is not above that of r_lrs_ohm,"
            f" {lrs:.3g} Ohm: check that the columns are not exchanged."
        )


def _share_interval(count: int, total: int, level: float) -> tuple[float, float]:
    """Of a share of independent cells; exact also where none was found.

    C. J. Clopper, E. S. Pearson, The use of confidence or fiducial limits, Biometrika
    26, 1934, 10.1093/biomet/26.4.404.
    """
    edge = (1 - level) / 2
    low = beta.ppf(edge, count, total - count + 1) if count else 0.0
    high = beta.isf(edge, count + 1, total - count) if count < total else 1.0
    return float(low), float(high)


def _ratio(a: float, b: float) -> float:
    return float(a / b) if b > 0 else 0.0


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
