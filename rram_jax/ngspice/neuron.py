"""The neuron as ngspice subcircuits; `rram_jax.ngspice.phases` clocks a layer of them.

                  vdd                   clocks, phases and reference gate: one a layer
                   |
    bl --| pair |-- ref   fold, cascodes -- out --+-- latch -- NAND -- inverters -- row
         | PMOS |         (auto-zero pair         |   (clk)    (en)    (pb, p)   drivers
                           from `hold`)         C_int                            (next
                                                  |                              array)
                                                 gnd

In the output layer a continuous comparator stands in the latch's place (`comparator`),
without clock and pulse gate; an ideal counter reads when its q falls. Pulse gate (NAND
and inverters), row drivers and input buffers stand in `rram_jax.ngspice.drivers`.

Ideal: supplies and levels, one reference current a layer, clocks, phases, reference
gate, and the pulses of inputs and bias rows, which enter through transistor buffers.
Names: `tag` is a layer ("0"), `name` a neuron ("0_5"); nodes s, out, dum, q, p and pb
carry the neuron's name, everything that a layer shares its tag.
"""

from collections.abc import Mapping

from PySpice.Spice.Netlist import SubCircuit

from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import C_HOLD, NeuronConfig
from rram_jax.neuron.netlist import PINS, OwnCell, block_of, shift_names
from rram_jax.neuron.sizing import C_COUNTER, comparator_sizes, size_neurons
from rram_jax.neuron.technology import TECHNOLOGY, Technology
from rram_jax.ngspice.cmos import (
    add_mosfet,
    check_fits,
    model_lines,
    six_digits,
    with_instances,
)

C_BIT_LINE = 0.5e-12
"""[F] Bit lines and strap of one output, lumped at its sensed node."""

OPTIONS = ".option method=gear reltol=1e-3"
"""Codes and counts as with reltol 1e-4; trap, bypass and a larger trtol moved some."""

BLOCKS = ("gm", "latch", "gate", "bias", "driver")
"""Supplies, one ammeter each: node and source `vdd_gm` and so on. `gate` is the pulse
gates and the row drivers' gates behind them, `driver` the buffers of input pulses,
`latch` the comparators, clocked or not."""


def _block(name: str, kind: str) -> tuple[SubCircuit, dict[str, str]]:
    """An empty subcircuit, and the threshold shift of each mismatched transistor."""
    shifts = shift_names(kind)
    cell = SubCircuit(name, *PINS[kind], **dict.fromkeys(shifts, 0))
    return cell, {n.removeprefix("d_"): f"delvto={{{n}}}" for n in shifts}


def gm_kind(config: NeuronConfig) -> str:
    """Which of `PINS` the layer's gm cell has."""
    return "gm_output" if config.asynchronous else "gm_hidden"


def own_or_ours(
    name: str,
    kind: str,
    ours: SubCircuit,
    process: Process | None,
    sizes: Mapping[str, float],
) -> SubCircuit | str:
    """A user's subcircuit under the name of ours where the process has one.

    Args:
        name: What instances call it.
        kind: A key of `PINS`.
        ours: What stands there otherwise.
        process: Of the deck.
        sizes: [F] and [-] That a user's subcircuit may ask for (`netlist.SIZES`).
    """
    own = own_cells(process).get(kind)
    return own.text(name, sizes) if own else ours


def own_cells(process: Process | None) -> Mapping[str, OwnCell]:
    """A user's subcircuits in a process, by what they replace."""
    return process.netlist.cells if process and process.netlist else {}


def gm_cell(tag: str, config: NeuronConfig) -> SubCircuit:
    """Integrator with auto-zero; before a latch `dum` is v_pre held on a copy of C_int.

    Folded cascode; the auxiliary pair, driven by what the auto-zero holds, works on the
    same nodes fa and fb:

        vdd --+---------------------+-------------------+----------+
              |                     |                   |          |
           aux_tail                tail               mir_a ---- mir_b
           2.5/1.5 -- vbp         10/1.5 -- vbp        6/1   |    6/1
              |                     |                   |    |     |
          +---+----+ ta         +---+----+ t         pcasc_a |  pcasc_b -- vcp
          |        |            |        |            6/0.3  |   6/0.3
        aux_a    aux_b         in_a     in_b            |    |     |
         2/1      2/1         20/0.5   20/0.5        ga +----+     +---- out
        v_pre     hold          bl      ref             |          |
          |        |            |        |            casc_a    casc_b -- vcn
          |        |            |        |            4/0.3      4/0.3
          +--------|----- fa ---+--------|--------------+          |
                   +----- fb ------------+--------------|----------+
                                                        |          |
                                                     sink_a     sink_b -- vbn
                                                      4.5/1      4.5/1
        0 ----------------------------------------------+----------+

            C_hold    az_n, az_p         rs_n, rs_p       du_n, du_p      copy
        0 ---||--- hold -- 0.5/0.15 -- out -- 1/0.15 -- v_pre -- 1/0.15 -- dum --||-- 0
                                        |
                                      C_int
                                        |
                                        0

    Widths and lengths in micrometres at 20 uA, 200 fF and l_min = 0.15 um;
    `size_neurons` has the others. The latch kicks both its inputs; against a stiff
    v_pre codes come out low. A continuous comparator does not kick and compares with
    v_pre itself.
    """
    cell, shift = _block(f"gm{tag}", gm_kind(config))
    sizes = size_neurons(config)
    copy = () if config.asynchronous else sizes.copy
    for t in (*sizes.gm_cell, *sizes.auto_zero, *sizes.reset, *copy):
        add_mosfet(cell, t, config.technology, shift.get(t.name, ""))
    cell.C("int", "out", "0", six_digits(sizes.c_int))
    if not config.asynchronous:
        cell.C("dum", "dum", "0", six_digits(sizes.c_copy))
    cell.C("hold", "hold", "0", sizes.c_hold)
    return cell


def latch(technology: Technology = TECHNOLOGY) -> SubCircuit:
    """Clocked comparator with memory: q after the edge is inp > inn.

        vdd --+---------+---------+--------------------+---------+---------+
              |         |         |                    |         |         |
             r_a       r_on      p_on -- op    on -- p_op       r_op      r_b
           1.5/0.15  1.5/0.15   2/0.15                2/0.15  1.5/0.15  1.5/0.15
             clk       clk        |                    |        clk       clk
              |         +---- on -+                    +- op ----+         |
              |                   |                    |                   |
              |                  n_on -- op    on -- n_op                  |
              |                 2/0.15                2/0.15               |
              +-------------- a --+                    +-- b --------------+
                                  |                    |
                         inp --- in_p                 in_n --- inn
                                8/0.3                 8/0.3
                                  +--------- t --------+
                                             |
                                   clk --- tail 6/0.15
                                             |
        0 -----------------------------------+

        q = NAND(on, qb), qb = NAND(op, q): q_1 to qb_4, 1/0.15 each
        qb --- preset 1/0.15 --- 0, gate rs: q is 1 when an integration starts

    Widths and lengths in micrometres at l_min = 0.15 um. While clk is low, on, op, a
    and b are at the supply and the NANDs hold; the edge lets the larger input's side
    fall first. Every decision of a ramp up to the first 0 follows a 1, whatever code
    came before.
    """
    cell, shift = _block("latch", "latch")
    for t in comparator_sizes(technology).latch:
        add_mosfet(cell, t, technology, shift.get(t.name, ""))
    return cell


def comparator(technology: Technology = TECHNOLOGY) -> SubCircuit:
    """Continuous comparator: q is high while inp > inn, and falls 5.8 ns after.

        vdd --+------------+--------------+---------+
              |            |              |         |
            mir_a -------- mir_b         amp      inv_p
           1.5/0.8   a   1.5/0.8   b   0.75/0.8   1/0.5
              |            |----------(gate) |  y    |
              +-- a        +-- b             +------ | --- q, 50 fF
              |            |                 |      |
    inp --- in_p          in_n --- inn       |    inv_n
           8/0.5         8/0.5               |  0.42/0.5
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
    cell, shift = _block("comparator", "comparator")
    for t in comparator_sizes(technology).comparator:
        add_mosfet(cell, t, technology, shift.get(t.name, ""))
    cell.C("q", "q", "0", C_COUNTER)
    return cell


def bias(tag: str, config: NeuronConfig) -> SubCircuit:
    """One ideal current, mirrors, wide-swing gates for the cascodes."""
    own = ("vbc",) if config.asynchronous else ()
    block = SubCircuit(f"bias{tag}", "vbp", "vbn", "vcn", "vcp", *own, "vdd")
    block.I("ref", "vbp", "0", config.i_bias)
    gates = {"vbp": "vdd", "vbn": "0", "vcn": "0", "vcp": "vdd"}
    sizes = size_neurons(config)
    for t in sizes.bias:
        add_mosfet(block, t, config.technology)
    if config.asynchronous:
        gates["vbc"] = "0"
        for t in sizes.comparator_bias:
            add_mosfet(block, t, config.technology)
    for gate, rail in gates.items():
        block.C(gate, gate, rail, 2e-12)
    return block


def shared_lines(
    process: Process | None = None, technology: Technology = TECHNOLOGY
) -> str:
    """Transistor models, both comparators, supplies by block, v_pre and v_cm.

    Args:
        process: Of all transistors; our own card, typical, where None.
        technology: That the neurons are sized for.

    Raises:
        InputError: The process has another supply than the neurons are sized for, or
            longer gates.
    """
    process = process or default_process()
    check_fits(process, technology)
    v_dd = technology.v_dd
    supplies = [f"Vdd_{block} vdd_{block} 0 {v_dd:.9g}" for block in BLOCKS]
    levels = [f"Vpre vpre 0 {technology.v_pre:.9g}", f"Vcm cm 0 {technology.v_cm:.9g}"]
    sizes = {"length_scale": technology.scale}
    cells = [
        own_or_ours("latch", "latch", latch(technology), process, sizes),
        own_or_ours("comparator", "comparator", comparator(technology), process, sizes),
    ]
    if process.netlist and process.netlist.helpers:
        cells.append(process.netlist.helpers)
    written = [with_instances(str(cell), process) for cell in cells]
    return "\n".join([model_lines(process), *written, *supplies, *levels])


def chosen_gm_cell(
    tag: str, config: NeuronConfig, process: Process | None
) -> SubCircuit | str:
    """One layer's gm cell, a user's own where the process has one."""
    sizes = {
        "c_int": config.c_int,
        "c_copy": config.c_total,
        "c_hold": C_HOLD,
        "width_scale": config.width_scale,
        "reset_scale": config.reset_scale,
        "length_scale": config.technology.scale,
    }
    ours = gm_cell(tag, config)
    return own_or_ours(f"gm{tag}", gm_kind(config), ours, process, sizes)


def neuron_subcircuits(
    tag: str, config: NeuronConfig, process: Process | None = None
) -> list[SubCircuit | str]:
    """Neuron and bias of one layer: `gm` and `bias` with its tag."""
    return [chosen_gm_cell(tag, config, process), bias(tag, config)]


def bias_instance(tag: str, config: NeuronConfig) -> str:
    """The layer's bias block, with start values for the operating point.

    Node vbc, the bias of continuous comparators, is there with them only.
    """
    vbc, v_dd = f" vbc{tag}" if config.asynchronous else "", config.technology.v_dd
    return (
        f"Xb{tag} vbp{tag} vbn{tag} vcn{tag} vcp{tag}{vbc} vdd_bias bias{tag}\n"
        f".nodeset v(vbp{tag})={v_dd - 0.81:.6g} v(vbn{tag})=0.69 v(vcn{tag})=0.85"
        f" v(vcp{tag})={v_dd - 0.97:.6g}"
    )


def neuron_instance(
    tag: str,
    name: str,
    bl_node: str,
    config: NeuronConfig,
    delvto: Mapping[str, float] | None = None,
    process: Process | None = None,
) -> str:
    """Integrator and comparator of one neuron: nodes out, dum, q, qb with its name.

    Args:
        tag: Layer.
        name: Neuron.
        bl_node: Its bit line's sense node.
        config: The layer's neurons; with a continuous comparator there is no dum and no
            qb.
        delvto: [V] Threshold shifts by the names of `NeuronConfig.mismatched`. A
            user's subcircuit gets those that it takes.
        process: Of the deck, whose subcircuits they are; all ours where None.
    """
    gm, compared = gm_kind(config), "comparator" if config.asynchronous else "latch"
    own = own_cells(process)
    taken = {block_of(kind): own[kind].shifts for kind in (gm, compared) if kind in own}
    shift = {"gm": "", "latch": "", "comparator": ""}
    for key, value in (delvto or {}).items():
        block, transistor = key.split("_", 1)
        if block not in taken or transistor in taken[block]:
            shift[block] += f" d_{transistor}={value:.8g}"
    n, dum = name, "" if config.asynchronous else f" dum{name}"
    v_dd, v_pre = config.technology.v_dd, config.technology.v_pre
    start = f".nodeset v(out{n})={v_pre:.6g}{gm_starts(f'xg{n}', config, process)}"
    cell = (
        f"Xg{n} {bl_node} ref{tag} out{n}{dum} vpre az{tag} azb{tag} rs{tag} rsb{tag}"
        f" vbp{tag} vbn{tag} vcn{tag} vcp{tag} vdd_gm gm{tag}{shift['gm']}"
    )
    if config.asynchronous:
        compare = f"Xl{n} out{n} vpre q{n} vbc{tag} vdd_latch comparator"
        return f"{cell}\n{compare}{shift['comparator']}\n{start}"
    return (
        f"{cell}\n"
        f"Xl{n} out{n} dum{n} clk{tag} rs{tag} q{n} qb{n} vdd_latch"
        f" latch{shift['latch']}\n"
        f"{start} v(dum{n})={v_pre:.6g}"
        f"{latch_starts(f'xl{n}', v_dd, process)} v(q{n})=0 v(qb{n})={v_dd:.6g}"
    )


def gm_starts(instance: str, config: NeuronConfig, process: Process | None) -> str:
    """Start values of a gm cell's inner nodes, for `.nodeset`."""
    v_dd, v_cm = config.technology.v_dd, config.technology.v_cm
    inner = {"hold": config.technology.v_pre, "ga": v_dd - 0.8, "t": v_cm + 0.7}
    return _starts(instance, inner, gm_kind(config), process)


def latch_starts(instance: str, v_dd: float, process: Process | None) -> str:
    """The same of a latch that rests at the supply [V]."""
    return _starts(instance, {"on": v_dd, "op": v_dd}, "latch", process)


def _starts(
    instance: str, inner: Mapping[str, float], kind: str, process: Process | None
) -> str:
    """Start values [V] of inner nodes, as far as a user's subcircuit has them."""
    own = own_cells(process).get(kind)
    return "".join(
        f" v({instance}.{node})={value:.6g}"
        for node, value in inner.items()
        if own is None or node in own.nodes
    )
