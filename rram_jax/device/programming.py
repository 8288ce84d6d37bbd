"""Cells programmed through the compact model: spread on filament and barrier.

Every programming, a SET and a RESET pulse after it, draws cross-section and barrier:

    ln s = sigma_s (sqrt(d2d_s) z_s + sqrt(1 - d2d_s) e_s)
    x    = x_pulse(s) + sigma(x_pulse) (sqrt(d2d_x) z_x + sqrt(1 - d2d_x) e_x)
    sigma(x) = sigma_x sqrt(1 + exp(2 (x - x_sigma) / l_sigma)),

with z standard normal numbers of a cell and e of a programming, and x_pulse where the
pulse leaves the barrier of a filament of cross-section s. A thicker filament has a
lower resistance in both states, so s correlates LRS and HRS; x moves HRS alone. The
law of `variability.py` (ln R normal in each state) is what these make of R within some
per cent: `reset.py` gives its numbers.

The growth of the barrier's spread with the barrier is ours and fitted: the measured
spread of ln R_HRS is flat in weak RESET and rises steeply in strong.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.device.cell import read_resistance
from rram_jax.device.filament import FilamentCard, FilamentParams, FilamentSpread
from rram_jax.device.pulse import apply_pulse
from rram_jax.types import Array, Float, Int, Key, register_record


@register_record
@dataclass(frozen=True)
class ProgrammedCells:
    """What SET and RESET made of cells, programming after programming."""

    r_lrs: Float[Array, "cells cycles"]
    """[Ohm] Read resistance of the cell after SET."""

    r_hrs: Float[Array, "cells cycles"]
    """[Ohm] Read resistance of the cell after RESET."""

    s: Float[Array, "cells cycles"]
    """[-] Relative cross-section of the filament."""

    x: Float[Array, "cells cycles"]
    """[m] Barrier after RESET."""

    energy: Float[Array, "cells cycles"]
    """[J] Taken by the cell during the RESET pulse."""


def barrier_spread(
    x: Float[Array, "*cells"], spread: FilamentSpread
) -> Float[Array, "*cells"]:
    """[m] Standard deviation of the barrier that RESET leaves at `x` [m] on average."""
    return spread.sigma_x * jnp.sqrt(
        1 + jnp.exp(2 * (x - spread.x_sigma) / spread.l_sigma)
    )


@partial(jax.jit, static_argnames=("n_cycles", "filament"))
def program_cells(
    key: Key,
    cells: Int[Array, " cells"],
    n_cycles: int,
    v_reset: Float[Array, ""],
    t_reset: Float[Array, ""],
    filament: FilamentCard,
    params: FilamentParams,
    spread: FilamentSpread,
) -> ProgrammedCells:
    """Program the same cells again and again; read both states every time.

    One draw is one manufactured array and its history. Cell k's numbers come from `key`
    and k alone: any split of the cells into calls gives the same. Differentiable in
    voltage, width, technology and spread. SET is taken to be complete (no barrier
    left), and a barrier that is drawn outside of the oxide stands at its edge.

    Args:
        key: The array.
        cells: Number of each cell within it, 0 or more.
        n_cycles: [-] Programmings of each cell; another number is another history.
        v_reset: [V] Cell voltage of the RESET pulse.
        t_reset: [s] Its width.
        filament: Gate voltages and read voltage.
        params: The technology, `filament.params()`.
        spread: Its spread, `filament.spread()`.
    """

    def noise(cell):
        z_key, e_key = jax.random.split(jax.random.fold_in(key, cell))
        z = jax.random.normal(z_key, (2, 1), jnp.float32)
        e = jax.random.normal(e_key, (2, n_cycles), jnp.float32)
        d2d = jnp.stack([spread.d2d_s, spread.d2d_x])[:, None]
        return jnp.sqrt(d2d) * z + jnp.sqrt(1 - d2d) * e

    of_s, of_x = jnp.swapaxes(jax.vmap(noise)(cells), 0, 1)
    s = jnp.exp(spread.sigma_s * of_s)
    zero = jnp.zeros_like(s)
    pulse = apply_pulse(zero, s, v_reset, zero + filament.gate_reset, t_reset, params)
    x = pulse.x + barrier_spread(pulse.x, spread) * of_x
    x = jnp.clip(x, 0.0, params.t_ox)

    def read(x):
        return read_resistance(
            zero + filament.v_read, zero + filament.gate_read, x, s, params
        )

    return ProgrammedCells(
        r_lrs=read(zero), r_hrs=read(x), s=s, x=x, energy=pulse.energy
    )
