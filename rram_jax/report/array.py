"""One solved array as heat maps, between what drives it and what it gives."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rram_jax.circuit.config import ArrayConfig
from rram_jax.report.figure import COLOURS, new_panels, save_figure
from rram_jax.types import Float


@dataclass(frozen=True, kw_only=True)
class SolvedArray:
    """An array, its drives and its operating point; voltages above v_cm."""

    conductance: Float[np.ndarray, "rows cols"]
    """[S] Of the cells."""

    drive: Float[np.ndarray, " rows"]
    """[V] Behind the row drivers."""

    v_sl: Float[np.ndarray, "rows cols"]
    """[V] Source-line nodes."""

    v_bl: Float[np.ndarray, "rows cols"]
    """[V] Bit-line nodes."""

    cell_current: Float[np.ndarray, "rows cols"]
    """[A] From source line to bit line."""

    voltage: Float[np.ndarray, " cols"]
    """[V] At the feet."""

    current: Float[np.ndarray, " cols"]
    """[A] Out of the feet."""


def array_figure(
    solved: SolvedArray, wires: ArrayConfig, told: str, path: Path
) -> tuple[Path, Path]:
    """Draw drives, cells, currents, what the lines lose, and the feet.

    Args:
        solved: What to draw.
        wires: For the title.
        told: What the array is, for the title.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    rows, cols = solved.conductance.shape
    figure, panels = new_panels(
        f"Array of {rows} x {cols} cells (rows x columns), {told}\n{wires_text(wires)};"
        " voltages from v_cm, the voltage of an array at rest",
        2,
        3,
    )
    drives, *images, feet = panels
    _bars(drives, "Drives", solved.drive, "row", "voltage of the source [V]")
    drop = solved.drive[:, None] - solved.v_sl
    maps = (
        ("Cells", 1e6 * solved.conductance, "conductance [uS]"),
        ("Cells, source to bit line", 1e6 * solved.cell_current, "current [uA]"),
        ("Source lines: drive minus node", 1e3 * drop, "voltage drop [mV]"),
        ("Bit lines", 1e3 * solved.v_bl, "voltage [mV]"),
    )
    for axes, (title, values, label) in zip(images, maps, strict=True):
        signed = not label.startswith("conductance")
        largest = float(np.nan_to_num(np.abs(values), posinf=0).max()) or 1.0
        # Signed quantities around a grey zero.
        image = axes.imshow(
            values,
            cmap="coolwarm" if signed else "viridis",
            aspect="auto",
            vmin=-largest if signed else 0.0,
            vmax=largest,
        )
        axes.grid(visible=False)
        axes.set(title=title, xlabel="column (drivers on the left)")
        axes.set_ylabel("row (feet at the bottom)")
        whole_ticks(axes, x=cols, y=rows)
        figure.colorbar(image, ax=axes, label=label)
    title = "Feet, the sensed ends of the bit lines"
    if wires.r_sense == 0:
        _bars(feet, title, 1e6 * solved.current, "column", "current [uA]")
    else:
        _bars(feet, title, 1e3 * solved.voltage, "column", "voltage [mV]")
    return save_figure(figure, path)


def wires_text(wires: ArrayConfig) -> str:
    """The four resistances in words."""
    ends = {0.0: "sensed as currents (0 Ohm to v_cm)", math.inf: "floating"}
    sense = ends.get(wires.r_sense, f"{wires.r_sense:g} Ohm to v_cm")
    return (
        f"segments of {wires.r_wire_sl:g} Ohm (source lines) and {wires.r_wire_bl:g}"
        f" Ohm (bit lines), drivers of {wires.r_driver:g} Ohm, feet {sense}"
    )


def whole_ticks(axes: Axes, *, x: int = 0, y: int = 0) -> None:
    """Ticks at 0 to x - 1 and 0 to y - 1 only, however few."""
    for axis, number in ((axes.xaxis, x), (axes.yaxis, y)):
        if number == 1:
            axis.set_ticks([0])
        elif number:
            axis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _bars(
    axes: Axes, title: str, values: Float[np.ndarray, " n"], line: str, label: str
) -> None:
    """A value a row, on its side like the heat maps' rows, or a value a column."""
    places, n = np.arange(len(values)), len(values)
    axes.set_title(title)
    if line == "row":
        axes.barh(places, values, color=COLOURS[0])
        axes.axvline(0, color="#5b5b5b", linewidth=0.7)
        axes.set(xlabel=label, ylabel=line, ylim=(n - 0.5, -0.5))
        whole_ticks(axes, y=n)
    else:
        axes.bar(places, values, color=COLOURS[0])
        axes.axhline(0, color="#5b5b5b", linewidth=0.7)
        axes.set(xlabel=line, ylabel=label, xlim=(-0.5, n - 0.5))
        whole_ticks(axes, x=n)
