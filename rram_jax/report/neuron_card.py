"""A neuron card drawn: its laws, and how far they are from what was measured."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from rram_jax.errors import InputError
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.law import evaluate, operating_point
from rram_jax.report.figure import COLOURS, new_panels, save_figure, style_axes

LAWS = {"offset": ("offset [LSB]", 1.0), "leak": ("leak [1/us]", 1e-6)}
"""Laws over full scale: axis and factor."""

STYLES = {"hidden": "-", "output": "--"}
"""Of the two kinds' lines."""

KINDS = {"hidden": "hidden: clocked latch", "output": "output: continuous comparator"}


def card_figure(
    card: NeuronCard,
    points: Mapping[str, Sequence[Mapping[str, float]]],
    path: Path,
) -> tuple[Path, Path]:
    """Draw both kinds of neurons.

    Args:
        card: Its laws are drawn over full scale and bias current, for the shortest,
            usual and longest slot.
        points: By kind, the rows of `rram_jax.ngspice.characterise.point_rows`.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    usual = _usual(card)
    figure, panels = new_panels(
        f"Neuron card {card.name}; above at {1e6 * usual.i_bias:g} uA and a swing of"
        f" {usual.swing:g} V",
        2,
        3,
    )
    slots = sorted({*card.box.t_slot, _usual(card).t_slot})
    v_full = np.geomspace(*card.box.v_full, 40)
    for axes, (field, (label, factor)) in zip(panels, LAWS.items(), strict=False):
        for colour, t_slot in zip(COLOURS, slots, strict=False):
            slot = [t_slot] * len(v_full)
            inside = _line(card, t_slot=slot, v_full=v_full.tolist())
            for kind, style in STYLES.items():
                law = getattr(getattr(card, kind), field)
                axes.plot(
                    [1e3 * c.v_full for c in inside],
                    [factor * float(evaluate(law, operating_point(c))) for c in inside],
                    style,
                    color=colour,
                    label=f"{1e9 * t_slot:g} ns" if kind == "hidden" else None,
                )
        style_axes(axes, "full scale [mV]", label)
        _log_ticks(axes, (3, 5, 10, 20, 30))
    panels[0].legend(
        frameon=False, fontsize="x-small", title="slot; hidden (-), output (--)"
    )

    i_bias = np.geomspace(*card.box.i_bias, 20)
    for colour, t_slot in zip(COLOURS, slots, strict=False):
        slot = [t_slot] * len(i_bias)
        inside = _line(card, t_slot=slot, i_bias=i_bias.tolist())
        law = card.hidden.noise_variance
        noise = [
            SLOTS * float(evaluate(law, operating_point(c))) ** 0.5 / c.v_full
            for c in inside
        ]
        panels[2].plot([1e6 * c.i_bias for c in inside], noise, color=colour)
    at = f"{1e3 * _usual(card).v_full:g} mV"
    style_axes(panels[2], "bias current [uA]", f"noise, hidden, {at} [LSB rms]")
    _log_ticks(panels[2], (5, 10, 20, 40))

    for axes, (field, label) in zip(
        panels[3:],
        {
            "residual_rms": "model's residual [LSB rms]",
            "residual_max": "largest residual [LSB]",
            "equal": "counts equal [%]",
        }.items(),
        strict=True,
    ):
        for (kind, words), colour in zip(KINDS.items(), COLOURS, strict=False):
            for held_out, marker in ((0, "o"), (1, "s")):
                rows = [r for r in points[kind] if r["held_out"] == held_out]
                factor = 100.0 if field == "equal" else 1.0
                axes.plot(
                    [1e15 * row["c_int"] for row in rows],
                    [factor * row[field] for row in rows],
                    marker,
                    color=colour,
                    mfc="none" if not held_out else colour,
                    ms=3.5,
                    label=f"{words}{', held out' if held_out else ''}",
                )
        style_axes(axes, "C_int [fF]", label)
        axes.set_xscale("log")
    panels[3].legend(frameon=False, fontsize="xx-small")
    return save_figure(figure, path)


def _log_ticks(axes: Axes, ticks: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()


def _line(card: NeuronCard, **changes: Sequence[float]) -> list[NeuronConfig]:
    """Usual neurons along the values of one field; those that the box holds."""
    found = []
    for values in zip(*changes.values(), strict=True):
        try:
            config = _usual(card, **dict(zip(changes, values, strict=True)))
            card.kind(config)
        except InputError:
            continue
        found.append(config)
    return found


def _usual(card: NeuronCard, **change: float) -> NeuronConfig:
    """A hidden neuron in the middle of the card's box."""
    usual = NeuronConfig(v_full=8e-3, technology=card.conditions.technology)
    inside = {
        name: float(np.clip(getattr(usual, name), *getattr(card.box, name)))
        for name in ("i_bias", "t_slot", "v_full", "swing")
    }
    return dataclasses.replace(usual, **(inside | change))
