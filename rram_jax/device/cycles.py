"""Cycle after cycle of the same cells: what belongs to a cell, and what is drawn anew.

A cell has one standard normal number z a state, and every programming adds another, e:

    n = sqrt(d2d) z + sqrt(1 - d2d) e,      ln R = Q(n),

where Q, the quantile function of the state's mixture after the standard normal's
distribution, makes of a normal number one with the law of one programmed array: that of
`variability.sample_resistance`. So `d2d` moves spread between cells and cycles and
leaves that law alone, and a cell that is in the tail tends to stay there. (A Gaussian
copula: R. B. Nelsen, An Introduction to Copulas, 2nd ed., 2006,
10.1007/0-387-28678-0, section 2.3.) Without a tail, Q(n) = ln(median) + sigma n.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm

from rram_jax.device.card import DeviceParams
from rram_jax.device.variability import smallest, stuck_state
from rram_jax.types import Array, Float, Int, Key

STEPS = 26
"""[-] Halvings of the bracket of a quantile, then one Newton step: float32's digits."""

LEAST_SIGMA = 1e-6
"""[-] Stands for a spread of 0 in a mixture, which a distribution function needs."""


@partial(jax.jit, static_argnames="n_cycles")
def sample_cycles(
    key: Key, cells: Int[Array, " cells"], n_cycles: int, device: DeviceParams
) -> tuple[Float[Array, "cells cycles"], Float[Array, "cells cycles"]]:
    """Program the same cells again and again; read both states every time.

    One draw is one manufactured array and its history. Cell k's numbers come from `key`
    and k alone: any split of the cells into calls gives the same. They are other
    numbers than `sample_resistance` draws. Stuck cells give the state they are stuck
    in twice.

    Args:
        key: The array.
        cells: Number of each cell within it, 0 or more.
        n_cycles: [-] Programmings of each cell; another number is another history.
        device: The card's numbers.

    Returns:
        Read resistances [Ohm] in LRS and in HRS.
    """

    def one_cell(cell):
        keys = jax.random.split(jax.random.fold_in(key, cell), 3)
        z = jax.random.normal(keys[0], (2, 1), jnp.float32)
        e = jax.random.normal(keys[1], (2, n_cycles), jnp.float32)
        z = _correlate(z, device.correlation[0])
        e = _correlate(e, device.correlation[1])
        uniform = jax.random.uniform(keys[2], (2,), jnp.float32)[0]
        is_lrs = jnp.asarray([True, False])
        is_lrs = stuck_state(jnp.stack([uniform, uniform]), is_lrs, device)
        # A cell stuck in LRS is what its LRS makes it: z and share of that state.
        z = jnp.where(is_lrs[:, None], z[0], z[1])
        d2d = jnp.where(is_lrs, device.d2d[0], device.d2d[1])[:, None]
        noise = jnp.sqrt(d2d) * z + jnp.sqrt(1 - d2d) * e
        return is_lrs, noise

    is_lrs, noise = jax.vmap(one_cell)(cells)
    is_lrs = jnp.broadcast_to(is_lrs[..., None], noise.shape)

    def pick(lrs, hrs):
        return jnp.where(is_lrs, lrs, hrs)

    offset = mixture_quantile(
        noise,
        pick(device.tail_share, device.tail_share_hrs),
        pick(device.sigma_lrs, device.sigma_hrs),
        jnp.log(pick(device.tail_ratio, device.tail_ratio_hrs)),
        pick(device.sigma_tail, device.sigma_tail_hrs),
    )
    r = pick(device.r_lrs, device.r_hrs) * jnp.exp(offset)
    r = jnp.maximum(r, smallest(device))
    return r[:, 0], r[:, 1]


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


def _correlate(pair, correlation):
    """Give the second of two rows of normal numbers its correlation to the first."""
    other = correlation * pair[0] + jnp.sqrt(1 - correlation**2) * pair[1]
    return jnp.stack([pair[0], other])
