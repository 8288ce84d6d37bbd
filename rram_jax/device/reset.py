"""RESET voltage and pulse width as a knob: resistance, spread, energy, stress."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.device.card import MAX_MEAN, DeviceCard, DeviceParams
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

LEAST_RATIO = 1.1
"""[-] Of the medians of HRS and LRS: cells with less are no memory."""

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


@partial(jax.jit, static_argnames="filament")
def reset_outcome(
    v_reset: Float[Array, "*#pulses"],
    t_reset: Float[Array, "*#pulses"],
    filament: FilamentCard,
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
        t_reset: [s] Its width.
        filament: Gate voltages and read voltage.
        params: The technology, `filament.params()`.
        spread: Its spread, `filament.spread()`.
    """
    v_reset, t_reset = jnp.broadcast_arrays(v_reset, t_reset)
    zero = jnp.zeros_like(v_reset)
    one = zero + 1

    def pulse(log_s):
        return apply_pulse(
            zero, jnp.exp(log_s), v_reset, zero + filament.gate_reset, t_reset, params
        )

    def log_read(x, log_s):
        r = read_resistance(
            zero + filament.v_read, zero + filament.gate_read, x, jnp.exp(log_s), params
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
    v = rram_voltage(v_cell, filament.gate_reset * one, x, one, params)
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
    traps goes with ln(R_HRS / R_LRS), as in `rtn.py`, up to `MAX_MEAN`. LRS, which SET
    makes, stays, and so do shares and correlations. Differentiable in `v_reset` [V] and
    `t_reset` [s]; it does not check that HRS stays above LRS (`at_reset` does).

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
    traps = jnp.clip(device.rtn_traps[1] * depth, 0.0, MAX_MEAN)
    return dataclasses.replace(
        device,
        r_hrs=device.r_hrs * grown,
        sigma_hrs=device.sigma_hrs * spread,
        sigma_tail_hrs=device.sigma_tail_hrs * spread,
        rtn_traps=jnp.stack([device.rtn_traps[0], traps]),
    )


def filament_of(card: DeviceCard) -> FilamentCard:
    """The compact model that a device card follows.

    Raises:
        InputError: It names none.
    """
    if not card.filament:
        raise InputError(
            f"The device card {card.name!r} names no filament card, so nothing says"
            " what another RESET pulse makes of it: take one that does, such as"
            " hfo2-nominal."
        )
    return load_filament(card.filament)


def at_reset(
    card: DeviceCard, v_reset: float | None = None, t_reset: float | None = None
) -> DeviceCard:
    """Make the card of the same cells after RESET pulses of another voltage or width.

    Args:
        card: A card that names its `filament`.
        v_reset: [V] Cell voltage of the pulse; None keeps the card's.
        t_reset: [s] Its width; None keeps the card's.

    Raises:
        InputError: The card names no compact model, the pulse lies outside of what that
            speaks for, or it leaves HRS no higher than `LEAST_RATIO` times LRS.
    """
    if v_reset is None and t_reset is None:
        return card
    filament = filament_of(card)
    v_reset = card.v_reset if v_reset is None else v_reset
    t_reset = card.t_reset if t_reset is None else t_reset
    filament.check_pulse(v_reset, t_reset)
    # In float32, as `DeviceParams` are: the very numbers of `params_at_reset`.
    v, t = (jnp.asarray(z, jnp.float32) for z in (v_reset, t_reset))
    device = params_at_reset(card, v, t, filament)
    if not device.r_hrs > LEAST_RATIO * device.r_lrs:
        raise InputError(
            f"A RESET pulse of {v_reset:g} V and {t_reset:g} s leaves HRS of"
            f" {card.name!r} at {float(device.r_hrs):.4g} Ohm, beside LRS at"
            f" {float(device.r_lrs):.4g} Ohm: take a higher voltage or a longer pulse."
        )
    return dataclasses.replace(
        card,
        source=f"{card.source} HRS, its spread and traps: moved by the filament card"
        f" {filament.name} from {card.v_reset:g} V, {card.t_reset:g} s to"
        f" {v_reset:g} V, {t_reset:g} s.",
        r_hrs=float(device.r_hrs),
        sigma_hrs=float(device.sigma_hrs),
        sigma_tail_hrs=float(device.sigma_tail_hrs),
        rtn_traps_hrs=float(device.rtn_traps[1]),
        v_reset=v_reset,
        t_reset=t_reset,
    )


def _length(a, b):
    """sqrt(a^2 + b^2) with a finite slope at zero."""
    square = a**2 + b**2
    root = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    return jnp.where(square > 0, root, 0.0)
