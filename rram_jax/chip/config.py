"""What a user chooses about a network and about the circuit around its cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rram_jax.circuit.config import TileConfig
from rram_jax.errors import InputError
from rram_jax.neuron.config import SLOTS

CIRCUITS = ("ideal", "map", "full")
"""How much of the circuit the surrogate has: ideal wires and neurons; wires as the
attenuation map; the map and the neuron card with mismatch, noise and RTN."""

VERIFY_BY = ("gradient", "deviation", "random")
"""What chooses the cells of selective write-verify (`chip.selective`)."""

WIRES = ("map", "exact")
"""How a sampled array's wires are taken: by the map of the nominal array, or solved
for the very cells (`circuit.tile.layer_transfer`)."""

TRIM_CODES = (15, 8, 4, 2, 1)
"""[-] Constant codes of the trim pairs: any sum of codes from -30 to 30."""

TRIM_PATTERNS = 64
"""[-] Images that a chip with trim pairs is tested on."""

CALIBRATION_IMAGES = 1000
"""[-] Training images that say which of a chip's cells matter (`chip.selective`)."""

MAX_CELLS = 10**8
"""[-] Cells of one layer: beyond any chip, and what training still holds in memory."""


def check_seed(seed: int) -> None:
    """Check that a seed is one that all random generators take.

    Raises:
        InputError: It is not.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"A seed lies between 0 and {2**32 - 1}; got {seed}.")


def check_circuit(circuit: str, wires: str = "map") -> None:
    """Check the names of a circuit and of how its wires are taken.

    Raises:
        InputError: There is no such name, or a circuit without wires is to have them
            exact.
    """
    if circuit not in CIRCUITS:
        raise InputError(
            f"circuit must be one of {', '.join(CIRCUITS)}; got {circuit!r}."
        )
    if wires not in WIRES:
        raise InputError(f"wires must be one of {', '.join(WIRES)}; got {wires!r}.")
    if wires == "exact" and circuit == "ideal":
        raise InputError(
            "Circuit 'ideal' has no wires that could be exact: take circuit 'map' or"
            " 'full' for them."
        )


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Shape and strategy of a multi-layer perceptron; a checkpoint carries it."""

    sizes: tuple[int, ...] = (144, 64, 10)
    """[-] Inputs, hidden neurons, outputs."""

    columns_per_output: int = 4
    """[-] Columns strapped into each output of the last layer."""

    redundancy: int = 1
    """[-] Cells in parallel for each: its column stands so many times, strapped."""

    ternary: bool = False
    """Pairs may be off (HRS, HRS), not only +1 and -1."""

    n_bias: int = 0
    """[-] Bias pairs of every layer, driven with the constant code 15; each may be
    +1, -1 or off."""

    trim: bool = False
    """Five more pairs in every layer, with the constant codes 15, 8, 4, 2 and 1: off
    as trained, programmed on each chip after its test against the neurons' offsets."""

    def __post_init__(self):
        if len(self.sizes) < 3 or min(self.sizes) < 1 or self.sizes[-1] < 2:
            raise InputError(
                "A network needs sizes like 144-64-10: inputs, one or more hidden"
                f" layers, outputs; got {'-'.join(map(str, self.sizes))}."
            )
        if min(self.columns_per_output, self.redundancy) < 1 or self.n_bias < 0:
            raise InputError(
                "columns_per_output and redundancy must be 1 or more, n_bias 0 or more;"
                f" got {self.columns_per_output}, {self.redundancy} and {self.n_bias}."
            )
        for k, (pairs, columns) in enumerate(self.weight_shapes):
            if 2 * pairs * columns > MAX_CELLS:
                raise InputError(
                    f"A layer may have {MAX_CELLS} cells, two a weight, and layer {k}"
                    f" of {self.name} has more; columns_per_output ="
                    f" {self.columns_per_output}, redundancy = {self.redundancy},"
                    f" n_bias = {self.n_bias}."
                )

    @property
    def name(self) -> str:
        """For example mlp-144-64-10."""
        return "mlp-" + "-".join(map(str, self.sizes))

    @property
    def constant_codes(self) -> tuple[int, ...]:
        """[-] Codes of the pairs behind a layer's inputs: bias pairs, trim pairs."""
        return (SLOTS,) * self.n_bias + (TRIM_CODES if self.trim else ())

    @property
    def columns(self) -> tuple[int, ...]:
        """[-] Columns an output, layer by layer."""
        k = self.redundancy
        return (k,) * (len(self.sizes) - 2) + (k * self.columns_per_output,)

    @property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """(pairs, columns) of each layer, bias and trim pairs included."""
        # Not the length of `constant_codes`: what is refused may be any number long.
        constants = self.n_bias + len(TRIM_CODES) * self.trim
        return tuple(
            (n_in + constants, n_out * columns)
            for n_in, n_out, columns in zip(
                self.sizes, self.sizes[1:], self.columns, strict=False
            )
        )


def count_macs(sizes: Sequence[int]) -> int:
    """[-] Multiplications by a weight, an image: inputs times outputs of each layer.

    A weight is one, however many columns carry it; bias and trim pairs are none.
    """
    return sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))


def parse_sizes(name: str) -> tuple[int, ...]:
    """Sizes from a name such as `mlp-144-64-10` or `144-64-10`.

    Raises:
        InputError: The name is not of that form.
    """
    if not re.fullmatch(r"(mlp-)?\d{1,5}(-\d{1,5}){2,8}", name):
        raise InputError(
            f"A network is named by its sizes, such as mlp-144-64-10; got {name!r}."
        )
    return tuple(int(part) for part in name.removeprefix("mlp-").split("-"))


@dataclass(frozen=True, kw_only=True)
class CircuitConfig:
    """Design choices of the circuit around the cells. SI units."""

    tile: TileConfig = field(default_factory=TileConfig)
    """Tiles and wires; the driver resistances are replaced by the neuron card's."""

    v_read: float = 0.2
    """[V] Row swing about v_cm."""

    t_slot: float = 5e-9
    """[s] Slot of the pulse-width code."""

    i_bias: float = 20e-6
    """[A] Tail current of a neuron."""

    output_clocks: int = 4
    """[-] Edges a slot of the counter that reads the output layer's comparators."""

    neuron_card: str = "gmc-130nm"
    """Preset or path of the neuron card."""

    def __post_init__(self):
        if not 0.01 <= self.v_read <= 0.3:
            raise InputError(
                "v_read must lie between 0.01 and 0.3 V, where the cells keep their"
                f" state and the row switches work; got {self.v_read:g}."
            )


@dataclass(frozen=True, kw_only=True)
class ProgrammingConfig:
    """How chips are programmed: write-verify of all cells, and of chosen ones."""

    band_lrs: float | None = None
    """[-] Write-verify of all cells: half width of the band of ln R about the median of
    LRS; 0 writes blindly, by default the card's own."""

    band_hrs: float | None = None
    """[-] The same for HRS."""

    max_writes: int | None = None
    """[-] Programmings of a cell that this makes at most; by default the card's own."""

    verify_share: float = 0.0
    """[-] Selective write-verify: share of a chip's cells that are chosen after
    programming and programmed again; 0 for none."""

    verify_by: Literal["gradient", "deviation", "random"] = "gradient"
    """gradient: cells whose deviation costs most, by the gradient of the chip's loss on
    training images; deviation: cells that are furthest off, in conductance; random."""

    verify_band: float = 0.1
    """[-] Half width of the band of ln R that a chosen cell is programmed into."""

    verify_writes: int = 20
    """[-] Programmings of a chosen cell at most."""

    verify_rounds: int = 64
    """[-] By gradient: parts that the cells are chosen in, each from a new gradient."""

    def __post_init__(self):
        for name, low, high in (
            ("band_lrs", 0.0, 3.0),
            ("band_hrs", 0.0, 3.0),
            ("max_writes", 1, 1000),
            ("verify_share", 0.0, 1.0),
            ("verify_writes", 1, 1000),
            ("verify_rounds", 1, 1000),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"{name} lies between {low:g} and {high:g}; got {value:g}."
                )
        if not 0 < self.verify_band <= 3:
            raise InputError(
                "verify_band is a half width of ln R, above 0 and up to 3; got"
                f" {self.verify_band:g}."
            )
        if self.verify_by not in VERIFY_BY:
            raise InputError(
                f"verify_by must be one of {', '.join(VERIFY_BY)}; got"
                f" {self.verify_by!r}."
            )

    @property
    def calibrated(self) -> bool:
        """Whether cells are chosen on training images."""
        return self.verify_share > 0 and self.verify_by == "gradient"
