"""Pulses on 1T1R cells: where the barrier ends up, and the energy that it takes.

Under a constant cell voltage the barrier moves one way only, and what is left to go, d
(t_ox - x in RESET, x in SET), shrinks with the relative rate h(x) = nu P of
`device.filament`. In the depth u = ln(d_start / d)

    t(u) = integral of du' / h(x(u')),     E(u) = integral of V I(x(u')) / h(x(u')) du',

so a pulse of width t ends at the root of t(u) = t, however stiff the motion is: an
abrupt SET, 1e12 times faster at its end than at its start, is no more work than a slow
RESET. The integrals are Gauss-Legendre sums over panels on which ln h changes by about
equal amounts, as far as the pulse may get; the root is that of the polynomial through
the nodes of its panel, then one Newton step nearer. Its gradient is the implicit one,
in every parameter, in the start state, the voltages and the width.

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

_PANELS, _SAMPLES = 12, 32
_ORDER = 12
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_ORDER)
# From an integrand at the nodes to its polynomial's integral from 0 to t: it is
# t (S_0 + (1 - t) (S_1 P_1' + S_2 P_2' + ...)), S = _SERIES @ values, since that of the
# Legendre polynomial P_k from -1 to z is -(1 - z^2) P_k' / (k (k + 1)).
_K = np.arange(1, _ORDER)
_SERIES = _WEIGHTS / 2 * np.polynomial.legendre.legvander(_NODES, _ORDER - 1).T
_SERIES[1:] *= (-2 * (2 * _K + 1) / (_K * (_K + 1)))[:, None]
_NODES, _WEIGHTS = (1 + _NODES) / 2, _WEIGHTS / 2
_HALVINGS, _STEPS = 6, 12

_BATCH = 512
"""Cells at once, so that their some 170 nodes each stay in the caches."""


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

    n = arrays[0].size
    batches = max(-(-n // _BATCH), 1)
    rows = [jnp.resize(a, (batches, -(-n // batches))) for a in arrays]
    results = jax.lax.map(lambda cells: _pulse(cells, params), tuple(rows))
    ends, energy = (a.reshape(-1)[:n].reshape(shape) for a in results)
    return PulseResult(x=ends, energy=energy)


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


def _pulse(cells, params):
    """(x, energy) after one pulse. Cells are the last axis of all arrays in here."""
    x_start, s, v_cell, v_gate, width = cells
    stop = jax.lax.stop_gradient
    reset = v_cell >= 0
    d_start = jnp.where(reset, params.t_ox - x_start, x_start)
    smallest = _DEEPEST * params.t_ox
    deepest = stop(jnp.log(jnp.maximum(d_start, smallest) / smallest))
    cell = (x_start, d_start, s, v_cell, v_gate, params)
    frozen = jax.tree.map(stop, cell)  # for what only chooses where to look
    dtype = deepest.dtype

    def barrier(u, cell):
        x_start, d_start = cell[:2]
        moved = -d_start * jnp.expm1(-u)
        return x_start + jnp.where(reset, moved, -moved)

    def state(u, cell, start=None):
        """Barrier, RRAM voltage and relative rate at a depth."""
        _, _, s, v_cell, v_gate, params = cell
        x = barrier(u, cell)
        v = rram_voltage(v_cell, v_gate, x, s, params, start)
        return x, v, jnp.maximum(relative_rate(v, x, s, params), _STILL)

    part = jnp.linspace(0.0, 1.0, _SAMPLES + 1, dtype=dtype)[:, None]
    depth = deepest * part**3  # fine where it starts: deep down h does not change
    _, voltage, speed = stop(state(depth, frozen))

    def sampled(u):
        """Voltage at a depth, interpolated."""
        place = _SAMPLES * jnp.cbrt(u / jnp.maximum(deepest, 1e-9))
        k = jnp.floor(place).astype(int).clip(0, _SAMPLES - 1)
        at = k.reshape(-1, k.shape[-1])
        low, high = (
            jnp.take_along_axis(voltage, i, 0).reshape(k.shape) for i in (at, at + 1)
        )
        return low + (place - k) * (high - low)

    def integrals(start, length, cell):
        """Time and energy over a depth, h and power at its end, dt at the nodes."""
        nodes = jnp.asarray([*_NODES, 1.0], dtype).reshape(-1, *(1,) * start.ndim)
        u = start + length * nodes
        x, v, h = state(u, cell, sampled(stop(u)))
        _, _, s, v_cell, _, params = cell
        power = v_cell * current(v, x, s, params)
        dt = length / h[:-1]
        weights = jnp.asarray(_WEIGHTS, dtype)
        time, energy = (jnp.tensordot(weights, y, 1) for y in (dt, dt * power[:-1]))
        return time, energy, h[-1], power[-1], dt

    edges = stop(_panel_edges(depth, speed, stop(width)))
    lengths = jnp.diff(edges, axis=0)
    times, energies, _, _, parts = integrals(edges[:-1], lengths, cell)
    at_edge, energy_at_edge = _cumulated(times), _cumulated(energies)
    ended = at_edge[-1] > width  # else the barrier reaches its end within the pulse
    panel = jnp.sum(stop(at_edge[1:]) <= stop(width), 0).clip(0, _PANELS)

    def here(a):
        """Of the panel where the pulse ends."""
        return jax.vmap(lambda a, k: a[..., k], (-1, 0), -1)(a, panel)

    start, length, missing = here(edges), here(lengths), width - here(at_edge)
    share = stop(_share_of_panel(here(parts), missing))
    length = jnp.where(ended, share, 1.0) * length
    time, energy, h, power, _ = integrals(start, length, cell)
    # One Newton step more, which carries the implicit gradient: du = h dt, dE = P dt.
    # Where the barrier has arrived, this is the rest of the pulse: its energy only.
    rest = missing - time
    end = start + length + jnp.where(ended, h * rest, 0.0)
    return barrier(end, cell), here(energy_at_edge) + energy + power * rest


def _cumulated(parts):
    """0, then sums over the first axis."""
    return jnp.concatenate([jnp.zeros_like(parts[:1]), jnp.cumsum(parts, 0)])


def _panel_edges(depth, speed, width):
    """Depths between which ln h changes by about equal amounts, then the deepest.

    All but the last panel end where the pulse can not get: there is time for no more
    when each sample is passed at the larger of its ends' speeds.
    """
    first = jnp.maximum(speed[:-1], speed[1:])
    time = jnp.cumsum(jnp.diff(depth, axis=0) / first, 0)
    last = jnp.sum(time[:-1] < width, 0)
    change = jnp.abs(jnp.diff(jnp.log(speed), axis=0))
    # Half of the panels go where it changes, the others are spread like the samples.
    total = _cumulated(change + change.mean(0) + 0.01)
    within = jnp.take_along_axis(total, 1 + last[None], 0)
    part = jnp.linspace(0.0, 1.0, _PANELS + 1, dtype=depth.dtype)[:, None]
    wanted = jnp.concatenate([part * within, total[-1:]])
    return jax.vmap(jnp.interp, -1, -1)(wanted, total, depth)


def _share_of_panel(times, time):
    """Share of a panel that is passed in `time`, from its integrand at the nodes."""
    series = jnp.asarray(_SERIES, times.dtype) @ times

    def passed(t):
        slopes = [jnp.zeros_like(t), jnp.ones_like(t)]  # of P_0, P_1, ...
        for k in range(1, _ORDER - 1):
            up = (2 * k + 1) * (2 * t - 1) * slopes[k] - (k + 1) * slopes[k - 1]
            slopes.append(up / k)
        rest = sum(s * p for s, p in zip(series[1:], slopes[1:], strict=True))
        return t * (series[0] + (1 - t) * rest)

    def closer(k, bracket):
        t, a, b = bracket
        value, slope = jax.jvp(passed, (t,), (jnp.ones_like(t),))
        late = value > time
        a, b = jnp.where(late, a, t), jnp.where(late, t, b)
        tiny = jnp.finfo(t.dtype).tiny
        newton = jnp.clip(t - (value - time) / jnp.maximum(slope, tiny), a, b)
        return jnp.where(k < _HALVINGS, (a + b) / 2, newton), a, b

    one = jnp.ones_like(time)
    share = jax.lax.fori_loop(0, _STEPS, closer, (one / 2, 0 * one, one))[0]
    return jnp.where(time > 0, share, 0.0)
