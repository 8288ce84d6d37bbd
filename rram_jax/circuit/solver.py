"""One plain array, solved for a batch of drives; and its transfer matrix."""

import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.array_params import ArrayParams
from rram_jax.circuit.cell_law import CellLaw, LinearCell
from rram_jax.circuit.checks import (
    as_conductance,
    as_floats,
    as_tolerance,
    check_cells,
    check_finite,
    joint_batch,
    law_currents,
    start_nodes,
    wires_of,
)
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.conjugate_gradients import Sources, solve_linear
from rram_jax.circuit.newton import solve_law
from rram_jax.circuit.solution import CrossbarSolution
from rram_jax.errors import InputError
from rram_jax.types import Array, Float

NODES_AT_ONCE = 2**18
"""[-] Cells times drives of one solve; more drives are solved in turn.

Its vectors then stay in a core's cache: 256 x 256 with 16 drives is 4 times faster.
"""


def solve_crossbar(
    drive: Float[Array | np.ndarray, "*batch rows"],
    cells: Float[Array | np.ndarray, "*batches rows cols"] | CellLaw,
    array: ArrayConfig | ArrayParams,
    *,
    tolerance: float | Float[Array, ""] | None = None,
    nodes: bool = False,
    start: CrossbarSolution | None = None,
) -> CrossbarSolution:
    """Solve an array of linear cells, or of cells with a law, to a tolerance.

    Returned in the dtype of the cells (whole numbers count as jax's default floats,
    complex ones are refused); linear cells have derivatives in reverse mode only, of
    any order: no jvp, no jax.hessian; use jacrev(jacrev). Cells with a law have both
    modes.

    Linear cells (a conductance or a `LinearCell`) by conjugate gradients over the lines
    (`circuit.conjugate_gradients`): a gradient in drive, conductance and, as
    `ArrayParams`, the resistances costs one more solve. Cells with a law by Newton's
    method on an exact elimination (`circuit.newton`), with derivatives in drive, the
    law's arrays and the resistances; memory is some matrices (rows, cols, cols) a
    drive, with the gradient 15 MB at 64 x 64 and 110 MB at 128 x 128 in float64, and
    time grows like rows * cols^3: split large batches.

    Args:
        drive: [V] above v_cm, at the sources behind the row drivers.
        cells: [S] of each cell, access transistor included; 0 is an open cell. Several
            arrays: (*batch, rows, cols), where batch dimensions broadcast against those
            of `drive`; drives of one array are best left to broadcast. Or a monotone
            law of one array, transistors in series included: `RramCell` or a callable
            pytree like it (`circuit.cell_law`); `jax.vmap` over its arrays solves many.
        array: Wires, drivers and sense resistance (picture in `circuit.config`). An
            `ArrayConfig` is static under jit, an `ArrayParams` holds arrays.
        tolerance: [-] Of the answer, as a share of the largest cell current and node
            voltage of that drive; what is much smaller, such as a foot far behind other
            rows, is known to that size only. By default 1e-9 in float64 and 1e-4 in
            float32, which keeps some 1e-5 whatever is asked for.
        nodes: Whether to return all node voltages and cell currents.
        start: For a law, a solution with nodes of a similar problem to start from, of
            this batch or of one drive; by default all nodes at v_cm, so that the first
            step is the linear solve with the law's small-signal conductances.

    Returns:
        The operating point. See its `result`: what did not converge is returned all the
        same.

    Raises:
        InputError: The shapes do not fit, there is a start without a law, or (outside
            jit) a conductance or a resistance is negative or something is no finite
            number (in a law: NaN).

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from rram_jax import ArrayConfig, solve_crossbar
        >>> solve = jax.jit(solve_crossbar, static_argnames=("array", "nodes"))
        >>> wires = ArrayConfig(r_driver=16.0)
        >>> drive, cells = jnp.array([0.2, -0.2]), jnp.full((2, 3), 1e-4)
        >>> solve(drive, cells, array=wires).result
        'converged'
    """
    u, wires = as_floats("drive", drive), wires_of(array)
    if isinstance(cells, LinearCell):
        cells = cells.conductance
    if callable(cells):
        return _with_law(u, cells, wires, tolerance, nodes, start)
    if start is not None:
        raise InputError(
            "A start is for cells with a law: linear ones are solved without one, so"
            " leave `start` out."
        )
    g = as_conductance(cells)
    batch = joint_batch(
        u.shape, g.shape, "a conductance (rows, cols) or (*batch, rows, cols)"
    )
    check_finite("drive", u)
    u = jnp.broadcast_to(u, (*batch, u.shape[-1]))
    return _solve(u, g, wires, as_tolerance(tolerance, g.dtype), nodes)


def transfer_matrix(
    conductance: Float[Array | np.ndarray, "*chips rows cols"],
    array: ArrayConfig | ArrayParams,
    *,
    tolerance: float | Float[Array, ""] | None = None,
) -> Float[Array, "*chips rows cols"]:
    """Foot volts per volt behind each row's driver [V/V]; amperes [S] if r_sense = 0.

    So `drive @ transfer_matrix(...)` is `solve_crossbar` for any number of drives.
    Solved row by row or, through the adjoint, column by column, whichever are fewer;
    each is exact to `tolerance` of the largest cell current and node voltage of its own
    solve, so the entries of a row far behind others are known to that size only.

    Returned in the dtype of the cells (whole numbers count as jax's default floats,
    complex ones are refused), with derivatives in reverse mode only: no jvp, no
    jax.hessian; use jacrev(jacrev). `tolerance` as in `solve_crossbar`.

    Raises:
        InputError: As `solve_crossbar`.
    """
    g = as_conductance(conductance)
    check_cells(g.shape)
    return _transfer(g, wires_of(array), as_tolerance(tolerance, g.dtype))


def _with_law(u, law, wires, tolerance, nodes, start):
    out = law_currents(law)
    batch = joint_batch(u.shape, out.shape, "a cell law of (rows, cols) currents")
    check_finite("drive", u)
    v_sl, v_bl = start_nodes(start, (*batch, *out.shape), out.dtype)
    flat = solve_law(
        u.reshape(-1, out.shape[0]).astype(out.dtype),
        law,
        jax.tree.map(lambda r: jnp.asarray(r, out.dtype), wires),
        v_sl.reshape(-1, *out.shape),
        v_bl.reshape(-1, *out.shape),
        as_tolerance(tolerance, out.dtype),
    )
    if not nodes:
        flat = dataclasses.replace(flat, v_sl=None, v_bl=None, cell_current=None)
    return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), flat)


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
        out = solve_linear(g, array, Sources(drive=u.T), tolerance, nodes)
        v_bl = v_sl = i = None
        if out.v_bl is not None and out.v_sl is not None:
            v_bl, v_sl = jnp.moveaxis(out.v_bl, 2, 0), jnp.moveaxis(out.v_sl, 2, 0)
            i = g * (v_sl - v_bl)
        return CrossbarSolution(
            voltage=out.v_foot.T,
            current=out.i_foot.T,
            v_bl=v_bl,
            v_sl=v_sl,
            cell_current=i,
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
        out = solve_linear(g, array, Sources(drive=unit.T), tolerance, False)
        return jnp.where(grounded, out.i_foot, out.v_foot).T

    def from_columns(unit):
        # What a column senses is, by reciprocity, what it would send into the rows.
        sources = Sources(
            drive=jnp.zeros((rows, len(unit)), g.dtype),
            foot=jnp.where(grounded, unit.T, 0),
            into_foot=jnp.where(grounded, 0, unit.T),
        )
        return solve_linear(g, array, sources, tolerance, False).i_driver.T

    if rows <= cols:
        return _in_turn(from_rows, jnp.eye(rows, dtype=g.dtype), g.size)
    return _in_turn(from_columns, jnp.eye(cols, dtype=g.dtype), g.size).T
