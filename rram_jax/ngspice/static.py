"""Bit lines at rest: one array, many input patterns, one sweep.

    Vidx  0, 1, 2, ... patterns
    Bd{i} --d{i}--r_driver--r{i}_0--| cells, wires, straps |--s{o}, floating

A pattern says which pairs of rows are driven; the rows of the others rest at v_cm. A
driver that is on is a resistor, as the surrogate has it, and its levels are ideal.
Worker processes need no jax.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rram_jax.errors import NgspiceError
from rram_jax.ngspice.job import (
    DeckFile,
    FinishedRow,
    about_run,
    keep_row,
)
from rram_jax.ngspice.runner import run_deck

OPTIONS = ".option reltol=1e-6 vntol=1e-10 abstol=1e-15"
"""Bit lines move by a millionth of a volt where a code hangs on it."""

TRANSISTOR_OPTIONS = ".option reltol=1e-6 vntol=1e-7 abstol=1e-11"
"""BSIM4 has no operating point within tighter ones."""


@dataclass(frozen=True, kw_only=True)
class StaticJob(DeckFile):
    """All patterns on one column of tiles of one chip's layer."""

    n_patterns: int
    n_outputs: int

    v_cm: float
    """[V] Where lines rest."""


@dataclass(frozen=True, kw_only=True)
class StaticRow(FinishedRow):
    """What is kept of a finished sweep."""

    volts: list[list[float]]
    """[patterns, outputs, V] Sensed nodes above v_cm."""


def static_deck(
    array: Sequence[str],
    patterns: np.ndarray,
    n_outputs: int,
    *,
    r_driver: tuple[float, float],
    v_cm: float,
    v_read: float,
    swing: tuple[float, float] = (1.0, 1.0),
    options: str = OPTIONS,
) -> str:
    """Write the sweep.

    Args:
        array: Netlist of one column of tiles, from row terminals `r{i}_0` to sensed
            nodes `s{o}` (`array.array_lines`), and of all that it needs.
        patterns: [patterns, pairs] Which pairs of rows are driven.
        n_outputs: [-] Sensed nodes.
        r_driver: [Ohm] Drivers of positive and negative rows; 0 for none.
        v_cm: [V] Of resting rows.
        v_read: [V] A driven pair's rows are so far above and below v_cm.
        swing: [-] Of positive and negative rows over `v_read`.
        options: How closely each pattern is solved.
    """
    lines = ["* bit lines, pattern by pattern", "Vidx idx 0 0"]
    up, down = swing
    for i, driven in enumerate(patterns.T):
        for row, level, r in zip(
            (2 * i, 2 * i + 1), (up * v_read, -down * v_read), r_driver, strict=True
        ):
            source = f"d{row}" if r else f"r{row}_0"
            lines.append(f"Bd{row} {source} 0 V={_level(driven, v_cm, level)}")
            if r:
                lines.append(f"Rd{row} d{row} r{row}_0 {r:.9g}")
    lines += array
    lines += [options, ".save " + " ".join(f"v(s{o})" for o in range(n_outputs))]
    return "\n".join([*lines, f".dc Vidx 0 {len(patterns) - 1} 1", ".end\n"])


def _level(driven: np.ndarray, rest: float, swing: float) -> str:
    """Expression of a row's level over the pattern's number.

    Between numbers it ramps, but the sweep stands on them; where it is flat only the
    ends are written.
    """
    if driven.all() or not driven.any():
        return f"{rest + swing * bool(driven[0]):.9g}"
    changes = np.flatnonzero(np.diff(driven))
    corners = sorted({0, len(driven) - 1, *changes.tolist(), *(changes + 1).tolist()})
    points = ",".join(f"{k},{rest + swing * bool(driven[k]):.9g}" for k in corners)
    return f"pwl(v(idx),{points})"


def run_static(job: StaticJob) -> dict[str, Any]:
    """Sweep one deck and keep its row; returns the row.

    Raises:
        NgspiceError: ngspice failed, or gave other than one point a pattern.
    """
    run = run_deck(
        job.deck.read_text(),
        timeout_s=job.timeout_s,
        folder=job.runs,
        retry=job.retry,
    )
    names = [f"v(s{o})" for o in range(job.n_outputs)]
    missing = [n for n in names if len(run.data.get(n, ())) != job.n_patterns]
    if missing:
        raise NgspiceError(
            f"`{missing[0]}` has {len(run.data.get(missing[0], ()))} points for"
            f" {job.n_patterns} patterns of `{job.deck}`."
        )
    volts = np.stack([run.data[name] for name in names], 1) - job.v_cm
    return keep_row(job, StaticRow(**about_run(job, run), volts=volts.tolist()))
