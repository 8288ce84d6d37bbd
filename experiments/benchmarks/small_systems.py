"""Batches of small linear systems: elimination in array operations against LAPACK.

    python -m experiments.benchmarks.small_systems

The systems are those of `circuit.ladder`: 32 x 32, 96 right-hand sides, one after the
other for the 64 rows of a tile, at once for all tiles of a layer. The answers are
compared first; times are medians of repeated calls, compilation apart.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from rram_jax.numerics import solve_unpivoted

ROWS, COLS, SOURCES, REPEATS = 64, 32, 64, 5


@partial(jax.jit, static_argnames="solve")
def run(matrix, right, *, solve):
    """The solves of all rows, each waiting for the one before."""

    def row(carry, _):
        x = jax.vmap(solve)(matrix + 0 * carry, right)
        return x[0, 0, 0], x

    return jax.lax.scan(row, jnp.zeros((), matrix.dtype), None, length=ROWS)[1][-1]


def median_time(solve, matrix, right):
    """[s] Median wall time of a call after a first one."""
    run(matrix, right, solve=solve).block_until_ready()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run(matrix, right, solve=solve).block_until_ready()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main():
    """Print the table."""
    table = Table("tiles", "elimination [s]", "jnp.linalg.solve [s]", "ratio")
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        for tiles in (10, 104):
            matrix = np.eye(COLS) + 0.01 * rng.random((tiles, COLS, COLS))
            right = rng.random((tiles, COLS, COLS + SOURCES))
            both = [
                np.asarray(run(matrix, right, solve=solve))
                for solve in (solve_unpivoted, jnp.linalg.solve)
            ]
            np.testing.assert_allclose(*both, rtol=1e-10)
            fast, slow = (
                median_time(solve, matrix, right)
                for solve in (solve_unpivoted, jnp.linalg.solve)
            )
            row = (f"{fast:.3f}", f"{slow:.3f}", f"{slow / fast:.1f}")
            table.add_row(str(tiles), *row)
    Console().print(table)


if __name__ == "__main__":
    main()
