import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.circuit.config import ArrayConfig, TileConfig
from rram_jax.circuit.tile import layer_transfer, wireless_transfer
from rram_jax.circuit.wiring import (
    layer_resistors,
    multiport_resistors,
    sensed_transfer,
)
from rram_jax.errors import InputError
from tests.helpers import (
    assert_gradient,
    is_one_sentence,
    uneven_cells,
    without_type_checks,
)

WIRES = dict(
    r_wire_sl=3.0, r_wire_bl=7.0, r_strap=2.5, r_driver_pos=30.0, r_driver_neg=50.0
)

# (rows, cols, columns an output, tile)
LAYERS = {
    "one pair": (2, 1, 1, TileConfig(**WIRES)),
    "four row tiles, the last short; c = 3": (
        14,
        12,
        3,
        TileConfig(rows=4, cols=7, **WIRES),
    ),
    # Rows 6 + 4 + 4: padding stands between the tiles, not only behind them.
    "three row tiles, columns 3 + 2": (14, 5, 1, TileConfig(rows=6, cols=3, **WIRES)),
    "five row tiles": (20, 3, 1, TileConfig(rows=4, cols=3, **WIRES)),
    "two row tiles, unlike; c = 4": (10, 8, 4, TileConfig(rows=6, cols=5, **WIRES)),
}
NOTHING_BETWEEN = TileConfig(
    rows=4, cols=2, r_wire_sl=2.0, r_strap=0.0, r_driver_pos=0.0, r_driver_neg=0.0
)


def _transfer(conductance, tile, columns_per_output=1):
    return np.asarray(layer_transfer(conductance, tile, columns_per_output))


def test_one_pair_by_hand():
    tile = TileConfig(**WIRES)
    g = np.array([[1 / 5000], [1 / 40e3]])
    # The tap stands at the first row: the second comes up one bit-line segment.
    up, down = 1 / (30 + 3 + 5000), 1 / (50 + 3 + 40e3 + 7)
    by_hand = np.array([[up], [down]]) / (up + down)
    np.testing.assert_allclose(_transfer(g, tile), by_hand, rtol=1e-13)


def test_two_tiles_of_one_pair_by_hand():
    tile = TileConfig(rows=2, **WIRES)
    r = np.array([5000.0, 40e3, 47e3, 4000.0])
    y = 1 / (r + [33, 53 + 7, 33, 53 + 7])
    # Each tile drives the middle of the strap through half of it.
    share = 1 / (1 + 1.25 * np.array([y[0] + y[1], y[2] + y[3]]))
    weighted = y * np.repeat(share, 2)
    by_hand = (weighted / weighted.sum())[:, None]
    np.testing.assert_allclose(_transfer(1 / r[:, None], tile), by_hand, rtol=1e-13)


@pytest.mark.parametrize("name", LAYERS)
def test_against_the_sparse_nodal_matrix(name):
    rows, cols, c, tile = LAYERS[name]
    g = uneven_cells(len(name), rows, cols)
    drivers = (tile.r_driver_pos, tile.r_driver_neg)
    parts = layer_resistors(1 / g, tile, c)
    expected = sensed_transfer(parts, rows, cols // c, drivers)
    transfer = _transfer(g, tile, c)
    assert transfer.shape == (rows, cols // c)
    # Float64, condition numbers near 1e5; measured 1e-14.
    np.testing.assert_allclose(transfer, expected, rtol=1e-11)
    ports = sensed_transfer(
        multiport_resistors(1 / g, tile, c), rows, cols // c, drivers
    )
    # Couplings below 1e-12 of the largest are left out of the multiport.
    np.testing.assert_allclose(ports, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("rows", "cols", "c", "tile"), [*LAYERS.values(), (12, 4, 2, NOTHING_BETWEEN)]
)
def test_all_rows_at_one_volt_bring_every_output_there(rows, cols, c, tile):
    transfer = _transfer(uneven_cells(3, rows, cols), tile, c)
    assert transfer.min() > 0
    # Nothing loads a bit line, so no current flows anywhere; float64.
    np.testing.assert_allclose(transfer.sum(0), 1.0, rtol=1e-12)


def test_limit_of_no_resistance_is_the_wireless_transfer():
    rows, cols, c = 14, 12, 3
    g = uneven_cells(4, rows, cols)
    none = {name: 0.0 for name in WIRES}
    transfer = _transfer(g, TileConfig(rows=4, cols=7, **none), c)
    of_output = g.reshape(rows, cols // c, c).sum(-1)
    expected = of_output / of_output.sum(0)
    np.testing.assert_allclose(transfer, expected, rtol=1e-12)
    wireless = wireless_transfer(jnp.asarray(g, jnp.float32), c)
    np.testing.assert_allclose(wireless, expected, rtol=1e-6)  # float32
    # And small wires are near it: the deviation is linear in them.
    tiny = {name: 1e-3 * r for name, r in WIRES.items()}
    off = _transfer(g, TileConfig(rows=4, cols=7, **tiny), c) / expected - 1
    small = {name: 2e-3 * r for name, r in WIRES.items()}
    twice = _transfer(g, TileConfig(rows=4, cols=7, **small), c) / expected - 1
    assert 1e-6 < abs(off).max() < 1e-3
    # The next order is some 1e-4 of the first.
    np.testing.assert_allclose(twice, 2 * off, rtol=1e-2, atol=1e-3 * abs(off).max())


def test_an_output_without_cells_stays_at_rest():
    g = uneven_cells(5, 6, 4)
    g[:, 2:] = 0.0
    transfer = _transfer(g, TileConfig(**WIRES), 2)
    assert (transfer[:, 1] == 0).all()
    np.testing.assert_allclose(transfer[:, 0].sum(), 1.0, rtol=1e-12)
    wireless = np.asarray(wireless_transfer(jnp.asarray(g, jnp.float32), 2))
    assert (wireless[:, 1] == 0).all()


def test_batch_of_chips_is_a_loop():
    rows, cols, c, tile = LAYERS["two row tiles, unlike; c = 4"]
    g = np.stack([uneven_cells(k, rows, cols) for k in range(6)]).reshape(2, 3, 10, 8)
    transfer = _transfer(g, tile, c)
    assert transfer.shape == (2, 3, rows, cols // c)
    for k in range(2):
        for n in range(3):
            one = _transfer(g[k, n], tile, c)
            np.testing.assert_allclose(transfer[k, n], one, rtol=1e-12)
    wireless = wireless_transfer(jnp.asarray(g, jnp.float32), c)
    expected = wireless_transfer(jnp.asarray(g[1, 2], jnp.float32), c)
    np.testing.assert_array_equal(wireless[1, 2], expected)


@pytest.mark.slow
def test_a_caller_in_float32_mode():
    """Cells in float32 give float32 and its gradient; numpy's float64 stays."""
    rows, cols, c, tile = LAYERS["two row tiles, unlike; c = 4"]
    g = uneven_cells(1, rows, cols).astype(np.float32)
    weight = np.random.default_rng(3).standard_normal((rows, cols // c))

    def of(g):
        return (weight.astype(g.dtype) * layer_transfer(g, tile, c)).sum()

    def with_slopes(g):
        slope = jax.grad(of)
        way = g[::-1]
        return jax.jit(
            lambda g: (
                layer_transfer(g, tile, c),
                slope(g),
                jax.grad(lambda g: (way * slope(g)).sum())(g),
            )
        )(g)

    found = with_slopes(jnp.asarray(g))
    with jax.enable_x64(True):
        exact = [np.asarray(x) for x in with_slopes(jnp.asarray(g, jnp.float64))]
    assert layer_transfer(np.asarray(g, np.float64), tile, c).dtype == jnp.float64
    for single, double in zip(found, exact, strict=True):
        assert single.dtype == jnp.float32
        assert double.dtype == np.float64
        # The cells are the same numbers: only the result is rounded to float32, and
        # the weights, of which the slopes are sums.
        close = dict(rtol=1e-6, atol=1e-6 * abs(double).max())
        np.testing.assert_allclose(single, double, **close)
    chips = jax.vmap(jax.jit(jax.grad(of)))(jnp.stack([g, 2 * g]))
    np.testing.assert_allclose(chips[0], found[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("cells", "tile", "c", "told"),
    [
        (np.array([[1e-4], [-2e-5]]), TileConfig(), 1, "-2e-05 S"),
        (np.array([[1e-4], [np.nan]]), TileConfig(), 1, "holds a NaN"),
        (np.array([[1e-4], [1e-4j]]), TileConfig(), 1, "is real; got complex"),
        ([[1e-4], [1e-4, 1e-4]], TileConfig(), 1, "array of conductances"),
        (np.array([1e-4, 1e-4]), TileConfig(), 1, r"\(rows, cols\).*got \(2,\)"),
        (np.ones((3, 1)), TileConfig(), 1, "rows come in pairs"),
        (np.ones((2, 2)), TileConfig(), 0, "at least one column; got 0"),
        (np.ones((2, 2)), ArrayConfig(), 1, "got ArrayConfig"),
    ],
)
def test_layers_that_are_none(cells, tile, c, told):
    with without_type_checks(), pytest.raises(InputError, match=told) as error:
        layer_transfer(cells, tile, c)
    assert is_one_sentence(error.value)


def test_whole_numbers_and_lists_are_floats():
    with without_type_checks():
        transfer = layer_transfer([[1], [3]], TileConfig(rows=2, cols=1))
    assert transfer.dtype == jnp.float32
    assert transfer.shape == (2, 1)


def test_gradient_against_differences():
    rows, cols, c, tile = LAYERS["two row tiles, unlike; c = 4"]
    g = uneven_cells(2, rows, cols)
    weight = np.random.default_rng(3).standard_normal((rows, cols // c))
    with jax.enable_x64(True):
        weight = jnp.asarray(weight)

        def of(g):
            return (weight * layer_transfer(g, tile, c)).sum()

        assert_gradient(of, jnp.asarray(g))
