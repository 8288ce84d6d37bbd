"""The crossbar solver against scipy's sparse LU and against badcrossbar.

    make bench-peers
    python -m experiments.benchmarks.crossbar_solver --json crossbar_solver.json

The problem is badcrossbar's circuit: ideal drivers, 1 Ohm a segment, grounded feet;
cells of 10 or 100 kOhm at random, drives of 16 levels up to 0.2 V. Every answer is
compared with the sparse LU's before it is timed. All solvers run in one process, in
turn; times are the best and the median of repeated calls; the first call of ours,
which compiles, stands apart.

`make bench-peers` puts badcrossbar into build/peers, without its drawing dependency
pycairo, which needs a C library: its solver imports numpy, scipy and pathvalidate
only, and where cairo is missing the package warns and leaves out its plots. It is
asked for output currents alone, the least that it can do. Where it is not installed,
its columns stay empty.
"""

import importlib
import json
import logging
import sys
import time
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
import tyro
from rich.console import Console
from rich.table import Table

from rram_jax.circuit.config import ArrayConfig, TileConfig
from rram_jax.circuit.solver import solve_crossbar, transfer_matrix
from rram_jax.circuit.tile import layer_transfer
from rram_jax.errors import InputError

PEERS = Path(__file__).resolve().parents[2] / "build" / "peers"
ARRAY = ArrayConfig(r_wire_sl=1.0, r_wire_bl=1.0, r_sense=0.0)
TILES_FROM = 128
"""[-] Size from which a whole network's tiles are worth their time."""

PEER_NODES = 256 * 256 * 16
"""Largest problem that badcrossbar is asked for (cells times drives)."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Times of the crossbar solver and of its peers."""

    sizes: tuple[int, ...] = (64, 128, 256, 512)
    """[-] Rows and columns. With one of 128 or more the tiles of the 400-256-10 network
    are timed, too: some 20 s more."""

    drives: tuple[int, ...] = (1, 16, 128)
    """[-] Drives a call; cells times drives above 2^22 are left out."""

    repeats: int = 5
    """[-] Calls of each, after a first one."""

    seed: int = 0
    """[-] Makes cells and drives."""

    json: Path | None = None
    """File for the rows."""

    def __post_init__(self):
        for name in ("sizes", "drives"):
            if not (values := getattr(self, name)) or min(values) < 1:
                raise InputError(f"{name} takes numbers of 1 or more; got {values}.")
        if self.repeats < 1:
            raise InputError(f"repeats is 1 or more; got {self.repeats}.")


def badcrossbar():
    """The package, or None where `make bench-peers` was not run."""
    if PEERS.is_dir() and str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        with warnings.catch_warnings(record=True):
            found = importlib.import_module("badcrossbar")
    except ImportError:
        return None
    # On import it lets everybody's messages through.
    root.setLevel(level)
    root.handlers[:] = handlers
    return found


def sparse_system(g, array):
    """Nodal matrix and, per row, the conductance to its source; wires above 0 Ohm."""
    rows, cols = g.shape
    n = g.size
    node = np.arange(n).reshape(rows, cols)
    ends = [
        (node, node + n, g),
        (node[:, :-1], node[:, 1:], 1 / array.r_wire_sl),
        (node[:-1] + n, node[1:] + n, 1 / array.r_wire_bl),
    ]
    a, b, y = (
        np.concatenate([np.broadcast_to(e[k], e[0].shape).ravel() for e in ends])
        for k in range(3)
    )
    driver = 1 / (array.r_driver + array.r_wire_sl)
    own = np.bincount(a, y, 2 * n) + np.bincount(b, y, 2 * n)
    own[node[:, 0]] += driver
    own[node[-1] + n] += 1 / (array.r_wire_bl + array.r_sense)
    every = np.arange(2 * n)
    entries = (np.r_[-y, -y, own], (np.r_[a, b, every], np.r_[b, a, every]))
    return sp.csc_matrix(entries, shape=(2 * n, 2 * n)), driver


def solve_sparse(u, g, array):
    """Node voltages (rows, cols, drives) of source and bit lines by sparse LU."""
    rows, cols = g.shape
    matrix, driver = sparse_system(g, array)
    right = np.zeros((2 * g.size, len(u)))
    right[np.arange(rows) * cols] = driver * u.T
    v = spla.splu(matrix).solve(right).reshape(2, rows, cols, len(u))
    return v[0], v[1]


def problem(settings: Benchmark, size: int, drives: int):
    """Drives [V] and cells [S]."""
    rng = np.random.default_rng(settings.seed)
    g = 1 / rng.choice([1e4, 1e5], (size, size))
    return rng.integers(0, 16, (drives, size)) / 15 * 0.2, g


def clock(call, repeats):
    """Seconds of the first call, then the best and the median of some more."""
    return clock_in_turn([call], repeats)[0]


def clock_in_turn(calls, repeats):
    """The same of several calls, one after the other in every round."""
    times = [[] for _ in calls]
    for _ in range(repeats + 1):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(call())
            own.append(time.perf_counter() - start)
    return [
        {
            "first": own[0],
            "best": min(own[1:] or own),
            "median": float(np.median(own[1:] or own)),
        }
        for own in times
    ]


def measure(settings: Benchmark, size: int, drives: int):
    """One row: times and errors of all solvers on one problem."""
    u, g = problem(settings, size, drives)
    row: dict = {"size": size, "drives": drives}
    big = size * size * drives > 2**20
    current = solve_sparse(u, g, ARRAY)[1][-1].T / ARRAY.r_wire_bl
    peer_repeats = 1 if big else 2
    row["splu"] = clock(lambda: solve_sparse(u, g, ARRAY), peer_repeats)
    peer = badcrossbar()
    if peer and size * size * drives <= max(PEER_NODES, 128**3):
        call = partial(
            peer.compute,
            u.T,
            1 / g,
            ARRAY.r_wire_bl,
            node_voltages=False,
            all_currents=False,
        )
        np.testing.assert_allclose(call().currents.output, current, rtol=1e-6)
        row["badcrossbar"] = clock(call, peer_repeats - 1)
    for bits in (64, 32):
        with jax.enable_x64(bits == 64):
            ud, gd = jnp.asarray(u), jnp.asarray(g)
            call = partial(solve_crossbar, ud, gd, ARRAY)

            @jax.jit
            def gradient(u, g):
                def loss(u, g):
                    return (solve_crossbar(u, g, ARRAY).current ** 2).sum()

                return jax.grad(loss, (0, 1))(u, g)

            out = call()
            error = float(abs(np.asarray(out.current) / current - 1).max())
            assert error < (1e-6 if bits == 64 else 1e-4), error
            row[f"error_{bits}"] = error
            row[f"iterations_{bits}"] = int(out.iterations.max())
            row[f"ours_{bits}"] = clock(call, settings.repeats)
            # The first call was the check's: compile anew to see what it costs.
            jax.clear_caches()
            row[f"ours_{bits}"]["first"] = clock(call, 0)["first"]
            if drives == 16:
                by_drive, _ = gradient(ud, gd)
                check_gradient(ud, gd, by_drive)
                forward, row[f"gradient_{bits}"] = clock_in_turn(
                    [call, partial(gradient, ud, gd)], settings.repeats
                )
                row[f"ours_{bits}"] |= {k: forward[k] for k in ("best", "median")}
    if drives == size == 128:
        for bits, rtol in ((64, 1e-6), (32, 1e-4)):
            with jax.enable_x64(bits == 64):
                call = partial(transfer_matrix, jnp.asarray(g, f"float{bits}"), ARRAY)
                np.testing.assert_allclose(u @ np.asarray(call()), current, rtol=rtol)
                row[f"transfer_{bits}"] = clock(call, settings.repeats)
    return row


def check_gradient(u, g, by_drive):
    """The squared currents are of second order in the drives: Euler's identity."""
    current = solve_crossbar(u, g, ARRAY).current
    rtol = 1e-6 if u.dtype == np.float64 else 1e-4
    expected = 2 * float((current**2).sum())
    np.testing.assert_allclose(float((u * by_drive).sum()), expected, rtol=rtol)


def measure_layers(settings: Benchmark):
    """[s] One chip of 400-256-10 with bias rows: T of both layers on their tiles."""
    rng = np.random.default_rng(settings.seed)
    layers = [((800, 256), 1), ((512, 40), 4)]
    cells = [(1 / rng.choice([1e4, 1e5], shape), c) for shape, c in layers]

    def chip():
        return [layer_transfer(g, TileConfig(), c) for g, c in cells]

    return clock(chip, settings.repeats)


def main():
    """Print the table, and write it where asked."""
    settings = tyro.cli(Benchmark)
    table = Table("size", "drives", "solver", "best", "median", "compile", "note")

    def show(row, name, note=""):
        if t := row.get(name):
            compiled = name.startswith("ours") or name.startswith("tiles")
            times = [f"{1e3 * t[k]:.1f} ms" for k in ("best", "median")]
            times.append(f"{t['first'] - t['best']:.1f} s" if compiled else "")
            table.add_row(str(row["size"]), str(row["drives"]), name, *times, note)

    rows, log = [], Console(stderr=True)
    for size in settings.sizes:
        for drives in settings.drives:
            if size * size * drives > 2**22:
                continue
            log.print(f"{size} x {size} cells, {drives} drives ...")
            row = measure(settings, size, drives)
            rows.append(row)
            for name in ("splu", "badcrossbar"):
                show(row, name)
            for bits in (64, 32):
                ours = row[f"ours_{bits}"]["best"]
                note = [f"error {row[f'error_{bits}']:.0e}"]
                for name in ("splu", "badcrossbar"):
                    if name in row:
                        note.append(f"{name} / this {row[name]['best'] / ours:.1f}")
                show(row, f"ours_{bits}", ", ".join(note))
                if f"gradient_{bits}" in row:
                    times = row[f"gradient_{bits}"]["best"] / ours
                    show(row, f"gradient_{bits}", f"this / forward {times:.2f}")
            for name in ("transfer_64", "transfer_32"):
                if name in row:
                    peer = row.get("badcrossbar", {"best": np.nan})["best"]
                    times = peer / row[name]["best"]
                    show(row, name, f"badcrossbar, 128 drives / this {times:.1f}")
    if max(settings.sizes) >= TILES_FROM:
        log.print("Tiles of the 400-256-10 network ...")
        layers = {"size": "400-256-10", "drives": "T"}
        layers["tiles_64"] = measure_layers(settings)
        rows.append(layers)
        show(layers, "tiles_64", "a chip, c = 4 for the output layer")
    Console(width=120).print(table)
    if settings.json:
        settings.json.write_text(json.dumps(rows, indent=1))
        print(f"JSON: {settings.json}.")


if __name__ == "__main__":
    main()
