"""From a deck's waveforms to codes, counts and energies; worker processes need no more.

Knows no jax, so that a worker starts in a fraction of a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.technology import Technology
from rram_jax.ngspice.neuron import BLOCKS
from rram_jax.ngspice.phases import decision_instant, phase_names, ramp_instant

T_SETTLE = 1.5e-9
"""[s] Crossings sooner after the reference's step are not looked at: there the model's
one time constant (`NeuronParams.lag`) no longer holds."""

INNER = ("s", "out", "dum", "q")
"""Nodes of one neuron; the copy `dum` comes with a latch only."""


@dataclass(frozen=True, kw_only=True)
class DeckPlan:
    """What stands where and when in a network's deck."""

    neurons: tuple[NeuronConfig, ...]
    """Neurons of each layer; those with continuous comparators are outputs."""

    n_outputs: tuple[int, ...]
    """[-] Their number in each layer."""

    v_read: float
    """[V] Row swing about v_cm."""

    t_pulse: tuple[float, ...]
    """[s] Start of each layer's output pulses."""

    t_stop: float
    """[s] End of the transient."""

    swing: tuple[float, float] = (1.0, 1.0)
    """[-] Swings of positive and negative rows over `v_read`."""

    conversions: int = 1
    """[-] Images, one after the other."""

    t_period: float = 0.0
    """[s] From one image's start to the next one's."""

    @property
    def technology(self) -> Technology:
        """Of all layers."""
        return self.neurons[0].technology

    @property
    def levels(self) -> dict[str, float]:
        """[V] Reference levels of the rows."""
        v_cm = self.technology.v_cm
        up, down = (x * self.v_read for x in self.swing)
        return {"vp": v_cm + up, "vm": v_cm - down, "cm": v_cm}

    @property
    def phases(self) -> list[str]:
        """Nodes of the ideal clocks and phases; their sources are called V<node>."""
        return [f"{x}{k}" for k, c in enumerate(self.neurons) for x in phase_names(c)]


def saved_vectors(plan: DeckPlan, watch: tuple[int, int] | None) -> list[str]:
    """Vectors that a deck saves; `watch` adds the inner nodes of (layer, neuron)."""
    nodes = [
        f"{'q' if plan.neurons[k].asynchronous else 'p'}{k}_{j}"
        for k, n in enumerate(plan.n_outputs)
        for j in range(n)
    ]
    if watch:
        k, j = watch
        inner = ("s", "out", "q") if plan.neurons[k].asynchronous else INNER
        nodes += [f"{name}{k}_{j}" for name in inner]
    sources = [f"vdd_{block}" for block in BLOCKS] + ["vpre"]
    sources += [f"v{name}" for name in (*plan.levels, *plan.phases)]
    volts = dict.fromkeys((*nodes, *plan.phases))
    return [f"v({name})" for name in volts] + [f"i({name})" for name in sources]


@dataclass(frozen=True, kw_only=True)
class DeckAnswer:
    """What one image's waveforms say."""

    codes: list[list[int]]
    """Codes 0..15 of every hidden layer, from the widths of its output pulses."""

    counts: list[int]
    """Counts of the outputs, in decisions; none of a hidden layer alone."""

    width_error: float
    """[slots] Largest departure of a hidden pulse from a whole number of slots."""

    energy_j: dict[str, float]
    """[J] By block, over the whole transient (`energy_by_block`)."""

    regulator_j: float
    """[J] Array energy if linear regulators make v_cm +- v_read from the supply."""

    peak_current_a: dict[str, float]
    """[A] Largest current of each reference level."""


def read_answer(plan: DeckPlan, data: Mapping[str, np.ndarray]) -> DeckAnswer:
    """Decode codes, counts and energies from a deck's saved vectors."""
    codes, counts, error = [], [], 0.0
    for k, config in enumerate(plan.neurons):
        n, t_pulse = plan.n_outputs[k], plan.t_pulse[k]
        if config.asynchronous:
            counts = decode_counts(data, k, n, config, t_pulse).tolist()
            continue
        code, width = decode_codes(data, k, n, config, t_pulse)
        codes.append(code.tolist())
        error = max(error, float(np.abs(width - code).max()))
    drawn = {name: -data[f"i(v{name})"] for name in plan.levels}
    regulated = [np.trapezoid(np.maximum(i, 0), data["time"]) for i in drawn.values()]
    return DeckAnswer(
        codes=codes,
        counts=counts,
        width_error=error,
        energy_j=energy_by_block(plan, data),
        regulator_j=float(plan.technology.v_dd * sum(regulated)),
        peak_current_a={name: float(np.abs(i).max()) for name, i in drawn.items()},
    )


def read_answers(plan: DeckPlan, data: Mapping[str, np.ndarray]) -> list[DeckAnswer]:
    """The same for each image of a deck that holds several.

    An image's energies and peaks run from the end of the one before to its own end, so
    that from the second on they hold one auto-zero.
    """
    answers, start = [], -np.inf
    for n in range(plan.conversions):
        end = plan.t_stop - (plan.conversions - 1 - n) * plan.t_period
        part = (data["time"] >= start) & (data["time"] <= end * (1 + 1e-9))
        shifted = tuple(t + n * plan.t_period for t in plan.t_pulse)
        own = {name: wave[part] for name, wave in data.items()}
        answers.append(read_answer(replace(plan, t_pulse=shifted, t_stop=end), own))
        start = end
    return answers


def energy_by_block(plan: DeckPlan, data: Mapping[str, np.ndarray]) -> dict[str, float]:
    """[J] What every supply and reference delivers, by block.

    `gm`, `latch`, `gate`, `bias`, `driver` (input buffers) from the supply; `array` at
    the levels v_cm and v_cm +- v_read, `pre` at v_pre, `phases` from the ideal clocks.
    """

    def energy(volts, current):
        return float(-np.trapezoid(volts * current, data["time"]))

    v_dd, v_pre = plan.technology.v_dd, plan.technology.v_pre
    out = {block: energy(v_dd, data[f"i(vdd_{block})"]) for block in BLOCKS}
    out["array"] = sum(
        energy(volts, data[f"i(v{name})"]) for name, volts in plan.levels.items()
    )
    out["pre"] = energy(v_pre, data["i(vpre)"])
    out["phases"] = sum(
        energy(data[f"v({name})"], data[f"i(v{name})"]) for name in plan.phases
    )
    return out


def decode_counts(
    data: Mapping[str, np.ndarray], k: int, n: int, config: NeuronConfig, t_pulse: float
) -> np.ndarray:
    """Counts [n] of layer k from v(q{k}_{j}): decisions up to the first 0.

    A latch is read 0.9 clocks after its edge. Of a continuous comparator the counter
    sees q as it is at each of its edges.
    """
    after = 0.0 if config.asynchronous else 0.9
    instants = decision_instant(t_pulse, np.arange(config.decisions) + after, config)
    time, half = data["time"], config.technology.v_dd / 2
    high = np.stack(
        [np.interp(instants, time, data[f"v(q{k}_{j})"]) > half for j in range(n)]
    )
    return np.where(high.all(1), config.decisions, high.argmin(1))


def decode_crossings(
    data: Mapping[str, np.ndarray], k: int, n: int, config: NeuronConfig, t_pulse: float
) -> np.ndarray:
    """Positions [n, slots] at which v(q{k}_{j}) of continuous comparators falls.

    Its first fall after the first decision; NaN where there is none in the ramp, or
    where the reference's step had not settled when `out` crossed.
    """
    first, end = decision_instant(t_pulse, np.array([0, config.decisions]), config)
    settled = ramp_instant(t_pulse, config) + T_SETTLE + config.t_delay
    start, time = max(first, settled), data["time"]
    out = np.full(n, np.nan)
    for j in range(n):
        q = data[f"v(q{k}_{j})"] - config.technology.v_dd / 2
        falls = np.flatnonzero((q[:-1] > 0) & (q[1:] <= 0))
        at = time[falls] + q[falls] / (q[falls] - q[falls + 1]) * (
            time[falls + 1] - time[falls]
        )
        at = at[(at > start) & (at < end)]
        out[j] = 0.5 + (at[0] - first) / config.t_slot if len(at) else np.nan
    return out


def crossings(
    difference: np.ndarray, threshold: float, config: NeuronConfig
) -> np.ndarray:
    """Positions [n, slots] at which out passes dum + threshold; NaN outside the ramp.

    Straight lines between clock edges, and up to half a slot beyond the first and the
    last one. Using the values at the edges keeps the latch's kick in.
    """
    above = difference - threshold
    last = above.shape[1] - 1
    end = np.where((above <= 0).any(1), (above <= 0).argmax(1), last)
    end = np.clip(end, 1, last)
    rows = np.arange(len(above))
    high, low = above[rows, end - 1], above[rows, end]
    decision = end - 1 + high / (high - low)
    margin = 0.5 * config.clocks_per_slot
    outside = (decision < -margin) | (decision > last + margin)
    return np.where(outside, np.nan, 0.5 + decision / config.clocks_per_slot)


def decode_codes(
    data: Mapping[str, np.ndarray], k: int, n: int, config: NeuronConfig, t_pulse: float
) -> tuple[np.ndarray, np.ndarray]:
    """Codes [n] of layer k from v(p{k}_{j}), and the pulses' widths [n] in slots."""
    start, half = t_pulse - config.technology.lead, config.technology.v_dd / 2
    widths = [
        high_time(data["time"], data[f"v(p{k}_{j})"], start, half) for j in range(n)
    ]
    slots = np.array(widths) / config.t_slot
    return np.rint(slots).astype(int), slots


def high_time(
    time: np.ndarray, wave: np.ndarray, start: float, threshold: float
) -> float:
    """[s] Time after `start` that a wave spends above `threshold`, interpolated."""
    keep = time >= start
    t, above = time[keep], wave[keep] - threshold
    top = np.maximum(above[1:], above[:-1])
    share = np.clip(top / np.maximum(np.abs(np.diff(above)), 1e-12), 0, 1)
    return float((share * np.diff(t)).sum())
