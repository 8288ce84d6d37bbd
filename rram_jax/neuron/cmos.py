"""The CMOS card: which transistors a circuit is made of, as a TOML file."""

import dataclasses
import functools
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from rram_jax.errors import InputError
from rram_jax.neuron.netlist import NeuronNetlist
from rram_jax.neuron.technology import KP_N, KP_P
from rram_jax.spice_files import spice_dir
from rram_jax.toml_file import check_name, load_record, packaged_names

TYPICAL = "tt"
"""The corner that every card has."""

ROOM = 27.0
"""[deg C] Where a deck stands if nothing else is asked for: ngspice's own default."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Corner:
    """What a corner changes: a section of the include file, or parameters before it."""

    section: str = ""
    """Name behind `.lib FILE`; empty: the whole file is taken."""

    parameters: Mapping[str, float] = field(default_factory=dict)
    """`.param` lines ahead of the models."""

    def __post_init__(self):
        words = [*self.parameters, *([self.section] if self.section else [])]
        for word in words:
            if not _WORD.fullmatch(word):
                raise InputError(
                    "A corner's section and parameters are named by letters, digits"
                    f" and _, up to 64; got {word[:40]!r}."
                )
        if not all(map(math.isfinite, self.parameters.values())):
            raise InputError("A corner's parameters must be finite numbers.")


@dataclass(frozen=True, kw_only=True)
class CmosCard:
    """A process as decks need it. SI units, temperatures in degrees Celsius."""

    name: str
    """Of the card."""

    source: str
    """Where models and numbers come from."""

    include: str
    """Model file; a relative path starts at the card's own folder."""

    model_n: str
    """Name of the n transistor's model (or subcircuit) in the file."""

    model_p: str
    """Name of the p transistor's."""

    subcircuit: bool = False
    """The two names are subcircuits with the nodes d g s b and the parameters l, w, ad,
    as, pd, ps."""

    unit: float = 1.0
    """[m] Length that is 1 in those parameters; areas are in its square."""

    v_dd: float
    """[V] Supply."""

    w_min: float
    """[m] Smallest width."""

    l_min: float
    """[m] Smallest length."""

    a_vt_n: float
    """[V m] Pelgrom's coefficient of n transistors: sigma(V_t) = a_vt / sqrt(W L)."""

    a_vt_p: float
    """[V m] The same of p transistors."""

    a_beta: float
    """[m] sigma(beta) / beta = a_beta / sqrt(W L), n and p."""

    kp_n: float = KP_N
    """[A/V^2] Mobility times oxide capacitance of n transistors; by default ours."""

    kp_p: float = KP_P
    """[A/V^2] The same of p transistors."""

    temperature_low: float = 0.0
    """[deg C] Lowest temperature that the models are good for."""

    temperature_high: float = 85.0
    """[deg C] Highest."""

    corners: Mapping[str, Corner] = field(default_factory=lambda: {TYPICAL: Corner()})
    """By name; `tt` among them."""

    def __post_init__(self):
        check_name(self.name, "CMOS card")
        for name in ("v_dd", "w_min", "l_min", "unit"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(
                    f"`CmosCard` needs {name} > 0, in SI units; got {value:g}."
                )
        for name in ("w_min", "l_min"):
            if not 1e-9 <= getattr(self, name) <= 1e-4:
                raise InputError(
                    f"`CmosCard` takes {name} in metres, from 1e-9 to 1e-4; got"
                    f" {getattr(self, name):g}: 0.15 um is 0.15e-6."
                )
        if not 1e-9 <= self.unit <= 1:
            raise InputError(
                "`CmosCard` takes unit in metres, 1e-6 for models that take"
                f" micrometres, from 1e-9 to 1; got {self.unit:g}."
            )
        if self.v_dd > 100:
            raise InputError(
                f"`CmosCard` takes v_dd in volts, at most 100; got {self.v_dd:g}."
            )
        for name in ("kp_n", "kp_p"):
            value = getattr(self, name)
            if not 1e-6 <= value <= 1e-2:
                raise InputError(
                    f"`CmosCard` needs 1e-6 <= {name} <= 1e-2, in A/V^2; got"
                    f" {value:g}: 290 uA/V^2 are 2.9e-4."
                )
        for name in ("a_vt_n", "a_vt_p", "a_beta"):
            value = getattr(self, name)
            if not 0 <= value <= 1e-6:
                raise InputError(
                    f"`CmosCard` needs 0 <= {name} <= 1e-6, in SI units; got"
                    f" {value:g}: 4 mV um are 4e-9 V m, 1 % um are 1e-8 m."
                )
        if not -100 <= self.temperature_low <= self.temperature_high <= 300:
            raise InputError(
                "`CmosCard` needs -100 <= temperature_low <= temperature_high <= 300,"
                f" in degrees Celsius; got {self.temperature_low:g} and"
                f" {self.temperature_high:g}."
            )
        for name in (self.model_n, self.model_p, *self.corners):
            if not _WORD.fullmatch(name):
                raise InputError(
                    "Models and corners of a CMOS card are named by letters, digits and"
                    f" _, up to 64; got {name[:40]!r}."
                )
        if self.model_n.lower() == self.model_p.lower():
            raise InputError("`CmosCard` needs two models, n and p, of unequal names.")
        if TYPICAL not in self.corners:
            raise InputError(
                f"`CmosCard` needs a corner {TYPICAL!r}; got"
                f" {', '.join(sorted(self.corners)) or 'none'}."
            )

    def model(self, kind: str) -> str:
        """Name of the model of `n` or `p`."""
        return self.model_n if kind == "n" else self.model_p

    def a_vt(self, kind: str) -> float:
        """[V m] Pelgrom's coefficient of `n` or `p`."""
        return self.a_vt_n if kind == "n" else self.a_vt_p


@dataclass(frozen=True, kw_only=True)
class Process:
    """What a deck is made of: a card at a corner and temperature, own circuits."""

    card: CmosCard
    """Its transistors."""

    corner: str = TYPICAL
    """One of the card's corners; the letters are n's speed, then p's."""

    temperature: float = ROOM
    """[deg C]"""

    netlist: NeuronNetlist | None = None
    """A user's subcircuits in the neuron; all ours where None."""

    def __post_init__(self):
        card = self.card
        if self.corner not in card.corners:
            raise InputError(
                f"CMOS card {card.name!r} has no corner {self.corner[:80]!r}: take one"
                f" of {', '.join(card.corners)}."
            )
        if not card.temperature_low <= self.temperature <= card.temperature_high:
            raise InputError(
                f"CMOS card {card.name!r} holds from {card.temperature_low:g} to"
                f" {card.temperature_high:g} degrees Celsius; got"
                f" {self.temperature:g}."
            )
        if self.netlist:
            self.netlist.check_sizes(card.w_min, card.l_min)

    @property
    def ideal(self) -> tuple[str, ...]:
        """What decks must name as ideal in its own circuits."""
        return self.netlist.ideal if self.netlist else ()


_PACKAGED = resources.files("rram_jax.neuron") / "cmos_cards"


def cmos_names() -> list[str]:
    """Names of the cards that come with the package."""
    return packaged_names(_PACKAGED)


def load_cmos_card(name_or_path: str | Path = "cmos-130nm") -> CmosCard:
    """Read a CMOS card: a preset's name or the path of a TOML file.

    Returns:
        The card, with the absolute path of its model file.

    Raises:
        InputError: There is no such card, its text is not a valid one, or the model
            file is missing.
    """
    card = load_record(name_or_path, _PACKAGED, CmosCard, "CMOS card")
    preset = str(name_or_path) in cmos_names()
    beside = spice_dir() / "models" if preset else Path(name_or_path).parent
    path = beside / card.include
    if not os.path.isfile(path):
        raise InputError(
            f"CMOS card {card.name!r} includes {card.include[:200]!r}, and there is no"
            f" such file in {beside.resolve()}: give the model file's path, relative to"
            " the card or absolute."
        )
    return dataclasses.replace(card, include=str(path.resolve()))


@functools.cache
def default_process() -> Process:
    """Our own card, typical, at room temperature."""
    return Process(card=load_cmos_card())
