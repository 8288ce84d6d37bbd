"""Programming spread: the resistance of every cell of one manufactured array."""

import jax
import jax.numpy as jnp

from rram_jax.device.card import DeviceParams
from rram_jax.types import Array, Bool, Float, Key

MIN_RRAM = 100.0
"""[Ohm] Smallest resistance left for the RRAM beside its access transistor."""


def sample_resistance(
    key: Key, is_lrs: Bool[Array, "*cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """Draw every cell's read resistance [Ohm]: log-normal about its state's median.

    One draw is one manufactured array, programmed once: call it once per chip, never
    once per read. LRS cells fall into the tail with probability `tail_share`. A draw
    that leaves less than `MIN_RRAM` beside the access transistor is clipped there
    (`count_clipped` tells how many). The same key gives the same cells in float32 and
    x64 mode, and the samples are differentiable in every parameter but `tail_share`.
    """
    normal_key, tail_key = jax.random.split(key)
    noise = jax.random.normal(normal_key, is_lrs.shape, jnp.float32)
    tail = jax.random.uniform(tail_key, is_lrs.shape, jnp.float32) < device.tail_share
    sigma_lrs = jnp.where(tail, device.sigma_tail, device.sigma_lrs)
    sigma = jnp.where(is_lrs, sigma_lrs, device.sigma_hrs)
    median = jnp.where(is_lrs, device.r_lrs, device.r_hrs)
    return jnp.maximum(median * jnp.exp(sigma * noise), smallest(device))


def smallest(device: DeviceParams) -> Float[Array, ""]:
    """[Ohm] The smallest resistance a cell can have."""
    return device.r_access + MIN_RRAM


def count_clipped(
    resistance: Float[Array, "*cells"], device: DeviceParams
) -> Float[Array, ""]:
    """[-] How many cells of a draw stand at the smallest resistance."""
    return jnp.sum(resistance <= smallest(device)).astype(jnp.float32)


def mean_conductance(
    is_lrs: Bool[Array, "*cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """Expected conductance [S] of each cell over programming draws.

    For ln R normal with standard deviation s the mean of 1/R is exp(s^2 / 2) / median;
    LRS is a mixture of body and tail. (The clip of `sample_resistance` is left out.)
    """
    return _conductance_moment(is_lrs, device, 1)


def conductance_variance(
    is_lrs: Bool[Array, "*cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """Variance [S^2] of each cell's conductance over programming draws."""
    mean = _conductance_moment(is_lrs, device, 1)
    return _conductance_moment(is_lrs, device, 2) - mean**2


def _conductance_moment(is_lrs, device, order):
    def moment(median, sigma):
        return jnp.exp((order * sigma) ** 2 / 2) / median**order

    lrs = (1 - device.tail_share) * moment(device.r_lrs, device.sigma_lrs)
    lrs += device.tail_share * moment(device.r_lrs, device.sigma_tail)
    return jnp.where(is_lrs, lrs, moment(device.r_hrs, device.sigma_hrs))
