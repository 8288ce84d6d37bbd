import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.neuron.calibrate import (
    SLOPE_SHAPES,
    CrossingLaws,
    Measured,
    fit_crossings,
    fit_slopes,
    judge,
    latch_threshold,
)
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.law import Term, evaluate, operating_point
from rram_jax.neuron.model import crossing
from rram_jax.ngspice.decode import crossings
from tests.neuron.cards import term

TRUTH = CrossingLaws(
    gain=(term(1.01), term(0.004, c_total=-1)),
    offset=(term(0.2), term(0.15, t_slot=-1), term(-0.03, v_full=-1)),
    leak=(term(6e5, i_bias=1, c_total=-1),),
    curve=(term(22.0),),
    lag=(term(1.1e-9),),
)


def observed(n_points=14, n=20, seed=2):
    """What a testbench would say of neurons that are exactly `TRUTH`."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_points):
        v_full = rng.uniform(6e-3, 25e-3)
        config = NeuronConfig(
            v_full=v_full,
            v_shift=0.2 * v_full,
            i_bias=rng.uniform(10e-6, 40e-6),
            t_slot=rng.uniform(3e-9, 9e-9),
            swing=rng.uniform(0.25, 0.5),
            clocks_per_slot=4,
            asynchronous=True,
        )
        stairs = v_full * (
            rng.uniform(-0.1, 0.75, (n, 1)) + 0.4 * rng.standard_normal((n, SLOTS))
        )
        with jax.enable_x64(True):
            position = crossing(jnp.asarray(stairs), TRUTH.params(config))
        position = np.asarray(position)
        edges = 0.5 + np.arange(config.decisions) / config.clocks_per_slot
        found.append(
            Measured(
                config=config,
                staircases=stairs,
                position=np.where(position > 0.5, position, np.nan),
                counts=(position[:, None] > edges).sum(1),
            )
        )
    return found


@pytest.fixture(scope="module")
def fitted():
    return fit_crossings(observed())


def test_known_laws_are_found_again(fitted):
    """By value: the shapes hold more terms than the truth has."""
    for m in observed(seed=5):
        point = operating_point(m.config)
        for name, within in (
            ("gain", 1e-3),
            ("offset", 5e-3),
            ("leak", 6e3),
            ("curve", 1.0),
            ("lag", 0.1e-9),
        ):
            got, true = (
                float(evaluate(getattr(laws, name), point)) for laws in (fitted, TRUTH)
            )
            assert got == pytest.approx(true, abs=within), name


def test_an_earlier_ramp_takes_the_offset_away():
    config = NeuronConfig(v_full=8e-3)
    later = dataclasses.replace(config, ramp_advance=0.81)
    # float32: two numbers below one. 0.2 + 0.15 - 0.03 at 5 ns and 8 mV.
    assert float(TRUTH.params(config).offset) == pytest.approx(0.32, abs=1e-6)
    assert float(TRUTH.params(later).offset) == pytest.approx(0.01, abs=1e-6)


def test_laws_are_judged_on_counts_and_crossings():
    says = judge(TRUTH, observed(3, seed=3))
    assert says["equal"] == says["within_1"] == 1
    assert says["residual_max"] < 1e-6  # of crossings made by the same formula
    worse = dataclasses.replace(TRUTH, offset=(*TRUTH.offset, Term(coefficient=0.2)))
    says = judge(worse, observed(3, seed=3))
    # The lag near the ramp's start takes some of a shift away.
    assert says["residual_rms"] == pytest.approx(0.2, rel=0.1)
    assert 0.05 < says["equal"] < 0.5  # 0.2 slots are 0.8 clocks
    assert says["within_1"] == 1


def test_slopes_of_transistors_are_laws_of_their_own():
    configs = [m.config for m in observed(9, n=1, seed=6)]
    true = {"a": (2.0, -0.5, 0.1, 0.03, 0.4), "b": (0.0, 0.0, 0.0, 1.0, -2.0)}
    terms = SLOPE_SHAPES["offset"]
    values = [
        {
            name: sum(
                x * float(evaluate((shape,), operating_point(config)))
                for x, shape in zip(row, terms, strict=True)
            )
            for name, row in true.items()
        }
        for config in configs
    ]
    found = fit_slopes("offset", configs, values)
    for name, row in true.items():
        assert found[name] == pytest.approx(row, abs=2e-3)


def test_crossings_lie_between_the_edges():
    config = NeuronConfig(v_full=12e-3)
    k = np.arange(SLOTS)
    lines = np.array([4.25 - 0.5 - k, -0.2 - k, 14.4 - k, 20 - k, -3 - k]) * 30e-3
    got = crossings(lines, 0.0, config)
    # Edge k stands at 0.5 + k; half a slot beyond the ends is still read.
    np.testing.assert_allclose(got[:3], [4.25, 0.3, 14.9], rtol=1e-12)
    assert np.isnan(got[3:]).all()


def test_the_threshold_lies_where_the_counts_put_it():
    difference = np.array([[50e-3, 21e-3, -9e-3], [42e-3, 13e-3, -17e-3]])
    # The first ends below 21 mV (its third decision is 0), the second below 42 mV.
    middle, half = latch_threshold(difference, np.array([2, 1]))
    assert middle == pytest.approx(17e-3)
    assert half == pytest.approx(4e-3)
