"""Energy of single columns by block and by phase in ngspice.

What `neuron.energy_fit` makes the laws of a card from. A neuron converts twice and the
second conversion's period is read, so that it starts as it ends. What a supply delivers
is integrated between the instants of the phases; of the auto-zero, and the reset before
it, a conversion has one part in `conversions_per_zero`.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import (
    SLOTS,
    T_GAP,
    T_OUT_ZERO,
    T_RESET,
    V_READ,
    NeuronConfig,
)
from rram_jax.neuron.energy_fit import PULSE
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.decode import DeckPlan
from rram_jax.ngspice.drivers import (
    driver_instance,
    driver_subcircuits,
    input_pulse_lines,
    pulse_gate_instance,
)
from rram_jax.ngspice.neuron import OPTIONS, shared_lines
from rram_jax.ngspice.phases import T_START, phase_names, steps
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import G_ROW, column_deck

ACTIVE_CODES = (3, 6, 10, 13)
"""[-] Codes above 0 whose energies are averaged."""

PULSES = (5e-9, 10e-9)
"""[s] Lengths of pulses that tell a driver's edges from its row's current."""

OFFSET = 4e-3
"""[V] Of the gm cell, one sigma at 4 mV um, either way. Without it a continuous
comparator's inputs would be equal while the auto-zero's loop is closed, and its
inverter would carry a current that real neurons seldom have: by the sign of its
offset a neuron's comparator takes 9 % more or less than their mean."""


def measure_energy(
    config: NeuronConfig, process: Process | None = None
) -> dict[str, float]:
    """[J] One conversion of a neuron by block (`KindEnergy`), from two short decks.

    Under a block's own name stands a conversion whose code is 0; with `PULSE` behind
    it, what one of `ACTIVE_CODES` takes more. `bias` is the whole layer's. About 3 s of
    one core for a hidden kind and 1 s for an output kind.

    Args:
        config: The neurons; of a hidden kind or, asynchronous, an output kind.
        process: Of their transistors; our own card, typical, where None.
    """
    idle = _by_block(config, np.zeros(1), process)
    active = _by_block(config, np.array(ACTIVE_CODES, float), process)
    more = {f"{name}{PULSE}": active[name] - idle[name] for name in idle}
    return idle | more


def _by_block(config, positions, process) -> dict[str, float]:
    """[J] A column's blocks, the mean over columns of constant inputs [slots]."""
    shifts = None
    if config.asynchronous:
        signs = np.tile([1.0, -1.0], len(positions))
        shifts = [{"gm_in_a": float(OFFSET * sign)} for sign in signs]
        positions = np.repeat(positions, 2)
    volts = positions / SLOTS * config.v_full - config.v_shift
    # The reference gate is an analog level; what stands on clocks is charged from V_DD.
    phases = [f"{name}0" for name in phase_names(config) if name != "ref"]
    watch = [x for name in phases for x in (f"i(v{name})", f"v({name})")]
    deck, _, t_stop = column_deck(
        config,
        np.repeat(volts[:, None], SLOTS, 1),
        shifts,
        conversions=2,
        process=process,
        watch=["i(vpre)", *watch],
    )
    data = run_deck(deck, t_stop=t_stop).data
    time, n = data["time"], len(positions)
    start = t_stop - config.t_period
    lengths = (
        T_RESET + T_GAP,
        config.t_auto_zero,
        T_OUT_ZERO,
        SLOTS * config.t_slot,
        t_stop
        - start
        - T_RESET
        - T_GAP
        - config.t_auto_zero
        - T_OUT_ZERO
        - SLOTS * config.t_slot,
    )
    edges = np.cumsum([start, *lengths])

    share = 1 / config.conversions_per_zero
    counts = np.array([share, share, 1.0, 1.0, 1.0])

    def charges(current):
        """[C] Between one edge and the next, as a conversion in a row of many has."""
        parts = np.diff(time) * (current[1:] + current[:-1]) / 2
        sums = np.interp(edges, time, np.concatenate([[0.0], parts.cumsum()]))
        return counts * np.diff(sums)

    technology = config.technology
    supply = {
        block: -technology.v_dd * charges(data[f"i(vdd_{block})"])
        for block in ("gm", "latch", "bias")
    }
    first, zero, second, integrate, ramp = supply["gm"] / n
    pre = -technology.v_pre * charges(data["i(vpre)"]).sum() / n
    clock = sum(
        technology.v_dd * charges(np.maximum(-data[f"i(v{name})"], 0)).sum()
        for name in phases
    )
    return {
        "integrator": float(integrate),
        "auto_zero": float(zero),
        "reset": float(first + second + pre),
        "ramp": float(ramp),
        "comparator": float(supply["latch"].sum() / n),
        "clock": float(clock / n),
        "bias": float(supply["bias"].sum()),
    }


def measure_drivers(
    config: NeuronConfig, n_drivers: int, process: Process | None = None
) -> dict[str, float]:
    """[J] One pulse of a pair of row drivers, by the fields of `DriverEnergy`.

    A pulse gate and an input buffer with `n_drivers` pairs of loaded rows each, in two
    decks of a short and a long pulse: what grows with the length belongs to the array,
    and the rest to the two edges.
    """
    short, long = (_pulse(config, n_drivers, t, process) for t in PULSES)
    share = PULSES[0] / (PULSES[1] - PULSES[0])
    at_once = {k: short[k] - share * (long[k] - short[k]) for k in short}
    return {
        "gate": at_once["gate"] / n_drivers,
        "buffer": at_once["buffer"] / n_drivers,
        "edge_reference": at_once["reference"] / (2 * n_drivers),
        "edge_regulated": at_once["regulated"] / (2 * n_drivers),
    }


def _pulse(config, n_drivers, length, process) -> dict[str, float]:
    """[J] All of a pulse: supplies of gate and buffer, and the rows' levels."""
    process, technology = process or default_process(), config.technology
    v_dd, v_cm = technology.v_dd, technology.v_cm
    pulses = input_pulse_lines(
        "0", dataclasses.replace(config, t_slot=length), [1], T_START
    )
    enable = [(T_START, v_dd), (T_START + length, -v_dd)]
    cells = driver_subcircuits(
        "0", config, drivers_next=n_drivers, drivers_own=n_drivers
    )
    levels = {"vp": v_cm + V_READ, "vm": v_cm - V_READ, "cm": v_cm}
    parts = [
        "* pulse gate and input buffer with row drivers",
        shared_lines(process, technology),
        *(with_instances(str(c), process) for c in cells),
        *(f"V{name} {name} 0 {levels[name]}" for name in ("vp", "vm")),
        f"Vq q0_0 0 {v_dd}",
        steps("en0", 0.0, enable),
        pulse_gate_instance("0", "0_0"),
        pulses.text,
    ]
    for kind, nodes in {"g": ("p0_0", "pb0_0"), "b": pulses.nodes[0]}.items():
        for k in range(n_drivers):
            rows = (f"rp{kind}{k}", f"rm{kind}{k}")
            parts.append(driver_instance("0", f"{kind}{k}", nodes, *rows))
            parts += [f"R{row} {row} cm {1 / G_ROW}" for row in rows]
    t_stop = T_START + length + 10e-9
    saved = ("vdd_gate", "vdd_driver", *(f"v{name}" for name in levels))
    parts += [
        OPTIONS,
        ".save " + " ".join(f"i({name})" for name in saved),
        f".tran 0.5n {t_stop:.9g}",
        ".end\n",
    ]
    data = run_deck("\n".join(parts), t_stop=t_stop).data

    def charge(current):
        return float(np.trapezoid(current, data["time"]))

    drawn = {name: -data[f"i(v{name})"] for name in levels}
    return {
        "gate": -v_dd * charge(data["i(vdd_gate)"]),
        "buffer": -v_dd * charge(data["i(vdd_driver)"]),
        "reference": sum(v * charge(drawn[name]) for name, v in levels.items()),
        "regulated": v_dd * sum(charge(np.maximum(i, 0)) for i in drawn.values()),
    }


def plateau_currents(
    plan: DeckPlan, data: Mapping[str, np.ndarray], t_start: float = T_START
) -> dict[str, float]:
    """[A] Largest current of each level in the middle of any slot of any layer.

    What `circuit.energy` calls a peak. At the edges of pulses the gates of all row
    drivers pass their charge through the levels for some 50 ps: those spikes
    (`DeckAnswer.peak_current_a`) are what a level's capacitors have to hold.

    Args:
        plan: Of the deck that was run.
        data: Its saved vectors.
        t_start: [s] Start of the first layer's pulses.
    """
    starts = np.array([t_start, *plan.t_pulse[:-1]])
    starts = starts[:, None] + plan.t_period * np.arange(plan.conversions)
    slots = np.array([config.t_slot for config in plan.neurons])[:, None]
    middles = starts[..., None] + (np.arange(SLOTS) + 0.5) * slots[..., None]
    return {
        name: float(
            np.abs(np.interp(middles.ravel(), data["time"], data[f"i(v{name})"])).max()
        )
        for name in plan.levels
    }
