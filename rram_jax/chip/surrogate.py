"""The differentiable surrogate: codes through an array and its neurons."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.sample import LayerSample
from rram_jax.circuit.attenuation import AttenuationMap, mapped_transfer
from rram_jax.circuit.encode import SLOTS, slots_on
from rram_jax.circuit.pair import signed_transfer
from rram_jax.circuit.tile import layer_transfer
from rram_jax.neuron.model import (
    NeuronParams,
    crossing,
    edge_weight,
    ideal_params,
    to_counts,
)
from rram_jax.types import Array, Float, Key, register_record

NOISE = 0x6E6F6973
"""Folded into a chip's key for everything that differs from image to image."""


def bit_lines(
    codes: Float[Array, "*batch pairs"],
    transfer: Float[Array, "pairs outputs"],
    v_read: Float[Array, ""] | float,
    pulse_excess: Float[Array, "*#excess"] | float = 0.0,
) -> Float[Array, "*batch outputs slots"]:
    """[V] Every sensed node above v_cm in each of the 15 slots.

    `transfer` is signed, a pair's positive minus its negative row [V/V]. Pulses of
    codes 1 to 14 are longer than whole slots by `pulse_excess` (`excess_of_pairs`).
    """
    between = (codes > 0) & (codes < SLOTS)
    on = slots_on(codes + pulse_excess * between)
    # As one product of (images x slots, pairs): a quarter faster than an einsum.
    return v_read * jnp.moveaxis(jnp.moveaxis(on, -1, -2) @ transfer, -1, -2)


@partial(jax.jit, static_argnames="linear")
def positions(
    codes: Float[Array, "*batch pairs"],
    transfer: Float[Array, "pairs outputs"],
    v_read: Float[Array, ""] | float,
    params: NeuronParams,
    *,
    linear: bool = False,
    pulse_excess: Float[Array, "*#excess"] | float = 0.0,
) -> Float[Array, "*batch outputs"]:
    """Crossing positions [slots] of a layer's neurons for the codes before it.

    `linear` leaves out what depends on the order of slots (leak, compression, pulse
    excess) and the pulses' edges: one matrix product instead of 15.
    """
    if linear:
        v_mean = v_read * (codes / SLOTS) @ transfer
        scaled = SLOTS * (v_mean + params.v_shift) / params.v_full
        return params.gain * scaled + params.offset
    return crossing(sensed(codes, transfer, v_read, params, pulse_excess), params)


def sensed(
    codes: Float[Array, "*batch pairs"],
    transfer: Float[Array, "pairs outputs"],
    v_read: Float[Array, ""] | float,
    params: NeuronParams,
    pulse_excess: Float[Array, "*#excess"] | float = 0.0,
) -> Float[Array, "*batch outputs slots"]:
    """[V] What neurons integrate: `bit_lines`, and what pulses' edges add to them."""
    v_bl = bit_lines(codes, transfer, v_read, pulse_excess)
    driven = edge_weight((codes > 0).mean(-1, dtype=v_bl.dtype))
    edge = params.edge / (SLOTS * params.t_slot) * driven[..., None]
    return v_bl + edge[..., None]


def add_noise(
    key: Key, position: Float[Array, "*batch outputs"], params: NeuronParams
) -> Float[Array, "*batch outputs"]:
    """Thermal noise of one conversion, fresh for every image and neuron."""
    noise = jax.random.normal(key, position.shape, position.dtype)
    return position + SLOTS * params.noise_rms / params.v_full * noise


def with_constants(
    codes: Float[Array, "*batch inputs"], constant_codes: Sequence[int]
) -> Float[Array, "*batch pairs"]:
    """Codes of all pairs of a layer: activations, then bias and trim pairs."""
    constant = jnp.asarray(constant_codes, codes.dtype)
    shape = (*codes.shape[:-1], len(constant_codes))
    return jnp.concatenate([codes, jnp.broadcast_to(constant, shape)], -1)


def excess_of_pairs(
    before: NeuronParams, n_inputs: int, constant_codes: Sequence[int]
) -> Float[Array, " pairs"]:
    """[slots] Excess of each pair's pulses: that of the neurons before, or none."""
    return jnp.concatenate(
        [
            jnp.full(n_inputs, before.pulse_excess),
            jnp.zeros(len(constant_codes), before.pulse_excess.dtype),
        ]
    )


def winner(counts: Float[Array, "*batch outputs"]) -> Array:
    """Number of the output that crosses last; -1 where two cross last together."""
    best = counts.max(-1, keepdims=True)
    tie = (counts == best).sum(-1) > 1
    return jnp.where(tie, -1, counts.argmax(-1))


@register_record
@dataclass(frozen=True)
class LayerModel:
    """A layer's wires and neurons as numbers: arguments, not part of the program.

    So one compiled program serves every spread, whose nominal array and full scales
    differ.
    """

    attenuation: AttenuationMap
    """Wires and drivers."""

    neuron: NeuronParams
    """The layer's neurons before mismatch."""

    offset_slope: Float[Array, " transistors"]
    """[slots/V] Of the crossing over each threshold shift."""

    gain_slope: Float[Array, " transistors"]
    """[1/V] Of the gain over each threshold shift."""


def network_model(design: NetworkDesign, circuit: str) -> tuple[LayerModel, ...]:
    """What a circuit (one of `chip.config.CIRCUITS`) makes of a design's layers."""
    models = []
    for layer in design.layers:
        none = jnp.zeros(len(layer.neuron.mismatched), jnp.float32)
        neuron, slopes = ideal_params(layer.neuron), (none, none)
        if circuit == "full":
            neuron = design.card.params(layer.neuron)
            slopes = design.card.slopes(layer.neuron)
        models.append(
            LayerModel(
                attenuation=layer.attenuation,
                neuron=neuron,
                offset_slope=slopes[0],
                gain_slope=slopes[1],
            )
        )
    return tuple(models)


@register_record
@dataclass(frozen=True)
class ChipLayer:
    """One layer of one chip as the surrogate sees it."""

    transfer: Float[Array, "pairs outputs"]
    """[V/V] Sensed volts per read volt of each pair, positive minus negative row."""

    params: NeuronParams
    """The layer's neurons, mismatch included: one gain and offset a neuron."""


def chip_layer(
    sample: LayerSample, transfer: Float[Array, "rows outputs"], model: LayerModel
) -> ChipLayer:
    """What one chip's layer computes: its transfer matrix and its neurons."""
    neuron, delvto = model.neuron, sample.delvto
    params = dataclasses.replace(
        neuron,
        offset=neuron.offset + delvto @ model.offset_slope.astype(delvto.dtype),
        gain=neuron.gain + delvto @ model.gain_slope.astype(delvto.dtype),
    )
    return ChipLayer(transfer=signed_transfer(transfer), params=params)


def mapped_layer(sample: LayerSample, model: LayerModel) -> ChipLayer:
    """The same with the wires by the attenuation map."""
    transfer = mapped_transfer(1 / sample.resistance, model.attenuation)
    return chip_layer(sample, transfer, model)


def exact_layer(
    sample: LayerSample, model: LayerModel, layer: LayerDesign
) -> ChipLayer:
    """The same with the wires solved for these very cells; reverse mode only."""
    c = layer.layer.columns_per_output
    transfer = layer_transfer(1 / sample.resistance, layer.tile, c)
    return chip_layer(sample, transfer, model)


def run_network(
    chip: tuple[ChipLayer, ...],
    codes: Float[Array, "*batch inputs"],
    design: NetworkDesign,
    v_read: Float[Array, ""] | float,
    circuit: str,
    noise_key: Key | None = None,
) -> Float[Array, "*batch outputs"]:
    """Crossing positions [slots] of the outputs for input codes 0 to 15.

    The full scales stay as designed when `v_read` [V] moves. `noise_key`: thermal
    noise of the neurons, fresh for every image; None for none.
    """
    constant_codes = design.network.config.constant_codes
    pulse_excess, position = 0.0, codes
    for k, (part, layer) in enumerate(zip(chip, design.layers, strict=True)):
        position = positions(
            with_constants(codes, constant_codes),
            part.transfer,
            v_read,
            part.params,
            linear=circuit != "full",
            pulse_excess=pulse_excess,
        )
        if noise_key is not None:
            key = jax.random.fold_in(noise_key, k)
            position = add_noise(key, position, part.params)
        codes = to_counts(position, layer.neuron)
        pulse_excess = excess_of_pairs(part.params, codes.shape[-1], constant_codes)
    return position


def logits(
    position: Float[Array, "*batch outputs"], design: NetworkDesign
) -> Float[Array, "*batch outputs"]:
    """Logits at the softmax scale of the training, from output crossings [slots]."""
    output = design.network.layers[-1]
    z = position * output.z_full / SLOTS - output.z_shift
    return design.network.logit_scale * z
