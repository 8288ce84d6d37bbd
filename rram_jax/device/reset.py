"""RESET voltage and pulse width as a knob: resistance, spread, energy, stress."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

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

_ROUNDING = 1e-3
"""[-] Allowed beyond the range of resistances that a card was fitted in."""

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

    def log_read(x, log_s):
        v, gate = zero + filament.v_read, zero + filament.gate_read
        return jnp.log(read_resistance(v, gate, x, jnp.exp(log_s), params))

    # A pulse can be differentiated once, which is left to the caller: so the slope in
    # ln s is a difference of cells one standard deviation to either side.
    side = jnp.asarray([0.0, 1.0, -1.0], zero.dtype).reshape(-1, *(1,) * zero.ndim)
    log_s = side * spread.sigma_s + zero
    gate = jnp.full_like(zero, filament.gate_reset)
    pulses = apply_pulse(zero, jnp.exp(log_s), v_reset, gate, t_reset, params)
    x, energy = pulses.x[0], pulses.energy[0]
    log_lrs, lrs_by_s = jax.jvp(lambda s: log_read(zero, s), (zero,), (one,))
    log_hrs, hrs_by_x = jax.jvp(lambda x: log_read(x, zero), (x,), (one,))
    above, below = log_read(pulses.x[1:], log_s[1:])
    of_s = (above - below) / 2
    of_x = hrs_by_x * barrier_spread(x, spread)
    sigma_hrs = _length(of_s, of_x)

    way = jnp.linspace(0.0, 1.0, _STATIONS, dtype=zero.dtype)
    x = x[..., None] * way
    v_cell, one = v_reset[..., None], one[..., None]
    v = rram_voltage(v_cell, filament.gate_reset * one, x, one, params)
    i = current(v, x, one, params)
    return ResetOutcome(
        r_lrs=jnp.exp(log_lrs),
        r_hrs=jnp.exp(log_hrs),
        sigma_lrs=jnp.abs(lrs_by_s) * spread.sigma_s,
        sigma_hrs=sigma_hrs,
        correlation=jnp.sign(lrs_by_s) * of_s / jnp.where(sigma_hrs > 0, sigma_hrs, 1),
        energy=energy,
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

    `moved_params` with the outcomes of the card's own pulse and of this one.
    Differentiable in `v_reset` [V] and `t_reset` [s]; what the card speaks for is
    checked by `at_reset`.

    Args:
        card: The card, with the conditions that its numbers stand for.
        v_reset: [V] Cell voltage of the pulse.
        t_reset: [s] Its width.
        filament: The compact model that the card follows.
    """
    v = jnp.stack([jnp.asarray(card.v_reset, v_reset.dtype), v_reset])
    t = jnp.stack([jnp.asarray(card.t_reset, t_reset.dtype), t_reset])
    both = outcome_of(filament, v, t)
    own, moved = (jax.tree.map(lambda a, k=k: a[k], both) for k in (0, 1))
    return moved_params(card.params(), own, moved)


def moved_params(
    device: DeviceParams, own: ResetOutcome, moved: ResetOutcome
) -> DeviceParams:
    """A card's numbers at another pulse, from the outcomes of its own and of that one.

    The compact model says by which factor median and spread of HRS change: its curve
    is scaled through the card's own numbers. The number of RTN traps goes with
    ln(R_HRS / R_LRS), as in `rtn.py`, up to `MAX_MEAN`. LRS, which SET makes, stays,
    and so do shares and correlations.
    """
    grown = moved.r_hrs / own.r_hrs
    spread = moved.sigma_hrs / own.sigma_hrs
    depth = 1 + jnp.log(grown) / jnp.log(device.r_hrs / device.r_lrs)
    traps = jnp.clip(device.rtn_traps[1] * depth, 0.0, MAX_MEAN)
    return dataclasses.replace(
        device,
        r_hrs=device.r_hrs * grown,
        sigma_hrs=device.sigma_hrs * spread,
        sigma_tail_hrs=device.sigma_tail_hrs * spread,
        rtn_traps=jnp.stack([device.rtn_traps[0], traps]),
    )


def outcome_of(
    filament: FilamentCard,
    v_reset: Float[Array, "*#pulses"],
    t_reset: Float[Array, "*#pulses"],
) -> ResetOutcome:
    """`reset_outcome` of a card as it stands, in the dtype of `v_reset`."""
    params, spread = (
        _in_dtype(v_reset.dtype, record)
        for record in (filament.params(), filament.spread())
    )
    return reset_outcome(v_reset, t_reset, filament, params, spread)


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

    The compact model's curve, scaled through the card's own `r_hrs` and `sigma_hrs`.

    Args:
        card: A card that names its `filament`.
        v_reset: [V] Cell voltage of the pulse; None keeps the card's.
        t_reset: [s] Its width; None keeps the card's.

    Raises:
        InputError: The card names no compact model, or that does not speak for the
            pulse (`check_pulse`).
    """
    if v_reset is None and t_reset is None:
        return card
    filament = filament_of(card)
    v_reset = card.v_reset if v_reset is None else v_reset
    t_reset = card.t_reset if t_reset is None else t_reset
    for pulse in ((card.v_reset, card.t_reset), (v_reset, t_reset)):
        check_pulse(filament, *pulse)
    # In float32, as `DeviceParams` are: the very numbers of `params_at_reset`.
    v, t = (jnp.asarray(z, jnp.float32) for z in (v_reset, t_reset))
    device = params_at_reset(card, v, t, filament)
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


def hrs_and_range(
    filament: FilamentCard, v_reset: np.ndarray, t_reset: float
) -> tuple[np.ndarray, float, float]:
    """[Ohm] Nominal HRS after pulses, and the range of it that a card was fitted in.

    That from the lowest to the highest voltage of the card at the width that it was
    fitted with: spreads beyond have nothing behind them.
    """
    ends = [filament.v_reset_low, filament.v_reset_high]
    v = jnp.asarray([*ends, *v_reset], jnp.float32)
    widths = [filament.t_reset] * 2 + [t_reset] * len(v_reset)
    params = _in_dtype(jnp.float32, filament.params())
    r = reset_curve(v, jnp.asarray(widths, jnp.float32), filament, params)
    low, high, *hrs = np.asarray(r, np.float64)
    return np.asarray(hrs), low * (1 - _ROUNDING), high * (1 + _ROUNDING)


def check_pulse(filament: FilamentCard, v_reset: float, t_reset: float) -> None:
    """Check that a filament card speaks for a pulse of `v_reset` [V] and `t_reset` [s].

    Raises:
        InputError: One of them lies outside of the card's range, or the cell's HRS
            after it outside of what the card was fitted in.
    """
    filament.check_pulse(v_reset, t_reset)
    (r,), low, high = hrs_and_range(filament, np.asarray([v_reset]), t_reset)
    if not low <= r <= high:
        raise InputError(
            f"A RESET pulse of {v_reset:g} V and {t_reset:g} s makes an HRS of {r:.4g}"
            f" Ohm, and the filament card {filament.name!r} was fitted from"
            f" {low:.4g} to {high:.4g} Ohm: take another voltage or width."
        )


@partial(jax.jit, static_argnames="filament")
def reset_curve(
    v_reset: Float[Array, "*cells"],
    t_reset: Float[Array, "*#cells"],
    filament: FilamentCard,
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[Ohm] Read resistance of the nominal cell after a RESET pulse from the low state.

    Args:
        v_reset: [V] Cell voltage of the pulse.
        t_reset: [s] Its width.
        filament: Gate voltages and read voltage.
        params: The technology: `filament.params()`, or what a fit made of it.
    """
    one = jnp.ones_like(v_reset)
    after = apply_pulse(
        0 * one, one, v_reset, filament.gate_reset * one, t_reset * one, params
    )
    v, gate = filament.v_read * one, filament.gate_read * one
    return read_resistance(v, gate, after.x, one, params)


def _in_dtype(dtype, record):
    """A record of arrays, each in `dtype`."""
    return jax.tree.map(lambda number: number.astype(dtype), record)


def _length(a, b):
    """sqrt(a^2 + b^2) with a finite slope at zero."""
    square = a**2 + b**2
    root = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    return jnp.where(square > 0, root, 0.0)
