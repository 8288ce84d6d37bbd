"""The tables of summary.md: to be read, and pasted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.hardening.methods import METHODS
from experiments.hardening.settings import BENCH, Hardening, shown_sigmas
from experiments.hardening.tables import headline

Rows = Sequence[Mapping[str, Any]]


def conditions(config: Hardening, rows: Rows) -> str:
    """Network, data, images and chips in a few words."""
    images = rows[0]["images"] if rows else 0
    return (
        f"{config.network} on {config.data}, {images} {config.part} images,"
        f" {config.chips} chips, {config.epochs} epochs, circuit map"
    )


def summary(config: Hardening, results: Rows, gains: Rows, costs: Rows) -> str:
    """The text of summary.md."""
    parts = [
        f"# Hardening: {conditions(config, results)}",
        "Written by `python -m experiments.hardening`; do not edit. Accuracies are in"
        " %, in brackets the worst chip, both means over the seeds of the training."
        f" Spreads are of ln R_LRS on `{BENCH}`, whose HRS spread stays; `ideal`: no"
        f" spread, ideal wires and neurons. Yield: chips with {100 * config.bar:g} %.",
        _accuracies(config, results),
        "Differences and recovered shares against the conventional network with the"
        " same care, and of what is done to hardened networks against these, paired by"
        " chip, in points of accuracy and %. 95 % intervals are"
        " over seeds where there are several, else over chips; `n` says of which, and"
        " how many: a p value over chips says nothing about other trainings. A method"
        " that is better without any spread, too, recovers more for that.",
        *(_gains(gains, sigma) for sigma in shown_sigmas(config)),
    ]
    if config.devices:
        parts += [
            "Cells of other devices, at their own spread, of the first seed's networks"
            f" (trained for `{BENCH}`):",
            _devices(results),
        ]
    if costs:
        parts += ["Costs, one network a method, spread 0.3:", _costs(costs)]
    return "\n\n".join(parts) + "\n"


def _accuracies(config: Hardening, rows: Rows) -> str:
    top = shown_sigmas(config)[0]
    header = ["method", "seeds", "ideal", *(f"{s:g}" for s in config.sigma_lrs)]
    lines = []
    for name in _methods(rows):
        own = [r for r in rows if r["method"] == name and r["device"] == BENCH]
        if not own:  # measured on other devices alone, so far
            continue
        at = [[r for r in own if r["sigma_lrs"] == s] for s in config.sigma_lrs]
        at_top = [r for r in own if r["sigma_lrs"] == top]
        lines.append(
            [
                f"`{name}`",
                f"{len(at_top)}",
                _percent(_mean(own, "ideal")),
                *(_mean_and_worst(some) if some else "" for some in at),
                f"{100 * _mean(at_top, 'yield'):.0f}",
            ]
        )
    return _table([*header, f"yield at {top:g}"], lines)


def _gains(gains: Rows, sigma: float) -> str:
    header = ("method", "against", "difference", "recovered", "p", "n")
    lines = []
    for name, reference in _compared(gains):
        row = headline(gains, name, sigma, reference)
        if row is None:
            continue
        ends = [row[f"difference_ci95_{end}"] for end in ("low", "high")]
        lines.append(
            [
                f"`{name}`",
                f"`{row['reference']}`",
                f"{100 * row['difference']:+.2f}"
                f" ({100 * ends[0]:+.2f}, {100 * ends[1]:+.2f})",
                _share(row),
                "-" if row["p_value"] is None else f"{row['p_value']:.1g}",
                f"{row['n']} {row['unit']}",
            ]
        )
    return f"Spread {sigma:g}:\n\n" + _table(header, lines)


def _compared(gains: Rows) -> list[tuple[str, str]]:
    """Methods and what each is compared with."""
    return list(dict.fromkeys((row["method"], row["reference"]) for row in gains))


def _share(row: Mapping[str, Any]) -> str:
    if row["recovered"] is None:
        return "-"
    ends = (f"{100 * row[f'recovered_ci95_{end}']:.0f}" for end in ("low", "high"))
    return f"{100 * row['recovered']:.0f} ({', '.join(ends)})"


def _devices(rows: Rows) -> str:
    devices = list(dict.fromkeys(r["device"] for r in rows if r["device"] != BENCH))
    lines = []
    for name in _methods(rows):
        at = [
            [r for r in rows if (r["method"], r["device"]) == (name, device)]
            for device in devices
        ]
        lines.append([f"`{name}`", *(_mean_and_worst(s) if s else "-" for s in at)])
    return _table(["method", *(f"`{device}`" for device in devices)], lines)


def _costs(rows: Rows) -> str:
    header = ("method", "training", "cells", "pulses a chip", "pulses a cell")
    lines = [
        [
            f"`{row['method']}`",
            f"{row['seconds']:.0f} s",
            f"{row['cells']}",
            f"{row['pulses']:.0f}",
            f"{row['pulses_a_cell']:.2f}",
            _nanojoule(row["energy_reference_j"]),
            _nanojoule(row["energy_regulated_j"]),
        ]
        for row in rows
    ]
    return _table([*header, "energy an image", "with regulators"], lines)


def _methods(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    found = {row["method"] for row in rows}
    return [name for name in METHODS if name in found]


def _mean(rows: Rows, key: str) -> float:
    return sum(row[key] for row in rows) / len(rows)


def _mean_and_worst(rows: Rows) -> str:
    return f"{_percent(_mean(rows, 'mean'))} ({_percent(_mean(rows, 'worst'))})"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _nanojoule(energy: float | None) -> str:
    return "-" if energy is None else f"{1e9 * energy:.2f} nJ"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *lines))
