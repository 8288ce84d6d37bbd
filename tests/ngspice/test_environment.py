import pytest

from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.cmos import default_process
from rram_jax.ngspice.conversions import ConversionCase, case_config
from rram_jax.ngspice.environment import (
    EnvironmentPoint,
    environments,
    measure_environment,
    spread_of_gain,
)

PROCESS = default_process()


def _point(corner, temperature, gain, residual=0.03):
    return EnvironmentPoint(
        corner=corner,
        temperature=temperature,
        gain=gain,
        offset=0.0,
        residual=residual,
        monotone=True,
    )


def test_every_corner_and_temperature_the_typical_first():
    places = environments(PROCESS.card)
    assert places[0] == ("tt", 27.0)
    assert len(set(places)) == len(places) == 15
    assert {t for _, t in places} == {0.0, 27.0, 85.0}


def test_spread_of_gain_by_hand():
    points = [
        _point("tt", 27.0, 0.5),
        _point("tt", 85.0, 0.51),
        _point("ss", 27.0, 0.48),
        _point("ss", 0.0, 0.4, residual=0.6),
    ]
    assert spread_of_gain(points) == {
        "gain_over_temperature": pytest.approx(0.02),
        "gain_over_corners": pytest.approx(0.04),
        "gain_over_both": pytest.approx(0.2),
        "after_ramp_setting": pytest.approx(0.6 / 0.4 / 15),
    }


@pytest.mark.slow
def test_a_hot_fast_neuron_converts_as_a_typical_one():
    """The ramp tracks the gain: measured 0.2 % of change."""
    config = case_config(ConversionCase(), load_neuron_card())
    typical, hot = (
        measure_environment(config, PROCESS, place)
        for place in (("tt", 27.0), ("ff", 85.0))
    )
    assert typical.monotone
    assert hot.monotone
    assert 0 < abs(hot.gain / typical.gain - 1) < 0.01
    # Measured 0.03; what the latch's threshold adds is not in it.
    assert max(typical.residual, hot.residual) < 0.06
