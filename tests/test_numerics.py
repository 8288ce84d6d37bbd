import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.numerics import straight_through, walk


def test_value_is_the_hard_one_to_the_last_bit():
    # soft + (hard - soft) would lose all of `hard` beside a soft value of 1e8.
    hard, soft = jnp.asarray([0.1, -3.0, 7.0]), jnp.asarray([1e8, 2.0, jnp.pi])
    np.testing.assert_array_equal(straight_through(hard, soft), hard)
    np.testing.assert_array_equal(jax.jit(straight_through)(hard, soft), hard)


def test_slope_is_the_soft_one():
    def of(x):
        # Both depend on x: what `hard` says of a slope must not come through.
        return (straight_through(jnp.round(x) + 5 * x, x**3)).sum()

    x = jnp.asarray([0.5, -1.2, 2.0])
    np.testing.assert_allclose(jax.grad(of)(x), 3 * x**2, rtol=1e-6)  # float32


def test_walk_is_the_loop_along_either_axis():
    x = np.arange(24.0).reshape(2, 3, 4).astype(np.float32)
    c = np.asarray([[0.5, 2.0, 1.0], [0.25, 3.0, 0.0]], np.float32)

    def step(y, x, c):
        return x + c[:, None] * y

    for axis in (0, 1):
        for reverse in (False, True):
            y = np.moveaxis(np.zeros_like(x), axis, 0)
            order = range(len(y))[::-1] if reverse else range(len(y))
            before = np.full_like(y[0], 7.0)
            for k in order:
                before = step(before, np.moveaxis(x, axis, 0)[k], c.take(k, axis))
                y[k] = before
            start = jnp.full(y[0].shape, 7.0)
            out = walk(
                step, start, jnp.asarray(x), jnp.asarray(c), axis=axis, reverse=reverse
            )
            # Small whole numbers and halves: exact.
            np.testing.assert_array_equal(out, np.moveaxis(y, 0, axis))
