import numpy as np
import pytest

from rram_jax.device.filament import load_filament
from rram_jax.device.loop import STEPS, switching_loop
from tests.device.filaments import OTHER


@pytest.fixture(scope="module")
def loop():
    card = load_filament("hfo2")
    v, i = map(np.asarray, switching_loop(card, 1.3, 0.9, 1e-6))
    return v.reshape(4, STEPS), i.reshape(4, STEPS)


def test_the_stairs_go_up_and_down_on_both_sides(loop):
    v, i = loop
    assert v[0, -1] == v[1, 0] == pytest.approx(1.3)
    assert v[2, -1] == v[3, 0] == pytest.approx(-0.9)
    assert (np.sign(i) == np.sign(v)).all()


def test_reset_opens_the_loop_and_set_closes_it(loop):
    v, i = loop
    r = v / i
    low, high = r[0, 1], r[1, -2]  # near 0 V, before and after RESET
    assert low == pytest.approx(4000, rel=0.05)  # the gate is wider open than to read
    assert high / low > 5
    assert r[2, 1] == pytest.approx(high, rel=0.2)  # nothing has moved near 0 V
    assert r[3, -2] < 1.5 * low  # at the gate of SET
    # Abrupt: one stair of SET takes most of the way.
    jump = -np.diff(np.log(r[2])).min()
    assert jump > 0.7 * np.log(high / low)
    # RESET is gradual: no stair takes half of it.
    assert np.diff(np.log(r[0])).max() < 0.5 * np.log(high / low)


def test_the_compliance_bounds_the_current_after_set():
    v, i = map(np.asarray, switching_loop(OTHER, 1.2, 1.0, 2e-6))
    beta, slope = OTHER.access_beta, OTHER.access_slope
    saturated = beta * (OTHER.gate_set - OTHER.access_threshold) ** 2 / (2 * slope)
    assert np.abs(i[v < 0]).max() < 1.05 * saturated
