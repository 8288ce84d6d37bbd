"""Symbols of a schematic, drawn on axes whose unit is about a transistor's height."""

import numpy as np
from matplotlib.axes import Axes

from rram_jax.neuron.transistors import Transistor
from rram_jax.report.figure import COLOURS, INK


def size_text(t: Transistor) -> str:
    """Width over length in micrometres, such as 20/0.5."""
    return f"{1e6 * t.width:.3g}/{1e6 * t.length:.3g}"


def wire(axes: Axes, *points: tuple[float, float]):
    """A line through points."""
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=INK, linewidth=1.0, solid_capstyle="round")


def dot(axes: Axes, *points: tuple[float, float]):
    """Where lines that meet are joined."""
    for x, y in points:
        axes.plot(x, y, "o", color=INK, markersize=3.2)


def write(axes: Axes, x: float, y: float, text: str, **style):
    """A text in the middle of (x, y), unless the style says otherwise."""
    style = {"fontsize": 8, "color": INK, "ha": "center", "va": "center"} | style
    axes.text(x, y, text, **style)


def net(axes: Axes, x: float, y: float, name: str, **style):
    """A node's name, in the colour of names."""
    write(axes, x, y, name, color=COLOURS[0], style="italic", **style)


def mosfet(axes: Axes, x: float, y: float, t: Transistor, gate: str):
    """Drain and source at (x, y +- 0.6), gate 0.75 aside; a bubble for a PMOS."""
    side = -1 if gate == "left" else 1
    channel, plate, lead = x + 0.22 * side, x + 0.34 * side, x + 0.75 * side
    for end in (0.6, -0.6):
        wire(axes, (x, y + end), (x, y + end / 2), (channel, y + end / 2))
    axes.plot((channel,) * 2, (y - 0.42, y + 0.42), color=INK, linewidth=1.8)
    axes.plot((plate,) * 2, (y - 0.34, y + 0.34), color=INK, linewidth=1.4)
    if t.kind == "p":
        bubble = x + 0.44 * side
        axes.plot(bubble, y, "o", color=INK, markersize=3.6, mfc="white")
        wire(axes, (x + 0.53 * side, y), (lead, y))
        start, stop = (x, y + 0.3), (channel, y + 0.3)
    else:
        wire(axes, (plate, y), (lead, y))
        start, stop = (channel, y - 0.3), (x, y - 0.3)
    axes.annotate(
        "", stop, start, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 0.6}
    )
    where = {"ha": "left" if side < 0 else "right", "fontsize": 8}
    beside = x - 0.18 * side
    write(axes, beside, y + 0.17, t.name, **where)
    write(axes, beside, y - 0.2, size_text(t), weight="bold", **where)


def ground(axes: Axes, x: float, y: float):
    """Its symbol, hung on (x, y)."""
    wire(axes, (x, y), (x, y - 0.12))
    for k, half in enumerate((0.28, 0.18, 0.08)):
        level = y - 0.12 - 0.1 * k
        wire(axes, (x - half, level), (x + half, level))


def capacitor(axes: Axes, x: float, top: float, text: str):
    """A capacitor from (x, top) to ground, 1.3 high."""
    wire(axes, (x, top), (x, top - 0.5))
    for level in (top - 0.5, top - 0.66):
        axes.plot((x - 0.32, x + 0.32), (level,) * 2, color=INK, linewidth=1.8)
    wire(axes, (x, top - 0.66), (x, top - 1.0))
    ground(axes, x, top - 1.0)
    write(axes, x + 0.42, top - 0.58, text, ha="left", fontsize=8)


def gate_pair(axes: Axes, x: float, top: float, n: Transistor, p: Transistor, on: str):
    """A transmission gate downwards from (x, top) to (x, top - 1.4)."""
    wire(axes, (x, top), (x, top - 0.4))
    wire(axes, (x, top - 1.0), (x, top - 1.4))
    upper, middle, lower = top - 0.4, top - 0.7, top - 1.0
    for level in (upper, lower):
        axes.fill(
            (x - 0.3, x + 0.3, x),
            (level, level, middle),
            facecolor="white",
            edgecolor=INK,
            linewidth=1.0,
        )
    style = {"ha": "left", "fontsize": 7.5}
    net(axes, x - 0.32, middle, on, ha="right")
    write(axes, x + 0.36, middle + 0.2, f"n {size_text(n)}", weight="bold", **style)
    write(axes, x + 0.36, middle - 0.2, f"p {size_text(p)}", weight="bold", **style)


def block(axes: Axes, x: float, y: float, w: float, h: float, text: str):
    """A box with its lower left corner at (x, y)."""
    axes.fill(
        (x, x + w, x + w, x),
        (y, y, y + h, y + h),
        facecolor="#eef4f7",
        edgecolor=INK,
        linewidth=1.1,
    )
    write(axes, x + w / 2, y + h / 2, text)


def supply(axes: Axes, x: float, y: float):
    """The bar of vdd, standing on (x, y)."""
    wire(axes, (x - 0.3, y + 0.3), (x + 0.3, y + 0.3))
    wire(axes, (x, y + 0.3), (x, y))


def nand(axes: Axes, x: float, y: float, size: str):
    """A NAND to the right of (x, y), 1.6 wide; its inputs are at y +- 0.35."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 33)
    arc = zip(x + 0.7 + 0.7 * np.cos(angle), y + 0.7 * np.sin(angle), strict=True)
    wire(axes, (x + 0.7, y - 0.7), *arc, (x, y + 0.7), (x, y - 0.7), (x + 0.7, y - 0.7))
    axes.plot(x + 1.5, y, "o", color=INK, markersize=4.5, mfc="white")
    write(axes, x + 0.7, y - 1.05, size, fontsize=7.5, weight="bold")


def inverter(axes: Axes, x: float, y: float, size: str):
    """An inverter to the right of (x, y), 1.3 wide."""
    wire(axes, (x, y - 0.6), (x, y + 0.6), (x + 1.1, y), (x, y - 0.6))
    axes.plot(x + 1.2, y, "o", color=INK, markersize=4.5, mfc="white")
    write(axes, x + 0.5, y - 1.05, size, fontsize=7.5, weight="bold")
