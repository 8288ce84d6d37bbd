"""What a layer asks of its neurons, and the sizes and instants that follow."""

import math
from dataclasses import dataclass

from rram_jax.errors import InputError
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS

SLOTS = 15
"""[-] Slots of an integration, and of a ramp."""

V_DD = 1.8
"""[V] Supply."""

V_CM = 0.4
"""[V] Level at which rows, bit lines and reference gates rest."""

V_PRE = 0.8
"""[V] Level at which C_int starts and which the ramp runs it back to."""

V_READ = 0.2
"""[V] Row swing about v_cm for which the row drivers' widths are chosen."""

I_UNIT = 20e-6
"""[A] Tail current for which the transistor tables are written."""

GM_PER_AMPERE = 8.4
"""[1/V] gm of the pair over its tail current: 168 uS at 20 uA, from the slope of `out`
on the testbench."""

C_PARASITIC = 30e-15
"""[F] What the gm cell at `I_UNIT`, the switches and the latch put beside C_int."""

LEAD = 0.33e-9
"""[s] Clock edge ahead of the slot boundary: the latch's delay, so that output pulses
end on the boundary."""

WARM_UP = 2
"""[-] Clock edges before the first decision: the first kick of a latch differs."""

T_COMPARATOR = 5.8e-9
"""[s] Delay of the continuous comparator at the ramp's slope of 6 mV/ns: its counter
starts so much later. What it is off by belongs to the card's offset."""

T_FREE = 1e-9
"""[s] The reset switch opens this long before integration starts."""

T_RESET = 6e-9
"""[s] The reset switch is closed so long, before integration and before auto-zero."""

T_OUT_ZERO = 8e-9
"""[s] Auto-zero ends this long before integration starts: 1 ns, reset, 1 ns."""

C_HOLD = 0.5e-12
"""[F] Capacitor that holds the auto-zero's correction."""

GM_AUX_PER_AMPERE = 1.0
"""[1/V] gm of the auto-zero's auxiliary pair over the tail current of the main one:
20 uS at 20 uA, from how fast conversions in a row forget (12.5 times in 2.5 taus)."""

C_UNIT = 200e-15
"""[F] C_int and its parasitics for which the reset switches' table is written."""

T_CLOCK_MIN = 1.1e-9
"""[s] Shortest clock period of the latch at its common mode of 0.8 V."""

T_COUNTER_MIN = 0.4e-9
"""[s] Shortest clock period of the counter behind a continuous comparator."""

C_INT_MIN = 15e-15
"""[F] With a smaller integration capacitor the parasitics rule the neuron."""


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
    """[-] Time constants for which the auto-zero's loop is closed between two
    conversions (`t_auto_zero`): with 5 what is left is 0.02 slots rms, with 3 0.2."""

    r_driver: float = 16.0
    """[Ohm] On-resistance wanted of the row drivers' switches."""

    ramp_advance: float = 0.5
    """[slots] From the reference step to the first decision: 0.5 rounds, and what
    stands above it cancels the offset that all neurons share (`with_card`)."""

    def __post_init__(self):
        for name in (
            "v_full",
            "t_slot",
            "i_bias",
            "swing",
            "r_driver",
            "auto_zero_taus",
        ):
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
        who, shortest = "latch", T_CLOCK_MIN
        if self.asynchronous:
            who, shortest = "counter", T_COUNTER_MIN
        if self.t_clock < shortest:
            raise InputError(
                f"A {who} needs a clock period of {shortest:g} s or more; got"
                f" {self.clocks_per_slot} clocks in a slot of {self.t_slot:g} s: take"
                " fewer clocks or a longer slot."
            )
        if not -2 < self.ramp_advance < 4:
            raise InputError(
                "`NeuronConfig` needs -2 < ramp_advance < 4, in slots; got"
                f" {self.ramp_advance:g}."
            )
        if self.c_int < C_INT_MIN:
            raise InputError(
                f"A neuron of v_full = {self.v_full:g} V would need C_int ="
                f" {self.c_int:.2g} F, below {C_INT_MIN:g} F: raise v_full, i_bias or"
                " t_slot."
            )

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
        gm = GM_PER_AMPERE * self.i_bias
        return gm * self.v_full * SLOTS * self.t_slot / self.swing

    @property
    def c_int(self) -> float:
        """[F] Integration capacitor."""
        return self.c_total - C_PARASITIC * self.width_scale

    @property
    def mismatched(self) -> tuple[str, ...]:
        """Transistors that get a threshold shift, in the order of a draw."""
        return MISMATCHED_ASYNCHRONOUS if self.asynchronous else MISMATCHED

    @property
    def t_delay(self) -> float:
        """[s] Decisions come this much later than a latch would be clocked."""
        return T_COMPARATOR if self.asynchronous else 0.0

    @property
    def t_auto_zero(self) -> float:
        """[s] Auto-zero between conversions: `auto_zero_taus` (C_hold + C) / gm_aux.

        While its switch is closed, the auxiliary pair's gm_aux charges the hold
        capacitor and C, what stands at `out`. C starts at v_pre and takes a share
        C / (C_hold + C) of the correction held, of which exp(-t / tau) is left after t:
        at the bit line that share of the cell's own offset, 4 mV rms at 4 mV um.
        """
        gm_aux = GM_AUX_PER_AMPERE * self.i_bias
        return self.auto_zero_taus * (C_HOLD + self.c_total) / gm_aux

    @property
    def t_period(self) -> float:
        """[s] Start of an integration to that of the next one, at the least.

        Integration, a slot, ramp, a slot; reset, auto-zero, reset.
        """
        busy = (2 * SLOTS + 2) * self.t_slot + self.t_delay
        return busy + T_RESET + 1e-9 + self.t_auto_zero + T_OUT_ZERO

    @property
    def decisions(self) -> int:
        """[-] Decisions of one conversion; the largest count."""
        return SLOTS * self.clocks_per_slot

    @property
    def t_clock(self) -> float:
        """[s] Clock period."""
        return self.t_slot / self.clocks_per_slot
