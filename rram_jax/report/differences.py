"""Differences of accuracy, chip by chip, against the spread of the cells."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.report.figure import COLOURS, new_figure, save_figure
from rram_jax.types import Float

WIDTH = 0.3
"""[-] Of the room between two spreads that the chips of one are drawn in."""

LINE = 76
"""[-] Characters that a line of the title holds."""


def difference_figure(
    title: str,
    differences: Mapping[str, Float[np.ndarray, "spreads chips"]],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    path: Path,
) -> tuple[Path, Path]:
    """Draw a dot a chip, and the mean with its 95 % interval.

    Args:
        title: What was compared.
        differences: Under each network's label its chips' differences of accuracy [-].
        tables: Its comparisons, one a spread in the same order: `sigma_lrs`,
            `difference` and `ci95`.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure, axes = new_figure(
        textwrap.fill(
            f"{title}: mean and its 95 % interval over chips, and a dot for every chip",
            LINE,
        ),
        "spread of LRS cells, standard deviation of ln R",
        "difference of accuracy [points]",
    )
    axes.axhline(0, color=COLOURS[-1], linewidth=0.8)
    sigmas = sorted({c["sigma_lrs"] for table in tables.values() for c in table})
    room = WIDTH * (min(np.diff(sigmas)) if len(sigmas) > 1 else 0.1)
    for k, (label, table) in enumerate(tables.items()):
        colour = COLOURS[k % (len(COLOURS) - 1)]
        centre = (k - (len(tables) - 1) / 2) * room / len(tables)
        for chips, c in zip(differences[label], table, strict=True):
            # Spread out by number: the same picture every time.
            place = np.linspace(-0.5, 0.5, len(chips)) * 0.8 * room / len(tables)
            axes.plot(
                c["sigma_lrs"] + centre + place,
                100 * chips,
                ".",
                color=colour,
                markersize=3,
                alpha=0.4,
            )
        mean = np.array([c["difference"] for c in table])
        ends = np.array([c["ci95"] for c in table])
        order = np.argsort([c["sigma_lrs"] for c in table])
        axes.errorbar(
            np.array([c["sigma_lrs"] for c in table])[order] + centre,
            100 * mean[order],
            yerr=100 * np.abs(ends - mean[:, None]).T[:, order],
            color=colour,
            marker="o",
            markersize=4,
            capsize=3,
            label=label,
        )
    axes.legend(frameon=False)
    return save_figure(figure, path)
