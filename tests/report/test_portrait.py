import dataclasses

import numpy as np
import pytest

from rram_jax.device.card import load_card
from rram_jax.report import portrait
from rram_jax.report.portrait import Portrait, portrait_figure

CARD = load_card("hfo2-nominal")
V = np.linspace(-1.0, 1.0, 8)
FULL = Portrait(
    card=CARD,
    r_lrs=np.full(4, CARD.r_lrs),
    r_hrs=np.full(4, CARD.r_hrs),
    loop=(V, 1e-5 * V),
    reset=(np.array([0.9, 1.4]), np.array([9e3, 5e4]), np.array([0.1, 0.3])),
    noise=(np.array([0.0, 1.0]), {"LRS": np.array([1.0, 1.01])}),
)


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """What `portrait_figure` draws, as its visible axes."""

    def draw(**changed):
        figures = []
        monkeypatch.setattr(
            portrait, "save_figure", lambda f, p: figures.append(f) or (p, p)
        )
        portrait_figure(dataclasses.replace(FULL, **changed), tmp_path / "card")
        return [axes for axes in figures[0].axes if axes.get_visible()]

    return draw


def test_a_full_card_has_four_panels(drawn):
    loop, reset, cells, noise = drawn()
    # Branches apart: what is plotted is |I| in microamperes over volts.
    branches = [(line.get_xdata(), line.get_ydata()) for line in loop.lines]
    np.testing.assert_allclose(np.concatenate([b[1] for b in branches]).max(), 10.0)
    assert all((x > 0).all() or (x < 0).all() for x, _ in branches)
    np.testing.assert_allclose(reset.lines[0].get_ydata(), [9.0, 50.0])
    assert reset.lines[1].get_xdata()[0] == CARD.v_reset
    assert cells.get_xscale() == "log"
    np.testing.assert_allclose(noise.lines[0].get_ydata(), [0.0, 1.0])
    for axes in (loop, reset, cells, noise):
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert axes.get_title()


@pytest.mark.parametrize(
    ("missing", "panels"),
    [
        ({"loop": None, "reset": None}, 2),
        ({"noise": (np.zeros(1), {})}, 3),
        ({"loop": None, "reset": None, "noise": (np.zeros(1), {})}, 1),
    ],
)
def test_what_a_card_does_not_tell_is_not_drawn(drawn, missing, panels):
    assert len(drawn(**missing)) == panels


def test_the_files_are_written(tmp_path):
    png, svg = portrait_figure(FULL, tmp_path / "card")
    assert png.read_bytes()[1:4] == b"PNG"
    assert "<svg" in svg.read_text()
