"""The resistances of a plain array as arrays: to differentiate, sweep or map over."""

import math
from dataclasses import dataclass

import jax.numpy as jnp

from rram_jax.circuit.config import ArrayConfig
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True, kw_only=True)
class ArrayParams:
    """The resistances of an `ArrayConfig` [Ohm]."""

    r_wire_sl: Float[Array, ""]
    r_wire_bl: Float[Array, ""]
    r_driver: Float[Array, ""]
    r_sense: Float[Array, ""] | None
    """None where bit lines float."""


def array_params(array: ArrayConfig) -> ArrayParams:
    """A configuration's resistances in jax's default float type."""
    floating = math.isinf(array.r_sense)
    return ArrayParams(
        r_wire_sl=jnp.asarray(array.r_wire_sl, float),
        r_wire_bl=jnp.asarray(array.r_wire_bl, float),
        r_driver=jnp.asarray(array.r_driver, float),
        r_sense=None if floating else jnp.asarray(array.r_sense, float),
    )
