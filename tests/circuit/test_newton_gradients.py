import dataclasses
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import solve_crossbar
from tests.circuit.cells import (
    DRIVE,
    node_equations,
    rram_cells,
    sinh_cells,
)

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)
FLOATING = dataclasses.replace(UNEVEN, r_sense=math.inf)

_solve = partial(solve_crossbar, nodes=True)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def score(voltage, v_bl):
    """A number that hangs on everything."""
    weight = jnp.cos(jnp.arange(voltage.size)).reshape(voltage.shape)
    return (weight * voltage).sum() + v_bl[0, 0] ** 2


@jax.jit
@partial(jax.value_and_grad, has_aux=True)
def value_and_slopes(problem):
    out = _solve(*problem, tolerance=1e-13)
    return score(out.voltage, out.v_bl), out


def dense_score(drive, law, wires):
    """Newton on the dense node equations, to be differentiated step by step."""

    def step(nodes, _):
        def off(v):
            return node_equations(v, drive, law, wires, jnp)

        return nodes - jnp.linalg.solve(jax.jacfwd(off)(nodes), off(nodes)), None

    nodes = jax.lax.scan(step, jnp.zeros(39), None, length=12)[0]
    return score(nodes[36:], nodes[24:36].reshape(4, 3))


@pytest.mark.parametrize("array", [UNEVEN, FLOATING])
def test_gradients(array):
    """In drive, wires, states, gate, v_cm and the card's numbers, one by one.

    The dense reference is exact to the condition of its matrix; the difference's error
    is 1e-11 by truncation and 1e-16 / 3e-6 by rounding, over the share of a number.
    """
    problem = (jnp.asarray(DRIVE[1]), rram_cells(1, 4, 3), array_params(array))
    (value, _), got = value_and_slopes(problem)
    dense, expected = jax.jit(jax.value_and_grad(lambda p: dense_score(*p)))(problem)
    np.testing.assert_allclose(value, dense, rtol=1e-10)
    flat, back = jax.tree.flatten(problem)
    rng, moved = np.random.default_rng(0), 0
    leaves = zip(flat, jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    for k, (a, slope, exact) in enumerate(leaves):
        if jnp.isinf(a).any():  # the sense resistance of feet that float
            assert slope == exact == 0
            continue
        scale = float(abs(a * exact).max())
        np.testing.assert_allclose(
            a * slope, a * exact, rtol=1e-9, atol=1e-9 * scale + 1e-16
        )
        if scale < 1e-7:
            continue  # a number that the law does not use
        moved += 1
        way = 3e-6 * a * jnp.asarray(rng.standard_normal(a.shape))
        above, below = (
            value_and_slopes(back.unflatten([*flat[:k], b, *flat[k + 1 :]]))[0][0]
            for b in (a + way, a - way)
        )
        np.testing.assert_allclose(
            2 * jnp.vdot(slope, way), above - below, rtol=1e-6, atol=1e-16
        )
    # The drive, x, s, gate, v_cm, the wires and 9 of the card's numbers.
    assert moved == 5 + sum(map(math.isfinite, jax.tree.leaves(problem[2]))) + 9


def test_corners_are_finite():
    law, wires, drive = rram_cells(1, 4, 3), array_params(FLOATING), DRIVE[1]
    low, high = 0 * law.x, 0 * law.x + 3e-9
    for u, x in ((0 * drive, law.x), (drive, low), (drive, high), (0 * drive, low)):
        problem = (jnp.asarray(u), dataclasses.replace(law, x=x), wires)
        (value, out), slopes = value_and_slopes(problem)
        assert out.result == "converged"
        for leaf in jax.tree.leaves((value, out, slopes)):
            assert bool(jnp.isfinite(leaf).all())
        if not u.any():
            np.testing.assert_array_equal(out.v_bl, 0.0)
    # All rows alike: nothing flows, and no voltage is lost.
    (_, out), _ = value_and_slopes((jnp.asarray(4 * [0.2]), law, wires))
    assert out.result == "converged"
    np.testing.assert_allclose(out.voltage, 0.2, rtol=1e-12)


def test_second_derivatives():
    law, wires = sinh_cells(), array_params(UNEVEN)
    flat, back = ravel_pytree((law, wires, jnp.asarray(DRIVE[1])))
    way = jnp.asarray(np.random.default_rng(4).standard_normal(flat.shape))

    def of(log):
        law, wires, drive = back(flat * jnp.exp(log))
        out = _solve(drive, law, wires, tolerance=1e-13)
        return score(out.voltage, out.v_bl)

    bend = jax.jit(lambda z: jax.jvp(jax.grad(of), (z,), (way,)))
    below, (_, bent), above = (bend(step * way) for step in (-1e-5, 0.0, 1e-5))
    np.testing.assert_allclose(bent, (above[0] - below[0]) / 2e-5, rtol=1e-6, atol=1e-9)


def test_what_the_gradient_keeps_does_not_grow_with_the_steps():
    law, kept = sinh_cells(), []
    for drive, steps in ((DRIVE[0], 3), (DRIVE[1], 5)):

        def of(u, law):
            out = _solve(u, law, UNEVEN)
            return out.voltage, out

        _, pull, out = jax.vjp(of, jnp.asarray(drive), law, has_aux=True)
        assert out.iterations == steps
        kept.append(sum(a.nbytes for a in jax.tree.leaves(pull)))
    # Three matrices (cols, cols) a row, and some numbers a cell.
    assert kept[0] == kept[1] < 8 * (3 * 4 * 3 * 3 + 40 * 4 * 3)
