"""RESET voltage and pulse width as a knob: resistance, spread, energy, stress."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.device.card import DeviceCard, DeviceParams
from rram_jax.device.cell import read_resistance, rram_voltage
from rram_jax.device.filament import (
    FilamentCard,
    FilamentParams,
    FilamentSpread,
    current,
    load_filament,
    temperature,
)
from rram_jax.device.programming import barrier_spread
from rram_jax.device.pulse import apply_pulse
from rram_jax.errors import InputError
from rram_jax.types import Array, Float, register_record

_STATIONS = 33
"""[-] Barriers on the way of a pulse among which the largest stress is looked for."""


@register_record
@dataclass(frozen=True)
class ResetOutcome:
    """What one RESET pulse makes of cells in the low state: nominal, and its spread."""

    r_lrs: Float[Array, "*pulses"]
    """[Ohm] Read resistance of the nominal cell before the pulse."""

    r_hrs: Float[Array, "*pulses"]
    """[Ohm] Read resistance of the nominal cell after it: the median over cells."""

    sigma_lrs: Float[Array, "*pulses"]
    """[-] Standard deviation of ln R over cells and programmings, before."""

    sigma_hrs: Float[Array, "*pulses"]
    """[-] The same after."""

    correlation: Float[Array, "*pulses"]
    """[-] Between ln R before and after, through the filament's cross-section."""

    energy: Float[Array, "*pulses"]
    """[J] Taken by the nominal cell, RRAM and access transistor, during the pulse."""

    peak_current: Float[Array, "*pulses"]
    """[A] Largest through the cell."""

    peak_voltage: Float[Array, "*pulses"]
    """[V] Largest across the RRAM alone."""

    peak_field: Float[Array, "*pulses"]
    """[V/m] Largest across barrier and hopping region, V / (d_reset + x)."""

    peak_temperature: Float[Array, "*pulses"]
    """[K] Largest of the filament."""


@partial(jax.jit, static_argnames="card")
def reset_outcome(
    v_reset: Float[Array, "*#pulses"],
    width: Float[Array, "*#pulses"],
    card: FilamentCard,
    params: FilamentParams,
    spread: FilamentSpread,
) -> ResetOutcome:
    """What one RESET pulse from the low state makes of cells; differentiable.

    Spreads come from cells one standard deviation of ln s off either way, and from the
    slope in x: first order (`device.programming` draws the cells themselves). The
    largest current, field and so on are among those at `_STATIONS` barriers between
    start and end.

    Args:
        v_reset: [V] Cell voltage of the pulse.
        width: [s] Its width.
        card: Gate voltages and read voltage.
        params: The technology, `card.params()`.
        spread: Its spread, `card.spread()`.
    """
    v_reset, width = jnp.broadcast_arrays(v_reset, width)
    zero = jnp.zeros_like(v_reset)
    one = zero + 1

    def pulse(log_s):
        return apply_pulse(
            zero, jnp.exp(log_s), v_reset, zero + card.gate_reset, width, params
        )

    def log_read(x, log_s):
        r = read_resistance(
            zero + card.v_read, zero + card.gate_read, x, jnp.exp(log_s), params
        )
        return jnp.log(r)

    result = pulse(zero)
    log_lrs, lrs_by_s = jax.jvp(lambda s: log_read(zero, s), (zero,), (one,))
    log_hrs, hrs_by_x = jax.jvp(lambda x: log_read(x, zero), (result.x,), (one,))
    # A pulse can be differentiated once, which is left to the caller.
    high, low = zero + spread.sigma_s, zero - spread.sigma_s
    above, below = (log_read(pulse(s).x, s) for s in (high, low))
    of_s = (above - below) / 2
    of_x = hrs_by_x * barrier_spread(result.x, spread)
    sigma_hrs = _length(of_s, of_x)

    way = jnp.linspace(0.0, 1.0, _STATIONS, dtype=zero.dtype)
    x = result.x[..., None] * way
    v_cell, one = v_reset[..., None], one[..., None]
    v = rram_voltage(v_cell, card.gate_reset * one, x, one, params)
    i = current(v, x, one, params)
    return ResetOutcome(
        r_lrs=jnp.exp(log_lrs),
        r_hrs=jnp.exp(log_hrs),
        sigma_lrs=jnp.abs(lrs_by_s) * spread.sigma_s,
        sigma_hrs=sigma_hrs,
        correlation=jnp.sign(lrs_by_s) * of_s / jnp.where(sigma_hrs > 0, sigma_hrs, 1),
        energy=result.energy,
        peak_current=i.max(-1),
        peak_voltage=v.max(-1),
        peak_field=(v / (params.d_reset + x)).max(-1),
        peak_temperature=temperature(v, i, params).max(-1),
    )


def params_at_reset(
    card: DeviceCard,
    v_reset: Float[Array, ""],
    t_reset: Float[Array, ""],
    filament: FilamentCard,
) -> DeviceParams:
    """Numbers of a device card after RESET pulses of another voltage or width.

    The compact model says by which factor median and spread of HRS change from the
    card's own conditions, so at these the card comes out as it is. The number of RTN
    traps goes with the logarithm of R_HRS / R_LRS, as in `rtn.py`. LRS, which SET
    makes, stays. Differentiable in `v_reset` [V] and `t_reset` [s].

    Args:
        card: The card, with the conditions that its numbers stand for.
        v_reset: [V] Cell voltage of the pulse.
        t_reset: [s] Its width.
        filament: The compact model that the card follows.
    """
    device = card.params()
    v = jnp.stack([jnp.asarray(card.v_reset, v_reset.dtype), v_reset])
    t = jnp.stack([jnp.asarray(card.t_reset, t_reset.dtype), t_reset])
    outcome = reset_outcome(v, t, filament, filament.params(), filament.spread())
    grown = outcome.r_hrs[1] / outcome.r_hrs[0]
    spread = outcome.sigma_hrs[1] / outcome.sigma_hrs[0]
    depth = 1 + jnp.log(grown) / jnp.log(device.r_hrs / device.r_lrs)
    return dataclasses.replace(
        device,
        r_hrs=device.r_hrs * grown,
        sigma_hrs=device.sigma_hrs * spread,
        sigma_tail_hrs=device.sigma_tail_hrs * spread,
        rtn_traps=device.rtn_traps * jnp.stack([jnp.ones_like(depth), depth]),
    )


def at_reset(
    card: DeviceCard, v_reset: float | None = None, t_reset: float | None = None
) -> DeviceCard:
    """Make the card of the same cells after RESET pulses of another voltage or width.

    Args:
        card: A card that names its `filament`.
        v_reset: [V] Cell voltage of the pulse; None keeps the card's.
        t_reset: [s] Its width; None keeps the card's.

    Raises:
        InputError: The card names no compact model, or the pulse lies outside of what
            that speaks for.
    """
    if v_reset is None and t_reset is None:
        return card
    if not card.filament:
        raise InputError(
            f"The device card {card.name!r} names no filament card, so nothing says"
            " what another RESET pulse makes of it: take one that does, such as"
            " hfo2-nominal."
        )
    filament = load_filament(card.filament)
    v_reset = card.v_reset if v_reset is None else v_reset
    t_reset = card.t_reset if t_reset is None else t_reset
    check_pulse(filament, v_reset, t_reset)
    # In float32, as `DeviceParams` are: the very numbers of `params_at_reset`.
    v, t = (jnp.asarray(z, jnp.float32) for z in (v_reset, t_reset))
    device = params_at_reset(card, v, t, filament)
    return dataclasses.replace(
        card,
        name=f"{card.name}-{v_reset:g}V-{t_reset:g}s",
        r_hrs=float(device.r_hrs),
        sigma_hrs=float(device.sigma_hrs),
        sigma_tail_hrs=float(device.sigma_tail_hrs),
        rtn_traps_hrs=float(device.rtn_traps[1]),
        v_reset=v_reset,
        t_reset=t_reset,
    )


def check_pulse(filament: FilamentCard, v_reset: float, t_reset: float) -> None:
    """Check that a filament card speaks for a RESET pulse.

    Raises:
        InputError: Voltage [V] or width [s] lies outside of the card's range.
    """
    for name, value, unit in (("v_reset", v_reset, "V"), ("t_reset", t_reset, "s")):
        low, high = (getattr(filament, f"{name}_{end}") for end in ("low", "high"))
        if not low <= value <= high:
            raise InputError(
                f"The filament card {filament.name!r} holds for {name} between {low:g}"
                f" and {high:g} {unit}; got {value:g}."
            )


def _length(a, b):
    """sqrt(a^2 + b^2) with a finite slope at zero."""
    square = a**2 + b**2
    root = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    return jnp.where(square > 0, root, 0.0)
