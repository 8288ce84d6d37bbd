"""Numbers, shares and tables as people read them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

SPACE = "\N{NO-BREAK SPACE}"


def significant(x: float, digits: int = 3) -> str:
    """A number with so many significant digits and no exponent, such as 1,230."""
    if x == 0 or not math.isfinite(x):
        return f"{x:.3g}"
    rounded = float(f"{x:.{digits - 1}e}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(decimals, 0)}f}"


def percent(share: float, decimals: int = 1) -> str:
    """A share as a percentage; 100 % is said of all only, not of nearly all."""
    text = f"{100 * share:.{decimals}f}"
    if share < 1 and float(text) == 100:
        text = f"{100 * share:.4g}" if share < 0.99999 else "> 99.999"
    return f"{text}{SPACE}%"


def counted(n: int, noun: str) -> str:
    """Such as 1 chip, or 5 chips."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many of so many."""

    k: int
    n: int

    @classmethod
    def from_mean(cls, mean: float, n: int) -> "Share":
        """From a stored mean over n; a mean over nothing is none of none."""
        return cls(k=round(mean * n) if n else 0, n=n)

    @property
    def interval(self) -> tuple[float, float]:
        """[-] Wilson's interval of 95 %, for independent trials."""
        if self.n == 0:
            return 0.0, 1.0
        found = binomtest(self.k, self.n).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)

    @property
    def counted(self) -> str:
        """Such as 63 of 64."""
        return f"{self.k:,} of {self.n:,}"

    @property
    def percent(self) -> str:
        """Such as 98.4 %."""
        return percent(self.k / self.n) if self.n else "-"

    @property
    def bounds(self) -> str:
        """Such as 91.7 to 99.7 %."""
        return bounds(self.interval) if self.n else "-"


def bounds(interval: tuple[float, float]) -> str:
    """Such as 91.7 to 99.7 %."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}{SPACE}%"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Header and rows of text; numbers stand right, words left."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int]
    """Columns that hold words."""


def make_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], words: Iterable[int] = (0,)
) -> Table:
    """A table whose columns `words` are set left."""
    return Table(
        header=tuple(header), rows=tuple(map(tuple, rows)), words=frozenset(words)
    )
