"""How figures are made and written: one look, the same bytes every time."""

import io
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import EngFormatter

from rram_jax.run_folder import write_bytes

INK = "#1b1b1b"
COLOURS = ("#0b6e99", "#c2410c", "#3f7d20", "#7b3fa0", "#8a6d00", "#5b5b5b")
"""Told apart in grey and by most colour-blind readers; cycled through."""


def new_figure(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes; no window, no global state."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, x_label, y_label)
    set_title(axes, title)
    return figure, axes


def new_panels(title: str, rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    """An empty figure with a grid of axes, row by row."""
    figure = Figure(figsize=(4.6 * columns, 3.5 * rows), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, parse_math=False)
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels:
        style_axes(axes, "", "")
        axes.title.set_fontsize(10)
    return figure, panels


def style_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Label a pair of axes; light grid, no box."""
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def seconds(time: float) -> str:
    """A time [s] as people write it, such as 5 ns."""
    return EngFormatter(unit="s")(time)


def set_title(axes: Axes, title: str) -> None:
    """Write a title as it is: names in it may hold dollar signs."""
    axes.set_title(title, loc="left", fontsize=11, color=INK, parse_math=False)


def save_figure(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Write `path`.png and `path`.svg whole; equal figures give equal bytes.

    What stands in legends is written as it is: names in it may hold dollar signs.
    """
    written = []
    for legend in figure.findobj(Legend):
        for text in legend.get_texts():
            text.set_parse_math(False)
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        buffer = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "rram_jax"}):
            figure.savefig(buffer, format=kind, dpi=160, metadata=metadata)
        written.append(path.with_name(f"{path.name}.{kind}"))
        write_bytes(written[-1], buffer.getvalue())
    return written[0], written[1]
