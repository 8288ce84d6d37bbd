"""One neuron's waveforms, from auto-zero to its output pulse."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rram_jax.circuit.encode import SLOTS
from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.report.figure import COLOURS, INK, save_figure, style_axes

PHASES = ("auto-zero", "reset", "integration", "ramp")
TINTS = ("#e9e2f1", "#f6ead3", "#dcecf3", "#e3efdb")

NODES = ("s", "out", "dum", "q", "p")
"""Nodes of the neuron itself; `ref`, `clk`, `az` and `rs` are the layer's."""


@dataclass(frozen=True, kw_only=True)
class NeuronWaves:
    """Waveforms of one neuron of a hidden layer, each [V] over `time` [s]."""

    layer: int
    neuron: int
    time: np.ndarray
    s: np.ndarray
    """Bit line at the neuron's gate."""
    out: np.ndarray
    """C_int."""
    dum: np.ndarray
    """The copy of C_int that holds v_pre."""
    q: np.ndarray
    """The latch's memory."""
    p: np.ndarray
    """Output pulse."""
    ref: np.ndarray
    """Reference gate of the pair."""
    clk: np.ndarray
    az: np.ndarray
    rs: np.ndarray
    en: np.ndarray

    @property
    def t_pulse(self) -> float:
        """[s] Start of the output pulses."""
        return _high(self.time, self.en)[0]

    @property
    def t_fall(self) -> float:
        """[s] End of the output pulse; its start for code 0."""
        high = np.flatnonzero(self.p > self.en.max() / 2)
        return float(self.time[high[-1]]) if len(high) else self.t_pulse

    def phases(self, config: NeuronConfig) -> list[tuple[float, float]]:
        """(start, end) [s] of each of `PHASES`."""
        slot, t_pulse = config.t_slot, self.t_pulse
        az, rs = (_high(self.time, wave) for wave in (self.az, self.rs))
        start = t_pulse - (SLOTS + 1) * slot
        ramp = _high(self.time, self.ref)
        return [az, rs, (start, start + SLOTS * slot), ramp]


def choose_neuron(waves: Mapping[str, np.ndarray], origin: str) -> NeuronWaves:
    """The hidden neuron whose inner nodes were saved.

    Raises:
        InputError: There is none, or a wave is missing.
    """
    found = [m for name in waves if (m := re.fullmatch(r"v\(out(\d+)_(\d+)\)", name))]
    try:
        layer, neuron = map(int, found[0].groups())
        own = {n: waves[f"v({n}{layer}_{neuron})"] for n in NODES}
        shared = {n: waves[f"v({n}{layer})"] for n in ("ref", "clk", "az", "rs", "en")}
        chosen = NeuronWaves(
            layer=layer, neuron=neuron, time=waves["time"], **own, **shared
        )
        if min(np.ptp(getattr(chosen, n)) for n in ("az", "rs", "ref", "en")) <= 0:
            raise ValueError("a phase that never comes")
    except (IndexError, KeyError, ValueError):
        raise InputError(
            f"{origin} does not hold all waveforms of one hidden neuron: remove the"
            " folder and run the verification again."
        ) from None
    return chosen


def waves_figure(
    waves: NeuronWaves, config: NeuronConfig, path: Path
) -> tuple[Path, Path]:
    """Draw four panels over time: input, integrator, latch, output pulse.

    Args:
        waves: The neuron.
        config: Its layer's sizes and instants.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure = Figure(figsize=(11.2, 7.4), layout="constrained")
    figure.suptitle(
        f"Neuron {waves.neuron} of layer {waves.layer}, first simulated image",
        fontsize=10,
    )
    panels = figure.subplots(4, 1, sharex=True, height_ratios=(1.5, 1.5, 1, 0.8))
    end = waves.t_pulse + (SLOTS + 1.5) * config.t_slot
    shown = waves.time <= end
    t = 1e9 * waves.time[shown]

    def draw(panel: Axes, wave: np.ndarray, colour: str, label: str, **style):
        panel.plot(t, wave[shown], color=colour, label=label, **style)

    levels = config.technology
    blue, orange, green, violet = COLOURS[:4]
    draw(panels[0], 1e3 * (waves.s - levels.v_cm), blue, "bit line (bl)", linewidth=1.2)
    draw(
        panels[0],
        1e3 * (waves.ref - levels.v_cm),
        orange,
        "reference gate (ref)",
        ls="--",
    )
    draw(panels[1], waves.out, blue, "C_int (out)", linewidth=1.2)
    draw(panels[1], waves.dum, orange, "copy at v_pre (dum)", linewidth=0.9)
    draw(panels[2], waves.clk, "#a8a8a8", "clock (clk)", linewidth=0.7)
    draw(panels[2], waves.q, violet, "latch (q)", linewidth=1.4)
    draw(panels[3], waves.en, "#a8a8a8", "enable (en)", ls="--", linewidth=0.9)
    draw(panels[3], waves.p, green, "pulse to the next layer (p)", linewidth=1.4)
    panels[1].axhline(levels.v_pre, color=INK, linewidth=0.6, linestyle=":")
    labels = ("above v_cm [mV]", "voltage [V]", "voltage [V]", "voltage [V]")
    for panel, label in zip(panels, labels, strict=True):
        style_axes(panel, "", label)
        panel.legend(
            frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5)
        )
    for panel in panels[2:]:
        panel.set_ylim(-0.15 * levels.v_dd, 1.15 * levels.v_dd)
    panels[-1].set_xlabel("time [ns]")
    panels[-1].set_xlim(0, 1e9 * end)
    _mark_phases(panels, waves.phases(config))
    for panel in panels:
        panel.axvline(1e9 * waves.t_fall, color=INK, linewidth=0.8, linestyle=":")
    panels[0].annotate(
        "pulse ends",
        (1e9 * waves.t_fall, 0.02),
        (3, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=8,
    )
    return save_figure(figure, path)


def _mark_phases(panels, phases: list[tuple[float, float]]):
    """Tint the phases through all panels and name them above the first."""
    for (start, stop), name, tint in zip(phases, PHASES, TINTS, strict=True):
        for panel in panels:
            panel.axvspan(1e9 * start, 1e9 * stop, color=tint, zorder=0, linewidth=0)
        panels[0].annotate(
            name,
            (1e9 * (start + stop) / 2, 1),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )


def _high(time: np.ndarray, wave: np.ndarray) -> tuple[float, float]:
    """[s] First and last instant at which a phase is in the upper half of its range."""
    above = time[wave > (wave.max() + wave.min()) / 2]
    return float(above[0]), float(above[-1])
