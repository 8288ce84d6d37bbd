"""Tier `column`: every neuron's transistors behind its bit line's exact equivalent.

The array is a source of its open-circuit voltages, slot by slot, behind the bit line's
resistance and capacitance, so a conversion costs as much in a large network as in a
small one. Layer by layer: ngspice's own codes drive the next layer.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.sample import LayerSample
from rram_jax.chip.surrogate import ChipLayer, sensed, with_constants
from rram_jax.circuit.config import tile_grid
from rram_jax.circuit.pair import signed_transfer
from rram_jax.circuit.wiring import SensedLines, sensed_lines
from rram_jax.ngspice.array import LINEAR, array_form
from rram_jax.ngspice.column import ColumnJob, ColumnRow, run_columns
from rram_jax.ngspice.compare import (
    LayerComparison,
    excess_before,
    judgement,
)
from rram_jax.ngspice.job import count_retries, kept_row
from rram_jax.ngspice.manifest import DeckFolder, checked_elements
from rram_jax.ngspice.runner import NgspiceInfo, ngspice_info
from rram_jax.ngspice.testbench import column_deck
from rram_jax.ngspice.trials import Trials
from rram_jax.ngspice.workplace import Workplace
from rram_jax.types import Float, Integer

PER_DECK = 40
"""[-] Conversions that one simulation holds."""

IDEAL = (
    "array and row drivers are linear: resistors, reduced to what a neuron sees",
    "pulses that come out of neurons are as long as the neuron card says",
    "what pulses' edges add to a bit line is the neuron card's",
    "each bit line has a source of its own: neurons do not act on each other's",
    "clocks and phases",
    "the supply",
    "one reference current a deck",
    "the reference voltages, and the step of the reference gate (the ramp)",
    "auto-zero starts settled",
)
"""What this tier takes from the surrogate or leaves out, and what `array.IDEAL_CELLS`
says; all else is transistors."""


@dataclass(frozen=True, kw_only=True)
class ColumnVerification:
    """What the tier found."""

    metrics: dict[str, Any]
    """The numbers, under the documented keys."""

    rows: list[dict[str, Any]]
    """One an image on a chip, chips then images: its codes, counts and winners."""

    comparisons: list[list[LayerComparison]]
    """The same, layer by layer."""

    decks: list[dict[str, Any]]
    """`ColumnRow` of each deck, with its chip and layer."""


def layer_lines(sample: LayerSample, layer: LayerDesign, array: str) -> SensedLines:
    """A layer's bit lines as equivalent sources, one column of tiles at a time."""
    resistance = np.asarray(sample.resistance, np.float64)
    rows, cols = resistance.shape
    c, write = layer.layer.columns_per_output, array_form(array, LINEAR)
    grid = tile_grid((rows, cols), c, layer.tile)
    parts = [
        sensed_lines(
            write(resistance[:, run.start : run.stop], layer.tile, c),
            rows,
            len(run) // c,
            (layer.tile.r_driver_pos, layer.tile.r_driver_neg),
        )
        for run in grid.col_runs
    ]
    return SensedLines(
        transfer=np.concatenate([part.transfer for part in parts], 1),
        resistance=np.concatenate([part.resistance for part in parts]),
    )


def verify_columns(
    trials: Trials, folder: Path, work: Workplace | None = None
) -> ColumnVerification:
    """Convert images on chips, neuron by neuron, and compare with the surrogate.

    Args:
        trials: Which images on which chips of which design; its `array` says which
            resistors the equivalents are computed of (`array.LINEAR`).
        folder: Decks and rows; made where it is missing.
        work: How decks are run.

    Raises:
        Stopped: `work.stop` was set (`stop.Stopped`); finished decks are kept.
        NgspiceError: A deck failed; its folder is kept and named.
        InputError: ngspice is missing, or the design cannot be written as a deck.
    """
    kept, work = partial(_kept, ngspice=ngspice_info()), work or Workplace()
    design, n_chips, n_images = trials.design, len(trials.chips), len(trials.images)
    place = DeckFolder(path=folder / "decks", trials=trials, ideal=IDEAL)
    before = [trials.taken] * n_chips
    per_layer = [
        -(-n_images * layer.layer.n_outputs // PER_DECK) * n_chips
        for layer in design.layers
    ]
    found, decks = [], []
    for k, layer in enumerate(design.layers):
        jobs = []
        for chip, sample, exact, driven in zip(
            trials.chips, trials.samples, trials.exact, before, strict=True
        ):
            lines = layer_lines(sample[k], layer, trials.array)
            stairs = _staircases(design, exact, k, driven, lines)
            jobs += _write(place, chip, k, sample[k], stairs, lines, work)
        manifest = place.write_manifest({"conversions_a_deck": PER_DECK})
        rows = work.finish(
            run_columns, jobs, kept, before=len(decks), total=sum(per_layer)
        )
        told = np.concatenate([row["counts"] for row in rows])
        counts = told.reshape(n_chips, n_images, -1)
        found.append(counts)
        before = list(counts)
        owners = np.repeat(list(trials.chips), len(rows) // n_chips).tolist()
        decks += [
            row | {"chip": chip, "layer": k}
            for chip, row in zip(owners, rows, strict=True)
        ]
    rows, comparisons = trials.judge(found)
    return ColumnVerification(
        metrics=_metrics(manifest, comparisons, rows, decks),
        rows=rows,
        comparisons=comparisons,
        decks=decks,
    )


def _kept(job: ColumnJob, ngspice: NgspiceInfo) -> dict[str, Any] | None:
    row = kept_row(job, ColumnRow, ngspice)
    return asdict(row) if row and len(row.counts) == job.n else None


def _staircases(
    design: NetworkDesign,
    chip: tuple[ChipLayer, ...],
    k: int,
    codes: Integer[np.ndarray, "images inputs"],
    lines: SensedLines,
) -> Float[np.ndarray, "images outputs slots"]:
    """[V] Every bit line of layer k above v_cm, from the resistors' own transfer."""
    transfer = jnp.asarray(lines.transfer, jnp.float32)
    constant_codes = design.network.config.constant_codes
    stairs = sensed(
        with_constants(jnp.asarray(codes, jnp.float32), constant_codes),
        signed_transfer(transfer),
        design.circuit.v_read,
        chip[k].params,
        excess_before(design, chip, k),
    )
    return np.asarray(stairs, np.float64)


def _write(place: DeckFolder, chip: int, k: int, sample, stairs, lines, work):
    """Decks of one chip's layer, images then neurons, and their jobs."""
    layer = place.trials.design.layers[k]
    n_images, n_outputs, slots = stairs.shape
    stairs = stairs.reshape(-1, slots)
    neuron = np.tile(np.arange(n_outputs), n_images)
    shifts = [
        dict(zip(layer.neuron.mismatched, map(float, row), strict=True))
        for row in np.asarray(sample.delvto)
    ]
    for start in range(0, len(stairs), PER_DECK):
        some = slice(start, start + PER_DECK)
        text, t_pulse, t_stop = column_deck(
            layer.neuron,
            stairs[some],
            [shifts[j] for j in neuron[some]],
            process=place.trials.process,
            r_lines=lines.resistance[neuron[some]],
        )
        checked_elements(text)
        name = f"chip_{chip:04d}/layer_{k}_from_{start:06d}.cir"
        yield ColumnJob(
            deck=place.write(name, text),
            timeout_s=work.timeout_s,
            retry=work.retry,
            config=layer.neuron,
            n=len(stairs[some]),
            t_pulse=t_pulse,
            t_stop=t_stop,
        )


def _metrics(manifest, comparisons, rows, decks) -> dict[str, Any]:
    n = sum(len(deck["counts"]) for deck in decks)
    cpu_s = sum(deck["cpu_s"] for deck in decks) / n
    return {
        "tier": "column",
        "array": manifest["array"],
        "n_images": len(manifest["images"]),
        "n_chips": len(manifest["chips"]),
        "n_cells": manifest["n_cells"],
        "n_conversions": n,
        **judgement(rows, comparisons),
        "cpu_s_per_conversion": cpu_s,
        "conversions_per_core_hour": 3600 / cpu_s,
        "rss_bytes": max(deck["rss_bytes"] for deck in decks),
        "simulator": decks[0]["simulator"],
        "solver": decks[0]["solver"],
        "retries": count_retries(decks),
        "ideal": manifest["ideal"],
    }
