"""A chip that is programmed again, and read again."""

import dataclasses

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


def test_what_stays_with_a_chip_and_what_is_drawn_anew(circuit):
    design = _design(circuit)
    first, again, third, other = (
        sample_chip(3, chip, design, rtn_pass=None, cycle=cycle)
        for chip, cycle in ((4, 0), (4, 1), (4, 2), (5, 1))
    )
    plain = sample_chip(3, 4, design, rtn_pass=None)
    logs = []
    for k, layer in enumerate(design.layers):
        np.testing.assert_array_equal(first[k].resistance, plain[k].resistance)
        assert (first[k].resistance != again[k].resistance).all()
        for name in ("delvto", "stuck", "is_lrs"):
            one, two = getattr(first[k], name), getattr(again[k], name)
            np.testing.assert_array_equal(one, two)
        assert (first[k].delvto != other[k].delvto).any()
        median = np.where(layer.is_lrs, CARD.r_lrs, CARD.r_hrs)
        logs.append(
            [
                np.log(np.asarray(c[k].resistance) / median).ravel()
                for c in (first, again, third, other)
            ]
        )
    x = np.concatenate(logs, 1)
    # 0.9 of the variance stays: 120 cells, standard error of a correlation 0.017;
    # between chips 0.09. Four.
    r = np.corrcoef(x / x.std(1, keepdims=True))
    assert (np.abs(r[[0, 0, 1], [1, 2, 2]] - 0.9) < 0.07).all()
    assert (np.abs(r[3, :3]) < 0.36).all()


def test_traps_stay_and_their_state_is_another_in_every_read(circuit):
    card = dataclasses.replace(
        CARD, d2d_lrs=1.0, d2d_hrs=1.0, rtn_traps_lrs=1.0, rtn_traps_hrs=1.0
    )
    design = _design(circuit, card)
    changes = np.array(
        [
            np.concatenate(
                [
                    np.ravel(with_rtn.resistance / bare.resistance)
                    for with_rtn, bare in zip(
                        sample_chip(1, 2, design, rtn_pass=k, cycle=cycle),
                        sample_chip(1, 2, design, rtn_pass=None, cycle=cycle),
                        strict=True,
                    )
                ]
            )
            for cycle in range(3)
            for k in range(6)
        ]
    )
    assert len(np.unique(changes.round(5), axis=0)) == 18
    # Cells of one trap know two levels, in all cycles the same two.
    levels = [np.unique(c.round(5)) for c in changes.T]
    two = [k for k, x in enumerate(levels) if len(x) == 2 and x[0] == 1.0]
    assert len(two) > 10
    in_cycles = changes.T[two].reshape(len(two), 3, 6).max(2) > 1 + 1e-5
    assert in_cycles.all(1).sum() > 5


def test_counts_are_those_of_the_reprogrammed_chips(circuit):
    design, (codes, labels) = _design(circuit), _images()
    run = ChipEvaluator(design, codes, labels)
    found = [
        run(4, range(6), CARD.params(), 0.2, cycle=cycle)[0].tolist()
        for cycle in (0, 1, 2)
    ]
    assert found[0] == run(4, range(6), CARD.params(), 0.2)[0].tolist()
    assert found[0] != found[1] != found[2]
    for cycle in (0, 2):
        by_hand = [
            _by_numpy(design, chip, codes, labels, cycle)[0] for chip in range(6)
        ]
        assert found[cycle] == by_hand


def test_an_array_that_keeps_all_keeps_its_answers(circuit):
    card = dataclasses.replace(CARD, d2d_lrs=1.0, d2d_hrs=1.0)
    design, (codes, labels) = _design(circuit, card), _images()
    run = ChipEvaluator(design, codes, labels)
    first, again = (
        run(4, range(20), card.params(), 0.2, cycle=cycle)[0] for cycle in (0, 1)
    )
    # Rounding may move a crossing that lies on a decision.
    assert abs(first - again).sum() <= 1
    assert np.ptp(first) > 2


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


@pytest.mark.parametrize("d2d", [0.0, 1.0])
def test_trim_pairs_are_chosen_again(circuit, d2d):
    card = dataclasses.replace(CARD, sigma_lrs=0.3, d2d_lrs=d2d, d2d_hrs=d2d)
    config = NetworkConfig(sizes=(40, 7, 3), columns_per_output=2, trim=True)
    network = random_network(1, config, z_full=(9.0, 12.0))
    design = design_network(network, card, circuit)
    first, again = (
        program_chip(
            chip_key(0, 1), design, card.params(), "map", rtn_pass=None, cycle=cycle
        )
        for cycle in (0, 1)
    )
    rows = -2 * len(TRIM_CODES)
    if d2d:  # nothing has changed: the same pairs, the same cells
        for one, two in zip(first, again, strict=True):
            np.testing.assert_array_equal(one.is_lrs, two.is_lrs)
            np.testing.assert_allclose(one.resistance, two.resistance, rtol=1e-4)
    else:
        assert (first[0].is_lrs[rows:] != again[0].is_lrs[rows:]).any()
        np.testing.assert_array_equal(first[0].is_lrs[:rows], again[0].is_lrs[:rows])
