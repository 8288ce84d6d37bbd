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

    cpu_seconds: tuple[float, ...]
    """[s] Processor time of every timed call, all threads."""

    peak: int | None
    """[B] Largest resident memory of the process in a call, data and programs included;
    None where the system does not tell."""

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

    @property
    def ratio_cpu(self) -> float:
        """[-] The same in processor time: the steadier one on a busy machine."""
        ours, bare = (statistics.median(x.cpu_seconds) for x in (self.ours, self.bare))
        return ours * self.bare.work / (bare * self.ours.work)


def check(condition: bool, message: str):
    """Stop where an answer is not what it must be."""
    if not condition:
        raise SystemExit(f"The check failed: {message}.")


def clocks() -> np.ndarray:
    """[s] Wall and processor time now."""
    return np.array([time.perf_counter(), time.process_time()])


def timed(call: Callable[[], Any]) -> np.ndarray:
    """[s] Wall and processor time of a call."""
    begun = clocks()
    jax.block_until_ready(call())
    return clocks() - begun


def peak_memory(call: Callable[[], Any]) -> int | None:
    """[B] Largest resident memory of the process during a call (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        jax.block_until_ready(call())
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def in_turns(
    name: str, work: int, ours: Callable, bare: Callable, repeats: int
) -> Comparison:
    """Time both sides, which are warm and right."""
    pairs = [(timed(ours), timed(bare)) for _ in range(repeats)]
    sides = []
    for taken, call in zip(zip(*pairs, strict=True), (ours, bare), strict=True):
        seconds, cpu_seconds = np.transpose(taken).tolist()
        side = Timing(
            work=work,
            seconds=tuple(seconds),
            cpu_seconds=tuple(cpu_seconds),
            peak=peak_memory(call),
        )
        sides.append(side)
    return Comparison(name=name, ours=sides[0], bare=sides[1])


def figure(comparisons: list[Comparison], path: Path):
    """Both rates of every subject on one axis."""
    drawn, axes = new_figure("Work a second", "images x chips, or images, a second", "")
    for colour, side in zip(COLOURS, ("ours", "bare"), strict=False):
        rates = [getattr(c, side).rate for c in comparisons]
        axes.plot(rates, np.arange(len(comparisons)), "o", color=colour, label=side)
    axes.set_yticks(np.arange(len(comparisons)), [c.name for c in comparisons])
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.legend(loc="best")
    save_figure(drawn, path)
