"""One line of the verification table."""

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Check:
    """An effect, what it was held against, and how far off it was."""

    effect: str
    """Such as IR drop."""

    model: str
    """How the surrogate has it."""

    against: str
    """What is independent of it; "nothing" where nothing is."""

    case: str
    """What was computed twice."""

    error: float | None
    """In `unit`; None where nothing was measured here."""

    unit: str
    """Of error, size and bar."""

    size: float | None = None
    """How large the effect itself is in this case."""

    bar: float | None = None
    """Error that is let pass."""

    repeat: str = "python -m experiments.verification"
    """Command or test that makes the number again."""

    @property
    def passed(self) -> bool:
        """Whether there is no bar, or the error is within it."""
        return self.bar is None or (self.error is not None and self.error <= self.bar)


def resolving(bar: float, size: float) -> float:
    """A bar, or a quarter of the effect's size where that is less.

    So a check fails if the effect is left out.
    """
    return min(bar, size / 4)


COLUMNS = tuple(field.name for field in fields(Check))

HEADINGS = (
    "effect",
    "in the surrogate",
    "checked against",
    "case",
    "error",
    "effect's size",
    "bar",
    "repeat with",
)


def markdown(checks: Iterable[Check]) -> str:
    """The table as Markdown; numbers with two digits."""
    lines = [_line(HEADINGS), _line("---" for _ in HEADINGS)]
    for c in checks:
        numbers = (_number(x, c.unit) for x in (c.error, c.size, c.bar))
        lines.append(
            _line((c.effect, c.model, c.against, c.case, *numbers, f"`{c.repeat}`"))
        )
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(x: float | None, unit: str) -> str:
    if x is None:
        return "-"
    return f"{x:.2g}" if unit == "-" else f"{x:.2g} {unit}"
