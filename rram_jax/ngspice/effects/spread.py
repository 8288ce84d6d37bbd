"""Neurons with random thresholds, and the same with random betas as well.

The pairing tells what betas add from a hundred neurons: both sets have the same
thresholds. Crossings are those of `out`; what the latch's betas do to its threshold is
`effects.latch.latch_beta`.
"""

import math

import numpy as np

from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.sizing import size_neurons
from rram_jax.ngspice.effects.bench import BenchColumn, run_bench
from rram_jax.ngspice.effects.record import Effect, EffectSetting

N_NEURONS = 100
"""[-] In each set; a standard deviation is then good to 7 %."""

PER_DECK = 25
"""[-] Neurons in one deck."""

POSITIONS = (3.0, 12.0)
"""[slots] Where an ideal neuron would cross: offset and gain."""

SEED = 0
"""Of the draw."""


def draw_gm_cells(
    rng: np.random.Generator, n: int, setting: EffectSetting
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Threshold shifts [V] and relative changes of beta [-] of `n` gm cells.

    Both are independent, as measured by Pelgrom, Duinmaijer, Welbers, "Matching
    properties of MOS transistors", IEEE JSSC 24 (1989), 10.1109/JSSC.1989.572629.
    """
    card, cell = setting.process.card, size_neurons(setting.config).gm_cell
    root = {f"gm_{t.name}": math.sqrt(t.width * t.length) for t in cell}
    a_vt = {f"gm_{t.name}": card.a_vt(t.kind) for t in cell}
    thresholds = [
        {k: float(a_vt[k] / root[k] * rng.standard_normal()) for k in root}
        for _ in range(n)
    ]
    betas = [
        {k: float(card.a_beta / root[k] * rng.standard_normal()) for k in root}
        for _ in range(n)
    ]
    return thresholds, betas


def measure_cells(
    setting: EffectSetting,
    thresholds: list[dict[str, float]],
    betas: list[dict[str, float]],
) -> np.ndarray:
    """[n, 2] Offset [LSB] at half scale and gain [-] of gm cells with such shifts."""
    config = setting.config
    out = []
    for k in range(0, len(thresholds), PER_DECK):
        columns = [
            BenchColumn(stairs=np.full((1, SLOTS), volts), delvto=shift, beta=beta)
            for shift, beta in zip(
                thresholds[k : k + PER_DECK], betas[k : k + PER_DECK], strict=True
            )
            for volts in _volts(config)
        ]
        run = run_bench(config, columns, process=setting.process, clocked=False)
        out.append(run.positions().reshape(-1, len(POSITIONS)))
    position = np.concatenate(out)
    low, high = POSITIONS
    gain = (position[:, 1] - position[:, 0]) / (high - low)
    offset = position.mean(1) - (low + high) / 2
    return np.stack([offset, gain], 1)


def _volts(config: NeuronConfig) -> np.ndarray:
    return np.array(POSITIONS) / SLOTS * config.v_full - config.v_shift


def mismatch(setting: EffectSetting) -> list[Effect]:
    """Standard deviations of offset and gain: thresholds, and what betas add."""
    rng = np.random.default_rng(SEED)
    thresholds, betas = draw_gm_cells(rng, N_NEURONS, setting)
    plain = measure_cells(setting, thresholds, [{} for _ in betas])
    both = measure_cells(setting, thresholds, betas)
    effects = []
    for condition, found, left_out in (
        ("thresholds", plain, False),
        ("thresholds and betas", both, False),
        ("betas alone, by difference", both - plain, True),
    ):
        offset, gain = (float(x) for x in found.std(0, ddof=1))
        effects += [
            Effect.shift(
                "mismatch of the gm cell, offset",
                f"{condition}: sd",
                offset,
                left_out=left_out,
            ),
            Effect(
                name="mismatch of the gm cell, gain",
                condition=f"{condition}: sd",
                value=gain,
                unit="-",
                lsb=gain * SLOTS / 2,
                left_out=left_out,
            ),
        ]
    return effects
