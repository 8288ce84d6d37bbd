"""Finished run folders as the report reads them: typed, checked, nothing executed."""

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydantic

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.device.card import DeviceCard
from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.types import Float, Integer

T = TypeVar("T")

CODES = ("chip", "image", "layer", "neuron", "spice", "surrogate", "position")
"""Columns of codes.csv: what ngspice gave, what the surrogate said of ngspice's codes
of the layer before, and the crossing that it computed, in slots."""

RESULTS = (
    "chip",
    "image",
    "label",
    "winner_spice",
    "winner_surrogate",
    "counts_spice",
    "deck_sha256",
)
"""Columns of results.csv that the report needs."""


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
class VerifiedConfig:
    """config.json of `rram-jax verify`, as far as it is reported."""

    data: str
    device: str
    sigma_lrs: float | None
    array: str
    images: int
    chips: int
    seed: int
    mismatch: bool
    device_card: DeviceCard
    design: CircuitConfig
    neurons: tuple[NeuronConfig, ...]
    data_sha256: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Tiered:
    """metrics.json of `rram-jax verify`, whatever its tier."""

    tier: str


@dataclass(frozen=True, kw_only=True)
class VerifiedMetrics:
    """metrics.json of `rram-jax verify`, as far as it is reported."""

    checkpoint: str
    network: str
    dataset: str
    array: str
    sigma_lrs: float
    n_images: int
    n_chips: int
    n_mosfets: int
    n_cells: int
    codes_equal: float
    codes_equal_active: float
    codes_within_1: float
    n_codes: int
    n_active: int
    counts_equal: float
    counts_within_1: float
    lsb_histogram: dict[str, int]
    winner_equal: float
    n_ties: int
    accuracy_spice: float
    accuracy_surrogate: float
    energy_j: float
    energy_by_block_j: dict[str, float]
    array_from_regulator_j: float
    peak_current_a: dict[str, float]
    pulse_width_error_slots: float
    seconds_per_image: float
    simulator: str
    solver: str
    network_sha256: str
    ideal: tuple[str, ...]


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
class CodeTable:
    """Columns of codes.csv; the last layer holds counts of the outputs."""

    chip: Integer[np.ndarray, " n"]
    image: Integer[np.ndarray, " n"]
    layer: Integer[np.ndarray, " n"]
    neuron: Integer[np.ndarray, " n"]

    spice: Integer[np.ndarray, " n"]
    """What ngspice gave."""

    surrogate: Integer[np.ndarray, " n"]
    """What the surrogate said, fed with ngspice's codes of the layer before."""

    position: Float[np.ndarray, " n"]
    """[slots] Crossing that the surrogate computed."""

    def where(self, mask: np.ndarray) -> "CodeTable":
        """Some of the rows."""
        return CodeTable(**{name: getattr(self, name)[mask] for name in CODES})

    @property
    def hidden(self) -> "CodeTable":
        """Rows of all layers but the last."""
        return self.where(self.layer < self.layer.max())

    def outputs(self, chip: int, image: int) -> "CodeTable":
        """The output layer of one deck."""
        deck = (self.chip == chip) & (self.image == image)
        return self.where(deck & (self.layer == self.layer.max()))


@dataclass(frozen=True, kw_only=True)
class DeckResult:
    """One image on one chip: a row of results.csv."""

    chip: int
    image: int
    label: int
    winner_spice: tuple[int, ...]
    """Several where outputs tie."""

    winner_surrogate: tuple[int, ...]
    """End to end: fed with the surrogate's own codes."""

    counts: tuple[int, ...]
    """Counts of ngspice's outputs."""

    deck_sha256: str


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A folder of `rram-jax train`."""

    path: Path
    config: TrainedConfig
    metrics: TrainedMetrics
    versions: Versions


@dataclass(frozen=True, kw_only=True)
class VerifiedRun:
    """A folder of `rram-jax verify`."""

    path: Path
    config: VerifiedConfig
    metrics: VerifiedMetrics
    versions: Versions
    decks: tuple[DeckResult, ...]
    codes: CodeTable


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


def read_verified(path: Path) -> VerifiedRun:
    """Read a finished verification, but for its waveforms.

    Raises:
        InputError: A file is missing or damaged, or the run is of another tier than
            `full`.
    """
    tier = read_json(path / "metrics.json", Tiered).tier
    if tier != "full":
        raise InputError(
            f"A report shows whole networks, and {path} is of tier {tier}: verify with"
            " --tier full."
        )
    run = VerifiedRun(
        path=path,
        config=read_json(path / "config.json", VerifiedConfig),
        metrics=read_json(path / "metrics.json", VerifiedMetrics),
        versions=read_json(path / "versions.json", Versions),
        decks=_read_decks(path / "results.csv"),
        codes=_read_codes(path / "codes.csv"),
    )
    for deck in run.decks:
        outputs = run.codes.outputs(deck.chip, deck.image)
        if tuple(outputs.spice.tolist()) != deck.counts:
            raise InputError(
                f"{path / 'results.csv'} and codes.csv beside it differ in the outputs"
                f" of image {deck.image}: {_AGAIN}."
            )
    return run


def read_waves(path: Path) -> dict[str, np.ndarray]:
    """Read waveforms [V, A] by their names in ngspice; `time` [s] is one of them.

    Raises:
        InputError: The file is missing or damaged.
    """
    _check_exists(path)
    try:
        # numpy leaves a file open that it could not read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            waves = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        waves = {}
    shape = waves["time"].shape if "time" in waves else ()
    if len(shape) != 1 or any(wave.shape != shape for wave in waves.values()):
        raise _damaged(path)
    return waves


def check_points(label: str, points: Sequence[Any]) -> tuple[CurvePoint, ...]:
    """The points of one accuracy curve, by rising spread.

    Raises:
        InputError: A point lacks a number.
    """
    found = [
        _parse(json.dumps(point), CurvePoint, f"The accuracy curve {label!r}")
        for point in points
    ]
    if not found:
        raise InputError(f"The accuracy curve {label!r} has no points: evaluate again.")
    return tuple(sorted(found, key=lambda point: point.sigma_lrs))


_AGAIN = "remove the folder and run the command again"


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged: {_AGAIN}.")


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"There is no {path}: the report needs a finished run; run the command"
            " again."
        )


def _read_text(path: Path) -> str:
    _check_exists(path)
    try:
        return path.read_text()
    except UnicodeDecodeError:
        raise _damaged(path) from None


def read_json(path: Path, cls: type[T]) -> T:
    """A record from a JSON file; keys that it has not are left out.

    Raises:
        InputError: The file is missing or damaged.
    """
    return _parse(_read_text(path), cls, str(path))


def _parse(text: str, cls: type[T], origin: str) -> T:
    try:
        return pydantic.TypeAdapter(cls).validate_json(
            text, strict=True, extra="ignore"
        )
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        told = first["msg"].removeprefix("Value error, ").rstrip(".")
        place = f" at {where}" if where else ""
        raise InputError(f"{origin} is damaged{place} ({told}): {_AGAIN}.") from None


def _read_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file of `write_table`, whose cells are JSON."""
    header, *lines = _read_text(path).splitlines() or [""]
    names = header.split(",")
    try:
        rows = [json.loads(f"[{line}]") for line in lines]
        return [dict(zip(names, row, strict=True)) for row in rows]
    except (ValueError, RecursionError):
        raise _damaged(path) from None


def _read_decks(path: Path) -> tuple[DeckResult, ...]:
    rows = _read_table(path)
    try:
        if not rows:
            raise ValueError("a finished run has a deck")
        return tuple(_deck(*(row[name] for name in RESULTS)) for row in rows)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise _damaged(path) from None


def _deck(chip, image, label, spice, surrogate, counts, sha256) -> DeckResult:
    return DeckResult(
        chip=int(chip),
        image=int(image),
        label=int(label),
        winner_spice=tuple(map(int, spice.split("/"))),
        winner_surrogate=tuple(map(int, surrogate.split("/"))),
        counts=tuple(map(int, counts.split())),
        deck_sha256=str(sha256),
    )


def _read_codes(path: Path) -> CodeTable:
    rows = _read_table(path)
    try:
        columns = {name: np.array([row[name] for row in rows]) for name in CODES}
    except (KeyError, ValueError):
        raise _damaged(path) from None
    for name, column in columns.items():
        wanted = "iuf" if name == "position" else "iu"
        if column.ndim != 1 or column.dtype.kind not in wanted:
            raise _damaged(path)
    columns["position"] = columns["position"].astype(float)
    return CodeTable(**columns)
