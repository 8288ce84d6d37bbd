import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import rram_jax as rj
from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.cell_law import LinearCell, RramCell
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import solve_crossbar
from rram_jax.errors import InputError
from tests.circuit.cells import (
    sinh_cells,
    sinh_law,
)
from tests.helpers import is_one_sentence, without_type_checks

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)


@pytest.mark.parametrize(
    ("drive", "g"),
    [
        ((3,), (4, 3)),
        ((2, 3), (4, 3)),
        ((4,), (4,)),
        ((), (4, 3)),
        ((2, 4), (3, 4, 3)),
        ((4,), (4, 0)),
    ],
)
def test_shapes_that_do_not_fit(drive, g):
    with without_type_checks(), pytest.raises(InputError) as error:
        solve_crossbar(jnp.zeros(drive), jnp.zeros(g), UNEVEN)
    assert str(drive) in str(error.value)
    assert str(g) in str(error.value)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"drive": [0.1, np.nan]}, "drive holds a NaN"),
        ({"g": [[1e-4, np.inf, 0], [0, 0, 0]]}, "conductance holds a NaN"),
        ({"g": [[1e-4, -2e-5, 0], [0, 0, 0]]}, "-2e-05 S"),
        ({"tolerance": 0.0}, "between 0 and 1"),
        ({"r_wire_bl": -1.0}, "r_wire_bl is a resistance"),
        ({"r_driver": math.nan}, "r_driver is a resistance"),
    ],
)
def test_values_no_array_has(values, what):
    params = array_params(UNEVEN)
    for name in ("r_wire_bl", "r_driver"):
        if name in values:
            params = dataclasses.replace(params, **{name: jnp.asarray(values[name])})
    drive = jnp.asarray(values.get("drive", [0.1, 0.2]))
    g = jnp.asarray(values.get("g", [[1e-4, 2e-5, 0], [0, 0, 0]]))
    with pytest.raises(InputError, match=what) as error:
        solve_crossbar(drive, g, params, tolerance=values.get("tolerance", 1e-6))
    assert is_one_sentence(error.value)


def linear(*shape, value=1.0):
    return LinearCell(conductance=jnp.full(shape, value))


@pytest.mark.parametrize(
    ("drive", "law", "told"),
    [
        ((3,), lambda: linear(4, 3), r"\(3,\) and \(4, 3\)"),
        ((), lambda: linear(4, 3), r"\(4, 3\)"),
        ((4,), lambda: linear(4), r"\(4,\)"),
        ((4,), lambda: Partial(sinh_law, jnp.ones((4, 3)), jnp.ones(2)), "fit"),
        ((4,), lambda: lambda v_sl, v_bl: v_sl - v_bl, "callable pytree"),
        ((4,), lambda: "1e-4", "callable pytree"),
        ((4,), lambda: Partial(lambda g, v_sl, v_bl: None, jnp.ones((4, 3))), "None"),
        ((4,), lambda: linear(4, 3, value=jnp.nan), "NaN"),
    ],
)
def test_laws_that_are_none(drive, law, told):
    with without_type_checks(), pytest.raises(InputError, match=told) as error:
        solve_crossbar(jnp.zeros(drive), law(), UNEVEN)
    assert is_one_sentence(error.value)


def test_cells_are_made_as_their_docstring_says():
    lines = [line.strip() for line in (RramCell.__doc__ or "").splitlines()]
    *steps, last = [line[4:] for line in lines if line.startswith(">>> ")]
    names = {"rj": rj, "jnp": jnp}
    exec("\n".join(steps), names)  # noqa: S102 - our own text
    solution = eval(last, names)  # noqa: S307 - our own text
    # Rows at 0.2 and -0.2 V: each column is nearer to that of its LRS cell.
    assert solution.voltage[0] > 0.1
    assert solution.voltage[1] < -0.1
    # Whole numbers serve, too.
    whole = dataclasses.replace(names["cells"], s=np.ones((2, 2), int), v_gate=2)
    assert whole.s.dtype == whole.v_gate.dtype == solution.voltage.dtype


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, r"got \(\) from x \(\), s \(\), v_gate \(\), v_cm \(\)\."),
        ({"x": np.zeros((4, 3)), "s": np.ones(2)}, r"got x \(4, 3\), s \(2,\), "),
        ({"x": np.zeros(4)}, r"got \(4,\) from x \(4,\), "),
        ({"x": "thick"}, "RramCell whose x is 'thick'"),
    ],
)
def test_fields_that_do_not_fit_are_named(fields, told):
    params = rj.load_filament("hfo2").params()
    fields = {"x": 0.0, "s": 1, "v_gate": 1.8, "v_cm": 0.4, "params": params} | fields
    with without_type_checks(), pytest.raises(InputError, match=told) as error:
        solve_crossbar(jnp.zeros(4), RramCell(**fields), UNEVEN)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize("r", [-1.0, math.inf])
def test_resistances_that_are_none(r):
    wires = dataclasses.replace(array_params(UNEVEN), r_wire_bl=jnp.asarray(r))
    with pytest.raises(InputError, match="r_wire_bl") as error:
        solve_crossbar(jnp.zeros(4), sinh_cells(), wires)
    assert is_one_sentence(error.value)


def test_a_start_of_another_shape():
    other = solve_crossbar(jnp.zeros(3), jnp.ones((3, 3)), UNEVEN, nodes=True)
    with pytest.raises(InputError, match=r"\(3, 3\)") as error:
        solve_crossbar(jnp.zeros(4), sinh_cells(), UNEVEN, start=other)
    assert is_one_sentence(error.value)


def test_starts_that_are_none():
    drive, g = jnp.zeros(4), jnp.ones((4, 3))
    bare = solve_crossbar(drive, g, UNEVEN)
    nan = dataclasses.replace(
        solve_crossbar(drive, g, UNEVEN, nodes=True), v_sl=jnp.nan * g
    )
    for cells, start, told in (
        (g, bare, "leave `start` out"),
        (sinh_cells(), bare, "nodes=True"),
        (sinh_cells(), nan, "start holds a NaN"),
    ):
        with pytest.raises(InputError, match=told) as error:
            solve_crossbar(drive, cells, UNEVEN, start=start)
        assert is_one_sentence(error.value)


def test_an_infinite_sense_resistance_floats():
    wires = dataclasses.replace(array_params(UNEVEN), r_sense=jnp.asarray(math.inf))
    drive, law = np.array([0.1, -0.2, 0.3, 0.0]), sinh_cells()
    out = solve_crossbar(drive, law, wires)
    floating = dataclasses.replace(wires, r_sense=None)
    expected = solve_crossbar(drive, law, floating)
    np.testing.assert_array_equal(out.voltage, expected.voltage)
    np.testing.assert_array_equal(out.current, 0.0)
