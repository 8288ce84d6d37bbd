"""The network in training form (flax nnx)."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from rram_jax.chip.config import TRIM_CODES, NetworkConfig
from rram_jax.chip.surrogate import with_constants
from rram_jax.circuit.encode import SLOTS
from rram_jax.circuit.pair import split
from rram_jax.qnn.quantize import activation, binary, ternary
from rram_jax.qnn.spread import Spread, loaded_sums, spread_variance
from rram_jax.qnn.surroundings import Surroundings
from rram_jax.types import Array, Float, Key

INITIAL_RANGE = 0.25
"""[-] Latent weights start uniform in this range: small enough to change sign."""

TRIM_ENERGY = 0.1
"""[-] Sum of the squared activations of trim pairs that the last round of trimming
programs anew: mostly those of codes 4, 2 and 1."""


class SignedDense(nnx.Module):
    """Signed pairs on bit lines: `sum (G+ - G-) x / sum (G+ + G-)`, in weights.

    The pre-activation is scaled so that nominal binary pairs give the weighted sum
    z = sum w x (activations x in 0..1); off pairs lighten their column's load, which
    `load` keeps.
    """

    def __init__(self, config: NetworkConfig, index: int, *, rngs: nnx.Rngs):
        pairs, columns = config.weight_shapes[index][0], config.columns[index]
        n_trim = len(TRIM_CODES) if config.trim else 0
        shape = (pairs - n_trim, config.weight_shapes[index][1] // config.redundancy)
        latent = jax.random.uniform(rngs.params(), shape, jnp.float32, -1, 1)
        self.latent = nnx.Param(INITIAL_RANGE * latent)
        # 3 standard deviations of a random sum of as many half-driven inputs.
        guess = 0.75 * math.sqrt(pairs * columns)
        self.log_z_full = nnx.Param(jnp.asarray(math.log(guess), jnp.float32))
        self.columns, self.is_ternary = columns, config.ternary
        self.is_output = index == len(config.sizes) - 2
        self.n_bias, self.n_trim = config.n_bias, n_trim
        self.redundancy = config.redundancy
        self.constant_codes = config.constant_codes

    def weights(self) -> Float[Array, "pairs cols"]:
        """-1, 0, 1 with straight-through gradients; bias pairs may always be off.

        Trim pairs are off: each chip has its own, once it is tested.
        """
        latent = self.latent[...]
        first_bias = 0 if self.is_ternary else len(latent) - self.n_bias
        parts = [binary(latent[:first_bias]), ternary(latent[first_bias:])]
        trim = jnp.zeros((self.n_trim, latent.shape[1]), latent.dtype)
        return jnp.repeat(jnp.concatenate([*parts, trim]), self.redundancy, axis=1)

    def __call__(
        self,
        codes: Float[Array, "batch inputs"],
        around: Surroundings,
        key: Key | None = None,
        factors: Float[Array, "rows cols"] | None = None,
    ) -> Float[Array, "batch outputs"]:
        """Weighted sums z of input codes 0..15.

        Args:
            codes: Activations.
            around: Cells, wires and neurons.
            key: Makes the noise of spread and neurons, fresh for every example; None
                leaves it out.
            factors: [-] One chip's cells, conductances over their states' means; None
                for the means.
        """
        codes = with_constants(codes, self.constant_codes)
        weights, spread = self.weights(), around.spread
        if factors is None:
            matrix = loaded_sums(weights, self.columns, spread)
        else:
            matrix = sampled_sums(weights, factors, self.columns, spread)
        if around.lines is not None:
            matrix = around.lines.slope * matrix + around.lines.background
        if around.neurons is None:
            z, variance = codes @ matrix / SLOTS, jnp.zeros((), codes.dtype)
        else:
            z_full = None if self.is_output else self.z_full()
            trimmed = self.n_trim > 0
            z, variance = around.neurons.sums(codes, matrix, z_full, trimmed)
        if factors is not None and self.n_trim:
            z = z - self._trimmed_away(codes, matrix, weights, around)
        if key is None:
            return z
        variance = variance + self._variance(z, codes, weights, spread)
        noise = jax.random.normal(key, z.shape, z.dtype)
        return z + jnp.sqrt(variance) * noise

    def _trimmed_away(self, codes, matrix, weights, around: Surroundings):
        """What this chip's cells add to the mean over the batch: no gradient."""
        mean_cells = loaded_sums(weights, self.columns, around.spread)
        if around.lines is not None:
            mean_cells = around.lines.slope * mean_cells + around.lines.background
        mean = codes.mean(0, keepdims=True) / SLOTS
        return jax.lax.stop_gradient(mean @ (matrix - mean_cells))

    def _variance(self, z, codes, weights, spread: Spread):
        """Variance of the weighted sums over programming draws.

        A trimmed chip has lost what its cells' deviations make of the mean image.
        """
        x = codes / SLOTS
        if self.n_trim:
            x = x - jax.lax.stop_gradient(x.mean(0))
            z = z - jax.lax.stop_gradient(z.mean(0))
        squares = x * x
        energy = squares.sum(-1, keepdims=True)
        on, load = 1.0, 1.0
        if self.is_ternary:
            # As if inputs and outputs chose their off pairs independently.
            is_on = jax.lax.stop_gradient(jnp.abs(weights))
            of_output = is_on.mean(0).reshape(-1, self.columns).mean(-1)
            on = squares @ is_on.mean(1, keepdims=True) / jnp.maximum(energy, 1e-6)
            on = jnp.minimum(on * of_output / jnp.maximum(is_on.mean(), 1e-6), 1)
            load = spread.load(1 - of_output)
        if self.n_trim:
            energy = energy + TRIM_ENERGY
        pairs = self.columns * len(weights)
        variance = spread_variance(z, self.columns * energy, pairs, spread, on)
        # z is over its column's load, which off pairs lighten.
        return variance / load**2

    def z_full(self) -> Float[Array, ""]:
        """Weighted sum at which the code is 15."""
        return jnp.exp(self.log_z_full[...])


def sampled_sums(
    weights: Float[Array, "pairs cols"],
    factors: Float[Array, "rows cols"],
    columns: int,
    spread: Spread,
) -> Float[Array, "pairs outputs"]:
    """What `spread.loaded_sums` is for the cells of one chip.

    The gradient of a weight is that of its two conductances, whose factors stay as they
    are when it changes its state.
    """
    h = spread.mean_hrs
    size = jax.lax.stop_gradient(jnp.abs(weights))
    is_lrs = (size + weights) / 2, (size - weights) / 2
    positive, negative = (
        factor * (h + (1 - h) * lrs)
        for factor, lrs in zip(split(factors), is_lrs, strict=True)
    )

    def outputs(x):
        return x.reshape(*x.shape[:-1], -1, columns).sum(-1)

    share = outputs(positive - negative) / outputs((positive + negative).sum(0))
    return share / spread.volts_per_weight(len(weights) * columns)


class Mlp(nnx.Module):
    """Binary or ternary weights, 4-bit activations, one scale a layer."""

    def __init__(self, config: NetworkConfig, *, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [SignedDense(config, k, rngs=rngs) for k in range(len(config.sizes) - 1)]
        )

    def __call__(
        self,
        codes: Float[Array, "batch inputs"],
        around: Sequence[Surroundings],
        key: Key | None = None,
        factors: Sequence[Float[Array, "_rows _cols"]] | None = None,
    ) -> Float[Array, "batch outputs"]:
        """Logits: the output's weighted sums over its softmax scale."""
        z, last = codes, len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            layer_key = None if key is None else jax.random.fold_in(key, k)
            own = None if factors is None else factors[k]
            z = layer(codes, around[k], layer_key, own)
            if k < last:
                codes = activation(SLOTS * z / layer.z_full())
        return LOGIT_RANGE * z / self.layers[-1].z_full()


LOGIT_RANGE = 4.0
"""[-] Logits at the softmax scale: the output's z_full is learned against this."""
