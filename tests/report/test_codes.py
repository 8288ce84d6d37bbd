import numpy as np
import pytest

from rram_jax.report import codes
from rram_jax.report.codes import codes_figure
from rram_jax.report.verified import read_verified
from tests.report.folders import DECKS, make_verified


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Both axes of the figure, as they were handed over to be saved."""
    figures, save = [], codes.save_figure
    monkeypatch.setattr(
        codes, "save_figure", lambda f, p: figures.append(f) or save(f, p)
    )
    runs = {
        "multiport": read_verified(make_verified(tmp_path / "m", "multiport")),
        "cells": read_verified(make_verified(tmp_path / "c", "cells", DECKS[:1])),
    }
    codes_figure({k: r.codes.hidden for k, r in runs.items()}, tmp_path / "codes")
    return figures[0].axes


def test_every_hidden_code_is_a_point(drawn):
    equal, unequal, *_ = drawn[0].collections
    # -8.25 and 21 slots stand at the edges.
    assert sorted(map(tuple, equal.get_offsets().tolist())) == [
        (-2.0, 0.0),
        (-0.6, 0.0),
        (0.9, 1.0),
        (3.2, 3.0),
        (17.0, 15.0),
    ]
    assert unequal.get_offsets().tolist() == [[5.45, 6.0]]


def test_the_staircase_rounds(drawn):
    x, y = drawn[0].lines[0].get_data()
    assert x[1:3].tolist() == [0.5, 1.5]
    assert y[[0, 1, -2, -1]].tolist() == [0, 1, 15, 15]


def test_differences_are_ngspice_minus_surrogate(drawn):
    multiport, cells = drawn[1].containers[:2]
    heights = np.array([bar.get_height() for bar in multiport])
    assert heights == pytest.approx([0, 0, 500 / 6, 100 / 6, 0])
    assert [bar.get_height() for bar in cells] == [0, 0, 100, 0, 0]
    shown = [text.get_text() for text in drawn[1].texts if text.get_text()]
    assert shown == ["5", "1", "3"]
