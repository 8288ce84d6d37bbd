import dataclasses

import pytest

from rram_jax.circuit.encode import SLOTS as CIRCUIT_SLOTS
from rram_jax.errors import InputError
from rram_jax.neuron.config import C_HOLD, SLOTS, NeuronConfig


def test_integration_capacitor_by_hand():
    # gm 168 uS, 15 x 5 ns, 8 mV over 0.45 V: 224 fF, of which 30 fF are parasitic.
    config = NeuronConfig(v_full=8e-3)
    assert config.c_total == pytest.approx(224e-15, rel=1e-12, abs=0)
    assert config.c_int == pytest.approx(194e-15, rel=1e-12, abs=0)


def test_capacitor_and_widths_follow_bias_and_slot():
    slow = NeuronConfig(v_full=8e-3, i_bias=10e-6, t_slot=10e-9)
    assert slow.c_int == pytest.approx(209e-15, rel=1e-12, abs=0)
    assert slow.width_scale == pytest.approx(0.5, rel=1e-12)


def test_output_kind_decides_sixty_times():
    config = NeuronConfig(v_full=20e-3, clocks_per_slot=4)
    assert config.decisions == 60
    assert config.t_clock == pytest.approx(1.25e-9, rel=1e-12)


def test_a_continuous_comparator_needs_no_latch_s_clock_period():
    config = NeuronConfig(v_full=20e-3, clocks_per_slot=12, asynchronous=True)
    assert config.decisions == 180
    assert config.t_delay > 0
    assert NeuronConfig(v_full=20e-3).t_delay == 0


def test_auto_zero_by_hand():
    # 224 fF of C_int and 500 fF of hold over 20 uS: 36.2 ns, five times.
    config = NeuronConfig(v_full=8e-3)
    assert C_HOLD == 500e-15
    assert config.t_auto_zero == pytest.approx(181e-9, rel=1e-3)
    # 32 slots, 6 + 1 ns of reset before it and 8 ns behind it.
    assert config.t_period - config.t_auto_zero == pytest.approx(175e-9, rel=1e-9)
    weak = NeuronConfig(v_full=16e-3, i_bias=10e-6, auto_zero_taus=2.5)
    assert weak.t_auto_zero == pytest.approx(181e-9, rel=1e-3)


def test_slots_are_those_of_the_pulses():
    assert SLOTS == CIRCUIT_SLOTS


def test_configs_are_keys():
    config = NeuronConfig(v_full=8e-3)
    assert {config: 1}[dataclasses.replace(config)] == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"v_full": -8e-3}, "v_full > 0"),
        ({"v_full": float("nan")}, "v_full > 0"),
        ({"v_shift": -1e-3}, "v_shift"),
        ({"v_shift": 0.1}, "v_shift"),
        ({"clocks_per_slot": 0}, "clock"),
        ({"clocks_per_slot": 8}, "latch .* 1.1e-09 s or more"),
        ({"clocks_per_slot": 20, "asynchronous": True}, "counter .* 4e-10 s or more"),
        ({"ramp_advance": 5.0}, "ramp_advance"),
        ({"v_full": 1e-3}, "C_int"),
        ({"r_driver": 0.0}, "r_driver > 0"),
        ({"auto_zero_taus": 0.0}, "auto_zero_taus > 0"),
    ],
)
def test_what_cannot_be_built_is_refused(change, told):
    with pytest.raises(InputError, match=told):
        NeuronConfig(**{"v_full": 8e-3} | change)
