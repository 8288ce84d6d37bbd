import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.model import to_counts
from rram_jax.qnn.quantize import OFF_BELOW, activation, binary, ternary


def _slope(fn, x):
    return jax.vmap(jax.grad(fn))(jnp.asarray(x))


def test_binary():
    x = [-1.5, -0.3, -1e-30, 0.0, 0.2, 1.1]
    np.testing.assert_array_equal(binary(jnp.asarray(x)), [-1, -1, -1, 1, 1, 1])
    np.testing.assert_array_equal(_slope(binary, x), [0, 1, 1, 1, 1, 0])


def test_ternary():
    edge = np.float32(OFF_BELOW)
    below = np.nextafter(edge, np.float32(0))
    x = [-1.5, -edge, -below, 0.0, below, edge, 0.6, 1.1]
    np.testing.assert_array_equal(ternary(jnp.asarray(x)), [-1, -1, 0, 0, 0, 1, 1, 1])
    # Off pairs keep their slope, or they would never come back.
    np.testing.assert_array_equal(_slope(ternary, x), [0, 1, 1, 1, 1, 1, 1, 0])


def test_activation():
    x = [-3.0, 0.25, 0.5, 0.75, 7.5, 7.51, 14.5, 14.6, 15.2, 400.0]
    codes = [0, 0, 0, 1, 7, 8, 14, 15, 15, 15]
    np.testing.assert_array_equal(activation(jnp.asarray(x)), codes)
    np.testing.assert_array_equal(_slope(activation, x), [0] + [1] * 7 + [0, 0])


def test_activation_is_the_neurons_count():
    neuron = NeuronConfig(v_full=8e-3)
    # Halves of halves, so that every step is hit from both sides and on it.
    x = jnp.arange(-2.0, 18.0, 0.125)
    np.testing.assert_array_equal(activation(x), to_counts(x, neuron))
    inside = x[(x != 0.0) & (x != 15.0)]  # at the limits a slope is a convention
    np.testing.assert_array_equal(
        _slope(activation, inside), _slope(lambda p: to_counts(p, neuron), inside)
    )


@pytest.mark.parametrize("fn", [binary, ternary, activation])
def test_values_are_exact_under_jit(fn):
    x = jax.random.normal(jax.random.key(0), (1000,)) * 3
    values = np.asarray(jax.jit(fn)(x))
    np.testing.assert_array_equal(values, fn(x))
    np.testing.assert_array_equal(values, np.round(values))
