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

from rram_jax.device.card import DeviceParams
from rram_jax.device.law import resistance_at
from rram_jax.device.variability import smallest, stuck_state
from rram_jax.device.write_verify import verified_noise
from rram_jax.types import Array, Float, Int, Key

LUCK = 1 << 16
"""Folded into a cell's key: makes its numbers of write-verify."""


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
        cell_key = jax.random.fold_in(key, cell)
        keys = jax.random.split(cell_key, 3)
        luck_key = jax.random.fold_in(cell_key, LUCK)
        z = jax.random.normal(keys[0], (2, 1), jnp.float32)
        e = jax.random.normal(keys[1], (2, n_cycles), jnp.float32)
        z = _correlate(z, device.correlation[0])
        e = _correlate(e, device.correlation[1])
        uniform = jax.random.uniform(keys[2], (2,), jnp.float32)[0]
        is_lrs = jnp.asarray([True, False])
        is_lrs = stuck_state(jnp.stack([uniform, uniform]), is_lrs, device)
        # A cell stuck in LRS is what its LRS makes it: z and share of that state.
        z = jnp.where(is_lrs[:, None], z[0], z[1])
        return is_lrs[:, None], z, e, jax.random.uniform(luck_key, e.shape, jnp.float32)

    is_lrs, z, e, luck = jax.vmap(one_cell)(cells)
    if device.band is not None:
        switches = is_lrs == jnp.asarray([[True], [False]])
        verified, _ = verified_noise(e, luck, z, is_lrs, device)
        e = jnp.where(switches, verified, e)
    d2d = jnp.where(is_lrs, device.d2d[0], device.d2d[1])
    r = resistance_at(jnp.sqrt(d2d) * z + jnp.sqrt(1 - d2d) * e, is_lrs, device)
    r = jnp.maximum(r, smallest(device))
    return r[:, 0], r[:, 1]


def _correlate(pair, correlation):
    """Give the second of two rows of normal numbers its correlation to the first."""
    other = correlation * pair[0] + jnp.sqrt(1 - correlation**2) * pair[1]
    return jnp.stack([pair[0], other])
