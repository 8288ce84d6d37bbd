"""Trim pairs: programmed on each chip, after its test, against its neurons' offsets.

The spread of a column's cells moves all its sums by much the same amount, and so does a
neuron's own offset. A tester runs a few known images, compares the codes that each
neuron gives with those it should give, and programs the column's trim pairs, which are
driven with the constant codes 15, 8, 4, 2, 1, so that their sum is the opposite of the
mean difference. Cells programmed anew are new draws; the second round takes what the
first one left, and what those draws added.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.chip.config import TRIM_CODES
from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.sample import LayerSample
from rram_jax.chip.surrogate import (
    LayerModel,
    add_noise,
    excess_of_pairs,
    mapped_layer,
    positions,
    with_constants,
)
from rram_jax.circuit.encode import SLOTS
from rram_jax.circuit.pair import cells_of
from rram_jax.device.card import DeviceParams
from rram_jax.device.variability import (
    Cycle,
    key_of_cycle,
    mean_conductance,
    sample_resistance,
)
from rram_jax.neuron.model import to_counts
from rram_jax.types import Array, Float, Int, Key

TRIM = 0x7472696D
"""Folded into a chip's key for what trimming draws."""

ROUNDS = 2
"""[-] Tests of a layer, each followed by programming."""

MARGIN = 1.5
"""[slots] A pattern tells about a neuron whose nominal crossing lies as far inside the
range of codes: nearer to an end its code would be cut off."""


def trim_chip(
    key: Key,
    samples: Sequence[LayerSample],
    design: NetworkDesign,
    models: Sequence[LayerModel],
    device: DeviceParams,
    circuit: str,
    cycle: Cycle = 0,
) -> list[LayerSample]:
    """Trim a chip's layers, the first one first.

    The chip is tested as the surrogate of `circuit` has it, with mismatch and thermal
    noise in circuit "full"; without RTN, whose state is another at every use. A layer
    is held against what its nominal array would say of the codes that the chip's own
    layers before it gave.

    Args:
        key: The chip's (`chip.sample.chip_key`).
        samples: The chip as it was programmed, one sample a layer.
        design: The network's circuit; its network has trim pairs and patterns.
        models: Its layers in this circuit (`chip.surrogate.network_model`).
        device: Medians and spreads of the cells that are programmed anew.
        circuit: One of `chip.config.CIRCUITS`.
        cycle: Which programming of the chip it was.
    """
    config, trimmed, excess = design.network.config, [], 0.0
    codes = jnp.asarray(design.network.trim_patterns, jnp.float32)
    for index, (sample, layer, model) in enumerate(
        zip(samples, design.layers, models, strict=True)
    ):
        n = layer.layer.n_outputs
        test = partial(
            _positions,
            model=model,
            driven=with_constants(codes, config.constant_codes),
            v_read=design.circuit.v_read,
            pulse_excess=excess,
            circuit=circuit,
        )
        nominal = dataclasses.replace(
            sample,
            resistance=1 / mean_conductance(layer.is_lrs, device),
            delvto=jnp.zeros_like(sample.delvto),
        )
        wanted, trim = test(nominal), jnp.zeros(n, jnp.int32)
        layer_key = jax.random.fold_in(jax.random.fold_in(key, TRIM), index)
        for k in range(ROUNDS):
            cell_key, noise_key = jax.random.split(jax.random.fold_in(layer_key, k))
            noise_key = key_of_cycle(noise_key, cycle)
            given = to_counts(test(sample, noise_key=noise_key), layer.neuron)
            trim = trim + _correction(given, wanted, layer)
            trim = jnp.clip(trim, -sum(TRIM_CODES), sum(TRIM_CODES))
            sample = _program(cell_key, sample, trim, layer, device, cycle)
        noise_key = key_of_cycle(jax.random.fold_in(layer_key, ROUNDS), cycle)
        position = jax.lax.stop_gradient(test(sample, noise_key=noise_key))
        codes = to_counts(position, layer.neuron)
        excess = excess_of_pairs(model.neuron, n, config.constant_codes)
        trimmed.append(sample)
    return trimmed


def _positions(
    sample: LayerSample,
    *,
    model: LayerModel,
    driven: Float[Array, "patterns pairs"],
    v_read: float,
    pulse_excess: Float[Array, "*#excess"] | float,
    circuit: str,
    noise_key: Key | None = None,
) -> Float[Array, "patterns neurons"]:
    """Crossings [slots] of a layer's neurons on the test patterns."""
    part = mapped_layer(sample, model)
    position = positions(
        driven,
        part.transfer,
        v_read,
        part.params,
        linear=circuit != "full",
        pulse_excess=pulse_excess,
    )
    if circuit == "full" and noise_key is not None:
        position = add_noise(noise_key, position, part.params)
    return position


def _correction(
    given: Float[Array, "patterns neurons"],
    wanted: Float[Array, "patterns neurons"],
    layer: LayerDesign,
) -> Int[Array, " neurons"]:
    """Sum of trim codes that takes the mean difference of counts back.

    `given` in counts, `wanted` as the nominal crossing in slots.
    """
    telling = (wanted > MARGIN) & (wanted < SLOTS - MARGIN)
    difference = given - to_counts(wanted, layer.neuron)
    difference = jnp.where(telling, difference, 0.0).sum(0)
    difference = difference / jnp.maximum(telling.sum(0), 1)
    difference = difference / layer.neuron.clocks_per_slot
    # A weight driven with code 1 in every column of an output, in slots.
    step = layer.layer.columns_per_output / layer.layer.z_full
    return -jnp.round(jax.lax.stop_gradient(difference) / step).astype(jnp.int32)


def trim_weights(trim: Int[Array, " neurons"]) -> Int[Array, "pairs neurons"]:
    """Weights -1, 0, 1 of the trim pairs whose codes add up to `trim`, -30 to 30."""
    size, left, weights = jnp.abs(trim), jnp.abs(trim), []
    for code in TRIM_CODES:
        # 15 serves what the binary codes cannot do alone.
        takes = (size > SLOTS) if code == SLOTS else (left >= code)
        left = left - code * takes
        weights.append(takes * jnp.sign(trim))
    return jnp.stack(weights).astype(jnp.int32)


def _program(
    key: Key,
    sample: LayerSample,
    trim: Int[Array, " neurons"],
    layer: LayerDesign,
    device: DeviceParams,
    cycle: Cycle,
) -> LayerSample:
    """Program the trim pairs; only cells that change their state are drawn anew."""
    first = sample.is_lrs.shape[0] - 2 * len(TRIM_CODES)
    weights = jnp.repeat(trim_weights(trim), layer.layer.columns_per_output, axis=1)
    is_lrs, before = cells_of(weights), sample.is_lrs[first:]
    fresh = sample_resistance(key, is_lrs, device, sample.stuck[first:], cycle)
    changed = is_lrs != before
    rows = jnp.where(changed, fresh, sample.resistance[first:])
    return dataclasses.replace(
        sample,
        is_lrs=sample.is_lrs.at[first:].set(is_lrs),
        resistance=sample.resistance.at[first:].set(rows),
        trim_pulses=sample.trim_pulses + changed.sum(dtype=jnp.int32),
    )
