"""What a user chooses about a network and about the circuit around its cells."""

import re
from dataclasses import dataclass, field

from rram_jax.circuit.config import TileConfig
from rram_jax.errors import InputError
from rram_jax.neuron.config import SLOTS

CIRCUITS = ("ideal", "map", "full")
"""How much of the circuit the surrogate has: ideal wires and neurons; wires as the
attenuation map; the map and the neuron card with mismatch, noise and RTN."""

WIRES = ("map", "exact")
"""How a sampled array's wires are taken: by the map of the nominal array, or solved
for the very cells (`circuit.tile.layer_transfer`)."""

TRIM_CODES = (15, 8, 4, 2, 1)
"""[-] Constant codes of the trim pairs: any sum of codes from -30 to 30."""

TRIM_PATTERNS = 64
"""[-] Images that a chip with trim pairs is tested on."""

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
