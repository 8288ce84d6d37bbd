"""Row drivers and what drives them, as ngspice subcircuits.

    q of a neuron --| pulse |-- p, pb --| driver  |-- rp: v_cm or v_cm + v_read
       phase en  ---| gate  |           | of a    |
                                        | pair of |-- rm: v_cm or v_cm - v_read
    ideal pulse --- buffer ---- p, pb --| rows    |

A pulse gate drives the pairs of rows that its neuron feeds in the next array, one in
each column tile; an input buffer those of an input or a bias row. `tag` and `name` mean
what they do in `rram_jax.ngspice.neuron`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySpice.Spice.Netlist import SubCircuit

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.sizing import size_neurons
from rram_jax.ngspice.cmos import add_mosfet
from rram_jax.ngspice.phases import steps


def pulse_gate(tag: str, config: NeuronConfig, n_drivers: int) -> SubCircuit:
    """Make p = q and en, and pb its complement, for `n_drivers` pairs of drivers."""
    gate = SubCircuit(f"gate{tag}", "q", "en", "p", "pb", "vdd")
    for t in size_neurons(config, drivers_next=n_drivers).pulse_gate:
        add_mosfet(gate, t, config.technology)
    return gate


def input_buffer(tag: str, config: NeuronConfig, n_drivers: int) -> SubCircuit:
    """Two inverters from an ideal pulse to p and pb of `n_drivers` pairs of drivers."""
    buffer = SubCircuit(f"buf{tag}", "x", "p", "pb", "vdd", k=1)
    for t in size_neurons(config, drivers_own=n_drivers).input_buffer:
        add_mosfet(buffer, t, config.technology, "m={k}")
    return buffer


def row_driver(
    tag: str, config: NeuronConfig, g_row: float | None = None
) -> SubCircuit:
    """A pair of rows: to v_cm +- v_read while p is high, to v_cm while pb is high.

    Args:
        tag: Layer.
        config: Its neurons.
        g_row: [S] Load of each row, for which the switches are sized; by default they
            have the config's `r_driver`.
    """
    driver = SubCircuit(f"drv{tag}", "p", "pb", "rp", "rm", "vp", "vm", "cm")
    for t in size_neurons(config, g_row=g_row).row_driver:
        add_mosfet(driver, t, config.technology)
    return driver


def driver_subcircuits(
    tag: str, config: NeuronConfig, *, drivers_next: int = 1, drivers_own: int = 1
) -> list[SubCircuit]:
    """What one layer needs beside its neurons: `gate`, `buf` and `drv` with its tag.

    Args:
        tag: Layer.
        config: Its neurons.
        drivers_next: Pairs of row drivers behind each pulse gate: column tiles of the
            next array.
        drivers_own: Pairs of row drivers behind each input buffer: column tiles of
            this layer's array, whose `drv` it is.
    """
    return [
        pulse_gate(tag, config, drivers_next),
        input_buffer(tag, config, drivers_own),
        row_driver(tag, config),
    ]


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
    codes: Sequence[float],
    t_start: float,
    *,
    more: Sequence[Sequence[float]] = (),
    t_period: float = 0.0,
) -> InputPulses:
    """One buffer an input, fed by ideal pulses of `code` slots from `t_start` on.

    The buffers of inputs with one code have equal inputs and equal loads, so they are
    written as one with as many parallel copies (`k`): the same currents for a
    fraction of the transistors to compute.

    Args:
        tag: Layer.
        config: Its neurons.
        codes: [slots] Of every input; a pulse may last a part of a slot.
        t_start: [s] The pulses' start.
        more: Codes of every input for the conversions that follow.
        t_period: [s] From one conversion's start to the next.
    """
    trains = list(zip(codes, *more, strict=True))
    names = {train: _train_name(tag, train) for train in trains}
    lines, v_dd = [], config.technology.v_dd
    for train in sorted(names):
        name, high = names[train], []
        for n, code in enumerate(train):
            start = t_start + n * t_period
            end = start + code * config.t_slot
            high += [(start, v_dd), (end, -v_dd)] if code else []
        lines.append(steps(f"x{name}", 0.0, high))
        lines.append(
            f"Xi{name} x{name} pi{name} pbi{name} vdd_driver"
            f" buf{tag} k={trains.count(train)}"
        )
    nodes = [(f"pi{names[train]}", f"pbi{names[train]}") for train in trains]
    return InputPulses(text="\n".join(lines), nodes=nodes)


def _train_name(tag: str, train: Sequence[float]) -> str:
    """A dot in a node's name would mean a node of a subcircuit."""
    return f"{tag}_{'_'.join(f'{code:g}' for code in train)}".replace(".", "p")
