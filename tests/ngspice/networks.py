"""A small network whose neurons are within reach of their card, for decks."""

from collections.abc import Sequence

import numpy as np

from rram_jax.chip.config import TRIM_PATTERNS, CircuitConfig, NetworkConfig
from rram_jax.chip.design import NetworkDesign, design_network
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.circuit.config import TileConfig
from rram_jax.device.card import load_card
from rram_jax.ngspice.trials import Trials
from tests.helpers import random_network

SIZES = (34, 5, 3)
SMALL = (8, 4, 3)
CODES = np.random.default_rng(3).integers(0, 16, (4, SIZES[0])).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0])


def trials_of(design: NetworkDesign, images: Sequence[int], **settings) -> Trials:
    """Some of four random images on chips of a design."""
    codes = CODES[:, : design.network.config.sizes[0]]
    return Trials(design=design, codes=codes, labels=LABELS, images=images, **settings)


def random_design() -> NetworkDesign:
    """A random network of three tiles and two columns an output, biased, trimmed."""
    rng = np.random.default_rng(0)
    config = NetworkConfig(sizes=SIZES, columns_per_output=2, n_bias=1, trim=True)
    weights = [rng.choice([-1, 1], shape) for shape in config.weight_shapes]
    weights[0][34], weights[1][5] = [1, 0, -1, 0, 1], [0, 1, -1, 0, 0, 1]
    weights[0][35:], weights[1][6:] = 0, 0
    # Full scales of 24 and 28 mV: random sums stay within a few of them, as in a
    # trained network; far outside the integrator saturates, which no card holds.
    scales = [(6.0, 0.0), (4.0, 0.7)]
    layers = tuple(
        Layer(weights=w, columns_per_output=c, z_full=full, z_shift=shift)
        for w, c, (full, shift) in zip(weights, config.columns, scales, strict=True)
    )
    network = HardwareNetwork(
        config=config,
        layers=layers,
        logit_scale=1.0,
        trim_patterns=rng.integers(0, 16, (TRIM_PATTERNS, SIZES[0])).astype(np.uint8),
    )
    circuit = CircuitConfig(tile=TileConfig(rows=32, cols=4))
    return design_network(network, load_card("hfo2-nominal"), circuit)


def small_design() -> NetworkDesign:
    """A smaller one, biased, on two and three columns of tiles."""
    config = NetworkConfig(sizes=SMALL, columns_per_output=2, n_bias=1)
    network = random_network(3, config, z_full=(1.4, 1.8))
    circuit = CircuitConfig(tile=TileConfig(rows=32, cols=3))
    return design_network(network, load_card("hfo2-nominal"), circuit)
