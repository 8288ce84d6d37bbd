"""The law of ln R of one programming: a mixture of two normals in each state."""

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from rram_jax.device.card import DeviceParams
from rram_jax.types import Array, Bool, Float

STEPS = 26
"""[-] Halvings of the bracket of a quantile, then one Newton step: float32's digits."""

LEAST_PROBABILITY = 1e-30
"""[-] Smallest that a standard normal number is looked up for: -11.5."""

LEAST_SIGMA = 1e-6
"""[-] Stands for a spread of 0 in a mixture, which a distribution function needs."""


def resistance_at(
    normal: Float[Array, "*cells"], is_lrs: Bool[Array, "*#cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """[Ohm] At the same probability in a state's law as a standard normal number."""
    offset = mixture_quantile(normal, *_state_law(is_lrs, device))
    return jnp.where(is_lrs, device.r_lrs, device.r_hrs) * jnp.exp(offset)


def score_at(
    offset: Float[Array, "*cells"], is_lrs: Bool[Array, "*#cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """Standard normal number at the same probability as ln R less ln of its median."""
    share, sigma, shift, sigma_tail = _state_law(is_lrs, device)
    # Beyond the median the survival functions are compared, which keep their digits.
    side = jnp.where(offset > 0, -1.0, 1.0)
    body = norm.cdf(side * offset / jnp.maximum(sigma, LEAST_SIGMA))
    tail = norm.cdf(side * (offset - shift) / jnp.maximum(sigma_tail, LEAST_SIGMA))
    probability = (1 - share) * body + share * tail
    return side * norm.ppf(jnp.maximum(probability, LEAST_PROBABILITY))


def _state_law(is_lrs, device):
    """Share of the tail, spread of the body, shift and spread of the tail."""
    return (
        jnp.where(is_lrs, device.tail_share, device.tail_share_hrs),
        jnp.where(is_lrs, device.sigma_lrs, device.sigma_hrs),
        jnp.log(jnp.where(is_lrs, device.tail_ratio, device.tail_ratio_hrs)),
        jnp.where(is_lrs, device.sigma_tail, device.sigma_tail_hrs),
    )


def mixture_quantile(
    normal: Float[Array, "*n"],
    share: Float[Array, "*#n"],
    sigma: Float[Array, "*#n"],
    shift: Float[Array, "*#n"],
    sigma_tail: Float[Array, "*#n"],
) -> Float[Array, "*n"]:
    """Number of a mixture of two normals at the same probability as a standard normal.

    The mixture holds 1 - `share` of N(0, `sigma`) and `share` of N(`shift`,
    `sigma_tail`), all [-]. Differentiable in every argument (the implicit function
    theorem, as the slope of one Newton step).
    """
    sigma = jnp.maximum(sigma, LEAST_SIGMA)
    sigma_tail = jnp.maximum(sigma_tail, LEAST_SIGMA)
    law = (share, sigma, shift, sigma_tail)
    # Beyond the median the survival functions are compared, which keep their digits.
    side = jnp.where(normal > 0, -1.0, 1.0)

    def excess(x, normal, share, sigma, shift, sigma_tail):
        """Probability of x in the mixture minus that of the normal number."""
        body = norm.cdf(side * x / sigma)
        tail = norm.cdf(side * (x - shift) / sigma_tail)
        return side * ((1 - share) * body + share * tail - norm.cdf(side * normal))

    # The quantile of a mixture lies between those of its parts.
    ends = sigma * normal, shift + sigma_tail * normal
    bracket = jax.lax.stop_gradient((jnp.minimum(*ends), jnp.maximum(*ends)))
    frozen = jax.lax.stop_gradient((normal, *law))

    def halve(_, bracket):
        low, high = bracket
        middle = (low + high) / 2
        above = excess(middle, *frozen) > 0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = jax.lax.fori_loop(0, STEPS, halve, bracket)
    x = (low + high) / 2
    density = (1 - share) * norm.pdf(x / sigma) / sigma
    density += share * norm.pdf((x - shift) / sigma_tail) / sigma_tail
    slope = jax.lax.stop_gradient(jnp.maximum(density, 1e-30))
    step = excess(x, normal, *law) / slope
    # Where the density vanishes a Newton step leads away: its slope alone is taken.
    capped = jnp.abs(step) > high - low + 1e-6 * jnp.abs(x)
    return x - jnp.where(capped, step - jax.lax.stop_gradient(step), step)
