"""A table as plain values: shown on a page, and written as CSV in SI units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rram_jax.report.text import Table, make_table, significant
from rram_jax.run_folder import write_table


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a sheet."""

    name: str
    """In the CSV file."""

    heading: str
    """On the page, with the unit shown."""

    scale: float = 1
    """[-] Values on the page are so many times those of the file."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Columns and rows; None is a value that there is not."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]

    def table(self) -> Table:
        """As shown on a page."""
        words = {
            k
            for k in range(len(self.columns))
            if any(isinstance(row[k], str) for row in self.rows)
        }
        return make_table(
            [column.heading for column in self.columns],
            (list(map(_shown, row, self.columns)) for row in self.rows),
            words,
        )

    def write(self, path: Path) -> None:
        """Write the CSV file; what there is not is an empty text."""
        rows = (["" if x is None else x for x in row] for row in self.rows)
        write_table(path, [column.name for column in self.columns], rows)


def make_sheet(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Sheet:
    """A sheet with a row for each of `rows`."""
    return Sheet(columns=tuple(columns), rows=tuple(map(tuple, rows)))


def _shown(value: Any, column: Column) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    value = value * column.scale
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if abs(value) < 1e4 else significant(value)
