"""What a solve of one plain array gives, and in words how well it went."""

import math
from dataclasses import dataclass

import numpy as np

from rram_jax.types import Array, Float, Int, register_record

CONVERGED, ROUNDING, ITERATIONS, STALLED, NOT_SOLVED = range(5)
"""Status of a solve, the worst last; in words: `CrossbarSolution.result`."""


@register_record
@dataclass(frozen=True)
class CrossbarSolution:
    """Operating point of one array, and how well it is known."""

    voltage: Float[Array, "*batch cols"]
    """[V] At the foot of each bit line, above v_cm."""

    current: Float[Array, "*batch cols"]
    """[A] Out of each bit line's foot; zero where it floats."""

    v_bl: Float[Array, "*batch rows cols"] | None
    """[V] Bit-line nodes, above v_cm; only with `nodes=True`."""

    v_sl: Float[Array, "*batch rows cols"] | None
    """[V] Source-line nodes, above v_cm; only with `nodes=True`."""

    cell_current: Float[Array, "*batch rows cols"] | None
    """[A] From source line to bit line; only with `nodes=True`."""

    kcl_residual: Float[Array, "*batch"]
    """[A] Largest current that does not add up at any node."""

    error: Float[Array, "*batch"]
    """[-] Estimate of the answer's relative error.

    Of conductances: from the residual. Of a cell law: what one more Newton step would
    change, as a share of the largest node voltage or cell current (at least 1 % of what
    the cells would carry from their voltages to rest), and 16 units of the last place;
    what rounding does inside the law is not seen.
    """

    iterations: Int[Array, "*batch"]
    """[-] Sweeps over all lines; Newton steps where the cells have a law."""

    status: Int[Array, "*batch"]
    """What `result` says, as a number of `circuit.solution`; 0 is converged."""

    @property
    def result(self) -> str:
        """In words, of the worst of the batch; outside jit."""
        worst, error, iterations = (
            np.asarray(x).max().item()
            for x in (self.status, self.error, self.iterations)
        )
        reached = f"error estimate {error:.1g} is above the tolerance"
        kind = self.voltage.dtype.name
        wider = " or x64 (jax.enable_x64)" if kind == "float32" else ""
        more = f"ask for a tolerance of {_round_up(error)}{wider}"
        return {
            CONVERGED: "converged",
            ROUNDING: f"{reached}: {kind} rounding; {more}",
            ITERATIONS: f"{reached} after {iterations} iterations: cells that conduct"
            f" far better than their wires, or a law with steep bends; {more}",
            STALLED: f"{reached}, and no step comes closer: a cell law that is not"
            f" monotone or too coarse in {kind}, or a start too far away; ask for a"
            f" law that rises with v_sl and falls with v_bl, a nearer start{wider}",
            NOT_SOLVED: "not solved: a NaN or an infinity among drives, cells and"
            " resistances or in what a cell law makes of them, or a negative"
            " conductance",
        }[worst]


def _round_up(error):
    return f"1e{math.ceil(math.log10(error))}" if 0 < error < 1 else "1"
