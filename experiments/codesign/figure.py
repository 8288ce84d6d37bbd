"""The front of accuracy against energy, and where each knob went."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rram_jax.report.figure import COLOURS, new_panels, save_figure, style_axes

MARKS = {"nothing": "s", "weights": "D", "knobs": "o", "both": "o"}
WORDS = {
    "nothing": "as it comes",
    "weights": "weights trained",
    "knobs": "knobs trained",
    "both": "weights and knobs trained",
}
KNOBS = (
    ("v_reset", 1.0, "RESET voltage [V]"),
    ("v_read", 1e3, "read voltage [mV]"),
    ("t_slot", 1e9, "slot [ns]"),
    ("i_bias", 1e6, "bias current [uA]"),
    ("v_full_0", 1e3, "full scale, first layer [mV]"),
)


def front_figure(
    rows: Sequence[dict[str, Any]], path: Path, sizes: Sequence[int]
) -> tuple[Path, Path]:
    """Accuracy over chips with its 95 % interval, and the knobs; `path` no suffix."""
    chips, images = rows[0]["n_chips"], rows[0]["n_images"]
    title = (
        f"{'-'.join(map(str, sizes))}: {chips} chips, {images} validation images,"
        " 95 % interval of the mean"
    )
    figure, panels = new_panels(title, 2, 3)
    for colour, (what, word) in zip(COLOURS, WORDS.items(), strict=False):
        some = [row for row in rows if row["trained"] == what]
        energy = [1e9 * row["energy_j"] for row in some]
        mean = [100 * row["accuracy_mean"] for row in some]
        low = [100 * (row["accuracy_mean"] - row["accuracy_low"]) for row in some]
        high = [100 * (row["accuracy_high"] - row["accuracy_mean"]) for row in some]
        line = "-" if len(some) > 1 else ""
        look = {"color": colour, "marker": MARKS[what], "ms": 4, "ls": line}
        panels[0].errorbar(energy, mean, [low, high], capsize=2, label=word, **look)
        for axes, (name, factor, _) in zip(panels[1:], KNOBS, strict=True):
            axes.plot(energy, [factor * row[name] for row in some], **look)
    labels = [(name, word) for name, _, word in KNOBS]
    style_axes(panels[0], "energy an inference [nJ]", "accuracy [%]")
    for axes, (_, word) in zip(panels[1:], labels, strict=True):
        style_axes(axes, "energy an inference [nJ]", word)
    panels[0].legend(frameon=False, fontsize="xx-small")
    return save_figure(figure, path)
