"""`rram-jax evaluate`: accuracy of a checkpoint over many sampled chips."""

import dataclasses
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.design import NetworkDesign, design_network, programmed_card
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.statistics import spread_parts, summarise
from rram_jax.commands.config import EvaluateCommand, ExportCommand
from rram_jax.commands.network import (
    calibration_codes,
    check_fit,
    ideal_accuracy,
)
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_finished,
    say_in_log,
    say_resumed,
    show_table,
)
from rram_jax.data import Dataset, input_codes, load_dataset
from rram_jax.device.card import DeviceCard, load_card
from rram_jax.device.reset import at_reset
from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.parallel import count_devices
from rram_jax.qnn.checkpoint import Checkpoint, load_checkpoint
from rram_jax.report.curve import accuracy_curve_figure
from rram_jax.report.evaluated import CHIPS
from rram_jax.run_folder import (
    RunFolder,
    check_writable,
    damaged_run,
    damaged_table,
    default_folder,
    holds,
    open_run,
    read_numbers,
    write_json,
    write_table,
)

CHUNK = 5
"""[-] Chips between two writes of chips.csv, rounded up to as many on every device."""

_Item = tuple[int, int, int]
"""Chip, cycle and pass."""

SHOWN = {
    "dataset": str,
    "part": str,
    "device": str,
    "circuit": str,
    "n_images": int,
    "n_chips": int,
    "ci95": list,
} | dict.fromkeys(
    (
        "sigma_lrs",
        "accuracy_ideal",
        "accuracy_mean",
        "accuracy_sd",
        "accuracy_p01",
        "accuracy_worst",
        "ties_mean",
    ),
    int | float,
)
"""What the table at the end takes from each point in metrics.json."""


def evaluate(config: EvaluateCommand) -> Path:
    """Evaluate, or go on with a run that was stopped; returns the results' folder.

    Raises:
        InputError: Checkpoint, data and settings do not fit each other, or the folder
            is another run's.
    """
    if config.json:
        check_writable(config.json)
    checkpoint = load_checkpoint(config.checkpoint)
    shape = checkpoint.network.config
    dataset = load_dataset(choose_data(checkpoint, config.data), config.data_dir)
    check_fit(shape, dataset)
    card = at_reset(load_card(config.device), config.v_reset, config.t_reset)
    card = programmed_card(card, config.programming)
    n_images = len(dataset.held_out(config.part)[1])
    if config.images and config.images > n_images:
        raise InputError(
            f"{dataset.name} has {n_images} {config.part} images; --images"
            f" {config.images} were asked for."
        )
    config = dataclasses.replace(
        config,
        data=dataset.name,
        sigma_lrs=config.sigma_lrs or (card.sigma_lrs,),
        images=min(config.images or n_images, n_images),
    )
    asked = _resolve(config, checkpoint, dataset, card)
    out = config.out or default_folder("evaluate", shape.name, asked)
    with open_run(out, "evaluate", asked, devices=count_devices()) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            run.finish({"points": _points(config, checkpoint, dataset, card, run)})
        points = run.metrics(points=list)["points"]
        if not points or not all(holds(point, SHOWN) for point in points):
            raise damaged_run(out / "metrics.json")
    _show(shape.name, points)
    curve = "curve.csv, curve.png, curve.svg, " if len(points) > 1 else ""
    say(f"Results: {out} ({curve}chips.csv, metrics.json).")
    if config.json:
        write_json(config.json, points if len(points) > 1 else points[0])
        say(f"The same numbers as JSON: {config.json}.")
    return out


def card_label(config: EvaluateCommand | ExportCommand, card: DeviceCard) -> str:
    """What results call the card: as it was asked for, with the RESET pulse if any."""
    if config.v_reset is None and config.t_reset is None:
        return config.device
    return f"{config.device} at {card.v_reset:g} V, {card.t_reset:g} s"


def choose_data(checkpoint: Checkpoint, asked: str | None) -> str:
    """Name of the data set to evaluate on; never one that the training has seen.

    All images of mnist5k are among MNIST's training images.
    """
    seen = str(checkpoint.config.get("data", ""))
    name = asked or seen
    if not name:
        raise InputError(
            f"{checkpoint.folder / 'config.json'} does not say what the network was"
            " trained on: name the data to evaluate it on with --data."
        )
    # A folder of the four files may stand in for the name, such as MNIST/raw.
    saw_mnist = "mnist" in (part.lower() for part in Path(seen).parts)
    if name == "mnist5k" and saw_mnist:
        raise InputError(
            f"{checkpoint.folder} was trained on MNIST, whose training images include"
            " the test images of mnist5k: evaluate it with --data mnist."
        )
    return name


def _resolve(
    config: EvaluateCommand, checkpoint: Checkpoint, dataset: Dataset, card: DeviceCard
) -> dict[str, Any]:
    """Everything that the result depends on."""
    asked = dataclasses.asdict(config)
    # Where things lie is no part of it: the network's digest stands for the folder.
    for path in ("checkpoint", "data_dir", "json", "out"):
        del asked[path]
    return asked | {
        "network_sha256": checkpoint.network.sha256,
        "data_sha256": dataset.sha256,
        "device_card": dataclasses.asdict(card),
        "neuron_card_sha256": load_neuron_card(config.design.neuron_card).sha256,
    }


def _points(
    config: EvaluateCommand,
    checkpoint: Checkpoint,
    dataset: Dataset,
    card: DeviceCard,
    run: RunFolder,
) -> list[dict[str, Any]]:
    """Evaluate every chip at every spread; returns one point a spread."""
    network, table = checkpoint.network, run.path / "chips.csv"
    images, labels = (x[: config.images] for x in dataset.held_out(config.part))
    codes = input_codes(images, network.config.sizes[0])
    rows = _read_chips(table, config)
    repeats = [(c, p) for c in range(config.cycles) for p in range(config.passes)]
    total = config.chips * len(repeats) * len(config.sigma_lrs)
    if run.state == "resumed":
        say_resumed(run, f"with {len(rows)} of {total} chips done")
    common = {
        "dataset": dataset.name,
        "part": config.part,
        "n_images": len(labels),
        "n_chips": config.chips,
        "n_cycles": config.cycles,
        "n_passes": config.passes,
        "circuit": config.circuit,
        "wires": config.wires,
        "accuracy_ideal": ideal_accuracy(network, card, images, labels, config.design),
        "seed": config.seed,
        "device": card_label(config, card),
        "checkpoint": str(config.checkpoint),
        "network_sha256": network.sha256,
    }
    points, evaluator = [], None

    def chunks(own: DeviceCard, left: list[_Item]) -> Iterator[list[list[float]]]:
        nonlocal evaluator
        if left:
            wires = config.circuit != "ideal"
            design = design_network(
                network,
                own,
                config.design,
                wires=wires,
                programming=config.programming,
                calibration=calibration_codes(network.config, dataset),
            )
            if evaluator is None:  # one program for all spreads
                evaluator = ChipEvaluator(
                    design, codes, labels, config.circuit, config.wires
                )
            yield from _chunks(evaluator, config, design, left)

    with progress_bar() as bar:
        told = "compiling" if len(rows) < total else ""
        task = bar.add_task("chips", total=total, completed=len(rows), told=told)
        say_in_log(f"{len(rows)} of {total} chips done; compiling.")
        for sigma in config.sigma_lrs:
            own = dataclasses.replace(card, sigma_lrs=sigma)
            done = {tuple(row[1:4]) for row in rows if row[0] == sigma}
            left = [
                (chip, *repeat)
                for repeat in repeats
                for chip in range(config.chips)
                if (chip, *repeat) not in done
            ]
            for chunk in chunks(own, left):
                rows = sorted(rows + chunk)
                write_table(table, CHIPS, rows)
                bar.update(task, completed=len(rows), told=f"sigma_lrs {sigma:g}")
            points.append(common | _point(sigma, rows, config))
            mean = 100 * points[-1]["accuracy_mean"]
            say_in_log(
                f"sigma_lrs {sigma:g}: mean {mean:.2f} % over {config.chips} chips."
            )
    if len(points) > 1:
        flat = [_flat(point) for point in points]
        write_table(run.path / "curve.csv", list(flat[0]), (p.values() for p in flat))
        label = config.checkpoint.resolve().name
        accuracy_curve_figure({label: points}, run.path / "curve")
    return points


def _flat(point: dict[str, Any]) -> dict[str, Any]:
    """A point as cells of one row: intervals by their ends, what is not there left."""
    plain = {k: v for k, v in point.items() if not isinstance(v, list)}
    for key, value in point.items():
        if isinstance(value, list):
            plain |= {f"{key}_low": value[0], f"{key}_high": value[1]}
    return {k: v for k, v in plain.items() if v is not None}


def _read_chips(table: Path, config: EvaluateCommand) -> list[list[float]]:
    """What an earlier start left: chips that are asked for, each once."""
    rows = read_numbers(table, CHIPS)
    most = (config.chips, config.cycles, config.passes)
    fits = all(
        sigma in config.sigma_lrs
        and all(0 <= x < n and x % 1 == 0 for x, n in zip(numbers, most, strict=True))
        and 0 <= accuracy <= 1
        and 0 <= ties <= 1
        and verified >= 0
        and pulses >= 0
        for sigma, *numbers, accuracy, ties, verified, pulses in rows
    )
    if not fits or len({tuple(row[:4]) for row in rows}) < len(rows):
        raise damaged_table(table)
    return sorted(rows)  # sums depend on the order in their last bits


def _chunks(
    evaluator: ChipEvaluator,
    config: EvaluateCommand,
    design: NetworkDesign,
    left: list[_Item],
) -> Iterator[list[list[float]]]:
    """Rows of chips.csv for what is left, a few chips at a time."""
    device, v_read = design.device, config.design.v_read
    n_devices = len(evaluator.devices)
    chunk = -(-CHUNK // n_devices) * n_devices
    for (cycle, rtn_pass), items in groupby(left, lambda item: item[1:]):
        waiting = [chip for chip, *_ in items]
        for first in range(0, len(waiting), chunk):
            chips = waiting[first : first + chunk]
            # Always as many chips, so that one program does; the last fills up.
            filled = chips + chips[-1:] * (chunk - len(chips))
            tally = evaluator(
                config.seed,
                filled,
                device.params(),
                v_read,
                rtn_pass,
                design=design,
                cycle=cycle,
            )
            shares = (count / evaluator.n_images for count in (tally.right, tally.ties))
            counts = np.stack([*shares, tally.verified, tally.verify_pulses], 1)
            yield [
                [device.sigma_lrs, chip, cycle, rtn_pass, *count]
                for chip, count in zip(
                    chips, counts[: len(chips)].tolist(), strict=True
                )
            ]


def _point(
    sigma: float, rows: list[list[float]], config: EvaluateCommand
) -> dict[str, Any]:
    """What the chips at one spread say together; `rows` are sorted and complete."""
    own = np.array([row[4:] for row in rows if row[0] == sigma])
    shape = (config.chips, config.cycles, config.passes)
    accuracy, (_, ties, verified, pulses) = own[:, 0].reshape(shape), own.T
    parts = spread_parts(accuracy)
    of_chips = accuracy.reshape(config.chips, -1).mean(1)
    summary = summarise(of_chips, config.bar)
    interval = summary.yield_ci95
    return {
        "sigma_lrs": sigma,
        "accuracy_mean": summary.mean,
        "accuracy_sd": summary.sd,
        "accuracy_p01": summary.p01,
        "accuracy_worst": summary.worst,
        "ci95": list(summary.ci95),
        "sd_chips": parts.chips,
        "sd_cycles": parts.cycles,
        "sd_passes": parts.passes,
        "bar": config.bar,
        "yield_above": summary.yield_above,
        "yield_ci95": None if interval is None else list(interval),
        "ties_mean": float(ties.mean()),
        "verified_mean": float(verified.mean()),
        "verify_pulses_mean": float(pulses.mean()),
    }


def _show(name: str, points: list[dict[str, Any]]) -> None:
    first = points[0]
    keys = ("accuracy_sd", "accuracy_p01", "accuracy_worst", "ties_mean")
    show_table(
        f"{name} on {first['dataset']}: % of {first['n_images']} {first['part']} images"
        f" right, {first['n_chips']} chips of {first['device']}, circuit"
        f" {first['circuit']}",
        ("sigma_lrs", "ideal", "mean", "95 % interval", "sd", "p01", "worst", "ties"),
        (
            (
                f"{p['sigma_lrs']:g}",
                f"{100 * p['accuracy_ideal']:.2f}",
                f"{100 * p['accuracy_mean']:.2f}",
                _percent(p["ci95"]),
                *(f"{100 * p[key]:.2f}" for key in keys),
            )
            for p in points
        ),
    )
    _show_parts(points)
    say(
        "Intervals are over chips, for these images and this training; they leave out"
        " what other images or training seeds would change."
    )


def _show_parts(points: list[dict[str, Any]]) -> None:
    """What repeats and a bar add, where they were asked for."""
    names = {"sd_chips": "chips", "sd_cycles": "cycles", "sd_passes": "passes"}
    keys = [key for key in names if all(holds(p, {key: float}) for p in points)]
    if set(keys) - {"sd_chips"}:
        show_table(
            "Parts of the standard deviation, %",
            ("sigma_lrs", *(names[key] for key in keys)),
            (
                (f"{p['sigma_lrs']:g}", *(f"{100 * p[key]:.2f}" for key in keys))
                for p in points
            ),
        )
    told = {"bar": float, "yield_above": float, "yield_ci95": list}
    if all(holds(p, told) for p in points):
        show_table(
            f"% of the chips with {100 * points[0]['bar']:g} % of the images right",
            ("sigma_lrs", "yield", "95 % interval"),
            (
                (
                    f"{p['sigma_lrs']:g}",
                    f"{100 * p['yield_above']:.1f}",
                    _percent(p["yield_ci95"], 1),
                )
                for p in points
            ),
        )


def _percent(interval: list[float], digits: int = 2) -> str:
    return f"{100 * interval[0]:.{digits}f} to {100 * interval[1]:.{digits}f}"
