"""Every wire, state, ratio and size: to the asked tolerance, in either precision."""

import itertools
import math

import jax
import numpy as np
import pytest

from experiments.benchmarks import crossbar_solver as sparse
from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solver import solve_crossbar
from tests.helpers import dense_crossbar

WIRES = (0.01, 1.0, 100.0)
LRS = (500.0, 1e4, 1e5)
RATIOS = (1.0, 10.0, 1000.0)


def _cells(rng, shape, r_lrs, ratio, kind="mixed"):
    is_lrs = (
        rng.random(shape) < {"mixed": 0.5, "LRS": 1.0, "HRS": 0.0, "open": 0.5}[kind]
    )
    g = 1 / np.where(is_lrs, r_lrs, r_lrs * ratio)
    if kind == "open":
        g[rng.random(shape) < 0.3] = 0.0
        g[0] = g[:, shape[1] // 2] = 0.0
    return g


def _check(out, v_sl, v_bl, tolerance):
    assert out.result == "converged"
    for found, expected in ((out.v_bl, v_bl), (out.v_sl, v_sl)):
        wrong = abs(np.asarray(found, np.float64) - expected).max()
        assert wrong <= tolerance * abs(expected).max()


def _sparse_check(drive, g, array, x64, tolerance):
    with jax.enable_x64(x64):
        dtype = np.float64 if x64 else np.float32
        out = solve_crossbar(
            drive.astype(dtype), g.astype(dtype), array, tolerance=tolerance, nodes=True
        )
        # float32 cells are what they are: the reference gets the same.
        g = g.astype(dtype).astype(np.float64)
        drive = drive.astype(dtype).astype(np.float64)
        v_sl, v_bl = (
            np.moveaxis(v, 2, 0) for v in sparse.solve_sparse(drive, g, array)
        )
        # The sparse solver's own rounding: 1e-16 times up to 1e8 of cell over wire.
        _check(out, v_sl, v_bl, tolerance + 1e-8)


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("r_sense", [0.0, math.inf])
def test_wires_states_and_ratios(x64, r_sense):
    rng = np.random.default_rng(1)
    drive = rng.uniform(-0.2, 0.2, (2, 48))
    tolerance = 1e-8 if x64 else 1e-4
    for r_wire, r_lrs, ratio in itertools.product(WIRES, LRS, RATIOS):
        g = _cells(rng, (48, 30), r_lrs, ratio)
        array = ArrayConfig(r_wire_sl=r_wire, r_wire_bl=0.7 * r_wire, r_sense=r_sense)
        _sparse_check(drive, g, array, x64, tolerance)


@pytest.mark.parametrize(
    ("shape", "x64"),
    [((1, 9), True), ((9, 1), True), ((5, 8), True), ((5, 8), False)],
)
def test_zero_wires_and_open_cells(shape, x64):
    rng = np.random.default_rng(2)
    drive = rng.uniform(0.05, 0.2, shape[0]).astype(np.float32).astype(float)
    ends = ((0.0, 0.0), (10.0, 0.0), (0.0, math.inf), (10.0, 50.0))
    wires = ((0.0, 0.0), (0.0, 3.0), (100.0, 0.0), (0.01, 100.0))
    kinds = ("mixed", "LRS", "HRS", "open")
    for wire, end, kind in itertools.product(wires, ends, kinds):
        g = _cells(rng, shape, 2e3, 1000.0, kind).astype(np.float32).astype(float)
        array = ArrayConfig(
            r_wire_sl=wire[0], r_wire_bl=wire[1], r_driver=end[0], r_sense=end[1]
        )
        expected = dense_crossbar(drive, g, array)
        with jax.enable_x64(x64):
            tolerance = 1e-9 if x64 else 1e-4
            out = solve_crossbar(
                np.asarray(drive, float if x64 else np.float32),
                np.asarray(g, float if x64 else np.float32),
                array,
                tolerance=tolerance,
                nodes=True,
            )
            assert out.result == "converged"
            for field, value in expected.items():
                np.testing.assert_allclose(
                    getattr(out, field),
                    value,
                    rtol=0,
                    # The reference's sums of what is nothing.
                    atol=tolerance * abs(value).max() + 1e-13,
                    err_msg=f"{field}: {array} {kind}",
                )


@pytest.mark.parametrize("x64", [True, False])
def test_large_arrays(x64):
    rng = np.random.default_rng(3)
    drive = rng.uniform(0, 0.2, (2, 256))
    # The last is the hardest of all: 500 Ohm everywhere behind 25 kOhm of wire.
    cases = [(1.0, 1e4, 10.0, 0.0), (100.0, 500.0, 1.0, math.inf)]
    for r_wire, r_lrs, ratio, r_sense in cases:
        g = _cells(rng, (256, 200), r_lrs, ratio)
        array = ArrayConfig(r_wire_sl=r_wire, r_wire_bl=r_wire, r_sense=r_sense)
        _sparse_check(drive, g, array, x64, 1e-8 if x64 else 1e-4)
