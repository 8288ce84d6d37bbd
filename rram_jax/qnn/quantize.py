"""Quantisers of weights and activations, each with its straight-through gradient."""

import jax.numpy as jnp

from rram_jax.numerics import straight_through
from rram_jax.types import Array, Float

OFF_BELOW = 0.1
"""[-] Ternary: a latent weight nearer to zero than this is an off pair."""


def binary(latent: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """+1 or -1, with the gradient of the latent weight clipped to [-1, 1].

    References:
        Hubara et al., "Binarized neural networks", NeurIPS 2016, arXiv:1602.02830.
    """
    return straight_through(jnp.where(latent >= 0, 1.0, -1.0), jnp.clip(latent, -1, 1))


def ternary(latent: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """+1, -1, or 0 below `OFF_BELOW`, with the gradient of the clipped latent weight.

    References:
        Li, Zhang, Liu, "Ternary weight networks", 2016, arXiv:1605.04711 (a fixed
        threshold here, in units of the latent range).
    """
    hard = jnp.sign(latent) * (jnp.abs(latent) >= OFF_BELOW)
    return straight_through(hard, jnp.clip(latent, -1, 1))


def activation(position: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A position in slots rounded to a code 0..15: the neuron's clipped ReLU."""
    soft = jnp.clip(position, 0, 15)
    return straight_through(jnp.ceil(soft - 0.5), soft)
