"""Laws: hand-computed values, a fit that finds its own terms, derivatives."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.law import (
    UNITS,
    OperatingPoint,
    Term,
    evaluate,
    fit_law,
    operating_point,
)

LAW = (
    Term(coefficient=0.4),
    Term(coefficient=-0.3, c_total=-1.0, t_slot=0.5),
    Term(coefficient=2.0, i_bias=-0.5, v_full=2.0),
)


def point(i, t, v, c) -> OperatingPoint:
    """A point in units of the laws."""
    values = zip(UNITS.items(), (i, t, v, c), strict=True)
    return OperatingPoint(**{name: jnp.asarray(u * x) for (name, u), x in values})


def test_value_by_hand():
    # 0.4 - 0.3 * 4^0.5 / 2 + 2 * 9^-0.5 * 3^2
    assert float(evaluate(LAW, point(9, 4, 3, 2))) == pytest.approx(6.1, rel=1e-5)
    assert float(evaluate((), point(9, 4, 3, 2))) == 0.0


def test_derivatives_against_differences():
    with jax.enable_x64(True):
        at = {"i": 1.3, "t": 0.7, "v": 0.9, "c": 1.6}
        slopes = jax.grad(lambda x: evaluate(LAW, point(**x)))(at)
        for name in at:
            high, low = (
                evaluate(LAW, point(**at | {name: at[name] + d})) for d in (1e-6, -1e-6)
            )
            by_difference = float((high - low) / 2e-6)
            assert float(slopes[name]) == pytest.approx(by_difference, rel=1e-6)


def neurons(n: int) -> list[NeuronConfig]:
    rng = np.random.default_rng(3)
    return [
        NeuronConfig(v_full=v, i_bias=i, t_slot=t, swing=s)
        for v, i, t, s in zip(
            rng.uniform(6e-3, 20e-3, n),
            rng.uniform(1e-5, 4e-5, n),
            rng.uniform(4e-9, 9e-9, n),
            rng.uniform(0.2, 0.5, n),
            strict=True,
        )
    ]


def test_fit_finds_the_terms_that_made_the_values():
    configs = neurons(12)
    with jax.enable_x64(True):
        values = [
            float(evaluate(LAW, jax.tree.map(jnp.float64, operating_point(config))))
            for config in configs
        ]
    shapes = [dataclasses.replace(term, coefficient=0.0) for term in LAW]
    found = fit_law(shapes, configs, values)
    assert [t.coefficient for t in found] == pytest.approx(
        [t.coefficient for t in LAW], rel=1e-5
    )
    # A value that is far off counts for nothing if its weight is zero.
    values[3] += 10.0
    weights = np.ones(12)
    weights[3] = 0.0
    found = fit_law(shapes, configs, values, weights)
    assert found[1].coefficient == pytest.approx(-0.3, rel=1e-5)


def test_few_points_give_the_smallest_coefficients_that_fit():
    configs = neurons(2)
    found = fit_law(LAW, configs, [1.0, 2.0])
    got = [float(evaluate(found, operating_point(config))) for config in configs]
    assert got == pytest.approx([1.0, 2.0], rel=1e-5)
    assert max(abs(term.coefficient) for term in found) < 10


def test_refuses_wild_exponents():
    with pytest.raises(InputError, match="between -4 and 4"):
        Term(coefficient=1.0, v_full=7.0)
    with pytest.raises(InputError, match="finite"):
        Term(coefficient=float("nan"))
