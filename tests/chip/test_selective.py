import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import CALIBRATION_IMAGES, VERIFY_BY, ProgrammingConfig
from rram_jax.chip.design import design_network, programmed_card
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.program import program_chip, sample_chip
from rram_jax.chip.sample import chip_key
from rram_jax.chip.selective import highest, round_sizes
from rram_jax.chip.surrogate import mapped_layer, network_model, run_network, winner
from rram_jax.data import input_codes, load_dataset
from rram_jax.device.card import load_card
from rram_jax.device.variability import reprogram
from rram_jax.errors import InputError
from rram_jax.neuron.model import to_counts
from rram_jax.qnn.checkpoint import load_checkpoint
from tests.helpers import is_one_sentence

CHECKPOINT = "checkpoints/mlp-144-32-10-mnist5k-hardened"
DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.5)
SHARE, BAND = 0.1, 0.15
N_CHIPS = 6


@pytest.fixture(scope="module")
def problem():
    """A trained network of layers of 288 x 32 and 64 x 40 cells, its data and codes."""
    network, data = load_checkpoint(CHECKPOINT).network, load_dataset("mnist5k")
    n = network.config.sizes[0]
    calibration = input_codes(data.train_images[:CALIBRATION_IMAGES], n)
    codes = input_codes(data.validation_images, n)
    return network, calibration, codes, data.validation_labels


@pytest.fixture(scope="module")
def designs(problem):
    network, calibration, *_ = problem
    out = {"": design_network(network, DEVICE)}
    for by in VERIFY_BY:
        programming = ProgrammingConfig(
            verify_share=SHARE, verify_by=by, verify_band=BAND
        )
        out[by] = design_network(
            network, DEVICE, programming=programming, calibration=calibration
        )
    return out


def chip_of(design, number=3, device=DEVICE, circuit="map"):
    key = chip_key(1, number)
    return program_chip(key, design, device.params(), circuit, rtn_pass=None)


def offsets(sample, device=DEVICE):
    """Of ln R from the median of its state."""
    median = np.where(sample.is_lrs, device.r_lrs, device.r_hrs)
    return np.log(np.asarray(sample.resistance, np.float64) / median)


@pytest.mark.parametrize("by", VERIFY_BY)
def test_chosen_cells_end_in_the_band_and_others_keep_their_bits(designs, by):
    before, after = chip_of(designs[""]), chip_of(designs[by])
    n_cells = designs[by].network.n_cells
    verified = sum(int(sample.verified) for sample in after)
    assert verified == round(SHARE * n_cells)
    n_changed, missed = 0, 0
    for old, new in zip(before, after, strict=True):
        assert (int(old.verified), int(old.verify_pulses)) == (0, 0)
        changed = np.asarray(old.resistance != new.resistance)
        assert 0 < changed.sum() <= int(new.verified)
        assert (abs(offsets(old))[changed] > BAND - 1e-6).all()  # float32
        outside = abs(offsets(new))[changed] > BAND + 1e-5
        missed += outside.sum()
        n_changed += changed.sum()
        # Each takes a programming or more, and 20 at most; 1 / (0.24 to 0.26) in the
        # mean of a geometric number, whose standard deviation is 3.5.
        mean = int(new.verify_pulses) / changed.sum()
        assert mean == pytest.approx(4.1, abs=0.4 + 4 * 3.5 / np.sqrt(changed.sum()))
    # A cell is outside after 20 programmings with a probability of 0.76^20 = 0.4 %.
    assert missed <= 0.004 * n_changed + 4 * np.sqrt(0.004 * n_changed)
    if by != "random":  # which also finds cells that lie in the band
        assert n_changed > 0.95 * verified


def test_deviation_takes_the_largest_of_all_layers(designs):
    before, after = chip_of(designs[""]), chip_of(designs["deviation"])
    size, chosen = [], []
    for old, new in zip(before, after, strict=True):
        median = np.where(old.is_lrs, DEVICE.r_lrs, DEVICE.r_hrs)
        size.append(abs(1 / np.asarray(old.resistance) - 1 / median).ravel())
        chosen.append(np.asarray(old.resistance != new.resistance).ravel())
    size, chosen = np.concatenate(size), np.concatenate(chosen)
    assert size[chosen].min() >= size[~chosen].max() * (1 - 1e-6)  # float32


def test_share_0_leaves_every_bit(designs, problem):
    """Whatever else is asked."""
    none = ProgrammingConfig(verify_share=0.0, verify_band=0.01, verify_rounds=9)
    design = design_network(problem[0], DEVICE, programming=none)
    for a, b in zip(chip_of(design), chip_of(designs[""]), strict=True):
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            np.testing.assert_array_equal(x, y)


def test_same_chip_in_every_circuit(designs):
    """The surrogate's of `map` is that of decks, mismatch or not."""
    design = designs["gradient"]
    deck = sample_chip(1, 3, design, rtn_pass=None)
    for a, b in zip(chip_of(design), deck, strict=True):
        np.testing.assert_array_equal(a.resistance, b.resistance)
        assert int(a.verify_pulses) == int(b.verify_pulses)


def test_gradient_recovers_more_than_deviation_and_that_more_than_random(
    designs, problem
):
    """Validation accuracy of the same chips."""
    _, _, codes, labels = problem
    blind, models = designs[""], network_model(designs[""], "map")

    @jax.jit
    def share_right(samples):
        chip = tuple(map(mapped_layer, samples, models))
        position = run_network(chip, jnp.float32(codes), blind, 0.2, "map")
        counts = to_counts(position, blind.layers[-1].neuron)
        return (winner(counts) == labels).mean()

    accuracy = {
        by: np.mean([share_right(chip_of(design, k)) for k in range(N_CHIPS)])
        for by, design in designs.items()
    }
    assert accuracy["random"] > accuracy[""] - 0.005
    assert accuracy["deviation"] > accuracy["random"] + 0.01
    assert accuracy["gradient"] > accuracy["deviation"] + 0.005


def test_one_program_is_a_loop_of_chips(designs, problem):
    _, _, codes, labels = problem
    design = designs["gradient"]
    run = ChipEvaluator(design, codes[:50], labels[:50])
    tally = run(1, range(3), DEVICE.params(), 0.2)
    for number in range(3):
        chip = chip_of(design, number)
        verified = sum(int(sample.verified) for sample in chip)
        assert int(tally.verified[number]) == verified
        # Scores that differ in their last bits may swap two cells of the last rank,
        # and with them what later rounds choose.
        pulses = sum(int(sample.verify_pulses) for sample in chip)
        assert int(tally.verify_pulses[number]) == pytest.approx(pulses, rel=0.01)


def test_stuck_cells_stay_stuck_and_cost_all_programmings(designs):
    stuck = dataclasses.replace(DEVICE, stuck_lrs=0.02, stuck_hrs=0.05)
    before, after = (chip_of(designs[by], 0, stuck) for by in ("", "deviation"))
    pulses, n_stuck, n_changed = 0, 0, 0
    for old, new in zip(before, after, strict=True):
        number, is_lrs = np.asarray(old.stuck), np.asarray(old.is_lrs)
        fixed = ((number < 0.02) & ~is_lrs) | ((number >= 0.95) & is_lrs)
        same = np.asarray(old.resistance == new.resistance)
        assert same[fixed].all()
        n_changed += (~same).sum()
        n_stuck += int(new.verified) - (~same).sum()
        pulses += int(new.verify_pulses)
    # Stuck cells are far off: all are chosen, and nothing but them stays outside.
    assert n_stuck > 50
    assert pulses > 20 * n_stuck + n_changed


def test_the_cells_own_part_stays_with_them():
    """With all spread device-to-device a cell is what it is; with none it is new."""
    key, is_lrs = jax.random.key(4), jnp.asarray([[True, False]] * 4000)
    normal = jax.random.normal(jax.random.key(5), is_lrs.shape)
    sigma = jnp.where(is_lrs, DEVICE.sigma_lrs, DEVICE.sigma_hrs)
    r = jnp.where(is_lrs, DEVICE.r_lrs, DEVICE.r_hrs) * jnp.exp(sigma * normal)
    correlation, left, program = [], [], jax.jit(reprogram)
    for d2d in (0.0, 0.6, 1.0):
        card = dataclasses.replace(
            DEVICE, d2d_lrs=d2d, d2d_hrs=d2d, band_lrs=1e-3, band_hrs=1e-3, max_writes=1
        )
        new, writes = program(key, r, is_lrs, card.params(), jnp.full(r.shape, 0.5))
        told = np.log(np.asarray(new / r)) / sigma + normal
        correlation.append(np.corrcoef(told.ravel(), normal.ravel())[0, 1])
        left.append(np.std(told))
        assert set(np.unique(writes)) <= {0.0, 1.0}
    # 8000 cells: standard error 0.011; float32 and the score's quantile.
    np.testing.assert_allclose(correlation, [0, 0.6, 1], atol=0.04)
    np.testing.assert_allclose(left, 1, atol=0.04)


def test_rounds_add_up_to_the_share():
    config = ProgrammingConfig(verify_share=0.1, verify_rounds=4)
    assert round_sizes(config, 23_552) == [588, 589, 589, 589]
    one = dataclasses.replace(config, verify_by="random")
    assert round_sizes(one, 23_552) == [2355]
    assert round_sizes(dataclasses.replace(config, verify_share=1.0), 7) == [1, 2, 2, 2]


def test_highest_by_hand():
    score = jnp.asarray([3.0, -jnp.inf, 5.0, -1.0, 4.0])
    index, taken = highest(score, 2, 3)
    assert set(np.asarray(index)[np.asarray(taken)]) == {2, 4}
    _, taken = highest(jnp.where(score > 4.5, score, -jnp.inf), 2, 3)
    assert taken.sum() == 1


def test_bands_for_all_cells_replace_those_of_the_card():
    card = programmed_card(DEVICE, ProgrammingConfig(band_lrs=0.2, max_writes=7))
    assert (card.band_lrs, card.band_hrs, card.max_writes) == (0.2, 0.0, 7)
    blind = programmed_card(card, ProgrammingConfig(band_lrs=0.0))
    assert blind.params().band is None
    assert programmed_card(card, ProgrammingConfig()) == card


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verify_share": 1.5}, "between 0 and 1; got 1.5"),
        ({"verify_band": 0.0}, "above 0 and up to 3; got 0"),
        ({"verify_writes": 0}, "between 1 and 1000; got 0"),
        ({"verify_rounds": 0}, "between 1 and 1000; got 0"),
        ({"band_lrs": -0.1}, "between 0 and 3; got -0.1"),
        ({"max_writes": 2000}, "between 1 and 1000; got 2000"),
    ],
)
def test_wrong_settings_are_told(change, told):
    with pytest.raises(InputError, match=told) as error:
        ProgrammingConfig(**change)
    assert is_one_sentence(error.value)


def test_programming_that_does_not_fit_is_told(problem):
    network, calibration, *_ = problem
    with pytest.raises(InputError, match="needs a band") as error:
        design_network(network, DEVICE, programming=ProgrammingConfig(max_writes=5))
    assert is_one_sentence(error.value)
    programming = ProgrammingConfig(verify_share=0.1)
    for codes, told in ((None, "got none"), (calibration[:, :5], "5")):
        with pytest.raises(InputError, match=told) as error:
            design_network(network, DEVICE, programming=programming, calibration=codes)
        assert is_one_sentence(error.value)
