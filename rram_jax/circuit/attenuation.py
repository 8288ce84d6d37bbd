"""The attenuation map: wires and drivers as two numbers a cell, held while cells vary.

A cell's exact transfer is not proportional to its wireless one: the part that comes
from its own conductance is attenuated by some 5-10 %, and a background comes through
its row, whose source line all columns load. So the map holds a slope and an offset,

    T = slope * T_wireless + offset,

from two exact solves: the nominal array, and the same array with LRS and HRS swapped.
Each sampled array then costs an elementwise product and sum. (One ratio a cell, exact
over wireless, is three to five times less accurate:
`experiments/benchmarks/attenuation.py`.)
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.tile import layer_transfer, wireless_transfer
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class AttenuationMap:
    """What wires and drivers do to each cell's share of its output."""

    slope: Float[Array, "rows outputs"]
    """[-] Of the exact against the wireless transfer."""

    offset: Float[Array, "rows outputs"]
    """[V/V] What comes through the row whatever the cell is."""


def attenuation_map(
    conductance: Float[Array, "rows cols"],
    swapped: Float[Array, "rows cols"],
    tile: TileConfig,
    columns_per_output: int = 1,
) -> AttenuationMap:
    """Map of a nominal array; `swapped` [S] is the same array, LRS and HRS swapped.

    Where the two hardly differ (cells that are HRS in both) the slope is the mean of
    the rest.
    """

    def both(g):
        exact = layer_transfer(g, tile, columns_per_output)
        return np.asarray(exact), np.asarray(
            wireless_transfer(g, columns_per_output), np.float64
        )

    (exact, wireless), (exact_swapped, wireless_swapped) = (
        both(conductance),
        both(swapped),
    )
    change = wireless - wireless_swapped
    differs = np.abs(change) > 0.05 * wireless.mean()
    if not differs.any():
        return ideal_map(wireless.shape)
    slope = (exact - exact_swapped) / np.where(differs, change, 1.0)
    slope = np.where(differs, slope, slope[differs].mean())
    return AttenuationMap(
        slope=jnp.asarray(slope, jnp.float32),
        offset=jnp.asarray(exact - slope * wireless, jnp.float32),
    )


def ideal_map(shape: tuple[int, ...]) -> AttenuationMap:
    """No wires, no drivers."""
    return AttenuationMap(
        slope=jnp.ones(shape, jnp.float32), offset=jnp.zeros(shape, jnp.float32)
    )


def mapped_transfer(
    conductance: Float[Array, "*chips rows cols"],
    attenuation: AttenuationMap,
    columns_per_output: int = 1,
) -> Float[Array, "*chips rows outputs"]:
    """[V/V] Approximate transfer of sampled arrays, differentiable and cheap."""
    wireless = wireless_transfer(conductance, columns_per_output)
    return wireless * attenuation.slope + attenuation.offset
