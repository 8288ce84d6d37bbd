"""What cells a device card makes."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from scipy.special import ndtri

from rram_jax.device.card import DeviceCard
from rram_jax.device.fit import DeviceFit
from rram_jax.device.mixture_fit import PROBABILITIES
from rram_jax.report.figure import COLOURS, INK, new_figure, save_figure
from rram_jax.types import Float

BINS = 120

TICKS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


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
    draw_cells(axes, card, r_lrs, r_hrs)
    return save_figure(figure, path)


def draw_cells(
    axes: Axes,
    card: DeviceCard,
    r_lrs: Float[np.ndarray, " n_lrs"],
    r_hrs: Float[np.ndarray, " n_hrs"],
) -> None:
    """Draw the histograms of `distribution_figure` on given axes."""
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
        axes.axvline(median, color=colour, linewidth=1, label=f"median of {name} body")
    axes.axvline(
        card.r_access, color=INK, linewidth=1, linestyle=":", label="access transistor"
    )
    axes.set_xscale("log")
    axes.legend(frameon=False)


def quantile_figure(fit: DeviceFit, path: Path) -> tuple[Path, Path]:
    """Draw measured and fitted quantiles of both states on normal paper.

    Args:
        fit: The fit; its cells that do not switch are in neither.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure, axes = new_figure(
        f"Measured and fitted quantiles: {fit.card.name}",
        "read resistance, access transistor included [Ohm]",
        "share of the state's reads below [%]",
    )
    score = ndtri(PROBABILITIES)
    for colour, (name, state) in zip(COLOURS, fit.states.items(), strict=False):
        axes.plot(
            np.exp(state.measured),
            score,
            "o",
            color=colour,
            label=f"{name.upper()}, measured",
        )
        axes.plot(
            np.exp(state.fitted), score, color=colour, label=f"{name.upper()}, fitted"
        )
    axes.set_xscale("log")
    axes.set_yticks(ndtri(TICKS), [f"{100 * p:g}" for p in TICKS])
    axes.legend(frameon=False)
    return save_figure(figure, path)
