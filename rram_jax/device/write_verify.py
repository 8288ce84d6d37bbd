"""Write-verify: cells are programmed again until their resistance lies in a band.

In the normal numbers of `cycles.py`, n = sqrt(d2d) z + sqrt(1 - d2d) e, the band of
ln R about the state's median is an interval [a, b] of n. Every programming draws e
anew; z stays with the cell. So a cell comes into the band with the probability

    p(z) = Phi(e(b)) - Phi(e(a)),    e(n) = (n - sqrt(d2d) z) / sqrt(1 - d2d)

a time, takes a geometric number of programmings, and ends with e of its normal law cut
to [e(a), e(b)]; a cell that is still outside after the last programming keeps what that
made of it. All of it is drawn in closed form, without programming in a loop, and
differentiable in medians, spreads and bands.
"""

import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from rram_jax.device.card import DeviceParams
from rram_jax.device.law import LEAST_PROBABILITY, resistance_at, score_at
from rram_jax.types import Array, Bool, Float

_REACH = 6.0
"""[-] Standard deviations that averages look at."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)

_WIDEST = 50.0
"""[-] Half width of a band of ln R that stands for none: slopes stay finite."""


def verified_noise(
    noise: Float[Array, "*cells"],
    luck: Float[Array, "*#cells"],
    z: Float[Array, "*#cells"],
    is_lrs: Bool[Array, "*#cells"],
    device: DeviceParams,
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """What write-verify makes of the numbers that a blind programming would draw.

    Args:
        noise: Standard normal, e of a blind programming.
        luck: Uniform in [0, 1): says how many programmings it takes.
        z: Standard normal, the cells' own.
        is_lrs: Which state is programmed.
        device: The card's numbers; its `band` is not None.

    Returns:
        e of the last programming, and the number of programmings, 1 to `max_writes`.
    """
    low, high = _interval(z, is_lrs, device)
    # Towards the lower tail, where float32 has digits.
    flip = low + high > 0
    low, high = jnp.where(flip, -high, low), jnp.where(flip, -low, high)
    below, above = norm.cdf(low), norm.cdf(-high)
    inside = jnp.maximum(norm.cdf(high) - below, 0.0)
    # The k-th programming is the first inside with (1 - p)^(k - 1) p.
    spent = jnp.log1p(-luck) / jnp.log1p(-jnp.minimum(inside, 1 - 1e-7))
    writes = jnp.where(inside > 0, jnp.ceil(spent), jnp.inf)
    failed = writes > device.max_writes
    share = norm.cdf(jnp.where(flip, -noise, noise))
    within = norm.ppf(jnp.maximum(below + share * inside, LEAST_PROBABILITY))
    outside = share * (below + above)
    side = jnp.where(outside < below, 1.0, -1.0)
    tail = jnp.where(side > 0, outside, below + above - outside)
    without = side * norm.ppf(jnp.maximum(tail, LEAST_PROBABILITY))
    e = jnp.where(failed, without, jnp.clip(within, low, high))
    return jnp.where(flip, -e, e), jnp.clip(writes, 1.0, device.max_writes)


def conductance_moment(device: DeviceParams, order: int) -> Float[Array, "2"]:
    """[S^order] Mean of 1 / R^order over cells and programmings, LRS and HRS.

    By Gauss-Legendre sums over e within a cell and over z. Without stuck cells and
    without the clip of `sample_resistance`; `device.band` is not None.
    """
    is_lrs = jnp.asarray([True, False])[:, None, None]
    nodes, weights = (jnp.asarray(a, jnp.float32) for a in (_NODES, _WEIGHTS))
    z = (_REACH * nodes)[:, None]
    low, high = (jnp.clip(e, -_REACH, _REACH) for e in _interval(z, is_lrs, device))
    miss = norm.cdf(low) + norm.cdf(-high)
    d2d = jnp.where(is_lrs, device.d2d[0], device.d2d[1])

    def mean(start, end):
        """Of 1 / R^order on an interval of e, times its probability."""
        e = (start + end) / 2 + (end - start) / 2 * nodes
        r = resistance_at(jnp.sqrt(d2d) * z + jnp.sqrt(1 - d2d) * e, is_lrs, device)
        density = norm.pdf(e) * (end - start) / 2
        return (weights * density / r**order).sum(-1, keepdims=True)

    n = device.max_writes
    tries = (1 - miss**n) / jnp.maximum(1 - miss, 1e-6)  # 1 + q + ... + q^(n - 1)
    tries = jnp.where(miss > 1 - 1e-6, n, tries)
    in_band = tries * mean(low, high)
    outside = miss ** (n - 1) * (mean(-_REACH, low) + mean(high, _REACH))
    of_z = weights[:, None] * _REACH * norm.pdf(z)
    return (of_z * (in_band + outside)).sum((-1, -2))


def _interval(z, is_lrs, device):
    """Between which e a cell of its own number z lies in its state's band."""
    band = jnp.where(is_lrs, device.band[0], device.band[1])
    d2d = jnp.where(is_lrs, device.d2d[0], device.d2d[1])
    anew = jnp.sqrt(jnp.maximum(1 - d2d, 1e-6))
    band = jnp.minimum(band, _WIDEST)
    low, high = (score_at(side * band, is_lrs, device) for side in (-1, 1))
    return (low - jnp.sqrt(d2d) * z) / anew, (high - jnp.sqrt(d2d) * z) / anew
