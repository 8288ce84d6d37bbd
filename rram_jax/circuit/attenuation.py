"""The attenuation map: wires and drivers as three numbers a cell, held as cells vary.

A row's driver and source line drop more the more its cells conduct, and what is dropped
comes back into every output as a background, through the cells that share the row.
So with the row's load in its tile, g_row = sum(G) [S],

    T = (slope * T_wireless + offset * g_row) / (1 + r_row * g_row),

where r_row is known beforehand, and slope and offset follow from two exact solves: the
nominal array, and the same array with all weights negated. What comes back depends on
how much the columns are alike, so a map is best made of the weights that it is used
for: `experiments/benchmarks/attenuation.py` gives its error over layers, wires, spread
and flipped weights. Each sampled array then costs row sums and elementwise products.

Closed form, to first order in the resistances, cells alike or independent: where two
cells of a line share a resistance of their paths, each takes that times its conductance
from the other's share, and gives it to the background. A bit line carries no current in
all, so there only what a cell loses more than the others shows.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.config import TileConfig, split_lines, tile_grid
from rram_jax.circuit.pair import interleave, split
from rram_jax.circuit.tile import layer_transfer, wireless_transfer
from rram_jax.errors import InputError
from rram_jax.types import Array, Float, register_record

DISTINCT = 0.2
"""[-] Of the mean: by how much a cell's share must change from the one solved array to
the other for its slope to follow from the change."""


@register_record
@dataclass(frozen=True)
class AttenuationMap:
    """What wires and drivers do to each cell's share of its output."""

    slope: Float[Array, "rows outputs"]
    """[-] Of the exact over the wireless transfer, the row's drop apart."""

    offset: Float[Array, "rows outputs"]
    """[Ohm] V/V per siemens of the row's load: what comes whatever the cell is."""

    r_row: Float[Array, "rows col_tiles"]
    """[Ohm] Driver and source line, seen by a row's whole load in a tile."""


def attenuation_map(
    conductance: Float[Array, "rows cols"],
    tile: TileConfig,
    columns_per_output: int = 1,
) -> AttenuationMap:
    """Map of a nominal array of `conductance` [S], for cells sampled around it.

    The second solve is of the array with the rows of each pair exchanged. To float32
    digits exact at the nominal array, and at the other one but for cells whose share of
    their output hardly changes there (HRS in both; alone in their row): those take the
    mean slope of the rest, or 1.
    """
    r_row = _row_resistance(_grid(conductance, tile, columns_per_output), tile)
    with jax.enable_x64(True):
        g = jnp.asarray(conductance, jnp.float64)
        positive, negative = split(g)
        arrays = (g, interleave(negative, positive))
        exact = [layer_transfer(x, tile, columns_per_output) for x in arrays]
        slope, offset = _fit(arrays, exact, r_row)
    return AttenuationMap(slope=slope, offset=offset, r_row=r_row)


@jax.jit
def _fit(arrays, exact, r_row):
    """Slope and offset that give both arrays' exact transfers."""
    c = arrays[0].shape[1] // exact[0].shape[1]
    (share, load, drop), (share_n, load_n, drop_n) = (
        _parts(g, r_row, c) for g in arrays
    )
    undropped, undropped_n = exact[0] * (1 + drop), exact[1] * (1 + drop_n)
    one, other = share * load_n, share_n * load
    distinct = jnp.abs(one - other) > DISTINCT * (one + other).mean()
    distinct &= jnp.abs(share - share_n) > DISTINCT * share.mean()
    slope = undropped * load_n - undropped_n * load
    slope = slope / jnp.where(distinct, one - other, 1.0)
    usual = jnp.where(distinct, slope, 0.0).sum() / distinct.sum()
    usual = jnp.where(distinct.any(), usual, 1.0)
    slope = jnp.where(distinct, slope, usual)
    offset = (undropped - slope * share) / jnp.where(load == 0, 1.0, load)
    return slope.astype(jnp.float32), offset.astype(jnp.float32)


def closed_form_map(
    conductance: Float[Array, "rows cols"],
    tile: TileConfig,
    columns_per_output: int = 1,
) -> AttenuationMap:
    """Map without a solve; of the conductance [S] only shape and mean matter."""
    rows, cols = conductance.shape
    grid = _grid(conductance, tile, columns_per_output)
    lines = [_source_line(run, tile) for run in grid.col_runs]
    mean = float(conductance.mean())
    of_row = mean * _bit_line(grid, tile)
    of_column = mean * np.concatenate([len(x) * (x - x.mean()) for x in lines])
    slope = 1 - (of_row - of_row.mean())[:, None] - of_column
    driver = (tile.r_driver_pos + tile.r_driver_neg) / 2
    offset = np.broadcast_to((driver + np.concatenate(lines)) / rows, slope.shape)
    outputs = (rows, cols // columns_per_output, columns_per_output)
    return AttenuationMap(
        slope=jnp.asarray(slope.reshape(outputs).mean(-1), jnp.float32),
        offset=jnp.asarray(offset.reshape(outputs).mean(-1), jnp.float32),
        r_row=_row_resistance(grid, tile),
    )


def _shared(position):
    """Part that the paths from two positions to 0 have in common, for every two."""
    near = np.minimum.outer(abs(position), abs(position))
    return np.where(np.multiply.outer(position, position) > 0, near, 0)


def _source_line(run, tile):
    """[Ohm] What each cell of a row shares of the line with a cell, on the mean."""
    return tile.r_wire_sl * _shared(np.arange(1, len(run) + 1)).mean(1)


def _bit_line(grid, tile):
    """[Ohm] (rows,) What a cell shares with the others of its column, summed."""
    row_tile = _tile_of(grid.row_runs)
    to_tap = np.concatenate([np.arange(len(r)) - grid.tap_row for r in grid.row_runs])
    to_middle = row_tile - (len(grid.row_runs) - 1) / 2
    of_tile = tile.r_wire_bl * _shared(to_tap) * (row_tile[:, None] == row_tile)
    return (of_tile + tile.r_strap * _shared(to_middle)).sum(1)


def _row_resistance(grid, tile):
    """[Ohm] (rows, col_tiles): driver and, on the mean over cells, source line."""
    rows = grid.row_runs[-1].stop
    driver = np.resize([tile.r_driver_pos, tile.r_driver_neg], rows)
    line = np.array([_source_line(run, tile).mean() for run in grid.col_runs])
    return jnp.asarray(driver[:, None] + line, jnp.float32)


def ideal_map(shape: tuple[int, int]) -> AttenuationMap:
    """No wires, no drivers, for (rows, outputs)."""
    return AttenuationMap(
        slope=jnp.ones(shape, jnp.float32),
        offset=jnp.zeros(shape, jnp.float32),
        r_row=jnp.zeros((shape[0], 1), jnp.float32),
    )


def mapped_transfer(
    conductance: Float[Array, "*chips rows cols"], attenuation: AttenuationMap
) -> Float[Array, "*chips rows outputs"]:
    """[V/V] Approximate transfer of sampled arrays, differentiable and cheap.

    Raises:
        InputError: The map is one of an array of another shape.
    """
    (rows, outputs), shape = attenuation.slope.shape, conductance.shape
    if len(shape) < 2 or shape[-2] != rows or shape[-1] % outputs or not shape[-1]:
        raise InputError(
            f"This attenuation map is one of {rows} rows and of columns for {outputs}"
            f" outputs; got conductances of shape {shape}."
        )
    return _mapped(conductance, attenuation)


@jax.jit
def share_slope(
    conductance: Float[Array, "rows cols"], attenuation: AttenuationMap
) -> Float[Array, "rows outputs"]:
    """[-] Slope of `mapped_transfer` over each cell's wireless share, loads held."""
    c = conductance.shape[-1] // attenuation.slope.shape[-1]
    _, _, drop = _parts(conductance, attenuation.r_row, c)
    return attenuation.slope / (1 + drop)


@jax.jit
def _mapped(conductance, attenuation):
    c = conductance.shape[-1] // attenuation.slope.shape[-1]
    share, load, drop = _parts(conductance, attenuation.r_row, c)
    return (attenuation.slope * share + attenuation.offset * load) / (1 + drop)


def _parts(conductance, r_row, columns_per_output):
    """Wireless transfer [V/V]; load [S] and drop [-] of each output's row and tile."""
    share = wireless_transfer(conductance, columns_per_output)
    col_tiles = r_row.shape[-1]
    runs = split_lines(share.shape[-1], col_tiles, columns_per_output)
    load = jnp.stack([conductance[..., r.start : r.stop].sum(-1) for r in runs], -1)
    of_output = _tile_of(split_lines(share.shape[-1], col_tiles, 1))
    return share, load[..., of_output], (r_row * load)[..., of_output]


def _grid(conductance, tile, columns_per_output):
    rows, cols = conductance.shape
    return tile_grid((rows, cols), columns_per_output, tile)


def _tile_of(runs):
    """Tile of every line."""
    return np.repeat(np.arange(len(runs)), [len(run) for run in runs])
