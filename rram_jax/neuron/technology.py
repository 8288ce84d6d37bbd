"""What a process gives a neuron: supply, levels, lengths and the speed of its parts."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rram_jax.errors import InputError

if TYPE_CHECKING:
    from rram_jax.neuron.cmos import CmosCard

V_DD_MIN = 1.5
"""[V] Below it the folded cascode does not stand: v_pre, a PMOS pair's gate-source
voltage of 0.65 V and 0.15 V over its tail."""

HEADROOM = 0.35
"""[V] What stays between C_int's highest level and the supply: the cascoded mirror."""

V_EFFECTIVE = 0.544
"""[V] Threshold of a row switch with its body effect: the reciprocals of our three
on-resistances fall on a line over the level that ends this far below the supply."""

KP_N, KP_P = 2.9e-4, 0.86e-4
"""[A/V^2] Mobility times oxide capacitance of our own n and p transistors."""

COEFFICIENT = 1.67
"""[-] Inversion coefficient of our input pair: 0.25 uA a square over
2 n KP_P U_T^2 = 0.15 uA, with n = 1.3."""


_LIMITS = {
    "l_min": (1e-9, 1e-4),
    "gm_per_ampere": (0.1, 40.0),  # weak inversion at room temperature gives 38.7 / n
    "c_parasitic": (1e-18, 1e-9),
    "lead": (1e-13, 1e-6),
    "t_clock_min": (1e-13, 1e-6),
    "t_comparator": (1e-13, 1e-6),
    "width_ohm": (1e-7, 10.0),
}
"""Smallest and largest value of numbers that no circuit is made of beyond."""


@dataclass(frozen=True, kw_only=True)
class Technology:
    """Numbers of one process that neurons are sized by. SI units.

    The defaults are those of our own card, `cmos-130nm`, found on its testbenches;
    `technology_of` derives those of another card.
    """

    v_dd: float = 1.8
    """[V] Supply."""

    v_cm: float = 0.4
    """[V] Level at which rows, bit lines and reference gates rest."""

    v_pre: float = 0.8
    """[V] Level at which C_int starts and which the ramp runs it back to."""

    l_min: float = 0.15e-6
    """[m] Gate length of logic and switches; the tables' sizes scale with it."""

    gm_per_ampere: float = 8.4
    """[1/V] gm of the pair over its tail current: 168 uS at 20 uA, from the slope of
    `out` on the testbench."""

    c_parasitic: float = 30e-15
    """[F] What the gm cell of `I_UNIT`, the switches and the latch put beside C_int."""

    lead: float = 0.33e-9
    """[s] Clock edge ahead of the slot boundary: the latch's delay, so that output
    pulses end on the boundary."""

    t_clock_min: float = 1e-9
    """[s] Shortest clock period at which the latch decides at all, its inputs at v_pre;
    how true its codes are there is the neuron card's to say."""

    t_comparator: float = 5.8e-9
    """[s] Delay of the continuous comparator at a ramp of 6 mV/ns: its counter starts
    so much later. What it is off by belongs to the neuron card's offset."""

    width_ohm: tuple[float, float, float] = (1.439e-3, 1.081e-3, 0.8874e-3)
    """[Ohm m] Width times on-resistance of a row switch to v_cm + v_read, v_cm and
    v_cm - v_read, gate at v_dd, rows of 4 mS behind 16 Ohm: equal widths would give
    73, 54 and 44 Ohm."""

    def __post_init__(self):
        if not V_DD_MIN <= self.v_dd <= 10:
            raise InputError(
                f"A neuron works at supplies from {V_DD_MIN:g} to 10 V; got"
                f" {self.v_dd:g} V: take a CMOS card, or its thick-oxide devices, of"
                f" {V_DD_MIN:g} V or more."
            )
        if not 0 < self.v_cm < self.v_pre < self.v_dd:
            raise InputError(
                "A neuron needs 0 < v_cm < v_pre < v_dd, in volts; got v_cm ="
                f" {self.v_cm:g}, v_pre = {self.v_pre:g} and v_dd = {self.v_dd:g}."
            )
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                if not low <= number <= high:
                    raise InputError(
                        f"A neuron's {name} lies between {low:g} and {high:g}, in SI"
                        f" units; got {number:g}."
                    )

    @property
    def told(self) -> str:
        """Supply and gate length, for messages."""
        return f"{self.v_dd:g} V, {1e6 * self.l_min:g} um"

    @property
    def scale(self) -> float:
        """[-] Lengths and widths over those of the tables, W/L kept."""
        return self.l_min / 0.15e-6

    @property
    def c_int_min(self) -> float:
        """[F] With a smaller integration capacitor the parasitics rule the neuron."""
        return 0.5 * self.c_parasitic

    @property
    def swing_max(self) -> float:
        """[V] Largest swing of C_int: from v_pre to `HEADROOM` below the supply."""
        return round(self.v_dd - self.v_pre - HEADROOM, 9)


TECHNOLOGY = Technology()
"""Our own process, `cmos-130nm`."""


def technology_of(card: "CmosCard") -> Technology:
    """Derive the neuron's numbers of a CMOS card, first order, from our own process's.

    With s = l_min / 0.15 um, v = v_dd / 1.8 V and k the card's `kp_n` or `kp_p` over
    ours:

        v_cm, v_pre       x v: shares of the supply
        W, L              x s, so that W/L is kept
        gm_per_ampere     x f(c / k_p) / f(c), f(c) = 2 / (1 + sqrt(1 + 4 c)) and c the
                          pair's inversion coefficient (Enz, Krummenacher, Vittoz 1995)
        c_parasitic       x s: junctions and overlaps grow with the width
        lead, t_clock_min x s^2 / (k_n u), u the latch's overdrive v_pre - 0.47 V over
        t_comparator      ours for the first two; the last has a current of its own, x s
        width_ohm         x s / k_n and (1.256 V - level) / (v_dd - 0.544 V - level):
                          a switch in its ohmic range, ours at 0.6, 0.4 and 0.2 V

    The same-gm dual slope cancels gm and capacitors, and what these numbers are off by
    is measured into the neuron card: offset, gain, driver resistances, pulse excess.

    Args:
        card: The process; only `v_dd`, `l_min`, `kp_n` and `kp_p` are used.

    Returns:
        `TECHNOLOGY` itself for a card with our supply, length and `kp`.

    Raises:
        InputError: The supply is too low for the folded cascode.

    References:
        Enz, Krummenacher, Vittoz, "An analytical MOS transistor model valid in all
        regions of operation", Analog Integrated Circuits and Signal Processing 8
        (1995), 10.1007/BF01239381.
    """
    ours = TECHNOLOGY
    s, v = card.l_min / ours.l_min, card.v_dd / ours.v_dd
    k_n, k_p = card.kp_n / KP_N, card.kp_p / KP_P
    v_cm, v_pre = v * ours.v_cm, v * ours.v_pre
    delay = s**2 / k_n * (ours.v_pre - 0.47) / max(v_pre - 0.47, 1e-3)

    def switch(index: int, read: float) -> float:
        over = ours.v_dd - V_EFFECTIVE - ours.v_cm - read
        own = card.v_dd - V_EFFECTIVE - v_cm - read
        return _six(ours.width_ohm[index] * (s / k_n) * over / own)

    return Technology(
        v_dd=card.v_dd,
        v_cm=_six(v_cm),
        v_pre=_six(v_pre),
        l_min=card.l_min,
        gm_per_ampere=_six(
            ours.gm_per_ampere * _weak(COEFFICIENT / k_p) / _weak(COEFFICIENT)
        ),
        c_parasitic=_six(ours.c_parasitic * s),
        lead=_six(ours.lead * delay),
        t_clock_min=_six(ours.t_clock_min * delay),
        t_comparator=_six(ours.t_comparator * s),
        width_ohm=(switch(0, 0.2), switch(1, 0.0), switch(2, -0.2)),
    )


def _six(x: float) -> float:
    """Six digits: what a neuron card's file keeps, so that its neurons are the same."""
    return float(f"{x:.6g}")


def _weak(c: float) -> float:
    """[-] gm over its weak-inversion limit at an inversion coefficient."""
    return 2 / (1 + math.sqrt(1 + 4 * c))
