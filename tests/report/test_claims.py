import pytest

from rram_jax.neuron.card import load_neuron_card
from rram_jax.ngspice.array import IDEAL_CELLS
from rram_jax.ngspice.export import IDEAL
from rram_jax.report.claims import CONSEQUENCES, ideal_sentences, verified_table
from rram_jax.report.verified import read_verified
from tests.report.folders import DECKS, edit_json, make_verified


@pytest.fixture
def folder(tmp_path):
    return make_verified(tmp_path / "m", "multiport")


def rows_of(run, others=None):
    card = load_neuron_card(run.config.design.neuron_card)
    table = verified_table(run, others or {"multiport": run}, card)
    return {row[0]: row[1:] for row in table.rows}


def find(rows, start):
    (found,) = (row for effect, row in rows.items() if effect.startswith(start))
    return found


def test_whatever_a_deck_calls_ideal_has_a_consequence():
    of_cells = {phrase for told in IDEAL_CELLS.values() for phrase in told}
    assert {*IDEAL, *of_cells} == set(CONSEQUENCES)


def test_each_ideal_thing_is_one_sentence():
    sentences = ideal_sentences(["clocks and phases", "new part"])
    assert sentences[0].startswith("Clocks and phases: exact")
    assert sentences[1] == "New part: ideal in every deck."
    assert all(s.count(".") == 1 for s in sentences)


def test_numbers_come_from_the_run_and_the_neuron_card(folder):
    rows = rows_of(read_verified(folder))
    found = find(rows, "all of these together, a hidden")[-1]
    assert "5 of 6" in found
    assert "3 of 4" in found
    output = find(rows, "gain, offset, leak, compression: layer 1, output")
    assert "gain 1.005" in output[0]  # 1 + 0.01 * 8 / 15.1
    assert "97.0\N{NO-BREAK SPACE}% of counts equal" in output[-1]
    assert "2 operating points" in output[2]
    assert "98.0\N{NO-BREAK SPACE}% of codes equal" in find(rows, "threshold")[-1]
    assert find(rows, "width of output pulses")[-1] == "0.017 slots at most"
    assert find(rows, "resistance of the row drivers")[-1].startswith("15.80 and 16.20")


def test_both_forms_of_the_arrays_are_compared(folder, tmp_path):
    run = read_verified(folder)
    assert find(rows_of(run), "IR drop")[-1] == "not compared: one form only"
    cells = read_verified(make_verified(tmp_path / "c", "cells", DECKS[:1]))
    found = find(rows_of(run, {"multiport": run, "cells": cells}), "IR drop")[-1]
    assert found == "against cells: 3 of 3 hidden codes and 2 of 2 output counts equal"


def test_what_was_off_or_left_out_is_said(folder):
    edit_json(folder / "config.json", mismatch=False)
    rows = rows_of(read_verified(folder))
    assert find(rows, "threshold mismatch")[1] == "off in this run"
    # 60 uV at the bit line over an LSB of 9.62 mV / 15.
    assert "0.09 LSB" in find(rows, "thermal noise")[0]
    assert find(rows, "thermal noise")[2] == "not compared"
    assert find(rows, "energy")[2] == "not compared"
