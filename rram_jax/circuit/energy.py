"""Energy of a layer's array and the currents of its reference levels.

Bit lines float, so the currents of all rows add to zero and an array is a linear map of
its row voltages: i = Y d, with d the rows' levels about v_cm and Y the admittance seen
from the levels, row drivers included. In every slot some pairs are driven and the
others rest at v_cm:

    power at the reference levels   d' Y d
    current of v_cm + v_read        sum of i over driven positive rows
    current of v_cm - v_read        sum of i over driven negative rows (flows in)
    current of v_cm                 sum of i over resting rows, either way

A linear regulator takes every current that a level delivers from V_DD; what flows into
a level is lost.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.config import TileConfig, tile_grid
from rram_jax.circuit.encode import slots_on
from rram_jax.circuit.pair import interleave, split
from rram_jax.circuit.wiring import Resistor, multiport_resistors, port_admittance
from rram_jax.numerics import solve_unpivoted
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class ArrayEnergy:
    """One layer's array in one conversion."""

    reference: Float[Array, "*batch"]
    """[J] Delivered at the levels v_cm and v_cm +- v_read: all that the array and its
    drivers turn into heat."""

    regulated: Float[Array, "*batch"]
    """[J] Drawn from V_DD if linear regulators make the levels."""

    peak_pos: Float[Array, "*batch"]
    """[A] Largest current that v_cm + v_read delivers to the whole layer."""

    peak_neg: Float[Array, "*batch"]
    """[A] Largest current that flows into v_cm - v_read."""

    peak_rest: Float[Array, "*batch"]
    """[A] Largest current of v_cm, in or out."""


@partial(jax.jit, static_argnames=("tile", "columns_per_output"))
def row_admittance(
    conductance: Float[Array, "rows cols"],
    tile: TileConfig,
    columns_per_output: int = 1,
) -> Float[Array, "rows rows"]:
    """[S] Y of a layer in closed form: source lines lumped, bit lines without wires.

    A source line of n equal cells has the input resistance of the cells in parallel
    plus r_wire_sl (n + 1)(2n + 1) / (6 n), to first order in the wire; that stands in
    the row driver's path. Differentiable; of an array within 0.3 % of `exact_row_
    admittance` in energy on tiles of 64 x 32 (tests). With s = 1 / (1 + r G_row) and
    sensed volts v: i = s (G_row d - G v), and v from the sums of current at outputs.

    Args:
        conductance: Cells.
        tile: Tiles and wires.
        columns_per_output: Columns that share a sensed node.
    """
    rows, cols = conductance.shape
    grid = tile_grid((rows, cols), columns_per_output, tile)
    driver = jnp.resize(
        jnp.array([tile.r_driver_pos, tile.r_driver_neg], conductance.dtype), (rows,)
    )
    total = jnp.zeros((rows, rows), conductance.dtype)
    for run in grid.col_runs:
        n = len(run)
        cells = conductance[:, run.start : run.stop]
        g = cells.reshape(rows, n // columns_per_output, columns_per_output).sum(-1)
        r = driver + tile.r_wire_sl * (n + 1) * (2 * n + 1) / (6 * n)
        g_row = g.sum(1)
        s = 1 / (1 + r * g_row)
        at_outputs = jnp.diag(g.sum(0)) - g.T @ ((r * s)[:, None] * g)
        # An output without a cell stays at v_cm.
        free = jnp.diag((jnp.diagonal(at_outputs) == 0).astype(g.dtype))
        volts = solve_unpivoted(at_outputs + free, (s[:, None] * g).T)
        total = total + jnp.diag(s * g_row) - (s[:, None] * g) @ volts
    return total


def exact_row_admittance(
    resistance: np.ndarray, tile: TileConfig, columns_per_output: int = 1
) -> np.ndarray:
    """[S] Y of a layer with every wire, by elimination of all inner nodes (numpy).

    Raises:
        InputError: A wire or driver has no resistance.
    """
    rows, cols = resistance.shape
    grid = tile_grid((rows, cols), columns_per_output, tile)
    parts = multiport_resistors(resistance, tile, columns_per_output)
    r_driver = (tile.r_driver_pos, tile.r_driver_neg)
    drivers = [
        Resistor(f"d{i}", f"r{i}_{q}", r_driver[i % 2])
        for i in range(rows)
        for q in range(len(grid.col_runs))
    ]
    return port_admittance([*parts, *drivers], [f"d{i}" for i in range(rows)])


def array_energy(
    codes: Float[Array, "*batch pairs"],
    admittance: Float[Array, "rows rows"],
    v_read: Float[Array, ""] | float,
    t_slot: Float[Array, ""] | float,
    *,
    v_dd: float,
) -> ArrayEnergy:
    """Energies and peak currents of a layer for the codes of its pairs of rows.

    All pulses start together, so every active pair is on in the first slot. A width of
    no whole number of slots counts in its last one as driven by that part of v_read
    (`slots_on`). Edges and the charge of bit lines are not counted.

    Args:
        codes: 0 to 15 of all pairs, bias pairs included.
        admittance: [S] `row_admittance` or `exact_row_admittance`.
        v_read: [V] Row swing about v_cm.
        t_slot: [s] Slot.
        v_dd: [V] Supply of the regulators.
    """
    on = jnp.moveaxis(slots_on(codes), -2, 0)  # [pairs, *batch, slots]
    drive = interleave(v_read * on, -v_read * on)
    current = jnp.tensordot(admittance, drive, 1)
    pos, neg = split(current)
    level_pos, level_neg = (on * pos).sum(0), (on * neg).sum(0)
    level_rest = ((1 - on) * (pos + neg)).sum(0)
    power = (drive * current).sum(0)
    delivered = sum(jnp.maximum(x, 0) for x in (level_pos, level_neg, level_rest))
    return ArrayEnergy(
        reference=t_slot * power.sum(-1),
        regulated=t_slot * v_dd * jnp.asarray(delivered).sum(-1),
        peak_pos=jnp.abs(level_pos).max(-1),
        peak_neg=jnp.abs(level_neg).max(-1),
        peak_rest=jnp.abs(level_rest).max(-1),
    )


def shared_levels(layers: list[ArrayEnergy]) -> ArrayEnergy:
    """A network whose layers work one after the other on the same levels.

    Energies add; a peak is the largest of any layer, since pulses of two layers are
    never high together.
    """

    def join(name):
        parts = jnp.stack([getattr(layer, name) for layer in layers])
        return parts.sum(0) if name in ("reference", "regulated") else parts.max(0)

    names = ("reference", "regulated", "peak_pos", "peak_neg", "peak_rest")
    return ArrayEnergy(**{name: join(name) for name in names})


def energy_of_images(
    codes: Float[Array, "images pairs"],
    admittance: Float[Array, "rows rows"],
    v_read: Float[Array, ""] | float,
    t_slot: Float[Array, ""] | float,
    *,
    v_dd: float,
) -> ArrayEnergy:
    """`array_energy` of many images, one after the other: in the memory of one."""
    return jax.lax.map(
        lambda one: array_energy(one, admittance, v_read, t_slot, v_dd=v_dd), codes
    )
