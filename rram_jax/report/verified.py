"""Finished verifications as the report reads them: typed, checked."""

import lzma
import re
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import TypeVar

import numpy as np

from rram_jax.chip.config import CircuitConfig
from rram_jax.circuit.encode import SLOTS
from rram_jax.device.card import DeviceCard
from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.report.files import AGAIN, check_exists, damaged, read_json, read_table
from rram_jax.report.runs import Versions
from rram_jax.types import Bool, Float, Integer

R = TypeVar("R", bound="CodedRun")

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
)
"""Columns of results.csv that the report needs."""


NO_ARCHIVE = (
    OSError,
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,  # of an encrypted file, or an unknown compression
    SyntaxError,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile raise where a file is no archive of arrays."""


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
    draw: bool = False
    cmos: str = "cmos-130nm"
    corner: str = "tt"
    temperature: float = 27.0


@dataclass(frozen=True, kw_only=True)
class Commanded:
    """config.json of any command."""

    command: str


@dataclass(frozen=True, kw_only=True)
class Tiered:
    """metrics.json of `rram-jax verify`, whatever its tier."""

    tier: str


@dataclass(frozen=True, kw_only=True)
class RunMetrics:
    """metrics.json of `rram-jax verify`: what every tier tells."""

    tier: str
    checkpoint: str
    network: str
    dataset: str
    array: str
    sigma_lrs: float
    n_images: int
    n_chips: int
    n_cells: int
    simulator: str
    solver: str
    network_sha256: str
    ideal: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CodedMetrics(RunMetrics):
    """And what tiers with neurons tell."""

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


@dataclass(frozen=True, kw_only=True)
class VerifiedMetrics(CodedMetrics):
    """And what whole circuits tell."""

    n_mosfets: int
    energy_j: float
    energy_by_block_j: dict[str, float]
    array_from_regulator_j: float
    peak_current_a: dict[str, float]
    pulse_width_error_slots: float
    seconds_per_image: float


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

    @property
    def difference(self) -> Integer[np.ndarray, " n"]:
        """[-] Code or count of ngspice minus that of the surrogate."""
        return self.spice - self.surrogate

    @property
    def active(self) -> Bool[np.ndarray, " n"]:
        """Hidden codes that say something (`compare.LayerComparison.active`)."""
        between = [(c > 0) & (c < SLOTS) for c in (self.spice, self.surrogate)]
        edge = (np.abs(self.position) <= 1) | (np.abs(self.position - SLOTS) <= 1)
        return between[0] | between[1] | edge

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


@dataclass(frozen=True, kw_only=True)
class CodedRun:
    """A folder of `rram-jax verify` of a tier with neurons."""

    path: Path
    config: VerifiedConfig
    metrics: CodedMetrics
    versions: Versions
    decks: tuple[DeckResult, ...]
    codes: CodeTable


@dataclass(frozen=True, kw_only=True)
class VerifiedRun(CodedRun):
    """A folder of `rram-jax verify` of whole circuits."""

    metrics: VerifiedMetrics


def read_tier(path: Path) -> str:
    """Name of the tier of a finished verification.

    Raises:
        InputError: The run is another command's, or a file is missing or damaged.
    """
    command = read_json(path / "config.json", Commanded).command
    if command != "verify":
        told = command if re.fullmatch(r"[\w -]{1,40}", command) else "something else"
        raise InputError(
            f"{path} is a run of `rram-jax {told}`: give a finished folder of `rram-jax"
            " verify`."
        )
    return read_json(path / "metrics.json", Tiered).tier


def read_verified(path: Path) -> VerifiedRun:
    """Read a finished verification of a whole circuit, but for its waveforms.

    Raises:
        InputError: A file is missing or damaged, or the run is of another tier than
            `full`.
    """
    tier = read_tier(path)
    if tier != "full":
        raise InputError(
            f"This report shows whole networks, and {path} is of tier {tier}: verify"
            " with --tier full."
        )
    return _read_run(path, VerifiedRun, VerifiedMetrics)


def read_coded(path: Path) -> CodedRun:
    """Read a finished verification of a tier that tells no energies.

    Raises:
        InputError: A file is missing or damaged.
    """
    return _read_run(path, CodedRun, CodedMetrics)


def _read_run(path: Path, run: type[R], metrics: type[CodedMetrics]) -> R:
    found = run(
        path=path,
        config=read_json(path / "config.json", VerifiedConfig),
        metrics=read_json(path / "metrics.json", metrics),  # pyright: ignore[reportArgumentType]  # the run's own kind
        versions=read_json(path / "versions.json", Versions),
        decks=_read_decks(path / "results.csv"),
        codes=_read_codes(path / "codes.csv"),
    )
    _check_tables(found)
    for deck in found.decks:
        outputs = found.codes.outputs(deck.chip, deck.image)
        if tuple(outputs.spice.tolist()) != deck.counts:
            raise InputError(
                f"{path / 'results.csv'} and codes.csv beside it differ in the outputs"
                f" of image {deck.image}: {AGAIN}."
            )
    return found


def _check_tables(run: CodedRun) -> None:
    """Check that each table holds, once, all that config and metrics tell of.

    Raises:
        InputError: It does not, or holds a code that its layer cannot have.
    """
    m, codes, neurons = run.metrics, run.codes, run.config.neurons
    decks = {(deck.chip, deck.image) for deck in run.decks}
    ways = [len({deck[k] for deck in decks}) for k in (0, 1)]
    n_decks = m.n_chips * m.n_images
    if ways != [m.n_chips, m.n_images] or {len(decks), len(run.decks)} != {n_decks}:
        raise _incomplete(run.path / "results.csv", "each image on each chip, once,")
    path, layers = run.path / "codes.csv", np.unique(codes.layer).tolist()
    if len(neurons) < 2 or layers != list(range(len(neurons))):
        raise _incomplete(path, "the layers")
    if len(codes.hidden.layer) != m.n_codes:
        raise _incomplete(path, "the hidden codes")
    for k, neuron in enumerate(neurons):
        own = codes.where(codes.layer == k)
        keys = np.stack([own.chip, own.image, own.neuron], axis=1).tolist()
        n = len(own.layer) // n_decks
        if sorted(keys) != sorted([*d, j] for d in decks for j in range(n)):
            raise _incomplete(path, f"each neuron of layer {k} in each deck, once,")
        for counts in (own.spice, own.surrogate):
            if counts.min() < 0 or counts.max() > neuron.decisions:
                raise InputError(
                    f"{path} is damaged (codes of layer {k} lie between 0 and"
                    f" {neuron.decisions}): {AGAIN}."
                )
    if not np.isfinite(codes.position).all():
        raise damaged(path)


def _incomplete(path: Path, what: str) -> InputError:
    return InputError(
        f"{path} does not hold {what} that config.json and metrics.json beside it tell"
        f" of: {AGAIN}."
    )


def read_waves(path: Path) -> dict[str, np.ndarray]:
    """Read waveforms [V, A] by their names in ngspice; `time` [s] is one of them.

    Raises:
        InputError: The file is missing or damaged.
    """
    check_exists(path)
    try:
        # numpy leaves a file open that it could not read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            waves = {name: archive[name] for name in archive.files}
    except NO_ARCHIVE:
        waves = {}
    shape = waves["time"].shape if "time" in waves else ()
    for wave in waves.values():
        if wave.shape != shape or wave.dtype.kind != "f" or not np.isfinite(wave).all():
            raise damaged(path)
    if len(shape) != 1 or not shape[0]:
        raise damaged(path)
    return waves


def _read_decks(path: Path) -> tuple[DeckResult, ...]:
    rows = read_table(path)
    try:
        if not rows:
            raise ValueError("a finished run has a deck")
        return tuple(_deck(*(row[name] for name in RESULTS)) for row in rows)
    except (KeyError, ValueError, TypeError, AttributeError):
        raise damaged(path) from None


def _deck(chip, image, label, spice, surrogate, counts) -> DeckResult:
    return DeckResult(
        chip=index(chip),
        image=index(image),
        label=index(label),
        winner_spice=tuple(map(int, spice.split("/"))),
        winner_surrogate=tuple(map(int, surrogate.split("/"))),
        counts=tuple(map(int, counts.split())),
    )


def _read_codes(path: Path) -> CodeTable:
    rows = read_table(path)
    try:
        columns = {name: np.array([row[name] for row in rows]) for name in CODES}
    except (KeyError, ValueError):
        raise damaged(path) from None
    for name, column in columns.items():
        wanted = "iuf" if name == "position" else "iu"
        if column.ndim != 1 or column.dtype.kind not in wanted:
            raise damaged(path)
    columns["position"] = columns["position"].astype(float)
    return CodeTable(**columns)
