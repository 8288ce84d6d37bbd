"""A user's own circuits in the neuron: which of our subcircuits they stand in for."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rram_jax.errors import InputError
from rram_jax.neuron.sizing import C_COUNTER
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS
from rram_jax.toml_file import check_file_name, check_name

_GM_AFTER_OUT = "vpre az azb rs rsb vbp vbn vcn vcp vdd"

PINS: Mapping[str, tuple[str, ...]] = {
    "gm_hidden": tuple(f"bl ref out dum {_GM_AFTER_OUT}".split()),
    "gm_output": tuple(f"bl ref out {_GM_AFTER_OUT}".split()),
    "latch": tuple("inp inn clk rs q qb vdd".split()),
    "comparator": tuple("inp inn q vbc vdd".split()),
}
"""Subcircuits that can be replaced, and their pins; 0 is ground.

    bl, ref        bit line and reference gate: the input is bl - ref
    out, dum       C_int, and v_pre held on a copy of it (before a latch only)
    vpre           level at which C_int starts
    az, azb        auto-zero and its complement: az high closes the loop
    rs, rsb        reset and its complement: rs high sets out and dum to vpre
    vbp, vbn       gates that carry the layer's bias current in p and n transistors
    vcn, vcp       gates of the cascodes
    inp, inn       compared voltages: q is 1 where inp > inn
    clk            a latch decides at its rising edge
    q, qb          the decision and its complement; rs high sets q to 1
    vbc            gate that carries a continuous comparator's bias current
    vdd            supply, with an ammeter
"""

SIZES: Mapping[str, tuple[str, ...]] = {
    "gm": (
        *("c_int", "c_copy", "c_hold"),
        *("width_scale", "reset_scale", "length_scale"),
    ),
    "latch": ("length_scale",),
    "comparator": ("length_scale",),
}
"""Parameters that a subcircuit of each block may declare to be told its operating point
(`rram_jax.neuron.sizing.size_neurons`): capacitors [F]; factors of the gm cell's widths
(bias current over 20 uA), of the reset switches' and of all lengths and widths [-]."""

HOLD = "hold"
"""Inner node of a gm cell that keeps the auto-zero's correction: the testbench measures
its noise there."""


_SCALES = {
    **{"t": 1e12, "g": 1e9, "meg": 1e6, "k": 1e3, "mil": 25.4e-6, "m": 1e-3},
    **{"u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18},
}
_NUMBER = re.compile(
    rf"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)({'|'.join(_SCALES)})?[a-z]*"
)
_SIZE = re.compile(r"\b([wl])=(\S+)")

OWN_MODELS = ("transistor models of the neuron netlist are the user's own",)
"""What is ideal in a deck then: no process stands behind them."""


def spice_number(text: str) -> float | None:
    """A literal number as ngspice reads it, in lower case; None for anything else.

    It may stand in braces: `1.5u`, `2meg`, `{-1k}`, and `1kohm`, as ngspice takes
    letters behind a scale for a unit.
    """
    number = _NUMBER.fullmatch(text.removeprefix("{").removesuffix("}"))
    return float(number[1]) * _SCALES.get(number[2], 1.0) if number else None


def block_of(kind: str) -> str:
    """`gm`, `latch` or `comparator`, as threshold shifts name them."""
    return kind.partition("_")[0]


def shift_names(kind: str) -> tuple[str, ...]:
    """Parameters of threshold shifts: `d_` and the name of our transistor."""
    prefix = f"{block_of(kind)}_"
    every = dict.fromkeys((*MISMATCHED, *MISMATCHED_ASYNCHRONOUS))
    return tuple(f"d_{n.removeprefix(prefix)}" for n in every if n.startswith(prefix))


@dataclass(frozen=True, kw_only=True)
class NetlistFile:
    """A neuron netlist's TOML file."""

    name: str
    """Short name, for messages."""

    source: str
    """Where the circuit comes from."""

    file: str
    """Netlist; a relative path starts at this file's own folder."""

    cells: Mapping[str, str]
    """Subcircuit of the netlist by what it replaces, a key of `PINS`."""

    def __post_init__(self):
        check_name(self.name, "neuron netlist")
        if not self.cells or not self.cells.keys() <= PINS.keys():
            raise InputError(
                f"`cells` of a neuron netlist names subcircuits for {', '.join(PINS)},"
                f" one or more; got {', '.join(sorted(self.cells))[:80] or 'none'}."
            )


@dataclass(frozen=True, kw_only=True)
class OwnCell:
    """A subcircuit in the place of ours, as checked text."""

    kind: str
    """What it replaces, a key of `PINS`."""

    parameters: Mapping[str, str]
    """With their default values."""

    lines: tuple[str, ...]
    """Between `.subckt` and `.ends`."""

    nodes: frozenset[str]
    """Of its own devices, pins included."""

    @property
    def shifts(self) -> frozenset[str]:
        """Names of our transistors whose threshold shift it takes."""
        return frozenset(
            name.removeprefix("d_")
            for name in shift_names(self.kind)
            if name in self.parameters
        )

    def text(self, name: str, sizes: Mapping[str, float]) -> str:
        """The subcircuit under one of our names.

        Args:
            name: What instances call it.
            sizes: [F] and [-] By the names of `SIZES`; those that it declares are
                told to it.
        """
        told = {k: f"{sizes[k]:.6g}" for k in self.parameters.keys() & sizes.keys()}
        settings = [f"{k}={v}" for k, v in ({**self.parameters, **told}).items()]
        head = " ".join([".subckt", name, *PINS[self.kind], *settings])
        lines = list(self.lines)
        if self.kind == "comparator":  # what our own one has inside
            lines.append(f"ccounter q 0 {C_COUNTER:g}")
        return "\n".join([head, *lines, f".ends {name}"])


@dataclass(frozen=True, kw_only=True)
class NeuronNetlist:
    """A user's subcircuits, read and checked (`rram_jax.ngspice.own_netlist`)."""

    name: str
    """Of the netlist."""

    path: str
    """Its TOML file, as it was given."""

    cells: Mapping[str, OwnCell]
    """By what they replace."""

    helpers: str = ""
    """Subcircuits that they call."""

    def __post_init__(self):
        check_file_name(self.path, "neuron netlist")  # cards will hold it

    @property
    def lines(self) -> Iterator[str]:
        """Of all subcircuits, in lower case."""
        for cell in self.cells.values():
            yield from cell.lines
        yield from self.helpers.splitlines()

    @property
    def ideal(self) -> tuple[str, ...]:
        """What decks with these circuits must name as ideal."""
        own = any(re.match(r"\.model \S+ [np]mos\b", line) for line in self.lines)
        return OWN_MODELS if own else ()

    def check_sizes(self, w_min: float, l_min: float):
        """Check its transistors' widths and lengths where they are literal numbers.

        Args:
            w_min: [m] Smallest width of the process.
            l_min: [m] Smallest length.

        Raises:
            InputError: A transistor is smaller than the process can make it.
        """
        for line in self.lines:
            for name, text in _SIZE.findall(line) if line[0] == "m" else ():
                size, least = spice_number(text), {"w": w_min, "l": l_min}[name]
                if size is not None and size < least * (1 - 1e-9):
                    raise InputError(
                        f"Neuron netlist {self.name!r} has a transistor `{line[:40]}`"
                        f" with {name}={text[:20]}, and the CMOS card's smallest is"
                        f" {1e6 * least:g} um: make it larger."
                    )

    @property
    def sha256(self) -> str:
        """Digest of all text: equal for equal circuits, wherever they lie."""
        cells = [self.cells[kind].text(kind, {}) for kind in sorted(self.cells)]
        return hashlib.sha256("\n".join([*cells, self.helpers]).encode()).hexdigest()
