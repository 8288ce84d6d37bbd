"""One RESET pulse on many unlike cells at once, beside scipy cell by cell.

    python -m experiments.benchmarks.reset_pulse --json reset_pulse.json

Every cell has its own start barrier, cross-section, cell voltage and pulse width. The
reference solves dx/dt with scipy's LSODA and the voltage of each 1T1R cell with its
brentq, in float64; the first cells are compared with it before anything is timed.
Compilation is told apart.
"""

import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from rram_jax.device.filament import KELVIN, FilamentCard, load_filament
from rram_jax.device.pulse import apply_pulse

TOLERANCE = {"float64": 1e-6, "float32": 1e-3}
"""[-] Largest error of x after the pulse; LSODA's own at rtol 1e-9 is some 1e-8."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Speed of `apply_pulse`."""

    card: str = "hfo2"
    """Filament card."""

    cells: int = 100_000
    """[-] Cells at once."""

    compared: int = 24
    """[-] Cells that scipy solves, too."""

    repeats: int = 3
    """[-] Timed calls; their median is printed."""

    seed: int = 0
    """[-] Makes the cells."""

    json: Path | None = None
    """File for the numbers."""


def draw(settings: Benchmark, card: FilamentCard) -> list[np.ndarray]:
    """Barrier, cross-section, cell and gate voltage, width: all but the gate unlike."""
    rng, n = np.random.default_rng(settings.seed), settings.cells
    return [
        np.abs(rng.normal(0, 0.25 * card.x0, n)),
        np.exp(0.064 * rng.standard_normal(n)),
        rng.normal(1.3, 0.03, n),
        np.full(n, card.gate_reset),
        card.t_reset * 10 ** rng.uniform(-1, 1, n),
    ]


def scipy_pulse(x, s, v_cell, v_gate, width, card: FilamentCard) -> float:
    """[m] Barrier after a RESET pulse; shares no line with the package's solvers."""
    v_t = KELVIN * card.t_ambient
    pinch = (v_gate - card.access_threshold) / card.access_slope

    def channel(v):
        return np.logaddexp(0, (pinch - v) / (2 * v_t)) ** 2

    def rate(_, y):
        x = y[0] * 1e-9
        r = card.r_filament / s * (np.exp(x / card.x0) - x / card.t_ox)
        v0 = card.v0_hrs + (card.v0_lrs - card.v0_hrs) * np.exp(-x / card.x0)
        scale = 2 * card.access_slope * card.access_beta * v_t**2

        def rram(v):
            return v0 / r * np.sinh(v / v0)

        def imbalance(v):
            return rram(v) - scale * (channel(v) - channel(v_cell))

        v = brentq(imbalance, 0, v_cell, xtol=1e-14, rtol=1e-14)
        heated = KELVIN * (card.t_ambient + card.r_th * v * rram(v))
        lowering = card.a_reset * v / (card.d_reset + x)
        share = 1 / (1 + np.exp((card.e_reset - lowering) / heated))
        share -= 1 / (1 + np.exp(card.e_reset / heated))
        return [card.nu_reset * (card.t_ox - x) * share * 1e9]

    answer = solve_ivp(
        rate, (0, width), [x * 1e9], method="LSODA", rtol=1e-9, atol=1e-12
    )
    if not answer.success:
        raise SystemExit(f"scipy: {answer.message}")
    return answer.y[0, -1] * 1e-9


def main():
    """Compare, time, print, and write where asked."""
    settings = tyro.cli(Benchmark)
    card = load_filament(settings.card)
    cells = draw(settings, card)
    few = [tuple(a[: settings.compared]) for a in cells]
    start, cpu = time.perf_counter(), time.process_time()
    reference = [scipy_pulse(*cell, card) for cell in zip(*few, strict=True)]
    loop = (time.perf_counter() - start) / len(reference)
    loop_cpu = (time.process_time() - cpu) / len(reference)
    rows = []
    for dtype in ("float64", "float32"):
        with jax.enable_x64(dtype == "float64"):
            arrays, params = [jnp.asarray(a, dtype) for a in cells], card.params()
            start = time.perf_counter()
            compiled = jax.jit(apply_pulse).lower(*arrays, params).compile()
            compiling = time.perf_counter() - start
            x = np.asarray(compiled(*arrays, params).x[: len(reference)])
            error = float(np.abs(x / np.array(reference) - 1).max())
            if not error < TOLERANCE[dtype]:
                raise SystemExit(f"{dtype} is off scipy's by {error:.1e}.")
            walls, cpus = [], []
            for _ in range(settings.repeats):
                start, cpu = time.perf_counter(), time.process_time()
                jax.block_until_ready(compiled(*arrays, params))
                walls.append(time.perf_counter() - start)
                cpus.append(time.process_time() - cpu)
        wall, cpu = float(np.median(walls)), float(np.median(cpus))
        rows.append(
            {
                "dtype": dtype,
                "cells": settings.cells,
                "error": error,
                "compile_s": compiling,
                "wall_s": wall,
                "cpu_s": cpu,
                "cells_per_second": settings.cells / wall,
                "scipy_s_a_cell": loop,
                "ratio_wall": loop * settings.cells / wall,
                "ratio_cpu": loop_cpu * settings.cells / cpu,
            }
        )
    names = {
        "error": "largest error of x [-]",
        "compile_s": "compilation [s]",
        "wall_s": "wall time [s]",
        "cpu_s": "processor time [s]",
        "cells_per_second": "cells per second",
        "ratio_wall": "times faster, by wall time",
        "ratio_cpu": "times faster, by processor time",
    }
    table = Table(f"{settings.cells} cells", *(row["dtype"] for row in rows))
    for name, text in names.items():
        table.add_row(escape(text), *(f"{row[name]:.3g}" for row in rows))
    console = Console()
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    console.print(
        f"scipy took {loop:.3g} s a cell, {len(reference)} cells. Peak resident memory"
        f" {peak / 1e9:.2f} GB."
    )
    if settings.json:
        settings.json.write_text(
            json.dumps({"peak_bytes": peak, "rows": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
