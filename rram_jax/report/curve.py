"""Accuracy against the spread of the low-resistance state."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rram_jax.report.figure import COLOURS, new_figure, save_figure


def accuracy_curve_figure(
    tables: Mapping[str, Sequence[Mapping[str, Any]]], path: Path
) -> tuple[Path, Path]:
    """Draw one curve a table: mean with its interval, down to the 1st percentile.

    Args:
        tables: Under each curve's label its points, with the keys that `rram-jax
            evaluate --json` writes.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """

    def all_of(key):
        found = dict.fromkeys(p[key] for points in tables.values() for p in points)
        return ", ".join(map(str, found))

    figure, axes = new_figure(
        f"{all_of('n_chips')} chips of {all_of('device')}, circuit"
        f" {all_of('circuit')}, on {all_of('dataset')}: mean and its 95 %\ninterval,"
        " shaded to the 1st percentile; dotted: ideal cells, wires and neurons",
        "spread of LRS cells, standard deviation of ln R",
        "accuracy [%]",
    )
    for k, (label, points) in enumerate(tables.items()):
        colour = COLOURS[k % len(COLOURS)]
        points = sorted(points, key=lambda point: point["sigma_lrs"])
        sigma = [point["sigma_lrs"] for point in points]

        def percent(key, points=points):
            return [100 * point[key] for point in points]

        mean = percent("accuracy_mean")
        low, high = zip(*(point["ci95"] for point in points), strict=True)
        axes.errorbar(
            sigma,
            mean,
            yerr=[
                [m - 100 * x for m, x in zip(mean, low, strict=True)],
                [100 * x - m for m, x in zip(mean, high, strict=True)],
            ],
            color=colour,
            marker="o",
            markersize=4,
            capsize=3,
            label=label,
        )
        axes.fill_between(
            sigma,
            percent("accuracy_p01"),
            mean,
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        axes.plot(sigma, percent("accuracy_ideal"), color=colour, linestyle=":")
    axes.legend(frameon=False)
    return save_figure(figure, path)
