"""What is trained beside the weights: six knobs, each in a box of its own."""

import dataclasses
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.device.filament import FilamentCard
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.config import I_UNIT, SLOTS
from rram_jax.types import Array, Float, register_record

NEAR = 0.05
"""[-] Of the box, in logarithms: who is closer to an end than this stands on it."""

INSIDE = 0.01
"""[-] So far from the ends a training starts: on them a knob has no slope."""


@register_record
@dataclass(frozen=True)
class Knobs:
    """A device, a read and neurons; or, for each of them, one number that belongs to
    it: its place in the box, or whether it may move."""

    v_reset: Float[Array, ""]
    """[V] Cell voltage of the RESET pulse."""

    v_read: Float[Array, ""]
    """[V] Row swing about v_cm."""

    t_slot: Float[Array, ""]
    """[s] Slot of the pulse-width code."""

    i_bias: Float[Array, ""]
    """[A] Tail current of the neurons."""

    v_full: Float[Array, " layers"]
    """[V] Full scale on the bit line, of each layer's neurons."""


NAMES = tuple(field.name for field in dataclasses.fields(Knobs))


@dataclass(frozen=True, kw_only=True)
class Box:
    """Smallest and largest value of each knob; where the laws hold."""

    v_reset: tuple[float, float]
    v_read: tuple[float, float]
    t_slot: tuple[float, float]
    i_bias: tuple[float, float]
    v_full: tuple[float, float]

    card: NeuronCard
    """Below some full scale C_int would be smaller, or swing less, than in its box."""

    def low(self, i_bias, t_slot) -> dict[str, Float[Array, ""]]:
        """Lower ends: that of the full scale follows from bias and slot."""
        told, box = self.card.conditions.technology, self.card.box
        c_total = box.c_int + told.c_parasitic * i_bias / I_UNIT
        charge = told.gm_per_ampere * i_bias * SLOTS * t_slot
        least = jnp.maximum(self.v_full[0], box.swing[0] * c_total / charge)
        lows = {name: jnp.asarray(getattr(self, name)[0]) for name in NAMES}
        return lows | {"v_full": least}


def box_of(
    filament: FilamentCard, card: NeuronCard, v_read: tuple[float, float]
) -> Box:
    """The box in which a filament card and a neuron card speak."""
    return Box(
        v_reset=(filament.v_reset_low, filament.v_reset_high),
        v_read=v_read,
        t_slot=card.box.t_slot,
        i_bias=card.box.i_bias,
        v_full=card.box.v_full,
        card=card,
    )


def values_of(free: Knobs, box: Box) -> Knobs:
    """Values of free numbers: a sigmoid onto the box, in logarithms.

    The full scale comes last, as its lower end follows from bias and slot.
    """
    values = {}
    for name in NAMES:
        low = getattr(box, name)[0]
        if name == "v_full":
            low = box.low(values["i_bias"], values["t_slot"])["v_full"]
        place, high = jax.nn.sigmoid(getattr(free, name)), getattr(box, name)[1]
        values[name] = low * (high / low) ** place
    return Knobs(**values)


def places_of(values: Knobs, box: Box) -> Knobs:
    """[-] Where values stand in the box, from 0 to 1, in logarithms."""
    low, places = box.low(values.i_bias, values.t_slot), {}
    for name in NAMES:
        high, value = getattr(box, name)[1], getattr(values, name)
        places[name] = jnp.log(value / low[name]) / jnp.log(high / low[name])
    return Knobs(**places)


def free_of(values: Knobs, box: Box) -> Knobs:
    """The free numbers of values; those on an end or beyond are taken inside."""
    inside = jax.tree.map(
        lambda p: jnp.clip(p, INSIDE, 1 - INSIDE), places_of(values, box)
    )
    return jax.tree.map(lambda p: jnp.log(p / (1 - p)), inside)


def on_boundary(values: Knobs, box: Box) -> str:
    """Which knobs stand on an end of their box, such as `v_read high`; or `none`."""
    found = []
    for name in NAMES:
        places = jnp.atleast_1d(getattr(places_of(values, box), name))
        for k, place in enumerate(places):
            end = "low" if place < NEAR else "high" if place > 1 - NEAR else ""
            label = f"{name}_{k}" if name == "v_full" else name
            found += [f"{label} {end}"] if end else []
    return "; ".join(found) or "none"


def swing_of(values: Knobs, k: int, card: NeuronCard) -> Float[Array, ""]:
    """[V] Swing of C_int of a layer's neurons: the card's, or what its C_int leaves."""
    told = card.conditions.technology
    charge = told.gm_per_ampere * values.i_bias * values.v_full[k] * SLOTS
    least = card.box.c_int + told.c_parasitic * values.i_bias / I_UNIT
    return jnp.minimum(card.swing, charge * values.t_slot / least)


def as_float(x) -> float:
    """A finite number for tables."""
    value = float(x)
    if not math.isfinite(value):
        raise FloatingPointError(f"The training gave {value}: lower the rates.")
    return value
