"""What a cell carries as a function of the voltages at its two ends.

A cell law is a callable record: `law(v_sl, v_bl)` gives the current [A] from source
line to bit line, voltages in volts above v_cm, element by element and broadcasting with
the record's arrays, of which at least one has the shape (rows, cols). The current rises
with v_sl, falls with v_bl and vanishes where they are equal. `jax.tree_util.Partial`
makes one of any function: `Partial(lambda g, v_sl, v_bl: ..., g)`.

A law sees both voltages and not only their difference since the access transistor's
bulk stays at 0 V while the lines lie around v_cm.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp

from rram_jax.device.cell import cell_current
from rram_jax.device.filament import FilamentParams
from rram_jax.types import Array, Float, register_record

CellLaw = Callable[[Array, Array], Array]
"""A callable pytree: (v_sl, v_bl) [V] of all cells to their currents [A]."""


@register_record
@dataclass(frozen=True)
class LinearCell:
    """Ohm's law; `solve_crossbar` solves it as the conductance that it holds."""

    conductance: Float[Array, "rows cols"]
    """[S] Of each cell; 0 is an open cell."""

    def __call__(
        self, v_sl: Float[Array, "..."], v_bl: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """[A] From source line to bit line."""
        return self.conductance * (v_sl - v_bl)


@register_record
@dataclass(frozen=True)
class RramCell:
    """An RRAM and its access transistor in series (`device.cell`), states frozen.

    The barriers, cross-sections and gates broadcast to (rows, cols).
    """

    x: Float[Array, "..."]
    """[m] Barriers (`device.filament`)."""

    s: Float[Array, "..."]
    """[-] Cross-sections."""

    v_gate: Float[Array, "..."]
    """[V] Gates, above 0 V: the card's `gate_read` in a read."""

    v_cm: Float[Array, ""]
    """[V] What the arrays' voltages are counted from, above the transistors' bulk."""

    params: FilamentParams
    """The technology."""

    def __call__(
        self, v_sl: Float[Array, "..."], v_bl: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """[A] From source line to bit line, RESET polarity positive.

        `cell_current` has the lower end at 0 V. The transistor's current depends on
        v_p - v and v_p = (V_gate - V_threshold) / n only: raising all of its nodes by
        V_low is the same as lowering the gate by n V_low.
        """
        v_low = self.v_cm + jnp.minimum(v_sl, v_bl)
        v_gate = self.v_gate - self.params.access_slope * v_low
        return cell_current(v_sl - v_bl, v_gate, self.x, self.s, self.params)
