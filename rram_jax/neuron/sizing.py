"""From what is asked of a layer's neurons to every size in their netlist."""

from dataclasses import dataclass
from typing import Literal

from rram_jax.errors import InputError
from rram_jax.neuron.config import C_HOLD, NeuronConfig
from rram_jax.neuron.technology import Technology
from rram_jax.neuron.transistors import (
    AUTO_ZERO,
    BIAS,
    COMPARATOR,
    COMPARATOR_BIAS,
    COPY,
    GM_CELL,
    LATCH,
    RESET,
    Transistor,
)

W_MIN = 0.42e-6
"""[m] Smallest width at l_min = 0.15 um, of our own card and of SKY130."""

SAG = 0.08
"""[-] Share of the row swing that a row driver is sized to lose: 16 Ohm at 5 mS."""

SAG_MAX = 0.3
"""[-] Largest share that a driver may lose: the neuron card's driver resistances are
those of a few percent, where the switches are ohmic."""

C_COUNTER = 50e-15
"""[F] What the continuous comparator drives: wire and registers that keep the count."""

Sized = tuple[Transistor, ...]
"""Transistors with the widths and lengths [m] of a netlist."""


@dataclass(frozen=True, kw_only=True)
class NeuronSizes:
    """Every capacitor and transistor of one layer's neurons. SI units."""

    c_int: float
    """[F] Integration capacitor."""

    c_copy: float
    """[F] Its copy in front of a latch: C_int and what stands beside it."""

    c_hold: float
    """[F] Holds the auto-zero's correction."""

    r_driver: float
    """[Ohm] On-resistance of the row drivers' switches."""

    ramp_step: float
    """[V] Step of the reference gate: the ramp."""

    gm_cell: Sized
    """Pair, auxiliary pair, cascodes and mirror."""

    auto_zero: Sized
    """Transmission gate from `out` to the hold capacitor."""

    reset: Sized
    """Transmission gate from v_pre to `out`."""

    copy: Sized
    """The same to the copy of C_int."""

    latch: Sized
    """Clocked comparator and its set-reset latch (hidden layers)."""

    comparator: Sized
    """Continuous comparator (output layers)."""

    bias: Sized
    """The layer's bias block."""

    comparator_bias: Sized
    """Its branch for continuous comparators."""

    pulse_gate: Sized
    """NAND and inverters from q to p and pb, which drive `drivers_next` row drivers."""

    input_buffer: Sized
    """Inverters from an input's pulse to p and pb, which drive `drivers_own`."""

    row_driver: Sized
    """Four switches of a pair of rows."""

    @property
    def blocks(self) -> dict[str, Sized]:
        """All transistors by block, named as people call it."""
        return {
            "gm cell": self.gm_cell,
            "auto-zero": self.auto_zero,
            "reset": self.reset,
            "copy": self.copy,
            "latch": self.latch,
            "comparator": self.comparator,
            "bias": self.bias,
            "comparator bias": self.comparator_bias,
            "pulse gate": self.pulse_gate,
            "input buffer": self.input_buffer,
            "row driver": self.row_driver,
        }


def size_neurons(
    config: NeuronConfig,
    *,
    g_row: float | None = None,
    drivers_next: int = 1,
    drivers_own: int = 1,
) -> NeuronSizes:
    """Size one layer's neurons; no size is computed anywhere else.

    With s, gm_per_ampere, c_parasitic and width_ohm of the config's `Technology`:

        s = l_min / 0.15 um                            W and L of every table x s
        b = i_bias / 20 uA                             widths of gm cell and bias x b
        gm = gm_per_ampere i_bias
        c_total = gm v_full 15 t_slot / swing          what `out` must carry
        c_int = c_total - b c_parasitic                c_copy = c_total
        r = max(c_total / 200 fF, 1/2)                 widths of the reset switches x r
        ramp_step = v_full                             of the reference gate: same gm
        t_auto_zero = taus (c_hold + c_total) / gm_aux c_hold = 3 pF
        r_driver = SAG / g_row                         or the config's, without g_row
        w = width_ohm / r_driver                       row switch at its level
        w = 2 um n^(1/3), 2 um n^(2/3), 10 um n        stages behind n row drivers, x s;
                                                       PMOS of the inverters 2.5 w

    The row load of a layer is the sum of the conductances on a row of a tile: columns
    of the tile times the mean of the two states. Rows enter through `v_full` alone:
    full scale is z_full v_read / rows times the cells' contrast (`chip.design`).

    Args:
        config: The neurons.
        g_row: [S] Load of each row; the row drivers' resistance then follows from it
            instead of being `config.r_driver`.
        drivers_next: [-] Pairs of row drivers behind each pulse gate.
        drivers_own: [-] Pairs of row drivers behind each input buffer.

    Returns:
        Sizes as the deck's subcircuits, the drawn mismatch and the schematic have them.

    Raises:
        InputError: The row load is no positive number.
    """
    technology, b = config.technology, config.width_scale
    comparators = comparator_sizes(technology)
    r_driver = config.r_driver if g_row is None else driver_for(g_row)
    return NeuronSizes(
        c_int=config.c_int,
        c_copy=config.c_total,
        c_hold=C_HOLD,
        r_driver=r_driver,
        ramp_step=config.v_full,
        gm_cell=_sized(GM_CELL, technology, b),
        auto_zero=_sized(AUTO_ZERO, technology),
        reset=_sized(RESET, technology, config.reset_scale),
        copy=_sized(COPY, technology, config.reset_scale),
        latch=comparators.latch,
        comparator=comparators.comparator,
        bias=_sized(BIAS, technology, b),
        comparator_bias=_sized(COMPARATOR_BIAS, technology, b),
        pulse_gate=_pulse_gate(technology, drivers_next),
        input_buffer=_input_buffer(technology, drivers_own),
        row_driver=_row_driver(technology, r_driver),
    )


@dataclass(frozen=True, kw_only=True)
class ComparatorSizes:
    """What layers of one technology share, whatever their neurons."""

    latch: Sized
    comparator: Sized


def comparator_sizes(technology: Technology) -> ComparatorSizes:
    """Size both comparators: the tables' widths and lengths times the scale."""
    return ComparatorSizes(
        latch=_sized(LATCH, technology), comparator=_sized(COMPARATOR, technology)
    )


def driver_for(g_row: float) -> float:
    """[Ohm] Row driver that loses the share `SAG` of its swing in a row of `g_row` [S].

    Raises:
        InputError: The load is no positive number.
    """
    if not 0 < g_row < float("inf"):
        raise InputError(f"A row's load is above 0 S and finite; got {g_row:g}.")
    return SAG / g_row


def check_sag(r_driver: float, g_cell: float, cols: int) -> None:
    """Check that the cells on a row leave its driver enough of the swing.

    Args:
        r_driver: [Ohm] Row driver.
        g_cell: [S] Mean conductance of a cell.
        cols: [-] Cells on a row of a tile.

    Raises:
        InputError: They take more than `SAG_MAX` of it.
    """
    g_row = cols * g_cell
    sag = r_driver * g_row / (1 + r_driver * g_row)
    if sag > SAG_MAX:
        most = int(SAG_MAX / (1 - SAG_MAX) / r_driver / g_cell)
        fewer = f"tiles of {most} columns at most, or " if most else ""
        raise InputError(
            f"Rows of {cols} cells, {1e3 * g_row:.3g} mS, take {100 * sag:.0f} % of"
            f" the swing behind row drivers of {r_driver:.3g} Ohm, and"
            f" {100 * SAG_MAX:.0f} % is the most: take {fewer}drivers of"
            f" {driver_for(g_row):.3g} Ohm."
        )


def _sized(table: Sized, technology: Technology, widths: float = 1.0) -> Sized:
    s = technology.scale
    return tuple(
        t._replace(width=max(t.width * widths, W_MIN) * s, length=t.length * s)
        for t in table
    )


def _switch(
    name: str,
    kind: Literal["n", "p"],
    drain: str,
    gate: str,
    source: str,
    width: float,
    technology: Technology,
) -> Transistor:
    """A transistor of minimum length with its bulk at the rail."""
    bulk = "vdd" if kind == "p" else "0"
    return Transistor(name, kind, drain, gate, source, bulk, width, technology.l_min)


def _inverter(name: str, x: str, y: str, width: float, technology: Technology) -> Sized:
    return (
        _switch(f"p{name}", "p", y, x, "vdd", 2.5 * width, technology),
        _switch(f"n{name}", "n", y, x, "0", width, technology),
    )


def _pulse_gate(technology: Technology, n: int) -> Sized:
    """Every stage carries about five times its own gate; the taper keeps the delay."""
    s = technology.scale
    wide, wider, widest = (
        2e-6 * s * n ** (1 / 3),
        2e-6 * s * n ** (2 / 3),
        10e-6 * s * n,
    )
    return (
        _switch("a1", "p", "x1", "q", "vdd", wide, technology),
        _switch("a2", "p", "x1", "en", "vdd", wide, technology),
        _switch("a3", "n", "x1", "q", "xa", wide, technology),
        _switch("a4", "n", "xa", "en", "0", wide, technology),
        *_inverter("1", "x1", "x2", wider, technology),
        *_inverter("2", "x2", "pb", widest, technology),
        *_inverter("3", "pb", "p", widest, technology),
    )


def _input_buffer(technology: Technology, n: int) -> Sized:
    widest = 10e-6 * technology.scale * n
    return (
        *_inverter("1", "x", "pb", widest, technology),
        *_inverter("2", "pb", "p", widest, technology),
    )


def _row_driver(technology: Technology, r_driver: float) -> Sized:
    pos, rest, neg = (x / r_driver for x in technology.width_ohm)
    return (
        _switch("pos", "n", "rp", "p", "vp", pos, technology),
        _switch("rest_p", "n", "rp", "pb", "cm", rest, technology),
        _switch("neg", "n", "rm", "p", "vm", neg, technology),
        _switch("rest_m", "n", "rm", "pb", "cm", rest, technology),
    )
