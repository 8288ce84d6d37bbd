"""Finished folders of `rram-jax evaluate`, read back, checked and paired."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rram_jax.errors import InputError
from rram_jax.report.files import read_json
from rram_jax.run_folder import read_numbers
from rram_jax.types import Float

CHIPS = ("sigma_lrs", "chip", "cycle", "pass", "accuracy", "ties")
CHIPS += ("verified", "verify_pulses")
"""Columns of chips.csv; accuracy and ties are shares of the images, the last two are
cells that selective write-verify has chosen, and their programmings. The first cycle
and the first pass of a chip are number 0."""

PROGRAMMING = ("band_lrs", "band_hrs", "max_writes")
"""Of a device card: how its cells are programmed, which pairs need not have alike."""

MAX_BYTES = 2**26
"""[-] Of one file: a million chips. Nothing larger is read."""


@dataclass(frozen=True, kw_only=True)
class EvaluatedConfig:
    """config.json of `rram-jax evaluate`: what must be the same for pairs of chips."""

    command: Literal["evaluate"]
    data: str
    data_sha256: dict[str, str]
    part: str
    images: int
    device_card: dict[str, Any]
    design: dict[str, Any]
    neuron_card_sha256: str
    circuit: str
    wires: str
    seed: int
    sigma_lrs: tuple[float, ...]
    chips: int
    cycles: int
    passes: int


@dataclass(frozen=True, kw_only=True)
class EvaluatedPoint:
    """One spread in metrics.json, as far as a comparison needs it."""

    checkpoint: str
    device: str
    network_sha256: str
    sigma_lrs: float
    accuracy_ideal: float
    accuracy_mean: float


@dataclass(frozen=True, kw_only=True)
class EvaluatedMetrics:
    """metrics.json of `rram-jax evaluate`."""

    points: tuple[EvaluatedPoint, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """A folder of `rram-jax evaluate`."""

    path: Path
    config: EvaluatedConfig
    points: tuple[EvaluatedPoint, ...]

    accuracy: Float[np.ndarray, "spreads chips"]
    """Share of right answers, the mean over cycles and passes; as in `points`."""

    sha256: dict[str, str]
    """Of the files that were read."""

    @property
    def network(self) -> str:
        """What the checkpoint's folder is called."""
        name = Path(self.points[0].checkpoint).name or self.path.name
        return "".join(c if c.isprintable() else "?" for c in name)[:60]


def read_evaluated(path: Path) -> EvaluatedRun:
    """Read a finished evaluation.

    Raises:
        InputError: A file is missing, damaged or too large, or they do not fit each
            other.
    """
    digests = {}
    for name in ("config.json", "metrics.json", "chips.csv"):
        file = path / name
        if not file.is_file():
            raise InputError(
                f"{path} is no finished evaluation, as it has no {name}: give a folder"
                " that `rram-jax evaluate` has written."
            )
        if file.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{file} has more than {MAX_BYTES} bytes: no evaluation writes that."
            )
        digests[name] = hashlib.sha256(file.read_bytes()).hexdigest()
    config = read_json(path / "config.json", EvaluatedConfig)
    points = read_json(path / "metrics.json", EvaluatedMetrics).points
    accuracy = _read_accuracy(path / "chips.csv", config)
    means = [point.accuracy_mean for point in points]
    if tuple(p.sigma_lrs for p in points) != config.sigma_lrs or not np.allclose(
        means, accuracy.mean(1), rtol=0, atol=1e-9
    ):
        raise InputError(
            f"{path / 'metrics.json'} and chips.csv beside it differ: evaluate again."
        )
    if not all(0 <= point.accuracy_ideal <= 1 for point in points):
        raise _damaged(path / "metrics.json")
    return EvaluatedRun(
        path=path, config=config, points=points, accuracy=accuracy, sha256=digests
    )


def check_paired(runs: Sequence[EvaluatedRun]) -> None:
    """Check that all runs saw the same chips and images.

    How chips were programmed may differ: it is one of the things to compare.

    Raises:
        InputError: Two differ in data, images, device, circuit, seed or numbers.
    """
    first = runs[0]
    for other in runs[1:]:
        for field in fields(EvaluatedConfig):
            here, there = (_paired(r.config, field.name) for r in (first, other))
            if here != there:
                raise InputError(
                    f"{first.path} and {other.path} are not paired, as they have other"
                    f" {_named(field.name, here, there)}: evaluate both with the same"
                    " data, images, device, circuit, spreads, seed and chips."
                )


def _paired(config: EvaluatedConfig, name: str) -> Any:
    """What pairs must have alike of one field."""
    value = getattr(config, name)
    if name == "device_card":
        return {key: v for key, v in value.items() if key not in PROGRAMMING}
    return value


def labels_of(runs: Sequence[EvaluatedRun]) -> list[str]:
    """What to call the runs: their checkpoints, with the folder where these repeat."""
    names = [run.network for run in runs]
    if len(set(names)) == len(names):
        return names
    return [
        f"{name} ({run.path.resolve().name})"
        for name, run in zip(names, runs, strict=True)
    ]


def _named(name, here, there):
    """A field and both its values; of a record or of digests the first that differs."""
    while isinstance(here, dict) and isinstance(there, dict):
        key = next(k for k in (here | there) if here.get(k) != there.get(k))
        name, here, there = f"{name}.{key}", here.get(key), there.get(key)
    values = (json.dumps(value) for value in (here, there))
    return f"{name} ({' and '.join(v[:60] for v in values)})"


def _read_accuracy(table: Path, config: EvaluatedConfig):
    """[spreads, chips] Mean accuracy of each chip."""
    shape = (len(config.sigma_lrs), config.chips, config.cycles, config.passes)
    try:
        rows = read_numbers(table, CHIPS)
    except InputError:
        raise _damaged(table) from None
    whole = min(shape) > 0 and len(rows) == np.prod(shape, dtype=object)
    if not whole or len(set(config.sigma_lrs)) < len(config.sigma_lrs):
        raise _damaged(table)
    found = {tuple(row[:4]): row[4] for row in rows}
    keys = ((config.sigma_lrs[i], *rest) for i, *rest in np.ndindex(*shape))
    accuracy = np.array([found.get(key, -1.0) for key in keys], float)
    if not ((accuracy >= 0) & (accuracy <= 1)).all():
        raise _damaged(table)
    return accuracy.reshape(*shape[:2], -1).mean(2)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged: remove its folder and evaluate again.")
