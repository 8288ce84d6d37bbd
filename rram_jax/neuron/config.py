"""What a layer asks of its neurons, and the sizes and instants that follow."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rram_jax.errors import InputError
from rram_jax.neuron.technology import TECHNOLOGY, Technology
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS

SLOTS = 15
"""[-] Slots of an integration, and of a ramp."""

V_READ = 0.2
"""[V] Row swing about v_cm for which the row drivers' widths are chosen."""

I_UNIT = 20e-6
"""[A] Tail current for which the transistor tables are written."""

WARM_UP = 2
"""[-] Clock edges before the first decision: the first kick of a latch differs."""

T_FREE = 1e-9
"""[s] The reset switch opens this long before integration starts."""

T_RESET = 6e-9
"""[s] The reset switch is closed so long, before integration and before auto-zero."""

T_GAP = 1e-9
"""[s] Between that reset and auto-zero."""

T_OUT_ZERO = 8e-9
"""[s] Auto-zero ends this long before integration starts: 1 ns, reset, 1 ns."""

C_HOLD = 3e-12
"""[F] Capacitor that holds the auto-zero's correction. With it the loop is slow enough
to sample little noise: 0.5 pF would take in as much as a whole conversion does."""

GM_AUX_PER_AMPERE = 1.0
"""[1/V] gm of the auto-zero's auxiliary pair over the tail current of the main one:
20 uS at 20 uA, from how fast conversions in a row forget (12.5 times in 2.5 taus)."""

C_UNIT = 200e-15
"""[F] C_int and its parasitics for which the reset switches' table is written."""

T_COUNTER_MIN = 0.4e-9
"""[s] Shortest clock period of the counter behind a continuous comparator."""

T_STEP = 0.5e-9
"""[s] The ramp's step needs so long to settle before the first decision, half a slot
after it."""

I_MAX = 60e-6
"""[A] Largest bias that was tried."""


@dataclass(frozen=True, kw_only=True)
class NeuronConfig:
    """One layer's neurons: gm-C integrator, auto-zero, same-gm dual slope, comparator.

    In the 15 slots of integration the pair's current gm (v_bl - v_ref) runs into C_int;
    then the reference gate steps up by `v_full`, and the same pair runs C_int back.
    The crossing, counted in slots after the step, is `15 (mean(v_bl) + v_shift) /
    v_full`, whatever gm, C_int and t_slot are. SI units.
    """

    v_full: float
    """[V] Full scale: bit-line deviation, mean over the 15 slots, that gives 15."""

    v_shift: float = 0.0
    """[V] The reference gate rests this far below v_cm while the neuron integrates, so
    that sums down to -v_shift are seen: output layers."""

    t_slot: float = 5e-9
    """[s] Slot."""

    i_bias: float = 20e-6
    """[A] Tail current of the pair; the gm cell's widths scale with it."""

    swing: float = 0.45
    """[V] Swing of C_int at full scale."""

    clocks_per_slot: int = 1
    """[-] Decisions in a slot of the ramp: 1 in hidden, 4 in output layers."""

    asynchronous: bool = False
    """Comparator: False for a latch that is clocked at each decision and ends a pulse
    (hidden layers), True for one that is continuous in time, whose crossing a counter
    reads at each decision (output layers)."""

    auto_zero_taus: float = 5.0
    """[-] Time constants for which the auto-zero's loop is closed (`t_auto_zero`): with
    5 a share of 0.7 % is left of what C_int takes out of the hold capacitor."""

    conversions_per_zero: int = 16
    """[-] Conversions from one auto-zero to the next: the hold capacitor keeps its
    correction far longer than that, and the loop's time is shared by all of them."""

    r_driver: float = 16.0
    """[Ohm] On-resistance wanted of the row drivers' switches."""

    ramp_advance: float = 0.5
    """[slots] From the reference step to the first decision: 0.5 rounds, and what
    stands above it cancels the offset that all neurons share (`with_card`)."""

    technology: Technology = TECHNOLOGY
    """Levels, lengths and speeds of the process; our own 130 nm one by default."""

    def __post_init__(self):
        for name in ("v_full", "t_slot", "swing", "r_driver", "auto_zero_taus"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(
                    f"`NeuronConfig` needs {name} > 0, in SI units; got {value:g}."
                )
        if not (math.isfinite(self.v_shift) and 0 <= self.v_shift <= 4 * self.v_full):
            raise InputError(
                "`NeuronConfig` needs 0 <= v_shift <= 4 v_full, in volts; got v_shift ="
                f" {self.v_shift:g} at v_full = {self.v_full:g}."
            )
        if self.clocks_per_slot < 1:
            raise InputError(
                "`NeuronConfig` needs at least one clock a slot; got clocks_per_slot ="
                f" {self.clocks_per_slot}."
            )
        if self.conversions_per_zero < 1:
            raise InputError(
                "`NeuronConfig` needs an auto-zero every conversions_per_zero >= 1"
                f" conversions; got {self.conversions_per_zero}."
            )
        if not -2 < self.ramp_advance < 4:
            raise InputError(
                "`NeuronConfig` needs -2 < ramp_advance < 4, in slots; got"
                f" {self.ramp_advance:g}."
            )
        check_possible(self)

    @property
    def width_scale(self) -> float:
        """[-] Widths of the gm cell over those of the transistor table."""
        return self.i_bias / I_UNIT

    @property
    def reset_scale(self) -> float:
        """[-] Widths of the reset switches over the table's: they follow C_int.

        With one size for all, the 6 ns of reset left a fifth of the auto-zero's level
        on a C_int of 0.5 pF, and an input offset came through tenfold.
        """
        return max(self.c_total / C_UNIT, 0.5)

    @property
    def c_total(self) -> float:
        """[F] C_int and what stands beside it: gm v_full 15 t_slot / swing."""
        gm = self.technology.gm_per_ampere * self.i_bias
        return gm * self.v_full * SLOTS * self.t_slot / self.swing

    @property
    def c_int(self) -> float:
        """[F] Integration capacitor."""
        return self.c_total - self.technology.c_parasitic * self.width_scale

    @property
    def mismatched(self) -> tuple[str, ...]:
        """Transistors that get a threshold shift, in the order of a draw."""
        return MISMATCHED_ASYNCHRONOUS if self.asynchronous else MISMATCHED

    @property
    def t_delay(self) -> float:
        """[s] Decisions come this much later than a latch would be clocked."""
        return self.technology.t_comparator if self.asynchronous else 0.0

    @property
    def t_auto_zero(self) -> float:
        """[s] One auto-zero: `auto_zero_taus` (C_hold + C) / gm_aux.

        While its switch is closed, the auxiliary pair's gm_aux charges the hold
        capacitor and C, what stands at `out`. C starts at v_pre and takes a share
        C / (C_hold + C) of the correction held, of which exp(-t / tau) is left after t:
        at the bit line that share of the cell's own offset, 4 mV rms at 4 mV um.
        """
        gm_aux = GM_AUX_PER_AMPERE * self.i_bias
        return self.auto_zero_taus * (C_HOLD + self.c_total) / gm_aux

    @property
    def t_busy(self) -> float:
        """[s] A conversion by itself: integration, a slot, ramp, a slot; reset."""
        return (2 * SLOTS + 2) * self.t_slot + self.t_delay + T_OUT_ZERO

    @property
    def t_period(self) -> float:
        """[s] A conversion with a reset and an auto-zero before it."""
        return self.t_busy + T_RESET + T_GAP + self.t_auto_zero

    @property
    def t_conversion(self) -> float:
        """[s] A conversion with its share of the auto-zero: the mean of many."""
        zero = T_RESET + T_GAP + self.t_auto_zero
        return self.t_busy + zero / self.conversions_per_zero

    @property
    def decisions(self) -> int:
        """[-] Decisions of one conversion; the largest count."""
        return SLOTS * self.clocks_per_slot

    @property
    def t_clock(self) -> float:
        """[s] Clock period."""
        return self.t_slot / self.clocks_per_slot

    @property
    def t_clock_min(self) -> float:
        """[s] Shortest clock period of its latch, or of its counter."""
        return T_COUNTER_MIN if self.asynchronous else self.technology.t_clock_min


def check_possible(config: NeuronConfig) -> None:
    """Refuse neurons that no sizes make, and say which number would do.

    Raises:
        InputError: The swing is more than the supply leaves, the slot is too short for
            the comparator or for the ramp's step, or the bias or the integration
            capacitor is too small.
    """
    technology = config.technology
    if config.swing > technology.swing_max:
        raise InputError(
            f"C_int cannot swing by {config.swing:g} V: above v_pre ="
            f" {technology.v_pre:g} V a supply of {technology.v_dd:g} V leaves"
            f" {technology.swing_max:g} V, so take swing <= {technology.swing_max:g}."
        )
    shortest = config.clocks_per_slot * config.t_clock_min
    if config.t_slot < shortest * (1 - 1e-9):
        who = "counter" if config.asynchronous else "latch"
        fit = int(config.t_slot / config.t_clock_min * (1 + 1e-9))
        fewer = f", or clocks_per_slot <= {fit}" if fit else ""
        raise InputError(
            f"A {who} needs a clock period of {config.t_clock_min:g} s or more; got"
            f" {config.clocks_per_slot} clocks in a slot of {config.t_slot:g} s: take"
            f" t_slot >= {round_up(shortest)}{fewer}."
        )
    if config.t_slot < 2 * T_STEP:
        raise InputError(
            f"The ramp's step needs {T_STEP:g} s to settle, half a slot; got t_slot ="
            f" {config.t_slot:g} s: take t_slot >= {2 * T_STEP:g}."
        )
    charge = technology.gm_per_ampere * config.v_full * SLOTS * config.t_slot
    least, beside = technology.c_int_min, technology.c_parasitic / I_UNIT
    spare = charge / config.swing - beside  # C_int per ampere of bias
    i_min = least / spare if spare > 0 else math.inf
    v_full = _v_full_for(I_UNIT, config)
    if not (math.isfinite(config.i_bias) and config.i_bias > 0):
        works = (
            f"take i_bias from {round_up(i_min)} to {I_MAX:g} A"
            if i_min < I_MAX
            else f"take v_full >= {round_up(v_full)} and i_bias = {I_UNIT:g} A"
        )
        raise InputError(
            f"`NeuronConfig` needs i_bias > 0, in amperes; got {config.i_bias:g}: at"
            f" this full scale, slot and swing {works}."
        )
    if config.c_int < least * (1 - 1e-9):
        v_full = _v_full_for(config.i_bias, config)
        share = v_full / config.v_full
        bias = f", i_bias >= {round_up(i_min)}" if i_min < I_MAX else ""
        raise InputError(
            f"A neuron of v_full = {config.v_full:g} V would need C_int ="
            f" {config.c_int:.2g} F, below {least:g} F: take v_full >="
            f" {round_up(v_full)}, t_slot >= {round_up(share * config.t_slot)}{bias} or"
            f" swing <= {round_down(config.swing / share)}."
        )


def _v_full_for(i_bias: float, config: NeuronConfig) -> float:
    """[V] Full scale at which C_int is the smallest, with another bias."""
    technology = config.technology
    c_total = technology.c_int_min + technology.c_parasitic * i_bias / I_UNIT
    gm = technology.gm_per_ampere * i_bias
    return c_total * config.swing / (gm * SLOTS * config.t_slot)


def round_up(x: float) -> str:
    """Three digits, rounded up: a bound that works as it is told."""
    return _digits(x, math.ceil)


def round_down(x: float) -> str:
    """The same, rounded down."""
    return _digits(x, math.floor)


def _digits(x: float, to_whole: Callable[[float], int]) -> str:
    unit = 10.0 ** (math.floor(math.log10(x)) - 2)
    return f"{to_whole(round(x / unit, 6)) * unit:.3g}"
