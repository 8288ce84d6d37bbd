"""One chip as it is drawn: every cell and every neuron's mismatch, from one key.

The key of chip n is `fold_in(key(seed), n)`; layers and purposes are folded in from
there, so surrogate and deck draw the same chip, in any order and any chunking.
A chip that is programmed again (`cycle`) keeps its key: stuck cells, the device-to-
device part of every cell, traps and mismatch stay, the rest is drawn anew.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.chip.design import LayerDesign
from rram_jax.device.card import DeviceParams
from rram_jax.device.rtn import frozen_rtn, sample_traps
from rram_jax.device.variability import (
    Cycle,
    draw_stuck,
    key_of_cycle,
    sample_resistance,
    stuck_state,
)
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.mismatch import draw_mismatch
from rram_jax.types import Array, Bool, Float, Int, Integer, Key, register_record


@register_record
@dataclass(frozen=True)
class LayerSample:
    """One layer of one chip."""

    is_lrs: Bool[Array, "rows cols"]
    """Which cells are programmed to the low-resistance state."""

    stuck: Float[Array, "rows cols"]
    """[-] Uniform number of every cell: says whether it is stuck, and stays with it
    (`device.variability.stuck_state`)."""

    resistance: Float[Array, "rows cols"]
    """[Ohm] Read resistance of every cell, RTN included once it is applied."""

    delvto: Float[Array, "neurons transistors"]
    """[V] Threshold shifts of every neuron's transistors."""

    trim_pulses: Int[Array, ""]
    """[-] Cells that trimming has programmed anew."""

    verified: Int[Array, ""]
    """[-] Cells that selective write-verify has chosen."""

    verify_pulses: Int[Array, ""]
    """[-] Programmings that it has made of them."""


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
    mismatch: bool = True,
    cycle: Cycle = 0,
) -> LayerSample:
    """Draw one layer of the chip that `key` makes, as it leaves programming.

    Args:
        key: From `chip_key`.
        design: The layer.
        layer_index: Its number, 0 for the first.
        device: Medians and spreads.
        card: Threshold mismatch of the neurons' transistors.
        mismatch: False for neurons without threshold shifts.
        cycle: Which programming of the chip.
    """
    cell_key, _, _, neuron_key = _layer_keys(key, layer_index)
    n = design.layer.n_outputs
    if mismatch:
        delvto = draw_mismatch(neuron_key, n, design.neuron, card)
    else:
        delvto = jnp.zeros((n, len(design.neuron.mismatched)), jnp.float32)
    return LayerSample(
        is_lrs=design.is_lrs,
        stuck=draw_stuck(cell_key, design.is_lrs.shape),
        resistance=sample_resistance(cell_key, design.is_lrs, device, cycle=cycle),
        delvto=delvto,
        trim_pulses=jnp.zeros((), jnp.int32),
        verified=jnp.zeros((), jnp.int32),
        verify_pulses=jnp.zeros((), jnp.int32),
    )


def rtn_factor(
    key: Key,
    layer_index: int,
    sample: LayerSample,
    device: DeviceParams,
    rtn_pass: int | Integer[Array, ""],
    cycle: Cycle = 0,
) -> Float[Array, "rows cols"]:
    """[-] What RTN makes of every resistance of a layer of the chip that `key` makes.

    `rtn_pass` says which pass over the test set after programming number `cycle`: each
    has one frozen state of the same traps. (How many of a cell's traps lie in the
    barrier of HRS follows from its resistance, and so from the cycle.)
    """
    _, trap_key, state_key, _ = _layer_keys(key, layer_index)
    state_key = jax.random.fold_in(key_of_cycle(state_key, cycle), rtn_pass)
    state = stuck_state(sample.stuck, sample.is_lrs, device)
    traps = sample_traps(trap_key, sample.resistance, state, device)
    return frozen_rtn(state_key, traps)


def _layer_keys(key, layer_index):
    """Keys of cells, traps, trap states and neurons."""
    return jax.random.split(jax.random.fold_in(key, layer_index), 4)
