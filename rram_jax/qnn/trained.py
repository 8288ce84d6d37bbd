"""A checkpoint as an object: its accuracy and its gradients are one call each."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.chip.config import (
    CALIBRATION_IMAGES,
    CircuitConfig,
    ProgrammingConfig,
)
from rram_jax.chip.design import NetworkDesign, design_network
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.loss import expected_loss
from rram_jax.chip.network import HardwareNetwork
from rram_jax.chip.sample import chip_key
from rram_jax.chip.statistics import AccuracySummary, summarise
from rram_jax.data.codes import input_codes
from rram_jax.data.datasets import load_dataset
from rram_jax.device.card import DeviceCard, load_card
from rram_jax.qnn.checkpoint import load_checkpoint


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the data it belongs to and the circuit it is put on."""

    network: HardwareNetwork
    """What is programmed."""

    config: dict[str, Any]
    """How it was trained."""

    device: DeviceCard
    """Cells that it is programmed into."""

    circuit: CircuitConfig
    """The circuit around them."""

    data_dir: Path | None = None
    """Folder of data sets; None for what RRAM_JAX_DATA names."""

    @cached_property
    def design(self) -> NetworkDesign:
        """The network's circuit, with wires."""
        return design_network(self.network, self.device, self.circuit)

    @cached_property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """Input codes (images, inputs) and labels (images,) of the test set."""
        dataset = load_dataset(self.config["data"], self.data_dir)
        codes = input_codes(dataset.test_images, self.network.config.sizes[0])
        return codes, dataset.test_labels

    @cached_property
    def calibration(self) -> np.ndarray:
        """Input codes (images, inputs) of the training images for choosing cells."""
        dataset = load_dataset(self.config["data"], self.data_dir)
        images = dataset.train_images[:CALIBRATION_IMAGES]
        return input_codes(images, self.network.config.sizes[0])

    def accuracy(
        self,
        *,
        sigma_lrs: float | None = None,
        circuit: str = "map",
        chips: int = 20,
        seed: int = 0,
        images: int | None = None,
        programming: ProgrammingConfig | None = None,
    ) -> AccuracySummary:
        """Accuracy on the test images over sampled chips: that of `rram-jax evaluate`.

        Compiled once for each circuit, number of images and programming; the full
        scales are designed for the spread.

        Args:
            sigma_lrs: [-] Spread of ln R_LRS; None for the card's own.
            circuit: One of `chip.config.CIRCUITS`.
            chips: Number of sampled chips.
            seed: Makes them.
            images: Take the first so many test images; None for all.
            programming: How the chips are programmed; as the card says where None.
        """
        programming = programming or ProgrammingConfig()
        codes, labels = (part[:images] for part in self.test)
        device = self._device(sigma_lrs)
        design = design_network(
            self.network,
            device,
            self.circuit,
            wires=circuit != "ideal",
            programming=programming,
            calibration=self.calibration if programming.calibrated else None,
        )
        device = design.device
        evaluator = self._evaluators.get((circuit, images, programming))
        if evaluator is None:
            evaluator = ChipEvaluator(design, codes, labels, circuit)
            self._evaluators[circuit, images, programming] = evaluator
        right = evaluator(
            seed, range(chips), device.params(), self.circuit.v_read, design=design
        ).right
        return summarise(right / len(labels))

    @cached_property
    def _evaluators(
        self,
    ) -> dict[tuple[str, int | None, ProgrammingConfig], ChipEvaluator]:
        """Compiled evaluations, by circuit, number of images and programming."""
        return {}

    def loss_and_gradient(
        self,
        *,
        sigma_lrs: float | None = None,
        v_read: float | None = None,
        circuit: str = "map",
        chips: int = 8,
        seed: int = 0,
        images: int = 500,
    ) -> tuple[float, dict[str, float]]:
        """Expected cross-entropy [nat], and its gradient in `sigma_lrs` and `v_read`.

        The same seed takes the same chips and the full scales stay those of the card's
        own spread, so two calls can be subtracted.

        Args:
            sigma_lrs: [-] Spread of ln R_LRS; None for the card's own.
            v_read: [V] Row swing; None for the circuit's own.
            circuit: "map" or "full".
            chips: Number of sampled chips.
            seed: Makes them.
            images: The first so many test images.

        Returns:
            The loss, and the gradient as {"sigma_lrs": [nat], "v_read": [nat/V]}.
        """
        codes, labels = self.test
        design = self.design  # here: what is made under a trace cannot be kept
        keys = jnp.stack([chip_key(seed, chip) for chip in range(chips)])
        card = self._device(sigma_lrs)
        volts = self.circuit.v_read if v_read is None else v_read
        point = {"sigma_lrs": card.sigma_lrs, "v_read": volts}

        def loss(x):
            device = dataclasses.replace(card.params(), sigma_lrs=x["sigma_lrs"])
            return expected_loss(
                device,
                x["v_read"],
                keys,
                jnp.asarray(codes[:images], jnp.float32),
                jnp.asarray(labels[:images], jnp.int32),
                design,
                circuit,
            )

        floats = {name: jnp.asarray(x, jnp.float32) for name, x in point.items()}
        value, gradient = jax.jit(jax.value_and_grad(loss))(floats)
        return float(value), {name: float(g) for name, g in gradient.items()}

    def _device(self, sigma_lrs: float | None) -> DeviceCard:
        if sigma_lrs is None:
            return self.device
        return dataclasses.replace(self.device, sigma_lrs=sigma_lrs)


def load(
    folder: str | Path,
    *,
    device: str | Path | DeviceCard = "bench-r10",
    circuit: CircuitConfig | None = None,
    data_dir: str | Path | None = None,
) -> TrainedNetwork:
    """Load a checkpoint and put it on a device and a circuit.

    Args:
        folder: A finished `rram-jax train` run, or one of checkpoints/.
        device: A card, or the preset or path of one.
        circuit: The defaults where None.
        data_dir: Folder of data sets; None for what RRAM_JAX_DATA names.

    Raises:
        InputError: There is no such checkpoint or card.
    """
    checkpoint = load_checkpoint(folder)
    return TrainedNetwork(
        network=checkpoint.network,
        config=checkpoint.config,
        device=device if isinstance(device, DeviceCard) else load_card(device),
        circuit=circuit or CircuitConfig(),
        data_dir=None if data_dir is None else Path(data_dir),
    )
