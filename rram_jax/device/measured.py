"""Measurement files: read resistances of cells over set/reset cycles, as CSV.

    cell,cycle,r_hrs_ohm,r_lrs_ohm
    200,0,318049.8,12649.9

One row a cycle of a cell, in any order; a name that ends in .gz is compressed.
"""

import gzip
import io
import os
import re
import tempfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rram_jax.errors import InputError
from rram_jax.types import Float, Int

COLUMNS = ("cell", "cycle", "r_hrs_ohm", "r_lrs_ohm")

MAX_ROWS = 5_000_000
"""[-] A longer file is refused: what is fitted lies in memory."""

MAX_LINE = 1000
"""[byte] A longer line is no row of ours."""

MAX_NUMBER = 2**53
"""[-] Numbers of cells and cycles are below it."""


@dataclass(frozen=True)
class Measurements:
    """Rows of a measurement file, sorted by cell and cycle."""

    cell: Int[np.ndarray, " rows"]
    """[-] Number of the cell."""

    cycle: Int[np.ndarray, " rows"]
    """[-] Number of the cycle."""

    r_hrs: Float[np.ndarray, " rows"]
    """[Ohm] Read after reset."""

    r_lrs: Float[np.ndarray, " rows"]
    """[Ohm] Read after set."""


def read_measurements(path: Path) -> Measurements:
    """Read a measurement file.

    Raises:
        InputError: Says which line is wrong and how, or that the file is too long, or
            that a cell has a cycle twice.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}: give a CSV file of measurements.")
    try:
        with _opened(path) as file:
            rows = _read(file, path)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error):
        raise InputError(
            f"{path} is damaged, or neither text nor gzip: give a CSV file, or one"
            " compressed with gzip whose name ends in .gz."
        ) from None
    order = np.lexsort((rows[1], rows[0]))
    cell, cycle = (rows[k][order].astype(np.int64) for k in (0, 1))
    twice = (np.diff(cell) == 0) & (np.diff(cycle) == 0)
    if twice.any():
        first = int(twice.argmax())
        raise InputError(
            f"{path} has cycle {cycle[first]} of cell {cell[first]} twice: give every"
            " cycle of a cell one row."
        )
    return Measurements(
        cell=cell, cycle=cycle, r_hrs=rows[2][order], r_lrs=rows[3][order]
    )


@contextmanager
def measurement_writer(path: Path) -> Iterator[Callable[..., None]]:
    """Write a measurement file piece by piece; it appears when it is whole.

    Gives a function that takes equally long arrays: cell [-], cycle [-], R_HRS [Ohm]
    and R_LRS [Ohm]. Resistances are written to 0.1 Ohm, and equal rows make equal
    files, compressed or not. If the block fails, nothing is left behind.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as raw:
            if path.suffix == ".gz":  # without name and date
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
                    yield _start(file)
            else:
                yield _start(raw)
            raw.flush()
            os.fsync(raw.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's files are the owner's alone
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _start(file) -> Callable[..., None]:
    file.write((",".join(COLUMNS) + "\n").encode())

    def write(cell, cycle, r_hrs, r_lrs) -> None:
        rows = [np.ravel(x).tolist() for x in (cell, cycle, r_hrs, r_lrs)]
        file.write("".join(map("{:d},{:d},{:.1f},{:.1f}\n".format, *rows)).encode())

    return write


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOWrapper]:
    with path.open("rb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield io.TextIOWrapper(unpacked, "utf-8-sig")
        else:
            yield io.TextIOWrapper(raw, "utf-8-sig")


def _read(file: io.TextIOWrapper, path: Path) -> list[np.ndarray]:
    _check_header(file.readline(MAX_LINE), path)
    rows = array("d")
    number = 1
    while line := file.readline(MAX_LINE):
        number += 1
        if number > MAX_ROWS + 1:
            raise InputError(
                f"{path} has more than {MAX_ROWS:,} rows: take fewer cells or cycles."
            )
        if not line.strip():
            continue
        try:
            cell, cycle, r_hrs, r_lrs = map(float, line.split(","))
        except ValueError:
            raise _bad_line(
                path, number, line, "four numbers and three commas"
            ) from None
        if not (0 < r_hrs < 1e15 and 0 < r_lrs < 1e15):
            raise _bad_line(path, number, line, "resistances above 0 Ohm")
        if not all(0 <= n < MAX_NUMBER and n == int(n) for n in (cell, cycle)):
            raise _bad_line(path, number, line, "whole numbers of cell and cycle")
        rows.extend((cell, cycle, r_hrs, r_lrs))
    if not rows:
        raise InputError(f"{path} has no rows below its header.")
    return list(np.frombuffer(rows, np.float64).reshape(-1, len(COLUMNS)).T)


def _bad_line(path: Path, number: int, line: str, wanted: str) -> InputError:
    return InputError(
        f"{path}, line {number}: a row has {wanted}; got {line.strip()[:60]!r}."
    )


def _check_header(line: str, path: Path) -> None:
    header = [name.strip() for name in line.strip().split(",")]
    if tuple(header) == COLUMNS:
        return
    for name in header:
        other = re.fullmatch(r"(r_[hl]rs)_(\w{1,10})", name, re.IGNORECASE)
        if other and other[2] != "ohm":
            raise InputError(
                f"{path} gives {other[1]} in {other[2]!r}: convert it to Ohm and call"
                f" the column {other[1].lower()}_ohm."
            )
    missing = [name for name in COLUMNS if name not in header]
    told = f"lacks {' and '.join(missing)}" if missing else f"is {line.strip()[:80]!r}"
    raise InputError(f"The header of {path} {told}; it must be {','.join(COLUMNS)}.")
