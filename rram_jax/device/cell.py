"""The 1T1R cell: an RRAM in series with its access transistor.

    sl ---[ access transistor ]--- mid ---[ RRAM ]--- bl        bulk at 0 V
                   |
                  gate

**Polarity**: the cell voltage is V(sl) - V(bl). Positive (sl driven, bl at 0 V) is
RESET, negative (bl driven, sl at 0 V) is SET, where the transistor's source is at 0 V
and its gate voltage so sets the compliance current.

    I = 2 n beta V_T^2 * (F((v_p - V_low) / V_T) - F((v_p - V_high) / V_T))
    F(u) = ln(1 + exp(u / 2))^2,   v_p = (V_gate - V_threshold) / n,   V_T = k T / q

References:
    C. C. Enz, F. Krummenacher, E. A. Vittoz, "An analytical MOS transistor model valid
    in all regions of operation and dedicated to low-voltage and low-current
    applications", Analog Integrated Circuits and Signal Processing 8, 1995,
    10.1007/BF01239381.
"""

import jax
import jax.numpy as jnp

from rram_jax.device.filament import KELVIN, FilamentParams, current
from rram_jax.types import Array, Float

_HALVINGS, _STEPS = 9, 16
"""After the halvings the bracket is below both voltage scales, V_T and V0, for cell
voltages up to 10 V; from there Newton's error is squared in each step."""


def access_current(
    low: Float[Array, "*#cells"],
    high: Float[Array, "*#cells"],
    v_gate: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[A] Through the access transistor; arguments in [V] above its bulk.

    From the node at `high` to the one at `low`; negative where `high` is the lower.
    """
    v_t = KELVIN * params.t_ambient
    pinch = (v_gate - params.access_threshold) / params.access_slope

    def channel(v):
        return jax.nn.softplus((pinch - v) / (2 * v_t)) ** 2

    scale = 2 * params.access_slope * params.access_beta * v_t**2
    return scale * (channel(low) - channel(high))


def rram_voltage(
    v_cell: Float[Array, "*#cells"],
    v_gate: Float[Array, "*#cells"],
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[V] Across the RRAM, of the sign of `v_cell`.

    Halving, then Newton steps inside the bracket, a fixed number of both (see
    `_HALVINGS`); the gradient is the implicit one. The transistor and the RRAM are
    monotone, so there is exactly one solution between 0 and `v_cell`.

    Args:
        v_cell: [V] V(sl) - V(bl), up to 10 V either way; the lower node is at 0 V.
        v_gate: [V] Gate, above 0 V.
        x: [m] Barrier.
        s: [-] Relative cross-section.
        params: The technology.
    """
    v_cell, v_gate, x, s = jnp.broadcast_arrays(v_cell, v_gate, x, s)
    sign = jnp.where(v_cell >= 0, 1.0, -1.0).astype(v_cell.dtype)
    size = sign * v_cell

    def imbalance(v):
        low = jnp.where(sign > 0, v, 0.0)
        high = jnp.where(sign > 0, size, size - v)
        return current(v, x, s, params) - access_current(low, high, v_gate, params)

    def solve(fn, start):
        tiny = jnp.finfo(start.dtype).tiny

        def closer(k, bracket):
            v, a, b = bracket
            value, slope = jax.jvp(fn, (v,), (jnp.ones_like(v),))
            above = value > 0
            a, b = jnp.where(above, a, v), jnp.where(above, v, b)
            # No slope is left where a closed transistor meets an underflow.
            newton = v - value / jnp.maximum(slope, tiny)
            newton = jnp.clip(newton, a, b)
            return jnp.where(k < _HALVINGS, (a + b) / 2, newton), a, b

        bracket = (start, jnp.zeros_like(size), size)
        return jax.lax.fori_loop(0, _STEPS, closer, bracket)[0]

    def tangent_solve(linear, y):
        tiny = jnp.finfo(y.dtype).tiny
        return y / jnp.maximum(linear(jnp.ones_like(y)), tiny)

    v = jax.lax.custom_root(imbalance, size / 2, solve, tangent_solve)
    return sign * v


def cell_current(
    v_cell: Float[Array, "*#cells"],
    v_gate: Float[Array, "*#cells"],
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[A] Through the cell, of the sign of `v_cell`; arguments as `rram_voltage`."""
    return current(rram_voltage(v_cell, v_gate, x, s, params), x, s, params)


def read_resistance(
    v_read: Float[Array, "*#cells"],
    v_gate: Float[Array, "*#cells"],
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[Ohm] RRAM and access transistor together at a read of `v_read` [V], not 0."""
    return v_read / cell_current(v_read, v_gate, x, s, params)
