"""One deck on one core: what a worker process does, and what is kept of it."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydantic

from rram_jax.ngspice.decode import DeckAnswer, DeckPlan, read_answer, saved_vectors
from rram_jax.ngspice.runner import NgspiceInfo, NgspiceRun, run_deck

BODY_NAME = "network.inc"
"""File that all decks of one chip include."""


@dataclass(frozen=True, kw_only=True)
class DeckFile:
    """A deck that lies in a folder, and its row beside it."""

    deck: Path

    timeout_s: float
    """[s] Wall time after which it has failed."""

    retry: bool = False
    """Whether it is tried with other options where it does not converge."""

    @property
    def sha256(self) -> str:
        """16 digits of the deck."""
        return hashlib.sha256(self.deck.read_bytes()).hexdigest()[:16]

    @property
    def row(self) -> Path:
        """File of the finished deck's `FinishedRow`."""
        return self.deck.with_suffix(".json")

    @property
    def runs(self) -> Path:
        """Folder of runs: empty but for one that goes on, failed or was killed."""
        return self.deck.parent / "runs"


@dataclass(frozen=True, kw_only=True)
class FinishedRow:
    """What is kept of every finished deck."""

    deck_sha256: str
    """`DeckFile.sha256`."""

    seconds: float
    """[s] Wall time."""

    cpu_s: float
    """[s] User and system time."""

    rss_bytes: int
    """[byte] Peak memory."""

    n_points: int
    """[-] Points of the analysis."""

    solver: str
    """`KLU` or `SPARSE`."""

    simulator: str
    """`ngspice 46`."""

    notes: list[str]
    """ngspice's notes and warnings."""

    retries: list[str] = field(default_factory=list)
    """Options of `runner.LADDER` that it took to converge; most rows have none."""


Row = TypeVar("Row", bound=FinishedRow)


def about_run(job: DeckFile, run: NgspiceRun) -> dict[str, Any]:
    """The fields of `FinishedRow`."""
    return {
        "deck_sha256": job.sha256,
        "seconds": run.seconds,
        "cpu_s": run.cpu_s,
        "rss_bytes": run.rss_bytes,
        "n_points": run.n_points,
        "solver": run.solver,
        "simulator": f"ngspice {run.version}",
        "notes": list(run.notes),
        "retries": list(run.retries),
    }


def count_retries(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Decks that took each option of `runner.LADDER` to converge; empty if none did."""
    return dict(Counter(option for row in rows for option in row["retries"]))


def keep_row(job: DeckFile, row: FinishedRow) -> dict[str, Any]:
    """Write a finished deck's row, last of all: it says that all is there."""
    write_whole(job.row, json.dumps(asdict(row)))
    return asdict(row)


def kept_row(job: DeckFile, kind: type[Row], ngspice: NgspiceInfo) -> Row | None:
    """The row of a finished deck; None where it is missing, damaged or of another run.

    Another deck, another version of ngspice and another solver make another run.
    """
    try:
        row = pydantic.TypeAdapter(kind).validate_json(
            job.row.read_bytes(), strict=True
        )
    except (OSError, pydantic.ValidationError):
        return None
    solver = "KLU" if ngspice.klu else "SPARSE"
    now = (job.sha256, f"ngspice {ngspice.version}", solver)
    return row if (row.deck_sha256, row.simulator, row.solver) == now else None


@dataclass(frozen=True, kw_only=True)
class DeckJob(DeckFile):
    """One image on one chip."""

    chip: int
    image: int
    plan: DeckPlan

    watch: tuple[int, int] | None = None
    """(layer, neuron) whose inner nodes the deck saves as well."""

    waves: Path | None = None
    """Where the saved waveforms go, as .npz; None keeps none."""

    @property
    def sha256(self) -> str:
        """16 digits: of the deck and of what it includes."""
        digest = hashlib.sha256(self.deck.read_bytes())
        digest.update((self.deck.parent / BODY_NAME).read_bytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class DeckRow(DeckAnswer, FinishedRow):
    """What is kept of a finished deck of one image."""

    chip: int
    image: int


def run_image(job: DeckJob) -> dict[str, Any]:
    """Simulate one deck, decode it and write its row; returns the row."""
    neurons = enumerate(job.plan.neurons)
    clocks = [f"v(clk{k})" for k, config in neurons if not config.asynchronous]
    run = run_deck(
        job.deck.read_text(),
        t_stop=job.plan.t_stop,
        timeout_s=job.timeout_s,
        files={BODY_NAME: (job.deck.parent / BODY_NAME).read_text()},
        folder=job.runs,
        retry=job.retry,
        wanted=saved_vectors(job.plan, job.watch),
        peaks=dict.fromkeys(clocks, job.plan.technology.v_dd),
    )
    if job.waves:
        temporary = job.waves.with_suffix(".tmp.npz")
        np.savez_compressed(temporary, allow_pickle=False, **run.data)
        os.replace(temporary, job.waves)
    row = DeckRow(
        **asdict(read_answer(job.plan, run.data)),
        **about_run(job, run),
        chip=job.chip,
        image=job.image,
    )
    return keep_row(job, row)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, in a folder that one run writes to."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
