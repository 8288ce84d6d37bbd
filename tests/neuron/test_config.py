import dataclasses

import pytest

from rram_jax.circuit.encode import SLOTS as CIRCUIT_SLOTS
from rram_jax.errors import InputError
from rram_jax.neuron.config import C_HOLD, SLOTS, NeuronConfig
from rram_jax.neuron.technology import Technology
from tests.helpers import is_one_sentence


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
    # 224 fF of C_int and 3 pF of hold over 20 uS: 161.2 ns, five times.
    config = NeuronConfig(v_full=8e-3)
    assert C_HOLD == 3e-12
    assert config.t_auto_zero == pytest.approx(806e-9, rel=1e-3)
    # 32 slots, 6 + 1 ns of reset before it and 8 ns behind it.
    assert config.t_period - config.t_auto_zero == pytest.approx(175e-9, rel=1e-9)
    weak = NeuronConfig(v_full=16e-3, i_bias=10e-6, auto_zero_taus=2.5)
    assert weak.t_auto_zero == pytest.approx(806e-9, rel=1e-3)
    # Without it 168 ns; one of 813 ns, its reset included, serves 16 conversions.
    assert config.t_busy == pytest.approx(168e-9, rel=1e-9)
    assert config.t_conversion == pytest.approx(168e-9 + 813e-9 / 16, rel=1e-3)
    with pytest.raises(InputError, match="conversions_per_zero >= 1"):
        NeuronConfig(v_full=8e-3, conversions_per_zero=0)


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
        ({"ramp_advance": 5.0}, "ramp_advance"),
        ({"r_driver": 0.0}, "r_driver > 0"),
        ({"auto_zero_taus": 0.0}, "auto_zero_taus > 0"),
    ],
)
def test_what_makes_no_sense_is_refused(change, told):
    with pytest.raises(InputError, match=told):
        NeuronConfig(**{"v_full": 8e-3} | change)


@pytest.mark.parametrize(
    ("change", "told", "works"),
    [
        # 1.8 V less v_pre and 0.35 V.
        ({"swing": 0.9}, "take swing <= 0.65", [{"swing": 0.65}]),
        (
            {"clocks_per_slot": 8},
            "latch .* 1e-09 s or more.*t_slot >= 8e-09, or clocks_per_slot <= 5",
            [{"clocks_per_slot": 8, "t_slot": 8e-9}, {"clocks_per_slot": 5}],
        ),
        (
            {"clocks_per_slot": 20, "asynchronous": True},
            "counter .* 4e-10 s or more.*t_slot >= 8e-09, or clocks_per_slot <= 12",
            [
                {"clocks_per_slot": 20, "asynchronous": True, "t_slot": 8e-9},
                {"clocks_per_slot": 12, "asynchronous": True},
            ],
        ),
        (
            {"t_slot": 0.9e-9, "v_full": 40e-3},
            "take t_slot >= 1e-09[.]",
            [{"t_slot": 1e-9, "v_full": 40e-3}],
        ),
        (
            {"t_slot": 0.9e-9, "v_full": 40e-3, "asynchronous": True},
            "step needs 5e-10 s.*take t_slot >= 1e-09",
            [{"t_slot": 1e-9, "v_full": 40e-3, "asynchronous": True}],
        ),
        # 0.0112 F/A less 0.0015 F/A beside it: 15 fF of them are 1.55 uA.
        (
            {"i_bias": 0.0},
            "i_bias from 1.55e-06 to 6e-05 A",
            [{"i_bias": 1.55e-6}, {"i_bias": 6e-5}],
        ),
        (
            {"i_bias": 0.0, "v_full": 1e-3},
            "v_full >= 0.00161 and i_bias = 2e-05 A",
            [{"v_full": 1.61e-3, "i_bias": 20e-6}],
        ),
        # 45 fF of 20 uA: 28 fF at 1 mV.
        (
            {"v_full": 1e-3},
            "C_int .* v_full >= 0.00161, t_slot >= 8.04e-09 or swing <= 0.28[.]",
            [
                {"v_full": 1.61e-3},
                {"v_full": 1e-3, "t_slot": 8.04e-9},
                {"v_full": 1e-3, "swing": 0.28},
            ],
        ),
        (
            {"i_bias": 1e-6},
            "i_bias >= 1.55e-06 or swing",
            [{"i_bias": 1.55e-6}],
        ),
    ],
)
def test_what_cannot_be_built_says_what_can(change, told, works):
    with pytest.raises(InputError, match=told) as caught:
        NeuronConfig(**{"v_full": 8e-3} | change)
    assert is_one_sentence(caught.value)
    for numbers in works:
        NeuronConfig(**{"v_full": 8e-3} | numbers)


def test_another_technology_sizes_other_neurons():
    technology = Technology(v_dd=2.5, v_pre=1.1, c_parasitic=50e-15, t_clock_min=2e-9)
    config = NeuronConfig(v_full=8e-3, swing=1.0, technology=technology)
    # gm 168 uS, 75 ns, 8 mV over 1 V, less 50 fF.
    assert config.c_int == pytest.approx(50.8e-15, rel=1e-9, abs=0)
    with pytest.raises(InputError, match="t_slot >= 6e-09, or clocks_per_slot <= 2"):
        dataclasses.replace(config, clocks_per_slot=3)
