import collections

import numpy as np
import pytest

from rram_jax.circuit.config import TileConfig, tile_grid
from rram_jax.circuit.wiring import (
    Resistor,
    layer_resistors,
    multiport_resistors,
    port_admittance,
    sensed_transfer,
    shunted_resistors,
    tile_places,
)
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence, solve_resistors, uneven_cells

# Three row tiles of 4, 4 and 2 rows; two column tiles of 4 and 2 columns, c = 2.
TILE = TileConfig(
    rows=4,
    cols=5,
    r_wire_sl=3.0,
    r_wire_bl=7.0,
    r_strap=2.5,
    r_driver_pos=30.0,
    r_driver_neg=50.0,
)
ROWS, COLS, C = 10, 6, 2


def _resistance():
    return 1 / uneven_cells(6, ROWS, COLS)


def _drivers(parts):
    """Drivers from d{i} to every terminal of row i."""
    terminals = sorted({n for p in parts for n in p[:2] if n.startswith("r")})
    rows = [int(n[1:].split("_")[0]) for n in terminals]
    return [
        (f"d{i}", n, (30.0, 50.0)[i % 2]) for i, n in zip(rows, terminals, strict=True)
    ]


def test_places_by_hand():
    places = tile_places(tile_grid((ROWS, COLS), C, TILE))
    found = [(list(p.rows), list(p.cols), p.col_tile, p.tap_row) for p in places]
    assert found == [
        ([0, 1, 2, 3], [0, 1, 2, 3], 0, 1),
        ([4, 5, 6, 7], [0, 1, 2, 3], 0, 5),
        ([8, 9], [0, 1, 2, 3], 0, 9),
        ([0, 1, 2, 3], [4, 5], 1, 1),
        ([4, 5, 6, 7], [4, 5], 1, 5),
        ([8, 9], [4, 5], 1, 9),
    ]
    assert places[5].ports == ["r8_1", "r9_1", "b9_4", "b9_5"]


def test_every_cell_and_wire_stands_once():
    resistance = _resistance()
    parts = layer_resistors(resistance, TILE, C)
    cells = {
        (i, j): r
        for a, b, r in parts
        for i in range(ROWS)
        for j in range(COLS)
        if (a, b) == (f"w{i}_{j}", f"b{i}_{j}")
    }
    assert len(cells) == ROWS * COLS
    for (i, j), r in cells.items():
        assert r == resistance[i, j]
    assert len({frozenset(p[:2]) for p in parts}) == len(parts)
    counted = collections.Counter(r for _, _, r in parts)
    assert counted[3.0] == ROWS * COLS  # source line: one segment before each cell
    assert counted[7.0] == 7 * COLS  # bit line: 3 + 3 + 1 segments
    assert counted[2.5] == 3 * COLS  # tap to tap twice, and to the output
    assert len(parts) == 2 * ROWS * COLS + 10 * COLS
    # Between an even number of taps the strap's middle is a node of its own.
    even = layer_resistors(resistance[:8], TILE, C)
    assert ("b1_3", "m3", 1.25) in even
    assert ("m3", "b5_3", 1.25) in even
    assert ("m3", "s1", 2.5) in even
    assert ("b5_3", "s1", 2.5) in parts


def test_driver_currents_of_the_multiport_are_those_of_the_cells():
    resistance = _resistance()
    full = layer_resistors(resistance, TILE, C)
    ports = multiport_resistors(resistance, TILE, C)
    assert not any(n[0] == "w" for p in ports for n in p[:2])
    assert min(r for _, _, r in ports) > 0
    volts = np.random.default_rng(4).uniform(-0.2, 0.2, ROWS)
    fixed = {f"d{i}": float(v) for i, v in enumerate(volts)}
    answers = []
    for parts in (full, ports):
        drivers = _drivers(parts)
        assert len(drivers) == 2 * ROWS
        node = solve_resistors([*parts, *drivers], fixed)
        currents = [(node[a] - node[b]) / r for a, b, r in drivers]
        sensed = [node[f"s{o}"] for o in range(COLS // C)]
        answers.append((currents, sensed))
    (currents, sensed), (port_currents, port_sensed) = answers
    # Couplings below 1e-12 of the largest are left out; currents here are 1e-6 A
    # and more, differences of volts with digits of 1e-16 over 30 Ohm.
    np.testing.assert_allclose(port_currents, currents, rtol=1e-7, atol=1e-13)
    np.testing.assert_allclose(port_sensed, sensed, rtol=1e-9)
    assert abs(np.sum(currents)) < 1e-12  # all rows: what comes in goes out


def test_shunts_stand_for_what_couples_rows():
    resistance = _resistance()
    ports = multiport_resistors(resistance, TILE, C)
    parts = shunted_resistors(resistance, TILE, C)
    rows = [p for p in parts if p.a[0] == p.b[0] == "r"]
    # Of a tile's rows, those on one side of its tap couple: pairs 1 and 3.
    assert {(p.a, p.b) for p in rows} == {
        (f"r{i}_{q}", f"r{i + 1}_{q}") for i in (2, 6) for q in range(2)
    }
    # One pair driven: all it is coupled to rests at v_cm, as the shunts have it.
    fixed = {f"d{i}": 0.2 * (1, -1)[i % 2] * (i // 2 == 1) for i in range(ROWS)}
    answers = []
    for some in (ports, parts):
        # Rows without drivers' resistance stand where their sources are.
        drivers = [Resistor(a, b, 1e-3) for a, b, _ in _drivers(some)]
        node = solve_resistors([*some, *drivers], fixed | {"cm": 0.0})
        currents = [(node[a] - node[b]) / 1e-3 for a, b, _ in drivers]
        answers.append((currents, [node[f"s{o}"] for o in range(COLS // C)]))
    (currents, sensed), (shunt_currents, shunt_sensed) = answers
    np.testing.assert_allclose(shunt_sensed, sensed, rtol=1e-5)
    driven = [k for k, (a, _, _) in enumerate(_drivers(ports)) if a in ("d2", "d3")]
    assert driven
    for k in driven:
        assert shunt_currents[k] == pytest.approx(currents[k], rel=1e-5)


def test_sensed_transfer_against_the_dense_matrix():
    parts = layer_resistors(_resistance(), TILE, C)
    transfer = sensed_transfer(parts, ROWS, COLS // C, (30.0, 50.0))
    assert transfer.shape == (ROWS, COLS // C)
    for driven in (0, 3, 9):
        fixed = {f"d{i}": float(i == driven) for i in range(ROWS)}
        node = solve_resistors([*parts, *_drivers(parts)], fixed)
        sensed = [node[f"s{o}"] for o in range(COLS // C)]
        np.testing.assert_allclose(transfer[driven], sensed, rtol=1e-10)


@pytest.mark.parametrize(
    "reduce", [layer_resistors, multiport_resistors, shunted_resistors]
)
def test_a_deck_can_be_written_from_it(reduce):
    # Plain finite numbers under names that a netlist takes.
    for a, b, r in reduce(_resistance(), TILE, C):
        assert type(r) is float
        assert 0 < r < np.inf
        assert f"{a}{b}".replace("_", "").isalnum()


@pytest.mark.parametrize("r", [0.0, -5.0, np.nan])
def test_resistors_that_join_two_nodes(r):
    parts = [Resistor("a", "b", 10.0), Resistor("b", "c", r)]
    with pytest.raises(InputError, match="nodes b and c") as error:
        port_admittance(parts, ["a", "c"])
    assert is_one_sentence(error.value)
