"""What a folder of decks says of itself: sizes, seeds, circuit, checksums."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rram_jax.ngspice.array import IDEAL_CELLS
from rram_jax.ngspice.cmos import models_sha256
from rram_jax.ngspice.job import write_whole
from rram_jax.ngspice.netlist import count_elements, refuse_free_elements
from rram_jax.ngspice.trials import Trials


@dataclass(frozen=True, kw_only=True)
class DeckFolder:
    """Writes the decks of some trials, and the manifest beside them."""

    path: Path
    trials: Trials
    ideal: tuple[str, ...]
    """What no transistor, capacitor or resistor stands for, beside what
    `array.IDEAL_CELLS` and `Process.ideal` say."""

    sha256: dict[str, str] = field(default_factory=dict)
    """Of every file that was written."""

    def write(self, name: str, text: str) -> Path:
        """Write one file, in a folder of its own where `name` has one."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        self.sha256[name] = hashlib.sha256(text.encode()).hexdigest()
        return path

    def write_manifest(self, sizes: Mapping[str, Any]) -> dict[str, Any]:
        """Write and return manifest.json; `sizes` are the decks' own."""
        trials, design, process = self.trials, self.trials.design, self.trials.process
        manifest = {
            "network": design.network.config.name,
            "network_sha256": design.network.sha256,
            "n_cells": design.network.n_cells,
            "array": trials.array,
            "access": trials.access and trials.access.told,
            "mismatch": trials.mismatch,
            "seed": trials.seed,
            "chips": list(trials.chips),
            "images": list(trials.images),
            "device": asdict(design.device),
            "circuit": asdict(design.circuit),
            "neuron_card": design.card.name,
            "neuron_card_sha256": design.card.sha256,
            "cmos_card": process.card.name,
            "neuron_netlist": process.netlist and process.netlist.name,
            "corner": process.corner,
            "temperature": process.temperature,
            "transistors_sha256": models_sha256(process),
            "neurons": [asdict(layer.neuron) for layer in design.layers],
            "programming": asdict(design.programming),
            **trials.programming,
            **sizes,
            "ideal": [*self.ideal, *IDEAL_CELLS[trials.array], *process.ideal],
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
