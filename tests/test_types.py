from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.types import Array, Float, Int, register_record


@register_record
@dataclass(frozen=True)
class Pair:
    first: Float[Array, " n"]
    second: Int[Array, ""]


PAIR = Pair(jnp.asarray([1.5, -2.0, 4.0]), jnp.asarray(3))


def test_leaves_come_back_under_their_own_names():
    leaves, treedef = jax.tree.flatten(PAIR)
    back = jax.tree.unflatten(treedef, leaves)
    assert isinstance(back, Pair)
    np.testing.assert_array_equal(back.first, PAIR.first)
    assert int(back.second) == 3
    paths = [jax.tree_util.keystr(p) for p, _ in jax.tree.leaves_with_path(PAIR)]
    assert paths == [".first", ".second"]


@pytest.mark.parametrize("leaf", [None, True, jax.ShapeDtypeStruct((2,), float)])
def test_leaves_that_are_no_arrays_pass(leaf):
    # Masks, axes and shapes: the check of the fields' types must not run here.
    back = jax.tree.map(lambda _: leaf, PAIR)
    assert isinstance(back, Pair)
    assert back.first is leaf


def test_jit_vmap_and_tangents_of_integers():
    doubled = jax.jit(lambda p: Pair(2 * p.first, p.second + 1))(PAIR)
    np.testing.assert_array_equal(doubled.first, [3.0, -4.0, 8.0])
    many = jax.tree.map(lambda x: jnp.stack([x, 2 * x]), PAIR)
    axes = jax.tree.map(lambda _: 0, PAIR)
    summed = jax.vmap(lambda p: p.first.sum() * p.second, (axes,))(many)
    np.testing.assert_array_equal(summed, [3.5 * 3, 7.0 * 6])
    slope = jax.grad(lambda p: (p.first**2).sum() * p.second, allow_int=True)(PAIR)
    np.testing.assert_array_equal(slope.first, 2 * 3 * PAIR.first)
    assert slope.second.dtype == jax.dtypes.float0
