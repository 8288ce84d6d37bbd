"""Accuracy against the spread, and what each method wins back."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.hardening.methods import METHODS, Method
from experiments.hardening.settings import BENCH
from experiments.hardening.tables import headline
from rram_jax.report.figure import COLOURS, new_panels, save_figure, style_axes

LINES = ("-", "--", ":")
"""Methods beyond the number of colours get the next line."""

LEAST, MOST = -50, 110
"""[%] Recovered shares that are drawn; the numbers beside stand for all."""

LINE = 60
"""[-] Characters of the title over each panel of recovered shares."""


def curve_figure(
    rows: Iterable[Mapping[str, Any]], conditions: str, path: Path
) -> tuple[Path, Path]:
    """Draw mean and worst chip of every method, a row of panels a family.

    Bands reach from the lowest to the highest of the seeds' means, or over the interval
    over chips where there is one seed. The worst chip is the mean over the seeds.

    Args:
        rows: Of results.csv.
        conditions: Data, chips and circuit, for the title.
        path: Where to, without a suffix.
    """
    rows = [row for row in rows if row["device"] == BENCH]
    methods = [METHODS[name] for name in dict.fromkeys(row["method"] for row in rows)]
    families = list(dict.fromkeys(method.family for method in methods))
    title = f"Accuracy against the spread of LRS cells\n{conditions}"
    figure, panels = new_panels(title, len(families), 2)
    label = "standard deviation of ln R"
    for k, family in enumerate(families):
        mean, worst = panels[2 * k : 2 * k + 2]
        style_axes(mean, label, "mean accuracy [%]")
        style_axes(worst, label, "worst chip [%]")
        mean.set_title(family, loc="left", fontsize=10)
        for n, method in enumerate(_drawn(methods, family)):
            own = [row for row in rows if row["method"] == method.name]
            _draw(mean, worst, own, method.name, n)
        worst.legend(frameon=False, fontsize="xx-small", ncols=2)
    return save_figure(figure, path)


def _drawn(methods: Sequence[Method], family: str) -> list[Method]:
    """Methods of a panel, behind their references and their plain networks."""
    own = [method for method in methods if method.family == family]
    before = {m.training for m in own}.union(*(m.references for m in own))
    return [m for m in methods if m.name in before and m not in own] + own


def _draw(mean, worst, rows, name: str, n: int) -> None:
    colour = COLOURS[n % len(COLOURS)]
    line = LINES[n // len(COLOURS) % len(LINES)]
    sigmas = sorted({row["sigma_lrs"] for row in rows})
    at = [[row for row in rows if row["sigma_lrs"] == sigma] for sigma in sigmas]
    bands = [_band(some) for some in at]
    middle = [100 * np.mean([row["mean"] for row in some]) for some in at]
    mean.plot(sigmas, middle, line, color=colour, marker=".", label=name)
    low, high = (100 * np.array(end) for end in zip(*bands, strict=True))
    mean.fill_between(sigmas, low, high, color=colour, alpha=0.15, linewidth=0)
    lowest = [100 * np.mean([row["worst"] for row in some]) for some in at]
    worst.plot(sigmas, lowest, line, color=colour, marker=".", label=name)


def _band(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    if len(rows) == 1:
        return rows[0]["ci95_low"], rows[0]["ci95_high"]
    means = [row["mean"] for row in rows]
    return min(means), max(means)


def recovered_figure(
    gains: Sequence[Mapping[str, Any]],
    sigmas: Sequence[float],
    conditions: str,
    path: Path,
) -> tuple[Path, Path]:
    """Draw the share of the conventional network's loss that every method wins back.

    In blue means over seeds, in red what has one seed, with intervals over chips.

    Args:
        gains: Rows of gains.csv.
        sigmas: [-] Spreads, a panel each.
        conditions: Data, chips and circuit, for the title.
        path: Where to, without a suffix.
    """
    title = "Share of what the spread costs that is won back; lines: 95 % interval"
    title += "\n" + textwrap.fill(conditions, LINE * len(sigmas))
    figure, panels = new_panels(title, 1, len(sigmas))
    first = {name: m.references[0] for name, m in METHODS.items() if m.references}
    names = [
        n for n, r in first.items() if any(headline(gains, n, s, r) for s in sigmas)
    ]
    figure.set_size_inches(5.2 * len(sigmas), 1.5 + 0.24 * len(names))
    for axes, sigma in zip(panels, sigmas, strict=True):
        style_axes(axes, "recovered share [%]", "")
        axes.set_title(f"spread {sigma:g}", loc="left", fontsize=10)
        for k, name in enumerate(names):
            row = headline(gains, name, sigma, first[name])
            if row is None or row["recovered"] is None:
                continue
            share = 100 * row["recovered"]
            axes.barh(k, share, 0.7, color=COLOURS[0 if row["seed"] == "all" else 1])
            low, high = (100 * row[f"recovered_ci95_{end}"] for end in ("low", "high"))
            away = [[max(share - low, 0.0)], [max(high - share, 0.0)]]
            axes.errorbar(share, k, xerr=away, color="0.2", lw=0.8, capsize=2)
            axes.text(MOST, k, f" {share:.0f}", fontsize=7, va="center")
        axes.axvline(0, color="0.3", lw=0.8)
        axes.set_xlim(LEAST, MOST)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.invert_yaxis()
    return save_figure(figure, path)
