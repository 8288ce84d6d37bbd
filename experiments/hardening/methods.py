"""What is compared: how networks are trained, and how their chips are programmed."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rram_jax.chip.config import ProgrammingConfig
from rram_jax.errors import InputError

BAND = 0.1
"""[-] Half width of ln R of every write-verify here, of all cells or of chosen ones."""

MAX_WRITES = 20
"""[-] Programmings of a cell at most, in both."""

SHARES = (0.02, 0.05, 0.1)
"""[-] Cells that selective write-verify chooses."""

CHOICES = ("gradient", "deviation", "random")
"""What chooses them."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """A network; each seed makes another one."""

    name: str
    about: str

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TrainConfig` that differ from the conventional network's."""

    network: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `NetworkConfig` that differ from its."""

    family: str = "training"
    """Panel of the figure."""

    references: tuple[str, ...] = ("conventional", "hardened")
    """Methods that gains are counted from: the conventional one with the same care (the
    same teacher, as many columns an output), then the hardened one that it starts
    from."""

    taught: bool = False
    """Whether it also learns a teacher's answers."""

    costly: bool = False
    """Trained once, with the first seed."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A network and how its chips are programmed."""

    name: str
    about: str
    family: str
    """Panel of the figure."""

    training: str
    references: tuple[str, ...]
    """What gains are counted from: the conventional method with the same care; then,
    for what is done to a hardened network, that network."""

    costly: bool = False
    """Measured on the first seed's network, on one device card and at the spreads of
    the tables alone."""

    programming: ProgrammingConfig = field(default_factory=ProgrammingConfig)


_HARDENED = {"sigma_lrs": 0.3}
_CELLS = _HARDENED | {"spread": "cells"}

TRAININGS = {
    t.name: t
    for t in (
        Training(
            name="conventional",
            about="trained without any spread",
            references=(),
        ),
        Training(
            name="hardened",
            about="noise of spread 0.3 on every sum",
            references=("conventional",),
            settings=_HARDENED,
        ),
        Training(
            name="hardened-0.5",
            about="noise of spread 0.5 on every sum",
            settings={"sigma_lrs": 0.5},
        ),
        Training(
            name="mixed",
            about="every example with a spread of its own, 0 to 0.5",
            settings={"sigma_lrs": 0.0, "sigma_lrs_max": 0.5},
        ),
        Training(
            name="cells",
            about="a chip of spread 0.3 a batch, drawn cell by cell",
            settings=_CELLS,
            costly=True,
        ),
        Training(
            name="cvar",
            about="4 chips of spread 0.3 a batch, half the weight on the worst",
            settings=_CELLS | {"draws": 4, "tail_weight": 0.5, "tail_share": 0.25},
            costly=True,
        ),
        Training(
            name="worst",
            about="noise of spread 0.3, and each batch's worst direction",
            settings=_HARDENED | {"worst_distance": 1.0},
        ),
        Training(
            name="taught",
            about="conventional, with a teacher",
            family="teacher",
            references=(),
            taught=True,
        ),
        Training(
            name="hardened-taught",
            about="hardened, with a teacher",
            family="teacher",
            references=("taught", "hardened"),
            settings=_HARDENED,
            taught=True,
        ),
        Training(
            name="ternary",
            about="hardened, pairs may be off",
            family="cells and columns",
            settings=_HARDENED,
            network={"ternary": True},
        ),
        Training(
            name="trim",
            about="hardened, trim pairs",
            family="cells and columns",
            settings=_HARDENED,
            network={"trim": True},
        ),
        Training(
            name="ternary-trim",
            about="hardened, pairs may be off, trim pairs",
            family="cells and columns",
            settings=_HARDENED,
            network={"ternary": True, "trim": True},
        ),
        *(
            Training(
                name=f"{name}redundancy-{k}",
                about=f"{about}, {k} cells in parallel",
                family="cells and columns",
                references=("conventional",) if name else ("conventional", "hardened"),
                settings=settings,
                network={"redundancy": k},
                costly=True,
            )
            for name, about, settings in (
                ("conventional-", "conventional", {}),
                ("", "hardened", _HARDENED),
            )
            for k in (2, 4)
        ),
        Training(
            name="conventional-c1",
            about="conventional, one column an output: strictly binary",
            family="strictly binary",
            references=(),
            network={"columns_per_output": 1},
        ),
        Training(
            name="hardened-c1",
            about="hardened, one column an output: strictly binary",
            family="strictly binary",
            references=("conventional-c1",),
            settings=_HARDENED,
            network={"columns_per_output": 1},
        ),
        Training(
            name="together",
            about="hardened, with a teacher, pairs may be off, trim pairs, 2 cells in"
            " parallel",
            family="teacher",
            references=("taught", "hardened-taught"),
            settings=_HARDENED,
            network={"ternary": True, "trim": True, "redundancy": 2},
            taught=True,
        ),
    )
}
"""By name. A network has the columns an output of `NetworkConfig` unless it says c1."""


def _plain(training: Training) -> Method:
    name = training.name
    return Method(
        name=name,
        about=training.about,
        family=training.family,
        training=name,
        references=training.references,
    )


def _programmed(training: str, others: Sequence[float]) -> list[Method]:
    """Write-verify of all cells and of chosen ones, of one network.

    `others`: shares that deviation and chance choose; the gradient chooses all.
    """

    def method(name, about, **programming):
        return Method(
            name=f"{training}-{name}",
            about=f"{training}, {about}",
            family=f"write-verify, {training}",
            training=training,
            references=tuple(dict.fromkeys(("conventional", training))),
            costly=True,
            programming=ProgrammingConfig(**programming),
        )

    chosen = [
        method(
            f"verify-{by}-{share:g}",
            f"{100 * share:g} % of the cells verified, by {by}",
            verify_share=share,
            verify_by=by,
            verify_band=BAND,
            verify_writes=MAX_WRITES,
        )
        for by in CHOICES
        for share in (SHARES if by == "gradient" else others)
    ]
    band = {"band_lrs": BAND, "band_hrs": BAND, "max_writes": MAX_WRITES}
    return [method("verify-all", "all cells verified", **band), *chosen]


METHODS = {
    method.name: method
    for method in (
        *map(_plain, TRAININGS.values()),
        *_programmed("conventional", SHARES),
        *_programmed("hardened", SHARES[-1:]),
        Method(
            name="together-verify-gradient-0.05",
            about=TRAININGS["together"].about + ", 5 % of the cells verified",
            family="teacher",
            training="together",
            references=("taught", "together"),
            costly=True,
            programming=ProgrammingConfig(
                verify_share=0.05, verify_band=BAND, verify_writes=MAX_WRITES
            ),
        ),
    )
}
"""By name, in the order of every table."""


def chosen_methods(only: Iterable[str]) -> list[Method]:
    """Methods by name with the references that they need; all where none is named.

    Raises:
        InputError: There is no such method.
    """
    names = set(only) or set(METHODS)
    if unknown := sorted(names - set(METHODS)):
        close = difflib.get_close_matches(unknown[0], METHODS, 3, 0.3)
        near = f"near it are {', '.join(close)}" if close else "nothing is near it"
        raise InputError(
            f"There is no method {unknown[0]!r} for --only: {near}; all stand in"
            " experiments/hardening/methods.py."
        )
    names |= {r for name in names for r in METHODS[name].references}
    return [method for method in METHODS.values() if method.name in names]
