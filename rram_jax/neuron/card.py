"""The neuron card: what the ngspice testbench said about a neuron, as a TOML file."""

import dataclasses
import hashlib
import itertools
import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from rram_jax.device.card import check_name
from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.model import NeuronParams
from rram_jax.neuron.technology import TECHNOLOGY, Technology
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS
from rram_jax.toml_file import load_record, packaged_names
from rram_jax.types import Array, Float


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which the card was measured; a neuron that differs needs its own card."""

    ngspice: str
    """Version of the simulator."""

    date: str
    """Day of the measurement."""

    i_bias: float
    """[A] Tail current."""

    t_slot: float
    """[s] Slot."""

    swing: float
    """[V] Swing of C_int at full scale."""

    shift_share: float
    """[-] v_shift over v_full on the output kind's testbench."""

    n_train: int
    """[-] Staircases that a fit saw."""

    n_test: int
    """[-] Staircases held out for `equal` and `within_1`."""

    cmos: str = "cmos-130nm"
    """CMOS card of the neuron's transistors."""

    corner: str = "tt"
    """One of its corners."""

    temperature: float = 27.0
    """[deg C]"""

    technology: Technology = TECHNOLOGY
    """What the neurons are sized by, derived from the CMOS card."""


@dataclass(frozen=True, kw_only=True)
class KindTable:
    """One kind of neuron (hidden or output) against its full scale."""

    clocks_per_slot: int
    """[-] Decisions in a slot of the ramp. A continuous comparator crosses alike
    whatever reads it, so there it is only what `equal` was counted at."""

    asynchronous: bool
    """With a continuous comparator instead of a clocked latch."""

    window: float
    """[s] Time over which the energies were summed: one conversion, auto-zero's tail
    included."""

    v_full: tuple[float, ...]
    """[V] Full scales of the testbench, rising; the columns of everything below."""

    gain: tuple[float, ...]
    """[-] See `NeuronParams`."""

    offset: tuple[float, ...]
    """[slots] At a ramp advance of 0.5; `with_card` cancels it in the circuit."""

    leak: tuple[float, ...]
    """[1/s] See `NeuronParams`."""

    curve: tuple[float, ...]
    """[1/V^2] See `NeuronParams`."""

    pulse_excess: tuple[float, ...]
    """[slots] See `NeuronParams`."""

    noise_rms: tuple[float, ...]
    """[V] See `NeuronParams`."""

    residual_rms: tuple[float, ...]
    """[slots] Root mean square of measured minus modelled crossing, held out."""

    residual_max: tuple[float, ...]
    """[slots] The largest one, held out."""

    equal: tuple[float, ...]
    """[-] Share of held-out counts that the model gives exactly."""

    within_1: tuple[float, ...]
    """[-] Share of held-out counts that the model gives within one."""

    energy_gm: tuple[float, ...]
    """[J] Of one conversion: gm cell."""

    energy_latch: tuple[float, ...]
    """[J] Of one conversion: latch and its set-reset latch, or the comparator."""

    energy_gate: tuple[float, ...]
    """[J] Of one conversion: pulse gate, with one pair of row drivers behind it."""

    energy_bias: tuple[float, ...]
    """[J] Of a layer's bias block over the window: once a layer, not a neuron."""


@dataclass(frozen=True, kw_only=True)
class SlopeTable:
    """What a threshold shift of one transistor does to one kind of neuron."""

    equal: float
    """[-] Share of counts of neurons with random thresholds that the model gives
    exactly (middle of the grid, staircases and draws not used in any fit)."""

    within_1: float
    """[-] Share of them that it gives within one."""

    v_full: tuple[float, ...]
    """[V] Full scales of the testbench, rising."""

    offset: dict[str, tuple[float, ...]]
    """[slots/V] Of the crossing, by transistor."""

    gain: dict[str, tuple[float, ...]]
    """[1/V] Of the crossing's gain, by transistor."""


@dataclass(frozen=True, kw_only=True)
class MismatchTable:
    """Threshold mismatch: how large it is and what it does."""

    a_vt: float
    """[V m] Pelgrom's coefficient: sigma = a_vt / sqrt(W L)."""

    hidden: SlopeTable
    """Neurons with a clocked latch: `MISMATCHED`."""

    output: SlopeTable
    """Neurons with a continuous comparator: `MISMATCHED_ASYNCHRONOUS`."""


@dataclass(frozen=True, kw_only=True)
class DriverResistance:
    """The row drivers under load."""

    r_driver: float
    """[Ohm] Wanted on-resistance, from which the widths follow."""

    g_row: float
    """[S] Load of each row, to v_cm."""

    r_pos: float
    """[Ohm] Measured on the rows driven to v_cm + v_read."""

    r_neg: float
    """[Ohm] Measured on the rows driven to v_cm - v_read."""

    r_rest: float
    """[Ohm] Measured on rows at rest."""


@dataclass(frozen=True, kw_only=True)
class NeuronCard:
    """Fitted behaviour of the neurons of one technology. SI units."""

    name: str
    """Short name, used in tables and file names."""

    source: str
    """How the numbers were made."""

    conditions: Conditions
    driver: DriverResistance
    hidden: KindTable
    output: KindTable
    mismatch: MismatchTable

    def __post_init__(self):
        check_name(self.name, "neuron card")
        if self.hidden.asynchronous or not self.output.asynchronous:
            raise InputError(
                f"Neuron card {self.name!r}: hidden neurons have a clocked latch and"
                " output neurons a continuous comparator (asynchronous = true)."
            )
        tables = {
            "hidden": self.hidden,
            "output": self.output,
            "mismatch.hidden": self.mismatch.hidden,
            "mismatch.output": self.mismatch.output,
        }
        for name, table in tables.items():
            grid = table.v_full
            if len(grid) < 2 or any(a >= b for a, b in itertools.pairwise(grid)):
                raise InputError(
                    f"Neuron card {self.name!r}: {name}.v_full must hold two or more"
                    " rising values, in volts."
                )
            for field, column in _columns(table):
                if len(column) != len(grid):
                    raise InputError(
                        f"Neuron card {self.name!r}: {name}.{field} has {len(column)}"
                        f" values; v_full has {len(grid)}."
                    )
                if not all(map(math.isfinite, column)):
                    raise InputError(
                        f"Neuron card {self.name!r}: {name}.{field} must be finite."
                    )

        for kind, wanted in (
            ("hidden", MISMATCHED),
            ("output", MISMATCHED_ASYNCHRONOUS),
        ):
            for part in ("offset", "gain"):
                names = getattr(getattr(self.mismatch, kind), part)
                if set(names) != set(wanted):
                    raise InputError(
                        f"Neuron card {self.name!r}: mismatch.{kind}.{part} must hold a"
                        f" column for each of {', '.join(wanted)}; it differs in"
                        f" {', '.join(sorted(set(names) ^ set(wanted)))}."
                    )

    @property
    def sha256(self) -> str:
        """Digest of every number: equal for equal cards."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def kind(self, config: NeuronConfig) -> KindTable:
        """The table that describes these neurons.

        Raises:
            InputError: No table was measured with their comparator, clock, slot, bias
                or swing.
        """
        for field in ("i_bias", "t_slot", "swing"):
            have, want = getattr(self.conditions, field), getattr(config, field)
            if not math.isclose(have, want, rel_tol=1e-6):
                raise InputError(
                    f"Neuron card {self.name!r} was measured at {field} = {have:g}, and"
                    f" the neuron has {want:g}: measure a card of its own."
                )
        if config.technology != self.conditions.technology:
            have, want = self.conditions.technology, config.technology
            raise InputError(
                f"Neuron card {self.name!r} was measured with CMOS card"
                f" {self.conditions.cmos!r} ({have.told}), and the neuron is sized for"
                f" {want.told}: size it by the card's own technology, or measure a card"
                " of its own."
            )
        if config.asynchronous:
            return self.output
        if config.clocks_per_slot == self.hidden.clocks_per_slot:
            return self.hidden
        raise InputError(
            f"Neuron card {self.name!r} holds latches of {self.hidden.clocks_per_slot}"
            f" clocks a slot, and the neuron has {config.clocks_per_slot}: measure a"
            " card of its own, or take a continuous comparator (asynchronous=True)."
        )

    def at(self, config: NeuronConfig, field: str) -> float:
        """One column of the kind's table at the neuron's full scale."""
        table = self.kind(config)
        return float(self._interpolate(config, table.v_full, getattr(table, field)))

    def params(self, config: NeuronConfig) -> NeuronParams:
        """Behaviour of these neurons, before mismatch (float32)."""

        def column(field: str) -> Float[Array, ""]:
            return jnp.asarray(self.at(config, field), jnp.float32)

        def value(x: float) -> Float[Array, ""]:
            return jnp.asarray(x, jnp.float32)

        return NeuronParams(
            gain=column("gain"),
            offset=column("offset") - value(config.ramp_advance - 0.5),
            leak=column("leak"),
            curve=column("curve"),
            pulse_excess=column("pulse_excess"),
            noise_rms=column("noise_rms"),
            v_full=value(config.v_full),
            v_shift=value(config.v_shift),
            t_slot=value(config.t_slot),
            ramp_advance=value(config.ramp_advance),
        )

    def slopes(
        self, config: NeuronConfig
    ) -> tuple[Float[Array, " transistors"], Float[Array, " transistors"]]:
        """Slopes of offset [slots/V] and gain [1/V], as `config.mismatched` orders."""
        self.kind(config)
        table = self.mismatch.output if config.asynchronous else self.mismatch.hidden
        offset, gain = (
            [
                self._interpolate(config, table.v_full, column[name])
                for name in config.mismatched
            ]
            for column in (table.offset, table.gain)
        )
        return jnp.asarray(offset, jnp.float32), jnp.asarray(gain, jnp.float32)

    def driver_resistance(self, config: NeuronConfig) -> tuple[float, float]:
        """[Ohm] Row drivers on positive and negative rows: inverse to their width."""
        scale = config.r_driver / self.driver.r_driver
        return self.driver.r_pos * scale, self.driver.r_neg * scale

    def _interpolate(self, config: NeuronConfig, grid, column) -> float:
        """Linear in ln(v_full); outside the grid an error."""
        v = config.v_full
        if not grid[0] * (1 - 1e-9) <= v <= grid[-1] * (1 + 1e-9):
            raise InputError(
                f"Neuron card {self.name!r} holds from {grid[0]:g} to {grid[-1]:g} V of"
                f" full scale, and the neuron has {v:g} V: change the layer's full"
                " scale or measure a wider card."
            )
        return float(np.interp(math.log(v), np.log(grid), column))


def _columns(table):
    """(name, values) of every column of a table."""
    for field in dataclasses.fields(table):
        value = getattr(table, field.name)
        if isinstance(value, dict):
            yield from ((f"{field.name}.{key}", v) for key, v in value.items())
        elif isinstance(value, tuple):
            yield field.name, value


def with_card(config: NeuronConfig, card: NeuronCard) -> NeuronConfig:
    """The same neurons with their common offset cancelled by the ramp's start."""
    return dataclasses.replace(config, ramp_advance=0.5 + card.at(config, "offset"))


_PACKAGED = resources.files("rram_jax.neuron") / "presets"


def preset_names() -> list[str]:
    """Names of the cards that come with the package."""
    return packaged_names(_PACKAGED)


def load_neuron_card(name_or_path: str | Path = "gmc-130nm") -> NeuronCard:
    """Read a neuron card: a preset's name or the path of a TOML file.

    Raises:
        InputError: There is no such card, or its text is not a valid one.
    """
    return load_record(name_or_path, _PACKAGED, NeuronCard, "neuron card")
