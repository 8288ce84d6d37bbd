"""What to measure for a neuron card.

The command line's records hold a plan, so nothing heavy is imported before it is used.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rram_jax.errors import InputError
from rram_jax.neuron.config import I_MAX, NeuronConfig
from rram_jax.neuron.technology import TECHNOLOGY, Technology, technology_of

if TYPE_CHECKING:
    from rram_jax.neuron.cmos import CmosCard, Process

Range = tuple[float, float]
"""Smallest and largest value; equal ones keep a quantity where it is."""

USUAL = {"i_bias": 20e-6, "t_slot": 5e-9, "v_full": 8e-3, "swing": 0.45}
"""[A, s, V, V] Neuron that the sizes were drawn for."""

LINE = 8
"""[-] Points that share the usual bias, slot and swing and differ in full scale: where
most networks are."""

RAMP_ADVANCE = 0.8
"""[slots] From the reference step to the first decision, about what `with_card` makes
of it, so that the ramp has settled as far as in a network."""

V_FULL_MAX = 0.1
"""[V] Largest full scale: there the pair's current is compressed by a sixth."""

C_INT_FITTED = 25e-15
"""[F] With a smaller integration capacitor the latch's kick is no longer small; in a
technology of other parasitics as much more or less."""


@dataclass(frozen=True, kw_only=True)
class CharacterisePlan:
    """What a neuron card is measured for."""

    name: str = "gmc-130nm"
    """Name of the card."""

    i_bias: Range = (5e-6, 40e-6)
    """[A] Tail currents for which the card shall hold."""

    t_slot: Range = (2e-9, 10e-9)
    """[s] Slots."""

    v_full: Range = (3e-3, 30e-3)
    """[V] Full scales."""

    swing: Range = (0.2, 0.5)
    """[V] Swings of C_int at full scale: with the three above, its capacitor."""

    n_points: int = 40
    """[-] Operating points of each kind that the laws are fitted to."""

    n_held_out: int = 8
    """[-] Others, at which they are judged."""

    n_slopes: int = 10
    """[-] Operating points at which every transistor is shifted, one at a time."""

    n_energy: int = 14
    """[-] Operating points at which energy is measured."""

    n_staircases: int = 16
    """[-] Of each operating point."""

    n_neurons: int = 100
    """[-] With random thresholds, which judge the slopes."""

    output_clocks: int = 4
    """[-] Edges a slot of the counter behind the output kind's comparator."""

    shift_share: float = 0.3
    """[-] v_shift over v_full of the output kind."""

    seed: int = 0
    """Of operating points, staircases and mismatched neurons."""

    cmos: str = "cmos-130nm"
    """CMOS card."""

    corner: str = "tt"
    """One of its corners."""

    temperature: float = 27.0
    """[deg C]"""

    neuron_netlist: str | None = None
    """TOML file of own circuits in the neuron; by default they are ours."""

    def __post_init__(self):
        for name in USUAL:
            low, high = getattr(self, name)
            if not (math.isfinite(high) and 0 < low <= high):
                raise InputError(
                    f"{name} of a card is a range, smallest and largest value above 0;"
                    f" got {low:g} and {high:g}."
                )
        least = {"n_points": 4, "n_held_out": 1, "n_slopes": 2, "n_staircases": 8}
        least["n_energy"] = 4
        for name, few in least.items():
            if getattr(self, name) < few:
                raise InputError(
                    f"A card needs {name} of {few} or more; got {getattr(self, name)}."
                )
        if self.n_neurons < 8:
            raise InputError(
                f"A card needs 8 mismatched neurons or more; got {self.n_neurons}."
            )

    def check(self) -> None:
        """Check that its neurons can be built of its CMOS card.

        Raises:
            InputError: They cannot, or there is no such card, or its thresholds do not
                spread.
        """
        if self.a_vt == 0:
            raise InputError(
                f"CMOS card {self.cmos!r} has a_vt_n = a_vt_p = 0, and a neuron card"
                " says what its spread of thresholds does: give it Pelgrom's"
                " coefficients, such as 4e-9 (V m)."
            )
        technology = self.technology
        limits = {
            "i_bias": (0.1e-6, I_MAX, "A"),
            "t_slot": (technology.t_clock_min, 1e-6, "s"),
            "v_full": (0.1e-3, V_FULL_MAX, "V"),
            "swing": (0.05, technology.swing_max, "V"),
        }
        for name, (least, most, unit) in limits.items():
            low, high = getattr(self, name)
            if not least * (1 - 1e-9) <= low <= high <= most * (1 + 1e-9):
                raise InputError(
                    f"Neurons of CMOS card {self.cmos!r} can have {name} from"
                    f" {least:g} to {most:g} {unit}; got {low:g} to {high:g} {unit}."
                )
        for kind in ("hidden", "output"):
            self.usual(kind)
            self.points(kind)

    @cached_property
    def cmos_card(self) -> "CmosCard":
        """Its CMOS card, read once."""
        from rram_jax.neuron.cmos import load_cmos_card

        return load_cmos_card(self.cmos)

    @cached_property
    def technology(self) -> Technology:
        """What its CMOS card gives a neuron."""
        return technology_of(self.cmos_card)

    @cached_property
    def process(self) -> "Process":
        """Its transistors, and own circuits, read once.

        Raises:
            InputError: A file is missing or refused, or the card has no such corner.
        """
        from rram_jax.neuron.cmos import Process
        from rram_jax.ngspice.own_netlist import load_netlist

        own = self.neuron_netlist
        return Process(
            card=self.cmos_card,
            corner=self.corner,
            temperature=self.temperature,
            netlist=load_netlist(own) if own else None,
        )

    @property
    def a_vt(self) -> float:
        """[V m] Pelgrom's coefficient of its CMOS card.

        A neuron card has one for all transistors: the larger one of n and p.
        """
        return max(self.cmos_card.a_vt_n, self.cmos_card.a_vt_p)

    @property
    def c_int(self) -> float:
        """[F] Smallest capacitor that the laws are fitted to."""
        return C_INT_FITTED * self.technology.c_parasitic / TECHNOLOGY.c_parasitic

    def usual(self, kind: str) -> NeuronConfig:
        """The neuron in the middle of things: `USUAL`, moved into the ranges."""
        return self.config(kind, **self._usual())

    def points(self, kind: str) -> list[NeuronConfig]:
        """Neurons of every operating point: `n_points` to fit, `n_held_out` to judge.

        The first ones lie on a line of full scales, the others fill the box of the four
        ranges evenly in their logarithms (Sobol's sequence), without those whose C_int
        is too small to be built or fitted.
        """
        from scipy.stats import qmc

        found = []
        for v_full in self._line():
            found += self._built(kind, self._usual() | {"v_full": v_full})
        sequence = qmc.Sobol(len(USUAL), rng=self.seed)
        while len(found) < self.n_points + self.n_held_out:
            tried = len(found)
            for share in sequence.random(64):
                point = {}
                for name, x in zip(USUAL, share, strict=True):
                    low, high = getattr(self, name)
                    point[name] = _between(low, high, float(x))
                found += self._built(kind, point)
            if len(found) == tried:
                raise InputError(
                    "No neuron in these ranges can be built with a C_int of"
                    f" {self.c_int:g} F or more: raise t_slot, i_bias or v_full, or"
                    " lower swing."
                )
        return found[: self.n_points + self.n_held_out]

    def slope_points(self, kind: str) -> list[NeuronConfig]:
        """Those whose transistors are shifted."""
        return self._some(kind, self.n_slopes)

    def energy_points(self, kind: str) -> list[NeuronConfig]:
        """Those whose energy is measured."""
        return self._some(kind, self.n_energy)

    def config(self, kind: str, **point: float) -> NeuronConfig:
        """The neurons of a kind, `hidden` or `output`, at an operating point."""
        output = kind == "output"
        return NeuronConfig(
            i_bias=point["i_bias"],
            t_slot=point["t_slot"],
            v_full=point["v_full"],
            swing=point["swing"],
            v_shift=self.shift_share * point["v_full"] if output else 0.0,
            clocks_per_slot=self.output_clocks if output else 1,
            asynchronous=output,
            ramp_advance=RAMP_ADVANCE,
            technology=self.technology,
        )

    def _some(self, kind: str, n: int) -> list[NeuronConfig]:
        """A third of them on the line of full scales, the others from the box."""
        points, line = self.points(kind), len(self._line())
        few = max(n // 3, 1)
        picked = {round(k * (line - 1) / max(few - 1, 1)) for k in range(few)}
        return ([points[k] for k in sorted(picked)] + points[line:])[:n]

    def _line(self) -> list[float]:
        """[V] Full scales of the line; one where the range is a point."""
        n = min(LINE, self.n_points // 2)
        low, high = self.v_full
        shares = (k / max(n - 1, 1) for k in range(n))
        return list(dict.fromkeys(_between(low, high, x) for x in shares))

    def _usual(self) -> dict[str, float]:
        return {
            name: min(max(value, getattr(self, name)[0]), getattr(self, name)[1])
            for name, value in USUAL.items()
        }

    def _built(self, kind: str, point: dict[str, float]) -> list[NeuronConfig]:
        """The neuron, or none where it cannot be built."""
        try:
            config = self.config(kind, **point)
        except InputError:
            return []
        return [config] if config.c_int >= self.c_int else []


def _between(low: float, high: float, share: float) -> float:
    """Between two values in equal steps of their logarithm."""
    return low * (high / low) ** share
