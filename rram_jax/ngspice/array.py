"""A layer's array in a netlist: the forms it can have, and their lines."""

from collections.abc import Callable, Sequence

import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.wiring import (
    Resistor,
    layer_resistors,
    multiport_resistors,
    shunted_resistors,
)
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process
from rram_jax.ngspice.access import (
    AccessTransistor,
    access_transistor,
    split_cells,
    transistor_line,
)
from rram_jax.ngspice.cmos import check_fits, with_instances

ArrayForm = Callable[[np.ndarray, TileConfig, int], list[Resistor]]
"""From a layer's resistances [Ohm], tiles and columns an output to its resistors."""

ARRAYS: dict[str, ArrayForm] = {
    "multiport": multiport_resistors,
    "shunted": shunted_resistors,
    "cells": layer_resistors,
    "1t1r": layer_resistors,
}
"""How an array is written: each tile reduced to its ports, exactly or without what
couples its rows; every cell and wire; the same with an access transistor in each cell,
which takes its part of the cell's resistance."""

_RESISTORS = "cells are resistors: no access transistor, no word line"

IDEAL_CELLS = {
    "multiport": (_RESISTORS,),
    "shunted": (_RESISTORS, "rows couple to v_cm instead of each other"),
    "cells": (_RESISTORS,),
    "1t1r": (
        "the RRAM of a cell is a resistor",
        "word lines stand at the supply",
        "row levels are trimmed for the access transistor of a median cell",
    ),
}
"""What is ideal in each of them."""

LINEAR = ("multiport", "cells")
"""Arrays that are what the surrogate takes them for, to the last digits."""


def array_form(name: str, among: Sequence[str] = tuple(ARRAYS)) -> ArrayForm:
    """One of `ARRAYS`.

    Raises:
        InputError: It is not `among` them.
    """
    if name not in among:
        raise InputError(f"array must be one of {', '.join(among)}; got {name!r}.")
    return ARRAYS[name]


def access_of(
    design: NetworkDesign, array: str, process: Process
) -> AccessTransistor | None:
    """The access transistor of an array's cells; None where they have none.

    Raises:
        InputError: No such array, the device card has no access transistor, or the
            process is not one that the neurons are sized for.
        NgspiceError: The transistor could not be measured.
    """
    array_form(array)
    if array != "1t1r":
        return None
    technology = design.layers[0].neuron.technology
    check_fits(process, technology)
    return access_transistor(
        design.device, design.circuit.v_read, process.card, technology
    )


def check_access(array: str, access: AccessTransistor | None) -> None:
    """Check that an array is given the access transistor that its form has.

    Raises:
        InputError: No such array, or a transistor is missing or too much.
    """
    array_form(array)
    if (array == "1t1r") != (access is not None):
        raise InputError(
            "Arrays of the form 1t1r need the access transistor of `access_of`, and the"
            f" others have none; got {array} with {access}."
        )


def array_lines(
    resistance: np.ndarray,
    tile: TileConfig,
    columns_per_output: int,
    array: str,
    *,
    access: AccessTransistor | None,
    process: Process,
    tag: str = "",
) -> list[str]:
    """Netlist of a layer's cells, wires and access transistors.

    Nodes are those of `circuit.wiring` with `tag` behind their letter; `cm` is v_cm.

    Args:
        resistance: [rows, columns, Ohm] Of whole cells.
        tile: Of the layer.
        columns_per_output: [-] Columns that are strapped together.
        array: One of `ARRAYS`.
        access: Of `access_of`.
        process: Of all transistors.
        tag: Sets the names of several layers apart.

    Raises:
        InputError: No such array, or a wire without resistance.
    """

    def node(name: str) -> str:
        return name if name == "cm" else f"{name[0]}{tag}{name[1:]}"

    resistors = array_form(array)(resistance, tile, columns_per_output)
    transistors = []
    if access:
        resistors, ends = split_cells(resistors, access.resistance)
        bare = [
            transistor_line(
                f"{tag}{a[1:]}", node(a), node(b), access.width, access.technology
            )
            for a, b in ends
        ]
        transistors = with_instances("\n".join(bare), process).splitlines()
    return [
        f"R{tag}{n} {node(part.a)} {node(part.b)} {part.r:.8g}"
        for n, part in enumerate(resistors)
    ] + transistors
