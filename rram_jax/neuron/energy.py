"""Energy and time of a conversion, by block: laws fitted to ngspice, differentiable.

A gm cell draws a nearly constant current, so what it takes in a phase is a power times
the phase's length; what does not depend on time is a charge an event (a clock edge, a
reset); and where a pulse comes out (code above 0) there is a little more of each:

    E = power(point) * time(point) + event(point) * events + pulse(point) * (code > 0)

Laws are of the operating point alone; the lengths follow from it and from how often the
neuron is clocked. Everything is drawn from V_DD, except that `reset` also counts what
v_pre delivers.
"""

import dataclasses
import math
from dataclasses import dataclass

import jax.numpy as jnp

from rram_jax.errors import InputError
from rram_jax.neuron.config import (
    C_HOLD,
    GM_AUX_PER_AMPERE,
    SLOTS,
    T_GAP,
    T_OUT_ZERO,
    T_RESET,
    WARM_UP,
    NeuronConfig,
)
from rram_jax.neuron.law import Law, OperatingPoint, evaluate
from rram_jax.types import Array, Float, register_record


@dataclass(frozen=True, kw_only=True)
class BlockLaw:
    """Energy of one block; a law without terms is 0."""

    power: Law = ()
    """[W] While the block's time lasts."""

    event: Law = ()
    """[J] Each of its events: a clock edge for `comparator` and `clock` of neurons with
    a latch, else the conversion."""

    pulse: Law = ()
    """[J] More in a conversion whose code is above 0."""


@dataclass(frozen=True, kw_only=True)
class KindEnergy:
    """One kind of neuron (hidden or output)."""

    integrator: BlockLaw
    """gm cell in the 15 slots of integration."""

    auto_zero: BlockLaw
    """gm cell while the auto-zero's loop is closed."""

    reset: BlockLaw
    """gm cell in the resets before and after it, and what v_pre delivers."""

    ramp: BlockLaw
    """gm cell from the end of integration to the next reset."""

    comparator: BlockLaw
    """Latch and its memory, or the continuous comparator: the whole period."""

    clock: BlockLaw
    """Gates on clocks and phases, charged from V_DD once a cycle: what a layer's clock
    tree would draw for this neuron, its wires not counted. Ideal sources in a deck."""

    bias: BlockLaw
    """Bias block: once a layer, the whole period."""


@dataclass(frozen=True, kw_only=True)
class DriverLaw:
    """What one pulse costs, whatever its length, a pair of row drivers.

    `constant + width / r + overlap / r^2`, r the on-resistance of the drivers: their
    gates grow with 1 / r, and so does the time in which a driver's old and new switch
    are both on, for it is their gates that slow the edge down.
    """

    constant: float
    """[J]"""

    width: float
    """[J Ohm]"""

    overlap: float = 0.0
    """[J Ohm^2]"""

    def __post_init__(self):
        if not all(map(math.isfinite, dataclasses.astuple(self))):
            raise InputError(
                "The energies of row drivers (energy.driver) are finite, in J, J Ohm"
                f" and J Ohm^2; got {self}."
            )

    def at(
        self, r_driver: Float[Array, ""] | float, n_drivers: int = 1
    ) -> Float[Array, ""] | float:
        """[J] A pulse of `n_drivers` pairs of row drivers of `r_driver` ohms."""
        each = self.constant + (self.width + self.overlap / r_driver) / r_driver
        return n_drivers * each


@dataclass(frozen=True, kw_only=True)
class DriverEnergy:
    """What one pulse of a pair of rows costs beside the array's currents."""

    gate: DriverLaw
    """Pulse gate of a hidden neuron and the row drivers' gates, from V_DD."""

    buffer: DriverLaw
    """Buffer of an input or bias row and the row drivers' gates, from V_DD."""

    edge_reference: DriverLaw
    """Both edges, at the levels of the rows: a driver's old and new switch are on
    together for some 40 ps, and their gates' charge passes through."""

    edge_regulated: DriverLaw
    """The same from V_DD if linear regulators without capacitors make the levels: the
    largest part is the gates' charge, which flows out of v_cm and back into it."""


@dataclass(frozen=True, kw_only=True)
class EnergyLaws:
    """The section `energy` of a neuron card."""

    hidden: KindEnergy
    output: KindEnergy
    driver: DriverEnergy

    def kind(self, config: NeuronConfig) -> KindEnergy:
        """The laws of these neurons."""
        return self.output if config.asynchronous else self.hidden


@register_record
@dataclass(frozen=True)
class PhaseTimes:
    """[s] How long each block is at work in one conversion; they add to `period`.

    An auto-zero, and the reset before it, serve `conversions_per_zero` conversions.
    """

    integrator: Float[Array, "..."]
    auto_zero: Float[Array, "..."]
    reset: Float[Array, "..."]
    ramp: Float[Array, "..."]

    @property
    def period(self) -> Float[Array, "..."]:
        """[s] Start of a conversion to that of the next one, in the mean."""
        return self.integrator + self.auto_zero + self.reset + self.ramp

    def of_block(self, name: str) -> Float[Array, "..."]:
        """[s] Of a field of `KindEnergy`."""
        whole = ("comparator", "clock", "bias")
        return self.period if name in whole else getattr(self, name)


@register_record
@dataclass(frozen=True)
class NeuronEnergy:
    """[J] One conversion of one neuron, by block (`KindEnergy`)."""

    integrator: Float[Array, "..."]
    auto_zero: Float[Array, "..."]
    reset: Float[Array, "..."]
    ramp: Float[Array, "..."]
    comparator: Float[Array, "..."]
    clock: Float[Array, "..."]

    gate: Float[Array, "..."]
    """Pulse gate and the gates of the row drivers behind it."""

    @property
    def total(self) -> Float[Array, "..."]:
        """[J] All blocks; the layer's bias block is not a neuron's."""
        gm_cell = self.integrator + self.auto_zero + self.reset + self.ramp
        return gm_cell + self.comparator + self.clock + self.gate


def phase_times(point: OperatingPoint, config: NeuronConfig) -> PhaseTimes:
    """[s] Lengths of the phases, as `ngspice.phases` clocks them.

    Args:
        point: Differentiable in all of it.
        config: Gives what the point does not hold: kind, clocks, taus of auto-zero.
    """
    gm_aux = GM_AUX_PER_AMPERE * point.i_bias
    none, share = 0 * point.i_bias, 1 / config.conversions_per_zero
    zero = config.auto_zero_taus * (C_HOLD + point.c_total) / gm_aux
    return PhaseTimes(
        integrator=none + SLOTS * point.t_slot,
        auto_zero=share * zero,
        reset=none + (share * (T_RESET + T_GAP) + T_OUT_ZERO),
        ramp=none + (SLOTS + 2) * point.t_slot + config.t_delay,
    )


def conversion_time(point: OperatingPoint, config: NeuronConfig) -> Float[Array, "..."]:
    """[s] Period of conversions: `NeuronConfig.t_conversion`, differentiable."""
    return phase_times(point, config).period


def events_of(config: NeuronConfig) -> dict[str, int]:
    """[-] Events a conversion of the blocks that have more than one."""
    if config.asynchronous:
        return {}
    edges = config.decisions + WARM_UP
    return {"comparator": edges, "clock": edges}


def neuron_energy(
    laws: EnergyLaws,
    point: OperatingPoint,
    config: NeuronConfig,
    codes: Float[Array, "*batch"],
    n_drivers: int = 1,
) -> NeuronEnergy:
    """[J] Energy of one conversion by block, for the code that comes out of it.

    Codes count as 0 or above 0 only: a pulse charges its gates once. They have no
    gradient here.

    Args:
        laws: Of the card.
        point: Differentiable in all of it; broadcasts against the codes.
        config: Gives kind, clocks, taus of auto-zero and the drivers' resistance.
        codes: 0 to 15, or counts.
        n_drivers: Pairs of row drivers behind each pulse gate: column tiles of the
            next array. Output neurons drive none.
    """
    pulse = (codes > 0).astype(jnp.result_type(point.i_bias))
    kind, times, events = (
        laws.kind(config),
        phase_times(point, config),
        events_of(config),
    )
    names = [f.name for f in dataclasses.fields(NeuronEnergy) if f.name != "gate"]
    blocks = {}
    for name in names:
        block: BlockLaw = getattr(kind, name)
        blocks[name] = (
            evaluate(block.power, point) * times.of_block(name)
            + evaluate(block.event, point) * events.get(name, 1)
            + evaluate(block.pulse, point) * pulse
        )
    one = 0.0
    if not config.asynchronous:
        one = laws.driver.gate.at(config.r_driver, n_drivers)
    return NeuronEnergy(**blocks, gate=one * pulse + 0 * point.i_bias)


def bias_energy(
    laws: EnergyLaws, point: OperatingPoint, config: NeuronConfig
) -> Float[Array, "..."]:
    """[J] Of a layer's bias block in one conversion's time."""
    block = laws.kind(config).bias
    return evaluate(block.power, point) * conversion_time(point, config)


def waiting_power(
    laws: EnergyLaws, point: OperatingPoint, config: NeuronConfig
) -> Float[Array, "..."]:
    """[W] Of a neuron that waits, between a ramp and its next auto-zero.

    Layers work one after the other and share a period, so a layer of one conversion's
    time waits for the rest of it. Its bias block's power is to be added once.
    """
    kind = laws.kind(config)
    return evaluate(kind.auto_zero.power, point) + evaluate(
        kind.comparator.power, point
    )
