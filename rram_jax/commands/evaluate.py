"""`rram-jax evaluate`: accuracy of a checkpoint over many sampled chips."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.chip.design import NetworkDesign, design_network, programmed_card
from rram_jax.chip.evaluate import ChipEvaluator, summarise
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

CHIPS = ("sigma_lrs", "chip", "accuracy", "ties", "verified", "verify_pulses")
"""Columns of chips.csv; accuracy and ties are shares of the images, the last two are
cells that selective write-verify has chosen, and their programmings."""

SHOWN = {
    "dataset": str,
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
    n_images = len(dataset.test_labels)
    if config.images and config.images > n_images:
        raise InputError(
            f"{dataset.name} has {n_images} test images; --images {config.images} were"
            " asked for."
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
    images = dataset.test_images[: config.images]
    labels = dataset.test_labels[: config.images]
    codes = input_codes(images, network.config.sizes[0])
    rows = _read_chips(table, config)
    total = config.chips * len(config.sigma_lrs)
    if run.state == "resumed":
        say_resumed(run, f"with {len(rows)} of {total} chips done")
    common = {
        "dataset": dataset.name,
        "n_images": len(labels),
        "n_chips": config.chips,
        "circuit": config.circuit,
        "accuracy_ideal": ideal_accuracy(network, card, images, labels, config.design),
        "seed": config.seed,
        "device": card_label(config, card),
        "checkpoint": str(config.checkpoint),
        "network_sha256": network.sha256,
    }
    points, evaluator = [], None

    def chunks(own: DeviceCard, left: list[int]) -> Iterator[list[list[float]]]:
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
                evaluator = ChipEvaluator(design, codes, labels, config.circuit)
            yield from _chunks(evaluator, config, design, left)

    with progress_bar() as bar:
        told = "compiling" if len(rows) < total else ""
        task = bar.add_task("chips", total=total, completed=len(rows), told=told)
        say_in_log(f"{len(rows)} of {total} chips done; compiling.")
        for sigma in config.sigma_lrs:
            own = dataclasses.replace(card, sigma_lrs=sigma)
            done = {chip for spread, chip, *_ in rows if spread == sigma}
            left = [chip for chip in range(config.chips) if chip not in done]
            for chunk in chunks(own, left):
                rows = sorted(rows + chunk)
                write_table(table, CHIPS, rows)
                bar.update(task, completed=len(rows), told=f"sigma_lrs {sigma:g}")
            points.append(common | _point(sigma, rows))
            mean = 100 * points[-1]["accuracy_mean"]
            say_in_log(
                f"sigma_lrs {sigma:g}: mean {mean:.2f} % over {config.chips} chips."
            )
    if len(points) > 1:
        flat = [
            {k: v for k, v in point.items() if k != "ci95"}
            | dict(zip(("ci95_low", "ci95_high"), point["ci95"], strict=True))
            for point in points
        ]
        write_table(run.path / "curve.csv", list(flat[0]), (p.values() for p in flat))
        label = config.checkpoint.resolve().name
        accuracy_curve_figure({label: points}, run.path / "curve")
    return points


def _read_chips(table: Path, config: EvaluateCommand) -> list[list[float]]:
    """What an earlier start left: chips that are asked for, each once."""
    rows = read_numbers(table, CHIPS)
    fits = all(
        sigma in config.sigma_lrs
        and 0 <= chip < config.chips
        and chip % 1 == 0
        and 0 <= accuracy <= 1
        and 0 <= ties <= 1
        and verified >= 0
        and pulses >= 0
        for sigma, chip, accuracy, ties, verified, pulses in rows
    )
    if not fits or len({(sigma, chip) for sigma, chip, *_ in rows}) < len(rows):
        raise damaged_table(table)
    return sorted(rows)  # sums depend on the order in their last bits


def _chunks(
    evaluator: ChipEvaluator,
    config: EvaluateCommand,
    design: NetworkDesign,
    left: list[int],
) -> Iterator[list[list[float]]]:
    """Rows of chips.csv for the chips that are left, a few at a time."""
    device, v_read = design.device, config.design.v_read
    n_devices = len(evaluator.devices)
    chunk = -(-CHUNK // n_devices) * n_devices
    for first in range(0, len(left), chunk):
        chips = left[first : first + chunk]
        # Always as many chips, so that one program does; the last fills up.
        filled = chips + chips[-1:] * (chunk - len(chips))
        tally = evaluator.tally(
            config.seed, filled, device.params(), v_read, design=design
        )
        shares = (count / evaluator.n_images for count in (tally.right, tally.ties))
        counts = np.stack([*shares, tally.verified, tally.verify_pulses], 1)
        yield [
            [device.sigma_lrs, chip, *count]
            for chip, count in zip(chips, counts[: len(chips)].tolist(), strict=True)
        ]


def _point(sigma: float, rows: list[list[float]]) -> dict[str, Any]:
    """What the chips at one spread say together."""
    own = np.array([row for row in rows if row[0] == sigma])
    _, _, accuracy, ties, verified, pulses = own.T
    summary = summarise(accuracy.tolist())
    return {
        "sigma_lrs": sigma,
        "accuracy_mean": summary.mean,
        "accuracy_sd": summary.sd,
        "accuracy_p01": summary.p01,
        "accuracy_worst": summary.worst,
        "ci95": list(summary.ci95),
        "ties_mean": float(ties.mean()),
        "verified_mean": float(verified.mean()),
        "verify_pulses_mean": float(pulses.mean()),
    }


def _show(name: str, points: list[dict[str, Any]]) -> None:
    first = points[0]
    show_table(
        f"{name} on {first['dataset']}: % of {first['n_images']} test images right,"
        f" {first['n_chips']} chips of {first['device']}, circuit {first['circuit']}",
        ("sigma_lrs", "ideal", "mean", "95 % interval", "sd", "p01", "worst", "ties"),
        (
            (
                f"{p['sigma_lrs']:g}",
                f"{100 * p['accuracy_ideal']:.2f}",
                f"{100 * p['accuracy_mean']:.2f}",
                f"{100 * p['ci95'][0]:.2f} to {100 * p['ci95'][1]:.2f}",
                *(
                    f"{100 * p[key]:.2f}"
                    for key in (
                        "accuracy_sd",
                        "accuracy_p01",
                        "accuracy_worst",
                        "ties_mean",
                    )
                ),
            )
            for p in points
        ),
    )
