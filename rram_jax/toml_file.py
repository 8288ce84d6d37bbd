"""Typed records from TOML that a user hands over: every mistake is one sentence."""

import dataclasses
import difflib
import json
import os
import re
import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from rram_jax.errors import InputError

MAX_BYTES = 200_000
"""[byte] A larger file is no card or configuration of ours."""

T = TypeVar("T")


def check_name(name: str, what: str) -> None:
    r"""Check the name in a card, which files and folders are named after.

    Raises:
        InputError: It is not of the form `[A-Za-z0-9][\w.+-]{0,63}`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,63}", name):
        raise InputError(
            f"The name of a {what} has up to 64 letters, digits and any of _ . + -, a"
            f" letter or digit first; got {name[:80]!r}."
        )


def check_file_name(path: str, what: str) -> None:
    """Check the path of a file that a card names.

    Raises:
        InputError: It has over 1000 characters, or some that cannot be printed.
    """
    if len(path) > 1000 or not path.isprintable():
        raise InputError(
            f"The path of a {what} has up to 1000 printable characters; got"
            f" {path[:80]!r}."
        )


def packaged_names(folder: Traversable) -> list[str]:
    """Names of the records in a folder of the package, sorted."""
    return sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


def load_record(
    name_or_path: str | Path, folder: Traversable, cls: type[T], what: str
) -> T:
    """Read a record by the name of a packaged file or by the path of a user's.

    Args:
        name_or_path: Which; a packaged name comes first.
        folder: Of the package's records.
        cls: As in `read_record`.
        what: What it is, for messages: "device card".

    Raises:
        InputError: There is no such record, or its text is not a valid one.
    """
    name, names = str(name_or_path), packaged_names(folder)
    if name in names:
        text = (folder / f"{name}.toml").read_text()
        return parse_record(text, cls, f"{what} {name}")
    if not os.path.isfile(name):  # `Path.is_file` fails where a name is too long
        raise InputError(
            f"There is no {what} {name[:200]!r}: give the path of a TOML file or one of"
            f" {', '.join(names)}."
        )
    return read_record(name, cls, what)


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
    if not os.path.isfile(path):
        raise InputError(
            f"There is no {what} {str(path)[:200]!r}: give the path of a TOML file."
        )
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
        # A mistyped key comes with a missing one, and is what to mend.
        unknown = "unexpected_keyword_argument"
        first = min(error.errors(), key=lambda told: told["type"] != unknown)
        where = ".".join(map(str, first["loc"]))[:200]
        if not where.isprintable():  # a key of the file's, on one line
            where = repr(where)
        told = first["msg"].removeprefix("Value error, ").rstrip(".")
        if first["type"] == unknown:
            told = "there is no such key" + _nearest(where, cls)
        elif first["type"].endswith("_type"):
            told += f"; got {str(first['input'])[:80]!r}"
        place = f"{where}: " if where else ""
        raise InputError(f"In the {origin}: {place}{told}.") from None


def _nearest(key: str, cls: Any) -> str:
    """A key of the record that the unknown one may have been meant for, as a hint."""
    names = [field.name for field in dataclasses.fields(cls)]
    close = difflib.get_close_matches(key, names, n=1)
    return f" (did you mean {close[0]}?)" if close and "." not in key else ""
