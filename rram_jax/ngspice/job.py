"""One deck on one core: what a worker process does."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.ngspice.decode import DeckAnswer, DeckPlan, read_answer, saved_vectors
from rram_jax.ngspice.runner import run_deck

BODY_NAME = "network.inc"
"""File that all decks of one chip include."""


@dataclass(frozen=True, kw_only=True)
class DeckJob:
    """One image on one chip."""

    chip: int
    image: int
    deck: Path
    plan: DeckPlan
    timeout_s: float

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

    @property
    def row(self) -> Path:
        """File of the finished deck's `DeckRow`, beside the deck."""
        return self.deck.with_suffix(".json")


@dataclass(frozen=True, kw_only=True)
class DeckRow(DeckAnswer):
    """What is kept of a finished deck."""

    chip: int
    image: int

    deck_sha256: str
    """`DeckJob.sha256`."""

    seconds: float
    """[s] Wall time."""

    cpu_s: float
    """[s] User and system time."""

    rss_bytes: int
    """[byte] Peak memory."""

    n_points: int
    """[-] Time points."""

    solver: str
    """`KLU` or `SPARSE`."""

    simulator: str
    """`ngspice 46`."""

    notes: list[str]
    """ngspice's notes and warnings."""


def run_image(job: DeckJob) -> dict[str, Any]:
    """Simulate one deck, decode it and write its row; returns the row."""
    neurons = enumerate(job.plan.neurons)
    clocks = [f"v(clk{k})" for k, config in neurons if not config.asynchronous]
    run = run_deck(
        job.deck.read_text(),
        t_stop=job.plan.t_stop,
        timeout_s=job.timeout_s,
        files={BODY_NAME: (job.deck.parent / BODY_NAME).read_text()},
        folder=job.deck.parent / "runs",
        wanted=saved_vectors(job.plan, job.watch),
        peaks=dict.fromkeys(clocks, job.plan.technology.v_dd),
    )
    if job.waves:
        temporary = job.waves.with_suffix(".tmp.npz")
        np.savez_compressed(temporary, allow_pickle=False, **run.data)
        os.replace(temporary, job.waves)
    answer = asdict(read_answer(job.plan, run.data))
    row = DeckRow(
        **answer,
        chip=job.chip,
        image=job.image,
        deck_sha256=job.sha256,
        seconds=run.seconds,
        cpu_s=run.cpu_s,
        rss_bytes=run.rss_bytes,
        n_points=run.n_points,
        solver=run.solver,
        simulator=f"ngspice {run.version}",
        notes=list(run.notes),
    )
    write_whole(job.row, json.dumps(asdict(row)))  # last: it says that all is there
    return asdict(row)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, in a folder that one run writes to."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
