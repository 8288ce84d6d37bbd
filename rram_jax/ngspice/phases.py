"""Ideal clocks and phases of a layer, and the instants at which it decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rram_jax.neuron.config import (
    SLOTS,
    T_FREE,
    T_GAP,
    T_RESET,
    WARM_UP,
    NeuronConfig,
)

EDGE = 100e-12
"""[s] Rise and fall of ideal phases."""

T_START = 20e-9
"""[s] The first integration starts; auto-zero is closed from the operating point until
shortly before."""


def steps(node: str, first: float, changes: Sequence[tuple[float, float]]) -> str:
    """Ideal source `V<node>`: level `first`, and steps (instant [s], height [V]).

    Steps may overlap: their heights add.
    """
    instants = sorted({0.0, *(t for t, _ in changes), *(t + EDGE for t, _ in changes)})

    def level(at: float) -> float:
        return first + sum(v * min(max((at - t) / EDGE, 0), 1) for t, v in changes)

    # Two instants closer than the text's digits would be a step without a width.
    texts = [(f"{t:.9g}", f"{level(t):.9g}") for t in instants]
    kept = [next(group) for _, group in groupby(texts, key=lambda x: x[0])]
    return f"V{node} {node} 0 PWL(" + " ".join(f"{t} {v}" for t, v in kept) + ")"


@dataclass(frozen=True, kw_only=True)
class PhaseText:
    """Clocks and phases of one layer."""

    text: str
    t_pulse: float
    """[s] Start of the output pulses, which is the start of the next layer."""
    t_end: float
    """[s] Everything of this layer is over; a deck may stop here."""


def phase_names(config: NeuronConfig) -> tuple[str, ...]:
    """Ideal sources of a layer; clock and pulse gates come with a latch only."""
    common = ("az", "azb", "rs", "rsb", "ref")
    return common if config.asynchronous else (*common, "clk", "en")


def decision_instant(t_pulse: float, k, config: NeuronConfig):
    """[s] Start of decision k (a number or an array): a latch's edge, or a counter's.

    The counter's are later by the comparator's delay.
    """
    return t_pulse - config.technology.lead + config.t_delay + k * config.t_clock


def ramp_instant(t_pulse: float, config: NeuronConfig) -> float:
    """[s] Start of the reference's step, `ramp_advance` before the first decision."""
    return t_pulse - config.technology.lead - config.ramp_advance * config.t_slot


def phase_lines(
    tag: str,
    config: NeuronConfig,
    t_start: float,
    t_zero: float,
    *,
    conversions: int = 1,
    t_period: float | None = None,
    zeros: bool = True,
) -> PhaseText:
    """Ideal sources of one layer: `phase_names`, each with its tag.

        az   ~~~|_______________________________________|~~~~~~~~|_________________
        rs   ____|~|_________________________________|~|___________|~|_____________
        ref  =======|__ - v_shift __|==|~~ v_full ~~|=================|__ - v_shift
             zero    integration        ramp             auto-zero     integration

    Args:
        tag: Layer.
        config: Its neurons.
        t_start: [s] Its first integration starts, and lasts 15 slots.
        t_zero: [s] Its first auto-zero ends, closed from the operating point on.
        conversions: One after the other, with reset, auto-zero and reset between.
        t_period: [s] From one start to the next: the layer's own by default, and the
            longest of all where layers work together.
        zeros: Without, no auto-zero follows the first one: a reset is all that stands
            between conversions.

    Returns:
        The text; `t_pulse` is the first conversion's, `t_end` the last one's.
    """
    own = config.t_period if zeros else config.t_busy
    period = own if t_period is None else t_period
    v_dd, v_cm = config.technology.v_dd, config.technology.v_cm
    zero = [(t_zero, -v_dd)]
    reset, clock, reference, enable = [], [], [], []
    t_pulse = t_start + (SLOTS + 1) * config.t_slot
    for n in range(conversions):
        start, pulse = t_start + n * period, t_pulse + n * period
        zeroed = t_zero + n * period
        if n and zeros:
            close = zeroed - config.t_auto_zero
            zero += [(close, v_dd), (zeroed, -v_dd)]
            reset += [(close - T_GAP - T_RESET, v_dd), (close - T_GAP, -v_dd)]
        reset += [(zeroed + 1e-9, v_dd), (start - T_FREE, -v_dd)]
        for k in range(-WARM_UP, config.decisions):
            t = decision_instant(pulse, k, config)
            clock += [(t, v_dd), (t + 0.45 * config.t_clock, -v_dd)]
        reference += [
            (start, -config.v_shift),
            (start + SLOTS * config.t_slot, config.v_shift),
            (ramp_instant(pulse, config), config.v_full),
            (decision_instant(pulse, config.decisions, config), -config.v_full),
        ]
        enable += [(pulse, v_dd), (pulse + SLOTS * config.t_slot, -v_dd)]
    sources = {
        "az": (v_dd, zero),
        "azb": (0.0, [(t, -v) for t, v in zero]),
        "rs": (0.0, reset),
        "rsb": (v_dd, [(t, -v) for t, v in reset]),
        "ref": (v_cm, reference),
        "clk": (0.0, clock),
        "en": (0.0, enable),
    }
    last = t_pulse + (conversions - 1) * period
    return PhaseText(
        text="\n".join(steps(f"{x}{tag}", *sources[x]) for x in phase_names(config)),
        t_pulse=t_pulse,
        t_end=last + (SLOTS + 1) * config.t_slot + config.t_delay,
    )
