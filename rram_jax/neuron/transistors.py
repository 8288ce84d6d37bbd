"""The neuron's transistors: one table a block, gm cell and bias for 20 uA.

Nodes are the subcircuit's own; `rram_jax.ngspice.neuron` and `drivers` write them,
and `rram_jax.neuron.mismatch` takes the gate areas from them.
"""

from typing import NamedTuple


class Transistor(NamedTuple):
    """One transistor of a subcircuit."""

    name: str
    """Unique in its block."""
    kind: str
    """"n" or "p"."""
    drain: str
    gate: str
    source: str
    bulk: str
    width: float
    """[m]"""
    length: float
    """[m]"""


def _table(*rows: tuple) -> tuple[Transistor, ...]:
    """Rows with widths and lengths in micrometres, as circuit designers write them."""
    return tuple(Transistor._make((*a, w * 1e-6, l * 1e-6)) for *a, w, l in rows)


GM_CELL = _table(
    ("tail", "p", "t", "vbp", "vdd", "vdd", 10, 1.5),
    ("in_a", "p", "fa", "bl", "t", "vdd", 20, 0.5),
    ("in_b", "p", "fb", "ref", "t", "vdd", 20, 0.5),
    ("aux_tail", "p", "ta", "vbp", "vdd", "vdd", 2.5, 1.5),
    ("aux_a", "p", "fa", "vpre", "ta", "vdd", 2, 1),
    ("aux_b", "p", "fb", "hold", "ta", "vdd", 2, 1),
    ("sink_a", "n", "fa", "vbn", "0", "0", 4.5, 1),
    ("sink_b", "n", "fb", "vbn", "0", "0", 4.5, 1),
    ("casc_a", "n", "ga", "vcn", "fa", "0", 4, 0.3),
    ("casc_b", "n", "out", "vcn", "fb", "0", 4, 0.3),
    ("mir_a", "p", "ma", "ga", "vdd", "vdd", 6, 1),
    ("mir_b", "p", "mb", "ga", "vdd", "vdd", 6, 1),
    ("pcasc_a", "p", "ga", "vcp", "ma", "vdd", 6, 0.3),
    ("pcasc_b", "p", "out", "vcp", "mb", "vdd", 6, 0.3),
)
"""Folded-cascode pair with an auxiliary pair for the auto-zero."""

AUTO_ZERO = _table(
    ("az_n", "n", "out", "az", "hold", "0", 0.5, 0.15),
    ("az_p", "p", "out", "azb", "hold", "vdd", 0.5, 0.15),
)
"""Transmission gate of the auto-zero, from out to the hold capacitor."""

RESET = _table(
    ("rs_n", "n", "out", "rs", "vpre", "0", 1, 0.15),
    ("rs_p", "p", "out", "rsb", "vpre", "vdd", 1, 0.15),
)
"""Transmission gate that sets C_int to v_pre; widths for 200 fF."""

COPY = _table(
    ("du_n", "n", "dum", "rs", "vpre", "0", 1, 0.15),
    ("du_p", "p", "dum", "rsb", "vpre", "vdd", 1, 0.15),
)
"""The same for the copy of C_int that a clocked latch compares with."""

LATCH = _table(
    ("tail", "n", "t", "clk", "0", "0", 6, 0.15),
    ("in_p", "n", "a", "inp", "t", "0", 8, 0.3),
    ("in_n", "n", "b", "inn", "t", "0", 8, 0.3),
    ("n_on", "n", "on", "op", "a", "0", 2, 0.15),
    ("n_op", "n", "op", "on", "b", "0", 2, 0.15),
    ("p_on", "p", "on", "op", "vdd", "vdd", 2, 0.15),
    ("p_op", "p", "op", "on", "vdd", "vdd", 2, 0.15),
    ("r_on", "p", "on", "clk", "vdd", "vdd", 1.5, 0.15),
    ("r_op", "p", "op", "clk", "vdd", "vdd", 1.5, 0.15),
    ("r_a", "p", "a", "clk", "vdd", "vdd", 1.5, 0.15),
    ("r_b", "p", "b", "clk", "vdd", "vdd", 1.5, 0.15),
    ("q_1", "p", "q", "on", "vdd", "vdd", 1, 0.15),
    ("q_2", "p", "q", "qb", "vdd", "vdd", 1, 0.15),
    ("q_3", "n", "q", "on", "xq", "0", 1, 0.15),
    ("q_4", "n", "xq", "qb", "0", "0", 1, 0.15),
    ("qb_1", "p", "qb", "op", "vdd", "vdd", 1, 0.15),
    ("qb_2", "p", "qb", "q", "vdd", "vdd", 1, 0.15),
    ("qb_3", "n", "qb", "op", "xb", "0", 1, 0.15),
    ("qb_4", "n", "xb", "q", "0", "0", 1, 0.15),
    ("preset", "n", "qb", "rs", "0", "0", 1, 0.15),
)
"""StrongARM latch, `on` falls when inp > inn; behind it a set-reset latch of NANDs,
whose q the reset phase sets to 1: it loads the latch's outputs unequally, so that after
a 0 some 13 mV more are needed than after a 1, and every decision shall follow a 1."""

COMPARATOR = _table(
    ("tail", "n", "t", "vbc", "0", "0", 4, 1),
    ("in_p", "n", "a", "inp", "t", "0", 8, 0.5),
    ("in_n", "n", "b", "inn", "t", "0", 8, 0.5),
    ("mir_a", "p", "a", "a", "vdd", "vdd", 1.5, 0.8),
    ("mir_b", "p", "b", "a", "vdd", "vdd", 1.5, 0.8),
    ("amp", "p", "y", "b", "vdd", "vdd", 0.75, 0.8),
    ("sink", "n", "y", "vbc", "0", "0", 1, 1),
    ("inv_p", "p", "q", "y", "vdd", "vdd", 1, 0.5),
    ("inv_n", "n", "q", "y", "0", "0", 0.42, 0.5),
)
"""Continuous comparator: q is high while inp > inn. 20 uA in the pair, 5 uA behind it,
whatever the gm cell's bias; `rram_jax.ngspice.neuron.comparator` draws it."""

BIAS = _table(
    ("bp", "p", "vbp", "vbp", "vdd", "vdd", 10, 1.5),
    ("cn", "p", "vbn", "vbp", "vdd", "vdd", 10, 1.5),
    ("bn", "n", "vbn", "vbn", "0", "0", 4, 1),
    ("cv", "p", "vcn", "vbp", "vdd", "vdd", 10, 1.5),
    ("vn", "n", "vcn", "vcn", "0", "0", 1.5, 1),
    ("ck", "n", "vcp", "vbn", "0", "0", 4, 1),
    ("vp", "p", "vcp", "vcp", "vdd", "vdd", 3.4, 1),
)
"""A layer's bias: mirrors of the gm cell's own devices, gates of its cascodes."""

COMPARATOR_BIAS = _table(
    ("cc", "p", "vbc", "vbp", "vdd", "vdd", 10, 1.5),
    ("bc", "n", "vbc", "vbc", "0", "0", 4, 1),
)
"""Branch of it for continuous comparators. On the gm cells' own vbn they would pull at
each other's integrators, by up to 0.03 slots for 32 of them."""

MISMATCHED = (
    *(f"gm_{t.name}" for t in GM_CELL),
    *(f"latch_{name}" for name in ("in_p", "in_n", "n_on", "n_op", "p_on", "p_op")),
)
"""Transistors of a neuron with a latch that get a threshold shift, in the order of a
draw: the gm cell's, and those of the latch that move its decision."""

MISMATCHED_ASYNCHRONOUS = (
    *(f"gm_{t.name}" for t in GM_CELL),
    *(f"comparator_{t.name}" for t in COMPARATOR if not t.name.startswith("inv")),
)
"""The same of a neuron with a continuous comparator. Its inverter stays out: 10 mV of
its thresholds are 5 ps, a thousandth of a slot."""
