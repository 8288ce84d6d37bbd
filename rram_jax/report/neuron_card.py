"""A neuron card drawn: what its neurons do against their full scale."""

from pathlib import Path

import numpy as np

from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.config import SLOTS
from rram_jax.report.figure import COLOURS, new_panels, save_figure, style_axes

PANELS = {
    "gain": ("gain", 1.0),
    "offset": ("offset [LSB]", 1.0),
    "leak": ("leak [1/us]", 1e-6),
    "curve": ("compression [1/V^2]", 1.0),
    "noise_rms": ("noise [LSB rms]", None),
    "residual_rms": ("model's residual [LSB rms]", 1.0),
    "energy_gm": ("gm cell, a conversion [pJ]", 1e12),
    "energy_latch": ("comparator, a conversion [pJ]", 1e12),
}
"""Columns of a kind's table: axis and factor; None is volts over an LSB."""

KINDS = {"hidden": "hidden: clocked latch", "output": "output: continuous comparator"}


def card_figure(card: NeuronCard, path: Path) -> tuple[Path, Path]:
    """Draw both kinds of neurons; `path` has no suffix. Returns PNG and SVG."""
    conditions = card.conditions
    title = (
        f"{card.name}: {1e6 * conditions.i_bias:g} uA,"
        f" {1e9 * conditions.t_slot:g} ns slots"
    )
    figure, panels = new_panels(title, 2, 4)
    for axes, (field, (label, factor)) in zip(panels, PANELS.items(), strict=True):
        for (kind, words), colour in zip(KINDS.items(), COLOURS, strict=False):
            table = getattr(card, kind)
            v_full = np.array(table.v_full)
            values = np.array(getattr(table, field))
            values = values * (SLOTS / v_full if factor is None else factor)
            axes.plot(1e3 * v_full, values, "o-", color=colour, ms=3, label=words)
        style_axes(axes, "full scale [mV]", label)
        axes.set_xscale("log")
        axes.set_xticks([3, 5, 10, 20, 30], ["3", "5", "10", "20", "30"])
        axes.minorticks_off()
    panels[0].legend(frameon=False, fontsize="x-small")
    return save_figure(figure, path)
