"""The front drawn: ngspice as marks, the card's laws as lines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.power_throughput.point import BLOCKS
from rram_jax.report.figure import COLOURS, new_panels, save_figure, style_axes

TRUE_LSB = 0.1
"""[LSB] Where no crossing is further from the card's laws, codes are called true."""

WORDS = {
    "integrator": "integration",
    "auto_zero": "auto-zero, a sixteenth",
    "reset": "reset",
    "ramp": "ramp",
    "comparator": "latch",
    "gate": "pulse gate, row drivers' gates",
    "bias": "bias, shared by 64",
}


def front_figure(rows: Sequence[dict[str, float]], path: Path) -> tuple[Path, Path]:
    """Draw six panels of `compare`'s rows; `path` has no suffix."""
    v_full = rows[0]["v_full"]
    title = f"Hidden neurons of {1e3 * v_full:g} mV: ngspice (marks) and card (lines)"
    figure, panels = new_panels(title, 2, 3)
    biases = sorted({row["i_bias"] for row in rows})
    for colour, i_bias in zip(_colours(len(biases)), biases, strict=True):
        some = sorted(
            (row for row in rows if row["i_bias"] == i_bias), key=lambda r: r["t_slot"]
        )
        speed = [1e-6 * row["conversions_per_second"] for row in some]
        slot = [1e9 * row["t_slot"] for row in some]
        label = f"{1e6 * i_bias:g} uA"
        for axes, x, name, factor in (
            (panels[0], speed, "energy_j", 1e12),
            (panels[1], slot, "noise_lsb", 1.0),
            (panels[2], slot, "offset_sd_lsb", 1.0),
            (panels[3], slot, "gain_sd", 100.0),
        ):
            found = [factor * row[f"ngspice_{name}"] for row in some]
            said = [factor * row[f"model_{name}"] for row in some]
            axes.plot(x, found, "o", color=colour, ms=3.5, label=label)
            axes.plot(x, said, "-", color=colour)
        off = [row["model_residual_max_lsb"] for row in some]
        line = [row["ngspice_nonlinearity_lsb"] for row in some]
        panels[4].plot(slot, line, "o", color=colour, ms=3.5)
        panels[4].plot(slot, off, "-", color=colour)
    panels[4].axhline(TRUE_LSB, color="0.5", lw=0.8, ls=":")
    labels = (
        ("conversions a second [M/s]", "energy a conversion [pJ]"),
        ("slot [ns]", "noise [LSB rms]"),
        ("slot [ns]", "offset sd [LSB]"),
        ("slot [ns]", "gain sd [%]"),
        ("slot [ns]", "largest distance [LSB]: line (o), model (-)"),
    )
    for axes, (x, y) in zip(panels, labels, strict=False):
        style_axes(axes, x, y)
        axes.set_xscale("log")
        axes.set_yscale("log")
    panels[0].legend(frameon=False, fontsize="xx-small")
    _energy_bars(panels[5], rows)
    return save_figure(figure, path)


def _energy_bars(axes, rows) -> None:
    """Energy by block over the slot at the bias nearest to 20 uA."""
    i_bias = min({row["i_bias"] for row in rows}, key=lambda i: abs(i - 20e-6))
    some = [row for row in rows if row["i_bias"] == i_bias]
    place, base = np.arange(len(some)), np.zeros(len(some))
    for name, colour in zip(BLOCKS, _colours(len(BLOCKS)), strict=True):
        value = np.array([1e12 * row[f"ngspice_{name}_j"] for row in some])
        axes.bar(place, value, 0.7, base, color=colour, label=WORDS[name])
        base = base + value
    axes.set_xticks(place, [f"{1e9 * row['t_slot']:g}" for row in some])
    style_axes(axes, "slot [ns]", f"energy at {1e6 * i_bias:g} uA [pJ]")
    axes.legend(frameon=False, fontsize="xx-small")


def _colours(n: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(n)]
