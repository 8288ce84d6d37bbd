"""Tier `static`: bit-line voltages in ngspice beside the surrogate's exact transfer.

Every layer on its own, on the very same sampled cells, for the codes of images: behind
the first layer those that the surrogate has there. A pattern is one slot of one image:
which pairs of rows are driven in it.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from rram_jax.chip.design import LayerDesign
from rram_jax.chip.surrogate import bit_lines, with_constants
from rram_jax.circuit.config import tile_grid
from rram_jax.circuit.encode import SLOTS
from rram_jax.ngspice.array import (
    LINEAR,
    array_form,
    array_lines,
)
from rram_jax.ngspice.cmos import model_lines
from rram_jax.ngspice.compare import codes_before
from rram_jax.ngspice.job import count_retries, kept_row
from rram_jax.ngspice.manifest import DeckFolder
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.ngspice.static import (
    OPTIONS,
    TRANSISTOR_OPTIONS,
    StaticJob,
    StaticRow,
    run_static,
    static_deck,
)
from rram_jax.ngspice.trials import Trials
from rram_jax.ngspice.workplace import Workplace
from rram_jax.types import Bool, Float, Int

BARS = dict.fromkeys(LINEAR, ("error_max", 1e-3)) | {"1t1r": ("error_rms", 3e-3)}
"""[-] Errors of bit lines that are let pass, as shares of the full scale: the largest
for arrays as linear as the surrogate; with access transistors the rms."""

IMAGES_A_DECK = 50
"""[-] Images that one sweep holds at most."""

IDEAL = (
    "row drivers are resistors, the same in ngspice and surrogate",
    "the reference voltages v_cm, v_cm + v_read and v_cm - v_read",
    "bit lines at rest: no pulse edges, no neuron behind them",
)
"""What this tier does not look at; and what `array.IDEAL_CELLS` says."""


@dataclass(frozen=True, kw_only=True)
class StaticPart:
    """One sweep: some images on one column of tiles of a chip's layer."""

    chip: int
    layer: int
    col_tile: int

    image: Int[np.ndarray, " patterns"]
    """[-] Image of each pattern."""

    slot: Int[np.ndarray, " patterns"]
    """[-] Its slot."""

    output: Int[np.ndarray, " outputs"]
    """[-] The layer's outputs that these columns make."""

    surrogate: Float[np.ndarray, "patterns outputs"]
    """[V] Bit lines above v_cm."""

    v_full: float
    """[V] The layer's full scale."""

    def errors(self, row: dict[str, Any]) -> Float[np.ndarray, "patterns outputs"]:
        """[-] What ngspice's row has more than the surrogate, over the full scale."""
        return (np.asarray(row["volts"]) - self.surrogate) / self.v_full


@dataclass(frozen=True, kw_only=True)
class StaticVerification:
    """What the tier found."""

    metrics: dict[str, Any]
    """The numbers, under the documented keys."""

    parts: list[StaticPart]
    rows: list[dict[str, Any]]
    """`StaticRow` of each part."""


def slot_patterns(
    codes: Float[np.ndarray, "images pairs"],
) -> tuple[
    Bool[np.ndarray, "patterns pairs"],
    Int[np.ndarray, " patterns"],
    Int[np.ndarray, " patterns"],
]:
    """Which pairs are driven, image by image and slot by slot, each pattern once.

    Returns:
        The patterns, and the image and slot that each was first seen in.
    """
    driven = codes[:, None] > np.arange(SLOTS)[:, None]
    driven = driven.reshape(-1, codes.shape[1])
    first = list(
        {row.tobytes(): k for k, row in reversed([*enumerate(driven)])}.values()
    )
    index = np.array(sorted(first))
    return driven[index], index // SLOTS, index % SLOTS


def verify_static(
    trials: Trials, folder: Path, work: Workplace | None = None
) -> StaticVerification:
    """Sweep images over every layer of some chips and compare with the surrogate.

    Args:
        trials: Which images on which chips of which design; labels are not looked
            at. Its `array` is one of `BARS`.
        folder: Decks and rows; made where it is missing.
        work: How decks are run.

    Raises:
        Stopped: `work.stop` was set (`stop.Stopped`); finished decks are kept.
        NgspiceError: A deck failed; its folder is kept and named.
        InputError: ngspice is missing, or the design cannot be written as a deck.
    """
    ngspice, work = ngspice_info(), work or Workplace()
    array_form(trials.array, tuple(BARS))
    place = DeckFolder(path=folder / "decks", trials=trials, ideal=IDEAL)
    found = [part for n in range(len(trials.chips)) for part in _decks(place, n, work)]
    manifest = place.write_manifest({"images_a_deck": IMAGES_A_DECK})
    parts, jobs = [part for part, _ in found], [job for _, job in found]
    kept = partial(_kept, ngspice=ngspice)
    rows = work.finish(run_static, jobs, kept)
    return StaticVerification(
        metrics=_metrics(trials.design, manifest, parts, rows),
        parts=parts,
        rows=rows,
    )


def _kept(job: StaticJob, ngspice) -> dict[str, Any] | None:
    row = kept_row(job, StaticRow, ngspice)
    shape = (job.n_patterns, job.n_outputs)
    if row is None or {(len(row.volts), len(v)) for v in row.volts} != {shape}:
        return None
    return asdict(row)


def _decks(place: DeckFolder, n: int, work):
    """(part, job) of every sweep on the n-th chip; the decks are written."""
    trials, design, access = place.trials, place.trials.design, place.trials.access
    chip, sample, exact = trials.chips[n], trials.samples[n], trials.exact[n]
    technology = design.layers[0].neuron.technology
    shared = [access.word_line, model_lines(trials.process)] if access else []
    constant_codes = design.network.config.constant_codes
    wanted = np.asarray(trials.images)
    for k, before in enumerate(codes_before(design, exact, trials.taken)):
        layer, transfer = design.layers[k], exact[k].transfer
        resistance = np.asarray(sample[k].resistance, np.float64)
        pairs = with_constants(jnp.asarray(before, jnp.float32), constant_codes)
        lines = np.asarray(bit_lines(pairs, transfer, design.circuit.v_read))
        pairs = np.asarray(pairs)
        c = layer.layer.columns_per_output
        for q, cols in enumerate(_column_runs(layer)):
            netlist = array_lines(
                resistance[:, cols.start : cols.stop],
                layer.tile,
                c,
                trials.array,
                access=access,
                process=trials.process,
            )
            outputs = np.arange(cols.start // c, cols.stop // c)
            for start in range(0, len(wanted), IMAGES_A_DECK):
                some = slice(start, start + IMAGES_A_DECK)
                patterns, image, slot = slot_patterns(pairs[some])
                name = f"layer_{k}_columns_{q:02d}_from_{start:05d}.cir"
                text = static_deck(
                    [*shared, *netlist],
                    patterns,
                    len(outputs),
                    r_driver=(layer.tile.r_driver_pos, layer.tile.r_driver_neg),
                    v_cm=technology.v_cm,
                    v_read=design.circuit.v_read,
                    swing=access.swing if access else (1.0, 1.0),
                    options=TRANSISTOR_OPTIONS if access else OPTIONS,
                )
                deck = place.write(f"chip_{chip:04d}/{name}", text)
                part = StaticPart(
                    chip=chip,
                    layer=k,
                    col_tile=q,
                    image=wanted[some][image],
                    slot=slot,
                    output=outputs,
                    surrogate=lines[some][image[:, None], outputs, slot[:, None]],
                    v_full=layer.neuron.v_full,
                )
                yield (
                    part,
                    StaticJob(
                        deck=deck,
                        timeout_s=work.timeout_s,
                        retry=work.retry,
                        n_patterns=len(patterns),
                        n_outputs=len(outputs),
                        v_cm=technology.v_cm,
                    ),
                )


def _column_runs(layer: LayerDesign) -> tuple[range, ...]:
    """Columns of each column of tiles, which have drivers of their own."""
    rows, cols = layer.is_lrs.shape
    grid = tile_grid((rows, cols), layer.layer.columns_per_output, layer.tile)
    return grid.col_runs


def _metrics(design, manifest, parts, rows) -> dict[str, Any]:
    shares = [part.errors(row) for part, row in zip(parts, rows, strict=True)]
    layers = []
    for k, layer in enumerate(design.layers):
        own = [n for n, part in enumerate(parts) if part.layer == k]
        all_errors = np.concatenate([shares[n].ravel() for n in own])
        patterns = sum(len(parts[n].image) for n in own if parts[n].col_tile == 0)
        layers.append(
            {
                "layer": k,
                "v_full": layer.neuron.v_full,
                "n_patterns": patterns,
                "n_voltages": all_errors.size,
                "error_max": float(np.abs(all_errors).max()),
                "error_rms": float(np.sqrt(np.mean(all_errors**2))),
                "cpu_s_per_pattern": sum(rows[n]["cpu_s"] for n in own) / patterns,
            }
        )
    worst = max(layer["error_max"] for layer in layers)
    kind, bar = BARS[manifest["array"]]
    total = sum(layer["n_voltages"] for layer in layers)
    square = sum(x["error_rms"] ** 2 * x["n_voltages"] for x in layers) / total
    errors = {"error_max": worst, "error_rms": float(np.sqrt(square))}
    return {
        "tier": "static",
        "array": manifest["array"],
        "n_images": len(manifest["images"]),
        "n_chips": len(manifest["chips"]),
        "n_cells": manifest["n_cells"],
        "n_patterns": sum(layer["n_patterns"] for layer in layers),
        "n_voltages": total,
        **errors,
        "bar": bar,
        "bar_of": kind,
        "within_bar": errors[kind] <= bar,
        "layers": layers,
        "rss_bytes": max(row["rss_bytes"] for row in rows),
        "simulator": rows[0]["simulator"],
        "solver": rows[0]["solver"],
        "retries": count_retries(rows),
        "ideal": manifest["ideal"],
    }
