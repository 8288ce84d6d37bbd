"""The exact transfer matrix of a layer on its tiles, straps and drivers included."""

import contextlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.checks import as_conductance, check_cells
from rram_jax.circuit.config import TileConfig, TileGrid, tile_grid
from rram_jax.circuit.ladder import fold_rows, open_voltage, row_norton, series
from rram_jax.numerics import in_x64
from rram_jax.types import Array, Float


def layer_transfer(
    conductance: Float[Array | np.ndarray, "*chips rows cols"],
    tile: TileConfig,
    columns_per_output: int = 1,
) -> Float[Array, "*chips rows outputs"]:
    """Sensed volts per volt behind each row's driver, [V/V], exact to rounding.

    Even rows are positive, odd ones negative (`circuit.pair`); bit lines float
    (voltage sensing). Column tiles have their own drivers and fall apart, so each is
    solved on its own; a batch of chips is a loop over chips.

    Computed in float64 and returned in the dtype of the cells (whole numbers count as
    jax's default floats, complex ones are refused), with derivatives in reverse mode
    only: no jvp, no jax.hessian; use jacrev(jacrev). Cells in numpy's float64 give
    float64 also where the caller is in float32 mode: hand that on as numpy or cast it.

    Raises:
        InputError: The cells do not go on such tiles or (outside jit) one is negative
            or no finite number.
    """
    # numpy's float64 would be rounded in float32 mode.
    wide = getattr(conductance, "dtype", None) == np.float64
    with jax.enable_x64(True) if wide else contextlib.nullcontext():
        g = as_conductance(conductance)
    check_cells(g.shape)
    grid = tile_grid((g.shape[-2], g.shape[-1]), columns_per_output, tile)
    return in_x64(
        partial(
            _layer_transfer,
            tile=tile,
            grid=grid,
            columns_per_output=columns_per_output,
        )
    )(g)


@partial(jax.jit, static_argnames=("tile", "grid", "columns_per_output"))
def _layer_transfer(conductance, tile, grid: TileGrid, columns_per_output):
    if conductance.ndim > 2:
        one = partial(
            _layer_transfer,
            tile=tile,
            grid=grid,
            columns_per_output=columns_per_output,
        )
        return jax.lax.map(one, conductance)
    rows = len(conductance)
    tiles = _cut(conductance, grid)
    taps = jax.vmap(jax.vmap(partial(_tap_norton, tile=tile, tap_row=grid.tap_row)))
    admittance, current = taps(tiles)
    join = partial(_join_taps, tile=tile, columns_per_output=columns_per_output)
    transfer = jax.vmap(join)(admittance, current)  # [col_tiles, outputs, rows]
    outputs = [len(run) // columns_per_output for run in grid.col_runs]
    from_tiles = [t[:n].T for t, n in zip(transfer, outputs, strict=True)]
    return jnp.concatenate(from_tiles, 1)[_padded(grid.row_runs).ravel() < rows]


def _padded(runs):
    """[runs, longest] line numbers of each run; a large number pads the shorter."""
    most = np.iinfo(np.int32).max
    index = np.full((len(runs), len(runs[0])), most, np.int32)
    for k, run in enumerate(runs):
        index[k, : len(run)] = run
    return index


def _cut(conductance, grid):
    """[col_tiles, row_tiles, rows, cols]; the padding has no cells (0 S)."""
    row, col = _padded(grid.row_runs), _padded(grid.col_runs)
    index = (row[None, :, :, None], col[:, None, None, :])
    return conductance.at[index].get(mode="fill", fill_value=0.0)


def _tap_norton(conductance, *, tile, tap_row):
    """One tile's Norton source at its taps: rows above and rows below, in parallel."""
    rows = len(conductance)
    driver = jnp.resize(jnp.array([tile.r_driver_pos, tile.r_driver_neg]), (rows,))
    norton = jax.vmap(row_norton, (0, 0, None))(conductance, driver, tile.r_wire_sl)
    drive = jnp.eye(rows, dtype=conductance.dtype)
    above = slice(0, tap_row + 1)
    below = slice(rows - 1, tap_row, -1)
    y_above, j_above = fold_rows(norton[above], drive[above], tile.r_wire_bl)
    y_below, j_below = fold_rows(norton[below], drive[below], tile.r_wire_bl)
    y_below, j_below = series(y_below, j_below, tile.r_wire_bl)
    return y_above + y_below, j_above + j_below


def _join_taps(admittance, current, *, tile, columns_per_output):
    """[outputs, rows] transfer of one column of tiles: straps, then shared outputs."""
    row_tiles, cols, rows = current.shape
    own = jnp.eye(row_tiles, dtype=current.dtype)[:, None, :, None]
    current = (current[:, :, None, :] * own).reshape(row_tiles, cols, -1)

    def fold(order):
        y, j = admittance[order[0]], current[order[0]]
        for k in order[1:]:
            y, j = series(y, j, tile.r_strap)
            y, j = y + admittance[k], j + current[k]
        return y, j

    half = row_tiles // 2
    if row_tiles == 1:
        y, j = fold([0])
    elif row_tiles % 2:
        sides = [list(range(half)), list(range(row_tiles - 1, half, -1))]
        y, j = admittance[half], current[half]
        for side in sides:
            y_side, j_side = series(*fold(side), tile.r_strap)
            y, j = y + y_side, j + j_side
    else:  # the middle of the strap lies between two taps
        sides = [list(range(half)), list(range(row_tiles - 1, half - 1, -1))]
        (y0, j0), (y1, j1) = (series(*fold(s), tile.r_strap / 2) for s in sides)
        y, j = y0 + y1, j0 + j1
    y, j = series(y, j, tile.r_strap)
    shape = (cols // columns_per_output, columns_per_output)
    y = y.reshape(*shape, *shape).sum((1, 3))
    j = j.reshape(*shape, -1).sum(1)
    return open_voltage(y, j)


def wireless_transfer(
    conductance: Float[Array | np.ndarray, "*chips rows cols"],
    columns_per_output: int = 1,
) -> Float[Array, "*chips rows outputs"]:
    """[V/V] Transfer without wires and drivers: each cell's share of its output's G."""
    *chips, rows, cols = conductance.shape
    shape = (*chips, rows, cols // columns_per_output, columns_per_output)
    of_output = conductance.reshape(shape).sum(-1)
    total = of_output.sum(-2, keepdims=True)
    return of_output / jnp.where(total == 0, 1.0, total)
