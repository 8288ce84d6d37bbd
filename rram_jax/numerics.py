"""Numerical helpers without circuit words."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
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
            pivot = jax.lax.dynamic_slice_in_dim(both, k, 1, 0)
            pivot = pivot / jax.lax.dynamic_slice_in_dim(pivot, k, 1, 1)
            column = jax.lax.dynamic_slice_in_dim(both, k, 1, 1)
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
        x = jax.lax.dynamic_index_in_dim(out, k, axis, keepdims=False)
        c = jax.lax.dynamic_index_in_dim(coefficients, k, axis, keepdims=False)
        y = step(y, x, c)
        return y, jax.lax.dynamic_update_index_in_dim(out, y, k, axis)

    return jax.lax.fori_loop(0, last + 1, body, (start, values))[1]
