import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.device.cell import read_resistance
from rram_jax.device.filament import load_filament
from rram_jax.device.programming import barrier_spread, program_cells
from rram_jax.device.pulse import apply_pulse
from rram_jax.device.reset import reset_outcome
from tests.device.filaments import OTHER
from tests.device.test_filament_fit import TABLE
from tests.helpers import assert_gradient

CARD = load_filament("hfo2")
KEY = jax.random.key(5)


N = 1200
"""[-] Cells of all tests, each programmed twice: one program serves them."""


def _program(card, n_cells=N, v_reset=1.3, width=1e-6, first=0, **changed):
    spread = dataclasses.replace(
        card.spread(), **{n: jnp.asarray(x, float) for n, x in changed.items()}
    )
    return program_cells(
        KEY,
        jnp.arange(first, first + n_cells),
        2,
        jnp.asarray(v_reset, jnp.float32),
        jnp.asarray(width, jnp.float32),
        card,
        card.params(),
        spread,
    )


def test_without_spread_all_cells_are_the_nominal_one():
    card = OTHER
    cells = _program(card, v_reset=1.2, width=4e-7, sigma_s=0.0, sigma_x=0.0)
    one = jnp.ones(())
    pulse = apply_pulse(0 * one, one, 1.2 * one, 2.8 * one, 4e-7 * one, card.params())
    np.testing.assert_allclose(cells.x, pulse.x, rtol=1e-6)
    np.testing.assert_allclose(cells.energy, pulse.energy, rtol=1e-5)
    for r, x in ((cells.r_lrs, 0 * one), (cells.r_hrs, pulse.x)):
        read = read_resistance(0.15 * one, 1.7 * one, x, one, card.params())
        np.testing.assert_allclose(r, read, rtol=1e-5)


@pytest.mark.parametrize(
    ("v", "median", "sigma"),
    list(zip(TABLE.v_reset, TABLE.r_hrs, TABLE.sigma_hrs, strict=True)),
)
def test_sampled_cells_follow_the_measured_table(v, median, sigma):
    # 1,200 cells, which count once each. The card's own residuals: 4 % and 11 %.
    n = N
    cells = _program(CARD, v_reset=v)
    log = np.log(np.asarray(cells.r_hrs, float)).ravel()
    error = sigma * math.sqrt(math.pi / 2 / n)
    assert abs(np.median(log) - math.log(median)) < 0.04 + 4 * error
    assert abs(log.std() / sigma - 1) < 0.11 + 4 / math.sqrt(2 * n)
    low = np.log(np.asarray(cells.r_lrs, float)).ravel()
    assert abs(np.median(low) - math.log(4500)) < 4 * 0.051 * math.sqrt(math.pi / 2 / n)
    assert abs(low.std() - 0.051) < 4 * 0.051 / math.sqrt(2 * n)


@pytest.mark.slow
def test_first_order_spread_is_that_of_the_cells():
    n = N
    # Both ends of what the packaged card speaks for, and another card.
    for card, v in ((CARD, 0.8), (CARD, 1.46), (OTHER, 1.25)):
        cells = _program(card, v_reset=v, width=card.t_reset)
        outcome = reset_outcome(
            jnp.float32(v),
            jnp.float32(card.t_reset),
            card,
            card.params(),
            card.spread(),
        )
        logs = [np.log(np.ravel(r).astype(float)) for r in (cells.r_lrs, cells.r_hrs)]
        error = 4 / math.sqrt(2 * n)
        assert abs(logs[0].std() / float(outcome.sigma_lrs) - 1) < error + 0.01
        assert abs(logs[1].std() / float(outcome.sigma_hrs) - 1) < error + 0.02
        found = np.corrcoef(*logs)[0, 1]
        assert abs(found - float(outcome.correlation)) < 4 / math.sqrt(n) + 0.01


def test_shares_between_cells_and_programmings():
    cells = _program(OTHER)
    log_s = np.log(np.asarray(cells.s, float)) / OTHER.sigma_s
    one = jnp.ones_like(cells.s)
    width = jnp.float32(1e-6)
    pulse = apply_pulse(
        0 * one, cells.s, jnp.float32(1.3), 2.8 * one, width, OTHER.params()
    )
    spread = barrier_spread(pulse.x, OTHER.spread())
    of_x = np.asarray((cells.x - pulse.x) / spread, float)
    for number, share in ((log_s, 0.3), (of_x, 0.7)):
        assert abs(number.var() - 1) < 4 * math.sqrt(2 / N)
        # Between the two programmings of a cell.
        found = np.corrcoef(number.T)[0, 1]
        assert abs(found - share) < 4 * (1 - share**2) / math.sqrt(N)
    assert abs(np.corrcoef(log_s.ravel(), of_x.ravel())[0, 1]) < 4 / math.sqrt(N)


def test_any_split_of_the_cells_gives_the_same():
    whole, part = _program(OTHER), _program(OTHER, 2, first=4)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
        np.testing.assert_allclose(a[4:6], b, rtol=1e-5)


def test_barriers_stay_in_the_oxide():
    card = OTHER
    x = np.asarray(_program(card, sigma_x=1e-9, x_sigma=0.0).x)
    assert x.min() == 0
    assert x.max() == pytest.approx(card.t_ox)
    assert (x == 0).mean() > 0.05


@pytest.mark.slow
def test_gradients_against_differences():
    with jax.enable_x64(True):
        spread, params = OTHER.spread(), OTHER.params()

        @jax.jit
        def total(z):
            cells = program_cells(
                KEY,
                jnp.arange(3),
                2,
                z[0],
                z[1],
                OTHER,
                dataclasses.replace(params, a_reset=z[2]),
                dataclasses.replace(spread, sigma_s=z[3], sigma_x=z[4]),
            )
            return jnp.log(cells.r_hrs).sum() + jnp.log(cells.energy).sum()

        z = jnp.array([1.2, 5e-7, OTHER.a_reset, OTHER.sigma_s, OTHER.sigma_x])
        assert_gradient(total, z, rtol=1e-5)
