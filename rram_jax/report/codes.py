"""Hidden codes of ngspice beside the crossings that the surrogate computed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rram_jax.circuit.encode import SLOTS
from rram_jax.report.figure import COLOURS, INK, save_figure, set_title, style_axes
from rram_jax.report.verified import CodeTable

EDGE = 2.0
"""[slots] Crossings further outside the ramp are drawn here."""

MARKERS = ("o", "s", "^", "D")


def codes_figure(codes: Mapping[str, CodeTable], path: Path) -> tuple[Path, Path]:
    """Draw hidden codes over their computed crossings, and a histogram of differences.

    Args:
        codes: Under each label the rows of hidden layers.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure = Figure(figsize=(10.4, 4.4), layout="constrained")
    crossings, differences = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_crossings(crossings, codes)
    _draw_differences(differences, codes)
    return save_figure(figure, path)


def _draw_crossings(axes: Axes, codes: Mapping[str, CodeTable]):
    style_axes(
        axes, "crossing computed by the surrogate [slots]", "code from ngspice [-]"
    )
    set_title(axes, "Hidden codes")
    steps = np.arange(SLOTS + 1)
    axes.step(
        [-EDGE, *(steps[1:] - 0.5), SLOTS + EDGE],
        [0, *steps[1:], SLOTS],
        where="post",
        color=INK,
        linewidth=0.8,
        label="ideal rounding",
        zorder=1,
    )
    for k, (label, table) in enumerate(codes.items()):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        x = np.clip(table.position, -EDGE, SLOTS + EDGE)
        equal = table.spice == table.surrogate
        # Later series are smaller, so that equal points of several show as rings.
        axes.scatter(
            x[equal],
            table.spice[equal],
            color=colour,
            alpha=0.55,
            linewidths=0,
            label=f"{label}: equal to the surrogate's ({equal.sum()})",
            s=34 / (1 + k),
            marker=marker,
            zorder=2 + k,
        )
        axes.scatter(
            x[~equal],
            table.spice[~equal],
            facecolors="white",
            edgecolors=colour,
            linewidths=1.5,
            label=f"{label}: not equal ({(~equal).sum()})",
            s=70 / (1 + k),
            marker=marker,
            zorder=2 + k,
        )
    axes.set_xticks(range(0, SLOTS + 1, 3))
    axes.set_yticks(range(0, SLOTS + 1, 3))
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _draw_differences(axes: Axes, codes: Mapping[str, CodeTable]):
    style_axes(
        axes, "code of ngspice minus surrogate [LSB]", "share of hidden codes [%]"
    )
    set_title(axes, "Differences")
    found = {label: table.spice - table.surrogate for label, table in codes.items()}
    reach = max(2, *(int(np.abs(d).max()) for d in found.values()))
    values, width = np.arange(-reach, reach + 1), 0.8 / len(found)
    rotation = 90 if len(found) > 2 else 0  # narrow bars
    for k, (label, difference) in enumerate(found.items()):
        number = np.array([(difference == v).sum() for v in values])
        bars = axes.bar(
            values + (k - (len(found) - 1) / 2) * width,
            100 * number / len(difference),
            width,
            color=COLOURS[k % len(COLOURS)],
            label=f"{label}, {len(difference)} codes",
        )
        axes.bar_label(
            bars, [f"{n}" if n else "" for n in number], fontsize=8, rotation=rotation
        )
    axes.set_xticks(values if reach <= 5 else values[::3])
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylim(0, 118 + 7 * len(found))  # names and numbers above the bars
    axes.grid(axis="x", visible=False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
