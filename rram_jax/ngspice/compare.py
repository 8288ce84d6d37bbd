"""The surrogate's answers beside ngspice's, on the same sampled devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.sample import LayerSample
from rram_jax.chip.surrogate import (
    ChipLayer,
    chip_layer,
    excess_of_pairs,
    network_model,
    positions,
    run_network,
    with_constants,
)
from rram_jax.circuit.encode import SLOTS
from rram_jax.circuit.tile import layer_transfer
from rram_jax.neuron.model import to_counts
from rram_jax.types import Array, Float


def exact_chip(
    design: NetworkDesign, chip: Sequence[LayerSample]
) -> tuple[ChipLayer, ...]:
    """The chip with its exact transfer, instead of the attenuation map."""
    layers, models = [], network_model(design, "full")
    for layer, sample, model in zip(design.layers, chip, models, strict=True):
        conductance = 1 / np.asarray(sample.resistance, np.float64)
        transfer = layer_transfer(
            conductance, layer.tile, layer.layer.columns_per_output
        )
        transfer = jnp.asarray(np.asarray(transfer), jnp.float32)
        layers.append(chip_layer(sample, transfer, model))
    return tuple(layers)


@dataclass(frozen=True, kw_only=True)
class LayerComparison:
    """One layer of one image: what ngspice gave and what the surrogate said.

    The surrogate is fed with ngspice's own codes of the layer before.
    """

    spice: np.ndarray
    """[neurons] Codes, or counts in the output layer."""

    surrogate: np.ndarray
    """[neurons] The same from the surrogate."""

    position: np.ndarray
    """[neurons, in slots] Crossing that the surrogate computed before it counted."""

    @property
    def active(self) -> np.ndarray:
        """[neurons] Where agreement means something.

        Either side says 1 to 14, or the computed value lies within 1 LSB of a limit.
        """
        between = [(c > 0) & (c < SLOTS) for c in (self.spice, self.surrogate)]
        edge = (np.abs(self.position) <= 1) | (np.abs(self.position - SLOTS) <= 1)
        return between[0] | between[1] | edge


def compare_layers(
    design: NetworkDesign,
    chip: tuple[ChipLayer, ...],
    codes: np.ndarray,
    answers: Sequence[Sequence[int] | np.ndarray],
) -> list[LayerComparison]:
    """Layer by layer, for the input codes (inputs,) of one image.

    `answers`: ngspice's codes of every hidden layer, then its counts of the outputs.
    """
    before, out = codes, []
    for k, layer in enumerate(design.layers):
        position = layer_positions(design, chip, k, before)
        out.append(
            LayerComparison(
                spice=np.asarray(answers[k]),
                surrogate=np.asarray(
                    to_counts(jnp.asarray(position), layer.neuron)
                ).astype(int),
                position=position,
            )
        )
        before = np.asarray(answers[k])
    return out


def excess_before(
    design: NetworkDesign, chip: tuple[ChipLayer, ...], k: int
) -> Float[Array, " pairs"] | float:
    """[slots] Excess of the pulses into layer k: that of the neurons before it."""
    if k == 0:
        return 0.0
    n_inputs = design.layers[k - 1].layer.n_outputs
    constant_codes = design.network.config.constant_codes
    return excess_of_pairs(chip[k - 1].params, n_inputs, constant_codes)


def layer_positions(
    design: NetworkDesign, chip: tuple[ChipLayer, ...], k: int, codes: np.ndarray
) -> np.ndarray:
    """Crossings (..., neurons) [slots] of layer k for the codes (..., inputs) before.

    Pulses of hidden codes are as long as the neurons before make them.
    """
    constant_codes = design.network.config.constant_codes
    position = positions(
        with_constants(jnp.asarray(codes, jnp.float32), constant_codes),
        chip[k].transfer,
        design.circuit.v_read,
        chip[k].params,
        pulse_excess=excess_before(design, chip, k),
    )
    return np.asarray(position)


def codes_before(
    design: NetworkDesign, chip: tuple[ChipLayer, ...], codes: np.ndarray
) -> list[np.ndarray]:
    """Codes (images, inputs) ahead of every layer: the surrogate's own behind input."""
    out = [codes]
    for k, layer in enumerate(design.layers[:-1]):
        position = layer_positions(design, chip, k, out[-1])
        out.append(np.asarray(to_counts(jnp.asarray(position), layer.neuron)))
    return out


def end_to_end(
    design: NetworkDesign, chip: tuple[ChipLayer, ...], codes: np.ndarray
) -> np.ndarray:
    """Output counts (images, outputs) of the surrogate alone."""
    position = run_network(
        chip, jnp.asarray(codes, jnp.float32), design, design.circuit.v_read, "full"
    )
    return np.asarray(to_counts(position, design.layers[-1].neuron)).astype(int)


def last_to_cross(counts: np.ndarray) -> tuple[int, ...]:
    """Outputs that share the largest count: one winner, or the members of a tie."""
    return tuple(np.flatnonzero(counts == counts.max()).tolist())


def agreement(
    comparisons: Sequence[Sequence[LayerComparison]],
) -> dict[str, Any]:
    """Shares of equal codes over images; the last layer is the output's counts."""
    hidden = [layer for image in comparisons for layer in image[:-1]]
    output = [image[-1] for image in comparisons]

    def difference(layers):
        return np.concatenate([layer.spice - layer.surrogate for layer in layers])

    codes, counts = difference(hidden), difference(output)
    active = np.concatenate([layer.active for layer in hidden])
    values, number = np.unique(codes, return_counts=True)
    return {
        "codes_equal": float(np.mean(codes == 0)),
        "codes_equal_active": float(np.mean(codes[active] == 0)),
        "codes_within_1": float(np.mean(np.abs(codes) <= 1)),
        "n_codes": int(codes.size),
        "n_active": int(active.sum()),
        "counts_equal": float(np.mean(counts == 0)),
        "counts_within_1": float(np.mean(np.abs(counts) <= 1)),
        "lsb_histogram": {str(v): int(n) for v, n in zip(values, number, strict=True)},
    }


def judgement(
    rows: Sequence[Mapping[str, Any]],
    comparisons: Sequence[Sequence[LayerComparison]],
) -> dict[str, Any]:
    """Metrics of every tier that has neurons: `agreement`, and the winners of images.

    Args:
        rows: One an image: winners (several where outputs tie), and its label.
        comparisons: The same, layer by layer.
    """
    answers = [
        (list(row["winner_spice"]), list(row["winner_surrogate"]), [row["label"]])
        for row in rows
    ]
    return agreement(comparisons) | {
        "winner_equal": float(np.mean([s == t for s, t, _ in answers])),
        "n_ties": sum(len(s) > 1 for s, _, _ in answers),
        "accuracy_spice": float(np.mean([s == y for s, _, y in answers])),
        "accuracy_surrogate": float(np.mean([t == y for _, t, y in answers])),
        "worst_neurons": worst_neurons(comparisons),
    }


def worst_neurons(
    comparisons: Sequence[Sequence[LayerComparison]], n: int = 10
) -> list[dict[str, Any]]:
    """Hidden neurons whose code differs most from the computed crossing."""
    found = []
    for index, image in enumerate(comparisons):
        for k, layer in enumerate(image[:-1]):
            clipped = np.clip(layer.position, 0, SLOTS)
            for j in np.flatnonzero(layer.spice != layer.surrogate):
                found.append(
                    {
                        "index": index,
                        "layer": k,
                        "neuron": int(j),
                        "spice": int(layer.spice[j]),
                        "surrogate": int(layer.surrogate[j]),
                        "position": round(float(layer.position[j]), 3),
                        "off_by": float(abs(layer.spice[j] - clipped[j]) - 0.5),
                    }
                )
    return sorted(found, key=lambda f: -f["off_by"])[:n]
