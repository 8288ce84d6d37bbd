"""One chip: every cell and every neuron's mismatch, from one key.

The key of chip n is `fold_in(key(seed), n)`; layers and purposes are folded in from
there, so surrogate and deck draw the same chip, in any order and any chunking.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.device.card import DeviceParams
from rram_jax.device.rtn import sample_rtn
from rram_jax.device.variability import sample_resistance
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.mismatch import MISMATCHED, draw_mismatch
from rram_jax.types import Array, Float, Key, register_record


@register_record
@dataclass(frozen=True)
class LayerSample:
    """One layer of one chip, in one RTN state."""

    resistance: Float[Array, "rows cols"]
    """[Ohm] Read resistance of every cell, RTN included."""

    delvto: Float[Array, "neurons transistors"]
    """[V] Threshold shifts of every neuron's transistors."""


def chip_key(seed: int, chip: int) -> Key:
    """The key that makes chip number `chip` of a seed."""
    return jax.random.fold_in(jax.random.key(seed), chip)


def sample_layer(
    key: Key,
    design: LayerDesign,
    layer_index: int,
    device: DeviceParams,
    card: NeuronCard,
    *,
    rtn_pass: int | None = 0,
    mismatch: bool = True,
) -> LayerSample:
    """Draw one layer of the chip that `key` makes.

    Args:
        key: From `chip_key`.
        design: The layer.
        layer_index: Its number, 0 for the first.
        device: Medians and spreads.
        card: Threshold mismatch of the neurons' transistors.
        rtn_pass: Which pass over the test set: each has one frozen RTN state. None
            leaves RTN out.
        mismatch: False for neurons without threshold shifts.
    """
    layer_key = jax.random.fold_in(key, layer_index)
    cell_key, trap_key, state_key, neuron_key = jax.random.split(layer_key, 4)
    resistance = sample_resistance(cell_key, design.is_lrs, device)
    if rtn_pass is not None:
        state_key = jax.random.fold_in(state_key, rtn_pass)
        resistance *= sample_rtn(trap_key, state_key, design.is_lrs, device)
    n = design.layer.n_outputs
    if mismatch:
        delvto = draw_mismatch(neuron_key, n, design.neuron, card)
    else:
        delvto = jnp.zeros((n, len(MISMATCHED)), jnp.float32)
    return LayerSample(resistance=resistance, delvto=delvto)


def sample_chip(
    seed: int,
    chip: int,
    design: NetworkDesign,
    *,
    rtn_pass: int | None = 0,
    mismatch: bool = True,
) -> tuple[LayerSample, ...]:
    """Draw chip number `chip` of a seed, layer by layer."""
    key, device = chip_key(seed, chip), design.device.params()
    return tuple(
        sample_layer(
            key, layer, k, device, design.card, rtn_pass=rtn_pass, mismatch=mismatch
        )
        for k, layer in enumerate(design.layers)
    )
