"""Neurons behind the equivalents of their bit lines: one deck of a few conversions."""

from dataclasses import dataclass
from typing import Any

from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.job import DeckFile, FinishedRow, about_run, keep_row
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import read_columns


@dataclass(frozen=True, kw_only=True)
class ColumnJob(DeckFile):
    """Some conversions of one layer (`testbench.column_deck`)."""

    config: NeuronConfig
    """The layer's neurons."""

    n: int
    """[-] Conversions."""

    t_pulse: float
    """[s] Start of the output pulses."""

    t_stop: float
    """[s] Length of the transient."""


@dataclass(frozen=True, kw_only=True)
class ColumnRow(FinishedRow):
    """What is kept of a finished deck."""

    counts: list[int]
    """Codes, or counts of output neurons, conversion by conversion."""


def run_columns(job: ColumnJob) -> dict[str, Any]:
    """Simulate one deck, decode it and keep its row; returns the row."""
    run = run_deck(
        job.deck.read_text(),
        t_stop=job.t_stop,
        timeout_s=job.timeout_s,
        folder=job.runs,
        retry=job.retry,
    )
    read = read_columns(job.config, run.data, job.n, job.t_pulse, job.t_stop, run.cpu_s)
    counts = read.counts.astype(int).tolist()
    return keep_row(job, ColumnRow(**about_run(job, run), counts=counts))
