"""Candidates for training and strategy, judged on validation images only.

    python -m experiments.hardening.choose --only mixed

Trains every candidate of `CANDIDATES` that `choices.csv` does not hold, measures its
chips on the validation images, and appends a row: the record of every choice.
"""

import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from rram_jax.chip.config import NetworkConfig, parse_sizes
from rram_jax.commands.config import EvaluateCommand, TrainCommand
from rram_jax.commands.evaluate import evaluate
from rram_jax.commands.terminal import say
from rram_jax.commands.train import train
from rram_jax.errors import InputError
from rram_jax.qnn.checkpoint import load_teacher
from rram_jax.run_folder import read_metrics, write_table

SIGMAS = (0.3, 0.5)
"""[-] Spreads that candidates are judged at."""

TRAIN = (
    ("data", "device", "circuit", "sigma_lrs", "sigma_lrs_max", "spread", "draws")
    + ("tail_weight", "tail_share", "worst_distance", "teacher", "teacher_weight")
    + ("epochs", "batch", "learning_rate", "augment", "seed")
)
"""Columns: fields of `TrainConfig`; a teacher by its digest."""

NETWORK = ("sizes", "columns_per_output", "redundancy", "ternary", "trim", "n_bias")
"""Columns: fields of `NetworkConfig`."""

JUDGED = ("clean", "mean_0.3", "worst_0.3", "mean_0.5", "worst_0.5", "seconds")
"""Columns: accuracy without spread, ideal wires and neurons; mean and worst over the
chips; seconds of training."""

COLUMNS = ("candidate", *NETWORK, *TRAIN, "chips", "chip_seed", "images", *JUDGED)

_HARDENED: dict[str, Any] = {"sigma_lrs": 0.3}
_TAUGHT: dict[str, Any] = {"teacher_weight": 0.8}
_FAST: dict[str, Any] = {"learning_rate": 4e-3}
_STRATEGIES = _TAUGHT | {"ternary": True, "trim": True}
_BINARY = _TAUGHT | {"columns_per_output": 1, "augment": True}

CANDIDATES: dict[str, dict[str, Any]] = {
    "conventional": {},
    "hardened-0.2": {"sigma_lrs": 0.2},
    "hardened": _HARDENED,
    "hardened-0.4": {"sigma_lrs": 0.4},
    "hardened-0.5": {"sigma_lrs": 0.5},
    "mixed": {"sigma_lrs": 0.0, "sigma_lrs_max": 0.5},
    "mixed-0.8": {"sigma_lrs": 0.0, "sigma_lrs_max": 0.8},
    "worst-0.5": _HARDENED | {"worst_distance": 0.5},
    "worst-1": _HARDENED | {"worst_distance": 1.0},
    "worst-2": _HARDENED | {"worst_distance": 2.0},
    "rate-1e-3": _HARDENED | {"learning_rate": 1e-3},
    "rate-4e-3": _HARDENED | {"learning_rate": 4e-3},
    "augment": _HARDENED | {"augment": True},
    "conventional-augment": {"augment": True},
    "taught-0.5": _HARDENED | {"teacher_weight": 0.5},
    "taught-0.8": _HARDENED | {"teacher_weight": 0.8},
    "taught-1": _HARDENED | {"teacher_weight": 1.0},
    "ternary": _HARDENED | {"ternary": True},
    "trim": _HARDENED | {"trim": True},
    "ternary-trim": _HARDENED | {"ternary": True, "trim": True},
    "redundancy-2": _HARDENED | {"redundancy": 2},
    "columns-1": _HARDENED | {"columns_per_output": 1},
    "columns-8": _HARDENED | {"columns_per_output": 8},
    "cells": _HARDENED | {"spread": "cells"},
    "cvar-0.25": _HARDENED | {"spread": "cells", "draws": 4, "tail_weight": 0.25},
    "cvar-0.5": _HARDENED | {"spread": "cells", "draws": 4, "tail_weight": 0.5},
    "taught-conventional": _TAUGHT,
    "taught-conventional-augment": _TAUGHT | {"augment": True},
    "taught-conventional-fast": _TAUGHT | _FAST,
    "conventional-answers": {"teacher_weight": 1.0},
    "taught-0.35": _TAUGHT | {"sigma_lrs": 0.35},
    "answers-0.35": {"teacher_weight": 1.0, "sigma_lrs": 0.35},
    "binary-0.4": _BINARY | {"sigma_lrs": 0.4},
    "strategies-0.45": _STRATEGIES | {"sigma_lrs": 0.45},
    "strategies-augment-0.4": _STRATEGIES | {"augment": True, "sigma_lrs": 0.4},
    "strategies-augment-0.5": _STRATEGIES | {"augment": True, "sigma_lrs": 0.5},
    "strategies-fast-0.35": _STRATEGIES | _FAST | {"sigma_lrs": 0.35},
    "strategies-fast-0.4": _STRATEGIES | _FAST | {"sigma_lrs": 0.4},
}
"""Fields of `TrainConfig` and `NetworkConfig` that differ from the defaults; candidates
with a `teacher_weight` need --teacher."""


@dataclass(frozen=True, kw_only=True)
class Choose:
    """Candidates on validation images, one row each."""

    out: Path = Path("runs/hardening-choices")
    """Folder of the candidates' networks and evaluations."""

    table: Path = Path(__file__).parent / "choices.csv"
    """Table that rows are appended to."""

    data: str = "mnist"
    """Data set; its validation images judge."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    network: str = "mlp-400-256-10"
    """Multi-layer perceptron of so many inputs, hidden neurons and outputs."""

    epochs: int = 30
    """[-] Passes over the training images."""

    seed: int = 0
    """[-] Of the trainings; the chips are those of seed 1000."""

    chips: int = 20
    """[-] Chips at each spread."""

    teacher: Path | None = None
    """Folder of a finished `rram-jax teacher` run."""

    only: tuple[str, ...] = ()
    """Candidates; by default all, without a teacher those that need none."""


CHIP_SEED = 1000
"""Chips that no final number is counted on."""


def main(config: Choose) -> None:
    """Judge the candidates that the table does not hold.

    Raises:
        InputError: There is no such candidate, it needs a teacher, or the table is
            damaged.
    """
    rows = read_rows(config.table)
    for name in _names(config):
        command = _train_command(config, name)
        asked = _asked(config, name, command)
        if any(all(row.get(k) == v for k, v in asked.items()) for row in rows):
            say(f"{config.table} holds {name}.")
            continue
        row = asked | _judge(config, name, command)
        rows.append({column: row[column] for column in COLUMNS})
        write_table(config.table, COLUMNS, (row.values() for row in rows))


def _names(config: Choose) -> list[str]:
    if unknown := sorted(set(config.only) - set(CANDIDATES)):
        raise InputError(
            f"There is no candidate {unknown[0]!r} for --only: they stand in"
            " experiments/hardening/choose.py."
        )
    taught = [name for name in CANDIDATES if "teacher_weight" in CANDIDATES[name]]
    names = config.only or tuple(CANDIDATES)
    if config.teacher is None and (missing := set(taught) & set(config.only)):
        raise InputError(f"{min(missing)} needs a teacher: give --teacher FOLDER.")
    return [n for n in names if config.teacher is not None or n not in taught]


def _train_command(config: Choose, name: str) -> TrainCommand:
    fields = CANDIDATES[name]
    network = {k: v for k, v in fields.items() if k in NETWORK}
    settings = {k: v for k, v in fields.items() if k not in NETWORK}
    if "teacher_weight" in settings:
        settings["teacher"] = config.teacher
    return TrainCommand(
        network=NetworkConfig(sizes=parse_sizes(config.network), **network),
        data=config.data,
        data_dir=config.data_dir,
        epochs=config.epochs,
        seed=config.seed,
        out=_folder(config, name) / "network",
        **settings,
    )


def _folder(config: Choose, name: str) -> Path:
    return config.out / f"{config.network}-{name}-e{config.epochs}-s{config.seed}"


def _asked(config: Choose, name: str, command: TrainCommand) -> dict[str, Any]:
    """The columns that are known before anything is trained, as JSON has them."""
    shape, settings = dataclasses.asdict(command.network), dataclasses.asdict(command)
    if command.teacher is not None:
        settings["teacher"] = load_teacher(command.teacher)[1]["teacher_sha256"]
    row = {"candidate": name} | {k: shape[k] for k in NETWORK}
    row |= {k: settings[k] for k in TRAIN} | {"sizes": config.network}
    return row | {"chips": config.chips, "chip_seed": CHIP_SEED}


def _judge(config: Choose, name: str, command: TrainCommand) -> dict[str, Any]:
    network = train(command)
    chips = evaluate(
        EvaluateCommand(
            checkpoint=network,
            data=config.data,
            data_dir=config.data_dir,
            sigma_lrs=SIGMAS,
            chips=config.chips,
            seed=CHIP_SEED,
            part="validation",
            out=_folder(config, name) / f"validation-{config.chips}",
        )
    )
    metrics = read_metrics(network, accuracy_validation=float, seconds=float)
    points = read_metrics(chips, points=list)["points"]
    judged = {
        f"{key}_{point['sigma_lrs']:g}": point[f"accuracy_{key}"]
        for point in points
        for key in ("mean", "worst")
    }
    return judged | {
        "images": points[0]["n_images"],
        "clean": metrics["accuracy_validation"],
        "seconds": metrics["seconds"],
    }


def read_rows(path: Path) -> list[Mapping[str, Any]]:
    """Rows of a table that `write_table` wrote; none where there is no file.

    Raises:
        InputError: The table is damaged, or has other columns.
    """
    if not path.is_file():
        return []
    try:
        header, *lines = path.read_text().splitlines()
        cells = [json.loads(f"[{line}]") for line in lines]
        if header != ",".join(COLUMNS):
            raise ValueError
        return [dict(zip(COLUMNS, row, strict=True)) for row in cells]
    except ValueError:
        raise InputError(
            f"{path} is damaged or has other columns: move it away, and its candidates"
            " are judged anew."
        ) from None


if __name__ == "__main__":
    try:
        main(tyro.cli(Choose, prog="python -m experiments.hardening.choose"))
    except InputError as error:
        print(f"hardening.choose: {error}", file=sys.stderr)
        sys.exit(2)
