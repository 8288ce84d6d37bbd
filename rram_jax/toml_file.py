"""Typed records from TOML that a user hands over: every mistake is one sentence."""

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from rram_jax.errors import InputError

MAX_BYTES = 200_000
"""[byte] A larger file is no card or configuration of ours."""

T = TypeVar("T")


def read_record(path: str | Path, cls: type[T], what: str) -> T:
    """Read a TOML file as a record.

    Args:
        path: The file.
        cls: A frozen dataclass; unknown keys, wrong types and values that its
            `__post_init__` refuses are errors.
        what: What it is, for messages: "device card".

    Raises:
        InputError: Says what is wrong with the file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no {what} {path}: give the path of a TOML file.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} is over {MAX_BYTES} bytes: not a {what}.")
    return parse_record(path.read_text(errors="replace"), cls, f"{what} {path}")


def parse_record(text: str, cls: type[T], origin: str) -> T:
    """Parse TOML text as a record; `origin` names it in messages."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # an endless integer is no TOML error
        raise InputError(f"The {origin} is not valid TOML: {error}.") from None
    return check_record(table, cls, origin)


def check_record(table: Any, cls: type[T], origin: str) -> T:
    """Turn plain tables, lists and numbers into a record, strictly."""
    # Through JSON: there a list is a tuple and 1 is a float, but "1" and true are not.
    try:
        text = json.dumps(table, default=str)
    except RecursionError:
        raise InputError(f"The {origin} is nested too deeply.") from None
    try:
        return pydantic.TypeAdapter(cls).validate_json(
            text, strict=True, extra="forbid"
        )
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        told = first["msg"].removeprefix("Value error, ").rstrip(".")
        if first["type"] == "unexpected_keyword_argument":
            told = "there is no such key"
        place = f"{where}: " if where else ""
        raise InputError(f"In the {origin}: {place}{told}.") from None
