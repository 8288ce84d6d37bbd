"""One solved array as heat maps."""

from pathlib import Path

import numpy as np

from rram_jax.report.figure import new_panels, save_figure
from rram_jax.types import Float


def array_figure(
    conductance: Float[np.ndarray, "rows cols"],
    drive: Float[np.ndarray, " rows"],
    v_sl: Float[np.ndarray, "rows cols"],
    v_bl: Float[np.ndarray, "rows cols"],
    cell_current: Float[np.ndarray, "rows cols"],
    told: str,
    path: Path,
) -> tuple[Path, Path]:
    """Draw cells, currents and what the lines lose; returns the PNG and the SVG file.

    Args:
        conductance: [S] of the cells.
        drive: [V] above v_cm, behind the row drivers.
        v_sl: [V] Source-line nodes, above v_cm.
        v_bl: [V] Bit-line nodes, above v_cm.
        cell_current: [A] From source line to bit line.
        told: What the array is, for the title.
        path: Where to, without a suffix.
    """
    rows, cols = conductance.shape
    figure, panels = new_panels(
        f"Array of {rows} rows and {cols} columns, {told}", 2, 2
    )
    maps = (
        ("Conductance of the cells", 1e6 * conductance, "[uS]", "viridis"),
        ("Current through the cells", 1e6 * cell_current, "[uA]", ""),
        ("Source lines: below their drive", 1e3 * (drive[:, None] - v_sl), "[mV]", ""),
        ("Bit lines: above v_cm", 1e3 * v_bl, "[mV]", ""),
    )
    for axes, (title, values, unit, colours) in zip(panels, maps, strict=True):
        # Signed quantities around a grey zero.
        largest = float(np.abs(values).max()) or 1.0
        image = axes.imshow(
            values,
            cmap=colours or "coolwarm",
            aspect="auto",
            vmin=0.0 if colours else -largest,
            vmax=largest,
        )
        axes.grid(visible=False)
        axes.set(
            title=title,
            xlabel="column, drivers on the left",
            ylabel="row, feet at the bottom",
        )
        figure.colorbar(image, ax=axes, label=unit)
    return save_figure(figure, path)
