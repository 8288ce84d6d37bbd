"""One plain array of non-linear cells: Newton's method on its exact elimination.

Unknowns are the cell currents i and the voltages at the feet of the bit lines; they
give all node voltages through the wires' equations, which are linear and so hold after
every step. What is left to zero is i - law(v_sl, v_bl), the current that does not add
up at a cell's two nodes. Each step linearises the cells and solves the array exactly
(`circuit.law_elimination`). A step is halved until the step that would follow it, by
the same factors, is smaller (in volts): saturated cells need that. What that step would
change is also what the answer is still off by, up to the factor by which slopes have
fallen meanwhile: the solution's `error`.

Gradients are implicit, at the solution: one more elimination and, in reverse mode, its
transposed substitution. Nothing is unrolled, and derivatives of any order are right.

References:
    P. Deuflhard, "Newton Methods for Nonlinear Problems", Springer 2004,
    10.1007/978-3-642-23899-4, section 3.3: the natural monotonicity test.
"""

from functools import partial
from math import inf, nan
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rram_jax.circuit.array_params import ArrayParams
from rram_jax.circuit.law_elimination import (
    Factors,
    eliminate,
    foot_imbalance,
    line_voltages,
    substitute,
)
from rram_jax.circuit.lines import end_weights
from rram_jax.circuit.solution import (
    CONVERGED,
    ITERATIONS,
    NOT_SOLVED,
    ROUNDING,
    STALLED,
    CrossbarSolution,
)
from rram_jax.numerics import share_of
from rram_jax.types import Array, Float, Int

_HALVINGS = 40
_ROUNDING = 16
"""Units of the last place that an answer may be off by."""

_SMALL = 1e-2
"""Share of what the cells would carry from their voltages to rest, below which the
digits of a current do not count: none may flow at all."""


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


class _Cells(NamedTuple):
    """The cells at some node voltages; a law acts cell by cell."""

    v_sl: Array
    v_bl: Array
    current: Array
    """[A] By the law."""

    g_sl: Array
    g_bl: Array
    """[S] How the current rises with v_sl and falls with v_bl."""


def _linearised(law, v_sl, v_bl):
    i, push = jax.linearize(law, v_sl, v_bl)
    one, zero = jnp.ones_like(v_sl), jnp.zeros_like(v_sl)
    g_sl, g_bl = jax.vmap(push)(jnp.stack([one, zero]), jnp.stack([zero, -one]))
    return _Cells(v_sl, v_bl, i, g_sl, g_bl)


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
    cells = _linearised(law, *_nodes(unknowns, drive, wires))
    factors = eliminate(cells.g_sl, cells.g_bl, wires)
    return unknowns, _Unknowns(*substitute(factors, wires, -off[0], -off[1]))


class _Change(NamedTuple):
    """What a step changes."""

    unknowns: _Unknowns
    volts: Array
    """[V] Most of all nodes."""

    amperes: Array
    """[A] Most of all cells."""


def _largest(*arrays):
    return jnp.stack([jnp.abs(x).max() for x in arrays]).max()


def _change(factors: Factors, off, wires):
    """The step that undoes an imbalance."""
    cells, feet = off
    by = _Unknowns(*substitute(factors, wires, -cells, -feet))
    at_rest = jnp.zeros_like(cells[:, 0])
    return _Change(by, _largest(*_nodes(by, at_rest, wires)), _largest(by.current))


def _residual(off, wires):
    """[A] Largest imbalance at any node."""
    cells, feet = off
    _, give = end_weights(wires.r_sense)
    return _largest(cells, feet / jnp.maximum(give, jnp.finfo(feet.dtype).tiny))


def _remaining(left, before, now):
    """[-] What the answer at `now` is off by, told by the step from slopes `before`.

    A slope that fell by some factor answers the same current by that many more volts.
    """
    flow = jnp.abs(now.g_sl * now.v_sl) + jnp.abs(now.g_bl * now.v_bl)
    share = jnp.maximum(
        share_of(left.volts, _largest(now.v_sl, now.v_bl)),
        share_of(left.amperes, _largest(now.current, _SMALL * flow)),
    )
    slopes = zip((before.g_sl, before.g_bl), (now.g_sl, now.g_bl), strict=True)
    fell = [jnp.where(a == b, 1, a / b).max() for a, b in slopes]
    # A slope that fell to 0 by infinity: it is no error where nothing is left.
    return jnp.where(share == 0, 0, share * jnp.maximum(jnp.stack(fell).max(), 1))


class _Progress(NamedTuple):
    unknowns: _Unknowns
    cells: _Cells
    """Where the next step linearises them."""

    residual: Array
    """[A]"""

    remaining: Array
    """[-] Estimate of the relative error, without rounding."""

    steps: Array
    stalled: Array


class _Trial(NamedTuple):
    """Where a share of a step leads."""

    share: Array
    unknowns: _Unknowns
    residual: Array
    """[A]"""

    left: _Change
    """The step that would follow, by the same factors."""

    closer: Array
    """Whether that is smaller."""


def _full_step(p, factors, drive, wires):
    """From the linearised cells; exact where they are linear."""
    cells = p.cells
    sl, bl = _nodes(p.unknowns, drive, wires)
    # Only the start's voltages are not those of its currents.
    there = cells.current + cells.g_sl * (sl - cells.v_sl)
    there = there - cells.g_bl * (bl - cells.v_bl)
    feet = foot_imbalance(p.unknowns.current, p.unknowns.v_foot, wires)
    return _change(factors, (p.unknowns.current - there, feet), wires)


def _damped(p, factors, full, drive, law, wires):
    """Halve the full step until the one that would follow is smaller, in volts."""
    size = jnp.where(p.steps == 0, inf, full.volts)
    # A step that ends in rounding gains nothing from halving.
    least = jnp.where(p.remaining <= _close(drive), 1.0, 0.5**_HALVINGS)

    def too_far(trial):
        return ~trial.closer & (trial.share > least)

    def halve(trial):
        share = trial.share / 2
        moved = jax.tree.map(lambda a, d: a + share * d, p.unknowns, full.unknowns)
        off = _imbalance(moved, drive, law, wires)
        left = _change(factors, off, wires)
        closer = left.volts <= (1 - share / 4) * size  # False for a NaN
        return _Trial(share, moved, _residual(off, wires), left, closer)

    unknown = jnp.full_like(size, nan)
    twice = _Trial(
        share=jnp.full_like(size, 2),
        unknowns=p.unknowns,
        residual=unknown,
        left=_Change(p.unknowns, unknown, unknown),
        closer=jnp.zeros((), bool),
    )
    return jax.lax.while_loop(too_far, halve, twice)


def _step(p, drive, law, wires):
    factors = eliminate(p.cells.g_sl, p.cells.g_bl, wires)
    full = _full_step(p, factors, drive, wires)
    trial = _damped(p, factors, full, drive, law, wires)
    cells = _linearised(law, *_nodes(trial.unknowns, drive, wires))
    remaining = _remaining(trial.left, p.cells, cells)
    after = p._replace(
        unknowns=trial.unknowns,
        cells=cells,
        residual=trial.residual,
        remaining=remaining,
    )
    # Of the last two, rounding may have made the later one the worse.
    keep = ~trial.closer & ~(remaining < p.remaining) & (p.steps > 0)
    best = jax.tree.map(lambda a, b: jnp.where(keep, a, b), p, after)
    return best._replace(steps=p.steps + 1, stalled=~trial.closer)


def _rounding(drive):
    """[-] What rounding may make of an answer."""
    return _ROUNDING * jnp.finfo(drive.dtype).eps


def _close(drive):
    """[-] Error from which a step that does its work ends in rounding."""
    return jnp.finfo(drive.dtype).eps ** 0.5


def _error(p, drive):
    return p.remaining + jnp.where(_largest(drive) > 0, _rounding(drive), 0.0)


def _status(p, drive, tolerance):
    small = p.remaining <= jnp.where(p.stalled, _close(drive), _rounding(drive))
    status = jnp.where(p.stalled, STALLED, ITERATIONS)
    status = jnp.where(small, ROUNDING, status)
    status = jnp.where(_error(p, drive) <= tolerance, CONVERGED, status)
    finite = jnp.isfinite(p.residual) & ~jnp.isnan(p.remaining)
    return jnp.where(finite, status, NOT_SOLVED).astype(jnp.int32)


def _newton(drive, law, wires, v_sl, v_bl, tolerance, max_steps):
    """Newton steps from given node voltages, until one of the reasons to stop."""

    def going(p):
        far = (_error(p, drive) > tolerance) & (p.remaining > _rounding(drive))
        useful = far & jnp.isfinite(p.residual) & ~p.stalled
        return (useful | (p.steps == 0)) & (p.steps < max_steps)

    begin = _Progress(
        unknowns=_Unknowns(jnp.zeros_like(v_sl), jnp.zeros_like(v_sl[0])),
        cells=_linearised(law, v_sl, v_bl),
        residual=jnp.full_like(drive[0], inf),
        remaining=jnp.full_like(drive[0], inf),
        steps=jnp.zeros((), jnp.int32),
        stalled=jnp.zeros((), bool),
    )
    return jax.lax.while_loop(going, lambda p: _step(p, drive, law, wires), begin)


@jax.jit
def solve_law(
    drives: Float[Array, "drives rows"],
    law: Any,
    wires: ArrayParams,
    v_sl: Float[Array, "drives rows cols"],
    v_bl: Float[Array, "drives rows cols"],
    tolerance: Float[Array, ""] | float,
    max_steps: Int[Array, ""] | int = 50,
) -> CrossbarSolution:
    """Solve an array of cells with a law for each drive, from given node voltages.

    Args:
        drives: [V] Behind the row drivers.
        law: Of (rows, cols) cells (`circuit.cell_law`).
        wires: With the drives' dtype.
        v_sl: [V] Source-line nodes to start from.
        v_bl: [V] Bit-line nodes to start from.
        tolerance: [-] Of the answer, as a share of its largest part.
        max_steps: [-] Newton steps at most, 1 or more.
    """

    def one(drive, v_sl, v_bl):
        # The steps see no tangents: they belong to the solution, not to the way there.
        fixed = jax.lax.stop_gradient((drive, law, wires, v_sl, v_bl))
        p = _newton(*fixed, tolerance, max_steps)
        solved = _implicit(p.unknowns, drive, law, wires)
        v_sl, v_bl = _nodes(solved, drive, wires)
        i, v_foot = solved.current, solved.v_foot
        foot = jnp.where(jnp.isinf(wires.r_sense), 0, i.sum(0))
        return CrossbarSolution(
            voltage=v_foot,
            current=foot,
            v_bl=v_bl,
            v_sl=v_sl,
            cell_current=i,
            kcl_residual=p.residual,
            error=_error(p, fixed[0]),
            iterations=p.steps,
            status=_status(p, fixed[0], tolerance),
        )

    return jax.vmap(one)(drives, v_sl, v_bl)
