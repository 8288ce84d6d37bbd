"""`rram-jax train`: from images to a checkpoint."""

import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

from rram_jax.chip.network import HardwareNetwork
from rram_jax.commands.config import TrainCommand
from rram_jax.commands.network import check_fit, ideal_accuracy
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_finished,
    say_in_log,
    say_resumed,
    show_table,
)
from rram_jax.data import Dataset, load_dataset
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.parallel import count_devices, devices_for
from rram_jax.qnn.checkpoint import load_teacher, save_network
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.train import EpochReport
from rram_jax.qnn.train import train as train_network
from rram_jax.run_folder import (
    RunFolder,
    default_folder,
    open_run,
    read_numbers,
    write_table,
)

CURVE = ("epoch", "loss", "accuracy", "seconds")
"""Columns of training.csv; the accuracy is that on the validation images, of the
training form: the folded network's output has a ramp of its own, and ties."""

SHOWN = {
    "dataset": str,
    "epochs": int,
    "seconds": int | float,
    "n_weights": int,
    "n_cells": int,
    "n_images": int,
    "accuracy_validation": int | float,
    "accuracy_ideal": int | float,
}
"""What the table at the end takes from metrics.json."""


def train(config: TrainCommand) -> Path:
    """Train, or go on with a run that was stopped; returns the checkpoint's folder.

    Raises:
        InputError: Data, network and settings do not fit each other, or the folder is
            another run's.
    """
    dataset = load_dataset(config.data, config.data_dir)
    check_fit(config.network, dataset)
    n_images = len(dataset.train_images)
    if n_images < config.batch:  # before there is a folder that looks like a run
        raise InputError(
            f"{dataset.name} has {n_images} training images, fewer than one batch of"
            f" {config.batch}."
        )
    settings = dataclasses.asdict(config)
    asked = {f.name: settings[f.name] for f in dataclasses.fields(TrainConfig)} | {
        # Where it lies is no part of it: its digest stands for the folder.
        "teacher": config.teacher and load_teacher(config.teacher)[1]["teacher_sha256"],
        "device_card": dataclasses.asdict(load_card(config.device)),
        "neuron_card_sha256": load_neuron_card(config.design.neuron_card).sha256,
        "data_sha256": dataset.sha256,
    }
    out = config.out or default_folder("train", config.network.name, asked)
    devices = count_devices(devices_for(config.batch))
    with open_run(out, "train", asked, devices=devices) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            network = _train(config, dataset, run)
            run.finish(_metrics(config, dataset, network, run))
            if not config.keep_states:
                shutil.rmtree(out / "states")
        _show(config, run.metrics(**SHOWN))
    say(f"Checkpoint: {out} (network/, config.json, metrics.json, training.csv).")
    return out


def _train(config: TrainCommand, dataset: Dataset, run: RunFolder) -> HardwareNetwork:
    """Train with a progress bar; the folder then holds network/ and training.csv."""
    curve = run.path / "training.csv"
    rows, clock = read_numbers(curve, CURVE), time.perf_counter()
    if run.state == "resumed" and not rows:
        say_resumed(run, "from the beginning")
    with progress_bar() as bar:
        task = bar.add_task("epochs", total=config.epochs, told="")

        def on_resume(epoch: int):
            bar.update(task, completed=epoch)
            say_resumed(run, f"after epoch {epoch} of {config.epochs}")

        def on_epoch(report: EpochReport):
            nonlocal rows, clock
            before, clock = clock, time.perf_counter()
            # Epochs whose state was lost with a killed process are done again.
            rows = [row for row in rows if row[0] < report.epoch]
            rows.append([report.epoch, report.loss, report.accuracy, clock - before])
            write_table(curve, CURVE, rows)
            told = f"loss {report.loss:.3f}, validation {100 * report.accuracy:.2f} %"
            told += " (training form)"
            bar.update(task, completed=report.epoch, told=told)
            if report.epoch % max(1, config.epochs // 10) == 0:
                say_in_log(f"epoch {report.epoch} of {config.epochs}: {told}")

        network = train_network(
            config,
            dataset,
            states=run.path / "states",
            on_epoch=on_epoch,
            on_resume=on_resume,
        )
    say_in_log("Measuring the finished network.")
    # A process that was killed while it saved may have left a part.
    for part in run.path.glob("network*"):
        shutil.rmtree(part)
    save_network(run.path, network)
    return network


def _metrics(
    config: TrainCommand, dataset: Dataset, network: HardwareNetwork, run: RunFolder
) -> dict[str, Any]:
    card = load_card(config.device)
    rows = read_numbers(run.path / "training.csv", CURVE)

    def accuracy(images, labels):
        return ideal_accuracy(network, card, images, labels, config.design)

    return {
        "dataset": dataset.name,
        "accuracy_validation": accuracy(
            dataset.validation_images, dataset.validation_labels
        ),
        "accuracy_ideal": accuracy(dataset.test_images, dataset.test_labels),
        "n_images": len(dataset.test_labels),
        "epochs": config.epochs,
        "seconds": sum(row[-1] for row in rows),
        "n_weights": network.n_cells // 2,
        "n_cells": network.n_cells,
        "network_sha256": network.sha256,
    }


def _show(config: TrainCommand, metrics: dict[str, Any]) -> None:
    show_table(
        f"{config.network.name} on {metrics['dataset']}",
        ("what", "value"),
        (
            ("epochs", f"{metrics['epochs']} in {metrics['seconds']:.1f} s"),
            ("weights, RRAM cells", f"{metrics['n_weights']}, {metrics['n_cells']}"),
            (
                "accuracy with ideal cells and circuit, validation",
                f"{100 * metrics['accuracy_validation']:.2f} %",
            ),
            (
                f"... on all {metrics['n_images']} test images",
                f"{100 * metrics['accuracy_ideal']:.2f} %",
            ),
        ),
    )
