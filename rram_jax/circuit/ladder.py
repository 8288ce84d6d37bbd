"""Exact elimination of one tile of linear cells, row by row, without a subtraction.

What `circuit.tile` makes a layer of; its rows also serve the elimination of cells with
a law (`circuit.law_elimination`). Plain arrays of linear cells do without dense
matrices: `circuit.lines`.

Seen from its bit lines, every part of an array is a Norton source: an admittance
matrix Y between the bit lines [S] and short-circuit currents J that are linear in the
row drives. Three steps build any array from rows:

- a row with its source line: with u the drive, v the bit-line voltages, P the shared
  path resistance (driver and wire up to the nearer of two cells) and G = diag(cells),
  the cell currents are i = (1/G + P)^-1 (u - v) = M (u - v), so Y = M and J = M 1 u;
- `series`, through equal resistors r in all lines: Y' = K Y and J' = K J with
  K = (I + r Y)^-1;
- parallel: sums of Y and of J.

All terms are positive, so float32 keeps its digits, and zero resistance or open cells
need no special case. The sum over rows is a `lax.scan`, differentiable as it stands.

The idea is the transfer-matrix (ladder) reduction of classical network theory; see
e.g. A. Chen, "A comprehensive crossbar array model with solutions for line resistance
and nonlinear device characteristics", IEEE TED 60, 2013, 10.1109/TED.2013.2246791, for
the node equations that it solves.
"""

import jax
import jax.numpy as jnp

from rram_jax.numerics import solve_unpivoted
from rram_jax.types import Array, Float


def row_reply(
    slope: Float[Array, " cols"],
    r_driver: Float[Array, ""] | float,
    r_wire_sl: Float[Array, ""] | float,
) -> Float[Array, "cols cols"]:
    """(I + G P)^-1 [-]: what a row's cells carry, by what they would without wires."""
    cols = slope.shape[-1]
    nearer = 1.0 + jnp.minimum(jnp.arange(cols)[:, None], jnp.arange(cols)[None, :])
    path = r_driver + r_wire_sl * nearer.astype(slope.dtype)
    unit = jnp.eye(cols, dtype=slope.dtype)
    return solve_unpivoted(unit + slope[:, None] * path, unit)


def row_norton(
    conductance: Float[Array, " cols"],
    r_driver: Float[Array, ""] | float,
    r_wire_sl: Float[Array, ""] | float,
) -> Float[Array, "cols cols"]:
    """Admittance M [S] of one row from its driver's source to its bit lines."""
    # (1/G + P)^-1 = (I + G P)^-1 G, which open cells (G = 0) do not upset.
    return row_reply(conductance, r_driver, r_wire_sl) * conductance


def series(
    admittance: Float[Array, "cols cols"],
    current: Float[Array, "cols sources"],
    r: Float[Array, ""] | float,
) -> tuple[Float[Array, "cols cols"], Float[Array, "cols sources"]]:
    """The Norton source seen through a resistor r in every bit line."""
    system = jnp.eye(len(admittance), dtype=admittance.dtype) + r * admittance
    both = solve_unpivoted(system, jnp.concatenate([admittance, current], 1))
    return both[:, : len(admittance)], both[:, len(admittance) :]


def fold_rows(
    rows_norton: Float[Array, "rows cols cols"],
    drive: Float[Array, "rows sources"],
    r_wire_bl: Float[Array, ""] | float,
) -> tuple[Float[Array, "cols cols"], Float[Array, "cols sources"]]:
    """Norton source at the last of a run of rows, from the first row down.

    `drive`: each row's volts per source; the identity keeps the rows apart (for a
    transfer matrix), a batch of drives gives that batch's currents.
    """

    def add_row(carry, row):
        norton, row_drive = row
        admittance, current = series(carry[0], carry[1], r_wire_bl)
        injected = norton.sum(1)[:, None] * row_drive[None, :]
        return (admittance + norton, current + injected), None

    cols = rows_norton.shape[-1]
    nothing = (
        jnp.zeros((cols, cols), rows_norton.dtype),
        jnp.zeros((cols, drive.shape[-1]), rows_norton.dtype),
    )
    return jax.lax.scan(add_row, nothing, (rows_norton, drive))[0]


def open_voltage(
    admittance: Float[Array, "cols cols"], current: Float[Array, "cols sources"]
) -> Float[Array, "cols sources"]:
    """Volts of unloaded bit lines."""
    return solve_unpivoted(tie_untouched(admittance), current)


def tie_untouched(matrix: Float[Array, "cols cols"]) -> Float[Array, "cols cols"]:
    """A 1 on the diagonal for lines that no cell touches: they stay at v_cm."""
    return matrix + jnp.diag((jnp.diagonal(matrix) == 0).astype(matrix.dtype))
