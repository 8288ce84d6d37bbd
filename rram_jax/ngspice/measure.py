"""What a neuron card is made of: fits, slopes, noise and energy of single columns."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.neuron.calibrate import (
    NeuronFit,
    fit_crossings,
    fit_neuron,
    judge,
    latch_threshold,
)
from rram_jax.neuron.card import NeuronCard, with_card
from rram_jax.neuron.cmos import Process, load_cmos_card
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.mismatch import gate_areas, position_shift
from rram_jax.neuron.model import crossing, to_counts
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.ngspice.testbench import (
    ColumnRun,
    noise_density,
    random_staircases,
    simulate_columns,
)

PER_NEURON = ("gm", "latch", "gate")
"""Supplies whose energy is a neuron's; the bias is a layer's."""

N_REFINE = 6
"""[-] Columns that narrow the interval in which the latch's threshold lies."""

GM_LEVELS = (3.0, 12.0)
"""[slots] Crossings at which the gm cell's slopes are measured: offset and gain."""

SIGMAS = 3.0
"""[-] Threshold shift of a slope's measurement over the transistor's sigma."""

LATCH_PAIRS = (("in_p", "in_n"), ("n_on", "n_op"), ("p_on", "p_op"))
"""A latch is symmetric, so only differences of its pairs move its threshold."""

LATCH_SHIFT = 30e-3
"""[V] Threshold shift of the latch's slopes: large against the bracket of counts."""


def process_of(plan: CharacterisePlan) -> Process:
    """Of all transistors of a plan."""
    card = load_cmos_card(plan.cmos)
    return Process(card=card, corner=plan.corner, temperature=plan.temperature)


def measure(plan: CharacterisePlan, key: tuple[str, float]) -> dict:
    """One measurement at one full scale, in a worker."""
    label, v_full = key
    return MEASUREMENTS[label](plan, v_full)


def measure_hidden(plan: CharacterisePlan, v_full: float) -> dict:
    """One column of the hidden kind's table."""
    return _measure_kind(plan, plan.config("hidden", v_full))


def measure_output(plan: CharacterisePlan, v_full: float) -> dict:
    """One column of the output kind's table."""
    return _measure_kind(plan, plan.config("output", v_full))


def _measure_kind(plan: CharacterisePlan, config: NeuronConfig) -> dict:
    """Fit on one set of staircases, judge on another with the offset cancelled."""
    train, test = (
        np.random.default_rng([plan.seed, part, round(1e6 * config.v_full)])
        for part in (0, 1)
    )
    stairs = random_staircases(train, config, plan.n_train)
    run = simulate_columns(config, stairs, process=process_of(plan))
    fit = _fit(stairs, run, config, process_of(plan))
    used = dataclasses.replace(config, ramp_advance=0.5 + fit.offset)
    stairs = random_staircases(test, config, plan.n_test)
    unseen = simulate_columns(used, stairs, process=process_of(plan))
    measured = unseen.crossings(fit.threshold, used)
    row = dataclasses.asdict(fit) | judge(fit, stairs, measured, unseen.counts, used)
    energy = {block: run.energy[block] / plan.n_train for block in PER_NEURON}
    row |= {f"energy_{block}": value for block, value in energy.items()}
    return row | {
        "energy_bias": run.energy["bias"],
        "pulse_excess": _pulse_excess(run),
        "noise_rms": noise_rms(config, process_of(plan)),
        "window": run.t_stop,
    }


def _fit(
    stairs: np.ndarray, run: ColumnRun, config: NeuronConfig, process: Process
) -> NeuronFit:
    """The model's fit; for a latch with more columns around its threshold."""
    if run.position is not None:
        return fit_crossings(stairs, run.position, config)
    first = fit_neuron(stairs, run.difference, run.counts, config)
    more = _around_threshold(first, config)
    extra = simulate_columns(config, more, process=process)
    return fit_neuron(
        np.concatenate([stairs, more]),
        np.concatenate([run.difference, extra.difference]),
        np.concatenate([run.counts, extra.counts]),
        config,
    )


def noise_rms(config: NeuronConfig, process: Process | None = None) -> float:
    """[V] White noise of the gm cell over an integration and half a ramp, at the input.

    Its density is taken from `.noise` at 1 / (2 T), T the 15 slots; a boxcar of T
    passes S / (2 T), and half a ramp adds half of it. The comparator (a continuous one
    by its gm of 150 uS over 0.1 GHz: 0.15 mV at out, 0.005 slots), kT/C of the reset
    and the auto-zero's sample (13 uV at 20 uA) are left out.
    """
    t = SLOTS * config.t_slot
    return noise_density(config, 1 / (2 * t), process) * math.sqrt(1.5 / (2 * t))


def _pulse_excess(run: ColumnRun) -> float:
    """[slots] Mean width beyond the code, codes 1 to 14; 0 where no pulse comes out."""
    if run.pulse_width is None:
        return 0.0
    inner = (run.counts > 0) & (run.counts < SLOTS)
    return float(np.mean((run.pulse_width - run.counts)[inner]))


def _around_threshold(fit: NeuronFit, config: NeuronConfig) -> np.ndarray:
    """[N_REFINE, 15, V] Level staircases that fill the doubt about the threshold."""
    doubt = fit.bracket * SLOTS / config.swing
    middle = SLOTS // 2 + 0.5
    share = np.linspace(-1, 1, N_REFINE + 2)[1:-1]
    return levels(middle + doubt * share, config, fit)


def levels(
    positions: np.ndarray, config: NeuronConfig, fit: NeuronFit | None = None
) -> np.ndarray:
    """[n, 15, V] Constant staircases that cross at `positions` [slots].

    By the fitted model where there is a fit, else by the ideal one.
    """
    volts = np.linspace(-0.2, 1.2, 57) * config.v_full - config.v_shift
    at = SLOTS * (volts + config.v_shift) / config.v_full
    if fit is not None:
        stairs = np.repeat(volts[:, None], SLOTS, 1)
        with jax.enable_x64(True):
            at = np.asarray(crossing(jnp.asarray(stairs), fit.params(config)))
    return np.repeat(np.interp(positions, at, volts)[:, None], SLOTS, 1)


def measure_slopes(plan: CharacterisePlan, v_full: float) -> dict:
    """Slopes of offset and gain of the hidden kind, one threshold shift at a time.

    The gm cell's are measured on the waveform, those of the latch on its decisions.
    """
    config = dataclasses.replace(
        plan.config("hidden", v_full), clocks_per_slot=plan.output_clocks
    )
    names = [name for name in config.mismatched if name.startswith("gm_")]
    slopes = _slopes_at_levels(plan, names, config)

    cases = [
        {f"latch_{one}": half, f"latch_{other}": -half}
        for one, other in LATCH_PAIRS
        for half in (LATCH_SHIFT / 2, -LATCH_SHIFT / 2)
    ]
    # Levels that share out one clock period leave the least doubt about a threshold.
    inside = SLOTS // 2 + np.arange(N_REFINE) / N_REFINE / config.clocks_per_slot
    mean = [
        np.mean(run.crossings(latch_threshold(run.difference, run.counts)[0], config))
        for run in _simulate_cases(cases, inside, config, process_of(plan))
    ]
    for i, (one, other) in enumerate(LATCH_PAIRS):
        slope = float((mean[2 * i] - mean[2 * i + 1]) / (2 * LATCH_SHIFT))
        slopes["offset"] |= {f"latch_{one}": slope, f"latch_{other}": -slope}
        slopes["gain"] |= {f"latch_{one}": 0.0, f"latch_{other}": 0.0}
    return slopes


def measure_output_slopes(plan: CharacterisePlan, v_full: float) -> dict:
    """The same of the output kind: all of its transistors on q itself."""
    config = plan.config("output", v_full)
    return _slopes_at_levels(plan, config.mismatched, config)


def _slopes_at_levels(
    plan: CharacterisePlan, names: Sequence[str], config: NeuronConfig
) -> dict[str, dict[str, float]]:
    """`offset` and `gain` of each transistor, both signs of a shift at two levels."""
    area = dict(zip(config.mismatched, gate_areas(config), strict=True))
    sizes = [SIGMAS * plan.a_vt / math.sqrt(area[name]) for name in names]
    cases: list[dict[str, float]] = [{}]
    for name, size in zip(names, sizes, strict=True):
        cases += [{name: size}, {name: -size}]
    runs = _simulate_cases(cases, np.array(GM_LEVELS), config, process_of(plan))
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
    """`equal` and `within_1` of a kind's neurons with random thresholds, mid-grid."""
    v_full = plan.v_full[len(plan.v_full) // 2]
    config = with_card(plan.config(kind, v_full), card)
    rng = np.random.default_rng([plan.seed, 2])
    sigma = plan.a_vt / np.sqrt(gate_areas(config))
    shifts = sigma * rng.standard_normal((plan.n_test, len(sigma)))
    stairs = random_staircases(rng, config, plan.n_test)
    names = config.mismatched
    delvto = [dict(zip(names, row.tolist(), strict=True)) for row in shifts]
    counts = simulate_columns(config, stairs, delvto, process=process_of(plan)).counts
    params = card.params(config)
    offset, gain = position_shift(jnp.asarray(shifts, jnp.float32), config, card)
    params = dataclasses.replace(
        params, offset=params.offset + offset, gain=params.gain + gain
    )
    position = crossing(jnp.asarray(stairs, jnp.float32), params)
    miss = np.abs(np.asarray(to_counts(position, config)) - counts)
    return {"equal": float(np.mean(miss == 0)), "within_1": float(np.mean(miss <= 1))}


MEASUREMENTS: dict[str, Callable[[CharacterisePlan, float], dict]] = {
    "slopes_hidden": measure_slopes,
    "slopes_output": measure_output_slopes,
    "output": measure_output,
    "hidden": measure_hidden,
}
"""What is measured at every full scale, the longest first."""
