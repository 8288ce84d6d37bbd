import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from rram_jax.circuit.config import ArrayConfig
from rram_jax.circuit.solution import NOT_SOLVED
from rram_jax.circuit.solver import solve_crossbar
from tests.circuit.cells import (
    DRIVE,
    after_steps,
    rram_cells,
    sinh_cells,
)
from tests.helpers import uneven_cells

UNEVEN = ArrayConfig(r_wire_sl=1.5, r_wire_bl=7.0, r_driver=20.0, r_sense=300.0)
NO_WIRES = ArrayConfig(r_wire_sl=0.0, r_wire_bl=0.0, r_sense=math.inf)


def test_what_result_says():
    g, drive = uneven_cells(1, 6, 5), np.ones(6)
    single = solve_crossbar(jnp.float32(drive), jnp.float32(g), UNEVEN, tolerance=1e-12)
    assert "float32 rounding; ask for a tolerance of 1e-" in single.result
    assert "x64" in single.result
    # 1 uV beside 0.83 V, which a law with a bulk at ground adds to it.
    tiny = np.array([1e-6, -2e-6, 1.5e-6, 0.0], np.float32)
    coarse = solve_crossbar(tiny, rram_cells(1, 4, 3), UNEVEN, tolerance=1e-9)
    assert 1e-3 < float(coarse.error) < 1
    assert "too coarse in float32" in coarse.result
    assert "x64" in coarse.result
    # Traced values cannot be refused: the solution says it.
    bad = jax.jit(partial(solve_crossbar, array=UNEVEN))(
        jnp.asarray([drive, np.nan * drive]), jnp.asarray(g)
    )
    assert "NaN" in bad.result
    np.testing.assert_array_equal(bad.status == NOT_SOLVED, [False, True])
    assert bool(jnp.isfinite(bad.voltage[0]).all())


def test_what_result_says_of_a_law():
    with jax.enable_x64(True):
        law, drive = sinh_cells(), jnp.asarray(DRIVE[1:])
        stopped = after_steps(2, drive, law, UNEVEN)
        assert stopped.iterations == 2
        assert "above the tolerance after 2 iterations" in stopped.result
        assert stopped.kcl_residual > 1e-9 * abs(stopped.cell_current).max()
        huge = solve_crossbar(1e4 * drive, law, UNEVEN)
        assert "infinity" in huge.result
        assert not jnp.isfinite(huge.kcl_residual)
        digits = solve_crossbar(drive, law, UNEVEN, tolerance=1e-16)
        assert "float64 rounding; ask for a tolerance of 1e-14" in digits.result
        assert solve_crossbar(drive, law, UNEVEN, tolerance=1e-14).result == "converged"
        # Current into a floating line whatever its voltage has no operating point.
        pump = Partial(
            lambda g, v_sl, v_bl: g * (0.1 + (v_sl - v_bl) ** 2), law.args[0]
        )
        assert "not monotone" in solve_crossbar(drive, pump, NO_WIRES).result


def test_a_traced_negative_conductance_is_told():
    """Outside jit it is refused; within it only the solution can say so."""
    solve = jax.jit(solve_crossbar, static_argnames="array")
    g = jnp.full((3, 2), 1e-4).at[1, 0].set(-2e-4)
    out = solve(jnp.array([0.2, 0.0, -0.2]), g, ArrayConfig())
    assert "a negative conductance" in out.result
