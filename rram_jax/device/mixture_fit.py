"""Mixtures of two normals in ln R, fitted to quantiles."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit, logit, ndtr, ndtri

from rram_jax.types import Float

PROBABILITIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
"""[-] Where a fit is held to what was measured."""

TOLERANCES = {
    "lrs": (0.03, 0.12, 0.03, 0.12, 0.03, 0.03, 0.03, 0.12, 0.03, 0.12, 0.07),
    "hrs": 11 * (0.1,),
}
"""[-] How far ln R of a fit may stand from the measured at each: what weighs them."""

_STEPS = 35  # halvings of a bracket of a few units of ln R: 1e-10 is left
_LEAST = 1e-5  # [-] smallest spread tried


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """ln R of one state: a body, and a tail that holds less than half of the cells."""

    mean: float
    """[-] ln of the body's median in ohms."""

    sigma: float
    """[-] Standard deviation of the body."""

    share: float = 0.0
    """[-] Share of the tail."""

    shift: float = 0.0
    """[-] Mean of the tail above that of the body."""

    sigma_tail: float = 0.0
    """[-] Standard deviation of the tail."""

    def quantile(self, normal: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Give ln R [-] at the probabilities of standard normal numbers."""
        if not self.share:
            return self.mean + self.sigma * normal
        return self.mean + _quantile(
            normal, self.share, 0.0, self.shift, self.sigma, self.sigma_tail
        )

    def normal(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Give the standard normal numbers of ln R [-]: undoes `quantile`."""
        sigma, sigma_tail = max(self.sigma, _LEAST), max(self.sigma_tail, _LEAST)
        u = (x - self.mean) / sigma
        v = (x - self.mean - self.shift) / sigma_tail
        below = (1 - self.share) * ndtr(u) + self.share * ndtr(v)
        above = (1 - self.share) * ndtr(-u) + self.share * ndtr(-v)
        # The smaller of the two keeps its digits.
        found = ndtri(np.clip(np.minimum(below, above), 1e-300, 0.5))
        return np.where(below < above, found, -found)


def fit_normal(quantiles: Float[np.ndarray, " p"], tolerances: tuple) -> Mixture:
    """The normal that comes closest to ln R [-] at `PROBABILITIES`, weighted."""
    weight = 1 / np.asarray(tolerances)
    design = np.stack([np.ones(len(weight)), ndtri(PROBABILITIES)], 1)
    solution = np.linalg.lstsq(
        design * weight[:, None], quantiles * weight, rcond=None
    )[0]
    return Mixture(mean=float(solution[0]), sigma=max(float(solution[1]), 0.0))


def fit_mixture(
    quantiles: Float[np.ndarray, " p"], tolerances: tuple, start: Mixture | None = None
) -> Mixture:
    """The body and tail that come closest to ln R [-] at `PROBABILITIES`, weighted.

    Least squares of quantiles and not of largest likelihood: measured tails are no
    normals, and likelihood would pay for their last per mille with the rest.

    Args:
        quantiles: Measured ln R, ascending.
        tolerances: What each distance is divided by.
        start: A guess; without one several are tried, with the tail on either side.
    """
    normal, weight = ndtri(PROBABILITIES), 1 / np.asarray(tolerances)
    width = max(float(quantiles[6] - quantiles[4]) / 1.349, 1e-3)
    if start is None:
        middle = float(quantiles[5])
        starts = [
            Mixture(
                mean=middle - side * 0.2 * width,
                sigma=0.8 * width,
                share=share,
                shift=side * 2 * width,
                sigma_tail=spread * width,
            )
            for side in (-1, 1)
            for share, spread in ((0.05, 2.0), (0.2, 0.5))
        ]
    else:
        starts = [start]

    def unpack(t):
        share = 0.5 * expit(t[0])
        return share, t[1], t[2], *(np.exp(np.clip(t[3:], np.log(_LEAST), 1.0)))

    last = {}  # the solver asks for distance and slope at the same point

    def fitted(t):
        if (key := t.tobytes()) not in last:
            last.clear()
            last[key] = _quantile(normal, *unpack(t))
        return last[key]

    def distance(t):
        return weight * (fitted(t) - quantiles)

    def slope(t):
        share, mean, mean_tail, sigma, sigma_tail = unpack(t)
        x = fitted(t)
        u, v = (x - mean) / sigma, (x - mean_tail) / sigma_tail
        body, tail = (1 - share) * _density(u) / sigma, share * _density(v) / sigma_tail
        # The theorem of implicit functions, for F(x; t) = probability.
        f = [
            (ndtr(v) - ndtr(u)) * share * (1 - 2 * share),
            -body,
            -tail,
            -body * u * sigma,
            -tail * v * sigma_tail,
        ]
        density = np.maximum(body + tail, 1e-12)
        return -np.stack(f, 1) * (weight / density)[:, None]

    best = min(
        (
            least_squares(
                distance,
                _pack(s, width),
                jac=slope,  # pyright: ignore[reportArgumentType]  # stub: str
                method="lm",
                xtol=1e-6,
                ftol=1e-6,
            )
            for s in starts
        ),
        key=lambda found: found.cost,
    )
    share, mean, mean_tail, sigma, sigma_tail = map(float, unpack(best.x))
    return Mixture(
        mean=mean,
        sigma=sigma,
        share=share,
        shift=mean_tail - mean,
        sigma_tail=sigma_tail,
    )


def _pack(start: Mixture, width: float) -> list[float]:
    return [
        float(logit(np.clip(2 * start.share, 1e-3, 1 - 1e-3))),
        start.mean,
        start.mean + start.shift,
        math.log(max(start.sigma, 1e-3 * width)),
        math.log(max(start.sigma_tail, 1e-3 * width)),
    ]


def _density(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _quantile(normal, share, mean, mean_tail, sigma, sigma_tail):
    """Between the quantiles of body and tail, by bisection."""
    ends = mean + sigma * normal, mean_tail + sigma_tail * normal
    low, high = np.minimum(*ends), np.maximum(*ends)
    sigma, sigma_tail = max(sigma, _LEAST), max(sigma_tail, _LEAST)
    side = np.where(normal > 0, -1.0, 1.0)  # of survival functions beyond the median
    wanted = ndtr(side * normal)
    for _ in range(_STEPS):
        x = (low + high) / 2
        found = (1 - share) * ndtr(side * (x - mean) / sigma)
        found += share * ndtr(side * (x - mean_tail) / sigma_tail)
        above = side * (found - wanted) > 0
        low, high = np.where(above, low, x), np.where(above, x, high)
    return (low + high) / 2
