"""The differentiable surrogate: codes through an array and its neurons."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.sample import LayerSample
from rram_jax.circuit.encode import SLOTS, slots_on
from rram_jax.circuit.pair import signed_transfer
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.mismatch import position_shift
from rram_jax.neuron.model import NeuronParams, crossing, ideal_params, to_counts
from rram_jax.types import Array, Float, Key, register_record

NOISE = 0x6E6F6973
"""Folded into a chip's key for everything that differs from image to image."""


def bit_lines(
    codes: Float[Array, "*batch pairs"],
    transfer: Float[Array, "pairs outputs"],
    v_read: Float[Array, ""] | float,
    pulse_excess: Float[Array, ""] | float = 0.0,
) -> Float[Array, "*batch outputs slots"]:
    """[V] Every sensed node above v_cm in each of the 15 slots.

    `transfer` is signed, a pair's positive minus its negative row [V/V]. Pulses of
    codes 1 to 14 are longer than whole slots by `pulse_excess` (the neurons before).
    """
    between = (codes > 0) & (codes < SLOTS)
    on = slots_on(codes + pulse_excess * between)
    return v_read * jnp.einsum("...is,ij->...js", on, transfer)


def positions(
    codes: Float[Array, "*batch pairs"],
    transfer: Float[Array, "pairs outputs"],
    v_read: Float[Array, ""] | float,
    params: NeuronParams,
    *,
    linear: bool = False,
    pulse_excess: Float[Array, ""] | float = 0.0,
) -> Float[Array, "*batch outputs"]:
    """Crossing positions [slots] of a layer's neurons for the codes before it.

    `linear` leaves out what depends on the order of slots (leak, compression, pulse
    excess): one matrix product instead of 15.
    """
    if linear:
        v_mean = v_read * (codes / SLOTS) @ transfer
        scaled = SLOTS * (v_mean + params.v_shift) / params.v_full
        return params.gain * scaled + params.offset
    return crossing(bit_lines(codes, transfer, v_read, pulse_excess), params)


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


def winner(counts: Float[Array, "*batch outputs"]) -> Array:
    """Number of the output that crosses last; -1 where two cross last together."""
    best = counts.max(-1, keepdims=True)
    tie = (counts == best).sum(-1) > 1
    return jnp.where(tie, -1, counts.argmax(-1))


def neuron_params(
    sample: LayerSample, design: LayerDesign, card: NeuronCard
) -> NeuronParams:
    """The card's neurons with one chip's mismatch: one gain and offset a neuron."""
    params = card.params(design.neuron)
    offset, gain = position_shift(sample.delvto, design.neuron, card)
    return dataclasses.replace(
        params, gain=params.gain + gain, offset=params.offset + offset
    )


@register_record
@dataclass(frozen=True)
class ChipLayer:
    """One layer of one chip as the surrogate sees it."""

    transfer: Float[Array, "pairs outputs"]
    """[V/V] Sensed volts per read volt of each pair, positive minus negative row."""

    params: NeuronParams
    """The layer's neurons, mismatch included."""


def chip_layer(
    sample: LayerSample,
    transfer: Float[Array, "rows outputs"],
    design: LayerDesign,
    card: NeuronCard,
    circuit: str,
) -> ChipLayer:
    """What one chip's layer computes: its transfer matrix and its neurons."""
    params = ideal_params(design.neuron)
    if circuit == "full":
        params = neuron_params(sample, design, card)
    return ChipLayer(transfer=signed_transfer(transfer), params=params)


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
        pulse_excess = part.params.pulse_excess
        codes = to_counts(position, layer.neuron)
    return position
