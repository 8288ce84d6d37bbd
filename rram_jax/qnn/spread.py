"""Programming spread as noise of the right variance on the pre-activation.

Local reparametrisation: instead of drawing every cell of a layer for every step, draw
the sum. To first order in the cells' deviations the pre-activation is Gaussian with a
variance that only the driven cells, their load and the sum itself enter; a fresh draw
for every example costs one normal number a neuron.

References:
    Kingma, Salimans, Welling, "Variational dropout and the local reparameterization
    trick", NeurIPS 2015, arXiv:1506.02557.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from rram_jax.device.card import DeviceParams
from rram_jax.device.variability import conductance_variance, mean_conductance
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class Spread:
    """Means and variances of a cell's conductance over the mean LRS conductance."""

    mean_hrs: Float[Array, ""]
    """[-] Mean HRS conductance over mean LRS conductance."""

    var_lrs: Float[Array, ""]
    """[-] Variance of the LRS conductance over its squared mean."""

    var_hrs: Float[Array, ""]
    """[-] Variance of the HRS conductance over the squared mean of the LRS."""

    def load(self, off: Float[Array, "*outputs"]) -> Float[Array, "*outputs"]:
        """Conductance of a column over that of one without off pairs.

        `off`: share of its pairs that are off (HRS, HRS).
        """
        h = self.mean_hrs
        return 1 - off * (1 - 2 * h / (1 + h))


def spread_of(device: DeviceParams) -> Spread:
    """The spread that a device card's numbers mean for a weighted sum."""
    state = jnp.asarray([True, False])
    mean, var = mean_conductance(state, device), conductance_variance(state, device)
    return Spread(
        mean_hrs=mean[1] / mean[0],
        var_lrs=var[0] / mean[0] ** 2,
        var_hrs=var[1] / mean[0] ** 2,
    )


def spread_variance(
    z: Float[Array, "*batch"],
    energy: Float[Array, "*#batch"],
    pairs: int,
    spread: Spread,
) -> Float[Array, "*batch"]:
    """Variance of a pre-activation z over programming draws, first order.

    With r = numerator / denominator, N pairs of an LRS and an HRS cell and activations
    x in 0..1, `dr = sum_i [(x_i - r) dG+ - (x_i + r) dG-] / D`; in units of z (D over
    the nominal G_L - G_H) and k = (G_L - G_H) / (G_L + G_H), so r = k z / N:

        var = [(E + N r^2) (v_L + v_H) - 2 r z (v_L - v_H)] / (1 - h)^2

    where E is the sum of the squared activations, v the variances and h the mean HRS,
    all over the mean LRS conductance. Off pairs count like binary ones here, which
    overstates their share.
    """
    h = spread.mean_hrs
    r = (1 - h) / (1 + h) * z / pairs
    both = spread.var_lrs + spread.var_hrs
    difference = spread.var_lrs - spread.var_hrs
    variance = (energy + pairs * r * r) * both - 2 * r * z * difference
    # A dark image has none, and the square root of nothing has no gradient.
    return jnp.maximum(variance, 1e-9) / (1 - h) ** 2
