"""Writing decks to a folder that explains itself."""

from pathlib import Path
from typing import Any

from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.decode import DeckPlan
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.manifest import DeckFolder, checked_elements
from rram_jax.ngspice.trials import Trials

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
    trials: Trials, folder: Path, *, watch: tuple[int, int] | None = None
) -> tuple[dict[str, Any], DeckPlan]:
    """Write a deck for each image on each chip, and a manifest.

        manifest.json            sizes, seeds, design, checksums
        chip_0000/network.inc    one chip: arrays, neurons, phases
        chip_0000/image_00007.cir    inputs of one image; run this one

    Args:
        trials: Which images on which chips of which design.
        folder: Made where it is missing; files of the same name are replaced.
        watch: (layer, neuron) whose inner nodes the first deck saves as well.

    Returns:
        The manifest, and what decoding needs.

    Raises:
        InputError: The design cannot be written as a deck, or the process brings
            elements that cost nothing (`netlist.refuse_free_elements`).
    """
    decks = DeckFolder(path=folder, trials=trials, ideal=IDEAL)
    first = trials.chips[0], trials.images[0]
    for chip, sample in zip(trials.chips, trials.samples, strict=True):
        deck = network_deck(
            trials.design,
            sample,
            trials.array,
            access=trials.access,
            process=trials.process,
        )
        images = zip(trials.images, trials.taken, strict=True)
        texts = {
            image: deck.image(codes.tolist(), watch if (chip, image) == first else None)
            for image, codes in images
        }
        whole = texts[trials.images[-1]].replace(f".include {BODY_NAME}", deck.body)
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
