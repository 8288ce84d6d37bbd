"""Blocks of the neuron's schematic: comparators, bias, pulse gate, row drivers.

Each is drawn with its lower left corner at (x, y), from the sizes of the decks.
"""

from matplotlib.axes import Axes

from rram_jax.neuron.sizing import C_COUNTER, NeuronSizes, Sized
from rram_jax.neuron.technology import Technology
from rram_jax.report.symbols import (
    capacitor,
    dot,
    ground,
    inverter,
    mosfet,
    nand,
    net,
    size_text,
    supply,
    wire,
    write,
)

Point = tuple[float, float]


class _Place:
    """Axes with an origin, and a block's transistors by name."""

    def __init__(self, axes: Axes, x: float, y: float, table: Sized):
        self.axes, self.x, self.y = axes, x, y
        self.table = {t.name: t for t in table}

    def wire(self, *points: Point):
        wire(self.axes, *((self.x + a, self.y + b) for a, b in points))

    def dot(self, *points: Point):
        dot(self.axes, *((self.x + a, self.y + b) for a, b in points))

    def net(self, x: float, y: float, name: str, **style):
        net(self.axes, self.x + x, self.y + y, name, **style)

    def mosfet(self, name: str, x: float, y: float, gate: str):
        mosfet(self.axes, self.x + x, self.y + y, self.table[name], gate)

    def supply(self, *points: Point):
        for x, y in points:
            supply(self.axes, self.x + x, self.y + y)

    def ground(self, *points: Point):
        for x, y in points:
            ground(self.axes, self.x + x, self.y + y)

    def title(self, y: float, text: str):
        write(self.axes, self.x - 0.6, self.y + y, text, ha="left", fontsize=9.5)


def draw_latch(axes: Axes, x: float, y: float, sizes: NeuronSizes) -> None:
    """StrongARM latch, and the set-reset latch of two NANDs that remembers."""
    at = _Place(axes, x, y, sizes.latch)
    at.title(9.4, "Hidden layers: StrongARM latch, set-reset latch")
    for name, left, height, gate in (
        ("r_a", 0.5, 7.2, "left"),
        ("r_on", 3.7, 7.2, "left"),
        ("p_on", 7.1, 7.2, "right"),
        ("p_op", 10.1, 7.2, "left"),
        ("r_op", 13.5, 7.2, "right"),
        ("r_b", 16.9, 7.2, "right"),
        ("n_on", 7.1, 4.8, "right"),
        ("n_op", 10.1, 4.8, "left"),
        ("in_p", 7.1, 2.9, "left"),
        ("in_n", 10.1, 2.9, "right"),
        ("tail", 8.6, 1.2, "left"),
    ):
        at.mosfet(name, left, height, gate)
    at.supply(*((left, 7.8) for left in (0.5, 3.7, 7.1, 10.1, 13.5, 16.9)))
    at.ground((8.6, 0.6))
    at.wire((8.6, 1.8), (8.6, 2.3))
    at.wire((7.1, 2.3), (10.1, 2.3))
    at.dot((8.6, 2.3))
    for left, clocked, input_clocked, name, other in (
        (7.1, 3.7, 0.5, "on", "a"),
        (10.1, 13.5, 16.9, "op", "b"),
    ):
        at.wire((left, 3.5), (left, 4.2))
        at.wire((left, 5.4), (left, 6.6))
        at.wire((clocked, 6.6), (clocked, 6.0), (left, 6.0))
        at.wire((input_clocked, 6.6), (input_clocked, 3.85), (left, 3.85))
        at.dot((left, 6.0), (left, 3.85))
        aside, ha = (-0.7, "right") if name == "on" else (0.7, "left")
        at.net(left + aside, 5.75, name, ha=ha)
        at.net(left + aside, 3.6, other, ha=ha)
    # Each side's gates hang on the other's output.
    at.wire((7.85, 4.8), (7.85, 7.2))
    at.wire((9.35, 4.8), (9.35, 7.2))
    at.wire((7.85, 5.75), (10.1, 5.75))
    at.wire((9.35, 6.25), (7.1, 6.25))
    at.dot((7.85, 5.75), (10.1, 5.75), (9.35, 6.25), (7.1, 6.25))
    for left, height, ha in ((-0.35, 7.2, "right"), (2.85, 7.2, "right")):
        at.net(left, height, "clk", ha=ha)
    for left in (14.35, 17.75):
        at.net(left, 7.2, "clk", ha="left")
    at.net(7.75, 1.2, "clk", ha="right")
    at.net(6.25, 2.9, "out", ha="right")
    at.net(10.95, 2.9, "dum", ha="left")
    # q = NAND(on, qb) and qb = NAND(op, q), crossed.
    nmos, pmos = (size_text(at.table[name]) for name in ("q_3", "q_1"))
    size = f"n {nmos}\np {pmos}"
    for level, first, own in ((5.0, "on", "q"), (1.4, "op", "qb")):
        nand(axes, x + 19.8, y + level, size if own == "q" else "")
        sign = 1 if own == "q" else -1
        at.wire((19.2, level + 0.35 * sign), (19.8, level + 0.35 * sign))
        at.net(19.1, level + 0.35 * sign, first, ha="right")
        at.wire((21.4, level), (22.3, level))
        at.dot((21.8, level))
        at.net(22.4, level, own, ha="left")
    at.wire((21.8, 5.0), (21.8, 3.4), (19.3, 2.9), (19.3, 1.75), (19.8, 1.75))
    at.wire((21.8, 1.4), (21.8, 2.9), (19.3, 3.4), (19.3, 4.65), (19.8, 4.65))


def draw_comparator(
    axes: Axes, x: float, y: float, sizes: NeuronSizes, technology: Technology
) -> None:
    """Continuous comparator: pair with mirror, common source, inverter."""
    at = _Place(axes, x, y, sizes.comparator)
    at.title(
        9.4,
        "Output layers: continuous comparator, delay"
        f" {1e9 * technology.t_comparator:.1f} ns",
    )
    for name, left, height, gate in (
        ("mir_a", 1.2, 7.2, "right"),
        ("mir_b", 4.2, 7.2, "left"),
        ("in_p", 1.2, 4.4, "left"),
        ("in_n", 4.2, 4.4, "right"),
        ("tail", 2.7, 1.2, "left"),
        ("amp", 7.0, 7.2, "left"),
        ("sink", 7.0, 1.2, "left"),
        ("inv_p", 9.8, 7.2, "left"),
        ("inv_n", 9.8, 1.2, "left"),
    ):
        at.mosfet(name, left, height, gate)
    at.supply(*((left, 7.8) for left in (1.2, 4.2, 7.0, 9.8)))
    at.ground(*((left, 0.6) for left in (2.7, 7.0, 9.8)))
    at.wire((1.95, 7.2), (3.45, 7.2))
    at.wire((2.7, 7.2), (2.7, 6.2), (1.2, 6.2))
    for left in (1.2, 4.2):
        at.wire((left, 6.6), (left, 5.0))
        at.wire((left, 3.8), (left, 3.3))
    at.wire((1.2, 3.3), (4.2, 3.3))
    at.wire((2.7, 3.3), (2.7, 1.8))
    at.wire((4.2, 6.2), (6.0, 6.2), (6.0, 7.2), (6.25, 7.2))
    at.wire((7.0, 6.6), (7.0, 1.8))
    at.wire((7.0, 4.4), (8.8, 4.4))
    at.wire((9.05, 7.2), (8.8, 7.2), (8.8, 1.2), (9.05, 1.2))
    at.wire((9.8, 6.6), (9.8, 1.8))
    at.wire((9.8, 4.4), (11.0, 4.4))
    at.dot((2.7, 7.2), (1.2, 6.2), (4.2, 6.2), (2.7, 3.3), (7.0, 4.4), (8.8, 4.4))
    at.dot((9.8, 4.4), (10.6, 4.4))
    at.net(11.1, 4.4, "q", ha="left")
    capacitor(axes, x + 10.6, y + 4.4, f"{1e15 * C_COUNTER:.0f} fF")
    at.net(0.35, 4.4, "out", ha="right")
    at.net(5.05, 4.4, "v_pre", ha="left")
    at.net(1.05, 5.75, "a", ha="right")
    at.net(5.2, 6.45, "b")
    at.net(6.85, 4.4, "y", ha="right")
    for left in (1.85, 6.15):
        at.net(left, 1.2, "vbc", ha="right")


def draw_bias(
    axes: Axes, x: float, y: float, sizes: NeuronSizes, i_bias: float
) -> None:
    """A layer's bias: one reference current, mirrors, the cascodes' gates."""
    at = _Place(axes, x, y, (*sizes.bias, *sizes.comparator_bias))
    at.title(6.9, f"A layer's bias, reference {1e6 * i_bias:.3g} uA")
    high, low = 4.8, 1.4
    columns = (
        (0.9, "bp", None, "vbp"),
        (3.8, "cn", "bn", "vbn"),
        (6.7, "cv", "vn", "vcn"),
        (9.6, "vp", "ck", "vcp"),
        (12.5, "cc", "bc", "vbc"),
    )
    for left, upper, lower, out in columns:
        at.mosfet(upper, left, high, "left")
        at.supply((left, high + 0.6))
        at.wire((left, high - 0.6), (left, low + 0.6))
        at.dot((left, 3.1))
        at.net(left + 0.2, 3.1, out, ha="left")
        at.ground((left, low - 0.6))
        if lower is None:
            at.wire((left, low + 0.6), (left, low - 0.6))
            axes.plot(x + left, y + low, "o", ms=15, mfc="white", mec="#1b1b1b")
            arrow = {"arrowstyle": "-|>", "color": "#1b1b1b", "lw": 0.8}
            ends = (x + left, y + low - 0.35), (x + left, y + low + 0.35)
            axes.annotate("", *ends, arrowprops=arrow)
        else:
            at.mosfet(lower, left, low, "left")
        # Each branch's diode: gate and drain joined.
        diode = upper if out in ("vbp", "vcp") else lower
        level = high if diode == upper else low
        at.wire((left - 0.75, level), (left - 0.75, 3.1), (left, 3.1))
        driven = {"cn": "vbp", "cv": "vbp", "cc": "vbp", "ck": "vbn"}
        for name in (upper, lower):
            if name in driven:
                level = high if name == upper else low
                at.net(left - 0.85, level, driven[name], ha="right")


def draw_pulse_gate(
    axes: Axes, x: float, y: float, sizes: NeuronSizes, drivers: int
) -> None:
    """Pulse gate: NAND of q and the enable, inverters to p and pb."""
    at = _Place(axes, x, y, sizes.pulse_gate)
    at.title(6.9, f"Pulse gate, drivers behind it: {drivers}")

    def both(number: int) -> str:
        nmos, pmos = (size_text(at.table[f"{kind}{number}"]) for kind in "np")
        return f"n {nmos}\np {pmos}"

    first = f"n {size_text(at.table['a3'])}\np {size_text(at.table['a1'])}"
    level = 3.4
    for up, name in ((0.35, "q"), (-0.35, "en")):
        at.wire((0.3, level + up), (0.9, level + up))
        at.net(0.2, level + up, name, ha="right")
    nand(axes, x + 0.9, y + level, first)
    for left, number in ((3.2, 1), (5.6, 2), (8.0, 3)):
        inverter(axes, x + left, y + level, both(number))
    at.wire((2.5, level), (3.2, level))
    at.wire((4.5, level), (5.6, level))
    at.wire((6.9, level), (8.0, level))
    at.wire((9.3, level), (9.7, level))
    at.net(9.75, level, "p", ha="left")
    at.dot((7.3, level))
    at.wire((7.3, level), (7.3, level + 1.1))
    at.net(7.3, level + 1.35, "pb")


def draw_row_driver(axes: Axes, x: float, y: float, sizes: NeuronSizes) -> None:
    """Two rows' switches to their read level and to v_cm."""
    at = _Place(axes, x, y, sizes.row_driver)
    at.title(6.9, f"Row driver, {sizes.r_driver:.3g} Ohm")
    for left, on, rest, level, row in (
        (1.3, "pos", "rest_p", "v_cm + v_read", "r+"),
        (4.6, "neg", "rest_m", "v_cm \N{MINUS SIGN} v_read", "r\N{MINUS SIGN}"),
    ):
        at.mosfet(on, left, 4.7, "left")
        at.mosfet(rest, left, 2.1, "left")
        at.net(left, 5.75, level)
        at.wire((left, 5.3), (left, 5.5))
        at.net(left, 1.05, "v_cm")
        at.wire((left, 1.5), (left, 1.3))
        at.wire((left, 4.1), (left, 2.7))
        at.wire((left, 3.4), (left + 0.8, 3.4))
        at.dot((left, 3.4))
        at.net(left + 0.9, 3.4, row, ha="left")
        at.net(left - 0.85, 4.7, "p", ha="right")
        at.net(left - 0.85, 2.1, "pb", ha="right")
