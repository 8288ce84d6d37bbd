"""Pulses on 1T1R cells: where the barrier ends up, and the energy that it takes.

Under a constant cell voltage the barrier moves one way only, and what is left to go, d
(t_ox - x in RESET, x in SET), shrinks with the relative rate h(x) = nu P of
`device.filament`. In the depth u = ln(d_start / d)

    t(u) = integral of du' / h(x(u')),     E(u) = integral of V I(x(u')) / h(x(u')) du',

so a pulse of width t ends at the root of t(u) = t, however stiff the motion is: an
abrupt SET, 1e12 times faster at its end than at its start, is no more work than a slow
RESET. The integrals are Gauss-Legendre sums over panels on which ln h changes by about
equal amounts; the root is found in the panel where it lies. Its gradient is the
implicit one, in every parameter, in the start state, the voltages and the width.

Pulses are rectangular: a cell charges and heats within less than 1 ns.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.device.cell import rram_voltage
from rram_jax.device.filament import FilamentParams, current, relative_rate
from rram_jax.types import Array, Float, register_record

_DEEPEST = 1e-9
"""[-] Smallest d over t_ox that is still followed; R is then what it is at d = 0."""

_STILL = 1e-12
"""[1/s] Slower rates count as this one: no pulse of seconds moves such a barrier."""

_PANELS, _SAMPLES = 48, 96
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_NODES, _WEIGHTS = (1 + _NODES) / 2, _WEIGHTS / 2
_HALVINGS, _STEPS = 6, 12


@register_record
@dataclass(frozen=True)
class PulseResult:
    """What one pulse did to the cells."""

    x: Float[Array, "*cells"]
    """[m] Barriers after the pulse."""

    energy: Float[Array, "*cells"]
    """[J] Taken by the cell, RRAM and access transistor, out of its driver."""


def apply_pulse(
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    v_cell: Float[Array, "*#cells"],
    v_gate: Float[Array, "*#cells"],
    width: Float[Array, "*#cells"],
    params: FilamentParams,
) -> PulseResult:
    """One rectangular pulse on every cell; all arguments broadcast.

    Differentiable (once) in everything but the polarity. In float32 a barrier's
    Boltzmann factors keep some five digits; fits want float64.

    Args:
        x: [m] Barriers before the pulse, within [0, t_ox].
        s: [-] Relative cross-sections.
        v_cell: [V] Cell voltage: positive RESET, negative SET, zero rest.
        v_gate: [V] Gate of the access transistor.
        width: [s] Width, not negative.
        params: The technology.
    """
    arrays = jnp.broadcast_arrays(x, s, v_cell, v_gate, width)
    shape = arrays[0].shape

    def one(x, s, v_cell, v_gate, width):
        return _pulse(x, s, v_cell, v_gate, width, params)

    ends, energy = jax.vmap(one)(*(a.reshape(-1) for a in arrays))
    return PulseResult(x=ends.reshape(shape), energy=energy.reshape(shape))


def apply_train(
    x: Float[Array, "*cells"],
    s: Float[Array, "*#cells"],
    v_cell: Float[Array, " pulses"],
    v_gate: Float[Array, " pulses"],
    width: Float[Array, " pulses"],
    params: FilamentParams,
) -> PulseResult:
    """Pulses one after the other, the same ones on every cell.

    Args:
        x: [m] Barriers before the first pulse.
        s: [-] Relative cross-sections.
        v_cell: [V] Of each pulse.
        v_gate: [V] Of each pulse.
        width: [s] Of each pulse.
        params: The technology.

    Returns:
        Barriers after, and energy of, each pulse: [pulses, *cells].
    """

    def step(x, pulse):
        v, gate, w = pulse
        result = apply_pulse(x, s, v, gate, w, params)
        return result.x, result

    return jax.lax.scan(step, x, (v_cell, v_gate, width))[1]


def _pulse(x_start, s, v_cell, v_gate, width, params):
    """(x, energy) after one pulse on one cell."""
    stop = jax.lax.stop_gradient
    reset = v_cell >= 0
    d_start = jnp.where(reset, params.t_ox - x_start, x_start)
    smallest = _DEEPEST * params.t_ox
    deepest = stop(jnp.log(jnp.maximum(d_start, smallest) / smallest))
    cell = (x_start, d_start, s, v_cell, v_gate, params)
    frozen = jax.tree.map(stop, cell)  # for what only chooses where to look

    def barrier(u, cell):
        x_start, d_start = cell[:2]
        moved = -d_start * jnp.expm1(-u)
        return x_start + jnp.where(reset, moved, -moved)

    def speed_and_power(u, cell):
        _, _, s, v_cell, v_gate, params = cell
        x = barrier(u, cell)
        v = rram_voltage(v_cell, v_gate, x, s, params)
        h = jnp.maximum(relative_rate(v, x, s, params), _STILL)
        return h, v_cell * current(v, x, s, params)

    def integrals(start, end, cell):
        """Time and energy between depths, then h and power at the end."""
        length = (end - start)[..., None]
        nodes = jnp.asarray([*_NODES, 1.0], length.dtype)
        h, power = speed_and_power(start[..., None] + length * nodes, cell)
        dt = jnp.asarray(_WEIGHTS, length.dtype) * length / h[..., :-1]
        energy = dt * power[..., :-1]
        return dt.sum(-1), energy.sum(-1), h[..., -1], power[..., -1]

    edges = stop(_panel_edges(lambda u: speed_and_power(u, frozen)[0], deepest))
    times, energies, _, _ = integrals(edges[:-1], edges[1:], cell)
    at_edge = jnp.concatenate([jnp.zeros_like(times[:1]), jnp.cumsum(times)])
    energy_at_edge = jnp.concatenate([jnp.zeros_like(times[:1]), jnp.cumsum(energies)])
    ended = at_edge[-1] > width  # else the barrier reaches its end within the pulse
    panel = jnp.sum(stop(at_edge[1:]) <= stop(width)).clip(0, _PANELS - 1)
    left, right = edges[panel], edges[panel + 1]
    missing = width - at_edge[panel]

    def closer(k, bracket):
        u, a, b = bracket
        time, _, h, _ = integrals(left, u, frozen)
        late = time > stop(missing)
        a, b = jnp.where(late, a, u), jnp.where(late, u, b)
        newton = u + h * (stop(missing) - time)
        newton = jnp.clip(newton, a, b)
        return jnp.where(k < _HALVINGS, (a + b) / 2, newton), a, b

    start = ((left + right) / 2, left, right)
    end = jax.lax.fori_loop(0, _STEPS, closer, start)[0]
    end = stop(jnp.where(ended, end, right))
    time, energy, h, power = integrals(left, end, cell)
    # One more Newton step, which carries the implicit gradient: du = h dt, dE = P dt.
    # Where the barrier has arrived, this is the rest of the pulse: its energy only.
    rest = missing - time
    end = end + jnp.where(ended, h * rest, 0.0)
    return barrier(end, cell), energy_at_edge[panel] + energy + power * rest


def _panel_edges(speed, deepest):
    """Depths between which ln h changes by about equal amounts, 0 to `deepest`."""
    part = jnp.linspace(0.0, 1.0, _SAMPLES + 1, dtype=deepest.dtype)
    depth = deepest * part**2  # fine where it starts: deep down h does not change
    change = jnp.abs(jnp.diff(jnp.log(speed(depth))))
    # Half of the panels go where it changes, the others are spread like the samples.
    share = change + change.mean() + 0.01
    total = jnp.concatenate([jnp.zeros_like(share[:1]), jnp.cumsum(share)])
    wanted = jnp.linspace(0.0, 1.0, _PANELS + 1, dtype=deepest.dtype) * total[-1]
    return jnp.interp(wanted, total, depth)
