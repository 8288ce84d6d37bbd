"""What the finished runs say together, beside what the report says of each."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import scipy.stats

from experiments.full_circuit.parts import FullCircuit, plan_parts
from rram_jax.errors import InputError
from rram_jax.report.answer import right_answers, same_images
from rram_jax.report.files import read_table
from rram_jax.report.sheet import Column, Sheet, make_sheet
from rram_jax.report.verification import Run, read_runs
from rram_jax.report.verified import CodedRun, VerifiedRun

SETTINGS = ("sigma_lrs", "images", "chips", "seed", "array", "draw")
"""What of a part's folder has to be as this experiment asks for it."""

CHECKED = (
    ("full-hardened", "cells-hardened"),
    ("full-hardened", "column-hardened"),
)
"""Pairs of runs of one network: a tier, or a form of the arrays, beside another."""

Runs = Mapping[str, Run]


def finished_runs(config: FullCircuit) -> dict[str, Run]:
    """The finished parts, by name.

    Raises:
        InputError: A folder holds a run of other settings, or is damaged.
    """
    parts = plan_parts(config)
    folders = {name: config.out / name for name in parts}
    runs = read_runs(
        {k: f for k, f in folders.items() if (f / "metrics.json").is_file()}
    )
    for name, run in runs.items():
        for key in SETTINGS:
            found, wanted = getattr(run.config, key), getattr(parts[name], key)
            if found != wanted:
                raise InputError(
                    f"{run.path} holds a run with {key} = {found}, and {wanted} is"
                    " asked for: give another --out."
                )
    return runs


def folders_of(runs: Runs) -> dict[str, Path]:
    """Where each run lies."""
    return {name: run.path for name, run in runs.items()}


def deck_sheet(runs: Runs) -> Sheet:
    """A row a deck of every run of whole circuits: hashes, answers, energies."""
    rows = [
        {"run": name, "array": run.metrics.array, **row}
        for name, run in runs.items()
        if isinstance(run, VerifiedRun)
        for row in read_table(run.path / "results.csv")
    ]
    header = list(dict.fromkeys(key for row in rows for key in row))
    return make_sheet(
        _columns(header), ([row.get(key) for key in header] for row in rows)
    )


def tier_sheet(runs: Runs) -> Sheet:
    """Codes and counts of pairs of runs on the images and chips that both have."""
    names = ("runs", "images", "codes", "codes_equal", "counts", "counts_equal")
    rows = []
    for one, other in CHECKED:
        a, b = runs.get(one), runs.get(other)
        if not (isinstance(a, CodedRun) and isinstance(b, CodedRun)):
            continue
        if same := same_images(a, b):
            codes, counts = same
            decks = {(d.chip, d.image) for d in a.decks}
            images = len(decks & {(d.chip, d.image) for d in b.decks})
            told = (f"{one}, {other}", images, codes.n, codes.k / codes.n)
            rows.append((*told, counts.n, counts.k / counts.n))
    return make_sheet(
        [Column(name=n, heading=n.replace("_", " ")) for n in names], rows
    )


def network_sheet(runs: Runs) -> Sheet:
    """Both networks on the same images and chips, in ngspice and in the surrogate.

    The p value is the exact sign test over images: of those on which the networks
    differ (summed over chips), how many favour the hardened one.
    """
    names = ("answers_of", "simulations", "right_hardened", "right_conventional")
    names += ("only_hardened", "only_conventional", "p_value")
    a, b = runs.get("full-hardened"), runs.get("full-conventional")
    rows = []
    if isinstance(a, CodedRun) and isinstance(b, CodedRun):
        images = np.array([deck.image for deck in a.decks])
        both = zip(right_answers(a), right_answers(b), strict=True)
        for told, (one, other) in zip(("ngspice", "surrogate"), both, strict=True):
            better = one.astype(int) - other
            by_image = np.array([better[images == n].sum() for n in np.unique(images)])
            ups, downs = int((by_image > 0).sum()), int((by_image < 0).sum())
            test = scipy.stats.binomtest(ups, ups + downs) if ups + downs else None
            rows.append(
                (
                    told,
                    len(one),
                    int(one.sum()),
                    int(other.sum()),
                    int((one & ~other).sum()),
                    int((other & ~one).sum()),
                    float(test.pvalue) if test else 1.0,
                )
            )
    return make_sheet(
        [Column(name=n, heading=n.replace("_", " ")) for n in names], rows
    )


def _columns(names: Iterable[str]) -> list[Column]:
    return [Column(name=name, heading=name.replace("_", " ")) for name in names]


def markdown(sheet: Sheet) -> str:
    """A sheet as a table that can be pasted."""
    table = sheet.table()
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
