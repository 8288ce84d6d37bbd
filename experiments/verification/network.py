"""A tiny network with its circuit, small enough for decks within seconds."""

import numpy as np

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.chip.design import NetworkDesign, design_network
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.circuit.config import TileConfig
from rram_jax.device.card import load_card


def tiny_design() -> NetworkDesign:
    """A random network of 8-4-3 on tiles of 8 x 4; its first layer has two of them."""
    rng = np.random.default_rng(4)
    config = NetworkConfig(sizes=(8, 4, 3), columns_per_output=2)
    layers = tuple(
        Layer(
            weights=rng.choice([-1, 1], shape).astype(np.int8),
            columns_per_output=columns,
            z_full=full,
            z_shift=shift,
        )
        for shape, columns, full, shift in zip(
            config.weight_shapes, config.columns, (1.0, 1.0), (0.0, 0.5), strict=True
        )
    )
    network = HardwareNetwork(config=config, layers=layers, logit_scale=1.0)
    circuit = CircuitConfig(tile=TileConfig(rows=8, cols=4))
    return design_network(network, load_card("hfo2-nominal"), circuit)
