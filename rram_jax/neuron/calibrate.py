"""Fit the neuron's laws to a testbench's crossings at many operating points.

Those of a latch come from the waveform and the counts (`latch_threshold`,
`ngspice.decode.crossings`),
those of a continuous comparator are the fall of its output.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.law import Law, Term, evaluate, fit_law, operating_point
from rram_jax.neuron.model import NeuronParams, crossing, to_counts

SHAPES: dict[str, tuple[Term, ...]] = {
    "gain": (
        Term(coefficient=1.0),
        Term(coefficient=0.0, c_total=-1),
        Term(coefficient=0.0, i_bias=1, c_total=-1),
        Term(coefficient=0.0, i_bias=-1),
        Term(coefficient=0.0, t_slot=-1),
    ),
    "offset": (
        Term(coefficient=0.0),
        Term(coefficient=0.0, t_slot=-1),
        Term(coefficient=0.0, i_bias=-1, t_slot=-1, v_full=-1),
        Term(coefficient=0.0, i_bias=-1, t_slot=-1, v_full=-1, c_total=1),
        Term(coefficient=0.0, v_full=-1),
        Term(coefficient=0.0, t_slot=-1, i_bias=-0.5, v_full=-0.5, c_total=0.5),
        Term(coefficient=0.0, i_bias=1, c_total=-2),
        Term(coefficient=0.0, c_total=-1),
        Term(coefficient=0.0, t_slot=-1, v_full=-1),
    ),
    "leak": (Term(coefficient=0.6e6, i_bias=1, c_total=-1),),
    "curve": (Term(coefficient=16.0),),
    "lag": (Term(coefficient=1.3e-9),),
}
"""Terms of each law, with the coefficients that the fit starts from.

The offset of a crossing is a delay (over the slot), which in a comparator goes with
the root of the ramp's slope; charge that switches and latch leave on C_int (over the
charge of a slot, or over C_int where they kick it); a threshold at `out` (over the
swing) or at the input (over v_full). The leak is the cell's output conductance over
C_int. What gain is left is parasitic charge over C_int and sizes that do not scale with
the bias.
"""

NOISE_SHAPES = (
    Term(coefficient=1.0, i_bias=-1, t_slot=-1),
    Term(coefficient=1.0, i_bias=-1),
    Term(coefficient=1.0),
    Term(coefficient=1.0, c_total=1),
    Term(coefficient=1.0, c_total=2),
)
"""Of `noise_variance`: white noise of a pair over a conversion, its 1/f noise, and what
the auto-zero samples, whose band is gm_aux over the hold capacitor and C_int (one over
a sum, here to second order of C_int over the hold capacitor)."""

EXCESS_SHAPES = (Term(coefficient=1.0), Term(coefficient=1.0, t_slot=-1))
"""Of `pulse_excess`: a share of the latch's load, and a delay."""

SLOPE_SHAPES = {
    "offset": (
        Term(coefficient=1.0),
        Term(coefficient=1.0, v_full=-1),
        Term(coefficient=1.0, v_full=1),
        Term(coefficient=1.0, i_bias=-1, t_slot=-1, v_full=-1),
        Term(coefficient=1.0, i_bias=-1, t_slot=-1, v_full=-1, c_total=1),
    ),
    "gain": (
        Term(coefficient=1.0),
        Term(coefficient=1.0, v_full=-1),
        Term(coefficient=1.0, v_full=1),
        Term(coefficient=1.0, i_bias=-1, t_slot=-1, v_full=-1),
    ),
}
"""Of what a threshold shift does: at the input (over v_full), to the charge of a slot
(over i_bias t_slot v_full), and at `out` (that times c_total: over the swing)."""

UNIT = {"gain": 1.0, "offset": 1.0, "leak": 1e6, "curve": 100.0, "lag": 1e-9}
"""Sizes that bring the laws' coefficients to order one."""

PRIOR = 10.0
"""[-] In these units, how far a coefficient may stray where no crossing holds it."""

NOISE = 0.005
"""[slots] Expected misfit, which weighs the crossings against `PRIOR`."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Crossings of one operating point's staircases."""

    config: NeuronConfig
    staircases: np.ndarray
    """[n, 15, V] Bit line above v_cm in each slot."""

    position: np.ndarray
    """[n, slots] Crossings; NaN outside the ramp."""

    counts: np.ndarray
    """[n] Decisions up to the first 0."""

    bracket: float = 0.0
    """[slots] Half the interval in which the counts leave a latch's threshold."""


@dataclass(frozen=True, kw_only=True)
class CrossingLaws:
    """What a kind's crossings follow; see `NeuronParams`."""

    gain: Law
    """[-]"""

    offset: Law
    """[slots] At a ramp advance of 0.5."""

    leak: Law
    """[1/s]"""

    curve: Law
    """[1/V^2]"""

    lag: Law
    """[s]"""

    def params(self, config: NeuronConfig) -> NeuronParams:
        """For the model, in the dtype of the mode; without noise and pulse excess."""
        point = operating_point(config)
        fitted = {name: evaluate(getattr(self, name), point) for name in UNIT}
        return _params(fitted, config)


def latch_threshold(difference: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """[V] Difference at the clock edge above which the latch says 1, and its doubt.

    The middle of the interval between the highest 0 and the lowest 1 that the counts
    show, and half its width; where they overlap, those of the overlap. Counts of 0 do
    not speak: below the threshold before the ramp their first decision follows a 0.

    Args:
        difference: [n, decisions, V] out above dum just before each edge.
        counts: [n] Decisions up to the first 0.

    Returns:
        NaN and infinity where no count from 1 on ends within the ramp.
    """
    k = np.arange(difference.shape[1])
    zeros = difference[(k == counts[:, None]) & (k > 0)]
    ones = difference[k == counts[:, None] - 1]
    if not (zeros.size and ones.size):
        return math.nan, math.inf
    highest_zero, lowest_one = zeros.max(), ones.min()
    middle, half = (lowest_one + highest_zero) / 2, (lowest_one - highest_zero) / 2
    return float(middle), float(abs(half))


def fit_crossings(measured: Sequence[Measured]) -> CrossingLaws:
    """Least squares of the model's crossings on the measured ones, all points at once.

    Every law's coefficients (`SHAPES`) are free; the points share them, so that what
    one full scale cannot tell, another does.
    """
    seen = [np.isfinite(m.position) for m in measured]
    index = np.repeat(np.arange(len(measured)), [s.sum() for s in seen])
    configs = [m.config for m in measured]
    names = list(UNIT)
    start = np.concatenate(
        [[t.coefficient / UNIT[name] for t in SHAPES[name]] for name in names]
    )
    ends = np.cumsum([len(SHAPES[name]) for name in names])
    with jax.enable_x64(True):
        pairs = list(zip(measured, seen, strict=True))
        stairs = jnp.concatenate([jnp.asarray(m.staircases[s]) for m, s in pairs])
        target = jnp.concatenate([jnp.asarray(m.position[s]) for m, s in pairs])
        doubt = NOISE + jnp.asarray([m.bracket for m in measured])[index]
        columns = {name: _columns(SHAPES[name], configs)[index] for name in names}
        fixed = {
            name: jnp.asarray([getattr(c, name) for c in configs])[index]
            for name in ("v_full", "v_shift", "t_slot", "ramp_advance")
        }

        @jax.jit
        def residual(x: jax.Array) -> jax.Array:
            parts = jnp.split(x, ends[:-1].tolist())
            fitted = {
                name: columns[name] @ part * UNIT[name]
                for name, part in zip(names, parts, strict=True)
            }
            fitted["offset"] -= fixed["ramp_advance"] - 0.5
            zero = jnp.zeros((), x.dtype)
            params = NeuronParams(
                **fitted, **fixed, pulse_excess=zero, noise_rms=zero, edge=zero
            )
            misfit = (crossing(stairs, params) - target) / doubt
            return jnp.concatenate([misfit, (x - start) / PRIOR])

        slope = jax.jit(jax.jacfwd(residual))
        best = least_squares(
            lambda x: np.asarray(residual(x)),
            start,
            jac=lambda x: np.asarray(slope(x)),  # type: ignore[arg-type]  # stub: str
            loss="soft_l1",
            f_scale=2.0,
        )
    laws = {}
    for name, part in zip(names, np.split(best.x, ends[:-1]), strict=True):
        laws[name] = tuple(
            dataclasses.replace(term, coefficient=float(x * UNIT[name]))
            for term, x in zip(SHAPES[name], part, strict=True)
        )
    return CrossingLaws(**laws)


def judge(laws: CrossingLaws, measured: Sequence[Measured]) -> dict[str, float]:
    """How laws do at operating points that they have not seen.

    Returns:
        `residual_rms` and `residual_max` [slots] of the crossings, `equal` and
        `within_1`, shares of the counts.
    """
    misses, apart = [], []
    for m in measured:
        with jax.enable_x64(True):
            position = crossing(jnp.asarray(m.staircases), laws.params(m.config))
            said = np.asarray(to_counts(position, m.config))
        misses.append(m.position - np.asarray(position))
        apart.append(np.abs(said - m.counts))
    miss, away = np.concatenate(misses), np.concatenate(apart)
    return {
        "residual_rms": float(np.sqrt(np.nanmean(miss**2))),
        "residual_max": float(np.nanmax(np.abs(miss))),
        "equal": float(np.mean(away == 0)),
        "within_1": float(np.mean(away <= 1)),
    }


def fit_slopes(
    part: str,
    configs: Sequence[NeuronConfig],
    slopes: Sequence[dict[str, float]],
) -> dict[str, tuple[float, ...]]:
    """Coefficients of `SLOPE_SHAPES[part]` for each transistor.

    Args:
        part: `offset` or `gain`.
        configs: Neurons that were measured.
        slopes: [slots/V or 1/V] Of each of them, by transistor.
    """
    # Widths follow the bias current, so a threshold spreads as one over its root.
    weights = [c.i_bias**-0.5 for c in configs]
    rows = {}
    for name in slopes[0]:
        values = [s[name] for s in slopes]
        law = fit_law(SLOPE_SHAPES[part], configs, values, weights)
        rows[name] = tuple(term.coefficient for term in law)
    return rows


def _columns(shapes: Sequence[Term], configs: Sequence[NeuronConfig]) -> jax.Array:
    """[points, terms] Value of each term with a coefficient of 1."""
    unit = [dataclasses.replace(term, coefficient=1.0) for term in shapes]
    points = [operating_point(config) for config in configs]
    return jnp.asarray(
        [[float(evaluate((term,), point)) for term in unit] for point in points]
    )


def _params(fitted: dict[str, jax.Array], config: NeuronConfig) -> NeuronParams:
    dtype = fitted["gain"].dtype
    fitted["offset"] = fitted["offset"] - (config.ramp_advance - 0.5)
    fixed = {
        name: jnp.asarray(getattr(config, name), dtype)
        for name in ("v_full", "v_shift", "t_slot", "ramp_advance")
    }
    zero = jnp.zeros((), dtype)
    return NeuronParams(**fitted, **fixed, pulse_excess=zero, noise_rms=zero, edge=zero)
