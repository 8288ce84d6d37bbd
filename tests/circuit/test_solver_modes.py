"""Batches, maps and derivatives of the solvers in float32 and in float64 mode."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import solve_crossbar, transfer_matrix
from tests.helpers import uneven_cells

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)


@pytest.mark.slow  # a dozen programs in each mode
@pytest.mark.parametrize("x64", [False, True])
def test_batches_and_gradients_in_both_modes(x64):
    """In float32 mode the refinement's float64 must not meet what maps around it."""
    rows, cols = 3, 2
    cells = np.stack([uneven_cells(k, rows, cols) for k in range(2)])
    with jax.enable_x64(x64):
        u, g, wires = jnp.linspace(0.2, -0.1, rows), jnp.asarray(cells, float), UNEVEN
        params = jax.tree.map(lambda r: jnp.stack([r, 9 * r]), array_params(wires))
        exact = partial(solve_crossbar, tolerance=1e-9)
        close = partial(np.testing.assert_allclose, rtol=1e-9 if x64 else 1e-5)

        @jax.jit
        def one(g, wires):
            return exact(u, g, wires).voltage

        def square(g):
            return (one(g, array_params(UNEVEN)) ** 2).sum()

        single = [one(g[0], array_params(wires)), one(g[1], array_params(wires))]
        close(exact(u, g, wires).voltage, single)
        close(jax.vmap(one, (0, None))(g, array_params(wires)), single)
        swept = jax.vmap(one, (None, 0))(g[0], params)
        close(swept[0], single[0])
        close(swept[1], one(g[0], jax.tree.map(lambda r: r[1], params)))
        matrices = jax.vmap(lambda g: transfer_matrix(g, wires, tolerance=1e-9))(g)
        close(u @ matrices, single)
        slopes = [jax.grad(square)(x) for x in g]
        close(jax.vmap(jax.grad(square))(g), slopes)


@pytest.mark.slow
def test_second_derivatives_in_float32_mode():
    """In float64 they are tested against a dense matrix, above."""
    g = jnp.asarray(uneven_cells(0, 3, 2), jnp.float32)
    u = jnp.linspace(0.2, -0.1, 3, dtype=jnp.float32)
    with jax.enable_x64(False):

        def square(g):
            return (solve_crossbar(u, g, UNEVEN, tolerance=1e-9).voltage ** 2).sum()

        bend = jax.jit(jax.jacrev(jax.grad(square)))(g)
        # The change of the gradient along g; of its digits 1e-2 is left in a
        # difference over 1e-2 of g, whose truncation is 1e-4.
        step = 1e-2 * g
        above, below = (jax.grad(square)(g + k * step) for k in (1, -1))
        expected = (above - below) / 2
        atol = 1e-2 * float(abs(expected).max())
        np.testing.assert_allclose(jnp.tensordot(bend, step, 2), expected, atol=atol)
