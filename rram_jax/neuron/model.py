"""The neuron in JAX: from the bit line's staircase to the crossing and its count."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.numerics import straight_through
from rram_jax.types import Array, Float, register_record

SETTLE_STEPS = 3
"""[-] Fixed-point steps of `settle`: each divides what is left by exp(s / lag), at the
first decision five and more. `mean_crossing` takes one: a third of the gradient."""


@register_record
@dataclass(frozen=True)
class NeuronParams:
    """Behaviour of one layer's neurons; a field with an axis has one value a neuron."""

    gain: Float[Array, "..."]
    """[-] Slope of the crossing over that of the ideal neuron."""

    offset: Float[Array, "..."]
    """[slots] Added to the crossing: what `ramp_advance` leaves, and mismatch."""

    leak: Float[Array, "..."]
    """[1/s] One over the time constant of C_int and the gm cell's output."""

    curve: Float[Array, "..."]
    """[1/V^2] Compression of the pair: its current is gm v (1 - curve v^2)."""

    lag: Float[Array, "..."]
    """[s] Time constant with which the pair's current follows the reference step."""

    pulse_excess: Float[Array, "..."]
    """[slots] Width of an output pulse beyond its code, codes 1 to 14."""

    noise_rms: Float[Array, "..."]
    """[V] Noise of one conversion, referred to the bit line, at half scale: of the gm
    cell over integration and ramp, and what the auto-zero has sampled."""

    edge: Float[Array, "..."]
    """[V s] Area by which the start of pulses moves a bit line whose pairs are all
    driven: rows to v_cm - v_read are driven before the others (`edge_weight`)."""

    v_full: Float[Array, "..."]
    """[V] Full scale, the height of the reference step."""

    v_shift: Float[Array, "..."]
    """[V] Reference below v_cm during integration."""

    t_slot: Float[Array, "..."]
    """[s] Slot."""

    ramp_advance: Float[Array, "..."]
    """[slots] From the reference step to the first decision."""


def ideal_params(config: NeuronConfig) -> NeuronParams:
    """A neuron without leak, compression, offset and noise (float32)."""
    zero = jnp.zeros((), jnp.float32)
    return NeuronParams(
        gain=zero + 1,
        offset=zero,
        leak=zero,
        curve=zero,
        lag=zero,
        pulse_excess=zero,
        noise_rms=zero,
        edge=zero,
        v_full=zero + config.v_full,
        v_shift=zero + config.v_shift,
        t_slot=zero + config.t_slot,
        ramp_advance=zero + config.ramp_advance,
    )


def edge_weight(share: Float[Array, "..."]) -> Float[Array, "..."]:
    """[-] Part of `NeuronParams.edge` that a line has with a share of its pairs driven.

    While rows of the driven pairs already pull at v_cm - v_read, their partners float:
    of n pairs, n share rows stand against n (2 - share).
    """
    return share / (2 - share)


def slot_weights(params: NeuronParams) -> Float[Array, "*neurons slots"]:
    """Share of a slot's charge that is left when the ramp starts, in (0, 1].

    Row pulses arrive behind a pulse gate, about as much later than the slot's boundary
    as the clock leads it (`Technology.lead`), so neither delay appears here.
    """
    slots_until_ramp = SLOTS + 0.5 - params.ramp_advance[..., None] - jnp.arange(SLOTS)
    return jnp.exp(-(params.leak * params.t_slot)[..., None] * slots_until_ramp)


def ramp(
    charge: Float[Array, "*batch"], params: NeuronParams, steps: int = SETTLE_STEPS
) -> Float[Array, "*positions"]:
    """Crossing [slots after the reference step] of a charge in slots of ramp current.

    While the ramp's current runs the charge back, C_int leaks on: `t = tau ln(1 + q /
    tau)`, q and tau in slots.
    """
    x = params.leak * params.t_slot * charge
    # Far below zero the logarithm would leave its domain; such a neuron counts 0.
    x = jnp.maximum(x, -0.9)
    small = jnp.abs(x) < 1e-3
    safe = jnp.where(small, 1.0, x)
    # log(1 + x) / x, by its series where the quotient would lose digits or be 0 / 0.
    shrink = jnp.where(small, 1 - x / 2 + x * x / 3, jnp.log1p(safe) / safe)
    return settle(params.gain * charge * shrink + params.offset, params, steps)


def settle(
    late: Float[Array, "*batch"], params: NeuronParams, steps: int = SETTLE_STEPS
) -> Float[Array, "*positions"]:
    """Crossing [slots] of a ramp that would be at `late` if it lagged from the start.

    Behind the reference's step the current is short of its value by exp(-s / lag) after
    a time s, so that C_int has run back by `s + lag exp(-s / lag) - lag`: late by the
    lag, which `offset` holds, and by less near the start.
    """
    lag = params.lag / params.t_slot
    before = params.ramp_advance - 0.5  # the step, before position 0
    start = late + before
    s = start
    for _ in range(steps):
        s = start - lag * jnp.exp(-jnp.maximum(s, 0.0) / jnp.maximum(lag, 1e-6))
    return s - before


@jax.jit
def crossing(
    v_bl: Float[Array, "*batch slots"], params: NeuronParams
) -> Float[Array, "*positions"]:
    """Position [slots] at which C_int is back at v_pre; a decision k sees it before.

    Decision k finds `out` above v_pre where the position exceeds `0.5 + k /
    clocks_per_slot`; see `to_counts`. Without leak and compression the position is
    `15 (mean(v_bl) + v_shift) / v_full`.

    Args:
        v_bl: [V] Bit line above v_cm in each of the 15 slots.
        params: Fields with a neuron axis broadcast against the axes before the slots.
    """
    v = v_bl + params.v_shift[..., None]
    current = v * (1 - params.curve[..., None] * v * v)
    unit = params.v_full * (1 - params.curve * params.v_full**2)
    return ramp((slot_weights(params) * current).sum(-1) / unit, params)


def on_time(
    widths: Float[Array, "*batch"], params: NeuronParams
) -> Float[Array, "*batch"]:
    """[slots] Current that pulses from slot 0 on, `widths` slots wide, leave on C_int.

    `slot_weights` summed over a pulse, and smooth in its width; one number for a layer,
    so leak and ramp_advance must be scalars.
    """
    a = params.leak * params.t_slot
    start = jnp.exp(-a * (SLOTS + 0.5 - params.ramp_advance))
    # Where nothing leaks the quotient would be 0 / 0.
    safe = jnp.maximum(a, 1e-6)
    return start * jnp.expm1(safe * widths) / jnp.expm1(safe)


def mean_crossing(
    v_mean: Float[Array, "*batch"],
    params: NeuronParams,
    peak: Float[Array, "*#batch"] | float = 1.0,
) -> Float[Array, "*positions"]:
    """`crossing` from the bit line's mean over the slots: one number for 15.

    The same from the first decision on, to thousandths of a slot, without compression,
    for which the shape of the staircase is needed: `peak` is the mean of its cube over
    the cube of its mean (`staircase_peak`).

    Args:
        v_mean: [V] Bit line's mean over the 15 slots, each by its `slot_weights`
            (`on_time` over 15).
        params: Scalars, or one value a neuron.
        peak: [-] 1 for a constant, 2 for a straight fall to nothing.
    """
    v = v_mean + params.v_shift * on_time(jnp.asarray(1.0 * SLOTS), params) / SLOTS
    unit = params.v_full * (1 - params.curve * params.v_full**2)
    current = v * (1 - params.curve * peak * v * v)
    return ramp(SLOTS * current / unit, params, steps=1)


def staircase_peak(codes: Float[Array, "*batch inputs"]) -> Float[Array, "*batch"]:
    """[-] Mean cube over cubed mean of a bit line that falls as pulses end.

    As if every input that is still driven counted alike.
    """
    slots = jnp.arange(SLOTS, dtype=codes.dtype)
    on = (codes[..., None] > slots).mean(-2, dtype=codes.dtype)
    cube = jnp.maximum(on.mean(-1), 1e-6) ** 3
    return (on**3).mean(-1) / cube


@partial(jax.jit, static_argnames="config")
def to_counts(
    position: Float[Array, "*batch"], config: NeuronConfig
) -> Float[Array, "*batch"]:
    """Number of decisions that find `out` above v_pre, as a float, 0 to `decisions`.

    With one clock a slot this is the 4-bit code, the position rounded and clipped. The
    gradient is that of the clipped line through the middle of the steps.
    """
    scaled = (position - 0.5) * config.clocks_per_slot
    hard = jnp.clip(jnp.ceil(scaled), 0, config.decisions)
    soft = jnp.clip(scaled + 0.5, 0, config.decisions)
    return straight_through(hard, soft)
