"""One array as a linear network: conjugate gradients over its lines, and the adjoint.

With the bit lines held, the source lines fall apart into ladders (`circuit.lines`),
and the other way round. One *sweep* solves the source lines for given bit lines, lets
the cells' currents j into the bit lines and solves those: v = v0 + B j, where the
array's solution is the j that a sweep repeats,

    j = G A (G (v0 + B j) + sources),      A, B: solved source and bit lines.

I - G A G B is symmetric and positive in the inner product <x, B y>, with eigenvalues
in (0, 1]: conjugate gradients on it are those on the bit lines' Schur complement,
preconditioned by the bit lines themselves, one sweep an iteration. A product with the
(with ideal wires infinite) admittance of a bit line never appears, so wires may be
zero; open cells and floating lines need no care either.

The adjoint of a resistive network is the network itself, its cotangents as sources:
one more solve gives the gradient by every cell, wire and source. (Director, Rohrer,
"The generalized adjoint network and network sensitivities", IEEE Trans. Circuit Theory
16, 1969, 10.1109/TCT.1969.1082965.)
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.array_params import ArrayParams
from rram_jax.circuit.lines import Lines, line_currents, lines_of
from rram_jax.circuit.solution import CONVERGED, ITERATIONS, NOT_SOLVED, ROUNDING
from rram_jax.numerics import share_of
from rram_jax.types import Array, Float, Int, register_record

SL = {"axis": 1, "end_first": True}
BL = {"axis": 0, "end_first": False}

REFINE_ABOVE = 2e-5
"""[-] Error estimate above which a float32 solve gets float64 residuals."""

REFINEMENTS = 4
"""[-] At most; each leaves some 1e-3 of the error."""


@register_record
@dataclass(frozen=True)
class Sources:
    """All that can drive an array; None is zero. The last axis tells drives apart."""

    drive: Float[Array, "rows drives"]
    """[V] Behind the row drivers."""

    foot: Float[Array, "cols drives"] | None = None
    """[V] Behind the sense resistors."""

    into_foot: Float[Array, "cols drives"] | None = None
    """[A] Into the feet of the bit lines."""

    into_sl: Float[Array, "rows cols drives"] | None = None
    """[A] Into the source-line nodes."""

    into_bl: Float[Array, "rows cols drives"] | None = None
    """[A] Into the bit-line nodes."""


@register_record
@dataclass(frozen=True)
class Answer:
    """What an array does, and how well that is known."""

    v_foot: Float[Array, "cols drives"]
    """[V] At the feet."""

    i_foot: Float[Array, "cols drives"]
    """[A] From the feet to the sources behind the sense resistors."""

    i_driver: Float[Array, "rows drives"]
    """[A] From the rows into their drivers."""

    v_sl: Float[Array, "rows cols drives"] | None
    """[V] Source-line nodes."""

    v_bl: Float[Array, "rows cols drives"] | None
    """[V] Bit-line nodes."""

    residual: Float[Array, " drives"]
    """[A] Largest current that does not add up at any node."""

    error: Float[Array, " drives"]
    """[-] Estimate of the relative error: the residual as a share of the largest cell
    current, over the smallest eigenvalue seen."""

    iterations: Int[Array, " drives"]
    """[-] Sweeps of conjugate gradients."""

    status: Int[Array, " drives"]
    """CONVERGED, ROUNDING, ITERATIONS or NOT_SOLVED."""


def solve_linear(
    conductance: Float[Array, "rows cols"],
    array: ArrayParams,
    sources: Sources,
    tolerance: Float[Array, ""],
    nodes: bool,
) -> Answer:
    """Solve an array for all sources at once, to `tolerance` of their largest effect.

    Differentiable, again and again, in conductances, resistances and sources
    (reverse mode). `nodes`: whether the answer holds the node voltages.
    """
    return _linear(conductance, array, sources, tolerance, nodes)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _linear(conductance, array, sources, tolerance, nodes) -> Any:
    answer = _solve(conductance, array, sources, tolerance)
    return answer if nodes else replace(answer, v_sl=None, v_bl=None)


def _forward(conductance, array, sources, tolerance, nodes):
    # Itself differentiable, for derivatives of gradients.
    answer = solve_linear(conductance, array, sources, tolerance, True)
    told = answer if nodes else replace(answer, v_sl=None, v_bl=None)
    return told, (conductance, array, sources, tolerance, answer)


def _backward(nodes, kept, slope):
    answer: Any  # None among its fields is not left here.
    g, array, sources, tolerance, answer = kept
    adjoint_sources = Sources(
        drive=slope.i_driver,
        foot=slope.i_foot,
        into_foot=slope.v_foot,
        into_sl=slope.v_sl,
        into_bl=slope.v_bl,
    )
    adjoint: Any = solve_linear(g, array, adjoint_sources, tolerance, True)
    cells = [a.v_sl - a.v_bl for a in (answer, adjoint)]
    both = zip(cells, (sources, adjoint_sources), strict=True)

    def in_wires(cell, source):
        into_sl, into_bl = -g[:, :, None] * cell, g[:, :, None] * cell
        if source.into_sl is not None:
            into_sl = into_sl + source.into_sl
        if source.into_bl is not None:
            into_bl = into_bl + source.into_bl
        return line_currents(into_sl, **SL), line_currents(into_bl, **BL)

    (sl, bl), (sl_adjoint, bl_adjoint) = (in_wires(*x) for x in both)
    by_array = ArrayParams(
        r_wire_sl=(sl * sl_adjoint).sum(),
        r_wire_bl=(bl * bl_adjoint).sum(),
        r_driver=(answer.i_driver * adjoint.i_driver).sum(),
        r_sense=(answer.i_foot * adjoint.i_foot).sum(),
    )
    of_sources = Sources(
        drive=adjoint.i_driver,
        foot=adjoint.i_foot,
        into_foot=adjoint.v_foot,
        into_sl=adjoint.v_sl,
        into_bl=adjoint.v_bl,
    )
    by_sources = jax.tree.map(
        lambda has, x: None if has is None else x,
        sources,
        of_sources,
        is_leaf=lambda x: x is None,
    )
    return -(cells[0] * cells[1]).sum(2), by_array, by_sources, 0 * tolerance


_linear.defvjp(_forward, _backward)


def _solve(conductance, array, sources, tolerance):
    """Normalise, solve, and scale back: no square of a small current underflows."""
    dtype = conductance.dtype
    g_max = conductance.max()
    unit_s = jnp.where(g_max > 0, g_max, 1)
    g = conductance / unit_s
    array = jax.tree.map(lambda r: r.astype(dtype) * unit_s, array)
    amperes = (sources.into_foot, sources.into_sl, sources.into_bl)
    volts = (sources.drive, sources.foot)
    sizes = [_largest_of_drives(x) for x in volts if x is not None]
    sizes += [_largest_of_drives(x) / unit_s for x in amperes if x is not None]
    size = jnp.stack(sizes).max(0)
    unit_v = jnp.where(size > 0, size, 1)
    sources = Sources(
        sources.drive / unit_v,
        None if sources.foot is None else sources.foot / unit_v,
        *(None if x is None else x / (unit_v * unit_s) for x in amperes),
    )
    out: Any = _solve_normalised(g, array, sources, tolerance)
    finite = jnp.isfinite(out.error) & jnp.isfinite(size) & jnp.isfinite(g_max)
    # Traced, so not refused before; with it the nodes' matrix is not positive definite.
    solved = finite & (g >= 0).all()
    return Answer(
        v_foot=out.v_foot * unit_v,
        i_foot=out.i_foot * (unit_v * unit_s),
        i_driver=out.i_driver * (unit_v * unit_s),
        v_sl=out.v_sl * unit_v,
        v_bl=out.v_bl * unit_v,
        residual=out.residual * (unit_v * unit_s),
        error=out.error,
        iterations=out.iterations,
        status=jnp.where(solved, out.status, NOT_SOLVED),
    )


def _largest_of_drives(x):
    return jnp.abs(x).max(tuple(range(x.ndim - 1)))


def _solve_normalised(g, array, sources, tolerance):
    dtype = g.dtype
    circuit = _circuit(g, array)
    # Without sources on the bit lines' side they start at rest.
    rest, on_bl = None, (sources.into_bl, sources.foot, sources.into_foot)
    if any(x is not None for x in on_bl):
        into = jnp.zeros((*g.shape, sources.drive.shape[1]), dtype)
        rest = circuit.down(into, sources)[0]
    residual = circuit.through_cells(rest, sources)
    scale = _largest_of_drives(residual)
    limit = REFINE_ABOVE if dtype == np.float32 else 0.0
    # Half: the residual that the iteration keeps is not quite the sweep's.
    goal = jnp.maximum(tolerance.astype(dtype), limit / 10) / 2
    v, low, iterations, gave_up = _conjugate_gradients(circuit, residual, goal * scale)
    out, j = _sweep(circuit, v if rest is None else rest + v, sources)
    error = share_of(out.residual, scale * low)
    out = replace(out, error=error, iterations=iterations)
    if dtype == np.float32:
        # Where many sweeps add up, so do their roundings: then residuals in float64.
        refine = partial(_refine, circuit, g, array, sources, low, scale)
        limit = jnp.maximum(tolerance.astype(dtype), limit)
        out = jax.lax.cond((out.error > limit).any(), refine, lambda x: x, out)
    status = jnp.where(gave_up, ITERATIONS, ROUNDING).astype(jnp.int32)
    status = jnp.where(out.error <= tolerance, CONVERGED, status)
    return replace(out, status=status)


@dataclass(frozen=True)
class _Circuit:
    g: Float[Array, "rows cols 1"]
    sl: Lines
    bl: Lines

    def across(self, v_bl, sources):
        """Source lines for given bit lines (None: at rest)."""
        if v_bl is None:
            shape = (*self.g.shape[:2], sources.drive.shape[1])
            into = jnp.zeros(shape, self.g.dtype)
        else:
            into = self.g * v_bl
        if sources.into_sl is not None:
            into = into + sources.into_sl
        return self.sl.solve(into, sources.drive)

    def down(self, j, sources):
        """Bit lines for given cell currents."""
        if sources.into_bl is not None:
            j = j + sources.into_bl
        return self.bl.solve(j, sources.foot, sources.into_foot)

    def through_cells(self, v_bl, sources):
        return self.g * self.across(v_bl, sources)[0]

    def product(self, q):
        """Part of the cell currents that bit lines at q get back of their own."""
        return self.g * self.sl.solve(self.g * q)[0]


def _circuit(g, array):
    return _Circuit(
        g[:, :, None],
        lines_of(g, array.r_wire_sl, array.r_driver, **SL),
        lines_of(g, array.r_wire_bl, array.r_sense, **BL),
    )


def _sweep(circuit, v, sources):
    """From bit lines to better ones; what they differ by is the residual."""
    v_sl, _, i_driver = circuit.across(v, sources)
    j = circuit.g * v_sl
    v_bl, v_foot, i_foot = circuit.down(j, sources)
    none = jnp.zeros(v.shape[-1], jnp.int32)
    residual = _largest_of_drives(circuit.g * (v_bl - v))
    answer = Answer(
        v_foot, i_foot, i_driver, v_sl, v_bl, residual, residual, none, none
    )
    return answer, j


def _conjugate_gradients(circuit, residual, goal):
    """Bit-line volts that currents `residual` make once the sweep repeats them.

    Each drive stops when no current is off by more than `goal` times the smallest
    eigenvalue seen. Returns volts, that eigenvalue, iterations, and who did not stop.
    """
    g = circuit.g
    most = 4 * (g.shape[0] + g.shape[1]) + 100

    def dot(a, b):
        return (a * b).sum((0, 1))

    def over(a, b):
        return jnp.where(b > 0, a / jnp.where(b > 0, b, 1), 0)

    def runs(s):
        return s["size"] > goal * s["low"]

    def body(s):
        live = runs(s)
        y = circuit.bl.solve(s["r"])[0]
        rho = dot(s["r"], y)
        beta = over(rho, s["rho"])
        p, q = s["r"] + beta * s["p"], y + beta * s["q"]
        w = p - circuit.product(q)
        curvature = dot(q, w)
        live = live & (curvature > 0)
        alpha = jnp.where(live, over(rho, curvature), 0)
        r = s["r"] - alpha * w
        low = jnp.minimum(s["low"], over(curvature, dot(q, p)))
        return {
            "steps": s["steps"] + 1,
            "iterations": s["iterations"] + live,
            "r": r,
            "p": p,
            "q": q,
            "v": s["v"] + alpha * q,
            "rho": rho,
            # Nothing is left to gain where the curvature is lost in rounding.
            "size": jnp.where(live, _largest_of_drives(r), 0),
            "low": jnp.where(live, low, s["low"]),
        }

    size = _largest_of_drives(residual)
    zero = jnp.zeros_like(residual)
    start = {
        "steps": jnp.zeros((), jnp.int32),
        "iterations": jnp.zeros(size.shape, jnp.int32),
        "r": residual,
        "p": zero,
        "q": zero,
        "v": zero,
        "rho": jnp.zeros_like(size),
        "size": size,
        "low": jnp.ones_like(size),
    }
    s = jax.lax.while_loop(lambda s: (s["steps"] < most) & runs(s).any(), body, start)
    return s["v"], s["low"], s["iterations"], runs(s)


def _refine(circuit, g, array, sources, low, scale, out):
    """Iterative refinement: residuals in float64, corrections in float32.

    The switch to x64 is local; float64 exists for XLA whatever the caller's mode.
    """
    with jax.enable_x64(True):

        def double(x):
            return jax.tree.map(lambda x: jax.lax.convert_element_type(x, "float64"), x)

        exact, sources = _circuit(double(g), double(array)), double(sources)
        bound = double(scale * low)

        def body(s):
            count, out, j = s
            left = exact.through_cells(out.v_bl, sources) - j
            size = _largest_of_drives(left)
            unit = jnp.where(size > 0, size, 1)
            goal = jnp.where(size > 0, 1e-3, 2.0) * jnp.ones_like(size)
            more, _, iterations, _ = _conjugate_gradients(
                circuit,
                jax.lax.convert_element_type(left / unit, "float32"),
                jax.lax.convert_element_type(goal, "float32"),
            )
            better, j = _sweep(exact, out.v_bl + unit * double(more), sources)
            error = share_of(better.residual, bound)
            return (
                count + 1,
                replace(better, error=error, iterations=out.iterations + iterations),
                j,
            )

        start, j = _sweep(exact, double(out.v_bl), sources)
        error = share_of(start.residual, bound)
        start = replace(start, error=error, iterations=out.iterations)
        _, better, _ = jax.lax.while_loop(
            lambda s: (s[0] < REFINEMENTS) & (s[1].error > 1e-7).any(),
            body,
            (jnp.zeros((), jnp.int32), start, j),
        )
    return jax.tree.map(
        lambda x, like: jax.lax.convert_element_type(x, like.dtype), better, out
    )
