"""What the solvers of one plain array take: looked at before anything is traced.

All of it raises `InputError`. Values that jax traces are not looked at; what they lack
is said by the solution's `result`.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from rram_jax.circuit.array_params import ArrayParams, array_params
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solution import CrossbarSolution
from rram_jax.errors import InputError
from rram_jax.types import Array, Float

_RESISTANCES = ("r_wire_sl", "r_wire_bl", "r_driver", "r_sense")


def check_tolerance(tolerance: float | Float[Array, ""]) -> None:
    """A share between 0 and 1."""
    if not 0 < _number(tolerance, 0.5) < 1:
        raise InputError(f"A tolerance is a share between 0 and 1; got {tolerance}.")


def as_conductance(cells: Any) -> Array:
    """Cells that have no law, as an array."""
    try:
        return jnp.asarray(cells)
    except (TypeError, ValueError):
        raise _no_cells(cells) from None


def check_conductance(conductance: Float[Array, "*chips rows cols"]) -> None:
    """Cells of one array or several, none negative."""
    if conductance.ndim < 2 or 0 in conductance.shape:
        raise InputError(
            "A conductance is (rows, cols) or (*chips, rows, cols) and not empty; got"
            f" {conductance.shape}."
        )
    check_finite("conductance", conductance)
    if not isinstance(conductance, Tracer) and (np.asarray(conductance) < 0).any():
        raise InputError(
            f"A conductance is 0 S or more; got {float(conductance.min()):.3g} S."
        )


def check_finite(what: str, values: Float[Array, "..."]) -> None:
    """No NaN and no infinity."""
    if not isinstance(values, Tracer) and not np.isfinite(np.asarray(values)).all():
        raise InputError(f"The {what} holds a NaN or an infinity.")


def joint_batch(
    drive: tuple[int, ...], cells: tuple[int, ...], what: str
) -> tuple[int, ...]:
    """Batch shape of drives (*batch, rows) on cells (*batch, rows, cols)."""
    fit = len(drive) > 0 and len(cells) > 1 and drive[-1:] == cells[-2:-1]
    try:
        batch = jnp.broadcast_shapes(drive[:-1], cells[:-2])
    except ValueError:
        fit, batch = False, ()
    if not fit or 0 in (*batch, *cells):
        raise InputError(
            f"solve_crossbar takes a drive (*batch, rows) and {what}, none of them"
            f" empty; got {drive} and {cells}."
        )
    return batch


def wires_of(array: ArrayConfig | ArrayParams) -> ArrayParams:
    """All four resistances as arrays; r_sense is None where bit lines float."""
    params = array_params(array) if isinstance(array, ArrayConfig) else array
    known = {
        name: _number(r, 0.0)
        for name in _RESISTANCES
        if (r := getattr(params, name)) is not None
    }
    ArrayConfig(**known)  # Raises what is wrong with the known ones.
    floats = math.isinf(known.get("r_sense", math.inf))
    return dataclasses.replace(params, r_sense=None) if floats else params


def law_currents(law: Any) -> jax.ShapeDtypeStruct:
    """Shape (rows, cols) and dtype of what the cells of a law carry."""
    leaves = jax.tree.leaves(law)
    for path, x in jax.tree_util.tree_leaves_with_path(law):
        if not hasattr(x, "dtype"):
            raise _no_cells(law, f" whose {_name(path)} is {x!r:.40}" if path else "")
    volt = jax.ShapeDtypeStruct((), jnp.result_type(float), weak_type=True)
    try:
        out = jax.eval_shape(lambda law, a, b: law(a, b), law, volt, volt)
    except (TypeError, ValueError) as error:
        raise InputError(
            "The arrays of the cell law do not fit together or are no floats; got"
            f" {_shapes(law)}."
        ) from error
    shape = getattr(out, "shape", None)
    if shape is None or len(shape) != 2 or 0 in shape:
        raise InputError(
            "A cell law gives (rows, cols) currents, none of them empty (jax.vmap over"
            f" its arrays solves many chips); got {shape} from {_shapes(law)}."
        )
    if any(np.isnan(np.asarray(x)).any() for x in leaves if not isinstance(x, Tracer)):
        raise InputError("The cell law holds a NaN.")
    return out


def start_nodes(
    start: CrossbarSolution | None, shape: tuple[int, ...], dtype: Any
) -> tuple[Float[Array, "*batch rows cols"], Float[Array, "*batch rows cols"]]:
    """Source-line and bit-line nodes (*batch, rows, cols) to start from, by default 0.

    `start`: of the same shape, or one operating point for the whole batch.
    """
    if start is None:
        return jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)
    v_sl, v_bl = start.v_sl, start.v_bl
    if v_sl is None or v_bl is None:
        raise InputError(
            "A start needs the voltages of its nodes: solve it with nodes=True."
        )
    if v_sl.shape not in (shape, shape[-2:]):
        raise InputError(
            f"A start for cells and drives of {shape} has nodes of {shape} or"
            f" {shape[-2:]}; got {v_sl.shape}."
        )
    check_finite("start", v_sl)
    check_finite("start", v_bl)
    return (
        jnp.broadcast_to(v_sl, shape).astype(dtype),
        jnp.broadcast_to(v_bl, shape).astype(dtype),
    )


def _shapes(law):
    """Names and shapes of a law's arrays; of records within it only those with axes."""
    leaves = jax.tree_util.tree_leaves_with_path(law)
    named = [
        f"{_name(path)} {x.shape}" for path, x in leaves if x.shape or len(path) == 1
    ]
    return ", ".join(named) or "no arrays"


def _name(path):
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _no_cells(cells, which=""):
    return InputError(
        "Cells are an array of conductances, or a law that is a callable pytree of"
        " arrays, such as RramCell or jax.tree_util.Partial(function, *arrays); got"
        f" {type(cells).__name__}{which}."
    )


def _number(x, unknown):
    """The value of a scalar, or `unknown` while jax traces it."""
    return unknown if isinstance(x, Tracer) else float(x)
