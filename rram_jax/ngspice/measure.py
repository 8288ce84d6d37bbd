"""What a neuron card is made of: fits, slopes, noise and energy of single columns."""

import dataclasses
import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from rram_jax.errors import InputError
from rram_jax.neuron.calibrate import latch_threshold
from rram_jax.neuron.card import NeuronCard, with_card
from rram_jax.neuron.cmos import Process
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.mismatch import gate_areas, position_shift
from rram_jax.neuron.model import crossing, to_counts
from rram_jax.ngspice.decode import crossings
from rram_jax.ngspice.effects.noise import auto_zero_rms
from rram_jax.ngspice.energy import measure_drivers, measure_energy
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.ngspice.testbench import (
    ColumnRun,
    noise_density,
    random_staircases,
    simulate_columns,
)

PER_DECK = 40
"""[-] Mismatched neurons that one simulation holds."""

N_REFINE = 8
"""[-] Columns that narrow the interval in which the latch's threshold lies."""

N_LATCH = 6
"""[-] Columns that tell a latch's threshold when one of its transistors is shifted."""

MARGIN = 0.04
"""[slots] By which they reach beyond it: what a straight line may be off."""

R_DRIVERS = (12.0, 16.0, 24.0, 40.0)
"""[Ohm] Row drivers whose energy is measured."""

DRIVERS = 2
"""[-] Pairs of row drivers behind the gate that drives them then."""

GM_LEVELS = (3.0, 12.0)
"""[slots] Crossings at which the gm cell's slopes are measured: offset and gain."""

SIGMAS = 3.0
"""[-] Threshold shift of a slope's measurement over the transistor's sigma."""

LATCH_PAIRS = (("in_p", "in_n"), ("n_on", "n_op"), ("p_on", "p_op"))
"""A latch is symmetric, so only differences of its pairs move its threshold."""

LATCH_SHIFT = 30e-3
"""[V] Threshold shift of the latch's slopes: large against the bracket of counts."""


def measure(plan: CharacterisePlan, key: tuple[str, int]) -> dict:
    """One measurement at one operating point, in a worker."""
    label, index = key
    kind = "output" if label.endswith("output") else "hidden"
    if label.startswith("slopes"):
        return measure_slopes(plan, plan.slope_points(kind)[index])
    if label == "drivers":
        neuron = dataclasses.replace(plan.usual("hidden"), r_driver=R_DRIVERS[index])
        return measure_drivers(neuron, DRIVERS, plan.process)
    if label.startswith("energy"):
        return measure_energy(plan.energy_points(kind)[index], plan.process)
    return measure_point(plan, plan.points(kind)[index], index)


def measure_point(plan: CharacterisePlan, config: NeuronConfig, index: int) -> dict:
    """Crossings and counts of random staircases at one operating point, and its noise.

    As a JSON object; a crossing outside the ramp is None, and `bracket` [slots] is how
    far the counts leave a latch's threshold open.
    """
    process = plan.process
    rng = np.random.default_rng([plan.seed, index, int(config.asynchronous)])
    stairs = random_staircases(rng, config, plan.n_staircases)
    run = simulate_columns(config, stairs, process=process)
    position, counts, bracket = run.position, run.counts, 0.0
    if position is None:
        if not ((counts > 0) & (counts < config.decisions)).any():
            raise InputError(
                f"At t_slot = {config.t_slot:g} s and i_bias = {config.i_bias:g} A no"
                f" latch gave a code from 1 to {config.decisions - 1}: measure longer"
                " slots or larger currents."
            )
        more = _around_threshold(stairs, run, config)
        extra = simulate_columns(config, more, process=process)
        stairs = np.concatenate([stairs, more])
        difference = np.concatenate([run.difference, extra.difference])
        counts = np.concatenate([counts, extra.counts])
        threshold, doubt = latch_threshold(difference, counts)
        position = crossings(difference, threshold, config)
        bracket = doubt * SLOTS / config.swing
    return {
        "config": dataclasses.asdict(config),
        "staircases": stairs.tolist(),
        "position": [float(x) if np.isfinite(x) else None for x in position],
        "counts": counts.tolist(),
        "bracket": bracket,
        "pulse_excess": _pulse_excess(run),
        "noise_variance": noise_variance(config, process),
    }


def noise_variance(config: NeuronConfig, process: Process | None = None) -> float:
    """[V^2] Noise of a conversion at half scale, at the bit line.

    White noise of the gm cell over an integration and half a ramp: its density S is
    taken from `.noise` at 1 / (2 T), T the 15 slots; a boxcar of T passes S / (2 T),
    and half a ramp adds half of it. What the auto-zero has sampled (`auto_zero_rms`)
    stays through integration and ramp and counts one and a half times. kT/C of the
    reset and the comparators' own noise are left out (`rram_jax.ngspice.effects`).
    """
    t = SLOTS * config.t_slot
    density = noise_density(config, 1 / (2 * t), process)
    held = 1.5 * auto_zero_rms(config, process)
    return density**2 * 1.5 / (2 * t) + held**2


def _pulse_excess(run: ColumnRun) -> float:
    """[slots] Mean width beyond the code, codes 1 to 14; 0 where no pulse comes out."""
    if run.pulse_width is None:
        return 0.0
    inner = (run.counts > 0) & (run.counts < SLOTS)
    return float(np.mean((run.pulse_width - run.counts)[inner]))


def _around_threshold(
    stairs: np.ndarray, run: ColumnRun, config: NeuronConfig
) -> np.ndarray:
    """[N_REFINE, 15, V] Level staircases that fill the doubt about the threshold."""
    threshold, doubt = latch_threshold(run.difference, run.counts)
    position = crossings(run.difference, threshold, config)
    inside = np.isfinite(position)
    ideal = SLOTS * (stairs.mean(1) + config.v_shift) / config.v_full
    line = np.polyfit(position[inside], ideal[inside], 1)
    reach = doubt * SLOTS / config.swing + MARGIN
    wanted = SLOTS // 2 + 0.5 + reach * np.linspace(-1, 1, N_REFINE)
    return levels(np.polyval(line, wanted), config)


def levels(positions: np.ndarray, config: NeuronConfig) -> np.ndarray:
    """[n, 15, V] Constant staircases that an ideal neuron crosses at `positions`."""
    volts = positions / SLOTS * config.v_full - config.v_shift
    return np.repeat(volts[:, None], SLOTS, 1)


def measure_slopes(plan: CharacterisePlan, config: NeuronConfig) -> dict:
    """Slopes of offset [slots/V] and gain [1/V], one threshold shift at a time.

    All are measured on crossings: those of the waveform for the gm cell in front of a
    latch, those of q behind a continuous comparator; a latch's own transistors on its
    decisions.
    """
    found = dict(config=dataclasses.asdict(config))
    if config.asynchronous:
        return found | _slopes_at_levels(plan, config.mismatched, config)
    names = [name for name in config.mismatched if name.startswith("gm_")]
    slopes = _slopes_at_levels(plan, names, config)

    cases = [
        {f"latch_{one}": half, f"latch_{other}": -half}
        for one, other in LATCH_PAIRS
        for half in (LATCH_SHIFT / 2, -LATCH_SHIFT / 2)
    ]
    # Levels that share out one clock period leave the least doubt about a threshold.
    finer = 2 if config.t_slot >= 2 * config.t_clock_min else 1
    config = dataclasses.replace(config, clocks_per_slot=finer)
    inside = SLOTS // 2 + np.arange(N_LATCH) / N_LATCH / config.clocks_per_slot
    mean = [
        np.mean(run.crossings(latch_threshold(run.difference, run.counts)[0], config))
        for run in _simulate_cases(cases, inside, config, plan.process)
    ]
    for i, (one, other) in enumerate(LATCH_PAIRS):
        slope = float((mean[2 * i] - mean[2 * i + 1]) / (2 * LATCH_SHIFT))
        slopes["offset"] |= {f"latch_{one}": slope, f"latch_{other}": -slope}
        slopes["gain"] |= {f"latch_{one}": 0.0, f"latch_{other}": 0.0}
    return found | slopes


def _slopes_at_levels(
    plan: CharacterisePlan, names: Sequence[str], config: NeuronConfig
) -> dict[str, dict[str, float]]:
    """`offset` and `gain` of each transistor, both signs of a shift at two levels."""
    area = dict(zip(config.mismatched, gate_areas(config), strict=True))
    sizes = [SIGMAS * plan.a_vt / math.sqrt(area[name]) for name in names]
    cases: list[dict[str, float]] = [{}]
    for name, size in zip(names, sizes, strict=True):
        cases += [{name: size}, {name: -size}]
    runs = _simulate_cases(cases, np.array(GM_LEVELS), config, plan.process)
    position = np.stack([run.crossings(0.0, config) for run in runs])
    distance = position[0, 1] - position[0, 0]
    offset, gain = {}, {}
    for i, (name, size) in enumerate(zip(names, sizes, strict=True)):
        slope = (position[2 * i + 1] - position[2 * i + 2]) / (2 * size)
        gain[name] = float((slope[1] - slope[0]) / distance)
        offset[name] = float(slope[0] - gain[name] * position[0, 0])
    return {"offset": offset, "gain": gain}


def _simulate_cases(
    cases: list[dict[str, float]],
    positions: np.ndarray,
    config: NeuronConfig,
    process: Process,
) -> list[ColumnRun]:
    """Every shift at every level in one deck; one run a case."""
    stairs = np.tile(levels(positions, config), (len(cases), 1))
    delvto = [case for case in cases for _ in positions]
    run = simulate_columns(config, stairs, delvto, process=process)

    fields = ("counts", "difference", "position", "pulse_width")
    every = {name: getattr(run, name) for name in fields}
    n, runs = len(positions), []
    for i in range(0, len(stairs), n):
        part = {k: v if v is None else v[i : i + n] for k, v in every.items()}
        runs.append(dataclasses.replace(run, **part))
    return runs


def check_mismatch(
    plan: CharacterisePlan, card: NeuronCard, kind: str
) -> dict[str, float]:
    """`equal` and `within_1` of the usual neuron of a kind with random thresholds."""
    config = with_card(plan.usual(kind), card)
    rng = np.random.default_rng([plan.seed, 1 << 16])
    sigma = plan.a_vt / np.sqrt(gate_areas(config))
    shifts = sigma * rng.standard_normal((plan.n_neurons, len(sigma)))
    stairs = random_staircases(rng, config, plan.n_neurons)
    names = config.mismatched
    counts = []
    for k in range(0, plan.n_neurons, PER_DECK):
        part = slice(k, k + PER_DECK)
        delvto = [dict(zip(names, row.tolist(), strict=True)) for row in shifts[part]]
        run = simulate_columns(config, stairs[part], delvto, process=plan.process)
        counts.append(run.counts)
    params = card.params(config)
    offset, gain = position_shift(jnp.asarray(shifts, jnp.float32), config, card)
    params = dataclasses.replace(
        params, offset=params.offset + offset, gain=params.gain + gain
    )
    position = crossing(jnp.asarray(stairs, jnp.float32), params)
    said = np.asarray(to_counts(position, config))
    return agreement(said, np.concatenate(counts))


def agreement(said: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """`equal` and `within_1`: shares of counts."""
    miss = np.abs(said - found)
    return {"equal": float(np.mean(miss == 0)), "within_1": float(np.mean(miss <= 1))}


LABELS = {
    "slopes_hidden": lambda plan: plan.n_slopes,
    "hidden": lambda plan: plan.n_points + plan.n_held_out,
    "slopes_output": lambda plan: plan.n_slopes,
    "energy_hidden": lambda plan: plan.n_energy,
    "output": lambda plan: plan.n_points + plan.n_held_out,
    "energy_output": lambda plan: plan.n_energy,
    "drivers": lambda plan: len(R_DRIVERS),
}
"""What is measured, the longest first, and at how many points."""
