import dataclasses

import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.noise import check_noise
from rram_jax.neuron.sizing import check_sag, driver_for, size_neurons
from rram_jax.neuron.technology import TECHNOLOGY, Technology
from tests.helpers import is_one_sentence

CONFIG = NeuronConfig(v_full=8e-3, i_bias=30e-6)
OTHER = Technology(v_dd=2.5, v_cm=0.55, v_pre=1.1, l_min=0.3e-6, c_parasitic=60e-15)


def size_of(table, name):
    """[um] Width and length."""
    t = next(t for t in table if t.name == name)
    return pytest.approx((1e6 * t.width, 1e6 * t.length), rel=1e-9)


def test_sizes_by_hand():
    sizes = size_neurons(CONFIG, drivers_next=8)
    # gm 252 uS, 8 mV, 75 ns over 0.45 V: 336 fF, of which 1.5 times 30 fF are there.
    assert sizes.c_copy == pytest.approx(336e-15, rel=1e-12, abs=0)
    assert sizes.c_int == pytest.approx(291e-15, rel=1e-12, abs=0)
    assert sizes.ramp_step == 8e-3
    assert size_of(sizes.gm_cell, "in_a") == (30, 0.5)
    assert size_of(sizes.bias, "bp") == (15, 1.5)
    assert size_of(sizes.reset, "rs_n") == (1.68, 0.15)  # 336 of 200 fF
    assert size_of(sizes.copy, "du_p") == (1.68, 0.15)
    assert size_of(sizes.latch, "in_p") == (8, 0.3)
    assert size_of(sizes.comparator, "in_p") == (8, 0.5)
    # Eight drivers: 2 um times 2 and 4, then 80 um and 2.5 times as much.
    assert size_of(sizes.pulse_gate, "a1") == (4, 0.15)
    assert size_of(sizes.pulse_gate, "n1") == (8, 0.15)
    assert size_of(sizes.pulse_gate, "p3") == (200, 0.15)
    assert size_of(sizes.input_buffer, "n2") == (10, 0.15)
    # 1.439e-3 Ohm m over 16 Ohm.
    assert size_of(sizes.row_driver, "pos") == (89.9375, 0.15)


def test_lengths_and_widths_follow_the_technology():
    sizes = size_neurons(dataclasses.replace(CONFIG, technology=OTHER))
    assert size_of(sizes.gm_cell, "in_a") == (60, 1.0)
    assert size_of(sizes.latch, "q_1") == (2, 0.3)
    assert size_of(sizes.pulse_gate, "n3") == (20, 0.3)
    assert sizes.c_int == pytest.approx(246e-15, rel=1e-12, abs=0)


def test_row_drivers_follow_the_load():
    # 8 % of 5 mS are 16 Ohm; half the load takes half the width.
    assert driver_for(5e-3) == pytest.approx(16, rel=1e-12)
    usual, light = (size_neurons(CONFIG, g_row=g) for g in (5e-3, 2.5e-3))
    assert usual.row_driver == size_neurons(CONFIG).row_driver
    assert light.r_driver == pytest.approx(32, rel=1e-12)
    assert size_of(light.row_driver, "pos") == (89.9375 / 2, 0.15)


@pytest.mark.parametrize("g_row", [0.0, -1.0, float("inf"), float("nan")])
def test_a_row_s_load_is_positive(g_row):
    with pytest.raises(InputError, match="above 0 S"):
        driver_for(g_row)


def test_a_load_that_takes_too_much_says_which_would_do():
    check_sag(16.0, 80e-6, 64)
    # 16 Ohm and 50 mS lose 0.8/1.8; 30 % are 3/7 over 16 Ohm: 26.8 mS.
    told = "take 44 %.* tiles of 267 columns at most, or drivers of 1.6 Ohm"
    with pytest.raises(InputError, match=told) as caught:
        check_sag(16.0, 0.1e-3, 500)
    assert is_one_sentence(caught.value)
    check_sag(16.0, 0.1e-3, 267)
    check_sag(1.6, 0.1e-3, 500)
    with pytest.raises(InputError, match="take drivers of 0.08 Ohm"):
        check_sag(16.0, 1.0, 1)


def test_a_step_below_the_noise_says_which_would_do():
    config = NeuronConfig(v_full=3e-3)
    check_noise(config, 200e-6)  # a step itself
    # 15 times 0.3 mV, or 1.5 squared times 20 uA.
    told = r"v_full >= 0.0045 V .* i_bias >= 4.5e-05 A"
    with pytest.raises(InputError, match=told) as caught:
        check_noise(config, 300e-6)
    assert is_one_sentence(caught.value)
    check_noise(NeuronConfig(v_full=4.5e-3), 300e-6)
    check_noise(dataclasses.replace(config, i_bias=45e-6), 300e-6 / 1.5)


def test_no_width_is_below_the_process_s_smallest():
    for technology in (TECHNOLOGY, dataclasses.replace(TECHNOLOGY, l_min=0.25e-6)):
        config = NeuronConfig(v_full=8e-3, i_bias=5e-6, technology=technology)
        sizes = size_neurons(config, g_row=1e-3)
        tables = [x for x in vars(sizes).values() if isinstance(x, tuple)]
        least = min(t.width for table in tables for t in table)
        assert least >= 0.42e-6 * technology.scale * (1 - 1e-9)
