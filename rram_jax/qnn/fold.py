"""From the trained model to the network in hardware form."""

import jax.numpy as jnp
import numpy as np

from rram_jax.chip.network import HardwareNetwork, Layer, NetworkConfig
from rram_jax.circuit.encode import SLOTS
from rram_jax.qnn.model import LOGIT_RANGE, Mlp
from rram_jax.qnn.quantize import activation
from rram_jax.qnn.spread import Spread

WINNERS = (0.001, 0.999)
"""[-] Quantiles of the winners' sums that the output's ramp reaches from and to."""

MARGIN = 0.05
"""[-] Of the output's range, left at both ends for what spread adds."""


def fold(
    model: Mlp, config: NetworkConfig, codes: np.ndarray, spread: Spread
) -> HardwareNetwork:
    """Take signs and scales; set the output's range from the winners' sums.

    Args:
        model: Trained.
        config: Its shape.
        codes: Input codes (images, inputs) on which the winners' sums are taken;
            training or validation images, never test images.
        spread: Of the training, for the load of off pairs only.
    """
    z = jnp.asarray(codes, jnp.float32)
    for layer in list(model.layers)[:-1]:
        z = activation(SLOTS * layer(z, spread, None) / layer.z_full())
    output = model.layers[-1]
    winners = np.asarray(output(z, spread, None).max(-1))
    low, high = np.quantile(winners, WINNERS)
    margin = MARGIN * (high - low)
    z_shift = max(0.0, float(margin - low))
    z_full = [float(layer.z_full()) for layer in model.layers]
    z_full[-1] = float(high + margin) + z_shift
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
    return HardwareNetwork(
        config=config, layers=layers, logit_scale=LOGIT_RANGE / float(output.z_full())
    )
