import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.device.filament import (
    KELVIN,
    LIMITS,
    FilamentParams,
    current,
    filament_names,
    load_filament,
    rate,
    relative_rate,
    resistance,
    temperature,
)
from rram_jax.errors import InputError
from tests.device.filaments import OTHER
from tests.helpers import assert_gradient, is_one_sentence, write_card


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def arrays(*values):
    return tuple(jnp.asarray(v, float) for v in values)


# -- card ----------------------------------------------------------------------------


def test_packaged_cards():
    assert "hfo2" in filament_names()
    for name in filament_names():
        card = load_filament(name)
        assert card.name == name
        assert len(card.source) > 40  # a citation, or what was assumed


def test_a_written_card_comes_back(tmp_path):
    assert load_filament(write_card(OTHER, tmp_path)) == OTHER


def test_there_is_no_such_card():
    with pytest.raises(InputError, match="hfo2") as told:
        load_filament("hfo3")
    assert is_one_sentence(told.value)


@pytest.mark.parametrize("name", list(LIMITS))
def test_every_number_is_bounded(name):
    low, high = LIMITS[name]
    for value in (low - abs(low) / 2 - 1e-15, 2 * high, float("nan")):
        with pytest.raises(InputError, match=name) as told:
            dataclasses.replace(OTHER, **{name: value})
        assert is_one_sentence(told.value)


@pytest.mark.parametrize("x0", [0.51, 1 / 61])
def test_the_barrier_scale_fits_the_oxide(x0):
    with pytest.raises(InputError, match="60 x0"):
        dataclasses.replace(OTHER, x0=x0 * OTHER.t_ox)


def test_params_hold_every_number():
    params = OTHER.params()
    for field in dataclasses.fields(FilamentParams):
        assert float(getattr(params, field.name)) == getattr(OTHER, field.name)


# -- statics -------------------------------------------------------------------------


def test_resistance_by_hand():
    params = OTHER.params()
    x, s = arrays([0.0, 0.5e-9, 6e-9], [1.0, 2.0, 0.5])
    # exp(x / 0.5 nm) - x / 6 nm: 1, e - 1/12, e^12 - 1.
    np.testing.assert_allclose(
        resistance(x, s, params),
        [2900, 1450 * (np.e - 1 / 12), 5800 * (np.exp(12) - 1)],
        rtol=1e-14,  # rounding
    )


def test_current_by_hand():
    params = OTHER.params()
    v, x, s = arrays(0.6, 0.5e-9, 1.5)
    v0 = 0.42 + (1.3 - 0.42) / np.e
    r = 2900 / 1.5 * (np.e - 1 / 12)
    expected = v0 / r * np.sinh(0.6 / v0)
    np.testing.assert_allclose(current(v, x, s, params), expected, rtol=1e-14)
    np.testing.assert_allclose(current(-v, x, s, params), -expected, rtol=1e-14)


def test_small_voltages_see_the_resistance():
    params = OTHER.params()
    v, x, s = arrays(1e-6, [0.0, 1.7e-9], 0.8)
    # The next term of the sinh is (v / V0)^2 / 6 < 1e-12.
    np.testing.assert_allclose(
        v / current(v, x, s, params), resistance(x, s, params), rtol=1e-12
    )


def test_temperature_by_hand():
    v, i = arrays(-0.5, -2e-4)
    # 310 K + 7e5 K/W * 1e-4 W
    assert float(temperature(v, i, OTHER.params())) == pytest.approx(380.0, rel=1e-14)


def test_the_packaged_card_is_nearly_ohmic_when_low_and_not_when_high():
    params = load_filament("hfo2").params()
    x, s = arrays([0.0, 1.2e-9], 1.0)

    def at(v):
        return v / current(jnp.asarray(v), x, s, params)

    low, high = at(0.4) / at(0.05) - 1
    assert -0.03 < low < -0.02
    assert high < -0.05


# -- motion --------------------------------------------------------------------------


def test_rates_by_hand():
    params = OTHER.params()
    x, s = arrays(0.3e-9, 1.2)
    for v in (0.9, -0.7):
        i = float(current(*arrays(v), x, s, params))
        v_t = KELVIN * (310.0 + 7e5 * v * i)
        if v > 0:
            nu, e, u = 3e12, 1.12, 1.2e-9 * 0.9 / (1.3e-9 + 0.3e-9)
            left = 6e-9 - 0.3e-9
        else:
            nu, e, u = 2e13, 1.1, 1.9e-9 * 0.7 / (0.45e-9 + 0.3e-9)
            left = -0.3e-9
        share = 1 / (1 + np.exp((e - u) / v_t)) - 1 / (1 + np.exp(e / v_t))
        # exp(30) turns rounding of its argument into some 1e-14.
        np.testing.assert_allclose(
            rate(*arrays(v), x, s, params), nu * share * left, rtol=1e-12
        )


def test_without_voltage_and_at_the_ends_nothing_moves():
    params, one = OTHER.params(), jnp.ones(())
    for x in (0.0, 1e-9, OTHER.t_ox):
        assert float(rate(0 * one, x * one, one, params)) == 0
    assert float(rate(2 * one, params.t_ox, one, params)) == 0
    assert float(rate(-2 * one, 0 * one, one, params)) == 0


def test_reset_limits_itself_and_set_runs_away():
    params, one = load_filament("hfo2").params(), jnp.ones(())
    x = jnp.linspace(0.1e-9, 2e-9, 40)
    assert (jnp.diff(rate(1.2 * one, x, one, params)) < 0).all()
    # Of what is left: the less barrier, the faster it goes.
    assert (jnp.diff(relative_rate(-0.7 * one, x, one, params)) < 0).all()


def test_rates_are_bounded():
    params, one = OTHER.params(), jnp.ones(())
    assert 0.5 * 3e12 < float(relative_rate(3 * one, 0 * one, one, params)) <= 3e12
    assert 0.5 * 2e13 < float(relative_rate(-3 * one, 0 * one, one, params)) <= 2e13


@pytest.mark.parametrize("v", [1.1, -0.6])
def test_gradient_of_the_rate(v):
    params, names = OTHER.params(), [f.name for f in dataclasses.fields(OTHER.params())]
    point = jnp.stack([getattr(params, n) for n in names])
    point = jnp.concatenate([point, jnp.array([v, 0.4e-9, 1.3])])

    def log_rate(z):
        record = FilamentParams(**dict(zip(names, z[:-3], strict=True)))
        return jnp.log(jnp.abs(rate(z[-3], z[-2], z[-1], record)))

    # Second derivatives of ln rate are some 1e3, so truncation is some 1e-9.
    assert_gradient(log_rate, point, rtol=1e-6)
