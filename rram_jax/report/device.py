"""What cells a device card makes."""

from pathlib import Path

import numpy as np

from rram_jax.device.card import DeviceCard
from rram_jax.report.figure import COLOURS, INK, new_figure, save_figure
from rram_jax.types import Float

BINS = 120


def distribution_figure(
    card: DeviceCard,
    r_lrs: Float[np.ndarray, " n_lrs"],
    r_hrs: Float[np.ndarray, " n_hrs"],
    path: Path,
) -> tuple[Path, Path]:
    """Draw histograms of sampled read resistances [Ohm] with the card's medians.

    Args:
        card: The card they were sampled from.
        r_lrs: Cells in the low-resistance state.
        r_hrs: Cells in the high-resistance state.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure, axes = new_figure(
        f"Cells of {card.name}: {len(r_lrs):,} LRS, {len(r_hrs):,} HRS",
        "read resistance, access transistor included [Ohm]",
        "share of the state's cells in a bin [%]",
    )
    # At least a factor of 1.1 wide: a card without spread has one value a state.
    low = min(r_lrs.min(), r_hrs.min()) / 1.05
    high = max(r_lrs.max(), r_hrs.max()) * 1.05
    edges = np.geomspace(low, high, BINS + 1)
    states = (("LRS", r_lrs, card.r_lrs), ("HRS", r_hrs, card.r_hrs))
    for colour, (name, sample, median) in zip(COLOURS, states, strict=False):
        axes.hist(
            sample,
            edges,
            weights=np.full(len(sample), 100 / len(sample)),
            color=colour,
            alpha=0.6,
            label=name,
        )
        axes.axvline(median, color=colour, linewidth=1)
    axes.axvline(
        card.r_access, color=INK, linewidth=1, linestyle=":", label="access transistor"
    )
    axes.set_xscale("log")
    axes.legend(frameon=False)
    return save_figure(figure, path)
