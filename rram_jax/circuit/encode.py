"""Pulse-width coding: a code c drives its rows in the first c of the 15 slots."""

import jax.numpy as jnp

from rram_jax.types import Array, Float

SLOTS = 15
"""[-] Slots of a pulse, and the largest 4-bit code."""


def slots_on(widths: Float[Array, "*batch inputs"]) -> Float[Array, "*b inputs slots"]:
    """Share of every slot in which an input's rows are driven; `widths` in slots.

    Whole numbers (codes) give 0 and 1; a pulse that is a little too long or too short
    fills a part of one slot.
    """
    return jnp.clip(widths[..., None] - jnp.arange(SLOTS, dtype=widths.dtype), 0, 1)
