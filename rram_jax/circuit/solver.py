"""One plain array, solved exactly for a batch of drives."""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.ladder import open_voltage, row_norton, series
from rram_jax.errors import InputError
from rram_jax.numerics import solve_unpivoted
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class CrossbarSolution:
    """Operating point of one array."""

    voltage: Float[Array, "*batch cols"]
    """[V] At the foot of each bit line, above v_cm."""

    current: Float[Array, "*batch cols"]
    """[A] Out of each bit line's foot; zero where it floats."""

    v_bl: Float[Array, "*batch rows cols"]
    """[V] Bit-line nodes, above v_cm."""

    v_sl: Float[Array, "*batch rows cols"]
    """[V] Source-line nodes, above v_cm."""

    kcl_residual: Float[Array, "*batch"]
    """[A] Largest current that does not add up at any bit-line node."""


def solve_crossbar(
    drive: Float[Array, "*batch rows"],
    conductance: Float[Array, "rows cols"],
    array: ArrayConfig,
) -> CrossbarSolution:
    """Solve an array of linear cells exactly (`circuit.ladder`).

    Args:
        drive: [V] above v_cm, at the sources behind the row drivers.
        conductance: [S] of each cell, access transistor included; 0 is an open cell.
        array: Wires, drivers and sense resistance (picture in `circuit.config`).

    Returns:
        The operating point, in the dtype of `conductance`.

    Raises:
        InputError: The shapes do not fit.
    """
    if conductance.ndim != 2 or drive.shape[-1:] != conductance.shape[:1]:
        raise InputError(
            f"solve_crossbar takes a drive (*batch, rows) and a conductance (rows,"
            f" cols); got {drive.shape} and {conductance.shape}."
        )
    return _solve(drive, conductance, array)


@partial(jax.jit, static_argnames="array")
def _solve(drive, conductance, array):
    batch = drive.shape[:-1]
    rows, cols = conductance.shape
    u = drive.reshape(-1, rows).T.astype(conductance.dtype)
    r_bl = array.r_wire_bl
    norton = jax.vmap(row_norton, (0, None, None))(
        conductance, array.r_driver, array.r_wire_sl
    )

    def down(carry, row):
        m, row_drive = row
        y, j = series(carry[0], carry[1], r_bl)
        carry = (y + m, j + m.sum(1)[:, None] * row_drive)
        return carry, carry

    zero = (jnp.zeros((cols, cols), u.dtype), jnp.zeros((cols, u.shape[1]), u.dtype))
    (y, j), (y_rows, j_rows) = jax.lax.scan(down, zero, (norton, u))
    y, j = series(y, j, r_bl)
    if math.isinf(array.r_sense):
        v_foot, i_foot = open_voltage(y, j), jnp.zeros_like(j)
    else:
        _, i_foot = series(y, j, array.r_sense)
        v_foot = array.r_sense * i_foot

    def up(v_below, row):
        y, j = row
        system = jnp.eye(cols, dtype=y.dtype) + r_bl * y
        v = solve_unpivoted(system, v_below + r_bl * j)
        return v, v

    _, v_bl = jax.lax.scan(up, v_foot, (y_rows, j_rows), reverse=True)
    cell_current = jnp.einsum("rij,rjb->rib", norton, u[:, None, :] - v_bl)
    to_right = jnp.cumsum(cell_current[:, ::-1], 1)[:, ::-1]
    drop = array.r_wire_sl * jnp.cumsum(to_right, 1)
    v_sl = u[:, None, :] - array.r_driver * to_right[:, :1] - drop
    return CrossbarSolution(
        voltage=v_foot.T.reshape(*batch, cols),
        current=i_foot.T.reshape(*batch, cols),
        v_bl=jnp.moveaxis(v_bl, -1, 0).reshape(*batch, rows, cols),
        v_sl=jnp.moveaxis(v_sl, -1, 0).reshape(*batch, rows, cols),
        kcl_residual=_kcl(v_bl, v_sl, conductance, i_foot, r_bl).reshape(batch),
    )


def _kcl(v_bl, v_sl, conductance, i_foot, r_bl):
    """[A] What flows into the bit-line nodes through cells must leave along the line.

    Cell currents are taken from the node voltages by Ohm's law. Where the bit lines
    have no resistance a whole line is one node.
    """
    cell = conductance[:, :, None] * (v_sl - v_bl)
    below = jnp.cumsum(cell, 0)
    if r_bl == 0:
        return jnp.abs(below[-1] - i_foot).max(0)
    wire = jnp.concatenate([(v_bl[:-1] - v_bl[1:]) / r_bl, i_foot[None]])
    return jnp.abs(below - wire).max((0, 1))
