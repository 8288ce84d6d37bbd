import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

from rram_jax.device import cell_kinds
from rram_jax.device.card import load_card
from rram_jax.device.cell_kinds import kinds_of_cells
from rram_jax.device.cycles import sample_cycles
from rram_jax.device.fit import fit_card
from rram_jax.device.law import mixture_quantile
from rram_jax.device.measured import Measurements, read_measurements
from rram_jax.device.mixture_fit import PROBABILITIES, TOLERANCES, Mixture, fit_mixture
from rram_jax.errors import InputError
from tests.device.test_cycles import CYCLED, PLAIN
from tests.helpers import is_one_sentence

LAW = Mixture(mean=8.5, sigma=0.09, share=0.08, shift=0.5, sigma_tail=0.3)


def _measure(card, n_cells, n_cycles, seed=0) -> Measurements:
    """What `device sample` writes of a card."""
    pair = sample_cycles(
        jax.random.key(seed), jnp.arange(n_cells), n_cycles, card.params()
    )
    r_lrs, r_hrs = (np.asarray(r, float).ravel() for r in pair)
    cell, cycle = np.divmod(np.arange(n_cells * n_cycles), n_cycles)
    return Measurements(cell=cell, cycle=cycle, r_hrs=r_hrs, r_lrs=r_lrs)


def test_quantiles_are_those_of_the_sampler():
    z = ndtri(PROBABILITIES)
    parts = (LAW.share, LAW.sigma, LAW.shift, LAW.sigma_tail)
    ours = mixture_quantile(jnp.asarray(z, jnp.float32), *map(jnp.asarray, parts))
    np.testing.assert_allclose(LAW.quantile(z), 8.5 + ours, atol=2e-6)  # float32


@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_exact_quantiles_give_the_mixture_back(shift):
    law = dataclasses.replace(LAW, shift=shift)
    found = fit_mixture(law.quantile(ndtri(PROBABILITIES)), TOLERANCES["lrs"])
    for field in dataclasses.fields(Mixture):
        # Five numbers from eleven exact quantiles; the solver stops at 1e-6.
        wanted = getattr(law, field.name)
        assert getattr(found, field.name) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("card", [CYCLED, PLAIN], ids=["tails", "plain"])
def test_a_sampled_card_comes_back_within_its_intervals(card):
    card = dataclasses.replace(card, tail_share=card.tail_share * 4)
    # 300 cells over 60 cycles. Of 9 to 14 numbers in two fits one leaves an interval of
    # 99.9 % once in 40 seeds (more as 100 replicates know their ends badly).
    fit = fit_card(
        _measure(card, 300, 60), "again", "a sample", level=0.999, replicates=100
    )
    fitted = dataclasses.asdict(fit.card)
    for key, (low, high) in fit.intervals.items():
        assert low <= getattr(card, key) <= high, key
        # And they say something.
        wide = 0.15 if key.startswith(("corr", "stuck", "d2d", "tail")) else 0.0
        assert high - low < max(wide, 1.5 * abs(fitted[key])), key
    tails = {"tail_share", "tail_share_hrs"} & set(fit.intervals)
    assert len(tails) == (2 if card.tail_share else 0)


def test_variance_components_by_hand():
    # Ten cells at exp(0.1 k) with cycles at exp(+-0.02): ln R is the sum of both.
    cell, cycle = np.divmod(np.arange(120), 12)
    inner = 0.02 * (-1.0) ** cycle
    measured = Measurements(
        cell=cell,
        cycle=cycle,
        r_hrs=5e4 * np.exp(0.2 * cell - inner),
        r_lrs=5e3 * np.exp(0.1 * cell + inner),
    )
    state = fit_card(measured, "hand", "nothing", replicates=20).states["lrs"]
    within = 0.02**2 * 120 / 110
    between = 0.1**2 * (100 - 1) / 12 * 10 / 9 - within / 12
    assert state.sd_c2c == pytest.approx(math.sqrt(within))
    assert state.sd_d2d == pytest.approx(math.sqrt(between))


def test_a_fitted_normal_number_undoes_the_quantile():
    z = np.linspace(-7, 7, 57)
    for law in (LAW, dataclasses.replace(LAW, share=0.0)):
        # Bisection leaves 1e-10 of ln R, over the body's sigma.
        np.testing.assert_allclose(law.normal(law.quantile(z)), z, atol=1e-8)


def test_cells_that_do_not_switch_are_found():
    m = _measure(PLAIN, 60, 40)
    r_hrs, r_lrs = m.r_hrs.reshape(60, 40).copy(), m.r_lrs.reshape(60, 40).copy()
    r_hrs[5] = r_lrs[5][::-1]
    r_lrs[[8, 11]] = r_hrs[[8, 11], ::-1]
    r_hrs[30, 3] = 0.5 * r_lrs[30, 3]
    wrong = dataclasses.replace(m, r_hrs=r_hrs.ravel(), r_lrs=r_lrs.ravel())
    fit = fit_card(wrong, "dead", "a sample", replicates=50)
    assert (fit.stuck_lrs, fit.stuck_hrs, fit.swapped) == ((5,), (8, 11), ())
    assert fit.n_cells == 60
    assert fit.n_inverted == 1
    assert fit.card.stuck_lrs == pytest.approx(1 / 60, rel=1e-3)  # rounded
    assert fit.card.stuck_hrs == pytest.approx(2 / 60, rel=1e-3)
    # Clopper and Pearson: 1 of 60, two-sided 95 %.
    assert fit.intervals["stuck_lrs"] == pytest.approx((4.22e-4, 0.0894), rel=2e-3)
    assert "3 stuck cells left out of the fit, 0 swapped kept" in fit.card.source
    # The others alone give the same law.
    alive = ~np.isin(m.cell, [5, 8, 11])
    rest = Measurements(*(x[alive] for x in vars(wrong).values()))
    alone = fit_card(rest, "dead", "a sample", replicates=50).card
    assert (alone.r_hrs, alone.sigma_lrs) == (fit.card.r_hrs, fit.card.sigma_lrs)


def test_cells_that_the_law_makes_are_not_taken_for_stuck(monkeypatch):
    # A cell of radar-a in a thousand has both states near 10 kOhm, where the tails
    # meet. Added are three that read twice as LRS, one that reads twice as HRS, one
    # that is open, and one that is swapped.
    n, cycles = 4000, 100
    m = _measure(load_card("radar-a"), n, cycles)
    r_lrs, r_hrs = m.r_lrs.reshape(n, cycles), m.r_hrs.reshape(n, cycles)
    for stuck in ([4, 70, 901], [1000], [1001]):
        level = {4: 4900.0, 1000: 1e5, 1001: 1e9}[stuck[0]]
        r_lrs[stuck] = level * np.exp(0.05 * np.sin(np.arange(cycles)))
        r_hrs[stuck] = r_lrs[stuck][:, ::-1]
    r_lrs[30], r_hrs[30] = 1e5, 5e3
    args = np.repeat(np.arange(n), cycles), np.log(r_lrs.ravel()), np.log(r_hrs.ravel())
    kinds = kinds_of_cells(*args)
    assert (kinds[[4, 70, 901]] == "stuck_lrs").all()
    assert (kinds[[1000, 1001]] == "stuck_hrs").all()
    assert kinds[30] == "swapped"
    monkeypatch.setattr(cell_kinds, "REACH_P", 1.0)  # the law reaches none
    first = kinds_of_cells(*args)
    seem, are = (np.char.startswith(k, "stuck").sum() - 5 for k in (first, kinds))
    assert seem >= 3
    assert are <= seem / 2


def test_failed_resets_do_not_hide_stuck_cells():
    # With one reset in twenty left at LRS, the law of HRS reaches down to there.
    n, cycles = 300, 40
    m = _measure(PLAIN, n, cycles)
    r_lrs, r_hrs = m.r_lrs.reshape(n, cycles), m.r_hrs.reshape(n, cycles)
    failed = np.random.default_rng(0).random((n, cycles)) < 0.05
    failed[[5, 17]] = True
    r_hrs = np.where(failed, r_lrs[:, ::-1], r_hrs)
    row = np.repeat(np.arange(n), cycles)
    kinds = kinds_of_cells(row, np.log(r_lrs.ravel()), np.log(r_hrs.ravel()))
    assert np.flatnonzero(kinds == "stuck_lrs").tolist() == [5, 17]
    assert (kinds == "right").sum() == n - 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: {k: x[m.cell == 3] for k, x in vars(m).items()}, "of 1 cell, and"),
        (
            lambda m: {k: x[m.cycle == 3] for k, x in vars(m).items()},
            "has 1 cycle, and",
        ),
        (lambda m: {"r_hrs": m.r_hrs / 1e3, "r_lrs": m.r_lrs / 1e3}, "looks like kOhm"),
        (lambda m: {"r_hrs": m.r_hrs * 1e6, "r_lrs": m.r_lrs * 1e6}, "1e8 Ohm; check"),
        (lambda m: {"r_hrs": m.r_lrs, "r_lrs": m.r_hrs}, "columns are not exchanged"),
        (lambda m: {"r_hrs": m.r_lrs * (1.01 - m.cycle % 2 / 99)}, "cells switch"),
    ],
)
def test_measurements_that_do_not_serve_are_told(change, told):
    m = _measure(PLAIN, 12, 20)
    wrong = dataclasses.replace(m, **change(m))
    with pytest.raises(InputError) as error:
        fit_card(wrong, "bad", "a sample", replicates=20)
    assert told in str(error.value)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize("array", ["a", "b"])
def test_measured_arrays_come_back_from_their_cards(rram_dir, array):
    measured = read_measurements(rram_dir / f"array_{array}_cycling.csv.gz")
    fit = fit_card(measured, f"radar-{array}", "an array", replicates=20)
    preset = load_card(f"radar-{array}")
    for key in fit.intervals:  # the preset is what the command makes of this array
        assert getattr(preset, key) == pytest.approx(getattr(fit.card, key), rel=2e-3)
    # One swapped cell in b, none in a, by their medians; it belongs to the law.
    assert fit.swapped == {"a": (), "b": (2103,)}[array]
    assert not fit.stuck_lrs + fit.stuck_hrs
    p = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    # 4000 cells over 100 cycles: the 99 % quantile of ln R_HRS has a standard error of
    # 0.03, that of the 95 % quantile of LRS is 0.7 %.
    again = _measure(preset, 4000, 100, seed=1)
    bar = {"r_lrs": (*6 * (0.03,), 0.1), "r_hrs": 7 * (0.1,)}
    for key in bar:
        here, there = (
            np.quantile(x, p) for x in (getattr(again, key), getattr(measured, key))
        )
        off = np.abs(np.log(here / there))
        assert (off < bar[key]).all(), (key, off)
