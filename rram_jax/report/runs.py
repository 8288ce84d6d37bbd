"""Finished trainings and accuracy curves as the report reads them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rram_jax.chip.config import NetworkConfig
from rram_jax.errors import InputError
from rram_jax.report.files import parse_record, read_json


@dataclass(frozen=True, kw_only=True)
class Versions:
    """versions.json: what a run was started with."""

    started: str
    command_line: str
    python: str
    platform: str
    git_commit: str | None
    rram_jax: str | None
    jax: str | None
    numpy: str | None


@dataclass(frozen=True, kw_only=True)
class TrainedMetrics:
    """metrics.json of `rram-jax train`, as far as it is reported."""

    dataset: str
    accuracy_validation: float
    accuracy_ideal: float
    n_images: int
    epochs: int
    n_weights: int
    n_cells: int
    network_sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainedConfig:
    """config.json of `rram-jax train`, as far as it is reported."""

    network: NetworkConfig
    data: str
    device: str
    sigma_lrs: float
    epochs: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One spread of an accuracy curve, as `rram-jax evaluate` gives it."""

    dataset: str
    n_images: int
    n_chips: int
    circuit: str
    device: str
    seed: int
    sigma_lrs: float
    accuracy_ideal: float
    accuracy_mean: float
    accuracy_p01: float
    accuracy_worst: float
    ci95: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A folder of `rram-jax train`."""

    path: Path
    config: TrainedConfig
    metrics: TrainedMetrics
    versions: Versions


def read_trained(path: Path) -> TrainedRun:
    """Read a finished training.

    Raises:
        InputError: A file is missing or damaged.
    """
    return TrainedRun(
        path=path,
        config=read_json(path / "config.json", TrainedConfig),
        metrics=read_json(path / "metrics.json", TrainedMetrics),
        versions=read_json(path / "versions.json", Versions),
    )


def check_points(label: str, points: Sequence[Any]) -> tuple[CurvePoint, ...]:
    """The points of one accuracy curve, by rising spread.

    Raises:
        InputError: A point lacks a number.
    """
    found = [
        parse_record(json.dumps(point), CurvePoint, f"The accuracy curve {label!r}")
        for point in points
    ]
    if not found:
        raise InputError(f"The accuracy curve {label!r} has no points: evaluate again.")
    return tuple(sorted(found, key=lambda point: point.sigma_lrs))
