"""From the trained model to the network in hardware form."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.chip.config import TRIM_PATTERNS, NetworkConfig
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.circuit.encode import SLOTS
from rram_jax.errors import InputError
from rram_jax.qnn.model import LOGIT_RANGE, Mlp
from rram_jax.qnn.quantize import activation
from rram_jax.qnn.surroundings import Surroundings

LOWEST_WINNER = 0.001
"""[-] Quantile of the winners' sums from which the output's ramp reaches."""

HIGHEST_WINNER = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
"""[-] Quantiles that it may reach to: a short ramp resolves close winners, a long one
keeps strong ones apart."""

MARGIN = 0.05
"""[-] Of the output's range, left at the lower end for what spread adds."""

SOFTMAX_SCALES = 3.0
"""[-] An output's ramp over its softmax scale, about, before it is chosen."""


def fold(
    model: Mlp,
    config: NetworkConfig,
    codes: np.ndarray,
    around: Sequence[Surroundings],
    clocks: int = 4,
) -> HardwareNetwork:
    """Take signs and scales; choose the output's range so that fewest images tie.

    Args:
        model: Trained.
        config: Its shape.
        codes: Input codes (images, inputs) on which sums are taken; training or
            validation images, never test images.
        around: What the layers see of the circuit; the sums have its noise.
        clocks: Decisions a slot of an output's ramp (`CircuitConfig.output_clocks`).
    """
    low, high = output_range(np.asarray(_sums(model, codes, around)), clocks)
    z_shift = max(0.0, -low)
    z_full = [float(layer.z_full()) for layer in model.layers]
    z_full[-1] = high + z_shift
    return _hardware(model, config, codes, z_full, z_shift)


def unfinished(model: Mlp, config: NetworkConfig, codes: np.ndarray) -> HardwareNetwork:
    """The network as it stands, its output's range a guess: enough for its wires."""
    z_full = [float(layer.z_full()) for layer in model.layers]
    z_full[-1] *= SOFTMAX_SCALES
    return _hardware(model, config, codes, z_full, 0.0)


def _sums(model, codes, around):
    """Weighted sums (images, outputs) of the outputs."""
    key, z = jax.random.key(0), jnp.asarray(codes, jnp.float32)
    for k, layer in enumerate(list(model.layers)[:-1]):
        sums = layer(z, around[k], jax.random.fold_in(key, k))
        z = activation(SLOTS * sums / layer.z_full())
    return model.layers[-1](z, around[-1], key)


def _hardware(model, config, codes, z_full, z_shift):
    output = model.layers[-1]
    layers = tuple(
        Layer(
            weights=np.asarray(layer.weights(), np.int8),
            columns_per_output=columns,
            z_full=full,
            z_shift=z_shift if layer is output else 0.0,
        )
        for layer, columns, full in zip(
            model.layers, config.columns, z_full, strict=True
        )
    )
    # Few images are repeated, so that every network has as many patterns.
    patterns = np.resize(codes, (TRIM_PATTERNS, codes.shape[1]))
    return HardwareNetwork(
        config=config,
        layers=layers,
        logit_scale=LOGIT_RANGE / float(output.z_full()),
        trim_patterns=patterns if config.trim else None,
    )


def output_range(sums: np.ndarray, clocks: int = 4) -> tuple[float, float]:
    """Weighted sums (images, outputs) that the ramp starts from and ends at.

    The end is the one of `HIGHEST_WINNER` at which fewest images have two outputs with
    the same largest count.
    """
    winners = sums.max(1)
    low = float(np.quantile(winners, LOWEST_WINNER))
    low = min(0.0, low - MARGIN * float(winners.max() - low))

    def ties(high):
        # As `neuron.model.to_counts` has it.
        position = SLOTS * (sums - low) / (high - low)
        counts = np.clip(np.ceil((position - 0.5) * clocks), 0, SLOTS * clocks)
        ordered = np.sort(counts, 1)
        return int((ordered[:, -1] == ordered[:, -2]).sum())

    ends = np.quantile(winners, HIGHEST_WINNER)
    ends = ends[ends > low]
    if not len(ends):
        raise InputError(
            "The network gives every image the same answer: train it longer, or at"
            " another learning rate, before it can be put on the circuit."
        )
    return low, float(min(ends, key=ties))
