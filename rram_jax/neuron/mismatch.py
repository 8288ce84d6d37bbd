"""Threshold mismatch: one draw of a neuron's transistors, for deck and model alike."""

import math

import jax
import jax.numpy as jnp

from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.sizing import size_neurons
from rram_jax.types import Array, Float, Key


def gate_areas(config: NeuronConfig) -> tuple[float, ...]:
    """[m^2] W L of each of `config.mismatched`."""
    sizes = size_neurons(config)
    blocks = {
        "gm": sizes.gm_cell,
        "latch": sizes.latch,
        "comparator": sizes.comparator,
    }
    area = {f"{b}_{t.name}": t.width * t.length for b, ts in blocks.items() for t in ts}
    return tuple(area[name] for name in config.mismatched)


def draw_mismatch(
    key: Key, n: int, config: NeuronConfig, card: NeuronCard
) -> Float[Array, "n transistors"]:
    """Threshold shifts [V] of `n` neurons, BSIM4's `delvto` (added to the signed V_T).

    One draw is one manufactured chip's neurons of one layer. Float32 whatever the mode,
    so that the same key gives the same chip to the deck and to the model.

    References:
        Pelgrom, Duinmaijer, Welbers, "Matching properties of MOS transistors", IEEE
        JSSC 24 (1989), 10.1109/JSSC.1989.572629: sigma = A_VT / sqrt(W L).
    """
    sigma = mismatch_sigma(config, card)
    return sigma * jax.random.normal(key, (n, len(sigma)), jnp.float32)


def mismatch_sigma(
    config: NeuronConfig, card: NeuronCard
) -> Float[Array, " transistors"]:
    """[V] Standard deviation of each threshold shift, as `config.mismatched` orders."""
    sigma = [card.mismatch.a_vt / math.sqrt(area) for area in gate_areas(config)]
    return jnp.asarray(sigma, jnp.float32)


def position_shift(
    delvto: Float[Array, "*n transistors"], config: NeuronConfig, card: NeuronCard
) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    """What threshold shifts do to the crossing: (offset [slots], gain change [-]).

    Add the first to `NeuronParams.offset` and the second to `gain`. The slopes were
    measured one transistor at a time on the testbench.
    """
    offset, gain = card.slopes(config)
    return delvto @ offset.astype(delvto.dtype), delvto @ gain.astype(delvto.dtype)
