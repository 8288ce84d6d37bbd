"""What a bit line does to a code: its resistance and load, the order of its charge.

Crossings are those of `out` in columns whose latches rest, so that 0.001 LSB shows.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.neuron.config import SLOTS
from rram_jax.neuron.model import crossing
from rram_jax.ngspice.effects.bench import BenchColumn, level_columns, run_bench
from rram_jax.ngspice.effects.record import Effect, EffectSetting
from rram_jax.ngspice.neuron import C_BIT_LINE
from rram_jax.ngspice.testbench import R_BIT_LINE

LINES = (
    (R_BIT_LINE, C_BIT_LINE),
    (10.0, C_BIT_LINE),
    (100.0, C_BIT_LINE),
    (300.0, C_BIT_LINE),
    (R_BIT_LINE, 0.2e-12),
    (R_BIT_LINE, 2e-12),
    (R_BIT_LINE, 5e-12),
    (300.0, 5e-12),
)
"""[Ohm, F] Bit lines; the first one is the testbench's."""

SWINGS = (5e-3, 10e-3, 20e-3, 40e-3)
"""[V] Up and down about the mean, slot by slot."""

LEVEL_SHIFTS = (-20e-3, 20e-3)
"""[V] By which v_cm of bit lines and reference is off together."""

REFERENCE_TAUS = (0.3e-9, 1e-9)
"""[s] Of the reference's step."""

POSITIONS = np.array([3.0, 7.5, 12.0])
"""[slots] Where an ideal neuron would cross."""


def alternating(mean: float, swing: float) -> np.ndarray:
    """[1, 15, V] Three times up, down, down, up by `swing`; three slots at the mean.

    No part is earlier than another on the average, so the leak does not tell them apart
    to first order.
    """
    shape = np.append(np.tile([1.0, -1.0, -1.0, 1.0], 3), np.zeros(SLOTS - 12))
    return (mean + swing * shape)[None]


def model_positions(setting: EffectSetting, stairs: np.ndarray) -> np.ndarray:
    """[slots] Crossings that the card says, of [n, 15, V]."""
    with jax.enable_x64(True):
        params = setting.card.params(setting.config)
        return np.asarray(crossing(jnp.asarray(stairs, float), params))


def line_load(setting: EffectSetting) -> list[Effect]:
    """Shift of the crossing against the nominal line, for a level and for edges.

    The edges' staircase has the level's mean; what it crosses differently beyond the
    nominal line's own difference, over its edges, is one edge's settling error.
    """
    middle = setting.config.v_full / 2
    shapes = (np.full((1, SLOTS), middle), alternating(middle, middle))
    columns = [
        BenchColumn(stairs=stairs, r=r, c=c) for r, c in LINES for stairs in shapes
    ]
    run = run_bench(setting.config, columns, process=setting.process, clocked=False)
    level, edges = (run.positions() - _first(run.positions())).reshape(-1, 2).T
    volts = np.abs(np.diff(shapes[1][0])).sum() / setting.lsb
    effects = []
    for (r, c), one, other in zip(LINES[1:], level[1:], edges[1:], strict=True):
        where = f"{r:g} Ohm, {1e12 * c:g} pF"
        effects += [
            Effect.shift("bit line, level", where, one, at=(r, c)),
            Effect(
                name="bit line, edges",
                condition=f"{where}, an LSB of swing up or down",
                value=float((other - one) / volts),
                unit="LSB/LSB",
                lsb=float(other - one),
                at=(r, c),
            ),
        ]
    return effects


def _first(positions: np.ndarray) -> np.ndarray:
    """Those of the first line, for every line."""
    return np.tile(positions[:2], len(LINES))


def compression(setting: EffectSetting) -> list[Effect]:
    """What a large swing about the same mean moves, and what the model leaves of it."""
    mean = setting.config.v_full / 2
    stairs = np.stack([alternating(mean, swing) for swing in (0.0, *SWINGS)])
    columns = [BenchColumn(stairs=stair) for stair in stairs]
    run = run_bench(setting.config, columns, process=setting.process, clocked=False)
    found, said = run.positions(), model_positions(setting, stairs[:, 0])
    effects = []
    for k, swing in enumerate(SWINGS, 1):
        where = f"swing of {1e3 * swing:g} mV about {1e3 * mean:g} mV"
        moved, foreseen = found[k] - found[0], said[k] - said[0]
        effects += [
            Effect.shift("compression", where, moved, left_out=False),
            Effect.shift("compression beyond the model", where, moved - foreseen),
        ]
    return effects


def leak(setting: EffectSetting) -> list[Effect]:
    """What charge of the first slots has lost against that of the last ones."""
    v_full, early = setting.config.v_full, np.zeros(SLOTS)
    early[: SLOTS // 2] = v_full
    stairs = np.stack([early, early[::-1]])[:, None]
    columns = [BenchColumn(stairs=stair) for stair in stairs]
    run = run_bench(setting.config, columns, process=setting.process, clocked=False)
    moved = float(np.diff(run.positions())[0])
    foreseen = float(np.diff(model_positions(setting, stairs[:, 0]))[0])
    where = "7 slots of full scale, at the end and not at the start"
    return [
        Effect.shift("leak", where, moved, left_out=False),
        Effect.shift("leak beyond the model", where, moved - foreseen),
    ]


def reference_level(setting: EffectSetting) -> list[Effect]:
    """v_cm of bit lines and reference gate off together: gain and offset."""
    config = setting.config
    columns = level_columns(POSITIONS / SLOTS * config.v_full)
    nominal, *others = (
        run_bench(
            config,
            columns,
            process=setting.process,
            clocked=False,
            reference=shift,
        ).positions()
        for shift in (0.0, *LEVEL_SHIFTS)
    )
    return [
        effect
        for shift, found in zip(LEVEL_SHIFTS, others, strict=True)
        for effect in line_effects(
            "level of v_cm", f"{1e3 * shift:+g} mV", nominal, found
        )
    ]


def line_effects(
    name: str,
    where: str,
    nominal: np.ndarray,
    found: np.ndarray,
    *,
    left_out: bool = True,
) -> list[Effect]:
    """Change of gain, and of the crossing in the middle, of three levels or more."""
    slope, _ = np.polyfit(nominal, found, 1)
    middle = len(nominal) // 2
    gain = float(slope) - 1
    return [
        Effect(
            name=f"{name}, gain",
            condition=where,
            value=gain,
            unit="-",
            lsb=gain * SLOTS / 2,
            left_out=left_out,
        ),
        Effect.shift(
            f"{name}, offset",
            where,
            found[middle] - nominal[middle],
            left_out=left_out,
        ),
    ]


def reference_edge(setting: EffectSetting) -> list[Effect]:
    """The reference's step through a filter: what a slow edge of it would move.

    Ours is ideal. All neurons of a layer share it, and so an offset that the ramp's
    start cancels.
    """
    config = setting.config
    columns = level_columns(POSITIONS / SLOTS * config.v_full)
    effects = []
    nominal = run_bench(config, columns, process=setting.process, clocked=False)
    for tau in REFERENCE_TAUS:
        found = run_bench(
            config, columns, process=setting.process, clocked=False, reference_tau=tau
        )
        effects += line_effects(
            "reference's edge",
            f"time constant of {1e9 * tau:g} ns",
            nominal.positions(),
            found.positions(),
            left_out=False,
        )
    return effects
