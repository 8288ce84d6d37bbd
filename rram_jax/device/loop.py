"""The switching loop of a nominal cell, as a semiconductor analyser sweeps it."""

import jax.numpy as jnp

from rram_jax.device.cell import cell_current
from rram_jax.device.filament import FilamentCard
from rram_jax.device.pulse import apply_train
from rram_jax.types import Array, Float

STEPS = 60
"""[-] Stairs of each of the four branches."""


def switching_loop(
    filament: FilamentCard, v_reset: float, v_set: float, t_stair: float
) -> tuple[Float[Array, " points"], Float[Array, " points"]]:
    """Current of a cell on the stairs 0, `v_reset`, 0, -`v_set`, 0, from LRS.

    Every stair lasts `t_stair` [s] and is read at its end. The gate is `gate_reset`
    on the positive branches and `gate_set`, the compliance, on the negative.

    Args:
        filament: The technology.
        v_reset: [V] End of the positive branch.
        v_set: [V] End of the negative branch, positive.
        t_stair: [s] Time on each stair.

    Returns:
        Cell voltage [V] and current [A] of every stair.
    """
    up = jnp.linspace(0.0, 1.0, STEPS + 1)[1:]
    way = jnp.concatenate([up, up[::-1]])
    v = jnp.concatenate([v_reset * way, -v_set * way])
    gate = jnp.where(v >= 0, filament.gate_reset, filament.gate_set)
    params, one = filament.params(), jnp.ones_like(v)
    x = apply_train(0 * one[:1], one[:1], v, gate, t_stair * one, params).x[:, 0]
    return v, cell_current(v, gate, x, one, params)
