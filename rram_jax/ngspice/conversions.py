"""Single conversions on random arrays: neurons in ngspice beside their surrogate.

Nothing here was seen by the card's fit: weights are random, input codes those of real
images, cells sampled from a device card and solved with their wires on the default
tile, of which each column drives one neuron.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.chip.surrogate import bit_lines
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.pair import cells_of, signed_transfer
from rram_jax.circuit.tile import layer_transfer
from rram_jax.device.card import DeviceCard
from rram_jax.device.variability import mean_conductance, sample_resistance
from rram_jax.errors import InputError
from rram_jax.neuron.card import NeuronCard, with_card
from rram_jax.neuron.cmos import Process
from rram_jax.neuron.config import SLOTS, V_READ, NeuronConfig
from rram_jax.neuron.energy import bias_energy
from rram_jax.neuron.law import operating_point
from rram_jax.neuron.mismatch import draw_mismatch, gate_areas, position_shift
from rram_jax.neuron.model import crossing, to_counts
from rram_jax.neuron.transistors import MISMATCHED
from rram_jax.ngspice.farm import run_jobs
from rram_jax.ngspice.process import process_of
from rram_jax.ngspice.testbench import (
    ColumnRun,
    simulate_columns,
    simulate_conversions,
)
from rram_jax.types import Int

COLUMNS = 4
"""[-] Neurons a pattern."""

ACTIVE = 0.6
"""[-] Share of conversions, at least, whose code is 1 to 14 in the surrogate."""

PASSES = 20
"""[-] Times that the images are gone through, with other pixels, for `ACTIVE`."""

PER_DECK = 40
"""[-] Conversions that one simulation holds."""

LEVELS, LEVELS_PER_DECK = 61, 16
"""[-] Inputs behind a linearity, and those that one simulation holds."""

ENERGY_COLUMNS = 8
"""[-] Conversions whose energy is told."""

NEURONS_A_BIAS = 64
"""[-] Neurons that share a layer's bias block in the energy of a conversion."""

_WEIGHTS, _CELLS, _IMAGES, _SHIFTS, _NOISE = (k << 16 for k in range(1, 6))


@dataclass(frozen=True, kw_only=True)
class ConversionCase:
    """What is simulated."""

    v_full: float = 8e-3
    """[V] Full scale."""

    rows: int = 288
    """[-] Of the array, two an input."""

    t_slot: float = 5e-9
    """[s] Slot."""

    mismatch: bool = False
    """Every neuron has thresholds of its own, the same draw in both."""

    noise: bool = False
    """Every conversion has its thermal noise as an offset of its bit line, the same
    draw in both."""

    def __post_init__(self):
        if self.rows < 2 or self.rows % 2:
            raise InputError(f"Rows come in pairs, 2 or more; got {self.rows}.")


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """Bit lines of many conversions, and what shifts their neurons."""

    staircases: np.ndarray
    """[n, 15, V] Bit line above v_cm in each slot, noise included."""

    delvto: np.ndarray
    """[n, transistors, V] Threshold shifts."""

    codes: np.ndarray
    """[n] What the surrogate says."""


@dataclass(frozen=True, kw_only=True)
class Conversions:
    """Surrogate and ngspice, conversion by conversion."""

    case: ConversionCase
    said: Int[np.ndarray, " n"]
    """[-] Codes of the surrogate."""

    found: Int[np.ndarray, " n"]
    """[-] Codes of ngspice."""

    energy: dict[str, float]
    """[J] Of a conversion in a row of many, by supply block (`steady_energy`)."""

    cpu_s: float
    """[s] Of ngspice, a conversion."""

    def agreement(self) -> dict[str, float]:
        """Shares of equal codes; `active` are those that both have as 1 to 14."""
        miss = np.abs(self.said - self.found)
        active = (self.found > 0) & (self.found < SLOTS)
        return {
            "codes_equal": float(np.mean(miss == 0)),
            "codes_equal_active": float(np.mean(miss[active] == 0)),
            "codes_within_1": float(np.mean(miss <= 1)),
            "n_codes": len(miss),
            "share_active": float(np.mean(active)),
        }


def convert(
    case: ConversionCase,
    patterns: Patterns,
    card: NeuronCard,
    *,
    workers: int | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> Conversions:
    """Simulate patterns; `on_done` is called after every `PER_DECK` of them."""
    config = case_config(case, card)
    n = len(patterns.codes)
    parts = [slice(k, k + PER_DECK) for k in range(0, n, PER_DECK)]
    jobs = [(patterns.staircases[part], patterns.delvto[part]) for part in parts]
    runs: list[ColumnRun | None] = [None] * len(jobs)

    def keep(index: int, run: ColumnRun) -> None:
        runs[index] = run
        on_done()

    run_jobs(
        partial(_simulate, config, process_of(card)),
        jobs,
        workers=workers,
        on_done=keep,
    )
    done = [run for run in runs if run is not None]
    some = patterns.staircases[:ENERGY_COLUMNS]
    return Conversions(
        case=case,
        said=patterns.codes.astype(int),
        found=np.concatenate([run.counts for run in done]).astype(int),
        energy=steady_energy(config, some, process_of(card)),
        cpu_s=sum(run.cpu_s for run in done) / n,
    )


def steady_energy(
    config: NeuronConfig, staircases: np.ndarray, process: Process
) -> dict[str, float]:
    """[J] Of a conversion by supply block, its share of the auto-zero included.

    The second of two conversions, once with and once without an auto-zero between them;
    one in `config.conversions_per_zero` has it. The layer's bias block is shared by
    `NEURONS_A_BIAS` neurons, and a pulse gate drives one pair of rows.
    """
    n, share = len(staircases), 1 / config.conversions_per_zero
    with_zero, without = (
        simulate_conversions(
            config, staircases, conversions=2, zeros=zeros, process=process
        )[1].energy
        for zeros in (True, False)
    )
    energy = {
        block: (share * with_zero[block] + (1 - share) * without[block]) / n
        for block in without
    }
    energy["bias"] *= n / NEURONS_A_BIAS
    return energy


def modelled_energy(
    config: NeuronConfig, codes: Int[np.ndarray, " n"], card: NeuronCard
) -> float:
    """[J] What the card's laws say of the conversions of `steady_energy`."""
    some = jnp.asarray(codes[:ENERGY_COLUMNS], jnp.float32)
    energy = card.energy_of(config, some)
    point = operating_point(config)
    bias = bias_energy(card.energy, point, config) / NEURONS_A_BIAS
    # Clocks and phases are ideal sources, whose energy no supply delivers.
    return float((energy.total - energy.clock).mean() + bias)


def _simulate(
    config: NeuronConfig, process: Process, job: tuple[np.ndarray, np.ndarray]
) -> ColumnRun:
    staircases, delvto = job
    shifts = [dict(zip(MISMATCHED, row.tolist(), strict=True)) for row in delvto]
    given = shifts if delvto.any() else None
    return simulate_columns(config, staircases, given, process=process)


def case_config(case: ConversionCase, card: NeuronCard) -> NeuronConfig:
    """The hidden neurons of a case, their common offset cancelled as in a layer."""
    wanted = NeuronConfig(
        v_full=case.v_full,
        t_slot=case.t_slot,
        swing=card.swing,
        clocks_per_slot=card.hidden.clocks_per_slot,
        technology=card.conditions.technology,
    )
    return with_card(wanted, card)


def make_patterns(
    case: ConversionCase,
    n: int,
    codes: np.ndarray,
    card: NeuronCard,
    device: DeviceCard,
    seed: int,
) -> Patterns:
    """`n` patterns of `COLUMNS` conversions each.

    Weights are random, with as many more of +1 as puts the mean sum at half the full
    scale. Patterns are taken in the order of a random draw; of those with too few
    codes from 1 to 14, only as many as `ACTIVE` allows.

    Args:
        case: Array and neurons.
        n: [-] Patterns.
        codes: [images, pixels] Codes 0 to 15 of real images; as many pixels as the
            array has inputs are taken at random.
        card: The neurons' surrogate.
        device: Of the cells.
        seed: Makes weights, cells, choice of images, threshold shifts and noise.

    Raises:
        InputError: There are too few pixels or images for this.
    """
    inputs = case.rows // 2
    if codes.shape[1] < inputs:
        raise InputError(
            f"{case.rows} rows take images of {inputs} pixels or more; got"
            f" {codes.shape[1]}: give larger images or fewer rows."
        )
    config = case_config(case, card)
    key = jax.random.key(seed)
    rng = np.random.default_rng([seed, _IMAGES])
    transfer = _transfer(case, codes, card, device, seed)
    params = card.params(config)
    stairs = _chosen(rng, codes, inputs, transfer, params, config, n)
    delvto = np.zeros((n, COLUMNS, len(MISMATCHED)), np.float32)
    if case.mismatch:
        shifts_key = jax.random.fold_in(key, _SHIFTS)
        drawn = draw_mismatch(shifts_key, n * COLUMNS, config, card)
        delvto = np.asarray(drawn).reshape(delvto.shape)
    if case.noise:
        noise = np.random.default_rng([seed, _NOISE]).standard_normal((n, COLUMNS, 1))
        stairs = stairs + float(params.noise_rms) * noise
    offset, gain = position_shift(jnp.asarray(delvto), config, card)
    own = dataclasses.replace(
        params, offset=params.offset + offset, gain=params.gain + gain
    )
    return Patterns(
        staircases=stairs.reshape(n * COLUMNS, SLOTS),
        delvto=delvto.reshape(n * COLUMNS, -1),
        codes=np.asarray(_counts(stairs, own, config)).ravel(),
    )


def _chosen(rng, codes, inputs, transfer, params, config, n):
    """[n, COLUMNS, 15, V] Staircases of patterns that leave the share `ACTIVE`."""
    spare = math.floor((1 - ACTIVE) * n * COLUMNS)
    chosen = []
    for _ in range(PASSES):
        pixels = rng.permutation(codes.shape[1])[:inputs]
        images = codes[rng.permutation(len(codes))][:, pixels]
        stairs = bit_lines(jnp.asarray(images, jnp.float32), transfer, V_READ)
        said = np.asarray(_counts(stairs, params, config))
        idle = ((said == 0) | (said == SLOTS)).sum(1)
        for stair, number in zip(np.asarray(stairs, float), idle, strict=True):
            if number <= spare:
                spare -= number
                chosen.append(stair)
            if len(chosen) == n:
                return np.stack(chosen)
    raise InputError(
        f"Only {len(chosen)} of {n} patterns could be made of {len(codes)} images: ask"
        " for fewer, or give more images."
    )


def _counts(stairs, params, config):
    return to_counts(crossing(jnp.asarray(stairs, jnp.float32), params), config)


def _transfer(case, codes, card, device, seed):
    """[V/V] Signed transfer of a random array, (inputs, COLUMNS)."""
    inputs = case.rows // 2
    params = device.params()
    r_pos, r_neg = card.driver_resistance(case_config(case, card))
    tile = TileConfig(r_driver_pos=r_pos, r_driver_neg=r_neg)
    pair = mean_conductance(jnp.array([True, False]), params)
    per_weight = float((pair[0] - pair[1]) / pair.sum()) / inputs  # [V/V], wireless
    wanted = case.v_full / 2 / (V_READ * per_weight)  # mean sum, in weights
    excess = np.clip(wanted / (inputs * codes.mean() / SLOTS), -1, 1)
    rng = np.random.default_rng([seed, _WEIGHTS])
    weights = np.where(rng.random((inputs, COLUMNS)) < (1 + excess) / 2, 1, -1)
    cells_key = jax.random.fold_in(jax.random.key(seed), _CELLS)
    resistance = sample_resistance(cells_key, cells_of(jnp.asarray(weights)), params)
    exact = layer_transfer(1 / np.asarray(resistance, np.float64), tile)
    return jnp.asarray(signed_transfer(exact), jnp.float32)


def raw_linearity(
    config: NeuronConfig,
    levels: int = LEVELS,
    *,
    process: Process | None = None,
    workers: int | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """INL and DNL [LSB] of the circuit itself, and whether it is monotone.

    Constant inputs over the full scale; the analog crossings between clock edges give
    the inputs at which the code changes, and these are held against their end points'
    straight line. `process` is our own card, typical, where None; `on_done` is called
    after every `LEVELS_PER_DECK` of them.
    """
    inputs = np.linspace(-0.05, 1.05, levels) * config.v_full
    jobs = np.array_split(inputs, -(-levels // LEVELS_PER_DECK))
    parts = [np.empty(0)] * len(jobs)

    def keep(index: int, position: np.ndarray) -> None:
        parts[index] = position
        on_done()

    run_jobs(partial(_positions, config, process), jobs, workers=workers, on_done=keep)
    position = np.concatenate(parts)
    inside = np.isfinite(position)
    position, inputs = position[inside], inputs[inside]
    edges = np.interp(np.arange(1, SLOTS) + 0.5, position, inputs)
    lsb = (edges[-1] - edges[0]) / (len(edges) - 1)
    inl = (edges - edges[0]) / lsb - np.arange(len(edges))
    return {
        "inl_lsb": float(np.abs(inl).max()),
        "dnl_lsb": float(np.abs(np.diff(edges) / lsb - 1).max()),
        "monotone": bool((np.diff(position) > 0).all()),
    }


def _positions(
    config: NeuronConfig, process: Process | None, inputs: np.ndarray
) -> np.ndarray:
    """[slots] At which constant inputs [V] cross."""
    stairs = np.repeat(inputs[:, None], SLOTS, 1)
    run = simulate_columns(config, stairs, process=process)
    return run.crossings(0.0, config)


def spread(config: NeuronConfig, card: NeuronCard) -> dict[str, float]:
    """Offset sd [LSB], gain sd [-] and noise [LSB rms], from card and Pelgrom's law."""
    sigma = card.mismatch.a_vt / np.sqrt(gate_areas(config))
    offset, gain = (np.linalg.norm(sigma * np.asarray(x)) for x in card.slopes(config))
    noise = float(card.params(config).noise_rms)
    return {
        "offset_sd_lsb": float(offset),
        "gain_sd": float(gain),
        "noise_lsb": noise / config.v_full * SLOTS,
    }
