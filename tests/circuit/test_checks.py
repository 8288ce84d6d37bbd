import math
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import rram_jax as rj
from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.cell_law import LinearCell, RramCell
from rram_jax.circuit.config import ArrayConfig, TileConfig
from rram_jax.circuit.solver import solve_crossbar
from rram_jax.errors import InputError
from tests.circuit.cells import (
    sinh_cells,
    sinh_law,
)
from tests.helpers import is_one_sentence, uneven_cells, without_type_checks

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
        ({"g": [[1e-4, 2e-5j, 0], [0, 0, 0]]}, "conductance is real; got complex64"),
        ({"drive": [0.1, 0.2j]}, "drive is real; got complex64"),
        ({"tolerance": 0.0}, "between 0 and 1"),
        ({"r_wire_bl": -1.0}, "r_wire_bl is a resistance"),
        ({"r_driver": math.nan}, "r_driver is a resistance"),
    ],
)
def test_values_no_array_has(values, what):
    params = array_params(UNEVEN)
    for name in ("r_wire_bl", "r_driver"):
        if name in values:
            params = replace(params, **{name: jnp.asarray(values[name])})
    drive = jnp.asarray(values.get("drive", [0.1, 0.2]))
    g = jnp.asarray(values.get("g", [[1e-4, 2e-5, 0], [0, 0, 0]]))
    with without_type_checks(), pytest.raises(InputError, match=what) as error:
        solve_crossbar(drive, g, params, tolerance=values.get("tolerance", 1e-6))
    assert is_one_sentence(error.value)


def test_whole_numbers_are_floats():
    with without_type_checks():
        out = solve_crossbar(np.array([1, 0]), np.array([[1, 2], [3, 0]]), UNEVEN)
    expected = solve_crossbar(np.array([1.0, 0]), np.array([[1.0, 2], [3, 0]]), UNEVEN)
    np.testing.assert_array_equal(out.voltage, expected.voltage)


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
        ((4,), lambda: Partial(sinh_law, 1j * jnp.ones((4, 3)), jnp.ones(())), "real"),
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
    steps.append(f"solution = {last}")
    exec("\n".join(steps), names)  # noqa: S102 - our own text
    solution = names["solution"]
    # Rows at 0.2 and -0.2 V: each column is nearer to that of its LRS cell.
    assert solution.voltage[0] > 0.1
    assert solution.voltage[1] < -0.1
    # Whole numbers serve, too.
    whole = replace(names["cells"], s=np.ones((2, 2), int), v_gate=2)
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
    wires = replace(array_params(UNEVEN), r_wire_bl=jnp.asarray(r))
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
    nan = replace(solve_crossbar(drive, g, UNEVEN, nodes=True), v_sl=jnp.nan * g)
    for cells, start, told in (
        (g, bare, "leave `start` out"),
        (LinearCell(conductance=g), bare, "leave `start` out"),
        (sinh_cells(), bare, "nodes=True"),
        (sinh_cells(), nan, "start holds a NaN"),
    ):
        with pytest.raises(InputError, match=told) as error:
            solve_crossbar(drive, cells, UNEVEN, start=start)
        assert is_one_sentence(error.value)


@pytest.mark.parametrize("x64", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_infinite_sense_resistance_floats(x64):
    """Also traced, where nobody can look at it; and its slope is 0."""
    drive, floating = np.array([0.1, -0.2, 0.3, 0.0]), replace(UNEVEN, r_sense=math.inf)
    with jax.enable_x64(x64):
        tiny = 1e-14 if x64 else 1e-5  # an eager solve sums in another order
        for cells in (sinh_cells(), jnp.asarray(uneven_cells(1, 4, 3))):

            @jax.jit
            @partial(jax.value_and_grad, has_aux=True)
            def of(wires, cells=cells):
                out = solve_crossbar(drive, cells, wires, nodes=True)
                return (out.voltage**2).sum() + out.v_sl.sum(), out

            (_, out), slopes = of(array_params(floating))
            expected = solve_crossbar(drive, cells, floating)
            assert out.result == expected.result == "converged"
            np.testing.assert_allclose(out.voltage, expected.voltage, rtol=tiny)
            np.testing.assert_array_equal(out.current, 0.0)
            assert slopes.r_sense == 0
            assert all(jnp.isfinite(s) for s in jax.tree.leaves(slopes))
            # And it is the limit: 1e12 Ohm beside some kOhm.
            (_, near), _ = of(array_params(replace(UNEVEN, r_sense=1e12)))
            np.testing.assert_allclose(near.voltage, out.voltage, rtol=1e-4)


@pytest.mark.parametrize(
    ("wires", "told"),
    [
        (lambda p: replace(p, r_driver=jnp.ones(3)), r"one resistance.*\(3,\)"),
        (
            lambda p: replace(p, r_sense=None),
            "ArrayParams: r_sense is a number of ohms .inf",
        ),
        (lambda p: replace(p, r_wire_bl=-jnp.ones(())), "ArrayParams: r_wire_bl"),
        (lambda p: TileConfig(), "ArrayConfig or ArrayParams; got TileConfig"),
        (lambda p: None, "got NoneType"),
    ],
)
def test_wires_that_are_none(wires, told):
    with without_type_checks():
        given = wires(array_params(UNEVEN))
        for cells in (jnp.ones((4, 3)), sinh_cells()):
            with pytest.raises(InputError, match=told) as error:
                solve_crossbar(jnp.zeros(4), cells, given)
            assert is_one_sentence(error.value)


def test_what_else_is_none():
    def traced(r):
        return solve_crossbar(jnp.ones(4), jnp.ones((4, 3)), ArrayConfig(r_driver=r))

    for call, told in (
        (lambda: jax.jit(traced)(1.0), "goes into an ArrayParams"),
        (lambda: solve_crossbar("0.2", jnp.ones((4, 3)), UNEVEN), "drive is an array"),
    ):
        with without_type_checks(), pytest.raises(InputError, match=told) as error:
            call()
        assert is_one_sentence(error.value)


def test_configurations_name_themselves():
    for kind in (ArrayConfig, TileConfig):
        for r in (-1.0, math.nan, np.ones(3), "one"):
            with without_type_checks(), pytest.raises(InputError) as error:
                kind(r_wire_bl=r)
            assert str(error.value).startswith(f"{kind.__name__}: r_wire_bl is")
            assert is_one_sentence(error.value)
