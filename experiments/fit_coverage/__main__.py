"""How often the intervals of `device fit` hold the numbers of the card behind them.

    python -m experiments.fit_coverage --card radar-a --arrays 20

Samples arrays of a card, fits each anew and counts, for every number of the card, the
arrays whose interval holds it. A tail of the card that a fit does not find is counted
as three numbers missed.
"""

from collections import Counter
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from rram_jax.device.card import DeviceCard, load_card
from rram_jax.device.cycles import sample_cycles
from rram_jax.device.fit import DeviceFit, fit_card
from rram_jax.device.measured import Measurements


@dataclass(frozen=True, kw_only=True)
class FitCoverage:
    """Coverage of the intervals of a fitted card."""

    card: str = "radar-a"
    """Device card: a name or a file."""

    arrays: int = 20
    """[-] Sampled and fitted."""

    cells: int = 256
    """[-] Of each array."""

    cycles: int = 100
    """[-] Of each cell."""

    replicates: int = 500
    """[-] Bootstrap samples of each fit."""

    level: float = 0.95
    """[-] Probability of the intervals."""

    seed: int = 0
    """Of the first array; the next has the next."""


def sample(card: DeviceCard, n_cells: int, n_cycles: int, seed: int) -> Measurements:
    """What `device sample` writes, to its 0.1 Ohm."""
    key = jax.random.key(seed)
    pair = sample_cycles(key, jnp.arange(n_cells), n_cycles, card.params())
    r_lrs, r_hrs = (np.asarray(r, float).round(1).ravel() for r in pair)
    cell, cycle = np.divmod(np.arange(n_cells * n_cycles), n_cycles)
    return Measurements(cell=cell, cycle=cycle, r_hrs=r_hrs, r_lrs=r_lrs)


def verdicts(card: DeviceCard, fit: DeviceFit) -> dict[str, str]:
    """Of every number: held, or how the interval misses it."""
    told = {}
    for key, (low, high) in fit.intervals.items():
        true = getattr(card, key)
        told[key] = "below" if true < low else "above" if true > high else "held"
    for end in ("", "_hrs"):
        if getattr(card, f"tail_share{end}"):
            for part in ("tail_share", "tail_ratio", "sigma_tail"):
                told.setdefault(part + end, "no tail found")
    return told


def main():
    """Parse arguments and print."""
    settings = tyro.cli(FitCoverage)
    console = Console()
    card = load_card(settings.card)
    counts: dict[str, Counter] = {}
    missed = []
    for seed in range(settings.seed, settings.seed + settings.arrays):
        fit = fit_card(
            sample(card, settings.cells, settings.cycles, seed),
            "again",
            "a sample",
            level=settings.level,
            replicates=settings.replicates,
        )
        told = verdicts(card, fit)
        for key, verdict in told.items():
            counts.setdefault(key, Counter())[verdict] += 1
        missed.append(sum(verdict != "held" for verdict in told.values()))
        console.print(f"array {seed}: {missed[-1]} of {len(told)} missed")
    rows = Table("number", "card", "held", "card below", "card above", "no tail found")
    for key, count in counts.items():
        kinds = ("held", "below", "above", "no tail found")
        rows.add_row(
            key, f"{getattr(card, key):g}", *(str(count[kind]) for kind in kinds)
        )
    console.print(rows)
    held = sum(count["held"] for count in counts.values())
    total = sum(count.total() for count in counts.values())
    console.print(
        f"{held} of {total} intervals hold the card's number: {held / total:.1%}"
        f" ({settings.level:.0%} wanted); the arrays with most misses have"
        f" {sorted(missed)[::-1][:5]}"
    )


if __name__ == "__main__":
    main()
