"""Where the energy of an image goes, and what the reference levels must deliver."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rram_jax.report.figure import COLOURS, save_figure, set_title, style_axes
from rram_jax.report.text import significant

BLOCKS = {
    "gm": "integrators (gm cells)",
    "latch": "comparators (latches)",
    "gate": "pulse gates, row drivers' gates",
    "bias": "bias mirrors",
    "driver": "input buffers",
    "array": "arrays, at the reference levels",
    "pre": "reset level v_pre",
    "phases": "gates on clocks and phases",
}
"""Blocks of `energy_by_block_j` in words; one that is not here keeps its name."""


def energy_figure(
    by_block: Mapping[str, Mapping[str, float]], path: Path
) -> tuple[Path, Path]:
    """Draw one group of bars a block.

    Args:
        by_block: Under each label the energy [J] of an image, by block.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, "energy of an image [pJ]", "")
    set_title(axes, "Energy by block")
    names = list(dict.fromkeys(name for row in by_block.values() for name in row))
    place, width = np.arange(len(names)), 0.8 / len(by_block)
    for k, (label, row) in enumerate(by_block.items()):
        values = [1e12 * row.get(name, 0.0) for name in names]
        bars = axes.barh(
            place + (k - (len(by_block) - 1) / 2) * width,
            values,
            width,
            color=COLOURS[k % len(COLOURS)],
            label=f"{label}: {significant(sum(values), 4)} pJ in all",
        )
        axes.bar_label(bars, [significant(v) for v in values], padding=3, fontsize=8)
    axes.set_yticks(place, [BLOCKS.get(name, name) for name in names], parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.legend(frameon=False, fontsize=8, loc="center right")
    return save_figure(figure, path)
