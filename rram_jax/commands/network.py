"""What several commands ask about a network."""

import dataclasses

import numpy as np
from jaxtyping import UInt8

from rram_jax.chip.config import CALIBRATION_IMAGES, CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.network import HardwareNetwork
from rram_jax.data import Dataset, input_codes
from rram_jax.device.card import DeviceCard
from rram_jax.errors import InputError
from rram_jax.types import Integer


def check_fit(network: NetworkConfig, dataset: Dataset) -> None:
    """Check that the data fit the network's inputs and outputs.

    Raises:
        InputError: They do not.
    """
    input_codes(dataset.test_images[:1], network.sizes[0])
    parts = (dataset.train_labels, dataset.validation_labels, dataset.test_labels)
    largest = max(int(labels.max()) for labels in parts)
    if largest >= network.sizes[-1]:
        raise InputError(
            f"{network.name} has {network.sizes[-1]} outputs, and the labels of"
            f" {dataset.name} go up to {largest}: it needs {largest + 1} or more."
        )


def calibration_codes(
    network: NetworkConfig, dataset: Dataset
) -> UInt8[np.ndarray, "images inputs"]:
    """Input codes of the training images that cells may be chosen on."""
    images = dataset.train_images[:CALIBRATION_IMAGES]
    return input_codes(images, network.sizes[0])


def ideal_accuracy(
    network: HardwareNetwork,
    card: DeviceCard,
    images: UInt8[np.ndarray, "n height width"],
    labels: Integer[np.ndarray, " n"],
    circuit: CircuitConfig | None = None,
) -> float:
    """Share of right answers with cells without spread, ideal wires and neurons."""
    nominal = dataclasses.replace(
        card,
        sigma_lrs=0.0,
        sigma_hrs=0.0,
        tail_share=0.0,
        tail_share_hrs=0.0,
        stuck_lrs=0.0,
        stuck_hrs=0.0,
        rtn_traps_lrs=0.0,
        rtn_traps_hrs=0.0,
        band_lrs=0.0,
        band_hrs=0.0,
    )
    design = design_network(network, nominal, circuit, wires=False)
    codes = input_codes(images, network.config.sizes[0])
    evaluator = ChipEvaluator(design, codes, labels, "ideal")
    right = evaluator(0, [0], nominal.params(), design.circuit.v_read).right
    return float(right[0]) / len(labels)
