"""What can be asked of each command: one record for command line, TOML and Python.

Nothing here needs jax, so that `--help` is there at once.
"""

import math
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from rram_jax.chip.config import (
    CircuitConfig,
    NetworkConfig,
    ProgrammingConfig,
    check_circuit,
    check_seed,
)
from rram_jax.errors import InputError
from rram_jax.qnn.config import TeacherConfig, TrainConfig


def check_paths(command: Any) -> None:
    """Check every path of a command's record.

    Raises:
        InputError: One holds a control character, which no folder of ours has.
    """
    for name, value in vars(command).items():
        if isinstance(value, Path) and re.search(r"[\x00-\x1f\x7f]", str(value)):
            raise InputError(
                f"{name} must be a path without control characters; got {str(value)!r}."
            )


@dataclass(frozen=True, kw_only=True)
class TrainCommand(TrainConfig):
    """Train a network, conventionally or against the spread of its cells."""

    network: Annotated[NetworkConfig, arg(name="")] = field(
        default_factory=NetworkConfig
    )
    """Shape and strategy."""

    design: Annotated[CircuitConfig, arg(name="")] = field(
        default_factory=CircuitConfig
    )
    """The circuit around the cells."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    out: Path | None = None
    """Folder of the checkpoint; by default runs/train-NETWORK-HASH, so that the same
    command finds its own run again."""

    keep_states: bool = False
    """Keep the newest states of the training when it is finished, too."""


@dataclass(frozen=True, kw_only=True)
class TeacherCommand(TeacherConfig):
    """Train a float network whose answers `train --teacher` learns from."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    out: Path | None = None
    """Folder of the teacher; by default runs/teacher-DATA-HASH, so that the same
    command finds its own run again."""


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand:
    """Measure the accuracy of a checkpoint over many sampled chips."""

    checkpoint: Positional[Path]
    """Folder of a finished `rram-jax train` run, or one of checkpoints/."""

    data: str | None = None
    """Data set whose test images are taken; by default what the checkpoint was
    trained on."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    device: str = "bench-r10"
    """Preset or path of the device card."""

    sigma_lrs: tuple[float, ...] = ()
    """[-] Spread of ln R_LRS; several give a curve. By default the card's own."""

    v_reset: float | None = None
    """[V] Cell voltage of the RESET pulses; by default the card's own."""

    t_reset: float | None = None
    """[s] Their width; by default the card's own."""

    chips: int = 100
    """[-] Chips to sample at each spread."""

    seed: int = 0
    """[-] Makes the chips: chip n of a seed is the same for every spread."""

    circuit: Literal["ideal", "map", "full"] = "map"
    """ideal: wires and neurons are ideal; map: exact wire losses as a map; full: also
    neurons with mismatch and noise, and random telegraph noise."""

    wires: Literal["map", "exact"] = "map"
    """map: each array's wires by the map of the nominal one; exact: solved for every
    sampled array, slower."""

    cycles: int = 1
    """[-] Times that each chip is programmed: its cells keep their device-to-device
    part, stuck cells and mismatch stay."""

    passes: int = 1
    """[-] Times that the images are read after each programming, with random telegraph
    noise in another state each time; circuit full only."""

    bar: float | None = None
    """[-] Accuracy, such as 0.97, that the share of good chips is counted at."""

    part: Literal["test", "validation"] = "test"
    """validation: the images on which choices are made, in place of test images."""

    images: int | None = None
    """[-] Take the first so many of these images; by default all."""

    design: Annotated[CircuitConfig, arg(name="")] = field(
        default_factory=CircuitConfig
    )
    """The circuit around the cells."""

    programming: Annotated[ProgrammingConfig, arg(name="")] = field(
        default_factory=ProgrammingConfig
    )
    """How chips are programmed."""

    json: Path | None = None
    """File that gets the result as JSON: an object, or a list of them for a curve."""

    out: Path | None = None
    """Folder of the results; by default runs/evaluate-NETWORK-HASH, so that the same
    command finds its own run again."""

    def __post_init__(self):
        check_seed(self.seed)
        if self.chips < 1 or (self.images is not None and self.images < 1):
            raise InputError(
                "An evaluation needs --chips and --images of 1 or more; got"
                f" {self.chips} chips and {self.images or 'all'} images."
            )
        if self.cycles < 1 or self.passes < 1:
            raise InputError(
                "--cycles and --passes must be 1 or more; got"
                f" {self.cycles} and {self.passes}."
            )
        if self.passes > 1 and self.circuit != "full":
            raise InputError(
                "Passes differ by telegraph noise and thermal noise, which only circuit"
                f" 'full' has: add --circuit full, or leave --passes {self.passes} out."
            )
        check_circuit(self.circuit, self.wires)
        if self.bar is not None and not 0 < self.bar <= 1:
            raise InputError(
                "--bar is an accuracy above 0 and up to 1, such as 0.97; got"
                f" {self.bar:g}."
            )
        for sigma in self.sigma_lrs:
            if not 0 <= sigma <= 2:
                raise InputError(
                    "sigma_lrs is a standard deviation of ln R, between 0 and 2; got"
                    f" {sigma:g}."
                )


@dataclass(frozen=True, kw_only=True)
class CompareCommand:
    """Compare networks on the same chips, from folders of `rram-jax evaluate`."""

    runs: Positional[tuple[Path, ...]]
    """Folders of finished evaluations: the reference, then one or more others."""

    json: Path | None = None
    """File that gets the result as JSON: a list, one object a network and spread."""

    out: Path | None = None
    """Folder of the results; by default runs/compare-NUMBER-runs-HASH."""

    def __post_init__(self):
        if len(self.runs) < 2:
            raise InputError(
                "A comparison needs the folders of two evaluations or more, the"
                f" reference first; got {len(self.runs)}."
            )


@dataclass(frozen=True, kw_only=True)
class ExportCommand:
    """Write a checkpoint's decks for ngspice: the whole network of sampled chips."""

    checkpoint: Positional[Path]
    """Folder of a finished `rram-jax train` run, or one of checkpoints/."""

    data: str | None = None
    """Data set whose first test images are taken; by default what the checkpoint was
    trained on."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    device: str = "hfo2-nominal"
    """Preset or path of the device card."""

    sigma_lrs: float | None = None
    """[-] Spread of ln R_LRS; by default the card's own."""

    v_reset: float | None = None
    """[V] Cell voltage of the RESET pulses; by default the card's own."""

    t_reset: float | None = None
    """[s] Their width; by default the card's own."""

    array: Literal["multiport", "shunted", "cells", "1t1r"] = "multiport"
    """cells: every cell and wire; 1t1r: with an access transistor in each cell;
    multiport: each tile reduced exactly to its row terminals and taps, several times
    faster; shunted: the same without what couples its rows, faster still."""

    images: int = 5
    """[-] The first so many test images."""

    draw: bool = False
    """Draw so many test images by the seed instead; more images hold the fewer ones."""

    chips: int = 1
    """[-] Chips; chip n of a seed is the one that `evaluate` draws."""

    seed: int = 0
    """[-] Makes the chips: cells, RTN and mismatch."""

    mismatch: bool = True
    """Threshold mismatch of the neurons' transistors."""

    cmos: str = "cmos-130nm"
    """Preset or path of the CMOS card: whose transistors, models and supply."""

    corner: str = "tt"
    """One of the card's corners."""

    temperature: float = 27.0
    """[deg C] Of all transistors."""

    neuron_netlist: str | None = None
    """TOML file of own circuits in the neurons; by default they are ours."""

    design: Annotated[CircuitConfig, arg(name="")] = field(
        default_factory=CircuitConfig
    )
    """The circuit around the cells."""

    programming: Annotated[ProgrammingConfig, arg(name="")] = field(
        default_factory=ProgrammingConfig
    )
    """How chips are programmed."""

    out: Path | None = None
    """Folder of the results; by default named after command, network and settings, so
    that the same command finds its own run again."""

    def __post_init__(self):
        check_seed(self.seed)
        if self.chips < 1 or self.images < 1:
            raise InputError(
                "Decks need --chips and --images of 1 or more; got"
                f" {self.chips} chips and {self.images} images."
            )
        if self.sigma_lrs is not None and not 0 <= self.sigma_lrs <= 2:
            raise InputError(
                "sigma_lrs is a standard deviation of ln R, between 0 and 2; got"
                f" {self.sigma_lrs:g}."
            )


@dataclass(frozen=True, kw_only=True)
class VerifyCommand(ExportCommand):
    """Simulate a checkpoint in ngspice, every neuron at transistor level, and compare.

    The surrogate answers beside it for the same cells and the same mismatch.
    """

    tier: Literal["static", "column", "layer", "full"] = "full"
    """static: every bit line at rest, slot by slot; column: each neuron's transistors
    behind the equivalent of its bit line, for large networks too; layer: every cell,
    wire and neuron of a layer in one transient, layer by layer; full: the whole network
    in one transient, minutes an image."""

    workers: int | None = None
    """[-] ngspice processes at a time; by default one a core, fewer where the memory is
    short."""

    dask: str | None = None
    """Run the decks on a dask.distributed cluster: its scheduler's address, such as
    tcp://10.0.0.1:8786, or `local` for one with workers on this machine. All workers
    must see the folder of the results."""

    timeout_s: float = 7200.0
    """[s] Wall time after which a deck has failed."""

    retry: bool = False
    """Try a deck that does not converge with other options of the solver, the last of
    which puts 1 fF on every node; what it took stands in results and metrics.json."""

    json: Path | None = None
    """File that gets the result as JSON."""

    def __post_init__(self):
        super().__post_init__()
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise InputError(
                f"timeout_s is a wall time above 0, in seconds; got {self.timeout_s:g}."
            )
        if self.workers is not None and self.workers < 1:
            raise InputError(
                f"workers must be 1 or more, or left out; got {self.workers}."
            )
        usual = {f.name: f.default for f in fields(self)}
        transistors = ("cmos", "corner", "temperature", "neuron_netlist")
        given = [n for n in transistors if getattr(self, n) != usual[n]]
        arrays = {
            "static": ("multiport", "cells", "1t1r"),
            "column": ("multiport", "cells"),
        }
        if self.array not in arrays.get(self.tier, (self.array,)):
            raise InputError(
                f"tier = {self.tier} takes array ="
                f" {', '.join(arrays[self.tier])}; got {self.array}."
            )
        if self.tier == "static" and self.array == "1t1r":
            given = [name for name in given if name == "neuron_netlist"]
        if self.tier == "static" and given:
            raise InputError(
                "Bit lines at rest have no transistors but the access transistors of"
                f" array = 1t1r: leave out {', '.join(given)} with tier = static."
            )
        if self.dask is None or self.dask == "local":
            return
        if not re.fullmatch(r"(\w+://)?[^\s/]+:\d{1,5}", self.dask):
            raise InputError(
                "dask is `local` or the address of a scheduler, such as"
                f" tcp://10.0.0.1:8786; got {self.dask!r}."
            )
        if self.workers is not None:
            raise InputError(
                "A cluster at an address has the workers that it was given: leave out"
                f" workers; got {self.workers}."
            )


@dataclass(frozen=True, kw_only=True)
class DemoCommand:
    """Run the main job: train twice, evaluate, simulate whole networks, report."""

    data: str = "mnist5k"
    """Data set to train and test on."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    network: str = "mlp-144-32-10"
    """Multi-layer perceptron of so many inputs, hidden neurons and outputs."""

    device: str = "hfo2-nominal"
    """Preset or path of the device card, for training, chips and netlists."""

    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS that the hardened network is trained for, and that the
    simulated chips have."""

    epochs: int = 60
    """[-] Passes over the training images."""

    chips: int = 50
    """[-] Chips sampled at each spread."""

    images: int = 5
    """[-] Test images that ngspice classifies, the first of the set."""

    seed: int = 0
    """[-] Makes weights, chips and noise."""

    out: Path = Path("runs/demo")
    """Folder of the report and of everything behind it."""
