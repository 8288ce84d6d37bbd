"""Columns in ngspice whose bit lines, references, supply and betas can be moved.

    v_cm + staircase --r--+-- s -- neuron (phases, bias of one layer)
                          |
                          c

The codes' testbench (`testbench`) keeps all of this at its nominal value.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import SLOTS, T_OUT_ZERO, NeuronConfig
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.decode import crossings, decode_counts, decode_crossings
from rram_jax.ngspice.neuron import (
    BLOCKS,
    C_BIT_LINE,
    OPTIONS,
    bias_instance,
    neuron_instance,
    neuron_subcircuits,
    shared_lines,
)
from rram_jax.ngspice.phases import T_START, decision_instant, phase_lines
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import R_BIT_LINE, staircase_source
from rram_jax.types import Float

_AT_SUPPLY = re.compile(r"(?m)^(?:Vdd_|V(?:az|azb|rs|rsb|clk|en)0 ).*$")


@dataclass(frozen=True, kw_only=True)
class BenchColumn:
    """One bit line and its neuron."""

    stairs: Float[np.ndarray, "conversions slots"]
    """[V] Bit line above v_cm in each slot of each conversion."""

    r: float = R_BIT_LINE
    """[Ohm] Source resistance of the bit line."""

    c: float = C_BIT_LINE
    """[F] Its capacitance."""

    delvto: Mapping[str, float] = field(default_factory=dict)
    """[V] Threshold shifts by the names of `NeuronConfig.mismatched`."""

    beta: Mapping[str, float] = field(default_factory=dict)
    """[-] Relative change of beta, by the same names."""


@dataclass(frozen=True, kw_only=True)
class BenchRun:
    """Waveforms of all columns, and how to read them."""

    config: NeuronConfig
    data: Mapping[str, np.ndarray]
    names: tuple[str, ...]
    t_pulse: float
    """[s] Start of the first conversion's output pulses."""
    cpu_s: float
    """[s] Of ngspice."""

    def pulse(self, conversion: int = 0) -> float:
        """[s] Start of a conversion's output pulses."""
        return self.t_pulse + conversion * self.config.t_period

    def out(self, name: str) -> Float[np.ndarray, " points"]:
        """[V] C_int above what the comparator holds it against."""
        wave = self.data[f"v(out{name})"]
        v_pre = self.config.technology.v_pre
        return wave - self.data.get(f"v(dum{name})", v_pre)

    def difference(self, conversion: int = 0) -> Float[np.ndarray, "n decisions"]:
        """[V] `out` at the start of each decision."""
        k = np.arange(self.config.decisions)
        instants = decision_instant(self.pulse(conversion), k, self.config)
        time = self.data["time"]
        return np.stack([np.interp(instants, time, self.out(n)) for n in self.names])

    def positions(self, conversion: int = 0) -> Float[np.ndarray, " n"]:
        """[slots] Crossings of `out`, or of an output's q; NaN outside the ramp."""
        if self.config.asynchronous:
            n, pulse = len(self.names), self.pulse(conversion)
            return decode_crossings(self.data, 0, n, self.config, pulse)
        return crossings(self.difference(conversion), 0.0, self.config)

    def counts(self, conversion: int = 0) -> Float[np.ndarray, " n"]:
        """[-] Codes."""
        n, pulse = len(self.names), self.pulse(conversion)
        return decode_counts(self.data, 0, n, self.config, pulse).astype(float)


def level_columns(volts: Sequence[float] | np.ndarray, **more) -> list[BenchColumn]:
    """Columns whose bit lines stand at `volts` through all 15 slots."""
    return [BenchColumn(stairs=np.full((1, SLOTS), float(v)), **more) for v in volts]


def changed(config: NeuronConfig, **changes) -> NeuronConfig | None:
    """The neurons with changes; None where they cannot be built."""
    try:
        return dataclasses.replace(config, **changes)
    except InputError:
        return None


def run_bench(
    config: NeuronConfig,
    columns: Sequence[BenchColumn],
    *,
    process: Process | None = None,
    clocked: bool = True,
    v_dd: float | None = None,
    reference: float = 0.0,
    reference_tau: float = 0.0,
    options: str = OPTIONS,
) -> BenchRun:
    """Simulate one conversion of every column, or as many as it has staircases.

    Args:
        config: The neurons.
        columns: Bit lines; all with as many staircases.
        process: Of the transistors; our own card, typical, where None.
        clocked: Without, latches rest: nothing kicks C_int, and a run takes a third.
        v_dd: [V] Supply, and high level of all clocks and phases; the technology's
            where None.
        reference: [V] Added to the reference gate and to all bit lines: v_cm is off by
            this much where the rest of the circuit does not know it.
        reference_tau: [s] Time constant of a filter behind the reference's source.
        options: Of the simulator.
    """
    deck, t_pulse, t_stop = bench_deck(
        config,
        columns,
        process=process,
        clocked=clocked,
        v_dd=v_dd,
        reference=reference,
        reference_tau=reference_tau,
        options=options,
    )
    run = run_deck(deck, t_stop=t_stop)
    return BenchRun(
        config=config,
        data=run.data,
        names=tuple(f"0_{j}" for j in range(len(columns))),
        t_pulse=t_pulse,
        cpu_s=run.cpu_s,
    )


def bench_deck(
    config: NeuronConfig,
    columns: Sequence[BenchColumn],
    *,
    process: Process | None = None,
    clocked: bool = True,
    v_dd: float | None = None,
    reference: float = 0.0,
    reference_tau: float = 0.0,
    options: str = OPTIONS,
) -> tuple[str, float, float]:
    """(deck, t_pulse [s], t_stop [s]) of `run_bench`."""
    process, technology = process or default_process(), config.technology
    conversions = len(columns[0].stairs)
    start = T_START - T_OUT_ZERO
    phases = phase_lines("0", config, T_START, start, conversions=conversions)
    text = phases.text.replace("Vref0 ref0 0 ", "Vref0 step0 off ", 1)
    if text == phases.text:
        raise RuntimeError("The reference's source was not found in the phases.")
    if not clocked:
        text = without_clock(text)
    parts = [
        "* neurons and what may move their codes",
        with_beta(shared_lines(process, technology)),
        *(
            with_instances(with_beta(str(cell)), process)
            for cell in neuron_subcircuits("0", config, process)
        ),
        bias_instance("0", config),
        text,
        f"Voff off 0 {reference:.9g}",
        "Vsame step0 ref0 0"
        if reference_tau == 0
        else f"Rstep step0 ref0 10\nCstep ref0 0 {reference_tau / 10:.9g}",
    ]
    level, t_period = technology.v_cm + reference, config.t_period
    for j, column in enumerate(columns):
        name = f"0_{j}"
        parts += [
            staircase_source(f"a{name}", level, column.stairs, config, t_period),
            f"Rs{name} a{name} s{name} {column.r:.9g}",
            f"Cs{name} s{name} 0 {column.c:.9g}",
            _with_shifts(
                neuron_instance("0", name, f"s{name}", config, column.delvto, process),
                column.beta,
            ),
        ]
    kinds = ("out", "q") if config.asynchronous else ("out", "dum", "q")
    saved = [f"v({x}0_{j})" for j in range(len(columns)) for x in kinds]
    parts += [options, ".save " + " ".join(saved), f".tran 0.5n {phases.t_end:.9g}"]
    deck = "\n".join([*parts, ".end\n"])
    if v_dd is not None:
        deck = at_supply(deck, technology.v_dd, v_dd)
    return deck, phases.t_pulse, phases.t_end


def without_clock(phases: str) -> str:
    """Phases whose latches rest: nothing kicks C_int, a run takes a third."""
    text, n = re.subn(r"(?m)^Vclk(\w+) .*$", r"Vclk\1 clk\1 0 0", phases)
    if not n:
        raise RuntimeError("No clock was found in the phases.")
    return text


def at_supply(deck: str, nominal: float, v_dd: float) -> str:
    """A deck of supply `nominal` [V] with another, clocks and phases included."""
    level = re.compile(rf"(?<= ){re.escape(f'{nominal:.9g}')}(?=[ )]|$)")
    found = 0

    def moved(line: re.Match) -> str:
        nonlocal found
        text, n = level.subn(f"{v_dd:.9g}", line[0])
        found += n > 0
        return text

    deck = _AT_SUPPLY.sub(moved, deck)
    if found < len(BLOCKS) + 2:
        raise RuntimeError("The supply's sources were not found in the deck.")
    return deck


def with_beta(netlist: str) -> str:
    """Give every transistor that takes a threshold shift a relative change of beta.

    BSIM4's `mulu0` multiplies the mobility, and with it beta.
    """
    netlist = re.sub(r"\bd_(\w+)=0\b", r"d_\1=0 b_\1=0", netlist)
    return re.sub(r"delvto=\{d_(\w+)\}", r"delvto={d_\1} mulu0={1+b_\1}", netlist)


def _with_shifts(instance: str, beta: Mapping[str, float]) -> str:
    """An instance's lines with the changes of beta behind its subcircuit's name."""
    if not beta:
        return instance
    prefixes = {"gm": "Xg", "latch": "Xl", "comparator": "Xl"}
    lines = instance.splitlines()
    for key, value in beta.items():
        block, transistor = key.split("_", 1)
        k = next(k for k, line in enumerate(lines) if line.startswith(prefixes[block]))
        lines[k] += f" b_{transistor}={value:.8g}"
    return "\n".join(lines)
