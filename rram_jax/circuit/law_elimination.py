"""A wired array of linearised cells, eliminated once and solved for any sources.

The ladder of `circuit.ladder` for cells with two slopes and a current of their own,

    i = b + g_sl v_sl - g_bl v_bl,

which is what a cell law is near a point. Seen from its bit lines, a row carries
i = A (b - g_bl v_bl) with A = (I + diag(g_sl) P)^-1 and P its shared path resistances,
so that its admittance is A diag(g_bl). Rows are joined through the bit-line segments as
in the ladder. With slopes of 0 or more all systems are M-matrices whose columns are
(weakly) diagonally dominant, and elimination needs no pivoting.

Factors and substitution are apart: substitution is linear in the sources, so that jax
can transpose it and the adjoint costs no second elimination. Memory: three matrices
(cols, cols) a row.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.circuit.array_params import ArrayParams
from rram_jax.circuit.ladder import row_reply, tie_untouched
from rram_jax.circuit.lines import end_weights
from rram_jax.numerics import solve_unpivoted
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class Factors:
    """What `eliminate` leaves for `substitute`."""

    row: Float[Array, "rows cols cols"]
    """[-] A of each row."""

    admittance: Float[Array, "rows cols cols"]
    """[S] A diag(g_bl) of each row."""

    keep: Float[Array, "rows cols cols"]
    """[-] K = (I + r Y)^-1 of the bit-line segments below each row."""

    foot: Float[Array, "cols cols"]
    """[-] Inverse of what stands before the feet's voltages in `foot_imbalance`."""


def line_voltages(
    current: Float[Array, "rows cols"],
    v_foot: Float[Array, " cols"],
    drive: Float[Array, " rows"],
    wires: ArrayParams,
) -> tuple[Float[Array, "rows cols"], Float[Array, "rows cols"]]:
    """[V] Source-line and bit-line nodes where the cells carry `current` [A]."""
    to_right = jnp.cumsum(current[:, ::-1], 1)[:, ::-1]
    driver = wires.r_driver * to_right[:, :1]
    v_sl = drive[:, None] - driver - wires.r_wire_sl * jnp.cumsum(to_right, 1)
    down = jnp.cumsum(current, 0)
    v_bl = v_foot + wires.r_wire_bl * jnp.cumsum(down[::-1], 0)[::-1]
    return v_sl, v_bl


def foot_imbalance(
    current: Float[Array, "rows cols"],
    v_foot: Float[Array, " cols"],
    wires: ArrayParams,
) -> Float[Array, " cols"]:
    """[V] What must vanish at the feet, in the weights of `end_weights`."""
    hold, give = end_weights(wires.r_sense)
    return hold * v_foot - give * current.sum(0)


def eliminate(
    g_sl: Float[Array, "rows cols"],
    g_bl: Float[Array, "rows cols"],
    wires: ArrayParams,
) -> Factors:
    """Factors of an array whose cells have the slopes `g_sl` and `g_bl` [S]."""
    unit = jnp.eye(g_sl.shape[1], dtype=g_sl.dtype)

    def down(above, slopes):
        row = row_reply(slopes[0], wires.r_driver, wires.r_wire_sl)
        y = above + row * slopes[1]
        keep = solve_unpivoted(unit + wires.r_wire_bl * y, unit)
        return keep @ y, (row, keep)

    y, (row, keep) = jax.lax.scan(down, jnp.zeros_like(unit), (g_sl, g_bl))
    hold, give = end_weights(wires.r_sense)
    foot = solve_unpivoted(tie_untouched(hold * unit + give * y), unit)
    return Factors(row=row, admittance=row * g_bl[:, None, :], keep=keep, foot=foot)


def substitute(
    factors: Factors,
    wires: ArrayParams,
    source: Float[Array, "rows cols"],
    at_foot: Float[Array, " cols"],
) -> tuple[Float[Array, "rows cols"], Float[Array, " cols"]]:
    """Cell currents [A] and foot voltages [V]; linear in `source` and `at_foot`.

    Args:
        factors: Of the slopes.
        wires: The same as for the factors.
        source: [A] b of each cell, where v_sl is counted from the row's drive.
        at_foot: What `foot_imbalance` shall be.
    """
    short = jnp.einsum("rij,rj->ri", factors.row, source)

    def down(above, of_row):
        keep, added = of_row
        total = above + added
        return keep @ total, total

    j_foot, j = jax.lax.scan(down, jnp.zeros_like(at_foot), (factors.keep, short))
    _, give = end_weights(wires.r_sense)
    v_foot = factors.foot @ (give * j_foot + at_foot)

    def up(below, of_row):
        keep, total = of_row
        v = keep @ (below + wires.r_wire_bl * total)
        return v, v

    _, v_bl = jax.lax.scan(up, v_foot, (factors.keep, j), reverse=True)
    return short - jnp.einsum("rij,rj->ri", factors.admittance, v_bl), v_foot
