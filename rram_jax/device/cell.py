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

_MOST_STEPS = 80
"""More than halving alone takes to the last digit in float64."""


def _channel(node, v_gate, params):
    """[A] What the access transistor takes in at a node, above what it gives out."""
    v_t = KELVIN * params.t_ambient
    pinch = (v_gate - params.access_threshold) / params.access_slope
    scale = 2 * params.access_slope * params.access_beta * v_t**2
    return scale * jax.nn.softplus((pinch - node) / (2 * v_t)) ** 2


def access_current(
    low: Float[Array, "*#cells"],
    high: Float[Array, "*#cells"],
    v_gate: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[A] Through the access transistor; arguments in [V] above its bulk.

    From the node at `high` to the one at `low`; negative where `high` is the lower.
    """
    return _channel(low, v_gate, params) - _channel(high, v_gate, params)


def rram_voltage(
    v_cell: Float[Array, "*#cells"],
    v_gate: Float[Array, "*#cells"],
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    params: FilamentParams,
    start: Float[Array, "*#cells"] | None = None,
) -> Float[Array, "*cells"]:
    """[V] Across the RRAM, of the sign of `v_cell`.

    Newton steps, and a halving of the bracket wherever they leave it or shrink slowly;
    the gradient is the implicit one. The transistor and the RRAM are monotone, so there
    is exactly one solution between 0 and `v_cell`.

    Args:
        v_cell: [V] V(sl) - V(bl), up to 10 V either way; the lower node is at 0 V.
        v_gate: [V] Gate, above 0 V.
        x: [m] Barrier.
        s: [-] Relative cross-section.
        params: The technology.
        start: [V] Where to begin, else in the middle. It saves steps, and changes the
            answer by rounding only.
    """
    v_cell, v_gate, x, s = jnp.broadcast_arrays(v_cell, v_gate, x, s)
    v_cell = v_cell.astype(jnp.result_type(v_cell, v_gate, x, s, params.x0))
    reset = v_cell >= 0
    sign = jnp.where(reset, 1.0, -1.0).astype(v_cell.dtype)
    size = sign * v_cell
    # Of the transistor's two nodes one is held; the other is between it and the RRAM.
    held = _channel(jnp.where(reset, size, 0.0), v_gate, params)

    def imbalance(v):
        free = _channel(jnp.where(reset, v, size - v), v_gate, params)
        return current(v, x, s, params) - sign * (free - held)

    def solve(fn, start):
        info = jnp.finfo(start.dtype)
        # The step after one of this size would be lost in rounding.
        small = 0.1 * info.eps**0.5
        lost = info.eps * held  # what rounding leaves of the transistor's difference

        def closer(state):
            k, v, a, b, last, done = state
            value, slope = jax.jvp(fn, (v,), (jnp.ones_like(v),))
            above = value > 0
            a, b = jnp.where(above, a, v), jnp.where(above, v, b)
            # No slope is left where a closed transistor meets an underflow.
            newton = jnp.clip(v - value / jnp.maximum(slope, info.tiny), a, b)
            step = jnp.abs(newton - v)
            quick = step <= 0.7 * last
            done |= jnp.abs(value) <= lost
            v = jnp.where(done, v, jnp.where(quick, newton, (a + b) / 2))
            done |= (quick & (step <= small * v)) | (b - a <= 2 * info.eps * b)
            return k + 1, v, a, b, jnp.where(quick, step, b - a), done

        def unfinished(state):
            return (state[0] < _MOST_STEPS) & ~state[-1].all()

        zero = jnp.zeros_like(size)
        state = (0, start, zero, size, size, zero > 1)
        return jax.lax.while_loop(unfinished, closer, state)[1]

    def tangent_solve(linear, y):
        tiny = jnp.finfo(y.dtype).tiny
        return y / jnp.maximum(linear(jnp.ones_like(y)), tiny)

    start = size / 2 if start is None else jnp.clip(sign * start, 0.0, size)
    return sign * jax.lax.custom_root(imbalance, start, solve, tangent_solve)


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
