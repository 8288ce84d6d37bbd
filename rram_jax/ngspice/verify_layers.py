"""Tier `layer`: every cell, wire and neuron of one layer in one transient.

ngspice's own codes of the layer before are the stimulus, so what tier `full` does in
one run is done here in steps that large networks allow: a layer, or a column of its
tiles (`parts.layer_parts`), an image a deck.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.surrogate import ChipLayer
from rram_jax.circuit.encode import SLOTS
from rram_jax.ngspice.compare import (
    LayerComparison,
    excess_before,
    judgement,
)
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.job import BODY_NAME, DeckJob, count_retries, run_image
from rram_jax.ngspice.manifest import (
    DeckFolder,
    checked_elements,
    programming_metrics,
)
from rram_jax.ngspice.parts import LayerPart, layer_parts, one_layer
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.ngspice.trials import Trials
from rram_jax.ngspice.verify import read_row
from rram_jax.ngspice.workplace import Workplace
from rram_jax.types import Float, Integer

IDEAL = (
    "clocks and phases",
    "the supply",
    "one reference current a deck",
    "the reference voltages v_cm, v_cm + v_read, v_cm - v_read and v_pre",
    "the step of each deck's reference gate (the ramp)",
    "the pulses of codes ahead of transistor buffers; those of hidden codes are as long"
    " as the neuron card says, and their buffers count as driver",
    "layers do not act on each other; hidden pulses drive the gates of the next layer's"
    " row drivers, whose rows are open",
    "columns of tiles of a layer too large for one deck share no bias block",
    "no layer waits for another, and pulses between layers are made twice: energies are"
    " each layer's own, and their sum is no image's",
    "the counter that reads when an output comparator falls",
    "one image a deck: its auto-zero starts settled and is not counted",
    "the test of the chip that trim pairs are chosen in, where a network has them",
    "the reading of all cells that selective write-verify chooses by",
)
"""What is ideal in every deck, and what `array.IDEAL_CELLS` says; all else is
transistors, capacitors and resistors."""


@dataclass(frozen=True, kw_only=True)
class LayerVerification:
    """What the tier found."""

    metrics: dict[str, Any]
    """The numbers, under the documented keys."""

    rows: list[dict[str, Any]]
    """One an image on a chip, chips then images: its codes, counts and winners."""

    comparisons: list[list[LayerComparison]]
    """The same, layer by layer."""

    decks: list[dict[str, Any]]
    """`DeckRow` of each deck, with its layer and its first output."""


def verify_layers(
    trials: Trials, folder: Path, work: Workplace | None = None
) -> LayerVerification:
    """Simulate images on chips, layer by layer, and compare with the surrogate.

        decks/manifest.json
        decks/chip_0000/layer_1/from_000/network.inc       from its first output on
        decks/chip_0000/layer_1/from_000/image_00007.cir

    Args:
        trials: Which images on which chips of which design.
        folder: Decks and rows; made where it is missing.
        work: How decks are run.

    Raises:
        Stopped: `work.stop` was set (`stop.Stopped`); finished decks are kept.
        NgspiceError: A deck failed; its folder is kept and named.
        InputError: ngspice is missing, or the design cannot be written as a deck.
    """
    kept, work = partial(read_row, ngspice=ngspice_info()), work or Workplace()
    design, n_chips, n_images = trials.design, len(trials.chips), len(trials.images)
    place = DeckFolder(path=folder / "decks", trials=trials, ideal=IDEAL)
    parts = [layer_parts(layer) for layer in design.layers]
    total = sum(map(len, parts)) * n_chips * n_images
    before = [trials.taken] * n_chips
    found, decks, sizes = [], [], []
    for k, own in enumerate(parts):
        jobs = []
        for chip, sample, known, driven in zip(
            trials.chips, trials.samples, trials.exact, before, strict=True
        ):
            pulses = pulse_widths(design, known, k, driven)
            for part in own:
                some, size = _write(place, chip, k, part, sample[k], pulses, work)
                jobs += some
                sizes += [size] if chip == trials.chips[0] else []
        manifest = place.write_manifest(_sizes(sizes))
        rows = work.finish(run_image, jobs, kept, before=len(decks), total=total)
        found.append(_joined(rows, own, n_chips, n_images))
        before = list(found[-1])
        starts = [part.outputs.start for part in own for _ in trials.images]
        decks += [
            row | {"layer": k, "from": start}
            for row, start in zip(rows, starts * n_chips, strict=True)
        ]
    rows, comparisons = trials.judge(found)
    return LayerVerification(
        metrics=_metrics(manifest, rows, comparisons, decks),
        rows=rows,
        comparisons=comparisons,
        decks=decks,
    )


def pulse_widths(
    design: NetworkDesign,
    chip: tuple[ChipLayer, ...],
    k: int,
    codes: Integer[np.ndarray, "images inputs"],
) -> Float[np.ndarray, "images inputs"]:
    """[slots] Input pulses of layer k: codes, and what neurons make of 1 to 14."""
    excess = np.atleast_1d(excess_before(design, chip, k))[: codes.shape[1]]
    return codes + excess * ((codes > 0) & (codes < SLOTS))


def _write(
    place: DeckFolder, chip: int, k: int, part: LayerPart, sample, pulses, work
) -> tuple[list[DeckJob], dict[str, Any]]:
    """Decks of all images on one part of a chip's layer: their jobs, and their size."""
    trials, layers = place.trials, place.trials.design.layers
    deck = network_deck(
        one_layer(trials.design, part.layer),
        [part.of_chip(sample)],
        trials.array,
        access=trials.access,
        load=layers[k + 1] if k + 1 < len(layers) else None,
        process=trials.process,
    )
    name = f"chip_{chip:04d}/layer_{k}/from_{part.outputs.start:03d}"
    place.write(f"{name}/{BODY_NAME}", deck.body)
    jobs = []
    for image, widths in zip(trials.images, pulses, strict=True):
        text = deck.image(widths.tolist())
        jobs.append(
            DeckJob(
                chip=chip,
                image=image,
                deck=place.write(f"{name}/image_{image:05d}.cir", text),
                plan=deck.plan,
                timeout_s=work.timeout_s,
                retry=work.retry,
            )
        )
    counts = checked_elements(text.replace(f".include {BODY_NAME}", deck.body))
    size = {
        "layer": k,
        "outputs": [part.outputs.start, part.outputs.stop],
        "n_mosfets": counts["m"],
        "n_resistors": counts["r"],
        "t_pulse_s": deck.phases[0].t_pulse,
        "t_stop_s": deck.t_stop,
    }
    return jobs, size


def _sizes(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For the manifest: sums over a chip's decks, and each of them."""
    sums = {
        key: sum(part[key] for part in parts) for key in ("n_mosfets", "n_resistors")
    }
    return {**sums, "parts": list(parts)}


def _joined(
    rows: Sequence[dict[str, Any]], parts: Sequence[LayerPart], n_chips: int, n: int
) -> Integer[np.ndarray, "chips images outputs"]:
    """Codes or counts of a whole layer, from rows of chips, then parts, then images."""
    told = iter([row["counts"] or row["codes"][0] for row in rows])
    of_chips = [[[next(told) for _ in range(n)] for _ in parts] for _ in range(n_chips)]
    return np.stack([np.concatenate(chip, axis=1) for chip in of_chips])


def _metrics(manifest, rows, comparisons, decks) -> dict[str, Any]:
    n = len(rows)
    by_block = {
        block: sum(deck["energy_j"][block] for deck in decks) / n
        for block in decks[0]["energy_j"]
    }
    return {
        "tier": "layer",
        "array": manifest["array"],
        "n_images": len(manifest["images"]),
        "n_chips": len(manifest["chips"]),
        "n_mosfets": manifest["n_mosfets"],
        "n_cells": manifest["n_cells"],
        "n_decks": len(decks),
        **judgement(rows, comparisons),
        # No sum: no layer waits here, and pulses between layers are paid for twice.
        "energy_by_block_j": by_block,
        "array_from_regulator_j": sum(deck["regulator_j"] for deck in decks) / n,
        "peak_current_a": {
            name: max(deck["peak_current_a"][name] for deck in decks)
            for name in decks[0]["peak_current_a"]
        },
        "pulse_width_error_slots": max(deck["width_error"] for deck in decks),
        "cpu_s_per_image": sum(deck["cpu_s"] for deck in decks) / n,
        "rss_bytes": max(deck["rss_bytes"] for deck in decks),
        "simulator": decks[0]["simulator"],
        "solver": decks[0]["solver"],
        "retries": count_retries(decks),
        **programming_metrics(manifest),
        "ideal": manifest["ideal"],
    }
