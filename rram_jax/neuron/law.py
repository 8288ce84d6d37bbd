"""Fitted laws of a neuron: sums of power products of its operating point.

Offsets, slopes and energies of a gm-C neuron are charges over capacitors, delays over
slots and currents times times, so a few products of powers hold them over decades, and
their derivatives are right by construction.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.types import Array, Float, register_record

UNITS = {"i_bias": 20e-6, "t_slot": 5e-9, "v_full": 8e-3, "c_total": 200e-15}
"""[A, s, V, F] What a law's variables are counted in."""


@register_record
@dataclass(frozen=True)
class OperatingPoint:
    """What a neuron's laws depend on; numbers or traced arrays, to differentiate by.

    The four are free of each other: a derivative by `t_slot` is one at a fixed
    capacitor. Only a `NeuronConfig` is checked against a card's box, a point is not.
    """

    i_bias: Float[Array, "..."]
    """[A] Tail current of the pair."""

    t_slot: Float[Array, "..."]
    """[s] Slot."""

    v_full: Float[Array, "..."]
    """[V] Full scale."""

    c_total: Float[Array, "..."]
    """[F] C_int and the parasitics beside it."""


def operating_point(config: NeuronConfig) -> OperatingPoint:
    """Of a layer's neurons (float32)."""
    values = {name: jnp.asarray(getattr(config, name), jnp.float32) for name in UNITS}
    return OperatingPoint(**values)


@dataclass(frozen=True, kw_only=True)
class Term:
    """One power product: `coefficient` times each variable over its unit to a power."""

    coefficient: float
    """In the law's own unit."""

    i_bias: float = 0.0
    """[-] Exponent, as the others."""

    t_slot: float = 0.0
    v_full: float = 0.0
    c_total: float = 0.0

    def __post_init__(self):
        if not all(map(math.isfinite, dataclasses.astuple(self))):
            raise InputError("A law's coefficients and exponents must be finite.")
        if max(abs(getattr(self, name)) for name in UNITS) > 4:
            raise InputError("A law's exponents lie between -4 and 4.")


Law = tuple[Term, ...]
"""Sum of its terms; without any it is 0."""


def evaluate(law: Law, point: OperatingPoint) -> Float[Array, "..."]:
    """Value of a law at a point, in the law's own unit."""
    logs = [jnp.log(getattr(point, name) / unit) for name, unit in UNITS.items()]
    total = jnp.zeros_like(logs[0])
    for term in law:
        powers = [getattr(term, name) for name in UNITS]
        exponent = sum(p * log for p, log in zip(powers, logs, strict=True))
        total = total + term.coefficient * jnp.exp(exponent)
    return total


def fit_law(
    shapes: Sequence[Term],
    points: Sequence[NeuronConfig],
    values: Sequence[float] | np.ndarray,
    weights: Sequence[float] | np.ndarray | None = None,
) -> Law:
    """Least squares of the coefficients; exponents are those of `shapes`.

    Args:
        shapes: Terms whose coefficients are not looked at.
        points: Neurons that were measured.
        values: What was measured, in the law's unit.
        weights: Of each residual: one over the error that would be let pass.

    Returns:
        The terms with their coefficients; of several that fit alike, because points are
        few or do not differ in a variable, those of the smallest norm.
    """
    logs = np.array(
        [[math.log(getattr(p, name) / u) for name, u in UNITS.items()] for p in points]
    )
    powers = np.array([[getattr(term, name) for name in UNITS] for term in shapes])
    weight = np.ones(len(points)) if weights is None else np.asarray(weights, float)
    columns = np.exp(logs @ powers.T) * weight[:, None]
    # Columns of one length, so that the least-squares cut-off treats all alike.
    length = np.linalg.norm(columns, axis=0)
    best, *_ = np.linalg.lstsq(
        columns / length, np.asarray(values) * weight, rcond=None
    )
    return tuple(
        dataclasses.replace(term, coefficient=float(c))
        for term, c in zip(shapes, best / length, strict=True)
    )
