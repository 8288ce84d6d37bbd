"""What one training step makes smaller: the loss of a batch over the chips it draws."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from rram_jax.device.card import DeviceParams
from rram_jax.qnn.chips import (
    Factors,
    mixed,
    sample_factors,
    with_spread,
    without_noise,
    worst_factors,
)
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.losses import classification_loss, mean_and_tail
from rram_jax.qnn.model import Mlp
from rram_jax.qnn.surroundings import Surroundings
from rram_jax.types import Array, Float, Integer, Key


def objective(
    model: Mlp,
    batch: tuple[
        Float[Array, "batch inputs"],
        Integer[Array, " batch"],
        Float[Array, "batch outputs"] | None,
    ],
    around: Sequence[Surroundings],
    device: DeviceParams,
    key: Key,
    config: TrainConfig,
) -> Float[Array, ""]:
    """Loss [nat] of one batch.

    Args:
        model: As it stands.
        batch: Input codes 0 to 15, labels, and a teacher's logits or None.
        around: What the layers see of the circuit.
        device: Medians and spreads of the cells.
        key: Makes chips and noise.
        config: Which of them there are.
    """
    codes, labels, teacher = batch

    def loss(around, noise_key, factors):
        logits = model(codes, around, noise_key, factors)
        return classification_loss(logits, labels, teacher, config.teacher_weight)

    def of_chip(chip_key):
        return loss(*_chip(model, loss, len(codes), around, device, chip_key, config))

    if config.draws == 1:
        return of_chip(key)
    keys = jax.random.split(key, config.draws)
    # Recomputed in the backward pass: memory does not grow with the chips.
    losses = jax.lax.map(jax.checkpoint(of_chip), keys)
    return mean_and_tail(losses, config.tail_weight, config.tail_share)


def _chip(model, loss, batch, around, device, key, config):
    """Surroundings, key of the noise and cells of one chip."""
    noise_key, sigma_key, cell_key = jax.random.split(key, 3)
    noisy = config.hardened or config.circuit == "full"
    if not config.hardened:
        around = with_spread(around, without_noise)
    factors: Factors | None = None
    weights = [layer.weights() for layer in model.layers]
    if config.worst_distance:

        def mean_loss(factors):
            return loss(around, None, factors)

        factors = worst_factors(mean_loss, weights, device, config.worst_distance)
    top = config.sigma_lrs_max
    if config.spread == "cells":
        if top is not None:
            low = config.sigma_lrs
            sigma = jax.random.uniform(sigma_key, (), jnp.float32, low, top)
            device = dataclasses.replace(device, sigma_lrs=sigma)
        drawn = sample_factors(cell_key, weights, device)
        if factors is None:
            factors = drawn
        else:
            factors = tuple(a * b for a, b in zip(factors, drawn, strict=True))
        around = with_spread(around, without_noise)
    elif top is not None:
        change = mixed(sigma_key, batch, config.sigma_lrs, top, device)
        around = with_spread(around, change)
    return around, noise_key if noisy else None, factors
