"""Full-circuit verification: decks run, decoded and set beside the surrogate."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.sample import sample_chip
from rram_jax.ngspice.compare import (
    LayerComparison,
    agreement,
    compare_layers,
    end_to_end,
    exact_chip,
    last_to_cross,
    worst_neurons,
)
from rram_jax.ngspice.decode import DeckAnswer
from rram_jax.ngspice.export import export
from rram_jax.ngspice.farm import run_jobs
from rram_jax.ngspice.job import DeckJob, run_image

TABLE = "decks.jsonl"
"""One row a finished deck; a run that was interrupted goes on from it."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found."""

    metrics: dict[str, Any]
    """The numbers, under the documented keys."""

    rows: list[dict[str, Any]]
    """One a deck, chips then images."""

    comparisons: list[list[LayerComparison]]
    """One a deck, layer by layer."""


def verify(
    design: NetworkDesign,
    codes: np.ndarray,
    labels: np.ndarray,
    images: Sequence[int],
    folder: Path,
    *,
    seed: int = 0,
    chips: Sequence[int] = (0,),
    array: str = "multiport",
    mismatch: bool = True,
    watch: tuple[int, int] | None = None,
    workers: int | None = None,
    timeout_s: float = 7200.0,
    on_start: Callable[[int, int], None] = lambda done, total: None,
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Verification:
    """Simulate images on chips at transistor level and compare with the surrogate.

    Finished decks stand in `folder`/decks.jsonl and are not run again.

    Args:
        design: The network's circuit.
        codes: Input codes (images, inputs) of the whole set.
        labels: Its labels (images,).
        images: Which images are simulated.
        folder: Decks, table and waveforms; made where it is missing.
        seed: Makes the chips, cells and mismatch alike, as in the surrogate.
        chips: Which chips.
        array: How arrays are written (`deck.ARRAYS`).
        mismatch: False for neurons without threshold shifts.
        watch: (layer, neuron) whose waveforms are kept for the first deck.
        workers: ngspice processes at a time; None takes one a core.
        timeout_s: [s] Wall time after which a deck has failed.
        on_start: Called once with the decks that stood already, and all.
        on_row: Called with each new row.

    Raises:
        NgspiceError: A deck failed; its folder is kept and named.
        InputError: ngspice is missing, or the design cannot be written as a deck.
    """
    decks = folder / "decks"
    manifest, plan = export(
        decks,
        design,
        codes,
        images,
        seed=seed,
        chips=chips,
        array=array,
        mismatch=mismatch,
        watch=watch,
    )
    jobs = [
        DeckJob(
            chip=chip,
            image=int(image),
            deck=decks / f"chip_{chip:04d}" / f"image_{image:05d}.cir",
            plan=plan,
            timeout_s=timeout_s,
            waves=folder / "waves.npz" if first and watch else None,
        )
        for first, (chip, image) in _pairs(chips, images)
    ]
    rows = read_table(folder / TABLE)
    missing = [job for job in jobs if _key(job.chip, job.image, job.sha256) not in rows]
    on_start(len(jobs) - len(missing), len(jobs))

    def keep(_: int, row: dict[str, Any]):
        with open(folder / TABLE, "a") as table:
            table.write(json.dumps(row) + "\n")
            table.flush()
            os.fsync(table.fileno())
        rows[_key(row["chip"], row["image"], row["deck_sha256"])] = row
        on_row(row)

    run_jobs(run_image, missing, workers=workers, on_done=keep)
    ordered = [rows[_key(job.chip, job.image, job.sha256)] for job in jobs]
    return _judge(design, codes, labels, ordered, manifest)


def _pairs(chips, images):
    pairs = [(chip, image) for chip in chips for image in images]
    return [(k == 0, pair) for k, pair in enumerate(pairs)]


def _key(chip: int, image: int, sha256: str) -> tuple[int, int, str]:
    return chip, image, sha256


def read_table(path: Path) -> dict[tuple[int, int, str], dict[str, Any]]:
    """Finished decks by (chip, image, checksum); a line cut short is left out."""
    rows = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            rows[_key(row["chip"], row["image"], row["deck_sha256"])] = row
    return rows


def answer_of(row: dict[str, Any]) -> DeckAnswer:
    """A table row's answer."""
    names = DeckAnswer.__dataclass_fields__
    return DeckAnswer(**{name: row[name] for name in names})


def _judge(design, codes, labels, rows, manifest) -> Verification:
    comparisons, winners = [], []
    for chip in manifest["chips"]:
        sample = sample_chip(
            manifest["seed"], chip, design, mismatch=manifest["mismatch"]
        )
        exact = exact_chip(design, sample)
        of_chip = [row for row in rows if row["chip"] == chip]
        alone = end_to_end(design, exact, codes[[row["image"] for row in of_chip]])
        for row, counts in zip(of_chip, alone, strict=True):
            answer = answer_of(row)
            compared = compare_layers(design, exact, codes[row["image"]], answer)
            comparisons.append(compared)
            spice = last_to_cross(np.asarray(answer.counts))
            winners.append((spice, last_to_cross(counts), int(labels[row["image"]])))
            row |= {
                "label": winners[-1][2],
                "winner_spice": list(spice),
                "winner_surrogate": list(winners[-1][1]),
                "counts_surrogate": counts.tolist(),
            }
    blocks = rows[0]["energy_j"].keys()
    by_block = {b: float(np.mean([r["energy_j"][b] for r in rows])) for b in blocks}
    metrics = {
        "tier": "full",
        "array": manifest["array"],
        "n_images": len(manifest["images"]),
        "n_chips": len(manifest["chips"]),
        "n_mosfets": manifest["n_mosfets"],
        "n_cells": manifest["n_cells"],
        **agreement(comparisons),
        "winner_equal": float(np.mean([s == t for s, t, _ in winners])),
        "n_ties": sum(len(s) > 1 for s, _, _ in winners),
        "accuracy_spice": float(np.mean([s == (y,) for s, _, y in winners])),
        "accuracy_surrogate": float(np.mean([t == (y,) for _, t, y in winners])),
        "energy_j": sum(by_block.values()),
        "energy_by_block_j": by_block,
        "array_from_regulator_j": float(np.mean([r["regulator_j"] for r in rows])),
        "peak_current_a": {
            name: max(r["peak_current_a"][name] for r in rows)
            for name in rows[0]["peak_current_a"]
        },
        "pulse_width_error_slots": max(r["width_error"] for r in rows),
        "seconds_per_image": float(np.mean([r["seconds"] for r in rows])),
        "cpu_s_per_image": float(np.mean([r["cpu_s"] for r in rows])),
        "rss_bytes": max(r["rss_bytes"] for r in rows),
        "simulator": rows[0]["simulator"],
        "solver": rows[0]["solver"],
        "worst_neurons": worst_neurons(comparisons),
        "ideal": manifest["ideal"],
    }
    return Verification(metrics=metrics, rows=rows, comparisons=comparisons)
