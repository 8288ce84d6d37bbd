"""JSON and CSV files of run folders: typed, checked, nothing executed."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from rram_jax.errors import InputError

T = TypeVar("T")

AGAIN = "remove the folder and run the command again"
"""What helps against damage."""


def damaged(path: Path) -> InputError:
    """The sentence about a file that cannot be what a command has written."""
    return InputError(f"{path} is damaged: {AGAIN}.")


def check_exists(path: Path) -> None:
    """Refuse a run without this file.

    Raises:
        InputError: It is missing.
    """
    if not os.path.isfile(path):  # `Path.is_file` fails where a name is too long
        raise InputError(
            f"There is no {path}: the report needs a finished run; run the command"
            " again."
        )


def _read_text(path: Path) -> str:
    check_exists(path)
    try:
        return path.read_text()
    except UnicodeDecodeError:
        raise damaged(path) from None


def read_json(path: Path, cls: type[T]) -> T:
    """A record from a JSON file; keys that it has not are left out.

    Raises:
        InputError: The file is missing or damaged.
    """
    return parse_record(_read_text(path), cls, str(path))


def parse_record(text: str, cls: type[T], origin: str) -> T:
    """A record from JSON; `origin` names the text in messages.

    Raises:
        InputError: A value is missing or of another kind.
    """
    try:
        return pydantic.TypeAdapter(cls).validate_json(
            text, strict=True, extra="ignore"
        )
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        told = first["msg"].removeprefix("Value error, ").rstrip(".")
        if first["type"] == "missing":
            raise InputError(
                f"{origin} has no {where}, as what another version of rram_jax wrote,"
                " or another command: run the command again in a folder of its own."
            ) from None
        place = f" at {where}" if where else ""
        raise InputError(f"{origin} is damaged{place} ({told}): {AGAIN}.") from None


def read_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file of `write_table`, whose cells are JSON.

    Raises:
        InputError: The file is missing or damaged.
    """
    header, *lines = _read_text(path).splitlines() or [""]
    names = header.split(",")
    try:
        rows = [json.loads(f"[{line}]") for line in lines]
        return [dict(zip(names, row, strict=True)) for row in rows]
    except (ValueError, RecursionError):
        raise damaged(path) from None
