"""Parallel lines with cells on them, solved by a ladder without a single subtraction.

A line of equal segments r has a cell g[k] at every node, whose other side is held at
some voltage, and an end: one more segment, then a resistor to a source.

    node 0 --r-- node 1 --r-- ... --r-- node n-1 --r-- end --r_end-- source

Seen from node k, everything up to it is a Norton source of admittance Y[k] and current
J[k]; through a segment both shrink by keep = 1 / (1 + r Y). So

    Y[k] = g[k] + keep[k-1] Y[k-1],      J[k] = j[k] + keep[k-1] J[k-1],

and back from the end v[k] = keep[k] (v[k+1] + r J[k]). All terms are positive: float32
keeps its digits, zero resistance and open cells need no special case.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from rram_jax.numerics import walk
from rram_jax.types import Array, Float


@dataclass(frozen=True, kw_only=True)
class Lines:
    """All source lines, or all bit lines, of one array; the end is at one side."""

    keep: Float[Array, "rows cols"]
    """[-] What the segment after a node passes on of the Norton source there."""

    keep_before: Float[Array, "rows cols"]
    """[-] The same of the node before."""

    y_end: Float[Array, " lines"]
    """[S] Admittance at the end, without the resistor r_end."""

    r_wire: Float[Array, ""]
    """[Ohm] One segment."""

    r_end: Float[Array, ""]
    """[Ohm] From the end to its source; infinity: the end floats."""

    axis: int
    """Along the lines: 1 for source lines, 0 for bit lines."""

    end_first: bool
    """Whether the end is before the first node (source lines) or after the last."""

    def solve(
        self,
        into: Float[Array, "rows cols drives"],
        source: Float[Array, "lines drives"] | None = None,
        into_end: Float[Array, "lines drives"] | None = None,
    ) -> tuple[
        Float[Array, "rows cols drives"],
        Float[Array, "lines drives"],
        Float[Array, "lines drives"],
    ]:
        """Volts of the nodes and of the ends, and amperes from ends to sources.

        `into` and `into_end` are amperes into nodes and ends, `source` volts behind
        the resistors r_end; what is left out is zero.
        """

        def gather(before, j, keep_before):
            return j + keep_before[:, None] * before

        def spread(after, j, keep):
            # A sum outermost: with the product there XLA copies `into` every step.
            return keep[:, None] * after + (self.r_wire * keep)[:, None] * j

        start = jnp.zeros((self.y_end.shape[0], into.shape[2]), into.dtype)
        j = walk(
            gather,
            start,
            into,
            self.keep_before,
            axis=self.axis,
            reverse=self.end_first,
        )
        last = (slice(None), 0) if self.end_first else -1
        j_end = self.keep[last][:, None] * j[last]
        if into_end is not None:
            j_end = j_end + into_end
        v_end, i_end = self._end(j_end, source)
        v = walk(
            spread, v_end, j, self.keep, axis=self.axis, reverse=not self.end_first
        )
        return v, v_end, i_end

    def _end(self, j, source):
        y, (hold, give) = self.y_end[:, None], end_weights(self.r_end)
        whole = hold + give * y
        # A floating line that no cell touches stays at rest.
        whole = jnp.where(whole == 0, 1, whole)
        held, short = (0, j) if source is None else (hold * source, j - y * source)
        return (held + give * j) / whole, hold * short / whole


def end_weights(r: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Weights (1, r) / (1 + r) [-, Ohm] of an end: hold * v = give * i, behind it 0 V.

    So r in ohms can be 0, where v vanishes, and infinite, where i does; in both cases
    with a finite derivative.
    """
    floats = jnp.isinf(r)
    hold = 1 / (1 + jnp.where(floats, 0, r))
    return jnp.where(floats, 0, hold), jnp.where(
        floats, 1, hold * jnp.where(floats, 0, r)
    )


def lines_of(
    conductance: Float[Array, "rows cols"],
    r_wire: Float[Array, ""],
    r_end: Float[Array, ""],
    *,
    axis: int,
    end_first: bool,
) -> Lines:
    """Eliminate the lines of an array once, for any currents into them."""

    def step(y, g, _):
        return g + y / (1 + r_wire * y)

    start = jnp.zeros(conductance.shape[1 - axis], conductance.dtype)
    y = walk(step, start, conductance, conductance, axis=axis, reverse=end_first)
    keep = 1 / (1 + r_wire * y)
    shift = 1 if not end_first else -1
    return Lines(
        keep=keep,
        # What comes round at the first node meets nothing there.
        keep_before=jnp.roll(keep, shift, axis),
        y_end=(keep * y)[(slice(None), 0) if end_first else -1],
        r_wire=r_wire,
        r_end=r_end,
        axis=axis,
        end_first=end_first,
    )


def line_currents(
    into: Float[Array, "rows cols drives"], *, axis: int, end_first: bool
) -> Float[Array, "rows cols drives"]:
    """[A] Through the segment on the end's side of every node, towards the end."""
    ones = jnp.ones(into.shape[:2], into.dtype)
    start = jnp.zeros((into.shape[1 - axis], into.shape[2]), into.dtype)

    def step(carry, j, _):
        return carry + j

    return walk(step, start, into, ones, axis=axis, reverse=end_first)
