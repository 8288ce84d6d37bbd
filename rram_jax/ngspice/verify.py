"""Full-circuit verification: decks run, decoded and set beside the surrogate."""

from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.config import count_macs
from rram_jax.ngspice.compare import LayerComparison, judgement
from rram_jax.ngspice.cost import energy_per_mac, layer_instants
from rram_jax.ngspice.export import export
from rram_jax.ngspice.job import (
    DeckJob,
    DeckRow,
    count_retries,
    kept_row,
    run_image,
)
from rram_jax.ngspice.manifest import programming_metrics
from rram_jax.ngspice.runner import NgspiceInfo, ngspice_info
from rram_jax.ngspice.trials import Trials
from rram_jax.ngspice.workplace import Workplace


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found."""

    metrics: dict[str, Any]
    """The numbers, under the documented keys."""

    rows: list[dict[str, Any]]
    """One a deck, chips then images: `DeckRow`, the surrogate's answer, and the digests
    of what the deck was written from."""

    comparisons: list[list[LayerComparison]]
    """One a deck, layer by layer."""


def verify(
    trials: Trials,
    folder: Path,
    work: Workplace | None = None,
    *,
    watch: tuple[int, int] | None = None,
) -> Verification:
    """Simulate images on chips at transistor level and compare with the surrogate.

    A finished deck has its row beside it and is not run again, unless it or ngspice is
    another by now. What failed or killed runs left in `folder` is removed at the start.

    Args:
        trials: Which images on which chips of which design.
        folder: Decks, rows and waveforms; made where it is missing. One process at a
            time may use it.
        work: How decks are run, and who is told.
        watch: (layer, neuron) whose waveforms are kept for the first deck.

    Raises:
        Stopped: `work.stop` was set (`stop.Stopped`); finished decks are kept.
        NgspiceError: A deck failed; its folder is kept and named.
        InputError: ngspice is missing, or the design cannot be written as a deck.
    """
    ngspice, decks = ngspice_info(), folder / "decks"
    work = work or Workplace()
    manifest, plan = export(trials, decks, watch=watch)
    jobs = [
        DeckJob(
            chip=chip,
            image=image,
            deck=decks / f"chip_{chip:04d}" / f"image_{image:05d}.cir",
            plan=plan,
            timeout_s=work.timeout_s,
            retry=work.retry,
            watch=watch if k == 0 else None,
            waves=folder / "waves.npz" if k == 0 and watch else None,
        )
        for k, (chip, image) in enumerate(product(trials.chips, trials.images))
    ]
    rows = work.finish(run_image, jobs, lambda job: read_row(job, ngspice))
    return _judge(trials, rows, manifest)


def read_row(job: DeckJob, ngspice: NgspiceInfo) -> dict[str, Any] | None:
    """The row of a finished deck, or None (`job.kept_row`).

    A row without all neurons of its deck is none either.
    """
    row = kept_row(job, DeckRow, ngspice)
    if row is None or (row.chip, row.image) != (job.chip, job.image):
        return None
    sizes = {False: [], True: []}  # by whether comparators are continuous: outputs
    for neuron, n in zip(job.plan.neurons, job.plan.n_outputs, strict=True):
        sizes[neuron.asynchronous].append(n)
    told = [len(layer) for layer in row.codes], [len(row.counts)]
    return asdict(row) if told == (sizes[False], sizes[True] or [0]) else None


def _judge(trials: Trials, rows, manifest) -> Verification:
    digests = ("network_sha256", "neuron_card_sha256", "transistors_sha256")
    design, shape = trials.design, (len(trials.chips), len(trials.images), -1)
    layers = zip(*([*row["codes"], row["counts"]] for row in rows), strict=True)
    judged, comparisons = trials.judge([np.reshape(layer, shape) for layer in layers])
    told = {name: manifest[name] for name in digests}
    rows = [row | answer | told for row, answer in zip(rows, judged, strict=True)]
    blocks = rows[0]["energy_j"].keys()
    by_block = {b: float(np.mean([r["energy_j"][b] for r in rows])) for b in blocks}
    regulator_j = float(np.mean([r["regulator_j"] for r in rows]))
    n_macs = count_macs(design.network.config.sizes)
    neurons = [layer.neuron for layer in design.layers]
    metrics = {
        "tier": "full",
        "array": manifest["array"],
        "n_images": len(manifest["images"]),
        "n_chips": len(manifest["chips"]),
        "n_mosfets": manifest["n_mosfets"],
        "n_cells": manifest["n_cells"],
        **judgement(rows, comparisons),
        "energy_j": sum(by_block.values()),
        "energy_by_block_j": by_block,
        "array_from_regulator_j": regulator_j,
        "n_macs": n_macs,
        "energy_per_mac_j": energy_per_mac(by_block, regulator_j, n_macs),
        "t_image_s": layer_instants(neurons)[-1][-1],
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
        "retries": count_retries(rows),
        **programming_metrics(manifest),
        "ideal": manifest["ideal"],
    }
    return Verification(metrics=metrics, rows=rows, comparisons=comparisons)
