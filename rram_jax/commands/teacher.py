"""`rram-jax teacher`: a float network for others to learn from."""

import dataclasses
import shutil
import time
from pathlib import Path

from rram_jax.commands.config import TeacherCommand
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_finished,
    say_in_log,
    say_resumed,
    show_table,
)
from rram_jax.data import Dataset, load_dataset
from rram_jax.qnn.checkpoint import save_teacher, teacher_sha256
from rram_jax.qnn.config import TeacherConfig
from rram_jax.qnn.teacher import train_teacher
from rram_jax.run_folder import RunFolder, default_folder, open_run, write_table

CURVE = ("epoch", "loss", "accuracy", "seconds")
"""Columns of training.csv; the accuracy is that on the validation images."""


def teacher(config: TeacherCommand) -> Path:
    """Train a teacher; returns its folder.

    A run that was stopped starts again: it takes minutes.

    Raises:
        InputError: The data are not there, or the folder is another run's.
    """
    dataset = load_dataset(config.data, config.data_dir)
    settings = dataclasses.asdict(config)
    asked = {f.name: settings[f.name] for f in dataclasses.fields(TeacherConfig)} | {
        "data_sha256": dataset.sha256
    }
    out = config.out or default_folder("teacher", dataset.name, asked)
    with open_run(out, "teacher", asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            if run.state == "resumed":
                say_resumed(run, "from the beginning")
            _train(config, dataset, run)
        metrics = run.metrics(accuracy_validation=float, epochs=int, sizes=list)
    show_table(
        f"Teacher {'-'.join(map(str, metrics['sizes']))} on {dataset.name}",
        ("what", "value"),
        (
            ("epochs", f"{metrics['epochs']}"),
            ("accuracy, validation", f"{100 * metrics['accuracy_validation']:.2f} %"),
        ),
    )
    say(f"Teacher: {out} (teacher/, config.json, metrics.json, training.csv).")
    return out


def _train(config: TeacherCommand, dataset: Dataset, run: RunFolder) -> None:
    rows, clock = [], time.perf_counter()
    with progress_bar() as bar:
        task = bar.add_task("epochs", total=config.epochs, told="")

        def on_epoch(epoch: int, loss: float, accuracy: float):
            nonlocal clock
            before, clock = clock, time.perf_counter()
            rows.append([epoch, loss, accuracy, clock - before])
            write_table(run.path / "training.csv", CURVE, rows)
            told = f"loss {loss:.3f}, validation {100 * accuracy:.2f} %"
            bar.update(task, completed=epoch, told=told)
            if epoch % max(1, config.epochs // 10) == 0:
                say_in_log(f"epoch {epoch} of {config.epochs}: {told}")

        arrays = train_teacher(config, dataset, on_epoch)
    # A process that was killed while it saved may have left a part.
    for part in run.path.glob("teacher*"):
        shutil.rmtree(part)
    save_teacher(run.path, arrays)
    run.finish(
        {
            "dataset": dataset.name,
            "epochs": config.epochs,
            "sizes": [len(arrays[0]), *(bias.size for bias in arrays[1::2])],
            "accuracy_validation": rows[-1][2],
            "seconds": sum(row[-1] for row in rows),
            "teacher_sha256": teacher_sha256(arrays),
        }
    )
