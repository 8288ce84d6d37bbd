"""What a folder of decks says of itself: sizes, seeds, circuit, checksums."""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.program import sample_chip
from rram_jax.chip.sample import LayerSample
from rram_jax.device.variability import count_clipped
from rram_jax.neuron.cmos import Process
from rram_jax.ngspice.access import AccessTransistor
from rram_jax.ngspice.array import IDEAL_CELLS, access_of
from rram_jax.ngspice.cmos import models_sha256
from rram_jax.ngspice.job import write_whole
from rram_jax.ngspice.netlist import count_elements, refuse_free_elements


@dataclass(frozen=True, kw_only=True)
class DeckFolder:
    """Writes the decks of some chips, and the manifest beside them."""

    path: Path
    design: NetworkDesign
    process: Process
    array: str
    """How arrays are written (`array.ARRAYS`)."""

    mismatch: bool
    seed: int
    chips: tuple[int, ...]
    images: tuple[int, ...]
    ideal: tuple[str, ...]
    """What no transistor, capacitor or resistor stands for, beside what
    `array.IDEAL_CELLS` and `Process.ideal` say."""

    sha256: dict[str, str] = field(default_factory=dict)
    """Of every file that was written."""

    programmed: dict[str, dict[int, int]] = field(default_factory=dict)
    """What was done to the cells of each chip, and how often."""

    @functools.cached_property
    def access(self) -> AccessTransistor | None:
        """The access transistor of all cells, measured once; None without."""
        return access_of(self.design, self.array, self.process)

    def write(self, name: str, text: str) -> Path:
        """Write one file, in a folder of its own where `name` has one."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        self.sha256[name] = hashlib.sha256(text.encode()).hexdigest()
        return path

    def sample(self, chip: int) -> tuple[LayerSample, ...]:
        """Draw one of the chips, and note what programming did to its cells."""
        design, device = self.design, self.design.device.params()
        sample = sample_chip(self.seed, chip, design, mismatch=self.mismatch)
        # Programmed resistances are clipped, before RTN moves them.
        programmed = sample_chip(
            self.seed, chip, design, rtn_pass=None, mismatch=self.mismatch
        )
        told = {
            "cells_clipped": [count_clipped(x.resistance, device) for x in programmed],
            "trim_pulses": [layer.trim_pulses for layer in sample],
            "verified": [layer.verified for layer in sample],
            "verify_pulses": [layer.verify_pulses for layer in sample],
        }
        for name, layers in told.items():
            self.programmed.setdefault(name, {})[chip] = sum(map(int, layers))
        return sample

    def write_manifest(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """Write and return manifest.json; `sizes` are the decks' own."""
        design = self.design
        manifest = {
            "network": design.network.config.name,
            "network_sha256": design.network.sha256,
            "n_cells": design.network.n_cells,
            "array": self.array,
            "access": self.access and self.access.told,
            "mismatch": self.mismatch,
            "seed": self.seed,
            "chips": list(self.chips),
            "images": list(self.images),
            "device": asdict(design.device),
            "circuit": asdict(design.circuit),
            "neuron_card": design.card.name,
            "neuron_card_sha256": design.card.sha256,
            "cmos_card": self.process.card.name,
            "neuron_netlist": self.process.netlist and self.process.netlist.name,
            "corner": self.process.corner,
            "temperature": self.process.temperature,
            "transistors_sha256": models_sha256(self.process),
            "neurons": [asdict(layer.neuron) for layer in design.layers],
            "programming": asdict(design.programming),
            **self.programmed,
            **sizes,
            "ideal": [*self.ideal, *IDEAL_CELLS[self.array], *self.process.ideal],
            "sha256": self.sha256,
        }
        write_whole(self.path / "manifest.json", json.dumps(manifest, indent=1))
        return manifest


def programming_metrics(manifest: Mapping[str, Any]) -> dict[str, float]:
    """What programming did to the chips: pulses of trimming in all, the rest a chip."""

    def mean(name: str) -> float:
        counts = manifest[name].values()
        return sum(counts) / len(counts)

    return {
        "trim_pulses": sum(manifest["trim_pulses"].values()),
        "verified_mean": mean("verified"),
        "verify_pulses_mean": mean("verify_pulses"),
    }


def checked_elements(text: str) -> Counter:
    """Number of a whole deck's elements.

    Raises:
        InputError: Some of them cost nothing (`netlist.refuse_free_elements`).
    """
    counts = count_elements(text)
    refuse_free_elements(counts)
    return counts
