"""One plain array of non-linear cells: Newton's method on its exact elimination.

Unknowns are the cell currents i and the voltages at the feet of the bit lines; they
give all node voltages through the wires' equations, which are linear and so hold after
every step. What is left to zero is i - law(v_sl, v_bl), the current that does not add
up at a cell's two nodes. Each step linearises the cells and solves the array exactly
(`circuit.elimination`). A step is halved until the step that would follow it, by the
same factors, is smaller (in volts): saturated cells need that.

Gradients are implicit, at the solution: one more elimination and, in reverse mode, its
transposed substitution. Nothing is unrolled, and derivatives of any order are right.

References:
    P. Deuflhard, "Newton Methods for Nonlinear Problems", Springer 2004,
    10.1007/978-3-642-23899-4, section 3.3: the natural monotonicity test.
"""

from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from rram_jax.circuit.array_params import ArrayParams, array_params
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.elimination import (
    eliminate,
    foot_imbalance,
    line_voltages,
    substitute,
)
from rram_jax.circuit.solver import CrossbarSolution
from rram_jax.errors import InputError
from rram_jax.types import Array, Float, Int, register_record

RESULTS = (
    "converged",
    "max_steps Newton steps did not reach the tolerance",
    "no step comes closer: rounding, or a law that is not monotone",
    "a number is not finite: the law, the drive or the start",
)
"""What the codes of `NonlinearSolution.result` mean, the worst last."""

_HALVINGS = 40
_ROUNDING = 16
"""Units of the last place by which the nodes' voltages may be off."""
_NEAR = 1e-3
"""Share of the voltages by which a last step may move them."""


@register_record
@dataclass(frozen=True)
class NonlinearSolution:
    """Operating point of one array of non-linear cells."""

    voltage: Float[Array, "*batch cols"]
    """[V] At the foot of each bit line, above v_cm."""

    current: Float[Array, "*batch cols"]
    """[A] Out of each bit line's foot; zero where it floats."""

    v_bl: Float[Array, "*batch rows cols"]
    """[V] Bit-line nodes, above v_cm."""

    v_sl: Float[Array, "*batch rows cols"]
    """[V] Source-line nodes, above v_cm."""

    cell_current: Float[Array, "*batch rows cols"]
    """[A] From source line to bit line."""

    kcl_residual: Float[Array, "*batch"]
    """[A] Largest current that does not add up at any node."""

    iterations: Int[Array, "*batch"]
    """[-] Newton steps; one is the linear solve that makes the first guess."""

    result: Int[Array, "*batch"]
    """[-] Index into `RESULTS`; 0 where it converged."""

    @property
    def message(self) -> str:
        """The worst of the batch's results in words; outside jit only."""
        return RESULTS[int(self.result.max(initial=0))]


def solve_nonlinear(
    drive: Float[Array, "*batch rows"],
    cell_law: Any,
    array: ArrayConfig | ArrayParams,
    *,
    tolerance: float | None = None,
    max_steps: int = 50,
    start: NonlinearSolution | CrossbarSolution | None = None,
) -> NonlinearSolution:
    """Solve an array of cells with any monotone law.

    Differentiable in the drive, in the arrays of the law and in an `ArrayParams`.
    Memory is some matrices (rows, cols, cols) a drive, with the gradient 15 MB at 64 x
    64 and 110 MB at 128 x 128 in float64, and time grows like rows * cols^3: split
    large batches. `jax.vmap` over a law's arrays solves many chips.

    Args:
        drive: [V] above v_cm, at the sources behind the row drivers.
        cell_law: `LinearCell`, `RramCell` or a callable pytree like them
            (`circuit.cell_law`).
        array: Wires, drivers and sense resistance (picture in `circuit.config`).
        tolerance: Largest `kcl_residual` over the largest cell current; by default 1e-9
            in float64 and 1e-5 in float32. What rounding of the voltages lets flow
            through the largest slope is always tolerated.
        max_steps: [-] Newton steps at most.
        start: A solution of a similar problem to start from; by default all nodes at
            v_cm, so that the first step is the linear solve with the law's small-signal
            conductances.

    Returns:
        The operating point in the law's dtype. Look at `result`: what did not converge
        is returned all the same.

    Raises:
        InputError: The shapes do not fit, a NaN was handed over, a resistance is
            negative (both as far as seen outside jit), or `max_steps` is not positive.
    """
    if max_steps < 1:
        raise InputError(
            f"solve_nonlinear needs max_steps of 1 or more; got {max_steps}."
        )
    wires = array_params(array) if isinstance(array, ArrayConfig) else array
    shape, dtype = _check(drive, cell_law, wires, start)
    batch = drive.shape[:-1]
    nodes = jnp.zeros((*batch, *shape), dtype)
    if start is None or start.v_sl is None or start.v_bl is None:
        v_sl = v_bl = nodes
    else:
        v_sl, v_bl = (
            jnp.broadcast_to(v, nodes.shape) for v in (start.v_sl, start.v_bl)
        )
    if tolerance is None:
        tolerance = 1e-9 if dtype == jnp.float64 else 1e-5
    flat = _solve(
        drive.reshape(-1, shape[0]).astype(dtype),
        cell_law,
        jax.tree.map(lambda r: jnp.asarray(r, dtype), wires),
        v_sl.reshape(-1, *shape).astype(dtype),
        v_bl.reshape(-1, *shape).astype(dtype),
        tolerance,
        max_steps,
    )
    return jax.tree.map(lambda a: a.reshape(*batch, *a.shape[1:]), flat)


def _check(drive, law, wires, start):
    """Shape (rows, cols) and dtype of the law's currents."""
    odd = [x for x in jax.tree.leaves(law) if not hasattr(x, "dtype")]
    if odd or not callable(law):
        raise InputError(
            "solve_nonlinear takes a cell law that is a callable pytree of arrays, such"
            " as RramCell or jax.tree_util.Partial(function, *arrays); got"
            f" {type(law).__name__}."
        )
    one = jax.ShapeDtypeStruct((), drive.dtype)
    try:
        out = jax.eval_shape(lambda law, a, b: law(a, b), law, one, one)
    except (TypeError, ValueError) as error:
        shapes = [x.shape for x in jax.tree.leaves(law)]
        raise InputError(
            "The arrays of the cell law do not fit together or are no floats; their"
            f" shapes are {shapes}."
        ) from error
    if len(out.shape) != 2 or drive.shape[-1:] != out.shape[:1]:
        raise InputError(
            "solve_nonlinear takes a drive (*batch, rows) and a cell law of (rows,"
            f" cols) currents; got {drive.shape} and {out.shape}."
        )
    if start is not None:
        wanted = (*drive.shape[:-1], *out.shape)
        for v in (start.v_sl, start.v_bl):
            if v is None or v.shape not in (wanted, out.shape):
                raise InputError(
                    f"solve_nonlinear starts from nodes of shape {wanted} or"
                    f" {out.shape}, which solve_crossbar gives with nodes=True; got"
                    f" {None if v is None else v.shape}."
                )
    # numpy, so that what is known is also known while something else is traced
    known = [
        np.asarray(x)
        for x in jax.tree.leaves((drive, law, wires, start))
        if not isinstance(x, Tracer)
    ]
    if any(np.isnan(x).any() for x in known):
        raise InputError("solve_nonlinear takes numbers; there is a NaN among them.")
    for name in ("r_wire_sl", "r_wire_bl", "r_driver", "r_sense"):
        r = getattr(wires, name)
        if r is None or isinstance(r, Tracer):
            continue
        if not ((np.asarray(r) >= 0) & np.isfinite(r)).all():
            raise InputError(
                f"ArrayParams: {name} is a finite resistance in ohms, 0 or more (a"
                f" floating r_sense is None); got {r}."
            )
    return out.shape, out.dtype


class _Unknowns(NamedTuple):
    current: Array
    """[A] Of the cells."""

    v_foot: Array
    """[V]"""


def _nodes(unknowns, drive, wires):
    """[V] The source-line and bit-line nodes."""
    return line_voltages(unknowns.current, unknowns.v_foot, drive, wires)


def _imbalance(unknowns, drive, law, wires):
    """What must vanish: at the cells [A], at the feet as `foot_imbalance`."""
    off = unknowns.current - law(*_nodes(unknowns, drive, wires))
    return off, foot_imbalance(unknowns.current, unknowns.v_foot, wires)


def _linearised(law, v_sl, v_bl):
    """Current and both slopes of every cell; a law acts cell by cell."""
    i, push = jax.linearize(law, v_sl, v_bl)
    one, zero = jnp.ones_like(v_sl), jnp.zeros_like(v_sl)
    g_sl, g_bl = jax.vmap(push)(jnp.stack([one, zero]), jnp.stack([zero, -one]))
    return i, g_sl, g_bl


@jax.custom_jvp
def _implicit(unknowns, drive, law, wires):
    """The unknowns; their derivatives are those of the solution of the problem."""
    return unknowns


@_implicit.defjvp
def _implicit_jvp(primals, tangents):
    unknowns = _implicit(*primals)
    _, *problem = primals
    drive, law, wires = problem
    off = jax.jvp(partial(_imbalance, unknowns), problem, list(tangents[1:]))[1]
    v_sl, v_bl = _nodes(unknowns, drive, wires)
    _, g_sl, g_bl = _linearised(law, v_sl, v_bl)
    factors = eliminate(g_sl, g_bl, wires)
    return unknowns, _Unknowns(*substitute(factors, wires, -off[0], -off[1]))


class _Progress(NamedTuple):
    unknowns: _Unknowns
    v_sl: Array
    v_bl: Array
    """[V] Where the next step linearises the cells."""

    residual: Array
    """[A]"""

    rounding: Array
    """[A] What rounding may make of the residual."""

    steps: Array
    stalled: Array


def _newton(drive, law, wires, v_sl, v_bl, tolerance, max_steps):
    """Newton steps from given node voltages."""

    def residual(cells, feet):
        if wires.r_sense is not None:
            feet = feet / jnp.maximum(wires.r_sense, jnp.finfo(drive.dtype).tiny)
        return jnp.maximum(jnp.abs(cells).max(), jnp.abs(feet).max())

    def rounding(g_sl, g_bl, v_sl, v_bl, moved):
        flow = jnp.abs(g_sl * v_sl) + jnp.abs(g_bl * v_bl)
        floor = _ROUNDING * jnp.finfo(drive.dtype).eps * flow.max()
        # Slopes from further away say nothing about this point.
        volts = jnp.maximum(jnp.abs(v_sl).max(), jnp.abs(v_bl).max())
        return jnp.where(moved <= _NEAR * volts, floor, 0.0)

    def allowed(p):
        return tolerance * jnp.abs(p.unknowns.current).max() + p.rounding

    def going(p):
        open_ = (p.residual > allowed(p)) & jnp.isfinite(p.residual) | (p.steps == 0)
        return open_ & ~p.stalled & (p.steps < max_steps)

    def step(p):
        i, g_sl, g_bl = _linearised(law, p.v_sl, p.v_bl)
        factors = eliminate(g_sl, g_bl, wires)

        def correction(cells, feet):
            """The step that undoes an imbalance, and its largest voltage."""
            change = _Unknowns(*substitute(factors, wires, -cells, -feet))
            sl, bl = _nodes(change, jnp.zeros_like(drive), wires)
            return change, jnp.maximum(jnp.abs(sl).max(), jnp.abs(bl).max())

        sl, bl = _nodes(p.unknowns, drive, wires)
        # Only the start's voltages are not those of its currents.
        there = i + g_sl * (sl - p.v_sl) - g_bl * (bl - p.v_bl)
        feet = foot_imbalance(p.unknowns.current, p.unknowns.v_foot, wires)
        change, size = correction(p.unknowns.current - there, feet)
        size = jnp.where(p.steps == 0, inf, size)

        def too_far(trial):
            share, _, _, left = trial
            closer = left <= (1 - share / 4) * size  # False for a NaN
            return ~closer & (share > 0.5**_HALVINGS)

        def halve(trial):
            share = trial[0] / 2
            moved = jax.tree.map(lambda a, d: a + share * d, p.unknowns, change)
            cells, feet = _imbalance(moved, drive, law, wires)
            return share, moved, residual(cells, feet), correction(cells, feet)[1]

        unknown = jnp.full_like(size, nan)
        begin = (jnp.full_like(size, 2), p.unknowns, unknown, unknown)
        trial = jax.lax.while_loop(too_far, halve, begin)
        share, new, after, left = trial
        stalled = ~(left <= (1 - share / 4) * size)
        v_sl, v_bl = _nodes(new, drive, wires)
        return _Progress(
            unknowns=new,
            v_sl=v_sl,
            v_bl=v_bl,
            residual=after,
            rounding=rounding(g_sl, g_bl, p.v_sl, p.v_bl, size),
            steps=p.steps + 1,
            stalled=stalled,
        )

    begin = _Progress(
        unknowns=_Unknowns(jnp.zeros_like(v_sl), jnp.zeros_like(v_sl[0])),
        v_sl=v_sl,
        v_bl=v_bl,
        residual=jnp.full_like(drive[0], inf),
        rounding=jnp.zeros_like(drive[0]),
        steps=jnp.zeros((), int),
        stalled=jnp.zeros((), bool),
    )
    p = jax.lax.while_loop(going, step, begin)
    result = jnp.where(p.stalled, 2, 1)
    result = jnp.where(p.residual <= allowed(p), 0, result)
    return p, jnp.where(jnp.isfinite(p.residual), result, 3)


@jax.jit
def _solve(drives, law, wires, v_sl, v_bl, tolerance, max_steps):
    def one(drive, v_sl, v_bl):
        # The steps see no tangents: they belong to the solution, not to the way there.
        fixed = jax.lax.stop_gradient(
            (drive, law, wires, v_sl, v_bl, tolerance, max_steps)
        )
        p, result = _newton(*fixed)
        solved = _implicit(p.unknowns, drive, law, wires)
        v_sl, v_bl = _nodes(solved, drive, wires)
        i, v_foot = solved.current, solved.v_foot
        foot = jnp.zeros_like(v_foot) if wires.r_sense is None else i.sum(0)
        return NonlinearSolution(
            voltage=v_foot,
            current=foot,
            v_bl=v_bl,
            v_sl=v_sl,
            cell_current=i,
            kcl_residual=p.residual,
            iterations=p.steps,
            result=result,
        )

    return jax.vmap(one)(drives, v_sl, v_bl)
