import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.device.rtn import sample_rtn
from tests.device.test_card import CARD

TRAP, STATE = jax.random.key(11), jax.random.key(12)
N = 40_000


def _both(n=N):
    return jnp.arange(2 * n) < n


def _levels(card, passes, n):
    """[passes, cells] of LRS and of HRS: one chip in several states."""
    states = jax.random.split(STATE, passes)
    sample = jax.jit(
        jax.vmap(lambda state: sample_rtn(TRAP, state, _both(n), card.params()))
    )
    levels = np.asarray(sample(states), float)
    return levels[:, :n], levels[:, n:]


def test_no_traps_no_noise():
    card = dataclasses.replace(CARD, rtn_traps_lrs=0.0, rtn_traps_hrs=0.0)
    np.testing.assert_array_equal(sample_rtn(TRAP, STATE, _both(9), card.params()), 1)


def test_mean_number_of_traps():
    # Unequal amplitudes, no spread: (R / R_0 - 1) / amplitude counts the full traps.
    card = dataclasses.replace(CARD, rtn_sigma=0.0)
    change = np.asarray(sample_rtn(TRAP, STATE, _both(), card.params()), float) - 1
    for full, mean in ((change[:N] / 0.004, 0.2), (change[N:] / 0.13, 0.6)):
        # float32 of 1.004 leaves 3e-5 of the amplitude.
        np.testing.assert_allclose(full, np.round(full), atol=1e-4)
        # A Poisson number of which each is full half of the time: Poisson of the half.
        # 40,000 cells, four standard errors.
        half = mean / 2
        assert abs(full.mean() - half) < 4 * math.sqrt(half / N)
        empty = math.exp(-half)
        share = (np.round(full) == 0).mean()
        assert abs(share - empty) < 4 * math.sqrt(empty * (1 - empty) / N)


def test_two_levels_a_trap_frozen_in_one_state():
    n, passes = 2000, 14
    for levels, mean, amplitude in zip(
        _levels(CARD, passes, n), (0.2, 0.6), (0.004, 0.13), strict=True
    ):
        count = np.array([len(np.unique(cell)) for cell in levels.T])
        # Cells that move: one trap or more (one stays silent in 14 passes with 1e-4).
        moving = 1 - math.exp(-mean)
        assert abs((count > 1).mean() - moving) < 4 * math.sqrt(moving / n)
        two = levels[:, count == 2]
        # With three traps or more two levels in 14 passes are out of the question.
        one_trap = mean * math.exp(-mean)
        assert abs((count == 2).mean() - one_trap) < 4 * math.sqrt(one_trap / n)
        np.testing.assert_array_equal(two.min(0), 1.0)
        size = np.log((two.max(0) - 1) / amplitude)
        spread = 0.45 / math.sqrt(size.size)
        assert abs(np.median(size)) < 4 * spread * math.sqrt(math.pi / 2)
        assert abs(size.std() - 0.45) < 4 * spread / math.sqrt(2)
        full = (two > 1).mean()
        assert abs(full - 0.5) < 4 * 0.5 / math.sqrt(two.size)
    again = _levels(CARD, passes, n)[1]
    np.testing.assert_array_equal(again, levels)


def test_keys_are_chip_and_state():
    params, is_lrs = CARD.params(), _both(500)
    first = np.asarray(sample_rtn(TRAP, STATE, is_lrs, params))
    other_state = np.asarray(sample_rtn(TRAP, TRAP, is_lrs, params))
    other_chip = np.asarray(sample_rtn(STATE, STATE, is_lrs, params))
    assert (first != other_state).any()
    # The same traps in another state: a cell without traps stays without.
    traps = (first > 1) | (other_state > 1)
    assert ((other_chip > 1) & ~traps).any()


def test_same_keys_same_state_in_every_mode():
    is_lrs = jnp.asarray(np.random.default_rng(1).random((9, 5)) < 0.4)
    card = dataclasses.replace(CARD, rtn_traps_lrs=1.0)
    first = np.asarray(sample_rtn(TRAP, STATE, is_lrs, card.params()))
    assert (first > 1).sum() > 10
    with jax.enable_x64(True):
        double = np.asarray(sample_rtn(TRAP, STATE, is_lrs, card.params()))
    np.testing.assert_array_equal(double, first)
    jitted = jax.jit(sample_rtn)(TRAP, STATE, is_lrs, card.params())
    np.testing.assert_allclose(jitted, first, rtol=3e-7)  # contracted products
