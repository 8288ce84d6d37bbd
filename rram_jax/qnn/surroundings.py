"""What a layer in training sees of the circuit around its weights.

All of it comes from the design that evaluation and decks use, made anew every few
epochs from the weights as they are and held in between: cells as means and variances,
wires and drivers as a linear map of each weight, neurons as their card's laws. So a
training step costs one matrix product a layer, as without a circuit.
"""

import dataclasses
from dataclasses import dataclass

import jax.numpy as jnp

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.surrogate import excess_of_pairs
from rram_jax.circuit.attenuation import mapped_transfer, share_slope
from rram_jax.circuit.encode import SLOTS
from rram_jax.circuit.pair import signed_transfer, split
from rram_jax.device.variability import mean_conductance
from rram_jax.neuron.mismatch import mismatch_sigma
from rram_jax.neuron.model import (
    NeuronParams,
    edge_weight,
    mean_crossing,
    on_time,
    staircase_peak,
)
from rram_jax.qnn.spread import Spread, loaded_sums
from rram_jax.types import Array, Float, register_record

MARGIN = 1.05
"""[-] Over the smallest full scale of the card: other spreads have other gains."""


PEAK_INPUTS = 50
"""[-] About so many inputs, every n-th, say how a staircase falls: compression needs
no more. An odd n takes all columns of the image in turn."""


@register_record
@dataclass(frozen=True)
class Lines:
    """Wires and drivers of a layer: what they make of every weight.

    `sum_i x_i (slope_ij w_ij + background_ij)` is the pre-activation, in weights at the
    gain of the design: exact for the weights of the design.
    """

    slope: Float[Array, "pairs outputs"]
    """[-] Of a weight's part in it."""

    background: Float[Array, "pairs outputs"]
    """[-] What an input brings whatever its weight is."""


@register_record
@dataclass(frozen=True)
class Neurons:
    """Neurons of a layer: their card's laws, and how far a chip's lie from them."""

    params: NeuronParams
    """Before mismatch, at the full scale of the design."""

    v_weight: Float[Array, ""]
    """[V] Bit line, mean over the 15 slots, for a weighted sum of 1."""

    mismatch: Float[Array, "3"]
    """[slots^2] m: mismatch moves a crossing p with the variance
    `m[0] + 2 m[1] p + m[2] p^2`."""

    pulse_excess: Float[Array, " pairs"]
    """[slots] By which pulses of codes 1 to 14 into this layer are too long."""

    def sums(
        self,
        codes: Float[Array, "batch pairs"],
        matrix: Float[Array, "pairs outputs"],
        z_full: Float[Array, ""] | None,
        trimmed: bool,
    ) -> tuple[Float[Array, "batch outputs"], Float[Array, "batch outputs"]]:
        """Weighted sums as these neurons see them, and their variance over chips.

        Args:
            codes: What drives the pairs, 0 to 15.
            matrix: Weighted sums per activation.
            z_full: Weighted sum at which the code is 15; None for that of the design.
            trimmed: Offsets are trimmed away at the mean crossing.
        """
        params = self.params
        if z_full is not None:
            params = dataclasses.replace(params, v_full=self.v_weight * z_full)
        between = (codes > 0) & (codes < SLOTS)
        activations = on_time(codes + self.pulse_excess * between, params) / SLOTS
        driven = edge_weight((codes > 0).mean(-1, keepdims=True, dtype=codes.dtype))
        edge = params.edge / (SLOTS * params.t_slot) * driven
        v_mean = self.v_weight * activations @ matrix + edge
        stride = codes.shape[-1] // PEAK_INPUTS | 1
        peak = staircase_peak(codes[:, ::stride])[:, None]
        position = mean_crossing(v_mean, params, peak)
        m = self.mismatch
        if trimmed:
            from_mean = position - position.mean(0)
            variance = m[2] * from_mean**2
        else:
            variance = m[0] + position * (2 * m[1] + position * m[2])
        variance = variance + (SLOTS * params.noise_rms / params.v_full) ** 2
        slot = params.v_full / SLOTS / self.v_weight
        return slot * position - params.v_shift / self.v_weight, slot**2 * variance


@register_record
@dataclass(frozen=True)
class Surroundings:
    """Cells, wires and neurons of one layer."""

    spread: Spread
    """Of the cells."""

    lines: Lines | None
    """None: ideal wires and drivers."""

    neurons: Neurons | None
    """None: ideal neurons."""

    z_least: Float[Array, ""]
    """[-] Smallest weighted sum of full scale for which the neuron card holds."""


def ideal_surroundings(spread: Spread) -> Surroundings:
    """Ideal wires and neurons."""
    z_least = jnp.zeros((), jnp.float32)
    return Surroundings(spread=spread, lines=None, neurons=None, z_least=z_least)


def surroundings_of(
    design: NetworkDesign, spread: Spread, circuit: str
) -> tuple[Surroundings, ...]:
    """What a network's layers see in a circuit, "map" or "full"."""
    layers, constant_codes = [], design.network.config.constant_codes
    excess = jnp.zeros(len(design.layers[0].layer.weights), jnp.float32)
    for layer in design.layers:
        neurons = None
        if circuit == "full":
            neurons = _neurons(layer, design, excess)
            n = layer.layer.n_outputs
            excess = excess_of_pairs(neurons.params, n, constant_codes)
        v_least = MARGIN * design.card.box.v_full[0]
        layers.append(
            Surroundings(
                spread=spread,
                lines=_lines(layer, design, spread),
                neurons=neurons,
                z_least=jnp.asarray(
                    v_least / (design.circuit.v_read * layer.gain), jnp.float32
                ),
            )
        )
    return tuple(layers)


def _lines(layer: LayerDesign, design: NetworkDesign, spread: Spread) -> Lines:
    """Background is what the slope leaves of the exact transfer at these weights."""
    conductance = mean_conductance(layer.is_lrs, design.device.params())
    transfer = signed_transfer(mapped_transfer(conductance, layer.attenuation))
    transfer = transfer / layer.gain
    columns = layer.layer.columns_per_output
    sums = loaded_sums(jnp.asarray(layer.layer.weights, jnp.float32), columns, spread)
    of_share = split(share_slope(conductance, layer.attenuation))
    volts = spread.volts_per_weight(len(sums) * columns) / layer.gain
    slope = (of_share[0] + of_share[1]) / 2 * volts
    return Lines(slope=slope, background=transfer - slope * sums)


def _neurons(
    layer: LayerDesign, design: NetworkDesign, excess: Float[Array, " pairs"]
) -> Neurons:
    config, card = layer.neuron, design.card
    offset, gain = card.slopes(config)
    variance = mismatch_sigma(config, card) ** 2
    moments = [offset * offset, offset * gain, gain * gain]
    return Neurons(
        params=card.params(config),
        v_weight=jnp.asarray(design.circuit.v_read * layer.gain, jnp.float32),
        mismatch=jnp.stack([(variance * m).sum() for m in moments]),
        pulse_excess=excess,
    )
