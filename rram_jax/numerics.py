"""Numerical helpers without circuit words."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rram_jax.types import Array


def straight_through(
    hard: Float[Array, "*shape"], soft: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return ``hard`` in the forward pass with the gradient of ``soft``.

    The one home of the straight-through estimator.

    References:
        Bengio, Leonard, Courville, "Estimating or propagating gradients through
        stochastic neurons for conditional computation", 2013, arXiv:1308.3432.
    """
    # In this order the forward value is `hard` to the last bit.
    return jax.lax.stop_gradient(hard) + (soft - jax.lax.stop_gradient(soft))


def in_x64(fn: Callable) -> Callable:
    """Let a function of arrays of one dtype compute in float64, in float32 mode too.

    It gives back one array, or several, in the arguments' dtype. Under `jax.vmap`, and
    in reverse-mode derivatives of any order, it is again such a function: jax's own
    rules would treat its float64 in the mode of who asks.
    """

    def cast(tree, dtype):
        return jax.tree.map(lambda x: jax.lax.convert_element_type(x, dtype), tree)

    @jax.custom_batching.custom_vmap
    def mapped(*args):
        with jax.enable_x64(True):
            return cast(fn(*cast(args, "float64")), jax.tree.leaves(args)[0].dtype)

    @mapped.def_vmap
    def _map(_, is_mapped, *args):
        axes = tuple(jax.tree.map(lambda x: 0 if x else None, is_mapped))
        out = in_x64(jax.vmap(fn, axes))(*args)
        return out, jax.tree.map(lambda _: True, out)

    @jax.custom_vjp
    def call(*args):
        return mapped(*args)

    def pull_back(args, slope):
        def pull(slope, *args):
            return jax.vjp(fn, *args)[1](slope)

        return in_x64(pull)(slope, *args)

    call.defvjp(lambda *args: (call(*args), args), pull_back)
    return call


def share_of(part: Float[Array, "*n"], whole: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """A quotient in which nothing is no share, of nothing either."""
    return jnp.where(part == 0, 0, part / jnp.where(part == 0, 1, whole))


def solve_unpivoted(
    matrix: Float[Array, "n n"], right: Float[Array, "n k"]
) -> Float[Array, "n k"]:
    """Solve a small linear system by Gauss-Jordan elimination without pivoting.

    Right for matrices all of whose leading minors are positive: symmetric positive
    definite ones, and those times a positive diagonal. Plain array operations, which
    `vmap` turns into whole-batch ones: on two cores 1.4 to 4 times faster than
    batches of `jnp.linalg.solve`, whose calls into LAPACK also wait for each other's
    threads on a busy machine (`experiments/benchmarks/small_systems.py`). The gradient
    is implicit, one more solve with the transpose.
    """

    def eliminate(matrix, right):
        n = len(matrix)
        row_number = jnp.arange(n)[:, None]

        def step(k, both):
            pivot = _slice(both, k, 0)
            pivot = pivot / _slice(pivot, k, 1)
            column = _slice(both, k, 1)
            return jnp.where(row_number == k, pivot, both - column * pivot)

        both = jnp.concatenate([matrix, right], 1)
        return jax.lax.fori_loop(0, n, step, both)[:, n:]

    return jax.lax.custom_linear_solve(
        lambda x: matrix @ x,
        right,
        solve=lambda _, b: eliminate(matrix, b),
        transpose_solve=lambda _, b: eliminate(matrix.T, b),
    )


def walk(
    step: Callable,
    start: Float[Array, "..."],
    values: Float[Array, "..."],
    coefficients: Float[Array, "..."],
    *,
    axis: int,
    reverse: bool = False,
) -> Float[Array, "..."]:
    """A recurrence along one axis, y[k] = step(y[k-1], x[k], c[k]), in place of x.

    `lax.scan` would bring the axis to the front and copy: on two cores 1.2 to 10 times
    slower, and unrolling makes either slower still. A carry other than y would make
    XLA copy all of x in every step.
    """
    last = values.shape[axis] - 1

    def body(i, state):
        y, out = state
        k = last - i if reverse else i
        x, c = (_slice(a, k, axis).squeeze(axis) for a in (out, coefficients))
        y = step(y, x, c)
        new, corner = jnp.expand_dims(y, axis), _corner(out, k, axis)
        return y, jax.lax.dynamic_update_slice(out, new, corner)

    return jax.lax.fori_loop(0, last + 1, body, (start, values))[1]


def _slice(x, k, axis):
    sizes = [1 if a == axis else n for a, n in enumerate(x.shape)]
    return jax.lax.dynamic_slice(x, _corner(x, k, axis), sizes)


def _corner(x, k, axis):
    """Where slice k along an axis starts, in int32.

    A program for x64 inside one in float32 mode is traced in one mode and mapped in
    the other, where jax's rules stumble over the int64 of its own loop counters.
    """
    k = jax.lax.convert_element_type(k, np.int32)
    return [k if a == axis else np.int32(0) for a in range(x.ndim)]
