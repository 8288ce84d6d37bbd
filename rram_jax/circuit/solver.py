"""One plain array, solved exactly for a batch of drives; and its transfer matrix."""

import dataclasses
import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from rram_jax.circuit.array_params import ArrayParams, array_params
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.network import (
    CONVERGED,
    ITERATIONS,
    NOT_FINITE,
    ROUNDING,
    Sources,
    solve_network,
)
from rram_jax.errors import InputError
from rram_jax.types import Array, Float, Int, register_record

NODES_AT_ONCE = 2**18
"""[-] Cells times drives of one solve; more drives are solved in turn.

Its vectors then stay in a core's cache: 256 x 256 with 16 drives is 4 times faster.
"""


@register_record
@dataclass(frozen=True)
class CrossbarSolution:
    """Operating point of one array, and how well it is known."""

    voltage: Float[Array, "*batch cols"]
    """[V] At the foot of each bit line, above v_cm."""

    current: Float[Array, "*batch cols"]
    """[A] Out of each bit line's foot; zero where it floats."""

    v_bl: Float[Array, "*batch rows cols"] | None
    """[V] Bit-line nodes, above v_cm; only with `nodes=True`."""

    v_sl: Float[Array, "*batch rows cols"] | None
    """[V] Source-line nodes, above v_cm; only with `nodes=True`."""

    kcl_residual: Float[Array, "*batch"]
    """[A] Largest current that does not add up at any node."""

    error: Float[Array, "*batch"]
    """[-] Estimate of the answer's relative error, from the residual."""

    iterations: Int[Array, "*batch"]
    """[-] Sweeps over all lines."""

    status: Int[Array, "*batch"]
    """What `result` says, as a number of `circuit.network`; 0 is converged."""

    @property
    def result(self) -> str:
        """In words, of the worst of the batch; outside jit."""
        worst, error, iterations = (
            np.asarray(x).max().item()
            for x in (self.status, self.error, self.iterations)
        )
        reached = f"error estimate {error:.1g} is above the tolerance"
        kind = self.voltage.dtype.name
        wider = " or x64 (jax.enable_x64)" if kind == "float32" else ""
        return {
            CONVERGED: "converged",
            ROUNDING: f"{reached}: {kind} rounding; ask for a tolerance of"
            f" {_round_up(error)}{wider}",
            ITERATIONS: f"{reached} after {iterations} iterations:"
            f" cells that conduct far better than their wires; ask for a tolerance of"
            f" {_round_up(error)}{wider}",
            NOT_FINITE: "not solved: a NaN or an infinity among drives, conductances"
            " and resistances",
        }[worst]


def _round_up(error):
    return f"1e{math.ceil(math.log10(error))}" if 0 < error < 1 else "1"


def solve_crossbar(
    drive: Float[Array | np.ndarray, "*batch rows"],
    conductance: Float[Array | np.ndarray, "*batches rows cols"],
    array: ArrayConfig | ArrayParams,
    *,
    tolerance: float | Float[Array, ""] = 1e-9,
    nodes: bool = False,
) -> CrossbarSolution:
    """Solve an array of linear cells to a tolerance (`circuit.network`).

    Differentiable (reverse mode) in drive, conductance and, as `ArrayParams`, in the
    resistances, at the cost of one more solve.

    Args:
        drive: [V] above v_cm, at the sources behind the row drivers.
        conductance: [S] of each cell, access transistor included; 0 is an open cell.
            Several arrays: (*batch, rows, cols), where batch dimensions broadcast
            against those of `drive`; drives of one array are best left to broadcast.
        array: Wires, drivers and sense resistance (picture in `circuit.config`).
        tolerance: [-] Of the answer, as a share of its largest part. float32 keeps
            some 1e-5 whatever is asked for.
        nodes: Whether to return all node voltages.

    Returns:
        The operating point, in the dtype of `conductance`. See its `result`.

    Raises:
        InputError: The shapes do not fit, or (outside jit) a conductance or a
            resistance is negative or something is no finite number.
    """
    g, u = jnp.asarray(conductance), jnp.asarray(drive)
    if g.ndim < 2 or u.ndim < 1 or u.shape[-1] != g.shape[-2]:
        raise _shape_error(u, g)
    try:
        batch = jnp.broadcast_shapes(u.shape[:-1], g.shape[:-2])
    except ValueError:
        raise _shape_error(u, g) from None
    if 0 in g.shape or 0 in batch:
        raise _shape_error(u, g)
    _check_values("solve_crossbar", drive=u, conductance=g)
    params = _params(array)
    if not 0 < _number(tolerance, 1.0) < 1:
        raise InputError(
            f"solve_crossbar: tolerance is a share between 0 and 1; got {tolerance}."
        )
    u = jnp.broadcast_to(u, (*batch, u.shape[-1]))
    return _solve(u, g, params, jnp.asarray(tolerance, g.dtype), nodes)


def transfer_matrix(
    conductance: Float[Array | np.ndarray, "*chips rows cols"],
    array: ArrayConfig | ArrayParams,
    *,
    tolerance: float | Float[Array, ""] = 1e-9,
) -> Float[Array, "*chips rows cols"]:
    """Foot volts per volt behind each row's driver [V/V]; amperes [S] if r_sense = 0.

    Exact to `tolerance` of each row's (with fewer columns than rows: each column's)
    largest part, so that `drive @ transfer_matrix(...)` is `solve_crossbar` for any
    number of drives. Solved row by row or, through the adjoint, column by column,
    whichever are fewer. Differentiable as `solve_crossbar` is.

    Raises:
        InputError: As `solve_crossbar`.
    """
    g = jnp.asarray(conductance)
    if g.ndim < 2 or 0 in g.shape:
        raise InputError(
            "transfer_matrix takes a conductance (*chips, rows, cols) that is not"
            f" empty; got {g.shape}."
        )
    _check_values("transfer_matrix", conductance=g)
    return _transfer(g, _params(array), jnp.asarray(tolerance, g.dtype))


def _shape_error(u, g):
    return InputError(
        "solve_crossbar takes a drive (*batch, rows) and a conductance (rows, cols) or"
        f" (*batch, rows, cols), none of them empty; got {u.shape} and {g.shape}."
    )


def _number(x, unknown):
    """The value of a scalar, or `unknown` while jax traces it."""
    return unknown if isinstance(x, Tracer) else float(x)


def _check_values(name, **arrays):
    for what, x in arrays.items():
        if isinstance(x, Tracer):
            continue
        values = np.asarray(x)
        if not np.isfinite(values).all():
            raise InputError(f"{name}: {what} holds a NaN or an infinity.")
        if what == "conductance" and (values < 0).any():
            raise InputError(
                f"{name}: a conductance is 0 S or more; got {values.min():.3g} S."
            )


def _params(array):
    """All four resistances as arrays; infinite where bit lines float."""
    params = array_params(array) if isinstance(array, ArrayConfig) else array
    if params.r_sense is None:
        floating = jnp.full_like(params.r_driver, math.inf)
        params = dataclasses.replace(params, r_sense=floating)
    names = ("r_wire_sl", "r_wire_bl", "r_driver", "r_sense")
    known = {n: _number(getattr(params, n), 0.0) for n in names}
    ArrayConfig(**known)  # Raises what is wrong with the known ones.
    return params


@partial(jax.jit, static_argnums=4)
def _solve(u, g, array, tolerance, nodes):
    batch, (rows, cols) = u.shape[:-1], g.shape[-2:]
    # Drives of the same array are solved together: the last dimensions along which
    # the conductance is the same.
    chips = (1,) * (len(batch) - g.ndim + 2) + g.shape[:-2]
    shared = len(batch)
    while shared and chips[shared - 1] == 1:
        shared -= 1
    u = u.reshape(*batch[:shared], -1, rows).astype(g.dtype)
    g = g.reshape(*chips[:shared], rows, cols)
    solve = partial(_drives, array=array, tolerance=tolerance, nodes=nodes)
    for axis in reversed(range(shared)):
        solve = jax.vmap(solve, (0, None if chips[axis] == 1 else 0))
        if chips[axis] == 1:
            g = g.squeeze(axis)
    out = solve(u, g)
    return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[shared + 1 :]), out)


def _drives(u, g, *, array, tolerance, nodes):
    """All drives (drives, rows) of one array, as many at a time as fit."""

    def some(u):
        out = solve_network(g, array, Sources(drive=u.T), tolerance, nodes)
        return CrossbarSolution(
            voltage=out.v_foot.T,
            current=out.i_foot.T,
            v_bl=None if out.v_bl is None else jnp.moveaxis(out.v_bl, 2, 0),
            v_sl=None if out.v_sl is None else jnp.moveaxis(out.v_sl, 2, 0),
            kcl_residual=out.residual,
            error=out.error,
            iterations=out.iterations,
            status=out.status,
        )

    return _in_turn(some, u, g.size)


def _in_turn(solve, sources, cells):
    """Map batches of sources (axis 0), each small enough for the cache."""
    count = len(sources)
    turns = math.ceil(count / max(4, NODES_AT_ONCE // cells))
    if turns == 1:
        return solve(sources)
    size = math.ceil(count / turns)
    padded = jnp.pad(sources, ((0, turns * size - count), (0, 0)))
    out = jax.lax.map(solve, padded.reshape(turns, size, -1))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], out)


@jax.jit
def _transfer(g, array, tolerance):
    if g.ndim > 2:
        one = partial(_transfer, array=array, tolerance=tolerance)
        return jax.lax.map(one, g)
    rows, cols = g.shape
    grounded = array.r_sense == 0

    def from_rows(unit):
        out = solve_network(g, array, Sources(drive=unit.T), tolerance, False)
        return jnp.where(grounded, out.i_foot, out.v_foot).T

    def from_columns(unit):
        # What a column senses is, by reciprocity, what it would send into the rows.
        sources = Sources(
            drive=jnp.zeros((rows, len(unit)), g.dtype),
            foot=jnp.where(grounded, unit.T, 0),
            into_foot=jnp.where(grounded, 0, unit.T),
        )
        return solve_network(g, array, sources, tolerance, False).i_driver.T

    if rows <= cols:
        return _in_turn(from_rows, jnp.eye(rows, dtype=g.dtype), g.size)
    return _in_turn(from_columns, jnp.eye(cols, dtype=g.dtype), g.size).T
