import dataclasses

import numpy as np
import pytest

from rram_jax.device.card import load_card
from rram_jax.report import device
from rram_jax.report.device import BINS, distribution_figure


def test_a_card_without_spread_can_be_drawn(tmp_path):
    card = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.0, sigma_hrs=0.0)
    png, svg = distribution_figure(
        card, np.full(3, card.r_lrs), np.full(5, card.r_hrs), tmp_path / "cells"
    )
    assert png.stat().st_size > 1000
    assert "<svg" in svg.read_text()


def test_each_state_sums_to_all_its_cells(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(device, "save_figure", lambda f, p: figures.append(f) or (p, p))
    rng = np.random.default_rng(3)
    card = load_card("bench-r10")
    r_lrs = card.r_lrs * np.exp(0.2 * rng.normal(size=700))
    r_hrs = card.r_hrs * np.exp(0.5 * rng.normal(size=300))
    distribution_figure(card, r_lrs, r_hrs, tmp_path / "cells")
    (axes,) = figures[0].axes
    for bars, r in zip(axes.containers, (r_lrs, r_hrs), strict=True):
        heights = np.array([bar.get_height() for bar in bars])
        assert heights.sum() == pytest.approx(100)
        highest = bars[int(heights.argmax())]
        # A histogram's mode stands within a few bins of a log-normal's median.
        assert highest.get_x() == pytest.approx(np.median(r), rel=0.25)
        assert len(heights) == BINS
    lines = {line.get_xdata()[0] for line in axes.lines}
    assert lines == {card.r_lrs, card.r_hrs, card.r_access}
