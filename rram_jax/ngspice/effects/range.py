"""How far a neuron's range of use goes: short slots, overload, ramp, supply."""

import math

import numpy as np

from rram_jax.neuron.config import SLOTS
from rram_jax.ngspice.effects.bench import (
    BenchColumn,
    BenchRun,
    changed,
    level_columns,
    run_bench,
)
from rram_jax.ngspice.effects.line import line_effects
from rram_jax.ngspice.effects.record import Effect, EffectSetting

SLOT_GRID = (1.25e-9, 2e-9, 3e-9, 5e-9)
"""[s] Slots that are tried."""

BIAS_GRID = (0.25, 0.5, 1.0, 2.0)
"""[-] Bias currents, over the neuron's own."""

POSITIONS = np.array([2.6, 5.2, 7.9, 10.6, 13.3])
"""[slots] Where an ideal neuron would cross in these."""

OVERLOADS = (1.2, 2.0, 5.0, -1.0, -5.0)
"""[-] Inputs over the full scale."""

AFTER = 0.45
"""[-] Input of the conversion after an overload, over the full scale."""

RESIDUAL_BAR = 0.25
"""[LSB] Distance from a straight line that a slot's codes may have."""

SUPPLIES = (0.95, 1.05)
"""[-] Over the nominal one."""


def shortest_slot(setting: EffectSetting) -> list[Effect]:
    """Distance from a straight line and wrong codes, at every bias and slot.

    A record a combination that can be built: the capacitor and the latch's clock allow
    no other. A code is wrong where it is not the line's, rounded (`straightness`). The
    shortest slot of a bias is the last before the first that fails.
    """
    effects = []
    for factor in BIAS_GRID:
        i_bias = factor * setting.config.i_bias
        shortest, right = math.inf, True
        for t_slot in sorted(SLOT_GRID, reverse=True):
            config = changed(setting.config, i_bias=i_bias, t_slot=t_slot)
            if config is None:
                continue
            columns = level_columns(POSITIONS / SLOTS * config.v_full)
            run = run_bench(config, columns, process=setting.process)
            residual, wrong = straightness(run)
            effects.append(
                Effect(
                    name="slot against bias",
                    condition=f"{1e6 * i_bias:g} uA, {1e9 * t_slot:g} ns,"
                    f" {wrong} of {len(POSITIONS)} codes wrong",
                    value=t_slot,
                    unit="s",
                    lsb=residual,
                    left_out=False,
                    at=(i_bias, t_slot),
                )
            )
            right = right and residual <= RESIDUAL_BAR and not wrong
            shortest = t_slot if right else shortest
        if math.isfinite(shortest):
            where = f"{1e6 * i_bias:g} uA, within {RESIDUAL_BAR:g} LSB of a line"
            effects.append(
                Effect(
                    name="shortest slot",
                    condition=where,
                    value=shortest,
                    unit="s",
                    lsb=0.0,
                    left_out=False,
                    at=(i_bias,),
                )
            )
    return effects


def straightness(run: BenchRun) -> tuple[float, int]:
    """[LSB] Largest distance from a line through the crossings, and wrong codes.

    With fewer than three crossings the whole scale, and all of them. What the latch
    decides is compared after its own offset, common to all codes, is taken out: codes
    may differ from the line's by what one shift explains.
    """
    found, counts = run.positions(), run.counts()
    crossed = np.isfinite(found)
    if crossed.sum() < 3:
        return float(SLOTS), len(found)
    slope, constant = np.polyfit(POSITIONS[crossed], found[crossed], 1)
    line = slope * POSITIONS + constant
    residual = float(np.abs(found - line)[crossed].max())
    wrong = min(
        int((np.abs(counts - line - shift) > 0.6).sum())
        for shift in np.linspace(-0.5, 0.5, 21)
    )
    return residual, wrong


def saturation(setting: EffectSetting) -> list[Effect]:
    """Codes of overloaded neurons, and what the conversion after remembers."""
    config = setting.config
    after = np.full(SLOTS, AFTER * config.v_full)
    columns = [
        BenchColumn(stairs=np.stack([np.full(SLOTS, x * config.v_full), after]))
        for x in (AFTER, *OVERLOADS)
    ]
    run = run_bench(config, columns, process=setting.process)
    codes, next_position = run.counts(), run.positions(1)
    effects = []
    for k, x in enumerate(OVERLOADS, 1):
        wanted = float(SLOTS if x > 0 else 0)
        effects += [
            Effect(
                name="overload, code",
                condition=f"{x:g} of full scale, {wanted:g} wanted",
                value=float(codes[k]),
                unit="-",
                lsb=float(codes[k] - wanted),
            ),
            Effect.shift(
                "overload, next conversion",
                f"{AFTER:g} of full scale after {x:g}",
                next_position[k] - next_position[0],
                at=(x,),
            ),
        ]
    return effects


def ramp_linearity(setting: EffectSetting) -> list[Effect]:
    """`out` at the clock edges of a whole ramp, against a line and an exponential.

    The exponential is a ramp on a leaking capacitor, which the model holds.
    """
    config = setting.config
    run = run_bench(config, level_columns([config.v_full]), process=setting.process)
    lsb = run.difference()[0] / setting.lsb_out
    k = np.arange(len(lsb)) / config.clocks_per_slot
    line = np.polyval(np.polyfit(k, lsb, 1), k)
    bent = np.polyval(np.polyfit(k, lsb, 2), k)
    effects = [
        Effect.shift(
            "ramp, distance from a line",
            f"{instant:g} slots after the first decision",
            distance,
            left_out=False,
            at=(float(instant),),
        )
        for instant, distance in zip(k, lsb - line, strict=True)
    ]
    rest = float(np.abs(lsb - bent).max())
    effects.append(
        Effect.shift("ramp beyond the model", "largest distance from a parabola", rest)
    )
    return effects


def supply(setting: EffectSetting) -> list[Effect]:
    """Gain and offset with clocks and supply moved together, references at rest."""
    config = setting.config
    columns = level_columns(np.array([3.0, 7.5, 12.0]) / SLOTS * config.v_full)
    nominal, *others = (
        run_bench(
            config,
            columns,
            process=setting.process,
            clocked=False,
            v_dd=factor * config.technology.v_dd,
        ).positions()
        for factor in (1.0, *SUPPLIES)
    )
    return [
        effect
        for factor, found in zip(SUPPLIES, others, strict=True)
        for effect in line_effects("supply", f"{factor - 1:+.0%}", nominal, found)
    ]
