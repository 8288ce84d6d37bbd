"""What can be asked about a network's parts: devices, arrays and neurons.

Nothing here needs jax, so that `--help` is there at once.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from rram_jax.chip.config import CircuitConfig, check_seed
from rram_jax.circuit.config import ArrayConfig
from rram_jax.errors import InputError
from rram_jax.ngspice.plan import CharacterisePlan


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
    minute or two of a core for the linearity of each full scale; characterise some 22
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
