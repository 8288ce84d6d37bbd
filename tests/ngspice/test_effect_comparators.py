"""Effects on a code: latch, continuous comparator, noise."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.special import ndtr

from rram_jax.neuron.card import with_card
from rram_jax.neuron.cmos import default_process
from rram_jax.neuron.config import C_HOLD, NeuronConfig
from rram_jax.ngspice.effects import latch
from rram_jax.ngspice.effects.comparator import (
    comparator_delay,
    comparator_noise,
    crossing_resolution,
)
from rram_jax.ngspice.effects.latch import (
    latch_beta,
    latch_delay,
    latch_kick,
    latch_memory,
    latch_thresholds,
)
from rram_jax.ngspice.effects.noise import (
    BOLTZMANN,
    auto_zero_noise,
    auto_zero_rms,
    latch_noise,
    latch_pair,
    probit_sigma,
    reset_noise,
)
from rram_jax.ngspice.effects.record import EffectSetting
from rram_jax.ngspice.testbench import noise_density
from tests.neuron.cards import usual_card

CARD = usual_card()
CONFIG = with_card(NeuronConfig(v_full=8e-3), CARD)
SETTING = EffectSetting(config=CONFIG, card=CARD, process=default_process())
KT = BOLTZMANN * 300.15


@pytest.mark.ngspice
def test_a_latch_takes_longer_the_less_it_is_driven():
    delay = np.array([effect.value for effect in latch_delay(SETTING)])
    assert (np.diff(delay) < 0).all()
    assert 0.2e-9 < delay[-1] < delay[0] < 0.6e-9


@pytest.mark.ngspice
def test_a_latch_remembers_what_it_said(monkeypatch):
    monkeypatch.setattr(latch, "HALVINGS", 9)
    after_one, after_zero = (effect.value for effect in latch_memory(SETTING))
    np.testing.assert_allclose(after_one, -after_zero, rtol=0.05)  # it is symmetric
    assert -12e-3 < after_one < -1e-3


@pytest.mark.ngspice
def test_betas_of_a_latch_move_its_threshold(monkeypatch):
    monkeypatch.setattr(latch, "HALVINGS", 7)
    shifted = [{"in_p": 0.02, "in_n": -0.02}, {}, {"in_p": -0.02, "in_n": 0.02}]
    low, middle, high = latch_thresholds(SETTING, shifted)
    # The stronger side wins: less at its gate is enough.
    assert low < middle < high
    np.testing.assert_allclose(high - middle, middle - low, rtol=0.4)
    spread = latch_beta(SETTING)[0]
    assert 0.1e-3 < spread.value < 1e-3
    np.testing.assert_allclose(spread.lsb, spread.value / 30e-3)


@pytest.mark.ngspice
def test_a_latch_kicks_out_and_its_copy_alike(monkeypatch):
    monkeypatch.setattr(latch, "N_LEVELS", 4)
    found = {effect.name: effect for effect in latch_kick(SETTING)}
    kick, apart = (
        found[f"latch's kick{x}"] for x in (" on out", ", out less its copy")
    )
    assert 30e-3 < kick.value < 90e-3
    assert apart.value < kick.value / 3
    assert abs(found["latch's kick, crossing"].lsb) < 0.05


@pytest.mark.ngspice
def test_a_continuous_comparator_is_late_by_the_same_at_every_code():
    found = {}
    for effect in comparator_delay(SETTING):
        found.setdefault(effect.name, []).append(effect.value)
    np.testing.assert_allclose(found["comparator's delay"], 5.8e-9, rtol=0.05)
    assert found["comparator's delay over the code"][0] < 0.05e-9
    slow, fast = found["comparator's delay over the slope"]
    assert fast < 0 < slow < 0.6e-9


@pytest.mark.ngspice
def test_inputs_are_told_apart_by_the_hundredth_of_a_code():
    found = crossing_resolution(SETTING)
    assert found[-1].name == "smallest step told apart"
    assert found[-1].value <= 0.01
    assert all(0 < effect.value < 0.5 for effect in found[1:-1])


@pytest.mark.ngspice
def test_noise_of_the_comparator_is_that_of_its_pair():
    found = comparator_noise(SETTING)[0]
    # 8 kT / (3 gm) twice over a band of 0.05 to 0.3 GHz, gm 150 uS: loads add to it.
    low, high = (math.sqrt(16 * KT / 3 / 150e-6 * b) for b in (0.01e9, 0.5e9))
    assert low < found.value < high
    np.testing.assert_allclose(found.lsb, found.value / 30e-3)


@pytest.mark.ngspice
def test_an_auto_zero_samples_the_noise_in_its_band():
    found = auto_zero_noise(SETTING)[0]
    density = noise_density(CONFIG, 1e7) ** 2
    band = 20e-6 / (4 * (C_HOLD + CONFIG.c_total))
    # gm_aux of 20 uS is a rounded figure, and there is 1/f noise below 1 MHz.
    np.testing.assert_allclose(found.value, math.sqrt(density * band), rtol=0.35)
    np.testing.assert_allclose(found.value, auto_zero_rms(CONFIG))
    np.testing.assert_allclose(found.lsb, 1.5 * found.value / SETTING.lsb)
    # kT/C of the hold capacitor alone, through gm_aux / gm, would be far less.
    assert found.value > 3 * math.sqrt(KT / C_HOLD) / 8.4


@pytest.mark.ngspice
def test_an_auto_zero_of_an_output_neuron_samples_alike():
    output = NeuronConfig(v_full=8e-3, clocks_per_slot=4, asynchronous=True)
    np.testing.assert_allclose(auto_zero_rms(output), auto_zero_rms(CONFIG), rtol=0.02)
    # Density falls and band grows with the current; of C_hold + C only C grows.
    strong = dataclasses.replace(output, i_bias=40e-6)
    assert 0.8 < auto_zero_rms(strong) / auto_zero_rms(output) < 1.0


def test_reset_noise_by_hand():
    found = reset_noise(SETTING)[0]
    np.testing.assert_allclose(CONFIG.c_total, 224e-15, rtol=1e-3)
    np.testing.assert_allclose(found.value, math.sqrt(2 * KT / 224e-15), rtol=1e-3)
    np.testing.assert_allclose(found.lsb, found.value / 30e-3)


@pytest.mark.ngspice
def test_the_input_pair_is_a_long_transistors():
    gm, gamma = latch_pair(SETTING)
    assert 0.5e-3 < gm < 3e-3
    assert 0.6 < gamma < 1.2  # 2/3 of a long transistor, more with short-channel noise


def test_the_spread_behind_shares_is_found():
    differences = np.array([-0.6, -0.2, 0.2, 0.6])
    ones = ndtr((differences - 0.1) / 0.4)
    np.testing.assert_allclose(probit_sigma(differences, ones, 150), 0.4, rtol=0.01)


@pytest.mark.ngspice
@pytest.mark.slow
def test_noise_of_the_latch_is_its_pairs_over_the_time_it_integrates():
    found = latch_noise(SETTING)[0]
    gm, gamma = latch_pair(SETTING)
    # A boxcar of 0.1 ns passes half of 8 kT gamma / gm over it; 0.05 to 0.3 ns fit.
    high, low = (math.sqrt(8 * KT * gamma / gm / (2 * t)) for t in (50e-12, 300e-12))
    assert low < found.value < high
