import math

import pytest

from rram_jax.circuit.config import ArrayConfig, TileConfig, tile_grid
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (ArrayConfig, {"r_wire_sl": -0.1}),
        (ArrayConfig, {"r_wire_bl": math.nan}),
        (ArrayConfig, {"r_driver": math.inf}),
        (ArrayConfig, {"r_sense": -1.0}),
        (TileConfig, {"r_strap": -0.5}),
        (TileConfig, {"r_driver_neg": math.nan}),
        (TileConfig, {"r_wire_bl": math.inf}),
    ],
)
def test_resistances_no_wire_has(config, values):
    with pytest.raises(InputError) as error:
        config(**values)
    (name,) = values
    assert f"{config.__name__}: {name}" in str(error.value)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize("values", [{"rows": 5}, {"rows": 0}, {"cols": 0}])
def test_tiles_without_whole_pairs(values):
    with pytest.raises(InputError, match="even number of rows") as error:
        TileConfig(**values)
    assert is_one_sentence(error.value)


def _lines(runs):
    return [list(run) for run in runs]


def test_grid_by_hand():
    # Seven pairs on tiles of two: 2, 2, 2, 1. Four outputs of three columns on tiles
    # of seven columns: two and two outputs.
    grid = tile_grid((14, 12), 3, TileConfig(rows=4, cols=7))
    rows = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13]]
    assert _lines(grid.row_runs) == rows
    assert _lines(grid.col_runs) == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert grid.tap_row == 1


def test_runs_are_as_equal_as_whole_pairs_allow():
    # 65 pairs do not fill three tiles of 32: 22, 22 and 21, not 32, 32 and 1.
    grid = tile_grid((130, 5), 1, TileConfig(rows=64, cols=3))
    assert [len(run) for run in grid.row_runs] == [44, 44, 42]
    assert [len(run) for run in grid.col_runs] == [3, 2]
    assert grid.tap_row == 21


@pytest.mark.parametrize(
    ("rows", "cols", "columns_per_output", "tile"),
    [
        (2, 1, 1, TileConfig()),
        (288, 64, 1, TileConfig()),
        (800, 40, 4, TileConfig()),
        (26, 21, 3, TileConfig(rows=6, cols=5)),
    ],
)
def test_every_line_stands_once_on_a_tile_that_holds_it(
    rows, cols, columns_per_output, tile
):
    grid = tile_grid((rows, cols), columns_per_output, tile)
    assert sum(_lines(grid.row_runs), []) == list(range(rows))
    assert sum(_lines(grid.col_runs), []) == list(range(cols))
    for run in grid.row_runs:
        assert len(run) <= tile.rows
        assert len(run) % 2 == run.start % 2 == 0
        assert grid.tap_row < len(run)
    for run in grid.col_runs:
        assert len(run) <= tile.cols
        assert len(run) % columns_per_output == 0


@pytest.mark.parametrize(
    ("rows", "cols", "columns_per_output"), [(7, 4, 1), (6, 7, 2), (6, 33, 33)]
)
def test_layers_that_do_not_go_on_tiles(rows, cols, columns_per_output):
    with pytest.raises(InputError, match=f"{rows} rows and {cols} columns") as error:
        tile_grid((rows, cols), columns_per_output, TileConfig())
    assert is_one_sentence(error.value)
