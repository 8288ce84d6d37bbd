import pytest

from rram_jax.ngspice import decode, neuron
from rram_jax.report import energy
from rram_jax.report.energy import BLOCKS, energy_figure
from rram_jax.report.tables import array_energy_table, energy_table
from rram_jax.report.verified import read_verified
from tests.report.folders import DECKS, make_verified


@pytest.fixture
def runs(tmp_path):
    return {
        "multiport": read_verified(make_verified(tmp_path / "m", "multiport")),
        "cells": read_verified(make_verified(tmp_path / "c", "cells", DECKS[:1])),
    }


def test_every_block_of_a_deck_has_words():
    written = {*neuron.BLOCKS, "array", "pre", "phases"}
    assert set(BLOCKS) == written
    assert decode.BLOCKS is neuron.BLOCKS


def test_bars_are_picojoules(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(energy, "save_figure", lambda f, p: figures.append(f) or (p, p))
    by_block = {"a": {"gm": 4e-10, "array": 9e-10}, "b": {"gm": 5e-10, "new": -1e-12}}
    energy_figure(by_block, tmp_path / "e")
    (axes,) = figures[0].axes
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    assert widths[0] == pytest.approx([400, 900, 0])
    assert widths[1] == pytest.approx([500, 0, -1])
    ticks = [text.get_text() for text in axes.get_yticklabels()]
    assert ticks == [BLOCKS["gm"], BLOCKS["array"], "new"]


def test_the_table_ends_with_all(runs):
    table = energy_table(runs)
    # Runs over other images are not the same mean, and the header says how many.
    assert table.header[1::2] == ("multiport (2 images) [pJ]", "cells (1 image) [pJ]")
    assert table.rows[0][:2] == (BLOCKS["gm"], "400")
    assert table.rows[-1][:2] == ("all", "1,500")


def test_arrays_are_stated_twice(runs):
    rows = {row[0]: row[1] for row in array_energy_table(runs).rows}
    at_levels, regulated, whole, *peaks = rows.values()
    assert (at_levels, regulated) == ("1,100", "5,430")
    assert whole == "5,830"  # 1500 - 1100.5 + 5432.1
    assert rows["peak current of v_cm + v_read [mA]"] == "12.3"
    assert peaks[1] == "23.5"
