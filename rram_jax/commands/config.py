"""What can be asked of each command: one record for command line, TOML and Python.

Nothing here needs jax, so that `--help` is there at once.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from rram_jax.chip.config import CircuitConfig, NetworkConfig, check_seed
from rram_jax.circuit.config import ArrayConfig
from rram_jax.errors import InputError
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.qnn.config import TrainConfig


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

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    out: Path | None = None
    """Folder of the checkpoint; by default runs/train-NETWORK-HASH, so that the same
    command finds its own run again."""

    keep_states: bool = False
    """Keep the newest states of the training when it is finished, too."""


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

    images: int | None = None
    """[-] Take the first so many test images; by default all."""

    design: Annotated[CircuitConfig, arg(name="")] = field(
        default_factory=CircuitConfig
    )
    """The circuit around the cells."""

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
        for sigma in self.sigma_lrs:
            if not 0 <= sigma <= 2:
                raise InputError(
                    "sigma_lrs is a standard deviation of ln R, between 0 and 2; got"
                    f" {sigma:g}."
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

    array: Literal["multiport", "cells"] = "multiport"
    """cells: every cell and wire; multiport: each tile reduced exactly to its row
    terminals and taps, several times faster."""

    images: int = 5
    """[-] The first so many test images."""

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

    design: Annotated[CircuitConfig, arg(name="")] = field(
        default_factory=CircuitConfig
    )
    """The circuit around the cells."""

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

    tier: Literal["full"] = "full"
    """full: the whole network in one transient."""

    workers: int | None = None
    """[-] ngspice processes at a time; by default one a core."""

    timeout_s: float = 7200.0
    """[s] Wall time after which a deck has failed."""

    json: Path | None = None
    """File that gets the result as JSON."""


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


@dataclass(frozen=True, kw_only=True)
class ArrayCommand:
    """Solve one wired array of cells exactly, and draw its voltages and currents."""

    action: Positional[Literal["show"]]
    """show: bars of drives and feet (the sensed ends of the bit lines), heat maps of
    cells, currents and node voltages, and a table of the feet."""

    rows: int | None = None
    """[-] Rows of random cells; by default 64."""

    cols: int | None = None
    """[-] Columns of random cells; by default 32."""

    device: str | None = None
    """Preset or path of the device card that makes the cells, LRS or HRS at random; by
    default bench-r10."""

    v_read: float | None = None
    """[V] Largest drive of the rows, which are driven at random; by default 0.2."""

    seed: int = 0
    """Makes cells and drives."""

    conductance: Path | None = None
    """CSV file of cells [S] instead, one line a row, without a header."""

    drive: Path | None = None
    """CSV file of drives [V] above v_cm instead, one a row, without a header."""

    wires: Annotated[ArrayConfig, arg(name="")] = field(default_factory=ArrayConfig)
    """Wires, drivers and sense resistance; an infinite one lets bit lines float."""

    tolerance: float = 1e-9
    """[-] Error of the answer that will do, as a share of its largest part."""

    out: Path | None = None
    """Folder of figure and tables; by default runs/array-ROWSxCOLS-HASH, so that the
    same command finds its own run again."""

    def __post_init__(self):
        check_seed(self.seed)
        for file, names in (
            ("conductance", ("rows", "cols", "device")),
            ("drive", ("v_read",)),
        ):
            given = [n for n in names if getattr(self, n) is not None]
            if getattr(self, file) and given:
                option = f"--{given[0]}".replace("_", "-")
                raise InputError(
                    f"{option} is for random {'drives' if file == 'drive' else 'cells'}"
                    f" and --{file} for those of a file: give one of the two."
                )
        for name in ("rows", "cols"):
            if (n := getattr(self, name)) is not None and not 1 <= n <= 1024:
                raise InputError(
                    f"An array has 1 to 1024 rows and columns; got {name} = {n}."
                )
        if self.v_read is not None and not 0 < self.v_read <= 1:
            raise InputError(
                f"v_read lies above 0 V and up to 1 V; got {self.v_read:g}."
            )
        if not 0 < self.tolerance < 1:
            raise InputError(
                f"tolerance is a share between 0 and 1; got {self.tolerance:g}."
            )


@dataclass(frozen=True, kw_only=True)
class NeuronCommand:
    """Measure the neuron's transistors, make its card, or verify its surrogate.

    verify takes about 0.5 s of a core a conversion, of which a pattern has four, and a
    minute or two of a core for the linearity of each full scale; characterise some 25
    minutes of a core.
    """

    action: Positional[Literal["transistors", "characterise", "verify"]]
    """transistors: threshold, currents, gm/I_d, gain, capacitances, noise and mismatch
    of single transistors in ngspice, over corners and temperatures; characterise: a
    neuron card from testbenches of single columns; verify: codes of conversions on
    random arrays, surrogate beside ngspice, and the circuit's linearity."""

    plan: Annotated[CharacterisePlan, arg(name="")] = field(
        default_factory=CharacterisePlan
    )
    """Of characterise; `cmos` is transistors' too, and `seed` everybody's."""

    neuron_card: str = CircuitConfig.neuron_card
    """verify: preset or path of the neuron card."""

    patterns: int = 200
    """[-] verify: random patterns a case, of four conversions each."""

    all: bool = False
    """verify: also other full scales, array heights, and with mismatch and noise."""

    workers: int | None = None
    """[-] characterise, verify: simulations at a time; by default one a core."""

    out: Path | None = None
    """Folder of the results; by default one in runs/ named after the card."""

    json: Path | None = None
    """characterise, verify: write the numbers there, too."""

    def __post_init__(self):
        check_seed(self.plan.seed)
        if not 1 <= self.patterns <= 100_000:
            raise InputError(f"patterns must be 1 to 100000; got {self.patterns}.")
        if not isinstance(self.action, str):  # from a file, before the options
            return
        shared = {"transistors": ("cmos", "seed"), "verify": ("seed",)}
        usual = CharacterisePlan()
        if self.action != "characterise":
            for name, value in vars(self.plan).items():
                own = name in shared[self.action]
                if not own and value != getattr(usual, name):
                    raise InputError(
                        f"{name} belongs to `neuron characterise`, and"
                        f" `neuron {self.action}` was asked for."
                    )
        belongs = {
            "verify": {
                "neuron_card": CircuitConfig.neuron_card,
                "patterns": 200,
                "all": False,
            },
            "characterise or verify": {"workers": None, "json": None},
        }
        for actions, settings in belongs.items():
            for name, value in settings.items():
                if self.action not in actions.split(" or ") and (
                    getattr(self, name) != value
                ):
                    raise InputError(
                        f"{name} belongs to `neuron {actions}`, and"
                        f" `neuron {self.action}` was asked for."
                    )


@dataclass(frozen=True, kw_only=True)
class DeviceCommand:
    """List or show device cards; fit or sample one; its RESET curve, its netlist."""

    action: Positional[Literal["list", "show", "reset", "netlist", "fit", "sample"]]
    """list: the presets; show: one card and the cells it makes; reset: what its RESET
    voltage does; netlist: its cells as subcircuits for ngspice; fit: make a card from
    measurements; sample: make virtual measurements of a card."""

    name: Positional[str] = ""
    """Card to show or sample, a preset or the path of a TOML file; to fit, a CSV file
    of measurements (cell,cycle,r_hrs_ohm,r_lrs_ohm), also one ending in .gz."""

    out: Path | None = None
    """show, reset: folder of figure and table, by default runs/device-NAME; netlist:
    the netlist; fit: TOML file of the card, which is named after it; sample: CSV file,
    compressed if it ends in .gz."""

    verilog_a: bool = False
    """netlist: around the Verilog-A models instead of behavioural sources."""

    t_reset: float | None = None
    """[s] reset: width of the pulses; by default the card's own."""

    source: str = ""
    """fit: where the measurements come from, for the card's source."""

    cells: int | None = None
    """[-] sample: cells of the array; by default 256."""

    cycles: int | None = None
    """[-] sample: times that each is programmed; by default 300."""

    seed: int = 0
    """sample: makes the array; fit: makes the bootstrap's samples."""

    overwrite: bool = False
    """netlist, fit, sample: replace files that are there."""

    def __post_init__(self):
        check_seed(self.seed)
        if self.action == "list" and self.name:
            raise InputError(
                "`device list` takes no name: `rram-jax device show bench-r10` shows"
                " one card."
            )
        if self.action != "list" and not self.name:
            thing = "a file of measurements" if self.action == "fit" else "a card"
            raise InputError(
                f"`device {self.action}` needs {thing}: give it after {self.action}."
            )
        writes = ("netlist", "fit", "sample")
        if self.action in writes and self.out is None:
            raise InputError(f"`device {self.action}` needs --out, a file to write.")
        if self.action not in writes and self.overwrite:
            raise InputError(f"`device {self.action}` takes no --overwrite.")
        if self.action not in ("fit", "sample") and self.seed:
            raise InputError(f"`device {self.action}` takes no --seed.")
        if self.action != "netlist" and self.verilog_a:
            raise InputError("--verilog-a belongs to `device netlist`.")
        if self.action != "sample" and (self.cells, self.cycles) != (None, None):
            raise InputError("--cells and --cycles belong to `device sample`.")
        if self.action != "reset" and self.t_reset is not None:
            raise InputError("--t-reset belongs to `device reset`.")
        if self.action != "fit" and self.source:
            raise InputError("--source belongs to `device fit`.")
        if not 1 <= (self.cells or 1) <= 10**8 or self.cells == 0:
            raise InputError(f"cells must be 1 to 1e8; got {self.cells}.")
        if not 1 <= (self.cycles or 1) <= 10**6 or self.cycles == 0:
            raise InputError(f"cycles must be 1 to 1e6; got {self.cycles}.")


@dataclass(frozen=True, kw_only=True)
class DoctorCommand:
    """Tell what is installed on this machine, and how to get what is missing.

    It ends with 0 whatever it finds; `--json` has the findings for scripts.
    """

    json: Path | None = None
    """File that gets the same as JSON."""
