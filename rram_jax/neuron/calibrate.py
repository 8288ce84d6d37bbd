"""Fit the neuron's model to a testbench's crossings.

Those of a latch come from the waveform and the counts (`fit_neuron`), those of a
continuous comparator are the fall of its output (`fit_crossings`).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.model import NeuronParams, crossing, to_counts

UNIT = {"gain": 1.0, "offset": 1.0, "leak": 1e6, "curve": 100.0}
"""Fitted parameters, with sizes that bring them to order one."""

CURVE = (15.0, 15.0)
"""[1/V^2] Compression expected of the pair, and how far it may lie off: at a full scale
of a few millivolts nothing else holds it."""

NOISE = 0.005
"""[slots] Expected misfit, which weighs the crossings against `CURVE`."""


@dataclass(frozen=True, kw_only=True)
class NeuronFit:
    """What a set of staircases says about one kind of neuron."""

    gain: float
    """[-] See `NeuronParams`."""

    offset: float
    """[slots] See `NeuronParams`; at a ramp advance of 0.5."""

    leak: float
    """[1/s] See `NeuronParams`."""

    curve: float
    """[1/V^2] See `NeuronParams`."""

    threshold: float
    """[V] Of out above dum at which the latch decides: its dynamic offset. Zero for a
    continuous comparator, whose offset is in `offset`."""

    bracket: float
    """[V] Half the interval in which the counts leave the threshold."""

    def params(self, config: NeuronConfig) -> NeuronParams:
        """For the model, in the dtype of the mode; without noise and pulse excess."""
        fitted = jnp.array([getattr(self, name) / unit for name, unit in UNIT.items()])
        return _params(fitted, config)


def latch_threshold(difference: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """[V] Difference at the clock edge above which the latch says 1, and its doubt.

    The middle of the interval between the highest 0 and the lowest 1 that the counts
    show, and half its width; where they overlap, those of the overlap.

    Args:
        difference: [n, decisions, V] out above dum just before each edge.
        counts: [n] Decisions up to the first 0.
    """
    k = np.arange(difference.shape[1])
    highest_zero = difference[k == counts[:, None]].max()
    lowest_one = difference[k == counts[:, None] - 1].min()
    middle, half = (lowest_one + highest_zero) / 2, (lowest_one - highest_zero) / 2
    return float(middle), float(abs(half))


def crossings(
    difference: np.ndarray, threshold: float, config: NeuronConfig
) -> np.ndarray:
    """Positions [n, slots] at which out passes dum + threshold; NaN outside the ramp.

    Straight lines between clock edges, and up to half a slot beyond the first and the
    last one. Using the values at the edges keeps the latch's kick in.
    """
    above = difference - threshold
    last = above.shape[1] - 1
    end = np.where((above <= 0).any(1), (above <= 0).argmax(1), last)
    end = np.clip(end, 1, last)
    rows = np.arange(len(above))
    high, low = above[rows, end - 1], above[rows, end]
    decision = end - 1 + high / (high - low)
    margin = 0.5 * config.clocks_per_slot
    outside = (decision < -margin) | (decision > last + margin)
    return np.where(outside, np.nan, 0.5 + decision / config.clocks_per_slot)


def fit_neuron(
    staircases: np.ndarray,
    difference: np.ndarray,
    counts: np.ndarray,
    config: NeuronConfig,
) -> NeuronFit:
    """The threshold of the latch, and with it `fit_crossings`.

    Args:
        staircases: [n, 15, V] Bit line above v_cm in each slot.
        difference: [n, decisions, V] out above dum just before each clock edge.
        counts: [n] Decisions up to the first 0.
        config: The neurons that were measured.
    """
    threshold, bracket = latch_threshold(difference, counts)
    position = crossings(difference, threshold, config)
    return fit_crossings(staircases, position, config, threshold, bracket)


def fit_crossings(
    staircases: np.ndarray,
    position: np.ndarray,
    config: NeuronConfig,
    threshold: float = 0.0,
    bracket: float = 0.0,
) -> NeuronFit:
    """Least squares of the model's crossings on the measured ones.

    Args:
        staircases: [n, 15, V] Bit line above v_cm in each slot.
        position: [n, slots] Crossings; NaN outside the ramp.
        config: The neurons that were measured.
        threshold: [V] Kept in the result.
        bracket: [V] Kept in the result.
    """
    inside = np.isfinite(position)
    with jax.enable_x64(True):
        stairs = jnp.asarray(staircases[inside])
        target = jnp.asarray(position[inside])

        @jax.jit
        def residual(x: jax.Array) -> jax.Array:
            misfit = (crossing(stairs, _params(x, config)) - target) / NOISE
            return jnp.append(misfit, (x[3] * UNIT["curve"] - CURVE[0]) / CURVE[1])

        slope = jax.jit(jax.jacfwd(residual))
        best = least_squares(
            lambda x: np.asarray(residual(x)),
            np.array([1.0, 0.0, 0.4, 0.1]),
            jac=lambda x: np.asarray(slope(x)),  # type: ignore[arg-type]  # stub: str
        )
    fitted = {
        name: float(x * unit)
        for x, (name, unit) in zip(best.x, UNIT.items(), strict=True)
    }
    return NeuronFit(**fitted, threshold=threshold, bracket=bracket)


def judge(
    fit: NeuronFit,
    staircases: np.ndarray,
    measured: np.ndarray,
    counts: np.ndarray,
    config: NeuronConfig,
) -> dict[str, float]:
    """How a fit does on staircases that it has not seen.

    Args:
        fit: Made from other staircases.
        staircases: [n, 15, V] Bit line above v_cm in each slot.
        measured: [n, slots] Their crossings; NaN outside the ramp.
        counts: [n] Their counts.
        config: The neurons that were measured.

    Returns:
        `residual_rms` and `residual_max` [slots] of the crossings, `equal` and
        `within_1`, shares of the counts.
    """
    with jax.enable_x64(True):
        position = np.asarray(crossing(jnp.asarray(staircases), fit.params(config)))
    said = np.asarray(to_counts(jnp.asarray(position), config))
    miss = measured - position
    return {
        "residual_rms": float(np.sqrt(np.nanmean(miss**2))),
        "residual_max": float(np.nanmax(np.abs(miss))),
        "equal": float(np.mean(said == counts)),
        "within_1": float(np.mean(np.abs(said - counts) <= 1)),
    }


def _params(x: jax.Array, config: NeuronConfig) -> NeuronParams:
    """Params for a vector in `UNIT`s, its offset that of a ramp advance of 0.5."""
    fitted = {name: x[i] * unit for i, (name, unit) in enumerate(UNIT.items())}
    fitted["offset"] -= config.ramp_advance - 0.5
    fixed = {
        name: jnp.asarray(getattr(config, name), x.dtype)
        for name in ("v_full", "v_shift", "t_slot", "ramp_advance")
    }
    zero = jnp.zeros((), x.dtype)
    return NeuronParams(**fitted, **fixed, pulse_excess=zero, noise_rms=zero)
