"""What the solvers of one plain array take: looked at before anything is traced.

All of it raises `InputError`. Values that jax traces are not looked at; what they lack
is said by the solution's `result`.
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from rram_jax.circuit.array_params import ArrayParams, array_params
from rram_jax.circuit.config import ArrayConfig, check_resistance
from rram_jax.circuit.solution import CrossbarSolution
from rram_jax.errors import InputError
from rram_jax.types import Array, Float


def as_tolerance(tolerance: float | Float[Array, ""] | None, dtype: Any) -> Array:
    """A share between 0 and 1; what `solve_crossbar` promises where it is None."""
    if tolerance is None:
        tolerance = 1e-9 if dtype == np.float64 else 1e-4
    if not 0 < _number(tolerance, 0.5) < 1:
        raise InputError(f"A tolerance is a share between 0 and 1; got {tolerance}.")
    return jnp.asarray(tolerance, dtype)


def as_conductance(cells: Any) -> Float[Array, "..."]:
    """Cells that have no law, as floats that conductances can be."""
    try:
        conductance = jnp.asarray(cells)
    except (TypeError, ValueError):
        raise _no_cells(cells) from None
    conductance = as_floats("conductance", conductance)
    check_finite("conductance", conductance)
    if not isinstance(conductance, Tracer):
        least = np.asarray(conductance).min(initial=0)
        if least < 0:
            raise InputError(f"A conductance is 0 S or more; got {least:.3g} S.")
    return conductance


def check_cells(shape: tuple[int, ...]) -> None:
    """Of one array or several."""
    if len(shape) < 2 or 0 in shape:
        raise InputError(
            "A conductance is (rows, cols) or (*chips, rows, cols) and not empty; got"
            f" {shape}."
        )


def as_floats(what: str, values: Any) -> Float[Array, "..."]:
    """Floats stay what they are, whole numbers become jax's default floats."""
    try:
        array = jnp.asarray(values)
    except (TypeError, ValueError):
        raise InputError(
            f"The {what} is an array of numbers; got {type(values).__name__}."
        ) from None
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise InputError(
            f"The {what} is real; got {array.dtype}: these are circuits at rest, so"
            " give the real part."
        )
    floats = jnp.issubdtype(array.dtype, jnp.floating)
    return array if floats else array.astype(float)


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


def wires_of(array: Any) -> ArrayParams:
    """All four resistances as arrays of floats."""
    if isinstance(array, ArrayConfig):
        return array_params(array)  # Checked when it was made.
    if not isinstance(array, ArrayParams):
        raise InputError(
            "The wires of a plain array are an ArrayConfig or ArrayParams; got"
            f" {type(array).__name__}."
        )
    for field in dataclasses.fields(array):
        r = getattr(array, field.name)
        traced = isinstance(r, Tracer) and r.shape == ()
        check_resistance(array, field.name, 0.0 if traced else r)
    return jax.tree.map(partial(as_floats, "resistance"), array)


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
    if shape is not None and not jnp.issubdtype(out.dtype, jnp.floating):
        raise InputError(
            f"A cell law gives real currents, which are floats; got {out.dtype}."
        )
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
        "Cells are an array of conductances or, in solve_crossbar, a law that is a"
        " callable pytree of arrays, such as RramCell or"
        " jax.tree_util.Partial(function, *arrays); got"
        f" {type(cells).__name__}{which}."
    )


def _number(x, unknown):
    """The value of a scalar, or `unknown` while jax traces it."""
    return unknown if isinstance(x, Tracer) else float(x)
