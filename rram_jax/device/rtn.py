"""Random telegraph noise: the traps of every cell, frozen or in time.

A trap is empty for a mean time t_c until it captures an electron, and full for a mean
time t_e until it emits it; a full one raises the resistance by dR/R. So it is full a
share p = t_e / (t_c + t_e) of the time, its state relaxes with the rate 1 / t_c + 1 /
t_e, and its spectrum is a Lorentzian.

References:
    S. Machlup, "Noise in semiconductors: spectrum of a two-parameter random signal",
    J. Appl. Phys. 25, 1954, 10.1063/1.1721637.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.device.card import MAX_MEAN, DeviceParams
from rram_jax.types import Array, Bool, Float, Key, register_record

MAX_TRAPS = 8
"""[-] Traps drawn per cell; with `MAX_MEAN` or fewer in the mean, more occur in under
3e-4 of the cells."""


@register_record
@dataclass(frozen=True)
class Traps:
    """The traps of every cell of one manufactured array."""

    change: Float[Array, " traps *cells"]
    """[-] dR/R of each while it is full; 0 where a cell has fewer traps."""

    capture: Float[Array, " traps *cells"]
    """[s] Mean time that each stays empty."""

    emission: Float[Array, " traps *cells"]
    """[s] Mean time that each stays full."""

    @property
    def occupancy(self) -> Float[Array, " traps *cells"]:
        """[-] Share of the time that each is full."""
        return self.emission / (self.capture + self.emission)

    @property
    def corner(self) -> Float[Array, " traps *cells"]:
        """[rad/s] Rate at which each forgets its state."""
        return 1 / self.capture + 1 / self.emission


@jax.jit
def sample_traps(
    key: Key,
    resistance: Float[Array, "*cells"],
    is_lrs: Bool[Array, "*cells"],
    device: DeviceParams,
) -> Traps:
    """Draw the traps of every cell: one draw is one manufactured array.

    Their number is Poisson. In LRS its mean is the card's; in HRS it grows with the
    barrier, and so with ln R: none at `r_lrs`, the card's mean at `r_hrs`, `MAX_MEAN`
    at most. dR/R is log-normal; both mean times are log-uniform.

    Args:
        key: The array.
        resistance: [Ohm] Read resistances without RTN.
        is_lrs: Which cells are in LRS, stuck ones included.
        device: The card's numbers.
    """
    count_key, size_key, time_key = jax.random.split(key, 3)
    state = jnp.where(is_lrs, 0, 1)
    depth = jnp.log(resistance / device.r_lrs) / jnp.log(device.r_hrs / device.r_lrs)
    mean = device.rtn_traps[state] * jnp.where(is_lrs, 1.0, jnp.maximum(depth, 0.0))
    uniform = jax.random.uniform(count_key, is_lrs.shape, jnp.float32)
    count = _poisson_quantile(uniform, jnp.minimum(mean, MAX_MEAN))
    shape = (MAX_TRAPS, *is_lrs.shape)
    spread = jnp.exp(device.rtn_sigma * jax.random.normal(size_key, shape, jnp.float32))
    exists = jnp.arange(MAX_TRAPS).reshape((-1,) + (1,) * is_lrs.ndim) < count
    low, high = device.rtn_time[0], device.rtn_time[1]
    place = jax.random.uniform(time_key, (2, *shape), jnp.float32)
    capture, emission = low * (high / low) ** place
    return Traps(
        change=jnp.where(exists, device.rtn_amplitude[state] * spread, 0.0),
        capture=capture,
        emission=emission,
    )


@jax.jit
def frozen_rtn(key: Key, traps: Traps) -> Float[Array, "*cells"]:
    """[-] R / R_without_RTN of every cell at one moment, long after any other.

    One draw is one state of all traps: switching times of milliseconds to seconds
    freeze it within an inference.
    """
    # `bernoulli` would draw in float64 in x64 mode: another chip.
    uniform = jax.random.uniform(key, traps.change.shape, jnp.float32)
    return 1 + jnp.where(uniform < traps.occupancy, traps.change, 0.0).sum(0)


def rtn_waveform(
    key: Key, time: Float[Array, " times"], traps: Traps
) -> Float[Array, " times *cells"]:
    """[-] R / R_without_RTN of every cell over time, from a frozen state at its start.

    Exact at the given times, whatever lies between them: a trap's probability to be
    full relaxes exponentially from its state at the time before.

    Args:
        key: The history of all traps.
        time: [s] Ascending.
        traps: From `sample_traps`.
    """
    keys = jax.random.split(key, len(time))
    step = jnp.diff(time, prepend=time[:1] - jnp.inf)

    def advance(full, now):
        key, dt = now
        kept = jnp.exp(-traps.corner * dt)
        share = traps.occupancy + (full - traps.occupancy) * kept
        uniform = jax.random.uniform(key, share.shape, jnp.float32)
        full = (uniform < share).astype(share.dtype)
        return full, 1 + (full * traps.change).sum(0)

    start = jnp.zeros(traps.occupancy.shape, jnp.result_type(time, traps.occupancy))
    return jax.lax.scan(advance, start, (keys, step))[1]


def rtn_spectrum(
    frequency: Float[Array, " frequencies"], traps: Traps
) -> Float[Array, " frequencies *cells"]:
    """[1/Hz] One-sided power spectral density of R / R_without_RTN of every cell.

    A Lorentzian a trap, 4 (dR/R)^2 p (1 - p) l / (l^2 + w^2) with the corner l and
    w = 2 pi f: Machlup 1954. Without the line at zero frequency.

    Args:
        frequency: [Hz] Above 0.
        traps: From `sample_traps`.
    """
    p, corner = traps.occupancy, traps.corner
    w = 2 * jnp.pi * frequency.reshape((-1,) + (1,) * traps.change.ndim)
    lines = 4 * traps.change**2 * p * (1 - p) * corner / (corner**2 + w**2)
    return lines.sum(1)


def _poisson_quantile(uniform, mean):
    """Poisson count at cumulative probability `uniform`, at most MAX_TRAPS."""
    term = below = jnp.exp(-mean)
    count = (uniform > below).astype(jnp.int32)
    for k in range(1, MAX_TRAPS):
        term = term * mean / k
        below = below + term
        count += uniform > below
    return count
