"""`rram-jax compare`: networks on the same chips, chip by chip."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.compare import compare as compare_chips
from rram_jax.commands.config import CompareCommand
from rram_jax.commands.terminal import say, say_finished, show_table
from rram_jax.report.differences import difference_figure
from rram_jax.report.evaluated import (
    EvaluatedRun,
    check_paired,
    labels_of,
    read_evaluated,
)
from rram_jax.run_folder import (
    RunFolder,
    check_writable,
    damaged_run,
    default_folder,
    holds,
    open_run,
    write_json,
    write_table,
)

CHIPS = ("network", "sigma_lrs", "chip", "accuracy_a", "accuracy_b")
"""Columns of differences.csv; accuracies are shares of the images."""

SHOWN = {"reference": str, "network": str, "ci95": list} | dict.fromkeys(
    (
        "sigma_lrs",
        "accuracy_a",
        "accuracy_b",
        "difference",
        "p_value",
        "p_rank",
        "share_better",
        "share_equal",
        "worst_difference",
    ),
    int | float,
)
"""What the table at the end takes from each comparison in metrics.json."""


def compare(config: CompareCommand) -> Path:
    """Compare every other run with the first; returns the results' folder.

    Raises:
        InputError: A run is no finished evaluation, they are not paired, or the folder
            is another run's.
    """
    if config.json:
        check_writable(config.json)
    runs = [read_evaluated(path) for path in config.runs]
    check_paired(runs)
    labels = labels_of(runs)
    asked = {
        "runs": [
            {"label": label, **run.sha256}
            for label, run in zip(labels, runs, strict=True)
        ]
    }
    out = config.out or default_folder("compare", f"{len(runs)}-runs", asked)
    with open_run(out, "compare", asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            run.finish({"comparisons": _comparisons(runs, labels, run)})
        found = run.metrics(comparisons=list)["comparisons"]
        if not found or not all(holds(c, SHOWN) for c in found):
            raise damaged_run(out / "metrics.json")
    _show(runs[0], found)
    say(
        f"Results: {out} (comparison.csv, differences.csv, .png and .svg,"
        " metrics.json)."
    )
    if config.json:
        write_json(config.json, found)
        say(f"The same numbers as JSON: {config.json}.")
    return out


def _comparisons(
    runs: Sequence[EvaluatedRun], labels: Sequence[str], folder: RunFolder
) -> list[dict[str, Any]]:
    """Every network and spread against the reference; tables and figure written."""
    first, tables, differences, rows = runs[0], {}, {}, []
    for label, other in zip(labels[1:], runs[1:], strict=True):
        differences[label] = other.accuracy - first.accuracy
        tables[label] = [
            _one(labels[0], label, first, other, k) for k in range(len(first.points))
        ]
        rows += [
            (label, first.config.sigma_lrs[k], chip, a, b)
            for k in range(len(first.points))
            for chip, (a, b) in enumerate(
                zip(first.accuracy[k].tolist(), other.accuracy[k].tolist(), strict=True)
            )
        ]
    found = [comparison for table in tables.values() for comparison in table]
    flat = [_flat(comparison) for comparison in found]
    path = folder.path
    write_table(path / "comparison.csv", list(flat[0]), (c.values() for c in flat))
    write_table(path / "differences.csv", CHIPS, rows)
    title = f"Against {labels[0]}, {_setting(first)}"
    difference_figure(title, differences, tables, path / "differences")
    return found


def _one(
    reference: str, label: str, first: EvaluatedRun, other: EvaluatedRun, k: int
) -> dict[str, Any]:
    """One network against the reference at spread number `k`."""
    a, b = first.accuracy[k], other.accuracy[k]
    clean = first.points[k].accuracy_ideal
    found = compare_chips(a, b, clean)
    return {
        "reference": reference,
        "network": label,
        "sigma_lrs": first.config.sigma_lrs[k],
        "accuracy_ideal_a": clean,
        "accuracy_a": float(np.mean(a)),
        "accuracy_b": float(np.mean(b)),
        **{
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(found).items()
        },
    }


def _flat(comparison: dict[str, Any]) -> dict[str, Any]:
    """The same cells for every comparison: intervals by their ends."""
    plain = {k: v for k, v in comparison.items() if k[-4:] != "ci95"}
    for key, name in (("ci95", "difference"), ("recovered_ci95", "recovered")):
        low, high = comparison[key] or (None, None)
        plain |= {f"{name}_low": low, f"{name}_high": high}
    return plain


def _setting(run: EvaluatedRun) -> str:
    c = run.config
    return (
        f"{c.chips} chips of {run.points[0].device}, circuit {c.circuit}, {c.images}"
        f" images of {c.data}"
    )


def _show(first: EvaluatedRun, comparisons: list[dict[str, Any]]) -> None:
    for network in dict.fromkeys(c["network"] for c in comparisons):
        _show_one(first, [c for c in comparisons if c["network"] == network])
    say(
        "Pairs are chips: intervals hold for these images and these two trainings, not"
        " for other images or training seeds."
    )


def _show_one(first: EvaluatedRun, comparisons: list[dict[str, Any]]) -> None:
    """One network against the reference: two tables that fit 80 columns."""
    a, b = comparisons[0]["reference"], comparisons[0]["network"]
    show_table(
        f"Accuracy of {b} (b) minus that of {a} (a), %; {_setting(first)}",
        ("sigma_lrs", "a", "b", "b - a", "95 % interval", "p", "rank p"),
        (
            (
                f"{c['sigma_lrs']:g}",
                f"{100 * c['accuracy_a']:.2f}",
                f"{100 * c['accuracy_b']:.2f}",
                f"{100 * c['difference']:+.2f}",
                _percent(c["ci95"]),
                f"{c['p_value']:.1g}",
                f"{c['p_rank']:.1g}",
            )
            for c in comparisons
        ),
    )
    show_table(
        "% of the chips, difference of the worst chips, % of the loss won back",
        ("sigma_lrs", "better", "equal", "worst", "recovered, 95 % interval"),
        (
            (
                f"{c['sigma_lrs']:g}",
                f"{100 * c['share_better']:.0f}",
                f"{100 * c['share_equal']:.0f}",
                f"{100 * c['worst_difference']:+.2f}",
                _recovered(c),
            )
            for c in comparisons
        ),
    )


def _percent(interval: Sequence[float]) -> str:
    low, high = (f"{100 * end:+.2f}" for end in interval)
    return f"{low} to {high}"


def _recovered(comparison: dict[str, Any]) -> str:
    share, interval = comparison.get("recovered"), comparison.get("recovered_ci95")
    if share is None or interval is None:
        return "-"
    low, high = (f"{100 * end:.0f}" for end in interval)
    return f"{100 * share:.0f}, {low} to {high}"
