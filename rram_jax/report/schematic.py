"""The neuron's schematic, with the sizes of the tables that the decks are made of."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rram_jax.neuron.config import C_HOLD, V_DD, NeuronConfig
from rram_jax.neuron.transistors import (
    AUTO_ZERO,
    BIAS,
    COPY,
    GM_CELL,
    LATCH,
    RESET,
    Transistor,
)
from rram_jax.report.figure import COLOURS, INK, save_figure, set_title

BLOCKS = {
    "gm cell": GM_CELL,
    "auto-zero": AUTO_ZERO,
    "reset": RESET,
    "copy": COPY,
    "latch": LATCH,
    "bias": BIAS,
}
"""Tables of `rram_jax.neuron.transistors` by block."""

FOLLOWS = {
    "gm cell": "width_scale",
    "bias": "width_scale",
    "reset": "reset_scale",
    "copy": "reset_scale",
}
"""Property of `NeuronConfig` that the widths of a block follow; others are fixed."""

DRIVERS = """drivers of two rows of
the next array: 4 NMOS
p: v_cm \N{PLUS-MINUS SIGN} v_read
pb: v_cm"""

PLACES = {
    "aux_tail": (2.3, 8.6, "left"),
    "aux_a": (1.0, 6.4, "left"),
    "aux_b": (3.6, 6.4, "right"),
    "tail": (7.8, 8.6, "left"),
    "in_a": (6.5, 6.4, "left"),
    "in_b": (9.1, 6.4, "right"),
    "mir_a": (11.9, 8.6, "right"),
    "pcasc_a": (11.9, 6.9, "right"),
    "casc_a": (11.9, 4.3, "right"),
    "sink_a": (11.9, 1.2, "right"),
    "mir_b": (14.3, 8.6, "left"),
    "pcasc_b": (14.3, 6.9, "left"),
    "casc_b": (14.3, 4.3, "left"),
    "sink_b": (14.3, 1.2, "left"),
}
"""Where each transistor of the gm cell stands, and on which side its gate is."""


def sizes(config: NeuronConfig) -> dict[str, tuple[Transistor, ...]]:
    """Transistors of one neuron and its layer's bias, with their real widths."""
    scale = {block: getattr(config, name) for block, name in FOLLOWS.items()}
    return {
        block: tuple(
            t._replace(width=t.width * scale.get(block, 1.0)) for t in transistors
        )
        for block, transistors in BLOCKS.items()
    }


def size_text(t: Transistor) -> str:
    """Width over length in micrometres, such as 20/0.5."""
    return f"{1e6 * t.width:.3g}/{1e6 * t.length:.3g}"


def schematic_figure(config: NeuronConfig, path: Path) -> tuple[Path, Path]:
    """Draw one neuron: the gm cell's transistors, what hangs on C_int, and the logic.

    Args:
        config: Its sizes.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure = Figure(figsize=(11.3, 4.1), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    set_title(axes, "One neuron; W/L in um")
    table = {block: {t.name: t for t in ts} for block, ts in sizes(config).items()}
    for name, (x, y, gate) in PLACES.items():
        _mosfet(axes, x, y, table["gm cell"][name], gate)
    _gm_wires(axes)
    _capacitor_side(axes, config, table["reset"] | table["copy"], table["auto-zero"])
    _logic(axes)
    axes.set_xlim(-0.9, 28.8)
    axes.set_ylim(0.1, 9.9)
    return save_figure(figure, path)


def _wire(axes: Axes, *points: tuple[float, float]):
    x, y = zip(*points, strict=True)
    axes.plot(x, y, color=INK, linewidth=1.0, solid_capstyle="round")


def _dot(axes: Axes, *points: tuple[float, float]):
    for x, y in points:
        axes.plot(x, y, "o", color=INK, markersize=3.2)


def _text(axes: Axes, x: float, y: float, text: str, **style):
    style = {"fontsize": 8, "color": INK, "ha": "center", "va": "center"} | style
    axes.text(x, y, text, **style)


def _net(axes: Axes, x: float, y: float, name: str, **style):
    """A node's name, in the colour of names."""
    _text(axes, x, y, name, color=COLOURS[0], style="italic", **style)


def _mosfet(axes: Axes, x: float, y: float, t: Transistor, gate: str):
    """Drain and source at (x, y +- 0.6), gate 0.75 aside; a bubble for a PMOS."""
    side = -1 if gate == "left" else 1
    channel, plate, lead = x + 0.22 * side, x + 0.34 * side, x + 0.75 * side
    for end in (0.6, -0.6):
        _wire(axes, (x, y + end), (x, y + end / 2), (channel, y + end / 2))
    axes.plot((channel,) * 2, (y - 0.42, y + 0.42), color=INK, linewidth=1.8)
    axes.plot((plate,) * 2, (y - 0.34, y + 0.34), color=INK, linewidth=1.4)
    if t.kind == "p":
        bubble = x + 0.44 * side
        axes.plot(bubble, y, "o", color=INK, markersize=3.6, mfc="white")
        _wire(axes, (x + 0.53 * side, y), (lead, y))
        start, stop = (x, y + 0.3), (channel, y + 0.3)
    else:
        _wire(axes, (plate, y), (lead, y))
        start, stop = (channel, y - 0.3), (x, y - 0.3)
    axes.annotate(
        "", stop, start, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 0.6}
    )
    where = {"ha": "left" if side < 0 else "right", "fontsize": 8}
    beside = x - 0.18 * side
    _text(axes, beside, y + 0.17, t.name, **where)
    _text(axes, beside, y - 0.2, size_text(t), weight="bold", **where)


def _rails(axes: Axes, high: Sequence[float], low: Sequence[float]):
    for x in high:
        _wire(axes, (x - 0.3, 9.5), (x + 0.3, 9.5))
        _wire(axes, (x, 9.5), (x, 9.2))
    for x in low:
        _ground(axes, x, 0.6)


def _ground(axes: Axes, x: float, y: float):
    _wire(axes, (x, y), (x, y - 0.12))
    for k, half in enumerate((0.28, 0.18, 0.08)):
        level = y - 0.12 - 0.1 * k
        _wire(axes, (x - half, level), (x + half, level))


def _gm_wires(axes: Axes):
    """Everything between the gm cell's transistors."""
    _rails(axes, (2.3, 7.8, 11.9, 14.3), (11.9, 14.3))
    _text(axes, 4.7, 9.5, f"vdd {V_DD} V")
    for tail, left, right in ((2.3, 1.0, 3.6), (7.8, 6.5, 9.1)):
        _wire(axes, (tail, 8.0), (tail, 7.4))
        _wire(axes, (left, 7.0), (left, 7.4), (right, 7.4), (right, 7.0))
        _dot(axes, (tail, 7.4))
        _net(axes, tail - 0.85, 8.6, "vbp", ha="right")
    # Drains of both pairs fold into the sources of the cascodes.
    for left, right, branch, level in ((1.0, 6.5, 11.9, 3.1), (3.6, 9.1, 14.3, 2.4)):
        _wire(axes, (left, 5.8), (left, level), (branch, level))
        _wire(axes, (right, 5.8), (right, level))
        _wire(axes, (branch, 3.7), (branch, 1.8))
        _dot(axes, (right, level), (branch, level))
    _net(axes, 11.75, 3.35, "fa", ha="right")
    _net(axes, 14.45, 2.65, "fb", ha="left")
    _net(axes, 0.2, 6.4, "v_pre", ha="right")
    _net(axes, 4.42, 6.4, "hold", ha="left")
    _net(axes, 5.67, 6.4, "bl", ha="right")
    _net(axes, 9.95, 6.4, "ref", ha="left")
    for y, name, above in ((6.9, "vcp", 1), (4.3, "vcn", -1), (1.2, "vbn", -1)):
        _wire(axes, (12.65, y), (13.55, y))
        _net(axes, 13.25, y + 0.25 * above, name)
    # The mirror's gates hang on ga, the output of branch A.
    for x in (11.9, 14.3):
        _wire(axes, (x, 8.0), (x, 7.5))
        _wire(axes, (x, 6.3), (x, 4.9))
    _wire(axes, (12.65, 8.6), (13.55, 8.6))
    _wire(axes, (12.8, 8.6), (12.8, 5.6), (11.9, 5.6))
    _dot(axes, (12.8, 8.6), (11.9, 5.6))
    _net(axes, 11.75, 5.6, "ga", ha="right")


def _capacitor(axes: Axes, x: float, top: float, text: str):
    """A capacitor from (x, top) to ground, 1.3 high."""
    _wire(axes, (x, top), (x, top - 0.5))
    for level in (top - 0.5, top - 0.66):
        axes.plot((x - 0.32, x + 0.32), (level,) * 2, color=INK, linewidth=1.8)
    _wire(axes, (x, top - 0.66), (x, top - 1.0))
    _ground(axes, x, top - 1.0)
    _text(axes, x + 0.42, top - 0.58, text, ha="left", fontsize=8)


def _gate_pair(axes: Axes, x: float, top: float, n: Transistor, p: Transistor, on: str):
    """A transmission gate downwards from (x, top) to (x, top - 1.4)."""
    _wire(axes, (x, top), (x, top - 0.4))
    _wire(axes, (x, top - 1.0), (x, top - 1.4))
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
    _net(axes, x - 0.32, middle, on, ha="right")
    _text(axes, x + 0.36, middle + 0.2, f"n {size_text(n)}", weight="bold", **style)
    _text(axes, x + 0.36, middle - 0.2, f"p {size_text(p)}", weight="bold", **style)


def _capacitor_side(axes: Axes, config: NeuronConfig, reset, auto_zero):
    """C_int and its copy, their reset switches, and the auto-zero's hold capacitor."""
    level, low = 5.6, 2.4
    _wire(axes, (14.3, level), (22.5, level))
    _dot(axes, (14.3, level), (16.5, level), (18.9, level), (20.0, level))
    _net(axes, 15.0, level + 0.25, "out")
    _gate_pair(axes, 16.5, level, auto_zero["az_n"], auto_zero["az_p"], "az")
    _dot(axes, (16.5, level - 1.4))
    _net(axes, 16.3, level - 1.45, "hold", ha="right")
    _capacitor(axes, 16.5, level - 1.4, f"C_hold\n{1e15 * C_HOLD:.0f} fF")
    _capacitor(axes, 18.9, level, f"C_int\n{1e15 * config.c_int:.0f} fF")
    _wire(axes, (20.0, level), (20.0, 7.0))
    _gate_pair(axes, 20.0, 8.4, reset["rs_n"], reset["rs_p"], "rs")
    _net(axes, 20.0, 8.65, "v_pre")
    _wire(axes, (18.6, low), (22.0, low), (22.0, 4.5), (22.5, 4.5))
    _dot(axes, (21.3, low))
    _net(axes, 21.85, 3.4, "dum", ha="right")
    _gate_pair(axes, 18.6, low, reset["du_n"], reset["du_p"], "rs")
    _net(axes, 18.6, low - 1.65, "v_pre")
    _capacitor(
        axes, 21.3, low, f"as C_int and its\nparasitics\n{1e15 * config.c_total:.0f} fF"
    )


def _block(axes: Axes, x: float, y: float, w: float, h: float, text: str):
    axes.fill(
        (x, x + w, x + w, x),
        (y, y, y + h, y + h),
        facecolor="#eef4f7",
        edgecolor=INK,
        linewidth=1.1,
    )
    _text(axes, x + w / 2, y + h / 2, text)


def _logic(axes: Axes):
    """Latch, pulse gate and the drivers of the next array's rows, as blocks."""
    _block(axes, 22.5, 3.9, 2.5, 2.3, "StrongARM\nlatch and\nset-reset\nlatch")
    _text(axes, 22.58, 5.6, "+", ha="left", weight="bold")
    _text(axes, 22.58, 4.5, "\N{MINUS SIGN}", ha="left", weight="bold")
    _wire(axes, (23.75, 3.9), (23.75, 3.4))
    _net(axes, 23.75, 3.15, "clk")
    _wire(axes, (25.0, 5.05), (25.8, 5.05))
    _net(axes, 25.4, 5.3, "q")
    _block(axes, 25.8, 4.2, 2.4, 1.7, "pulse gate:\nNAND and\n3 inverters")
    _wire(axes, (27.0, 4.2), (27.0, 3.7))
    _net(axes, 27.0, 3.45, "en")
    for x, name, aside, ha in ((26.7, "p", -0.15, "right"), (27.3, "pb", 0.15, "left")):
        _wire(axes, (x, 5.9), (x, 7.0))
        _net(axes, x + aside, 6.45, name, ha=ha)
    _block(axes, 25.0, 7.0, 3.7, 1.9, DRIVERS)
