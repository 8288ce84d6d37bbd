import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.numerics import straight_through


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
