"""What a stronger RESET buys and costs: weight noise, read and programming energy."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.device.card import DeviceCard
from rram_jax.device.filament import FilamentCard
from rram_jax.device.reset import moved_params, outcome_of
from rram_jax.device.variability import conductance_variance, mean_conductance
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class ResetTradeoff:
    """A device card after RESET pulses of several voltages."""

    v_reset: Float[Array, " pulses"]
    """[V] Cell voltage of the pulse."""

    r_hrs: Float[Array, " pulses"]
    """[Ohm] Median read resistance of HRS."""

    sigma_hrs: Float[Array, " pulses"]
    """[-] Standard deviation of ln R_HRS."""

    pair_noise: Float[Array, " pulses"]
    """[-] Of a weight: standard deviation of G_on - G_off of a pair over its mean."""

    read_current: Float[Array, " pulses"]
    """[A] Mean through both cells of a pair at `v_read` across each."""

    read_energy: Float[Array, " pulses"]
    """[J] Mean taken by a pair in one time slot with `v_read` across each cell."""

    reset_energy: Float[Array, " pulses"]
    """[J] Taken by the nominal cell, access transistor included, during the pulse."""

    peak_current: Float[Array, " pulses"]
    """[A] Largest through the nominal cell during the pulse."""

    peak_voltage: Float[Array, " pulses"]
    """[V] Largest across its RRAM."""

    peak_field: Float[Array, " pulses"]
    """[V/m] Largest across its barrier and hopping region."""

    peak_temperature: Float[Array, " pulses"]
    """[K] Largest of its filament."""


@partial(jax.jit, static_argnames=("card", "filament"))
def reset_tradeoff(
    v_reset: Float[Array, " pulses"],
    t_reset: Float[Array, ""],
    v_read: Float[Array, ""],
    t_slot: Float[Array, ""],
    card: DeviceCard,
    filament: FilamentCard,
) -> ResetTradeoff:
    """What each RESET voltage makes of a card; differentiable in all arrays.

    Args:
        v_reset: [V] Cell voltages of the pulses.
        t_reset: [s] Their width.
        v_read: [V] Across each cell of a pair while it is read.
        t_slot: [s] Time slot of the pulse-width code.
        card: The device card, with the conditions that its numbers stand for.
        filament: The compact model that it follows.
    """
    own = jnp.asarray([card.v_reset], v_reset.dtype)
    t = jnp.full_like(v_reset, t_reset)
    widths = jnp.concatenate([jnp.full_like(own, card.t_reset), t])
    outcome = outcome_of(filament, jnp.concatenate([own, v_reset]), widths)
    own, pulse = (
        jax.tree.map(lambda a, p=p: a[p], outcome) for p in (0, slice(1, None))
    )
    on_off = jnp.asarray([True, False])

    def at(moved):
        device = moved_params(card.params(), own, moved)
        mean = mean_conductance(on_off, device)
        noise = jnp.sqrt(conductance_variance(on_off, device).sum())
        return device.r_hrs, device.sigma_hrs, noise / (mean[0] - mean[1]), mean.sum()

    r_hrs, sigma_hrs, noise, g_pair = jax.vmap(at)(pulse)
    return ResetTradeoff(
        v_reset=v_reset,
        r_hrs=r_hrs,
        sigma_hrs=sigma_hrs,
        pair_noise=noise,
        read_current=v_read * g_pair,
        read_energy=v_read**2 * g_pair * t_slot,
        reset_energy=pulse.energy,
        peak_current=pulse.peak_current,
        peak_voltage=pulse.peak_voltage,
        peak_field=pulse.peak_field,
        peak_temperature=pulse.peak_temperature,
    )
