"""Wires of one array, and of a layer built from tiles."""

import math
from dataclasses import dataclass

from rram_jax.errors import InputError


def check_resistance(owner: object, name: str, value: object) -> None:
    """One number of ohms; only a sense resistor can be infinite.

    Raises:
        InputError: It is none.
    """
    who = f"{type(owner).__name__}: {name} is"
    shape = getattr(value, "shape", ())
    if shape != ():
        raise InputError(
            f"{who} one resistance (jax.vmap over an ArrayParams solves several); got"
            f" the shape {shape}."
        )
    try:
        ohms = float(value)  # type: ignore[arg-type] - whatever the user gave
    except (TypeError, ValueError):
        hint = " (infinity: bit lines float)" if name == "r_sense" else ""
        if hasattr(value, "dtype"):
            hint = " (what jax traces goes into an ArrayParams)"
        raise InputError(f"{who} a number of ohms{hint}; got {value!r}.") from None
    if not ohms >= 0 or (math.isinf(ohms) and name != "r_sense"):
        raise InputError(f"{who} a resistance in ohms, 0 or more; got {ohms}.")


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """One plain array. All resistances may be zero.

    Static under jit (`static_argnames`): other resistances compile anew. `ArrayParams`
    holds the same as arrays. Rows are driven from the left along source lines (SL),
    columns are sensed at the foot of their bit lines (BL); all voltages count from
    v_cm, where all lines rest. The word lines that switch the access transistors on
    are not drawn:

        drive[0] --r_driver--r_wire_sl--o--r_wire_sl--o--    o = cell from SL to BL
                                        |             |
        drive[1] --r_driver--r_wire_sl--o--r_wire_sl--o--    r_wire_bl between cells
                                        |             |      of a column, and one
                                    r_wire_bl     r_wire_bl  more before the foot
                                        |             |
                                      foot 0        foot 1 --r_sense-- v_cm
    """

    r_wire_sl: float = 0.5
    """[Ohm] Source-line segment from cell to cell, and before the first cell."""

    r_wire_bl: float = 0.5
    """[Ohm] Bit-line segment from cell to cell, and after the last cell."""

    r_driver: float = 0.0
    """[Ohm] Row driver."""

    r_sense: float = math.inf
    """[Ohm] From a bit line's foot to v_cm: 0 senses current, infinity voltage."""

    def __post_init__(self):
        for name in ("r_wire_sl", "r_wire_bl", "r_driver", "r_sense"):
            check_resistance(self, name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class TileConfig:
    """How a layer is cut into tiles, and the wires of the tiles and between them.

    Every tile has row drivers of its own. Its bit lines are tapped at their middle
    row; a strap joins the taps of a column's row tiles, and the strap's middle goes
    through one more strap segment to the sensed node, which `columns_per_output`
    columns share. Three modules know this topology, each for itself: `circuit.tile`
    (exact), `circuit.wiring` (resistors of a deck) and `circuit.attenuation` (the
    closed form).

    Static under jit (`static_argnames`): another tile compiles anew.
    """

    rows: int = 64
    """[-] Rows of a tile at most; even, so that a pair of rows stays together."""

    cols: int = 32
    """[-] Columns of a tile at most."""

    r_wire_sl: float = 0.5
    """[Ohm] Source-line segment, cell to cell."""

    r_wire_bl: float = 0.5
    """[Ohm] Bit-line segment, cell to cell."""

    r_strap: float = 0.5
    """[Ohm] Strap segment: tile to tile, and from a column's strap to its output."""

    r_driver_pos: float = 16.0
    """[Ohm] Row driver of the positive rows, on."""

    r_driver_neg: float = 16.0
    """[Ohm] Row driver of the negative rows, on."""

    def __post_init__(self):
        wires = ("r_wire_sl", "r_wire_bl", "r_strap", "r_driver_pos", "r_driver_neg")
        for name in wires:
            check_resistance(self, name, getattr(self, name))
        if self.rows < 2 or self.rows % 2 or self.cols < 1:
            raise InputError(
                "TileConfig needs an even number of rows, 2 or more, and at least one"
                f" column; got rows = {self.rows} and cols = {self.cols}."
            )


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """Which rows and columns of a layer each tile holds: as equal as whole pairs allow.

    Hashable, so static under jit.
    """

    row_runs: tuple[range, ...]
    """Rows of the tiles on top of each other; whole pairs, the first runs longest."""

    col_runs: tuple[range, ...]
    """Columns of the tiles side by side; whole outputs, the first runs longest."""

    @property
    def tap_row(self) -> int:
        """[-] Row of a tile, counted in the tile, at which its bit lines are tapped."""
        return (len(self.row_runs[0]) - 1) // 2


def tile_grid(
    shape: tuple[int, int], columns_per_output: int, tile: TileConfig
) -> TileGrid:
    """Cut (rows, cols) cells into tiles that fit `tile`.

    Raises:
        InputError: The rows are no pairs, an output's columns do not fit into one
            tile, `cols` is no multiple of `columns_per_output`, or `tile` is no
            `TileConfig`.
    """
    if not isinstance(tile, TileConfig):
        raise InputError(
            "The tiles of a layer are a TileConfig (a plain array, which solve_crossbar"
            f" takes, is an ArrayConfig); got {type(tile).__name__}."
        )
    if not columns_per_output >= 1:
        raise InputError(
            f"An output has at least one column; got {columns_per_output} columns an"
            " output."
        )
    rows, cols = shape
    if rows % 2 or columns_per_output > tile.cols or cols % columns_per_output:
        raise InputError(
            f"A layer of {rows} rows and {cols} columns, {columns_per_output} columns"
            f" an output, does not go on tiles of {tile.cols} columns: rows come in"
            " pairs, and each output's columns must fit into one tile."
        )
    outputs = cols // columns_per_output
    outputs_per_tile = tile.cols // columns_per_output
    return TileGrid(
        row_runs=split_lines(rows // 2, math.ceil(rows / tile.rows), 2),
        col_runs=split_lines(
            outputs, math.ceil(outputs / outputs_per_tile), columns_per_output
        ),
    )


def split_lines(units: int, parts: int, size: int) -> tuple[range, ...]:
    """`units` units of `size` lines each, in `parts` runs; the first are one longer."""
    lengths = [units // parts + (k < units % parts) for k in range(parts)]
    ends = [size * sum(lengths[: k + 1]) for k in range(parts)]
    return tuple(range(e - size * n, e) for n, e in zip(lengths, ends, strict=True))
