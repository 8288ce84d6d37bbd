"""What is simulated, whatever the tier: images on sampled chips of a design."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.program import sample_chip
from rram_jax.chip.sample import LayerSample
from rram_jax.chip.surrogate import ChipLayer
from rram_jax.device.variability import count_clipped
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.ngspice.access import AccessTransistor
from rram_jax.ngspice.array import access_of, array_form
from rram_jax.ngspice.compare import (
    LayerComparison,
    compare_layers,
    end_to_end,
    exact_chip,
    last_to_cross,
)
from rram_jax.types import Integer


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Images on chips, the same cells and mismatch in ngspice and in the surrogate.

    Chips are drawn when they are first asked for, and kept.

    Raises:
        InputError: Codes, labels and images do not fit each other or the network, there
            are no chips, or no such array.
    """

    design: NetworkDesign
    """The network's circuit."""

    codes: Integer[np.ndarray, "all inputs"]
    """[-] Input codes of a whole data set."""

    labels: Integer[np.ndarray, " all"]
    """[-] Its labels."""

    images: Sequence[int] = (0,)
    """[-] Which of them are taken."""

    chips: Sequence[int] = (0,)
    """[-] Numbers of the chips: with the seed, they make cells, RTN and mismatch."""

    seed: int = 0
    """[-] Makes the chips."""

    mismatch: bool = True
    """False for neurons without threshold shifts."""

    array: str = "multiport"
    """How arrays are written (`array.ARRAYS`)."""

    process: Process = field(default_factory=default_process)
    """Of all transistors. The surrogate knows nothing of it: its neurons are those of
    the design's card."""

    def __post_init__(self):
        # Rows and manifests hold them as JSON, which knows nothing of numpy's integers.
        for name in ("images", "chips"):
            object.__setattr__(self, name, tuple(map(int, getattr(self, name))))
        array_form(self.array)
        shape, n_inputs = np.shape(self.codes), self.design.network.config.sizes[0]
        if shape != (len(self.labels), n_inputs):
            raise InputError(
                f"Codes must be {n_inputs} inputs of as many images as there are"
                f" labels, {len(self.labels)}; their shape is {shape}."
            )
        for name, end in (("images", shape[0]), ("chips", None)):
            numbers = getattr(self, name)
            if not numbers or min(numbers) < 0 or (end and max(numbers) >= end):
                below = f" below {end}" if end else ""
                raise InputError(
                    f"{name} must be one or more numbers from 0 on{below};"
                    f" got {numbers}."
                )
            if len(set(numbers)) < len(numbers):
                raise InputError(f"{name} must differ; got {numbers}.")

    @property
    def taken(self) -> Integer[np.ndarray, "images inputs"]:
        """[-] Input codes of the images that are taken."""
        return self.codes[list(self.images)]

    @functools.cached_property
    def samples(self) -> list[tuple[LayerSample, ...]]:
        """The chips, as they are written into decks."""
        return [self._sample(chip) for chip in self.chips]

    @functools.cached_property
    def exact(self) -> list[tuple[ChipLayer, ...]]:
        """The same chips in the surrogate, with their exact transfers."""
        return [exact_chip(self.design, sample) for sample in self.samples]

    @functools.cached_property
    def access(self) -> AccessTransistor | None:
        """The access transistor of all cells, measured once; None without."""
        return access_of(self.design, self.array, self.process)

    @functools.cached_property
    def programming(self) -> dict[str, dict[int, int]]:
        """What was done to the cells of each chip, and how often."""
        told = {}
        for chip, sample in zip(self.chips, self.samples, strict=True):
            # Programmed resistances are clipped, before RTN moves them.
            programmed = self._sample(chip, rtn_pass=None)
            device = self.design.device.params()
            by_layer = {
                "cells_clipped": [
                    count_clipped(layer.resistance, device) for layer in programmed
                ],
                "trim_pulses": [layer.trim_pulses for layer in sample],
                "verified": [layer.verified for layer in sample],
                "verify_pulses": [layer.verify_pulses for layer in sample],
            }
            for name, layers in by_layer.items():
                told.setdefault(name, {})[chip] = sum(map(int, layers))
        return told

    def judge(
        self, found: Sequence[Integer[np.ndarray, "chips images _"]]
    ) -> tuple[list[dict[str, Any]], list[list[LayerComparison]]]:
        """Rows and comparisons of a tier with neurons, chips then images.

        Args:
            found: What ngspice said, layer by layer.
        """
        rows, comparisons = [], []
        for n, (chip, exact) in enumerate(zip(self.chips, self.exact, strict=True)):
            alone = end_to_end(self.design, exact, self.taken)
            for m, image in enumerate(self.images):
                layers = [counts[n, m] for counts in found]
                comparisons.append(
                    compare_layers(self.design, exact, self.codes[image], layers)
                )
                rows.append(
                    {
                        "chip": chip,
                        "image": image,
                        "label": int(self.labels[image]),
                        "winner_spice": list(last_to_cross(layers[-1])),
                        "winner_surrogate": list(last_to_cross(alone[m])),
                        "counts": layers[-1].tolist(),
                        "counts_surrogate_end_to_end": alone[m].tolist(),
                    }
                )
        return rows, comparisons

    def _sample(self, chip: int, **options) -> tuple[LayerSample, ...]:
        return sample_chip(
            self.seed, chip, self.design, mismatch=self.mismatch, **options
        )
