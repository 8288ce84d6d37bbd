"""The resistances of a plain array as arrays: to differentiate, sweep or map over."""

from dataclasses import dataclass

import jax.numpy as jnp

from rram_jax.circuit.config import ArrayConfig
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True, kw_only=True)
class ArrayParams:
    """The resistances of an `ArrayConfig` [Ohm]; an infinite r_sense floats."""

    r_wire_sl: Float[Array, ""]
    r_wire_bl: Float[Array, ""]
    r_driver: Float[Array, ""]
    r_sense: Float[Array, ""]


def array_params(array: ArrayConfig) -> ArrayParams:
    """A configuration's resistances in jax's default float type."""
    return ArrayParams(
        r_wire_sl=jnp.asarray(array.r_wire_sl, float),
        r_wire_bl=jnp.asarray(array.r_wire_bl, float),
        r_driver=jnp.asarray(array.r_driver, float),
        r_sense=jnp.asarray(array.r_sense, float),
    )
