"""Where ngspice's time goes in a whole network, and what it gains by other options.

    python -m experiments.benchmarks.deck_speed checkpoints/mlp-144-64-10-hardened

One image of one chip, once for every case: another form of the arrays, or one option of
the solver. The first case is the reference: how many codes and counts of the others are
its own, and its time over theirs. Times are ngspice's, of one process;
shares of phases are of its own clock.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tyro.conf import Positional

from rram_jax.commands.config import VerifyCommand
from rram_jax.commands.decks import read_request
from rram_jax.errors import InputError
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.decode import read_answer, saved_vectors
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.runner import run_deck
from rram_jax.run_folder import check_writable, write_json

ArrayName = Literal["multiport", "shunted", "cells", "1t1r"]

CASES: dict[str, tuple[ArrayName, str]] = {
    "multiport": ("multiport", ""),
    "shunted": ("shunted", ""),
    "multiport, abstol=1e-10 vntol=1e-5": ("multiport", "abstol=1e-10 vntol=1e-5"),
    "multiport, trtol=20": ("multiport", "trtol=20"),
    "multiport, reltol=3e-3": ("multiport", "reltol=3e-3"),
    "cells": ("cells", ""),
    "1t1r": ("1t1r", ""),
}
"""Array and options of each case; an option given twice counts as given last."""

PHASES = ("load", "factor", "solve", "trunc")
"""What ngspice's `acct` tells of the transient: evaluating devices, factors, solutions,
choice of the step."""


@dataclass(frozen=True, kw_only=True)
class DeckSpeed:
    """Time of one deck by phase, for several arrays and options."""

    checkpoint: Positional[Path]
    """Folder of a finished `rram-jax train` run, or one of checkpoints/."""

    data: str | None = None
    """Data set; by default what the checkpoint was trained on."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS."""

    cases: tuple[str, ...] = field(default_factory=lambda: tuple(CASES)[:5])
    """Which, the first as the reference; all cells and 1t1r take several times as
    long and are left out by default."""

    json: Path | None = None
    """File for the numbers."""


def measure(settings: DeckSpeed, case: str) -> dict:
    """Run the case; its answer, times, points and iterations."""
    array, options = CASES[case]
    config = VerifyCommand(
        checkpoint=settings.checkpoint,
        data=settings.data,
        data_dir=settings.data_dir,
        sigma_lrs=settings.sigma_lrs,
        images=1,
        array=array,
    )
    trials = read_request(config).trials
    deck = network_deck(
        trials.design,
        trials.samples[0],
        array,
        access=trials.access,
        process=trials.process,
    )
    text = deck.image(trials.taken[0].tolist())
    cards = f".option acct {options}\n.end\n"
    run = run_deck(
        text.replace(".end\n", cards),
        t_stop=deck.plan.t_stop,
        timeout_s=4 * 3600.0,
        files={BODY_NAME: deck.body},
        wanted=saved_vectors(deck.plan, None),
    )
    answer = read_answer(deck.plan, run.data)

    def told(name: str) -> float:
        found = re.search(rf"^{name}\s*=\s*([\d.e+-]+)", run.log, re.MULTILINE)
        return float(found[1]) if found else float("nan")

    return {
        "case": case,
        "cpu_s": run.cpu_s,
        "rss_bytes": run.rss_bytes,
        "analysis_s": told("Transient analysis time"),
        "points": told("Transient timepoints"),
        "iterations": told("Transient iterations"),
        **{f"{name}_s": told(f"Transient {name} time") for name in PHASES},
        "codes": answer.codes,
        "counts": answer.counts,
        "energy_j": sum(answer.energy_j.values()),
        "solver": f"ngspice {run.version}, {run.solver}",
    }


def main(settings: DeckSpeed) -> None:
    """Measure, compare with the first case, print, and write where asked."""
    if unknown := [name for name in settings.cases if name not in CASES]:
        raise InputError(f"There is no case {unknown[0]!r}; there are {list(CASES)}.")
    if settings.json:
        check_writable(settings.json)
    rows = [measure(settings, case) for case in track(settings.cases, "decks")]
    first = rows[0]
    table = Table(title=f"{settings.checkpoint.name}, one image: {first['solver']}")
    for heading in ("case", "CPU", "ratio", "memory", "points", "iterations"):
        table.add_column(heading)
    for heading in (*PHASES, "codes as the first", "counts", "energy"):
        table.add_column(heading)
    for row in rows:
        same = np.equal(row["codes"], first["codes"]).ravel().tolist()
        counts = np.equal(row["counts"], first["counts"]).tolist()
        row |= {"codes_equal": sum(same), "counts_equal": sum(counts)}
        row["ratio"] = first["cpu_s"] / row["cpu_s"]
        table.add_row(
            row["case"],
            f"{row['cpu_s']:.0f} s",
            f"{row['ratio']:.2f}",
            f"{1e-6 * row['rss_bytes']:.0f} MB",
            f"{row['points']:.0f}",
            f"{row['iterations']:.0f}",
            *(f"{100 * row[f'{name}_s'] / row['analysis_s']:.0f} %" for name in PHASES),
            f"{sum(same)} of {len(same)}",
            f"{sum(counts)} of {len(counts)}",
            f"{1e9 * row['energy_j']:.3f} nJ",
        )
    Console(width=160).print(table)
    if settings.json:
        write_json(settings.json, rows)
        Console().print(f"The same as JSON: {settings.json}.")


if __name__ == "__main__":
    try:
        main(tyro.cli(DeckSpeed, prog="python -m experiments.benchmarks.deck_speed"))
    except InputError as error:
        raise SystemExit(f"deck_speed: {error}") from None
