"""A layer's array as a list of resistors: what a deck is written from.

Also the independent reference for `circuit.tile`: the same circuit, node by node, by
a sparse solver. Numpy and scipy only.

Nodes (row i, column j, column tile q, output o):
    r{i}_{q}  row terminal: where row i's driver of column tile q connects
    w{i}_{j}  source line at a cell        b{i}_{j}  bit line at a cell
    m{j}      middle of column j's strap   s{o}      sensed node of an output
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from rram_jax.circuit.config import TileConfig, TileGrid, tile_grid
from rram_jax.errors import InputError


class Resistor(NamedTuple):
    """Two nodes and the resistance [Ohm] between them."""

    a: str
    b: str
    r: float


@dataclass(frozen=True, kw_only=True)
class TilePlace:
    """Rows and columns of the layer that one tile holds."""

    rows: range
    cols: range
    col_tile: int
    tap_row: int

    @property
    def ports(self) -> list[str]:
        """Row terminals, then taps."""
        terminals = [f"r{i}_{self.col_tile}" for i in self.rows]
        return terminals + [f"b{self.tap_row}_{j}" for j in self.cols]


def tile_places(grid: TileGrid) -> list[TilePlace]:
    """All tiles of a layer, one column of tiles after the other."""
    return [
        TilePlace(rows=rows, cols=cols, col_tile=q, tap_row=rows[grid.tap_row])
        for q, cols in enumerate(grid.col_runs)
        for rows in grid.row_runs
    ]


def tile_resistors(
    resistance: np.ndarray, place: TilePlace, tile: TileConfig
) -> list[Resistor]:
    """Wires and cells of one tile; `resistance` [Ohm] is the whole layer's."""
    parts = []
    for i in place.rows:
        left = f"r{i}_{place.col_tile}"
        for j in place.cols:
            parts.append(Resistor(left, f"w{i}_{j}", tile.r_wire_sl))
            left = f"w{i}_{j}"
            parts.append(Resistor(left, f"b{i}_{j}", float(resistance[i, j])))
            if i + 1 in place.rows:
                wire = Resistor(f"b{i}_{j}", f"b{i + 1}_{j}", tile.r_wire_bl)
                parts.append(wire)
    return parts


def strap_resistors(
    places: Sequence[TilePlace], columns_per_output: int, tile: TileConfig
) -> list[Resistor]:
    """Straps from tap to tap, and from each strap's middle to its sensed node."""
    parts = []
    for j in sorted({j for place in places for j in place.cols}):
        taps = [f"b{p.tap_row}_{j}" for p in places if j in p.cols]
        half, middle = len(taps) // 2, f"m{j}"
        if len(taps) % 2:
            middle = taps[half]
        else:
            parts.append(Resistor(taps[half - 1], middle, tile.r_strap / 2))
            parts.append(Resistor(middle, taps[half], tile.r_strap / 2))
        for k, (a, b) in enumerate(zip(taps, taps[1:], strict=False)):
            if len(taps) % 2 or k != half - 1:
                parts.append(Resistor(a, b, tile.r_strap))
        parts.append(Resistor(middle, f"s{j // columns_per_output}", tile.r_strap))
    return parts


def layer_resistors(
    resistance: np.ndarray, tile: TileConfig, columns_per_output: int = 1
) -> list[Resistor]:
    """Every cell and wire of a layer between row terminals and sensed nodes.

    Raises:
        InputError: A wire has no resistance.
    """
    _check_wires(tile)
    grid = tile_grid(_shape(resistance), columns_per_output, tile)
    places = tile_places(grid)
    parts = [r for place in places for r in tile_resistors(resistance, place, tile)]
    return parts + strap_resistors(places, columns_per_output, tile)


def multiport_resistors(
    resistance: np.ndarray, tile: TileConfig, columns_per_output: int = 1
) -> list[Resistor]:
    """The same layer with each tile reduced to its ports; straps stay.

    Exact for whatever the row drivers do: a resistor between any two ports that the
    tile couples, so the result can be written into a deck as it stands.

    Raises:
        InputError: A wire has no resistance.
    """
    _check_wires(tile)
    grid = tile_grid(_shape(resistance), columns_per_output, tile)
    places = tile_places(grid)
    parts = []
    for place in places:
        inner = tile_resistors(resistance, place, tile)
        admittance = port_admittance(inner, place.ports)
        coupling = np.triu(-admittance, 1)
        floor = 1e-12 * coupling.max()
        parts += [
            Resistor(place.ports[a], place.ports[b], float(1 / coupling[a, b]))
            for a, b in np.argwhere(coupling > floor)
        ]
    return parts + strap_resistors(places, columns_per_output, tile)


def shunted_resistors(
    resistance: np.ndarray, tile: TileConfig, columns_per_output: int = 1
) -> list[Resistor]:
    """The multiport without what couples its rows: a shunt to node `cm` stands for it.

    Exact for a row while those that it is coupled to rest at v_cm; a driven pair keeps
    its own coupling. A tile of 64 rows has 2,016 row couplings, and its factors in a
    solver are the smaller without them.

    Raises:
        InputError: A wire has no resistance.
    """
    parts, shunts = [], {}
    for part in multiport_resistors(resistance, tile, columns_per_output):
        if {part.a[0], part.b[0]} != {"r"} or _pair(part.a) == _pair(part.b):
            parts.append(part)
        else:
            for name in (part.a, part.b):
                shunts[name] = shunts.get(name, 0.0) + 1 / part.r
    return parts + [Resistor(name, "cm", 1 / g) for name, g in shunts.items()]


def _pair(terminal: str) -> tuple[int, str]:
    """Pair of rows and column tile of a row terminal."""
    row, _, col_tile = terminal[1:].partition("_")
    return int(row) // 2, col_tile


def _check_wires(tile: TileConfig):
    if 0 in (tile.r_wire_sl, tile.r_wire_bl, tile.r_strap):
        raise InputError(
            "A netlist needs wires with resistance: r_wire_sl, r_wire_bl and r_strap"
            " above 0."
        )


def _shape(resistance: np.ndarray) -> tuple[int, int]:
    rows, cols = resistance.shape
    return rows, cols


def port_admittance(resistors: Iterable[Resistor], ports: Sequence[str]) -> np.ndarray:
    """[S] Admittance between ports, every other node eliminated (Kron reduction).

    Raises:
        InputError: A resistor is not above 0 Ohm.
    """
    matrix, index = _nodal_matrix(resistors, ports)
    n = len(ports)
    # Column by column in memory: the solver is five times slower across rows.
    to_ports = matrix[n:, :n].toarray(order="F")
    inner = spla.splu(matrix[n:, n:]).solve(to_ports)
    return matrix[:n, :n].toarray() - matrix[:n, n:] @ inner


@dataclass(frozen=True, kw_only=True)
class SensedLines:
    """What a neuron sees of its array: a source behind a resistor (Thevenin)."""

    transfer: np.ndarray
    """[rows, outputs, V/V] Open-circuit volts per volt behind each row's driver."""

    resistance: np.ndarray
    """[outputs, Ohm] Of each sensed node, rows at rest and the other outputs open."""


def sensed_lines(
    resistors: Iterable[Resistor],
    n_rows: int,
    n_outputs: int,
    r_driver: tuple[float, float],
) -> SensedLines:
    """Sensed nodes of an array as equivalent sources.

    One solve an output: the volts that an ampere into its node makes at all others are,
    by reciprocity, those that they make there.

    `r_driver`: [Ohm] of the positive and the negative rows' drivers; all terminals of
    a row (one a column tile) are driven together.

    Raises:
        InputError: A resistor or driver is not above 0 Ohm.
    """
    resistors = list(resistors)
    terminals = sorted({n for p in resistors for n in p[:2] if n[0] == "r"})
    row_of = [int(name[1:].split("_")[0]) for name in terminals]
    drivers = [
        Resistor(f"d{i}", name, r_driver[i % 2])
        for i, name in zip(row_of, terminals, strict=True)
    ]
    sources = [f"d{i}" for i in range(n_rows)]
    matrix, index = _nodal_matrix([*resistors, *drivers], sources)
    sensed = [index[f"s{o}"] - n_rows for o in range(n_outputs)]
    ampere = np.zeros((len(index) - n_rows, n_outputs), order="F")
    ampere[sensed, range(n_outputs)] = 1.0
    solved = spla.splu(matrix[n_rows:, n_rows:]).solve(ampere)
    return SensedLines(
        transfer=-matrix[:n_rows, n_rows:] @ solved,
        resistance=solved[sensed, range(n_outputs)],
    )


def sensed_transfer(
    resistors: Iterable[Resistor],
    n_rows: int,
    n_outputs: int,
    r_driver: tuple[float, float],
) -> np.ndarray:
    """[V/V] (rows, outputs): the reference for `circuit.tile.layer_transfer`."""
    return sensed_lines(resistors, n_rows, n_outputs, r_driver).transfer


def _nodal_matrix(resistors, first):
    """Nodal admittance matrix, `first` nodes in front; and the index of every node."""
    resistors = list(resistors)
    for part in resistors:
        if not part.r > 0:
            raise InputError(
                f"Between nodes {part.a} and {part.b} there are {part.r:.3g} Ohm, and"
                " a nodal matrix needs more than 0: join the two nodes instead."
            )
    index = {name: k for k, name in enumerate(first)}
    for part in resistors:
        index.setdefault(part.a, len(index))
        index.setdefault(part.b, len(index))
    a = np.array([index[p.a] for p in resistors])
    b = np.array([index[p.b] for p in resistors])
    g = 1 / np.array([p.r for p in resistors])
    entries = (np.r_[g, g, -g, -g], (np.r_[a, b, a, b], np.r_[a, b, b, a]))
    return sp.csc_matrix(entries, shape=(len(index),) * 2), index
