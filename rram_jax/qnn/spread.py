"""Programming spread as noise of the right variance on the pre-activation.

Local reparametrisation: instead of drawing every cell of a layer for every step, draw
the sum. To first order in the cells' deviations the pre-activation is Gaussian with a
variance that only the driven cells, their load and the sum itself enter; a fresh draw
for every example costs one normal number a neuron.

References:
    Kingma, Salimans, Welling, "Variational dropout and the local reparameterization
    trick", NeurIPS 2015, arXiv:1506.02557.
"""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.device.card import DeviceParams
from rram_jax.device.rtn import frozen_rtn, sample_traps
from rram_jax.device.variability import (
    conductance_variance,
    mean_conductance,
    sample_resistance,
)
from rram_jax.types import Array, Float, register_record

RTN_CELLS = 20_000
"""[-] Cells of each state that the variance of RTN is taken from."""


@register_record
@dataclass(frozen=True)
class Spread:
    """Means and variances of a cell's conductance over the mean LRS conductance."""

    mean_hrs: Float[Array, ""]
    """[-] Mean HRS conductance over mean LRS conductance."""

    var_lrs: Float[Array, "*#batch"]
    """[-] Variance of the LRS conductance over its squared mean."""

    var_hrs: Float[Array, "*#batch"]
    """[-] Variance of the HRS conductance over the squared mean of the LRS."""

    rtn_lrs: Float[Array, ""]
    """[-] Variance of an LRS cell's conductance by random telegraph noise, relative."""

    rtn_hrs: Float[Array, ""]
    """[-] The same of an HRS cell."""

    def variances(self) -> tuple[Float[Array, "*#batch"], Float[Array, "*#batch"]]:
        """Of LRS and HRS conductances over the squared mean LRS, RTN included."""
        return (
            self.var_lrs + self.rtn_lrs * (self.var_lrs + 1),
            self.var_hrs + self.rtn_hrs * (self.var_hrs + self.mean_hrs**2),
        )

    def load(self, off: Float[Array, "*outputs"]) -> Float[Array, "*outputs"]:
        """Conductance of a column over that of one without off pairs.

        `off`: share of its pairs that are off (HRS, HRS).
        """
        h = self.mean_hrs
        return 1 - off * (1 - 2 * h / (1 + h))

    def volts_per_weight(self, pairs: int) -> Float[Array, ""]:
        """[V/V] What a weight of 1 takes of the read voltage; `pairs` an output."""
        return (1 - self.mean_hrs) / (1 + self.mean_hrs) / pairs


def spread_of(device: DeviceParams) -> Spread:
    """The spread that a device card's numbers mean for a weighted sum."""
    state = jnp.asarray([True, False])
    mean, var = mean_conductance(state, device), conductance_variance(state, device)
    return Spread(
        mean_hrs=mean[1] / mean[0],
        var_lrs=var[0] / mean[0] ** 2,
        var_hrs=var[1] / mean[0] ** 2,
        rtn_lrs=jnp.zeros_like(mean[0]),
        rtn_hrs=jnp.zeros_like(mean[0]),
    )


def with_rtn(spread: Spread, device: DeviceParams) -> Spread:
    """The spread with that of frozen random telegraph noise, from sampled cells."""
    cell_key, trap_key, state_key = jax.random.split(jax.random.key(0), 3)
    is_lrs = jnp.arange(2 * RTN_CELLS) < RTN_CELLS
    r = sample_resistance(cell_key, is_lrs, device)
    factor = frozen_rtn(state_key, sample_traps(trap_key, r, is_lrs, device))
    share = (1 / factor).reshape(2, RTN_CELLS)
    relative = share.var(1) / share.mean(1) ** 2
    return dataclasses.replace(spread, rtn_lrs=relative[0], rtn_hrs=relative[1])


def loaded_sums(
    weights: Float[Array, "pairs cols"], columns: int, spread: Spread
) -> Float[Array, "pairs outputs"]:
    """Weights summed over the columns of each output, over the load of its off pairs.

    The load passes no gradient on.
    """

    def outputs(x):
        return x.reshape(*x.shape[:-1], -1, columns).sum(-1)

    off = outputs((1 - jnp.abs(weights)).sum(0)) / (columns * len(weights))
    return outputs(weights) / spread.load(jax.lax.stop_gradient(off))


def spread_variance(
    z: Float[Array, "*batch"],
    energy: Float[Array, "*#batch"],
    pairs: int,
    spread: Spread,
    on: Float[Array, "*#batch"] | float = 1.0,
) -> Float[Array, "*batch"]:
    """Variance of a pre-activation z over programming draws, first order.

    With r = numerator / denominator, N pairs of an LRS and an HRS cell and activations
    x in 0..1, `dr = sum_i [(x_i - r) dG+ - (x_i + r) dG-] / D`; in units of z (D over
    the nominal G_L - G_H) and k = (G_L - G_H) / (G_L + G_H), so r = k z / N:

        var = [(E + N r^2) (v_L + v_H) - 2 r z (v_L - v_H)] / (1 - h)^2

    where E is the sum of the squared activations, v the variances and h the mean HRS,
    all over the mean LRS conductance. Where a share `on` of E is that of pairs that are
    not off, (v_L + v_H) is `on` v_L + (2 - `on`) v_H; D is that of a column without
    off pairs all the same.
    """
    h = spread.mean_hrs
    r = (1 - h) / (1 + h) * z / pairs
    var_lrs, var_hrs = spread.variances()
    both = on * var_lrs + (2 - on) * var_hrs
    difference = var_lrs - var_hrs
    variance = (energy + pairs * r * r) * both - 2 * r * z * difference
    # A dark image has none, and the square root of nothing has no gradient.
    return jnp.maximum(variance, 1e-9) / (1 - h) ** 2
