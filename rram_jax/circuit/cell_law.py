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
import numpy as np

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

    Barriers, cross-sections and gates broadcast to (rows, cols); at least one of them,
    or of `params`, has this shape. Plain numbers become arrays (so that a record of
    axes for `vmap` is made with `jax.tree.map`, not by naming the fields).

    Example:
        >>> card, x = rj.load_filament("hfo2"), jnp.array([[0, 1e-9], [1e-9, 0]])
        >>> params, gate = card.params(), card.gate_read
        >>> cells = rj.RramCell(x=x, s=1.0, v_gate=gate, v_cm=0.4, params=params)
        >>> rj.solve_crossbar(jnp.array([0.2, -0.2]), cells, rj.ArrayConfig())
    """

    x: Float[Array, "..."] | np.ndarray | float
    """[m] Barriers (`device.filament`): 0 in the LRS, about 1e-9 in the HRS."""

    s: Float[Array, "..."] | np.ndarray | float
    """[-] Cross-sections of the filaments: 1 nominal, some 0.07 of spread."""

    v_gate: Float[Array, "..."] | np.ndarray | float
    """[V] Gates, above 0 V: the card's `gate_read`, 1.8, in a read."""

    v_cm: Float[Array, ""] | float
    """[V] What the arrays' voltages are counted from, above the transistors' bulk:
    0.4 in our tiles."""

    params: FilamentParams
    """The technology: `rj.load_filament("hfo2").params()`."""

    def __post_init__(self):
        for name in ("x", "s", "v_gate", "v_cm"):
            value = getattr(self, name)
            if isinstance(value, int | float | np.number | np.ndarray):
                object.__setattr__(self, name, jnp.asarray(value) * 1.0)

    def __call__(
        self, v_sl: Float[Array, "..."], v_bl: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """[A] From source line to bit line, RESET polarity positive.

        `cell_current` has the lower end at 0 V. The transistor's current depends on
        v_p - v and v_p = (V_gate - V_threshold) / n only: raising all of its nodes by
        V_low is the same as lowering the gate by n V_low.
        """
        x, s, gate, v_cm = map(jnp.asarray, (self.x, self.s, self.v_gate, self.v_cm))
        v_low = v_cm + jnp.minimum(v_sl, v_bl)
        gate = gate - self.params.access_slope * v_low
        return cell_current(v_sl - v_bl, gate, x, s, self.params)
