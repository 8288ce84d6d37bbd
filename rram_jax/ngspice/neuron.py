"""The neuron as ngspice subcircuits; `rram_jax.ngspice.phases` clocks a layer of them.

                  vdd                   clocks, phases and reference gate: one a layer
                   |
    bl --| pair |-- ref   fold, cascodes -- out --+-- latch -- NAND -- inverters -- row
         | PMOS |         (auto-zero pair         |   (clk)    (en)    (pb, p)   drivers
                           from `hold`)         C_int                            (next
                                                  |                              array)
                                                 gnd

In the output layer a continuous comparator stands in the latch's place (`comparator`),
without clock and pulse gate; an ideal counter reads when its q falls.

Ideal: supplies and levels, one reference current a layer, clocks, phases, reference
gate, and the pulses of inputs and bias rows, which enter through transistor buffers.
Names: `tag` is a layer ("0"), `name` a neuron ("0_5"); nodes s, out, dum, q, p and pb
carry the neuron's name, everything that a layer shares its tag.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PySpice.Spice.Netlist import SubCircuit

from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import C_HOLD, V_CM, V_DD, V_PRE, NeuronConfig
from rram_jax.neuron.transistors import (
    AUTO_ZERO,
    BIAS,
    COMPARATOR,
    COMPARATOR_BIAS,
    COPY,
    GM_CELL,
    LATCH,
    MISMATCHED,
    MISMATCHED_ASYNCHRONOUS,
    RESET,
    Transistor,
)
from rram_jax.ngspice.cmos import model_lines, with_instances
from rram_jax.ngspice.phases import steps

L_MIN = 0.15e-6
"""[m] Gate length of logic and switches."""

C_COUNTER = 50e-15
"""[F] What the continuous comparator drives: wire and registers that keep the count."""

C_BIT_LINE = 0.5e-12
"""[F] Bit lines and strap of one output, lumped at its sensed node."""

OPTIONS = ".option method=gear reltol=1e-3"
"""Codes and counts as with reltol 1e-4; trap, bypass and a larger trtol moved some."""

BLOCKS = ("gm", "latch", "gate", "bias", "driver")
"""Supplies, one ammeter each: node and source `vdd_gm` and so on. `gate` is the pulse
gates and the row drivers' gates behind them, `driver` the buffers of input pulses,
`latch` the comparators, clocked or not."""

WIDTH_OHM = {"pos": 1.439e-3, "rest": 1.081e-3, "neg": 0.8874e-3}
"""[Ohm m] Width times on-resistance of a row switch at its level, gate at V_DD, rows of
4 mS behind 16 Ohm: equal widths would give 73, 54 and 44 Ohm."""


def _round(x: float) -> float:
    """Six digits, so that a deck shows 1e-05 and not 9.999999999999999e-06."""
    return float(f"{x:.6g}")


def _mosfet(circuit: SubCircuit, t: Transistor, scale: float = 1.0, shift: str = ""):
    """Add one BSIM4 transistor; diffusions are 0.3 um long."""
    width = _round(t.width * scale)
    area, edge = _round(0.3e-6 * width), _round(2 * width)
    circuit.M(
        t.name,
        t.drain,
        t.gate,
        t.source,
        t.bulk,
        model=f"{t.kind}ch",
        width=width,
        length=_round(t.length),
        drain_area=area,
        source_area=area,
        drain_perimeter=edge,
        source_perimeter=edge,
        raw_spice=shift,
    )


def _switch(name: str, kind: str, drain: str, gate: str, source: str, width: float):
    """A transistor of minimum length with its bulk at the rail."""
    bulk = "vdd" if kind == "p" else "0"
    return Transistor(name, kind, drain, gate, source, bulk, width, L_MIN)


def _block(name: str, nodes: str, block: str) -> tuple[SubCircuit, dict[str, str]]:
    """An empty subcircuit, and the threshold shift of each mismatched transistor."""
    prefix = f"{block}_"
    shifted = dict.fromkeys((*MISMATCHED, *MISMATCHED_ASYNCHRONOUS))
    names = [n.removeprefix(prefix) for n in shifted if n.startswith(prefix)]
    cell = SubCircuit(name, *nodes.split(), **{f"d_{n}": 0 for n in names})
    return cell, {n: f"delvto={{d_{n}}}" for n in names}


def gm_cell(tag: str, config: NeuronConfig) -> SubCircuit:
    """Integrator with auto-zero; before a latch `dum` is v_pre held on a copy of C_int.

    The latch kicks both its inputs; against a stiff v_pre codes come out low. A
    continuous comparator does not kick and compares with v_pre itself.
    """
    dum = "" if config.asynchronous else "dum "
    nodes = f"bl ref out {dum}vpre az azb rs rsb vbp vbn vcn vcp vdd"
    cell, shift = _block(f"gm{tag}", nodes, "gm")
    for t in GM_CELL:
        _mosfet(cell, t, config.width_scale, shift[t.name])
    for t in AUTO_ZERO:
        _mosfet(cell, t)
    for t in RESET if config.asynchronous else (*RESET, *COPY):
        _mosfet(cell, t, config.reset_scale)
    cell.C("int", "out", "0", _round(config.c_int))
    if not config.asynchronous:
        cell.C("dum", "dum", "0", _round(config.c_total))
    cell.C("hold", "hold", "0", C_HOLD)
    return cell


def latch() -> SubCircuit:
    """Clocked comparator with memory: q after the edge is inp > inn."""
    cell, shift = _block("latch", "inp inn clk q qb vdd", "latch")
    for t in LATCH:
        _mosfet(cell, t, shift=shift.get(t.name, ""))
    return cell


def comparator() -> SubCircuit:
    """Continuous comparator: q is high while inp > inn, and falls 5.8 ns after.

        vdd --+------------+--------------+---------+
              |            |              |         |
            mir_a -------- mir_b         amp      inv_p
           1.5/0.8   a   1.5/0.8   b   0.75/0.8   1/0.5
              |            |----------(gate) |  y    |
              +-- a        +-- b             +------ | --- q, 50 fF
              |            |                 |      |
    inp --- in_p          in_n --- inn       |    inv_n
           8/0.5         8/0.5               |   0.4/0.5
              +---- t -----+                 |      |
                    |                        |      |
                  tail                     sink     |
    vbc --------- 4/1 ------------------- 1/1      |
                    |                        |      |
    0 --------------+------------------------+------+

    Widths and lengths in micrometres; 20 uA in the tail, 5 uA in the sink. C_int swings
    as much at every full scale, so `out` always falls by 6 mV/ns and the delay is
    nearly a constant of the circuit: 1 % of slope is 0.013 ns, and where
    `out` stood 5 ns before the crossing moves it by 0.02 ns.
    """
    cell, shift = _block("comparator", "inp inn q vbc vdd", "comparator")
    for t in COMPARATOR:
        _mosfet(cell, t, shift=shift.get(t.name, ""))
    cell.C("q", "q", "0", C_COUNTER)
    return cell


def bias(tag: str, config: NeuronConfig) -> SubCircuit:
    """One ideal current, mirrors, wide-swing gates for the cascodes."""
    own = ("vbc",) if config.asynchronous else ()
    block = SubCircuit(f"bias{tag}", "vbp", "vbn", "vcn", "vcp", *own, "vdd")
    block.I("ref", "vbp", "0", config.i_bias)
    gates = {"vbp": "vdd", "vbn": "0", "vcn": "0", "vcp": "vdd"}
    for t in BIAS:
        _mosfet(block, t, config.width_scale)
    if config.asynchronous:
        gates["vbc"] = "0"
        for t in COMPARATOR_BIAS:
            _mosfet(block, t, config.width_scale)
    for gate, rail in gates.items():
        block.C(gate, gate, rail, 2e-12)
    return block


def _inverter(
    cell: SubCircuit, name: str, x: str, y: str, width: float, more: str = ""
):
    _mosfet(cell, _switch(f"p{name}", "p", y, x, "vdd", 2.5 * width), shift=more)
    _mosfet(cell, _switch(f"n{name}", "n", y, x, "0", width), shift=more)


def pulse_gate(tag: str, n_drivers: int) -> SubCircuit:
    """Make p = q and en, and pb its complement, for `n_drivers` pairs of row drivers.

    Every stage carries about five times its own gate; the taper keeps the delay.
    """
    gate = SubCircuit(f"gate{tag}", "q", "en", "p", "pb", "vdd")
    wide = 2e-6 * n_drivers ** (1 / 3)
    for t in (
        _switch("a1", "p", "x1", "q", "vdd", wide),
        _switch("a2", "p", "x1", "en", "vdd", wide),
        _switch("a3", "n", "x1", "q", "xa", wide),
        _switch("a4", "n", "xa", "en", "0", wide),
    ):
        _mosfet(gate, t)
    _inverter(gate, "1", "x1", "x2", 2e-6 * n_drivers ** (2 / 3))
    _inverter(gate, "2", "x2", "pb", 10e-6 * n_drivers)
    _inverter(gate, "3", "pb", "p", 10e-6 * n_drivers)
    return gate


def input_buffer(tag: str, n_drivers: int) -> SubCircuit:
    """Two inverters from an ideal pulse to p and pb of `n_drivers` pairs of drivers."""
    buffer = SubCircuit(f"buf{tag}", "x", "p", "pb", "vdd", k=1)
    _inverter(buffer, "1", "x", "pb", 10e-6 * n_drivers, "m={k}")
    _inverter(buffer, "2", "pb", "p", 10e-6 * n_drivers, "m={k}")
    return buffer


def row_driver(tag: str, config: NeuronConfig) -> SubCircuit:
    """A pair of rows: to v_cm +- v_read while p is high, to v_cm while pb is high."""
    driver = SubCircuit(f"drv{tag}", "p", "pb", "rp", "rm", "vp", "vm", "cm")
    width = {level: x / config.r_driver for level, x in WIDTH_OHM.items()}
    for t in (
        _switch("pos", "n", "rp", "p", "vp", width["pos"]),
        _switch("rest_p", "n", "rp", "pb", "cm", width["rest"]),
        _switch("neg", "n", "rm", "p", "vm", width["neg"]),
        _switch("rest_m", "n", "rm", "pb", "cm", width["rest"]),
    ):
        _mosfet(driver, t)
    return driver


def shared_lines(process: Process | None = None) -> str:
    """Transistor models, both comparators, supplies by block, v_pre and v_cm.

    Raises:
        InputError: The process has another supply than the neuron is sized for.
    """
    process = process or default_process()
    if process.card.v_dd != V_DD:
        raise InputError(
            f"The neuron is sized for {V_DD:g} V, and CMOS card {process.card.name!r}"
            f" has {process.card.v_dd:g} V: take a card of {V_DD:g} V."
        )
    supplies = [f"Vdd_{block} vdd_{block} 0 {V_DD}" for block in BLOCKS]
    levels = [f"Vpre vpre 0 {V_PRE}", f"Vcm cm 0 {V_CM}"]
    cells = [with_instances(str(cell), process) for cell in (latch(), comparator())]
    return "\n".join([model_lines(process), *cells, *supplies, *levels])


def neuron_subcircuits(
    tag: str, config: NeuronConfig, *, drivers_next: int = 1, drivers_own: int = 1
) -> list[SubCircuit]:
    """What one layer needs: `gm`, `bias`, `gate`, `buf` and `drv` with its tag.

    Args:
        tag: Layer.
        config: Its neurons.
        drivers_next: Pairs of row drivers behind each pulse gate: column tiles of the
            next array.
        drivers_own: Pairs of row drivers behind each input buffer: column tiles of
            this layer's array, whose `drv` it is.
    """
    return [
        gm_cell(tag, config),
        bias(tag, config),
        pulse_gate(tag, drivers_next),
        input_buffer(tag, drivers_own),
        row_driver(tag, config),
    ]


def bias_instance(tag: str, *, asynchronous: bool = False) -> str:
    """The layer's bias block, with start values for the operating point.

    Node vbc, the bias of continuous comparators, is there with them only.
    """
    vbc = f" vbc{tag}" if asynchronous else ""
    return (
        f"Xb{tag} vbp{tag} vbn{tag} vcn{tag} vcp{tag}{vbc} vdd_bias bias{tag}\n"
        f".nodeset v(vbp{tag})=0.99 v(vbn{tag})=0.69 v(vcn{tag})=0.85 v(vcp{tag})=0.83"
    )


def neuron_instance(
    tag: str,
    name: str,
    bl_node: str,
    delvto: Mapping[str, float] | None = None,
    *,
    asynchronous: bool = False,
) -> str:
    """Integrator and comparator of one neuron: nodes out, dum, q, qb with its name.

    Args:
        tag: Layer.
        name: Neuron.
        bl_node: Its bit line's sense node.
        delvto: [V] Threshold shifts by the names of `NeuronConfig.mismatched`.
        asynchronous: With a continuous comparator; there is no dum and no qb.
    """
    shift = {"gm": "", "latch": "", "comparator": ""}
    for key, value in (delvto or {}).items():
        block, transistor = key.split("_", 1)
        shift[block] += f" d_{transistor}={value:.8g}"
    n, dum = name, "" if asynchronous else f" dum{name}"
    cell = (
        f"Xg{n} {bl_node} ref{tag} out{n}{dum} vpre az{tag} azb{tag} rs{tag} rsb{tag}"
        f" vbp{tag} vbn{tag} vcn{tag} vcp{tag} vdd_gm gm{tag}{shift['gm']}"
    )
    start = (
        f".nodeset v(out{n})={V_PRE} v(xg{n}.hold)={V_PRE} v(xg{n}.ga)=1 v(xg{n}.t)=1.1"
    )
    if asynchronous:
        compare = f"Xl{n} out{n} vpre q{n} vbc{tag} vdd_latch comparator"
        return f"{cell}\n{compare}{shift['comparator']}\n{start}"
    return (
        f"{cell}\n"
        f"Xl{n} out{n} dum{n} clk{tag} q{n} qb{n} vdd_latch latch{shift['latch']}\n"
        f"{start} v(dum{n})={V_PRE} v(xl{n}.on)={V_DD} v(xl{n}.op)={V_DD}"
        f" v(q{n})=0 v(qb{n})={V_DD}"
    )


def pulse_gate_instance(tag: str, name: str) -> str:
    """The gate from a neuron's q to its pulses p and pb, which drive the next array."""
    return f"Xp{name} q{name} en{tag} p{name} pb{name} vdd_gate gate{tag}"


def driver_instance(
    tag: str, name: str, pulse_nodes: tuple[str, str], row_pos: str, row_neg: str
) -> str:
    """Driver of a pair of rows of array `tag`; nodes vp, vm and cm are its levels."""
    p, pb = pulse_nodes
    return f"Xr{name} {p} {pb} {row_pos} {row_neg} vp vm cm drv{tag}"


@dataclass(frozen=True, kw_only=True)
class InputPulses:
    """Buffered pulses of inputs or bias rows."""

    text: str
    nodes: list[tuple[str, str]]
    """(p, pb) of each input, for `driver_instance`."""


def input_pulse_lines(
    tag: str,
    config: NeuronConfig,
    codes: Sequence[int],
    t_start: float,
    *,
    more: Sequence[Sequence[int]] = (),
    t_period: float = 0.0,
) -> InputPulses:
    """One buffer an input, fed by ideal pulses of `code` slots from `t_start` on.

    The buffers of inputs with one code have equal inputs and equal loads, so they are
    written as one with as many parallel copies (`k`): the same currents for a
    fraction of the transistors to compute.

    Args:
        tag: Layer.
        config: Its neurons.
        codes: Of every input.
        t_start: [s] The pulses' start.
        more: Codes of every input for the conversions that follow.
        t_period: [s] From one conversion's start to the next.
    """
    trains = list(zip(codes, *more, strict=True))
    names = {train: f"{tag}_{'_'.join(map(str, train))}" for train in trains}
    lines = []
    for train in sorted(names):
        name, high = names[train], []
        for n, code in enumerate(train):
            start = t_start + n * t_period
            end = start + code * config.t_slot
            high += [(start, V_DD), (end, -V_DD)] if code else []
        lines.append(steps(f"x{name}", 0.0, high))
        lines.append(
            f"Xi{name} x{name} pi{name} pbi{name} vdd_driver"
            f" buf{tag} k={trains.count(train)}"
        )
    nodes = [(f"pi{names[train]}", f"pbi{names[train]}") for train in trains]
    return InputPulses(text="\n".join(lines), nodes=nodes)
