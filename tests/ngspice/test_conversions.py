import dataclasses

import jax
import numpy as np
import pytest

from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.config import SLOTS, V_READ
from rram_jax.neuron.mismatch import draw_mismatch, gate_areas, position_shift
from rram_jax.ngspice import conversions
from rram_jax.ngspice.conversions import (
    COLUMNS,
    ConversionCase,
    case_config,
    convert,
    make_patterns,
    raw_linearity,
    spread,
)

CARD = load_neuron_card()
DEVICE = load_card("hfo2-nominal")
CASE = ConversionCase(rows=40)
# A few lit pixels among many, as in pictures of digits.
CODES = np.random.default_rng(0).integers(0, 16, (300, 36)) * (
    np.random.default_rng(1).random((300, 36)) < 0.4
)


def _patterns(case=CASE, n=6, seed=3):
    return make_patterns(case, n, CODES, CARD, DEVICE, seed)


def test_patterns_are_active_and_follow_their_seed():
    one, again, other = _patterns(n=30), _patterns(n=30), _patterns(n=30, seed=4)
    assert one.staircases.shape == (30 * COLUMNS, SLOTS)
    assert ((one.codes > 0) & (one.codes < SLOTS)).mean() >= conversions.ACTIVE
    np.testing.assert_array_equal(one.staircases, again.staircases)
    assert (one.staircases != other.staircases).any(1).all()
    # A row's volts, attenuated and shared, never reach the bit line whole.
    assert abs(one.staircases).max() < V_READ
    # All rows rest after the last slot that any is driven in: inputs end one by one.
    assert abs(one.staircases[:, -1]).mean() < abs(one.staircases[:, 0]).mean()


def test_mismatch_and_noise_shift_the_same_patterns():
    plain, shifted, noisy = (
        _patterns(dataclasses.replace(CASE, **change), n=30)
        for change in ({}, {"mismatch": True}, {"noise": True})
    )
    assert not plain.delvto.any()
    np.testing.assert_array_equal(plain.staircases, shifted.staircases)
    sigma = CARD.mismatch.a_vt / np.sqrt(gate_areas(case_config(CASE, CARD)))
    # 120 neurons and 20 transistors; no neuron twice.
    np.testing.assert_allclose((shifted.delvto / sigma).std(), 1, atol=0.05)
    assert len(np.unique(shifted.delvto[:, 0])) == len(shifted.delvto)
    assert (plain.codes != shifted.codes).any()
    moved = noisy.staircases - plain.staircases
    np.testing.assert_allclose(moved, np.repeat(moved[:, :1], SLOTS, 1), atol=1e-9)
    noise_rms = float(CARD.params(case_config(CASE, CARD)).noise_rms)
    np.testing.assert_allclose(moved[:, 0].std(), noise_rms, rtol=0.2)


def test_a_case_that_cannot_be_made_says_what_would():
    with pytest.raises(InputError, match="pixels"):
        _patterns(ConversionCase(rows=80))
    with pytest.raises(InputError, match="Rows come in pairs"):
        ConversionCase(rows=33)
    dark = np.zeros((5, 36), int)
    dark[0, 0] = 1
    with pytest.raises(InputError, match="patterns could be made"):
        make_patterns(CASE, 90, dark, CARD, DEVICE, 0)


def test_spread_is_that_of_many_neurons():
    config = case_config(CASE, CARD)
    found = spread(config, CARD)
    delvto = draw_mismatch(jax.random.key(0), 100_000, config, CARD)
    drawn = [float(x.std()) for x in position_shift(delvto, config, CARD)]
    # A standard deviation of 100,000 draws is off by 0.2 %.
    np.testing.assert_allclose(
        [found["offset_sd_lsb"], found["gain_sd"]], drawn, rtol=0.01
    )


def test_conversions_agree_with_ngspice(monkeypatch):
    monkeypatch.setattr(conversions, "PER_DECK", 12)
    case = dataclasses.replace(CASE, mismatch=True)
    patterns = _patterns(case)
    done = []
    result = convert(case, patterns, CARD, workers=1, on_done=lambda: done.append(1))
    agreement = result.agreement()
    assert len(done) == 2
    assert agreement["n_codes"] == 6 * COLUMNS
    assert agreement["codes_within_1"] == 1
    assert agreement["codes_equal"] > 0.9
    assert 5e-12 < sum(result.energy.values()) < 30e-12
    # The order of the answers is that of the patterns: another order is told apart.
    assert np.mean(result.found == np.roll(result.said, 1)) < 0.6


@pytest.mark.slow
def test_raw_circuit_is_linear_and_monotone():
    found = raw_linearity(case_config(ConversionCase(), CARD), levels=24)
    # Measured 0.06 and 0.02; the bars of the circuit are 0.5.
    assert found["monotone"]
    assert 0.01 < found["inl_lsb"] < 0.15
    assert found["dnl_lsb"] < 0.1


def test_agreement_counts_what_it_says():
    said, found = np.array([0, 3, 15, 7, 8]), np.array([0, 3, 14, 9, 8])
    result = conversions.Conversions(
        case=CASE, said=said, found=found, energy={}, cpu_s=0.0
    )
    assert result.agreement() == {
        "codes_equal": 3 / 5,
        "codes_equal_active": 2 / 4,
        "codes_within_1": 4 / 5,
        "n_codes": 5,
        "share_active": 4 / 5,
    }
