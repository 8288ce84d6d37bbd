"""Writing decks to a folder that explains itself."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.program import sample_chip
from rram_jax.device.variability import count_clipped
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.ngspice.cmos import models_sha256
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.decode import DeckPlan
from rram_jax.ngspice.job import BODY_NAME, write_whole
from rram_jax.ngspice.netlist import FORBIDDEN, count_elements

IDEAL = (
    "clocks and phases",
    "the supply",
    "one reference current a layer",
    "the reference voltages v_cm, v_cm + v_read, v_cm - v_read and v_pre",
    "the step of each layer's reference gate (the ramp)",
    "the pulses of the input codes ahead of their transistor buffers",
    "the counter that reads when an output comparator falls",
    "one image a deck: its auto-zero starts settled and is not counted",
    "cells are resistors: no access transistor, no word line",
    "the test of the chip that trim pairs are chosen in, where a network has them",
    "the reading of all cells that selective write-verify chooses by",
)
"""What is ideal in every deck; all else is transistors, capacitors and resistors."""


def export(
    folder: Path,
    design: NetworkDesign,
    codes: np.ndarray,
    images: Sequence[int],
    *,
    seed: int = 0,
    chips: Sequence[int] = (0,),
    array: str = "multiport",
    mismatch: bool = True,
    watch: tuple[int, int] | None = None,
    process: Process | None = None,
) -> tuple[dict[str, Any], DeckPlan]:
    """Write the decks of some images on some chips, and a manifest.

        manifest.json            sizes, seeds, design, checksums
        chip_0000/network.inc    one chip: arrays, neurons, phases
        chip_0000/image_00007.cir    inputs of one image; run this one

    Args:
        folder: Made where it is missing; files of the same name are replaced.
        design: The network's circuit.
        codes: Input codes (images, inputs) of the whole set.
        images: Which of them get a deck.
        seed: Makes the chips.
        chips: Which chips get decks.
        array: How arrays are written (`deck.ARRAYS`).
        mismatch: False for neurons without threshold shifts.
        watch: (layer, neuron) whose inner nodes are saved as well.
        process: Of all transistors; our own card, typical, where None.

    Returns:
        The manifest, and what decoding needs.
    """
    process = process or default_process()
    files, counts, clipped, pulses = {}, {}, {}, {}
    verified, verify_pulses = {}, {}
    for chip in chips:
        sample = sample_chip(seed, chip, design, mismatch=mismatch)
        device = design.device.params()
        # Programmed resistances are clipped, before RTN moves them.
        clipped[chip] = sum(
            int(count_clipped(layer.resistance, device))
            for layer in sample_chip(
                seed, chip, design, rtn_pass=None, mismatch=mismatch
            )
        )
        pulses[chip] = sum(int(layer.trim_pulses) for layer in sample)
        verified[chip] = sum(int(layer.verified) for layer in sample)
        verify_pulses[chip] = sum(int(layer.verify_pulses) for layer in sample)
        deck = network_deck(design, sample, array, process=process)
        place = folder / f"chip_{chip:04d}"
        place.mkdir(parents=True, exist_ok=True)
        _write(place / BODY_NAME, deck.body, files, folder)
        for image in images:
            text = deck.image(codes[image].tolist(), watch)
            _write(place / f"image_{image:05d}.cir", text, files, folder)
        whole = text.replace(f".include {BODY_NAME}", deck.body)
        counts = count_elements(whole)
        assert not FORBIDDEN & set(counts), "a deck with elements that cost nothing"
    manifest = {
        "network": design.network.config.name,
        "network_sha256": design.network.sha256,
        "n_cells": design.network.n_cells,
        "n_mosfets": counts["m"],
        "n_resistors": counts["r"],
        "array": array,
        "mismatch": mismatch,
        "seed": seed,
        "chips": list(chips),
        "images": [int(i) for i in images],
        "device": asdict(design.device),
        "circuit": asdict(design.circuit),
        "neuron_card": design.card.name,
        "neuron_card_sha256": design.card.sha256,
        "cmos_card": process.card.name,
        "corner": process.corner,
        "temperature": process.temperature,
        "transistors_sha256": models_sha256(process),
        "neurons": [asdict(layer.neuron) for layer in design.layers],
        "cells_clipped": clipped,
        "programming": asdict(design.programming),
        "trim_pulses": pulses,
        "verified": verified,
        "verify_pulses": verify_pulses,
        "t_pulse_s": [phase.t_pulse for phase in deck.phases],
        "t_stop_s": deck.t_stop,
        "ideal": list(IDEAL),
        "sha256": files,
    }
    write_whole(folder / "manifest.json", json.dumps(manifest, indent=1))
    return manifest, deck.plan


def _write(path: Path, text: str, files: dict[str, str], root: Path):
    write_whole(path, text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    files[path.relative_to(root).as_posix()] = digest
