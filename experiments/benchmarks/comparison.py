"""Two sides of a benchmark: ours, and bare products of the same sizes beside it."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rram_jax.report.figure import COLOURS, new_figure, save_figure


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One side of a comparison."""

    work: int
    """[-] Images x chips of a call; of an epoch of training, images."""

    seconds: tuple[float, ...]
    """[s] Wall time of every timed call."""

    grown: int | None
    """[B] Growth of the resident memory in a call, at its peak; None where the system
    does not tell."""

    @property
    def rate(self) -> float:
        """[1/s] Work a second, by the median call."""
        return self.work / statistics.median(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A subject and the bare products beside it."""

    name: str
    ours: Timing
    bare: Timing

    @property
    def ratio(self) -> float:
        """[-] Times as long as the bare products, for the same work."""
        return self.bare.rate / self.ours.rate


def check(condition: bool, message: str):
    """Stop where an answer is not what it must be."""
    if not condition:
        raise SystemExit(f"The check failed: {message}.")


def timed(call: Callable[[], Any]) -> float:
    """[s] Wall time of a call."""
    begun = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - begun


def growth(call: Callable[[], Any]) -> int | None:
    """[B] By how much resident memory grows at most (Linux)."""

    def resident(name):
        (line,) = (
            line
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith(name)
        )
        return 1024 * int(line.split()[1])

    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = resident("VmRSS")
        jax.block_until_ready(call())
        return resident("VmHWM") - before
    except OSError:
        return None


def in_turns(
    name: str, work: int, ours: Callable, bare: Callable, repeats: int
) -> Comparison:
    """Time both sides, which are warm and right."""
    pairs = [(timed(ours), timed(bare)) for _ in range(repeats)]
    sides = (
        Timing(work=work, seconds=seconds, grown=growth(call))
        for seconds, call in zip(zip(*pairs, strict=True), (ours, bare), strict=True)
    )
    return Comparison(name=name, **dict(zip(("ours", "bare"), sides, strict=True)))


def figure(comparisons: list[Comparison], path: Path):
    """Bars of both rates."""
    drawn, axes = new_figure("Work a second", "images x chips, or images, a second", "")
    for k, side in enumerate(("ours", "bare")):
        rates = [getattr(c, side).rate for c in comparisons]
        places = np.arange(len(comparisons)) + 0.4 * k
        axes.barh(places, rates, 0.38, color=COLOURS[k], label=side)
    axes.set_yticks(np.arange(len(comparisons)) + 0.2, [c.name for c in comparisons])
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.legend(loc="best")
    save_figure(drawn, path)
