import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.mismatch import draw_mismatch, gate_areas, position_shift
from rram_jax.neuron.transistors import MISMATCHED
from tests.neuron.cards import small_card

CONFIG = NeuronConfig(v_full=8e-3)
OUTPUT = NeuronConfig(v_full=8e-3, clocks_per_slot=4, asynchronous=True)


def test_gate_areas_by_hand():
    area = dict(zip(MISMATCHED, gate_areas(CONFIG), strict=True))
    assert len(area) == 20
    # Square micrometres: 20 x 0.5, 8 x 0.3 and 2 x 0.15.
    got = [area[name] * 1e12 for name in ("gm_in_a", "latch_in_p", "latch_p_op")]
    assert got == pytest.approx([10, 2.4, 0.3])


def test_a_continuous_comparator_has_areas_of_its_own():
    area = dict(zip(OUTPUT.mismatched, gate_areas(OUTPUT), strict=True))
    assert len(area) == 21
    assert not any(name.startswith("latch") for name in area)
    # Square micrometres: 8 x 0.5, 1.5 x 0.8.
    got = [area[f"comparator_{name}"] * 1e12 for name in ("in_p", "mir_b")]
    assert got == pytest.approx([4, 1.2])
    draw = draw_mismatch(jax.random.key(1), 3, OUTPUT, small_card())
    assert draw.shape == (3, 21)


def test_the_gm_cell_shrinks_with_its_bias_and_the_latch_does_not():
    small = NeuronConfig(v_full=8e-3, i_bias=10e-6)
    ratio = np.array(gate_areas(small)) / np.array(gate_areas(CONFIG))
    gm = [name.startswith("gm_") for name in MISMATCHED]
    np.testing.assert_allclose(ratio, np.where(gm, 0.5, 1.0))


def test_spread_follows_pelgrom():
    n = 20_000
    delvto = draw_mismatch(jax.random.key(4), n, CONFIG, small_card())
    sigma = 4e-9 / np.sqrt(gate_areas(CONFIG))
    # By hand: 4 mV um over the root of 10 um^2 is 1.26 mV.
    assert sigma[MISMATCHED.index("gm_in_a")] == pytest.approx(1.265e-3, rel=1e-3)
    # Of 20 columns, 4 standard errors: sigma / sqrt(2 n) and sigma / sqrt(n).
    np.testing.assert_allclose(delvto.std(0), sigma, rtol=4 / np.sqrt(2 * n))
    assert (np.abs(delvto.mean(0)) < 4 * sigma / np.sqrt(n)).all()
    assert np.abs(np.corrcoef(delvto.T) - np.eye(20)).max() < 5 / np.sqrt(n)


def test_one_key_is_one_chip_in_both_modes():
    draw = draw_mismatch(jax.random.key(7), 3, CONFIG, small_card())
    assert draw.dtype == jnp.float32
    with jax.enable_x64(True):
        wide = draw_mismatch(jax.random.key(7), 3, CONFIG, small_card())
        assert wide.dtype == jnp.float32
    np.testing.assert_array_equal(np.asarray(draw), np.asarray(wide))
    other = draw_mismatch(jax.random.key(8), 3, CONFIG, small_card())
    assert not np.isclose(draw, other).any()


def test_shifts_add_up_over_transistors():
    card = small_card()
    delvto = np.zeros((2, len(MISMATCHED)), np.float32)
    delvto[0, 3], delvto[0, 17], delvto[1, 5] = 2e-3, -1e-3, 4e-3
    offset, gain = position_shift(jnp.asarray(delvto), CONFIG, card)
    # Slopes of transistor i in the middle of the card: -5 + 1.5 i, and 0.05 i.
    expected = [2e-3 * (-5 + 4.5) - 1e-3 * (-5 + 25.5), 4e-3 * (-5 + 7.5)]
    np.testing.assert_allclose(offset, expected, rtol=1e-5)
    np.testing.assert_allclose(
        gain, [2e-3 * 0.15 - 1e-3 * 0.85, 4e-3 * 0.25], rtol=1e-5
    )


def test_no_mismatch_moves_nothing():
    card = small_card()
    card = dataclasses.replace(
        card, mismatch=dataclasses.replace(card.mismatch, a_vt=0)
    )
    delvto = draw_mismatch(jax.random.key(1), 5, CONFIG, card)
    for shift in position_shift(delvto, CONFIG, card):
        np.testing.assert_array_equal(shift, np.zeros(5))
