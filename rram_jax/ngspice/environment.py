"""One neuron at every corner and temperature: gain, offset, linearity.

The neuron stays as it was sized for the typical process; only models and temperature
change. Its crossing is that of the waveform of `out` (hidden neurons), so what the
latch's own threshold does is not in it.
"""

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from rram_jax.neuron.cmos import ROOM, TYPICAL, CmosCard, Process
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.ngspice.farm import run_jobs
from rram_jax.ngspice.testbench import simulate_columns

LEVELS = np.linspace(1.0, SLOTS - 1.0, 14)
"""[slots] Where an ideal neuron would cross."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentPoint:
    """Ideal positions against measured ones: a straight line and what is left."""

    corner: str
    """Of the CMOS card."""

    temperature: float
    """[deg C]"""

    gain: float
    """[-] Slope of the crossing over that of the ideal neuron."""

    offset: float
    """[LSB] Crossing at mid-scale, less the ideal one's."""

    residual: float
    """[LSB] Largest distance from the line."""

    monotone: bool
    """Every level crosses later than the one below it."""


def environments(card: CmosCard) -> list[tuple[str, float]]:
    """Every corner at the lowest, room's and the highest temperature; typical first."""
    low, high = card.temperature_low, card.temperature_high
    room = min(max(ROOM, low), high)
    every = itertools.product(card.corners, sorted({low, room, high}))
    return sorted(every, key=lambda x: x != (TYPICAL, room))


def measure_environment(
    config: NeuronConfig, process: Process, where: tuple[str, float]
) -> EnvironmentPoint:
    """One neuron a level of `LEVELS`, at one corner and temperature [deg C]."""
    corner, temperature = where
    volts = LEVELS / SLOTS * config.v_full - config.v_shift
    stairs = np.repeat(volts[:, None], SLOTS, 1)
    process = dataclasses.replace(process, corner=corner, temperature=temperature)
    run = simulate_columns(config, stairs, process=process)
    position = run.crossings(0.0, config)
    crossed = np.isfinite(position)
    slope, constant = np.polyfit(LEVELS[crossed], position[crossed], 1)
    line = slope * LEVELS + constant
    return EnvironmentPoint(
        corner=corner,
        temperature=temperature,
        gain=float(slope),
        offset=float(slope * SLOTS / 2 + constant - SLOTS / 2),
        residual=float(np.abs(position - line)[crossed].max()),
        monotone=bool((np.diff(position[crossed]) > 0).all()),
    )


def measure_environments(
    config: NeuronConfig,
    process: Process,
    *,
    workers: int | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> list[EnvironmentPoint]:
    """All of `environments`, side by side; `on_done` is called after each.

    The process's own corner and temperature do not matter.
    """
    places = environments(process.card)
    found: dict[int, EnvironmentPoint] = {}

    def keep(index: int, point: EnvironmentPoint) -> None:
        found[index] = point
        on_done()

    measure = partial(measure_environment, config, process)
    run_jobs(measure, places, workers=workers, on_done=keep)
    return [found[k] for k in range(len(places))]


def spread_of_gain(points: list[EnvironmentPoint]) -> dict[str, float]:
    """[-] Largest deviations of gain from the first point, and after a ramp setting.

    A layer's ramp step scales all its crossings: set anew at a corner and temperature
    it leaves the distance from the straight line, here as a share of the full scale.
    """
    typical = points[0]

    def worst(chosen) -> float:
        return max(abs(p.gain / typical.gain - 1) for p in chosen)

    return {
        "gain_over_temperature": worst(p for p in points if p.corner == typical.corner),
        "gain_over_corners": worst(
            p for p in points if p.temperature == typical.temperature
        ),
        "gain_over_both": worst(points),
        "after_ramp_setting": max(p.residual / p.gain for p in points) / SLOTS,
    }
