"""What a tier of `rram-jax verify` does between reading its request and its results."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from rram_jax.ngspice.trials import Trials
from rram_jax.ngspice.workplace import Workplace


@runtime_checkable
class HasMetrics(Protocol):
    """What every tier finds."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The numbers, under the documented keys."""
        ...


Found = TypeVar("Found", bound=HasMetrics)


@dataclass(frozen=True, kw_only=True)
class Tier(Generic[Found]):
    """One tier."""

    simulate: Callable[[Trials, Path, Workplace], Found]
    """Runs all decks, in the run's folder."""

    write_tables: Callable[[Found, Path], None]
    """Writes the CSV files of the run's folder."""

    told: Callable[[dict[str, Any]], str]
    """What the progress bar says of a deck's new row."""

    show: Callable[[Path], None]
    """Prints the table of a finished run."""
