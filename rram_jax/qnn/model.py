"""The network in training form (flax nnx)."""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from rram_jax.chip.config import TRIM_CODES, NetworkConfig
from rram_jax.chip.surrogate import with_constants
from rram_jax.circuit.encode import SLOTS
from rram_jax.qnn.quantize import activation, binary, ternary
from rram_jax.qnn.spread import Spread, spread_variance
from rram_jax.types import Array, Float, Key

INITIAL_RANGE = 0.25
"""[-] Latent weights start uniform in this range: small enough to change sign."""


class SignedDense(nnx.Module):
    """Signed pairs on bit lines: `sum (G+ - G-) x / sum (G+ + G-)`, in weights.

    The pre-activation is scaled so that nominal binary pairs give the weighted sum
    z = sum w x (activations x in 0..1); off pairs lighten their column's load, which
    `load` keeps.
    """

    def __init__(self, config: NetworkConfig, index: int, *, rngs: nnx.Rngs):
        pairs, columns = config.weight_shapes[index][0], config.columns[index]
        n_trim = len(TRIM_CODES) if config.trim else 0
        shape = (pairs - n_trim, config.weight_shapes[index][1])
        latent = jax.random.uniform(rngs.params(), shape, jnp.float32, -1, 1)
        self.latent = nnx.Param(INITIAL_RANGE * latent)
        # 3 standard deviations of a random sum of as many half-driven inputs.
        guess = 0.75 * math.sqrt(pairs * columns)
        self.log_z_full = nnx.Param(jnp.asarray(math.log(guess), jnp.float32))
        self.columns, self.is_ternary = columns, config.ternary
        self.n_bias, self.n_trim = config.n_bias, n_trim
        self.constant_codes = config.constant_codes

    def weights(self) -> Float[Array, "pairs cols"]:
        """-1, 0, 1 with straight-through gradients; bias pairs may always be off.

        Trim pairs are off: each chip has its own, once it is tested.
        """
        latent = self.latent[...]
        first_bias = 0 if self.is_ternary else len(latent) - self.n_bias
        parts = [binary(latent[:first_bias]), ternary(latent[first_bias:])]
        trim = jnp.zeros((self.n_trim, latent.shape[1]), latent.dtype)
        return jnp.concatenate([*parts, trim])

    def __call__(
        self, codes: Float[Array, "batch inputs"], spread: Spread, key: Key | None
    ) -> Float[Array, "batch outputs"]:
        """Weighted sums z of input codes 0..15; `key` None leaves the spread out."""
        codes = with_constants(codes, self.constant_codes)
        weights = self.weights()

        def outputs(x):
            return x.reshape(*x.shape[:-1], -1, self.columns).sum(-1)

        z = outputs(codes @ weights) / SLOTS
        off = outputs((1 - jnp.abs(weights)).sum(0)) / (self.columns * len(weights))
        z = z / spread.load(jax.lax.stop_gradient(off))
        if key is not None:
            energy = self.columns * jnp.square(codes / SLOTS).sum(-1, keepdims=True)
            pairs = self.columns * len(weights)
            variance = spread_variance(z, energy, pairs, spread)
            noise = jax.random.normal(key, z.shape, z.dtype)
            z = z + jnp.sqrt(variance) * noise
        return z

    def z_full(self) -> Float[Array, ""]:
        """Weighted sum at which the code is 15."""
        return jnp.exp(self.log_z_full[...])


class Mlp(nnx.Module):
    """Binary or ternary weights, 4-bit activations, one scale a layer."""

    def __init__(self, config: NetworkConfig, *, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [SignedDense(config, k, rngs=rngs) for k in range(len(config.sizes) - 1)]
        )

    def __call__(
        self,
        codes: Float[Array, "batch inputs"],
        spread: Spread,
        key: Key | None = None,
    ) -> Float[Array, "batch outputs"]:
        """Logits: the output's weighted sums over its softmax scale."""
        z, last = codes, len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            layer_key = None if key is None else jax.random.fold_in(key, k)
            z = layer(codes, spread, layer_key)
            if k < last:
                codes = activation(SLOTS * z / layer.z_full())
        return LOGIT_RANGE * z / self.layers[-1].z_full()


LOGIT_RANGE = 4.0
"""[-] Logits at the softmax scale: the output's z_full is learned against this."""
