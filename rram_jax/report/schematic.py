"""The neuron's schematic, with the sizes that the decks are made of."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.sizing import NeuronSizes, size_neurons
from rram_jax.report.figure import save_figure, set_title
from rram_jax.report.schematic_blocks import (
    draw_bias,
    draw_comparator,
    draw_latch,
    draw_pulse_gate,
    draw_row_driver,
)
from rram_jax.report.symbols import (
    block,
    capacitor,
    dot,
    gate_pair,
    ground,
    mosfet,
    net,
    supply,
    wire,
    write,
)

PLACES = {
    "aux_tail": (2.3, 8.6, "left"),
    "aux_a": (1.0, 6.4, "left"),
    "aux_b": (3.6, 6.4, "right"),
    "tail": (7.8, 8.6, "left"),
    "in_a": (6.2, 6.4, "left"),
    "in_b": (9.4, 6.4, "right"),
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


def schematic_figure(
    config: NeuronConfig, path: Path, *, drivers: int = 1
) -> tuple[Path, Path]:
    """Draw a layer's neuron and what stands around it, transistor by transistor.

    Above the gm cell with C_int, its copy and the auto-zero; below it the two
    comparators, the clocked one of hidden layers and the continuous one of output
    layers; then the layer's bias, the pulse gate and the row drivers.

    Args:
        config: The neurons; all sizes are those of `size_neurons`.
        path: Where to, without a suffix.
        drivers: [-] Pairs of row drivers behind each pulse gate.

    Returns:
        The PNG and the SVG file.
    """
    sizes = size_neurons(config, drivers_next=drivers)
    figure = Figure(figsize=(14.0, 10.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    set_title(axes, "One neuron; W/L in um")
    table = {t.name: t for t in sizes.gm_cell}
    for name, (x, y, gate) in PLACES.items():
        mosfet(axes, x, y, table[name], gate)
    _gm_wires(axes, config)
    _capacitor_side(axes, sizes)
    _logic(axes)
    draw_latch(axes, 0.0, -10.2, sizes)
    draw_comparator(axes, 25.0, -10.2, sizes, config.technology)
    draw_bias(axes, 0.0, -18.0, sizes, config.i_bias)
    draw_pulse_gate(axes, 17.4, -18.0, sizes, drivers)
    draw_row_driver(axes, 30.2, -18.0, sizes)
    axes.set_xlim(-0.9, 37.2)
    axes.set_ylim(-18.2, 9.9)
    return save_figure(figure, path)


def _gm_wires(axes: Axes, config: NeuronConfig):
    """Everything between the gm cell's transistors."""
    for x in (2.3, 7.8, 11.9, 14.3):
        supply(axes, x, 9.2)
    for x in (11.9, 14.3):
        ground(axes, x, 0.6)
    write(axes, 4.7, 9.5, f"vdd {config.technology.v_dd:g} V")
    for tail, left, right in ((2.3, 1.0, 3.6), (7.8, 6.2, 9.4)):
        wire(axes, (tail, 8.0), (tail, 7.4))
        wire(axes, (left, 7.0), (left, 7.4), (right, 7.4), (right, 7.0))
        dot(axes, (tail, 7.4))
        net(axes, tail - 0.85, 8.6, "vbp", ha="right")
    # Drains of both pairs fold into the sources of the cascodes.
    for left, right, branch, level in ((1.0, 6.2, 11.9, 3.1), (3.6, 9.4, 14.3, 2.4)):
        wire(axes, (left, 5.8), (left, level), (branch, level))
        wire(axes, (right, 5.8), (right, level))
        wire(axes, (branch, 3.7), (branch, 1.8))
        dot(axes, (right, level), (branch, level))
    net(axes, 11.75, 3.35, "fa", ha="right")
    net(axes, 14.45, 2.65, "fb", ha="left")
    net(axes, 0.2, 6.4, "v_pre", ha="right")
    net(axes, 4.4, 6.7, "hold")
    net(axes, 5.4, 6.4, "bl", ha="right")
    net(axes, 10.25, 6.4, "ref", ha="left")
    for y, name, above in ((6.9, "vcp", 1), (4.3, "vcn", -1), (1.2, "vbn", -1)):
        wire(axes, (12.65, y), (13.55, y))
        net(axes, 13.25, y + 0.25 * above, name)
    # The mirror's gates hang on ga, the output of branch A.
    for x in (11.9, 14.3):
        wire(axes, (x, 8.0), (x, 7.5))
        wire(axes, (x, 6.3), (x, 4.9))
    wire(axes, (12.65, 8.6), (13.55, 8.6))
    wire(axes, (12.8, 8.6), (12.8, 5.6), (11.9, 5.6))
    dot(axes, (12.8, 8.6), (11.9, 5.6))
    net(axes, 11.75, 5.6, "ga", ha="right")


def _capacitor_side(axes: Axes, sizes: NeuronSizes):
    """C_int and its copy, their reset switches, and the auto-zero's hold capacitor."""
    level, low = 5.6, 2.4
    reset = {t.name: t for t in (*sizes.reset, *sizes.copy)}
    auto_zero = {t.name: t for t in sizes.auto_zero}
    wire(axes, (14.3, level), (22.5, level))
    dot(axes, (14.3, level), (16.5, level), (18.9, level), (20.0, level))
    net(axes, 15.0, level + 0.25, "out")
    gate_pair(axes, 16.5, level, auto_zero["az_n"], auto_zero["az_p"], "az")
    dot(axes, (16.5, level - 1.4))
    net(axes, 16.3, level - 1.45, "hold", ha="right")
    capacitor(axes, 16.5, level - 1.4, f"C_hold\n{1e15 * sizes.c_hold:.0f} fF")
    capacitor(axes, 18.9, level, f"C_int\n{1e15 * sizes.c_int:.0f} fF")
    wire(axes, (20.0, level), (20.0, 7.0))
    gate_pair(axes, 20.0, 8.4, reset["rs_n"], reset["rs_p"], "rs")
    net(axes, 20.0, 8.65, "v_pre")
    wire(axes, (18.6, low), (22.0, low), (22.0, 4.5), (22.5, 4.5))
    dot(axes, (21.3, low))
    net(axes, 21.85, 3.4, "dum", ha="right")
    gate_pair(axes, 18.6, low, reset["du_n"], reset["du_p"], "rs")
    net(axes, 18.6, low - 1.65, "v_pre")
    capacitor(
        axes, 21.3, low, f"as C_int and its\nparasitics\n{1e15 * sizes.c_copy:.0f} fF"
    )


def _logic(axes: Axes):
    """Latch, pulse gate and row drivers as blocks; the rows below draw them."""
    block(axes, 22.5, 3.9, 2.5, 2.3, "StrongARM\nlatch and\nset-reset\nlatch")
    write(axes, 22.58, 5.6, "+", ha="left", weight="bold")
    write(axes, 22.58, 4.5, "\N{MINUS SIGN}", ha="left", weight="bold")
    wire(axes, (23.75, 3.9), (23.75, 3.4))
    net(axes, 23.75, 3.15, "clk")
    wire(axes, (25.0, 5.05), (25.8, 5.05))
    net(axes, 25.4, 5.3, "q")
    block(axes, 25.8, 4.2, 2.4, 1.7, "pulse gate:\nNAND and\n3 inverters")
    wire(axes, (27.0, 4.2), (27.0, 3.7))
    net(axes, 27.0, 3.45, "en")
    for x, name, aside, ha in ((26.7, "p", -0.15, "right"), (27.3, "pb", 0.15, "left")):
        wire(axes, (x, 5.9), (x, 7.0))
        net(axes, x + aside, 6.45, name, ha=ha)
    block(axes, 25.0, 7.0, 3.7, 1.5, "row drivers of\nthe next array")
