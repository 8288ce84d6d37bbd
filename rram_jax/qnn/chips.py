"""Chips in training: cells drawn one by one, spreads of their own, worst directions."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from rram_jax.circuit.pair import cells_of
from rram_jax.device.card import DeviceParams
from rram_jax.device.variability import (
    conductance_variance,
    mean_conductance,
    sample_resistance,
)
from rram_jax.qnn.spread import Spread, spread_of
from rram_jax.qnn.surroundings import Surroundings
from rram_jax.types import Array, Float, Key

Factors = tuple[Float[Array, "_rows _cols"], ...]
"""[-] Of each layer's cells: conductance over the mean of its state."""


def with_spread(around: Sequence[Surroundings], change) -> tuple[Surroundings, ...]:
    """Surroundings whose spreads are changed by a function."""
    return tuple(dataclasses.replace(a, spread=change(a.spread)) for a in around)


def without_noise(spread: Spread) -> Spread:
    """No spread of programming, for chips whose cells are drawn; RTN stays."""
    zero = jnp.zeros_like(spread.var_lrs)
    return dataclasses.replace(spread, var_lrs=zero, var_hrs=zero)


def mixed(
    key: Key, batch: int, low: float, high: float, device: DeviceParams
) -> Callable[[Spread], Spread]:
    """Gives each example a spread of LRS of its own, uniform from `low` to `high`."""
    sigma = jax.random.uniform(key, (batch,), jnp.float32, low, high)
    own = jax.vmap(lambda s: spread_of(dataclasses.replace(device, sigma_lrs=s)))(sigma)
    return lambda spread: dataclasses.replace(
        spread, var_lrs=own.var_lrs[:, None], var_hrs=own.var_hrs[:, None]
    )


def sample_factors(
    key: Key, weights: Sequence[Float[Array, "_pairs _cols"]], device: DeviceParams
) -> Factors:
    """Draw the cells of one chip for these weights."""
    factors = []
    for k, w in enumerate(weights):
        is_lrs = cells_of(jax.lax.stop_gradient(w).astype(jnp.int32))
        r = sample_resistance(jax.random.fold_in(key, k), is_lrs, device)
        factors.append(1 / (r * mean_conductance(is_lrs, device)))
    return tuple(factors)


def worst_factors(
    loss: Callable[[Factors], Float[Array, ""]],
    weights: Sequence[Float[Array, "_pairs _cols"]],
    device: DeviceParams,
    distance: float,
) -> Factors:
    """The chip at a distance from the mean one at which the loss grows fastest.

    In ln G every cell counts in its state's standard deviations s: of all deviations d
    with sum (d / s)^2 = distance^2, the one along the gradient of the loss, s^2 times
    it. A random chip lies about one such unit off along that direction.
    """
    states = [cells_of(jax.lax.stop_gradient(w).astype(jnp.int32)) for w in weights]
    zero = tuple(jnp.zeros(s.shape, jnp.float32) for s in states)
    slope = jax.grad(lambda d: loss(tuple(jnp.exp(x) for x in d)))(zero)
    # Of ln G, were G lognormal with this mean and variance.
    variance = [
        jnp.log1p(conductance_variance(s, device) / mean_conductance(s, device) ** 2)
        for s in states
    ]
    length = sum(((v * g) * g).sum() for v, g in zip(variance, slope, strict=True))
    scale = distance / jnp.sqrt(jnp.maximum(length, 1e-20))
    return tuple(
        jax.lax.stop_gradient(jnp.exp(scale * v * g))
        for v, g in zip(variance, slope, strict=True)
    )
