"""The neuron card: what the ngspice testbench said about a neuron, as a TOML file."""

import dataclasses
import hashlib
import json
import math
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jax.numpy as jnp

from rram_jax.errors import InputError
from rram_jax.neuron.box import Box
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.energy import EnergyLaws, NeuronEnergy, neuron_energy
from rram_jax.neuron.law import Law, OperatingPoint, evaluate, operating_point
from rram_jax.neuron.model import NeuronParams
from rram_jax.neuron.technology import TECHNOLOGY, Technology
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS
from rram_jax.toml_file import check_file_name, check_name, load_record, packaged_names
from rram_jax.types import Array, Float

EDGE_POWER = -0.55
"""[-] Power of the drivers' resistance that `DriverResistance.edge` follows: -10.7,
-7.1, -4.9 and -4.4 pV s at 8, 16, 32 and 40 Ohm (`rram_jax.ngspice.effects.array`)."""

CROSSING = ("gain", "offset", "leak", "curve", "lag")
"""Laws that a crossing follows."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which the card was measured."""

    ngspice: str
    """Version of the simulator."""

    date: str
    """Day of the measurement."""

    shift_share: float
    """[-] v_shift over v_full on the output kind's testbench."""

    n_points: int
    """[-] Operating points that each kind's laws were fitted to."""

    n_held_out: int
    """[-] Others at which they were judged."""

    n_staircases: int
    """[-] Of each operating point."""

    cmos: str = "cmos-130nm"
    """CMOS card of the neuron's transistors."""

    corner: str = "tt"
    """One of its corners."""

    temperature: float = 27.0
    """[deg C]"""

    technology: Technology = TECHNOLOGY
    """What the neurons are sized by, derived from the CMOS card."""

    netlist: str = ""
    """TOML file of own circuits in the neurons; all ours where empty."""

    netlist_sha256: str = ""
    """Digest of their text (`NeuronNetlist.sha256`)."""

    def __post_init__(self):
        check_file_name(self.netlist, "neuron netlist")
        if not re.fullmatch(r"([0-9a-f]{64})?", self.netlist_sha256):
            raise InputError(
                "A neuron card's netlist_sha256 is 64 hexadecimal digits, or empty"
                f" without own circuits; got {self.netlist_sha256[:80]!r}."
            )


@dataclass(frozen=True, kw_only=True)
class KindLaws:
    """One kind of neuron, hidden or output, as laws of its operating point."""

    clocks_per_slot: int
    """[-] Decisions in a slot of the ramp. A continuous comparator crosses alike
    whatever reads it, so there it is only what `equal` was counted at."""

    asynchronous: bool
    """With a continuous comparator instead of a clocked latch."""

    gain: Law
    """[-] See `NeuronParams`."""

    offset: Law
    """[slots] At a ramp advance of 0.5; `with_card` cancels it in the circuit."""

    leak: Law
    """[1/s] See `NeuronParams`."""

    curve: Law
    """[1/V^2] See `NeuronParams`."""

    lag: Law
    """[s] See `NeuronParams`."""

    pulse_excess: Law
    """[slots] See `NeuronParams`."""

    noise_variance: Law
    """[V^2] See `NeuronParams.noise_rms`."""

    residual_rms: float
    """[slots] Root mean square of measured minus modelled crossing, held out."""

    residual_max: float
    """[slots] The largest one, held out."""

    equal: float
    """[-] Share of held-out counts that the model gives exactly."""

    within_1: float
    """[-] Share of held-out counts that the model gives within one."""


@dataclass(frozen=True, kw_only=True)
class SlopeLaws:
    """What a threshold shift of one transistor does to one kind of neuron.

    A slope is the sum of its coefficients times the terms, which all transistors share.
    """

    equal: float
    """[-] Share of counts of neurons with random thresholds that the model gives
    exactly (the usual neuron, staircases and draws not used in any fit)."""

    within_1: float
    """[-] Share of them that it gives within one."""

    offset_terms: Law
    """[-] Of the offsets' slopes."""

    offset: dict[str, tuple[float, ...]]
    """[slots/V] Coefficients of the crossing's slope, by transistor."""

    gain_terms: Law
    """[-] Of the gains' slopes."""

    gain: dict[str, tuple[float, ...]]
    """[1/V] Coefficients of the gain's slope, by transistor."""


@dataclass(frozen=True, kw_only=True)
class MismatchLaws:
    """Threshold mismatch: how large it is and what it does."""

    a_vt: float
    """[V m] Pelgrom's coefficient: sigma = a_vt / sqrt(W L)."""

    hidden: SlopeLaws
    """Neurons with a clocked latch: `MISMATCHED`."""

    output: SlopeLaws
    """Neurons with a continuous comparator: `MISMATCHED_ASYNCHRONOUS`."""

    def __post_init__(self):
        if not 0 <= self.a_vt <= 1e-6:
            raise InputError(
                "A neuron card's a_vt lies between 0 and 1e-6 V m; got"
                f" {self.a_vt:g}: 4 mV um are 4e-9 V m."
            )


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

    edge: float
    """[V s] See `NeuronParams`; with drivers of `r_driver`."""

    def __post_init__(self):
        for name in ("r_driver", "g_row", "r_pos", "r_neg", "r_rest"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(
                    f"A neuron card's drivers need {name} > 0, in SI units; got"
                    f" {value:g}."
                )
        if not math.isfinite(self.edge):
            raise InputError(
                f"A neuron card's drivers need a finite edge; got {self.edge:g}."
            )


@dataclass(frozen=True, kw_only=True)
class NeuronCard:
    """Fitted behaviour of the neurons of one technology. SI units."""

    name: str
    """Short name, used in tables and file names."""

    source: str
    """How the numbers were made."""

    conditions: Conditions
    box: Box
    driver: DriverResistance
    hidden: KindLaws
    output: KindLaws
    mismatch: MismatchLaws
    energy: EnergyLaws

    def __post_init__(self):
        check_name(self.name, "neuron card")
        if self.hidden.asynchronous or not self.output.asynchronous:
            raise InputError(
                f"Neuron card {self.name!r}: hidden neurons have a clocked latch and"
                " output neurons a continuous comparator (asynchronous = true)."
            )
        for kind, wanted in (
            ("hidden", MISMATCHED),
            ("output", MISMATCHED_ASYNCHRONOUS),
        ):
            slopes = getattr(self.mismatch, kind)
            for part in ("offset", "gain"):
                columns, terms = getattr(slopes, part), getattr(slopes, f"{part}_terms")
                if differing := sorted(set(columns) ^ set(wanted)):
                    raise InputError(
                        f"Neuron card {self.name!r}: mismatch.{kind}.{part} must hold a"
                        f" row for each of {', '.join(wanted)}; it differs in"
                        f" {', '.join(repr(x[:40]) for x in differing[:4])}."
                    )
                for name, row in columns.items():
                    if len(row) != len(terms) or not all(map(math.isfinite, row)):
                        raise InputError(
                            f"Neuron card {self.name!r}: mismatch.{kind}.{part}.{name}"
                            f" must hold {len(terms)} finite coefficients, one a term;"
                            f" got {len(row)}."
                        )

    @property
    def swing(self) -> float:
        """[V] Of C_int in its neurons: the usual one, moved into the box."""
        low, high = self.box.swing
        return min(max(NeuronConfig.swing, low), high)

    @property
    def sha256(self) -> str:
        """Digest of every number: equal for equal cards."""
        told = dataclasses.asdict(self)
        if not self.conditions.netlist:  # as cards were before they could have one
            del told["conditions"]["netlist"], told["conditions"]["netlist_sha256"]
        text = json.dumps(told, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def kind(self, config: NeuronConfig) -> KindLaws:
        """The laws that describe these neurons.

        Raises:
            InputError: They lie outside the card's box, or none were measured with
                their comparator's clock.
        """
        if config.technology != self.conditions.technology:
            have, want = self.conditions.technology, config.technology
            raise InputError(
                f"Neuron card {self.name!r} was measured with CMOS card"
                f" {self.conditions.cmos!r} ({have.told}), and the neuron is sized for"
                f" {want.told}: size it by the card's own technology, or measure a card"
                " of its own."
            )
        self.box.check(config, self.name)
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
        """Value of one of the kind's laws for these neurons."""
        law = getattr(self.kind(config), field)
        return float(evaluate(law, operating_point(config)))

    def params(
        self, config: NeuronConfig, point: OperatingPoint | None = None
    ) -> NeuronParams:
        """Behaviour of these neurons, before mismatch.

        Args:
            config: The neurons; the circuit's `ramp_advance` and `v_shift` are theirs.
            point: Where the laws are evaluated, to differentiate by; the neurons' own
                where None.

        Returns:
            Params in the point's dtype, float32 where None.
        """
        laws = self.kind(config)
        point = operating_point(config) if point is None else point
        names = (*CROSSING, "pulse_excess")
        values = {name: evaluate(getattr(laws, name), point) for name in names}
        variance = evaluate(laws.noise_variance, point)
        values["noise_rms"] = jnp.sqrt(jnp.maximum(variance, 0.0))
        wider = config.r_driver / self.driver.r_driver
        edge = jnp.asarray(self.driver.edge * wider**EDGE_POWER, variance.dtype)
        values["offset"] = values["offset"] - (config.ramp_advance - 0.5)
        like = jnp.zeros_like(values["gain"])
        return NeuronParams(
            **values,
            edge=edge,
            v_full=point.v_full,
            v_shift=like + config.v_shift,
            t_slot=point.t_slot,
            ramp_advance=like + config.ramp_advance,
        )

    def energy_of(
        self,
        config: NeuronConfig,
        codes: Float[Array, "*batch"],
        point: OperatingPoint | None = None,
        n_drivers: int = 1,
    ) -> NeuronEnergy:
        """[J] A conversion by block; see `neuron_energy`.

        Raises:
            InputError: The neurons lie outside the card's box.
        """
        self.kind(config)
        point = operating_point(config) if point is None else point
        return neuron_energy(self.energy, point, config, codes, n_drivers)

    def slopes(
        self, config: NeuronConfig, point: OperatingPoint | None = None
    ) -> tuple[Float[Array, " transistors"], Float[Array, " transistors"]]:
        """Slopes of offset [slots/V] and gain [1/V], as `config.mismatched` orders.

        `point`: where the laws are evaluated, as in `params`.
        """
        self.kind(config)
        laws = self.mismatch.output if config.asynchronous else self.mismatch.hidden
        point = operating_point(config) if point is None else point

        def column(part: str) -> Float[Array, " transistors"]:
            terms, rows = getattr(laws, f"{part}_terms"), getattr(laws, part)
            basis = jnp.stack([evaluate((term,), point) for term in terms])
            matrix = [rows[name] for name in config.mismatched]
            return jnp.asarray(matrix, basis.dtype) @ basis

        return column("offset"), column("gain")

    def driver_resistance(self, config: NeuronConfig) -> tuple[float, float]:
        """[Ohm] Row drivers on positive and negative rows: inverse to their width."""
        scale = config.r_driver / self.driver.r_driver
        return self.driver.r_pos * scale, self.driver.r_neg * scale


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
