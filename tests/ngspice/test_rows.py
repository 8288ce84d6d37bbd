"""Rows of finished decks: what is believed of the folder of a run that goes on."""

import dataclasses
import json
from pathlib import Path

import pytest

from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.decode import DeckPlan
from rram_jax.ngspice.job import BODY_NAME, DeckJob, DeckRow, keep_row
from rram_jax.ngspice.runner import NgspiceInfo
from rram_jax.ngspice.verify import read_row

HIDDEN = NeuronConfig(v_full=8e-3)
OUTPUT = dataclasses.replace(HIDDEN, clocks_per_slot=4, asynchronous=True)
NGSPICE = NgspiceInfo(path=Path("ngspice"), version=46, klu=True)
LAYERS = {
    "full": ((HIDDEN, OUTPUT), (3, 2), [[3, 0, 15]], [12, 40]),
    "hidden": ((HIDDEN,), (3,), [[3, 0, 15]], []),
    "outputs": ((OUTPUT,), (2,), [], [12, 40]),
}


def make_job(folder, kind):
    """A finished deck of one image, and its row."""
    neurons, n_outputs, codes, counts = LAYERS[kind]
    deck = folder / "image_00000.cir"
    deck.write_text("* t\n")
    (folder / BODY_NAME).write_text("* body\n")
    plan = DeckPlan(
        neurons=neurons,
        n_outputs=n_outputs,
        v_read=0.2,
        t_pulse=(1e-7,) * len(neurons),
        t_stop=1e-6,
    )
    job = DeckJob(deck=deck, timeout_s=1.0, chip=0, image=0, plan=plan)
    row = DeckRow(
        codes=codes,
        counts=counts,
        width_error=0.0,
        energy_j={},
        regulator_j=0.0,
        peak_current_a={},
        deck_sha256=job.sha256,
        seconds=1.0,
        cpu_s=1.0,
        rss_bytes=1,
        n_points=1,
        solver="KLU",
        simulator="ngspice 46",
        notes=[],
        chip=0,
        image=0,
    )
    keep_row(job, row)
    return job


@pytest.mark.parametrize("kind", LAYERS)
def test_rows_hold_every_neuron_of_their_deck(tmp_path, kind):
    job = make_job(tmp_path, kind)
    whole = json.loads(job.row.read_text())
    assert read_row(job, NGSPICE) == whole
    for changes in (
        {"codes": [*whole["codes"], [1]]},
        {"codes": [layer[:-1] for layer in whole["codes"]] or [[]]},
        {"counts": [*whole["counts"], 1]},
        {"counts": whole["counts"][:-1] or [0]},
    ):
        job.row.write_text(json.dumps(whole | changes))
        assert read_row(job, NGSPICE) is None, changes
