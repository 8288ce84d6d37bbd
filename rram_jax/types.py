"""Aliases and the record decorator that every layer uses."""

import dataclasses
from typing import Any, TypeVar

import jax
from jaxtyping import Array as Array
from jaxtyping import Bool as Bool
from jaxtyping import Float as Float
from jaxtyping import Int as Int
from jaxtyping import Integer as Integer
from jaxtyping import Key as JaxKey
from jaxtyping import UInt8 as UInt8

Key = JaxKey[Array, ""]
"""One typed PRNG key, as `jax.random.key` makes it."""

T = TypeVar("T")


def register_record(cls: type[T]) -> type[T]:
    """Make a frozen dataclass of arrays a pytree.

    Unflattening skips `__init__`, so that masks, shapes and tangents (leaves that are
    no arrays) pass through type-checked records.
    """
    record: Any = cls  # nothing but a dataclass fits, which no TypeVar can say
    names = tuple(f.name for f in dataclasses.fields(record))
    keys = tuple(jax.tree_util.GetAttrKey(n) for n in names)

    def unflatten(_, leaves):
        record = object.__new__(cls)
        for name, leaf in zip(names, leaves, strict=True):
            object.__setattr__(record, name, leaf)
        return record

    jax.tree_util.register_pytree_with_keys(
        cls,
        lambda x: (
            tuple((k, getattr(x, n)) for k, n in zip(keys, names, strict=True)),
            None,
        ),
        unflatten,
        lambda x: (tuple(getattr(x, n) for n in names), None),
    )
    return cls
