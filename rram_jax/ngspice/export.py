"""Writing decks to a folder that explains itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.decode import DeckPlan
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.manifest import DeckFolder, checked_elements

IDEAL = (
    "clocks and phases",
    "the supply",
    "one reference current a layer",
    "the reference voltages v_cm, v_cm + v_read, v_cm - v_read and v_pre",
    "the step of each layer's reference gate (the ramp)",
    "the pulses of the input codes ahead of their transistor buffers",
    "the counter that reads when an output comparator falls",
    "one image a deck: its auto-zero starts settled and is not counted",
    "the test of the chip that trim pairs are chosen in, where a network has them",
    "the reading of all cells that selective write-verify chooses by",
)
"""What is ideal in every deck, and what `array.IDEAL_CELLS` says; all else is
transistors, capacitors and resistors."""


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
        array: How arrays are written (`array.ARRAYS`).
        mismatch: False for neurons without threshold shifts.
        watch: (layer, neuron) whose inner nodes are saved as well.
        process: Of all transistors; our own card, typical, where None.

    Returns:
        The manifest, and what decoding needs.

    Raises:
        InputError: The design cannot be written as a deck, or the process brings
            elements that cost nothing (`netlist.refuse_free_elements`).
    """
    decks = DeckFolder(
        path=folder,
        design=design,
        process=process or default_process(),
        array=array,
        mismatch=mismatch,
        seed=seed,
        chips=tuple(chips),
        images=tuple(int(i) for i in images),
        ideal=IDEAL,
    )
    for chip in chips:
        deck = network_deck(
            design,
            decks.sample(chip),
            array,
            access=decks.access,
            process=decks.process,
        )
        texts = {k: deck.image(codes[k].tolist(), watch) for k in images}
        whole = texts[images[-1]].replace(f".include {BODY_NAME}", deck.body)
        counts = checked_elements(whole)
        decks.write(f"chip_{chip:04d}/{BODY_NAME}", deck.body)
        for image, text in texts.items():
            decks.write(f"chip_{chip:04d}/image_{image:05d}.cir", text)
    sizes = {
        "n_mosfets": counts["m"],
        "n_resistors": counts["r"],
        "t_pulse_s": [phase.t_pulse for phase in deck.phases],
        "t_stop_s": deck.t_stop,
    }
    return decks.write_manifest(sizes), deck.plan
