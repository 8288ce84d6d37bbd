"""Effects on a neuron's code: table, sentence and figure."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from rram_jax.neuron.config import SLOTS
from rram_jax.ngspice.effects.record import Effect
from rram_jax.report.figure import COLOURS, new_panels, save_figure, style_axes
from rram_jax.run_folder import write_table

BAR = 0.05
"""[LSB] What moves a code by more than this belongs into the model."""

COLUMNS = ("name", "condition", "value", "unit", "lsb", "left_out")
"""Of the CSV file."""


def write_effects(path: Path, effects: Iterable[Effect]) -> None:
    """Write a CSV file, one line an effect."""
    rows = ([getattr(effect, name) for name in COLUMNS] for effect in effects)
    write_table(path, COLUMNS, rows)


def largest(effects: Iterable[Effect]) -> list[Effect]:
    """The largest record of every effect, by its size in LSB, the largest first."""
    best: dict[str, Effect] = {}
    for effect in effects:
        if effect.name not in best or abs(effect.lsb) > abs(best[effect.name].lsb):
            best[effect.name] = effect
    return sorted(best.values(), key=lambda effect: -abs(effect.lsb))


def effect_rows(effects: Iterable[Effect]) -> list[tuple[str, ...]]:
    """Name, condition, value and size of the largest of every effect, for a table."""
    return [
        (
            effect.name,
            effect.condition,
            f"{effect.value:.3g} {effect.unit}",
            f"{effect.lsb:+.3f}",
            "yes" if effect.left_out else "",
        )
        for effect in largest(effects)
    ]


def left_out_sentence(effects: Iterable[Effect]) -> str:
    """What the model leaves out and is above `BAR`, in words."""
    missed = [
        effect
        for effect in largest(e for e in effects if e.left_out)
        if abs(effect.lsb) > BAR
    ]
    if not missed:
        return f"Nothing that the model leaves out moves a code by {BAR:g} LSB."
    told = "; ".join(f"{e.name} {e.lsb:+.2f} LSB ({e.condition})" for e in missed)
    return f"Left out of the model and above {BAR:g} LSB: {told}."


def effects_figure(
    effects: Sequence[Effect], told: str, path: Path
) -> tuple[Path, Path]:
    """Draw common mode, bit line, shortest slot and ramp; returns the PNG and the SVG.

    Args:
        effects: Of one neuron.
        told: The neuron, for the title.
        path: Where to, without a suffix.
    """
    figure, panels = new_panels(f"What moves a code: {told}", 2, 2)
    by_name: dict[str, list[Effect]] = {}
    for effect in effects:
        by_name.setdefault(effect.name, []).append(effect)
    drawers = (_common_mode, _bit_line, _slots, _ramp)
    for axes, draw in zip(panels, drawers, strict=True):
        draw(axes, by_name)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize="x-small")
    return save_figure(figure, path)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=10)


def _common_mode(axes: Axes, by_name: dict[str, list[Effect]]) -> None:
    style_axes(axes, "other pairs that are driven [%]", "shift of a code [LSB]")
    _title(axes, "Common mode: weights that cancel")
    names = {
        "common mode": "measured",
        "common mode beyond the model": "less the model",
    }
    for (name, words), mark in zip(names.items(), ("o-", "x--"), strict=True):
        found = [e for e in by_name.get(name, []) if e.at[1] == SLOTS]
        sums = sorted({e.at[2] for e in found})
        for total, colour in zip(sums, COLOURS, strict=False):
            points = sorted((100 * e.at[0], e.lsb) for e in found if e.at[2] == total)
            x, y = zip((0.0, 0.0), *points, strict=True)
            label = f"{words}, sum of {total:g} slots"
            axes.plot(x, y, mark, color=colour, ms=4, label=label)


def _bit_line(axes: Axes, by_name: dict[str, list[Effect]]) -> None:
    style_axes(axes, "bit line's time constant [ps]", "shift of a code [LSB]")
    _title(axes, "Bit line: resistance times capacitance")
    names = {"bit line, level": "level", "bit line, edges": "more by an edge each slot"}
    for (name, words), colour in zip(names.items(), COLOURS, strict=False):
        points = sorted(
            (1e12 * e.at[0] * e.at[1], e.lsb) for e in by_name.get(name, [])
        )
        if points:
            x, y = np.transpose(points)
            axes.plot(x, np.abs(y), "o", color=colour, ms=4, label=words)
            axes.set_xscale("log")


def _slots(axes: Axes, by_name: dict[str, list[Effect]]) -> None:
    style_axes(axes, "slot [ns]", "distance from a line [LSB]")
    _title(axes, "Bias and slot; crosses: wrong codes")
    found = by_name.get("slot against bias", [])
    for bias, colour in zip(sorted({e.at[0] for e in found}), COLOURS, strict=False):
        own = sorted((e for e in found if e.at[0] == bias), key=lambda e: e.at[1])
        x, y = [1e9 * e.at[1] for e in own], [e.lsb for e in own]
        axes.plot(x, y, "-", color=colour, label=f"{1e6 * bias:g} uA")
        for effect, at, lsb in zip(own, x, y, strict=True):
            right = ", 0 of" in effect.condition
            axes.plot(
                at, lsb, "o" if right else "x", color=colour, ms=4 if right else 8
            )


def _ramp(axes: Axes, by_name: dict[str, list[Effect]]) -> None:
    style_axes(axes, "slots after the first decision", "out off a line [LSB]")
    after = by_name.get("overload, next conversion", [])
    worst = max((abs(e.lsb) for e in after), default=0.0)
    _title(axes, f"Ramp; overload moves the next code by {worst:.3f} LSB")
    found = sorted(by_name.get("ramp, distance from a line", []), key=lambda e: e.at)
    x, y = [e.at[0] for e in found], [e.lsb for e in found]
    axes.plot(x, y, "o-", color=COLOURS[0], ms=4)
