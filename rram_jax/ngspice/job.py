"""One deck on one core: what a worker process does."""

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.ngspice.decode import DeckPlan, read_answer
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

    waves: Path | None = None
    """Where the saved waveforms go, as .npz; None keeps none."""

    @property
    def sha256(self) -> str:
        """16 digits: of the deck and of what it includes."""
        digest = hashlib.sha256(self.deck.read_bytes())
        digest.update((self.deck.parent / BODY_NAME).read_bytes())
        return digest.hexdigest()[:16]


def run_image(job: DeckJob) -> dict[str, Any]:
    """Simulate one deck and decode it: a row of the table."""
    run = run_deck(
        job.deck.read_text(),
        t_stop=job.plan.t_stop,
        timeout_s=job.timeout_s,
        files={BODY_NAME: (job.deck.parent / BODY_NAME).read_text()},
        folder=job.deck.parent / "runs",
    )
    if job.waves:
        temporary = job.waves.with_suffix(".tmp.npz")
        np.savez_compressed(temporary, allow_pickle=False, **run.data)
        os.replace(temporary, job.waves)
    return {
        "chip": job.chip,
        "image": job.image,
        "deck_sha256": job.sha256,
        **asdict(read_answer(job.plan, run.data)),
        "seconds": run.seconds,
        "cpu_s": run.cpu_s,
        "rss_bytes": run.rss_bytes,
        "n_points": run.n_points,
        "solver": run.solver,
        "simulator": f"ngspice {run.version}",
        "notes": list(run.notes),
    }
