"""Numerical helpers without circuit words."""

import jax
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
