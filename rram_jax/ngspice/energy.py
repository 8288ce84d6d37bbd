"""Energy of single columns by block and by phase in ngspice, and the laws of a card.

A neuron converts twice and the second conversion's period is read, so that it starts
as it ends. What a supply delivers is integrated between the instants of the phases.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import (
    SLOTS,
    T_OUT_ZERO,
    T_RESET,
    V_CM,
    V_DD,
    V_PRE,
    V_READ,
    NeuronConfig,
)
from rram_jax.neuron.energy import (
    T_GAP,
    BlockLaw,
    DriverEnergy,
    DriverLaw,
    EnergyLaws,
    KindEnergy,
    events_of,
    phase_times,
)
from rram_jax.neuron.law import Law, Term, evaluate, operating_point
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.decode import DeckPlan
from rram_jax.ngspice.neuron import (
    OPTIONS,
    driver_instance,
    input_pulse_lines,
    neuron_subcircuits,
    pulse_gate_instance,
    shared_lines,
)
from rram_jax.ngspice.phases import T_START, phase_names, steps
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import G_ROW, column_deck

ACTIVE_CODES = (3, 6, 10, 13)
"""[-] Codes above 0 whose energies are averaged."""

PULSES = (5e-9, 10e-9)
"""[s] Lengths of pulses that tell a driver's edges from its row's current."""

PULSE = "_pulse"
"""Ends the name of what a block takes more where the code is above 0."""


@dataclass(frozen=True, kw_only=True)
class BlockShape:
    """Terms of a block's laws, coefficients not looked at."""

    power: tuple[Term, ...] = ()
    event: tuple[Term, ...] = ()
    pulse: tuple[Term, ...] = ()


def _term(**powers: float) -> Term:
    return Term(coefficient=0.0, **powers)


_CURRENT = _term(i_bias=1)
_CHARGE = _term(i_bias=1, v_full=1, t_slot=1)
"""Of C_int over its swing: gm v_full 15 t_slot."""

_SWING = _term(i_bias=1, v_full=1, t_slot=1, c_total=-1)
"""Of C_int: the latch decides at a lower common mode where it swings more."""

_KICK = _term(c_total=-1)
"""Of the latch on C_int and its copy."""

_SHAPES = {
    "integrator": BlockShape(power=(_CURRENT,), pulse=(_CHARGE,)),
    "auto_zero": BlockShape(power=(_CURRENT,)),
    "reset": BlockShape(power=(_CURRENT,), event=(_CHARGE,), pulse=(_CHARGE,)),
    "ramp": BlockShape(power=(_CURRENT, _term(i_bias=1, v_full=1)), pulse=(_CHARGE,)),
    "bias": BlockShape(power=(_CURRENT,)),
}
SHAPES = {
    "hidden": _SHAPES
    | {
        "comparator": BlockShape(
            event=(_term(), _SWING, _KICK), pulse=(_term(), _SWING)
        ),
        "clock": BlockShape(event=(_term(), _term(c_total=1))),
    },
    "output": _SHAPES
    | {
        "comparator": BlockShape(
            power=(_term(), _SWING), event=(_term(),), pulse=(_term(t_slot=1),)
        ),
        "clock": BlockShape(event=(_term(), _term(c_total=1))),
    },
}
"""Laws of each kind of neuron: continuous currents follow the bias current, charges of
C_int its swing; latch, comparator and their clock have sizes of their own."""


def measure_energy(
    config: NeuronConfig, process: Process | None = None
) -> dict[str, float]:
    """[J] One conversion of a neuron by block (`KindEnergy`), from two short decks.

    Under a block's own name stands a conversion whose code is 0; with `PULSE` behind
    it, what one of `ACTIVE_CODES` takes more. `bias` is the whole layer's. About 2 s.

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
    volts = positions / SLOTS * config.v_full - config.v_shift
    phases = [f"{name}0" for name in phase_names(config)]
    watch = [x for name in phases for x in (f"i(v{name})", f"v({name})")]
    deck, _, t_stop = column_deck(
        config,
        np.repeat(volts[:, None], SLOTS, 1),
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

    def charges(current):
        """[C] Between one edge and the next."""
        parts = np.diff(time) * (current[1:] + current[:-1]) / 2
        return np.diff(np.interp(edges, time, np.concatenate([[0.0], parts.cumsum()])))

    supply = {
        block: -V_DD * charges(data[f"i(vdd_{block})"])
        for block in ("gm", "latch", "bias")
    }
    first, zero, second, integrate, ramp = supply["gm"] / n
    pre = -V_PRE * charges(data["i(vpre)"]).sum() / n
    clock = sum(
        V_DD * charges(np.maximum(-data[f"i(v{name})"], 0)).sum() for name in phases
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
    process = process or default_process()
    pulses = input_pulse_lines(
        "0", dataclasses.replace(config, t_slot=length), [1], T_START
    )
    enable = [(T_START, V_DD), (T_START + length, -V_DD)]
    cells = neuron_subcircuits(
        "0", config, drivers_next=n_drivers, drivers_own=n_drivers
    )[2:]
    levels = {"vp": V_CM + V_READ, "vm": V_CM - V_READ, "cm": V_CM}
    parts = [
        "* pulse gate and input buffer with row drivers",
        shared_lines(process),
        *(with_instances(str(c), process) for c in cells),
        *(f"V{name} {name} 0 {levels[name]}" for name in ("vp", "vm")),
        f"Vq q0_0 0 {V_DD}",
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
        "gate": -V_DD * charge(data["i(vdd_gate)"]),
        "buffer": -V_DD * charge(data["i(vdd_driver)"]),
        "reference": sum(v * charge(drawn[name]) for name, v in levels.items()),
        "regulated": V_DD * sum(charge(np.maximum(i, 0)) for i in drawn.values()),
    }


def fit_energy(
    points: Mapping[str, Sequence[NeuronConfig]],
    measured: Mapping[str, Sequence[Mapping[str, float]]],
    drivers: Sequence[tuple[float, Mapping[str, float]]],
) -> EnergyLaws:
    """Laws of a card from measurements at several operating points.

    Args:
        points: Neurons of each kind, `hidden` and `output`.
        measured: What `measure_energy` says of each.
        drivers: (resistance [Ohm], what `measure_drivers` says of it), of three
            resistances or more.

    Raises:
        InputError: There are too few points.
    """
    kinds = {}
    for kind, shapes in SHAPES.items():
        blocks = {}
        for name, shape in shapes.items():
            blocks[name] = _fit_block(name, shape, points[kind], measured[kind])
        kinds[kind] = KindEnergy(**blocks)
    return EnergyLaws(**kinds, driver=_fit_drivers(drivers))


def _fit_block(name, shape, points, measured) -> BlockLaw:
    """Errors count by the energy of the block."""
    whole = np.array([row[name] for row in measured])
    scale = 1 / np.maximum(np.abs(whole), 1e-18)
    times, ones, events = [], np.ones(len(points)), []
    for config in points:
        with jax.enable_x64(True):
            at = jax.tree.map(jnp.float64, operating_point(config))
            times.append(float(phase_times(at, config).of_block(name)))
        events.append(events_of(config).get(name, 1))
    power, event = _joint_fit(
        [(shape.power, np.array(times)), (shape.event, np.array(events))],
        points,
        whole,
        scale,
    )
    pulse = np.array([row[f"{name}{PULSE}"] for row in measured])
    return BlockLaw(
        power=power,
        event=event,
        pulse=_joint_fit([(shape.pulse, ones)], points, pulse, scale)[0],
    )


def _joint_fit(parts, points, values, scale) -> list[Law]:
    """Least squares of laws whose values, each times a factor a point, add up."""
    terms = [(term, factor) for shapes, factor in parts for term in shapes]
    if len(points) < len(terms):
        raise InputError(
            f"{len(terms)} terms of a law need as many operating points; got"
            f" {len(points)}."
        )
    if not terms:
        return [() for _ in parts]
    columns = []
    with jax.enable_x64(True):
        at = [jax.tree.map(jnp.float64, operating_point(config)) for config in points]
        for term, factor in terms:
            unit = (dataclasses.replace(term, coefficient=1.0),)
            columns.append(factor * np.array([float(evaluate(unit, p)) for p in at]))
    weighted = np.stack(columns, 1) * scale[:, None]
    length = np.linalg.norm(weighted, axis=0)
    best, *_ = np.linalg.lstsq(weighted / length, values * scale, rcond=None)
    found = iter(best / length)
    return [
        tuple(
            dataclasses.replace(term, coefficient=float(next(found))) for term in shapes
        )
        for shapes, _ in parts
    ]


def _fit_drivers(drivers) -> DriverEnergy:
    r = np.array([row[0] for row in drivers], float)
    laws = {}
    for name in (field.name for field in dataclasses.fields(DriverEnergy)):
        edge = name.startswith("edge")
        columns = np.stack([r**0, 1 / r, 1 / r**2][: 3 if edge else 2], 1)
        if len(set(r)) < columns.shape[1]:
            raise InputError(
                "The energies of row drivers need three resistances or more; got"
                f" {sorted(set(r))} Ohm."
            )
        values = np.array([row[1][name] for row in drivers])
        weighted = columns / values[:, None]
        length = np.linalg.norm(weighted, axis=0)
        best, *_ = np.linalg.lstsq(weighted / length, np.ones(len(r)), rcond=None)
        names = ("constant", "width", "overlap")[: columns.shape[1]]
        laws[name] = DriverLaw(
            **dict(zip(names, map(float, best / length), strict=True))
        )
    return DriverEnergy(**laws)


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
