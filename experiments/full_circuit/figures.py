"""Energy by block, and how codes differ."""

from pathlib import Path

import numpy as np

from experiments.full_circuit.tables import differences
from rram_jax.report.figure import COLOURS, new_figure, save_figure
from rram_jax.run_folder import read_metrics

BLOCKS = {
    "array": "array (at its levels)",
    "gm": "integrators",
    "latch": "comparators",
    "gate": "pulse gates",
    "driver": "input buffers",
    "bias": "bias",
}
"""Blocks that are drawn, and what they are called; the others are below 1 %."""


def energy_figure(folders: dict[str, Path], path: Path) -> None:
    """Draw the mean energy of an inference by block, a bar a run of the tier full."""
    figure, axes = new_figure(
        "Energy of one inference, whole circuit in ngspice", "", "energy [nJ]"
    )
    for n, folder in enumerate(folders.values()):
        blocks, below = read_metrics(folder, energy_by_block_j=dict), 0.0
        for k, (block, name) in enumerate(BLOCKS.items()):
            height = 1e9 * blocks["energy_by_block_j"][block]
            axes.bar(n, height, 0.5, below, color=COLOURS[k], label=None if n else name)
            below += height
    axes.set_xticks(range(len(folders)), list(folders))
    axes.legend(frameon=False, fontsize="small")
    save_figure(figure, path)


def codes_figure(folders: dict[str, Path], path: Path) -> None:
    """Draw the histogram of code differences, a group of bars a run."""
    figure, axes = new_figure(
        "Hidden codes: ngspice less surrogate, same cells and codes before",
        "difference [LSB]",
        "share of codes [%]",
    )
    ticks = np.arange(-2, 3)
    for n, (name, folder) in enumerate(folders.items()):
        found = differences(folder)
        shares = [100 * np.mean(found == x) for x in ticks]
        place = ticks + 0.8 * (n + 0.5) / len(folders) - 0.4
        label = f"{name} ({len(found)} codes)"
        axes.bar(place, shares, 0.8 / len(folders), color=COLOURS[n], label=label)
    axes.set_yscale("log")
    axes.set_ylim(0.01, 200)
    axes.set_xticks(ticks)
    axes.legend(frameon=False, fontsize="small")
    save_figure(figure, path)
