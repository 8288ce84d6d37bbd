"""Where a weight's two cells stand: rows 2i (positive) and 2i + 1 (negative).

    weight   row 2i   row 2i + 1
     +1      LRS      HRS
     -1      HRS      LRS
      0      HRS      HRS

Both cells hang on the same bit line; input i drives row 2i to v_cm + v_read and row
2i + 1 to v_cm - v_read. Nothing else in the package knows this layout.
"""

import jax.numpy as jnp

from rram_jax.types import Array, Bool, Float, Int


def cells_of(weights: Int[Array, "inputs cols"]) -> Bool[Array, "rows cols"]:
    """Which cells are in the low-resistance state, for weights of -1, 0 and 1."""
    return interleave(weights > 0, weights < 0)


def weights_of(is_lrs: Bool[Array, "rows cols"]) -> Int[Array, "inputs cols"]:
    """Weights that cells stand for: the inverse of `cells_of`."""
    positive, negative = split(is_lrs)
    return positive.astype(jnp.int32) - negative.astype(jnp.int32)


def interleave(positive: Array, negative: Array) -> Array:
    """Rows from the positive and the negative row of every input (axis 0)."""
    return jnp.stack([positive, negative], 1).reshape(-1, *positive.shape[1:])


def split(rows: Array) -> tuple[Array, Array]:
    """The positive and the negative rows (axis 0): the inverse of `interleave`."""
    return rows[0::2], rows[1::2]


def signed_transfer(
    transfer: Float[Array, "rows outputs"],
) -> Float[Array, "inputs outputs"]:
    """[V/V] Sensed volts per read volt on each input: positive row minus negative."""
    positive, negative = split(transfer)
    return positive - negative
