import json

import numpy as np
import pytest

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice import verify_static as module
from rram_jax.ngspice.array import LINEAR
from rram_jax.ngspice.static import StaticJob, run_static, static_deck
from rram_jax.ngspice.verify_static import slot_patterns, verify_static
from rram_jax.ngspice.workplace import Workplace
from tests.ngspice.networks import random_design, trials_of


@pytest.fixture(scope="module")
def design():
    return random_design()


def test_patterns_by_hand():
    codes = np.array([[2.0, 0, 1], [2, 15, 0], [0, 0, 0]])
    patterns, image, slot = slot_patterns(codes)
    assert patterns.astype(int).tolist() == [
        [1, 0, 1],  # image 0: both pulses
        [1, 0, 0],  # the longer one
        [0, 0, 0],  # none, for all slots that follow and for image 2
        [1, 1, 0],  # image 1
        [0, 1, 0],
    ]
    assert image.tolist() == [0, 0, 0, 1, 1]
    assert slot.tolist() == [0, 1, 2, 0, 2]


def _job(tmp_path, n_patterns):
    """Two pairs of rows on one output, some behind drivers, by hand."""
    parts = [f"R{n} r{n}_0 s0 {r}" for n, r in enumerate((10, 30, 25, 75))]
    patterns = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [1, 1]], bool)
    text = static_deck(parts, patterns, 1, r_driver=(5.0, 0.0), v_cm=0.4, v_read=0.2)
    deck = tmp_path / "sweep.cir"
    deck.write_text(text)
    return StaticJob(
        deck=deck, timeout_s=60.0, n_patterns=n_patterns, n_outputs=1, v_cm=0.4
    )


@pytest.mark.ngspice
def test_a_sweep_by_hand(tmp_path):
    row = run_static(_job(tmp_path, 5))
    # Behind 15, 30, 30 and 75 Ohm, so in units of 1/150 S: 10, 5, 5 and 2.
    expected = 0.2 * np.array([0, 10 - 5, 5 - 2, 8, 8]) / 22
    np.testing.assert_allclose(np.array(row["volts"])[:, 0], expected, atol=1e-9)


@pytest.mark.ngspice
def test_a_sweep_of_other_length_is_refused(tmp_path):
    with pytest.raises(NgspiceError, match="5 points for 4 patterns"):
        run_static(_job(tmp_path, 4))
    assert not (tmp_path / "sweep.json").exists()


@pytest.mark.ngspice
def test_bit_lines_are_the_surrogates(design, tmp_path):
    """Column tiles, two columns an output, a bias pair, trim pairs, uneven cells."""
    found = {
        array: verify_static(
            trials_of(design, [2, 0], seed=1, chips=[0, 3], array=array),
            tmp_path / array,
            Workplace(workers=1),
        )
        for array in LINEAR
    }
    for array, one in found.items():
        metrics = one.metrics
        # float32 transfers, whose sums of some 40 terms lose a digit.
        assert metrics["error_rms"] <= metrics["error_max"] < 1e-5, array
        assert metrics["within_bar"]
        assert [layer["layer"] for layer in metrics["layers"]] == [0, 1]
        of_first = [part for part in one.parts if part.layer == 0]
        assert {part.col_tile for part in of_first} == {0, 1}
        assert sum(len(part.output) for part in of_first) == 2 * 5
        assert {*of_first[0].image} == {0, 2}
        lines = np.concatenate([part.surrogate.ravel() for part in one.parts])
        assert np.ptp(lines) > 10e-3  # there was something to find
    assert found["cells"].metrics["n_voltages"] == one.metrics["n_voltages"]


@pytest.mark.ngspice
def test_wrong_drivers_are_found(design, tmp_path, monkeypatch):
    def swapped(*args, r_driver, **kwargs):
        return static_deck(*args, r_driver=(2 * r_driver[0], r_driver[1]), **kwargs)

    monkeypatch.setattr(module, "static_deck", swapped)
    found = verify_static(trials_of(design, [1]), tmp_path, Workplace(workers=1))
    assert found.metrics["error_max"] > found.metrics["bar"]
    assert not found.metrics["within_bar"]


@pytest.mark.ngspice
@pytest.mark.slow  # the same bookkeeping as of whole networks, in test_deck.py
def test_sweeps_that_stand_are_not_run_again(design, tmp_path):
    def verified(started, rows):
        work = Workplace(
            on_start=lambda *told: started.append(told), on_row=rows.append, workers=1
        )
        return verify_static(trials_of(design, [1]), tmp_path, work)

    started, rows = [], []
    first = verified(started, rows)
    n = len(first.parts)
    assert started == [(0, n)]
    assert len(rows) == n
    decks = sorted((tmp_path / "decks" / "chip_0000").glob("*.cir"))
    assert len(decks) == n
    # One row is gone, one of another shape, one deck has changed.
    decks[0].with_suffix(".json").unlink()
    row = json.loads(decks[1].with_suffix(".json").read_text())
    row["volts"] = row["volts"][1:]
    decks[1].with_suffix(".json").write_text(json.dumps(row))
    row = json.loads(decks[2].with_suffix(".json").read_text())
    decks[2].with_suffix(".json").write_text(json.dumps(row | {"deck_sha256": "0"}))
    again = verified(started, rows)
    assert started[1:] == [(n - 3, n)]
    assert len(rows) == n + 3
    assert [r["volts"] for r in again.rows] == [r["volts"] for r in first.rows]


def test_another_form_of_array_is_refused(design, tmp_path):
    with pytest.raises(InputError, match="array must be one of"):
        verify_static(trials_of(design, [1], array="cell"), tmp_path)
