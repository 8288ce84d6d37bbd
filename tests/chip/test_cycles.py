"""A chip that is programmed again, and read again."""

import dataclasses

import jax
import numpy as np
import pytest

from rram_jax.chip.config import TRIM_CODES, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.program import program_chip, sample_chip
from rram_jax.chip.sample import chip_key
from rram_jax.device.card import load_card
from tests.chip.test_evaluate import _by_numpy, _images
from tests.helpers import neuron_card, random_network, write_card

CONFIG = NetworkConfig(sizes=(6, 5, 3), columns_per_output=2)
CARD = dataclasses.replace(
    load_card("bench-r10"), sigma_lrs=0.6, d2d_lrs=0.9, d2d_hrs=0.9
)


def _design(circuit, card=CARD, config=CONFIG):
    return design_network(random_network(1, config), card, circuit)


def _programmed(design, circuit="map", rtn=False):
    """Program a chip: one compiled program for all chips, cards and cycles."""

    @jax.jit
    def run(key, cycle, rtn_pass, device):
        state = rtn_pass if rtn else None
        return program_chip(key, design, device, circuit, rtn_pass=state, cycle=cycle)

    def chip(number, cycle, card, rtn_pass=0):
        return run(chip_key(3, number), cycle, rtn_pass, card.params())

    return chip


def test_what_stays_with_a_chip_and_what_is_drawn_anew(circuit):
    design = _design(circuit)
    draw = _programmed(design)
    first, again, third, other = (
        draw(chip, cycle, CARD) for chip, cycle in ((4, 0), (4, 1), (4, 2), (5, 1))
    )
    plain = sample_chip(3, 4, design, rtn_pass=None)
    logs = []
    for k, layer in enumerate(design.layers):
        # Compiled in one or not: the last bit.
        np.testing.assert_allclose(first[k].resistance, plain[k].resistance, rtol=3e-7)
        for name in ("delvto", "stuck", "is_lrs"):
            one, two = getattr(first[k], name), getattr(again[k], name)
            np.testing.assert_array_equal(one, two)
        assert (first[k].delvto != other[k].delvto).any()
        median = np.where(layer.is_lrs, CARD.r_lrs, CARD.r_hrs)
        sigma = np.where(layer.is_lrs, CARD.sigma_lrs, CARD.sigma_hrs)
        logs.append(
            [
                (np.log(np.asarray(c[k].resistance) / median) / sigma).ravel()
                for c in (first, again, third, other)
            ]
        )
    r = np.corrcoef(np.concatenate(logs, 1))
    # 0.9 of the variance stays: 120 cells, standard error of a correlation 0.017;
    # between chips 0.09. Four.
    assert (np.abs(r[[0, 0, 1], [1, 2, 2]] - 0.9) < 0.07).all()
    assert (np.abs(r[3, :3]) < 0.36).all()


def test_traps_stay_and_their_state_is_another_in_every_read(circuit):
    card = dataclasses.replace(
        CARD, d2d_lrs=1.0, d2d_hrs=1.0, rtn_traps_lrs=1.0, rtn_traps_hrs=1.0
    )
    design = _design(circuit, card)
    still, draw = _programmed(design), _programmed(design, rtn=True)

    def change(cycle, rtn_pass):
        bare, noisy = still(2, cycle, card), draw(2, cycle, card, rtn_pass)
        return np.concatenate(
            [
                np.ravel(x.resistance / y.resistance)
                for x, y in zip(noisy, bare, strict=True)
            ]
        ).round(5)

    changes = np.array([[change(c, p) for p in range(6)] for c in range(3)])
    assert len(np.unique(changes.reshape(18, -1), axis=0)) == 18
    # A cell of one trap knows two levels, and in all cycles the same two.
    cells = np.moveaxis(changes, 2, 0)
    two = [x for x in cells if len(np.unique(x)) == 2 and x.min() == 1.0]
    assert len(two) > 10
    assert sum((x.max(1) > 1).all() for x in two) > 5


def test_counts_are_those_of_the_reprogrammed_chips(circuit):
    design, (codes, labels) = _design(circuit), _images()
    run = ChipEvaluator(design, codes, labels)
    found = [
        run(4, range(6), CARD.params(), 0.2, cycle=cycle)[0].tolist()
        for cycle in (0, 1, 2)
    ]
    assert found[0] == run(4, range(6), CARD.params(), 0.2)[0].tolist()
    assert found[0] != found[1] != found[2]
    # An array that keeps all keeps its answers; rounding may move one on a decision.
    kept = dataclasses.replace(CARD, d2d_lrs=1.0, d2d_hrs=1.0).params()
    first, again = (run(4, range(6), kept, 0.2, cycle=c)[0] for c in (0, 1))
    assert np.abs(first - again).sum() <= 1
    by_hand = [_by_numpy(design, chip, codes, labels, 2)[0] for chip in range(6)]
    assert found[2] == by_hand


@pytest.mark.slow  # circuit full, compiled twice
def test_thermal_noise_is_another_in_every_read(circuit, tmp_path):
    here = dataclasses.replace(
        circuit, neuron_card=write_card(neuron_card(noise_rms=3e-3), tmp_path)
    )
    card = dataclasses.replace(CARD, d2d_lrs=1.0, d2d_hrs=1.0)
    run = ChipEvaluator(_design(here, card), *_images(), "full")
    found = {
        tuple(run(4, range(8), card.params(), 0.2, k, cycle=cycle)[0].tolist())
        for cycle in (0, 1)
        for k in (0, 1)
    }
    assert len(found) == 4


@pytest.mark.slow  # the program of trimming
def test_trim_pairs_are_chosen_again(circuit):
    config = NetworkConfig(sizes=(40, 7, 3), columns_per_output=2, trim=True)
    network = random_network(1, config, z_full=(9.0, 12.0))
    anew = dataclasses.replace(CARD, sigma_lrs=0.3, d2d_lrs=0.0, d2d_hrs=0.0)
    kept = dataclasses.replace(anew, d2d_lrs=1.0, d2d_hrs=1.0)
    draw = _programmed(design_network(network, anew, circuit))
    rows = -2 * len(TRIM_CODES)
    first, again = (draw(1, cycle, anew) for cycle in (0, 1))
    assert (first[0].is_lrs[rows:] != again[0].is_lrs[rows:]).any()
    np.testing.assert_array_equal(first[0].is_lrs[:rows], again[0].is_lrs[:rows])
    # Nothing has changed: the same pairs, the same cells.
    first, again = (draw(1, cycle, kept) for cycle in (0, 1))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.is_lrs, two.is_lrs)
        np.testing.assert_allclose(one.resistance, two.resistance, rtol=1e-4)
