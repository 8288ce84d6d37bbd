"""The energy laws of a neuron card, fitted to what ngspice measured.

Which terms a block has is physics and stands here (`SHAPES`); their coefficients are
least squares of relative errors.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.energy import (
    BlockLaw,
    DriverEnergy,
    DriverLaw,
    EnergyLaws,
    KindEnergy,
    events_of,
    phase_times,
)
from rram_jax.neuron.law import Law, Term, evaluate, operating_point

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
        InputError: There are too few resistances of drivers.
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
