"""Tables of what is finished: accuracies, gains, costs, and what the methods are."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats

from experiments.hardening.costs import COLUMNS, read_costs
from experiments.hardening.methods import METHODS, TRAININGS, Method
from experiments.hardening.settings import (
    BENCH,
    Hardening,
    devices_of_method,
    seeds_of_method,
)
from rram_jax.chip.compare import compare
from rram_jax.chip.statistics import mean_interval
from rram_jax.report.evaluated import EvaluatedRun, read_evaluated
from rram_jax.run_folder import read_metrics

RESULTS = {
    "ideal": "accuracy_ideal",
    "mean": "accuracy_mean",
    "sd": "accuracy_sd",
    "p01": "accuracy_p01",
    "worst": "accuracy_worst",
    "ci95": "ci95",
    "ties": "ties_mean",
    "bar": "bar",
    "yield": "yield_above",
    "yield_ci95": "yield_ci95",
    "chips": "n_chips",
    "images": "n_images",
    "part": "part",
}
"""Columns of results.csv, and what `rram-jax evaluate` calls them."""

Key = tuple[str, int, str]
"""Method, seed and device."""


def finished_runs(
    config: Hardening, methods: Iterable[Method]
) -> dict[Key, EvaluatedRun]:
    """Finished evaluations, in the order of the methods."""
    found = {}
    for method in methods:
        for seed in seeds_of_method(config, method):
            for device in devices_of_method(config, method, seed):
                folder = config.chips_folder(method.name, seed, device)
                if (folder / "metrics.json").is_file():
                    found[method.name, seed, device] = read_evaluated(folder)
    return found


def result_rows(runs: Mapping[Key, EvaluatedRun]) -> list[dict[str, Any]]:
    """A row a method, seed, device and spread."""
    rows = []
    for (method, seed, device), run in runs.items():
        for point in read_metrics(run.path, points=list)["points"]:
            row = {"method": method, "seed": seed, "device": device}
            row["sigma_lrs"] = point["sigma_lrs"]
            for name, key in RESULTS.items():
                row |= _cells(name, point[key])
            rows.append(row)
    return rows


def _cells(name: str, value: Any) -> dict[str, Any]:
    """An interval as its two ends."""
    if name.endswith("ci95"):
        low, high = value or (None, None)
        return {f"{name}_low": low, f"{name}_high": high}
    return {name: value}


def gain_rows(runs: Mapping[Key, EvaluatedRun]) -> list[dict[str, Any]]:
    """Differences to each method's references: a row a seed, and one over the seeds.

    In a seed's row chips are the unit: the same chips of both networks, which share the
    seed. Where there are several seeds, a row with seed "all" has them as the unit.
    """
    rows = []
    for method in METHODS.values():
        for reference in method.references:
            found: dict[tuple[str, float], list[dict[str, Any]]] = {}
            for (name, seed, device), run in runs.items():
                other = runs.get((reference, seed, device))
                if name != method.name or other is None:
                    continue
                for row in _of_chips(method.name, reference, seed, device, other, run):
                    rows.append(row)
                    found.setdefault((device, row["sigma_lrs"]), []).append(row)
            rows += [_of_seeds(some) for some in found.values() if len(some) > 1]
    return rows


def _of_chips(method, reference, seed, device, old_run, run) -> list[dict[str, Any]]:
    rows = []
    sigmas = [point.sigma_lrs for point in old_run.points]
    for new, accuracy in zip(run.points, run.accuracy, strict=True):
        k = sigmas.index(new.sigma_lrs)
        old = old_run.points[k]
        c = compare(old_run.accuracy[k], accuracy, old.accuracy_ideal)
        rows.append(
            {
                "method": method,
                "reference": reference,
                "device": device,
                "sigma_lrs": new.sigma_lrs,
                "seed": seed,
                "unit": "chips",
                "n": c.n_chips,
                "difference": c.difference,
                **_cells("difference_ci95", c.ci95),
                "p_value": c.p_value,
                "worst_difference": c.worst_difference,
                "recovered": c.recovered,
                **_cells("recovered_ci95", c.recovered_ci95),
            }
        )
    return rows


def _of_seeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row of several seeds' rows, with seeds as the unit."""
    difference = np.array([row["difference"] for row in rows])
    p_value = None
    if difference.std() > 0:
        p_value = float(scipy.stats.ttest_1samp(difference, 0.0).pvalue)
    recovered, interval = None, None
    shares = [row["recovered"] for row in rows]
    if all(share is not None for share in shares):
        recovered = float(np.mean(shares))
        interval = mean_interval(np.array(shares))
    same = {k: rows[0][k] for k in ("method", "reference", "device", "sigma_lrs")}
    return same | {
        "seed": "all",
        "unit": "seeds",
        "n": len(rows),
        "difference": float(difference.mean()),
        **_cells("difference_ci95", mean_interval(difference)),
        "p_value": p_value,
        "worst_difference": float(np.mean([r["worst_difference"] for r in rows])),
        "recovered": recovered,
        **_cells("recovered_ci95", interval),
    }


def headline(
    gains: Iterable[Mapping[str, Any]], method: str, sigma: float, reference: str
) -> Mapping[str, Any] | None:
    """The row to show: the one over seeds where there is one, else the first seed's."""
    asked = (method, reference, sigma, BENCH)
    keys = ("method", "reference", "sigma_lrs", "device")
    some = [row for row in gains if tuple(row[key] for key in keys) == asked]
    return next((row for row in some if row["seed"] == "all"), (some or [None])[0])


def cost_rows(config: Hardening, methods: Iterable[Method]) -> list[dict[str, Any]]:
    """A row a method whose costs were measured."""
    rows = []
    for method in methods:
        path = config.costs_file(method.name, seeds_of_method(config, method)[0])
        if path.is_file():
            costs = read_costs(path)
            rows.append({"method": method.name} | {k: costs[k] for k in COLUMNS})
    return rows


def method_rows(methods: Iterable[Method]) -> list[dict[str, Any]]:
    """What each method is, and the settings that make it."""
    rows = []
    for method in methods:
        training = TRAININGS[method.training]
        default = type(method.programming)()
        programming = {
            f.name: value
            for f in dataclasses.fields(method.programming)
            if (value := getattr(method.programming, f.name))
            != getattr(default, f.name)
        }
        rows.append(
            {
                "method": method.name,
                "about": method.about,
                "references": ", ".join(method.references),
                "network_of": method.training,
                "teacher": training.taught,
                "one_seed": training.costly,
                "train": _told(training.settings),
                "network": _told(training.network),
                "programming": _told(programming),
            }
        )
    return rows


def _told(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())
