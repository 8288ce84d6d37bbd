"""An effect on a neuron's code: one record a condition, with its size in LSB."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.cmos import Process
from rram_jax.neuron.config import SLOTS, NeuronConfig


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one condition does to a neuron."""

    name: str
    """Of the effect."""

    condition: str
    """Under which it was measured, in words."""

    value: float
    """What was measured."""

    unit: str
    """Of `value`: SI units and `LSB`, `-`, `1/LSB`."""

    lsb: float
    """[LSB] Its size, signed where that means something, on a code of the middle of
    the scale; of a random effect the standard deviation."""

    left_out: bool = True
    """The circuit does this and the JAX model does not; false also for what the circuit
    would do, were it built otherwise."""

    at: tuple[float, ...] = ()
    """The condition as numbers, in SI units; for figures."""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Effect":
        """Back from JSON, which has lists for tuples."""
        return cls(**{**record, "at": tuple(record["at"])})

    @classmethod
    def shift(
        cls,
        name: str,
        condition: str,
        lsb: float,
        *,
        left_out: bool = True,
        at: tuple[float, ...] = (),
    ) -> "Effect":
        """An effect that is measured in LSB itself."""
        size = float(lsb)
        return cls(
            name=name,
            condition=condition,
            value=size,
            unit="LSB",
            lsb=size,
            left_out=left_out,
            at=at,
        )


@dataclass(frozen=True, kw_only=True)
class EffectSetting:
    """The neuron whose effects are measured, and the model that it is held against."""

    config: NeuronConfig
    """Hidden neurons, behind a clocked latch."""

    card: NeuronCard
    """Of the model."""

    process: Process
    """Of the transistors."""

    @property
    def lsb(self) -> float:
        """[V] At the bit line."""
        return self.config.v_full / SLOTS

    @property
    def lsb_out(self) -> float:
        """[V] At C_int, and so at the comparator."""
        return self.config.swing / SLOTS
