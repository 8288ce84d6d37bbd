import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import TRIM_CODES, CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.program import program_chip, sample_chip
from rram_jax.chip.sample import chip_key, sample_layer
from rram_jax.chip.surrogate import (
    excess_of_pairs,
    mapped_layer,
    network_model,
    positions,
    run_network,
    with_constants,
)
from rram_jax.chip.trim import ROUNDS, trim_chip, trim_weights
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance
from rram_jax.errors import InputError
from rram_jax.neuron.model import to_counts
from tests.helpers import (
    is_one_sentence,
    neuron_card,
    random_network,
    with_slopes,
    write_card,
)

DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)
STILL = dataclasses.replace(DEVICE, sigma_lrs=0.0, sigma_hrs=0.0)
CONFIG = NetworkConfig(sizes=(40, 7, 3), columns_per_output=2, n_bias=1, trim=True)
TRIM_ROWS = 2 * len(TRIM_CODES)
N_TRIMMED = 20
"""[-] Chips of the statistical tests."""


@pytest.fixture(scope="module")
def design(circuit):
    # Sums of random weights and codes: full scales that leave many codes inside.
    network = random_network(1, CONFIG, z_full=(9.0, 12.0))
    return design_network(network, DEVICE, circuit)


# Hundreds of operations, compiled together; the eager form has a test of its own.
ONE_PROGRAM = jax.jit(trim_chip, static_argnames=("design", "circuit"))


def untrimmed(key, design, device):
    return [
        sample_layer(key, layer, k, device, design.card)
        for k, layer in enumerate(design.layers)
    ]


def trimmed_chip(key, samples, design, device, circuit):
    models = network_model(design, circuit)
    return ONE_PROGRAM(key, samples, design, models, device, circuit)


def test_codes_add_up_to_every_sum():
    sums = jnp.arange(-30, 31)
    weights = np.asarray(trim_weights(sums))
    assert set(np.unique(weights)) == {-1, 0, 1}
    np.testing.assert_array_equal(np.array(TRIM_CODES) @ weights, sums)
    # One sign a column: nothing is programmed to cancel something else.
    assert (np.sign(weights) * np.sign(np.asarray(sums)) >= 0).all()


def mean_errors(chip, design, device, circuit_name):
    """[slots] Layer by layer, of every output, over the patterns that tell about it."""
    codes, excess, out = jnp.asarray(design.network.trim_patterns, jnp.float32), 0.0, []
    for sample, layer, model in zip(
        chip, design.layers, network_model(design, circuit_name), strict=True
    ):

        def crossing(sample, codes=codes, excess=excess, layer=layer, model=model):
            part = mapped_layer(sample, model)
            driven = with_constants(codes, CONFIG.constant_codes)
            return positions(
                driven, part.transfer, 0.2, part.params, pulse_excess=excess
            )

        nominal = dataclasses.replace(
            sample,
            resistance=1 / mean_conductance(layer.is_lrs, device),
            delvto=jnp.zeros_like(sample.delvto),
        )
        wanted, given = crossing(nominal), crossing(sample)
        tells = (wanted > 1.5) & (wanted < 13.5)
        error = jnp.where(tells, given - wanted, 0).sum(0) / tells.sum(0)
        out.append(np.asarray(error))
        codes = to_counts(given, layer.neuron)
        excess = excess_of_pairs(model.neuron, codes.shape[1], CONFIG.constant_codes)
    return out


def trim_sums(sample, layer):
    """Sum of trim codes of every output, from its first column's cells."""
    rows = np.asarray(sample.is_lrs[-TRIM_ROWS:]).astype(int)
    pairs = (rows[0::2] - rows[1::2])[:, :: layer.layer.columns_per_output]
    return np.array(TRIM_CODES) @ pairs


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("lost", [4, 10])
def test_a_known_loss_is_made_good(circuit, index, lost):
    """By hand: a bias pair whose difference has shrunk by `lost` fifteenths.

    Its code is 15, so `lost` codes of one weight are missing in every column of the
    output; conductance goes from one cell to the other, so that the load is the same.
    """
    network = random_network(1, CONFIG, z_full=(9.0, 12.0))
    for layer, pair in zip(network.layers, CONFIG.sizes, strict=False):
        layer.weights[pair] = 1
    # Without wires, whose drop gives every row an effect of its own.
    design, device = (
        design_network(network, STILL, circuit, wires=False),
        STILL.params(),
    )
    key, samples = chip_key(0, 0), untrimmed(chip_key(0, 0), design, device)
    pair, c = CONFIG.sizes[index], network.layers[index].columns_per_output
    conductance = 1 / np.array(samples[index].resistance)
    output = (3, 1)[index]  # more than 50 of the 64 patterns tell about it
    columns = slice(output * c, output * c + c)
    shift = lost / 15 * (1 / DEVICE.r_lrs - 1 / DEVICE.r_hrs) / 2
    conductance[2 * pair, columns] -= shift
    conductance[2 * pair + 1, columns] += shift
    samples[index] = dataclasses.replace(
        samples[index], resistance=jnp.asarray(1 / conductance)
    )
    before = mean_errors(samples, design, device, "ideal")[index][output]
    step = c / network.layers[index].z_full
    # Five trim pairs of two HRS cells, h = 0.1, instead of one of each: a column is
    # lighter, and its sums are larger.
    load = 1 - 5 / (CONFIG.sizes[index] + 6) * (1 - 0.2 / 1.1)
    np.testing.assert_allclose(before, -lost * step / load, rtol=1e-4)
    trimmed = trimmed_chip(key, samples, design, device, "ideal")
    after = mean_errors(trimmed, design, device, "ideal")[index][output]
    # Half a step, and a mean of rounded codes (counts) of more than 50 patterns.
    assert abs(after) < step / 2 + 0.1
    sums = [trim_sums(*pair) for pair in zip(trimmed, design.layers, strict=True)]
    # Pairs that are switched on load the column: more than the loss, less than twice.
    assert lost <= sums[index][output] < 2 * lost
    sums[index][output] = 0
    assert not any(part.any() for part in sums)


def test_offsets_of_the_neurons_are_trimmed_too(tmp_path):
    """In circuit full, on perfect cells: what is left is a fraction of a slot."""
    card = with_slopes(neuron_card(), lambda k: 60.0)
    here = CircuitConfig(neuron_card=write_card(card, tmp_path))
    network = random_network(1, CONFIG, z_full=(9.0, 12.0))
    design, device = design_network(network, STILL, here), STILL.params()
    bare = untrimmed(chip_key(0, 1), design, device)
    trimmed = trimmed_chip(chip_key(0, 1), bare, design, device, "full")
    before = np.concatenate(mean_errors(bare, design, device, "full"))
    by_hand = [60.0 * np.asarray(sample.delvto).sum(1) for sample in bare]
    after = np.concatenate(mean_errors(trimmed, design, device, "full"))
    told = np.isfinite(before)  # by one pattern or more
    assert told.sum() >= 8
    before, after, by_hand = before[told], after[told], np.concatenate(by_hand)[told]
    np.testing.assert_allclose(before, by_hand, rtol=1e-3, atol=1e-3)
    assert abs(before).max() > 1
    # Rounded codes, and few patterns that tell about some neurons: up to 0.4 slots.
    assert abs(after).max() < 0.45
    assert np.sqrt(np.mean(after**2)) < 0.2 * np.sqrt(np.mean(before**2)) + 0.1


@pytest.mark.slow
def test_the_tester_reads_noisy_neurons(circuit, tmp_path):
    chips = []
    for noise_rms in (0.0, 1.5e-3):
        card = dataclasses.replace(
            neuron_card(noise_rms=noise_rms), name=f"noise{noise_rms:g}"
        )
        here = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
        network = random_network(1, CONFIG, z_full=(9.0, 12.0))
        design = design_network(network, STILL, here)
        chips.append(sample_chip(0, 1, design, mismatch=False))
    quiet, noisy = chips
    assert all(int(sample.trim_pulses) == 0 for sample in quiet)
    assert all(int(sample.trim_pulses) > 0 for sample in noisy)


def test_trimmed_chips_answer_more_like_the_nominal_one(design):
    """Winners of 10 chips on 400 images, against the same chips without trimming."""
    rng, params = np.random.default_rng(5), DEVICE.params()
    codes = jnp.asarray(rng.integers(0, 16, (400, 40)), jnp.float32)
    models = network_model(design, "map")

    def winners(samples):
        chip = tuple(
            mapped_layer(sample, model)
            for sample, model, layer in zip(samples, models, design.layers, strict=True)
        )
        return run_network(chip, codes, design, 0.2, "map").argmax(-1)

    nominal = [
        dataclasses.replace(
            sample, resistance=1 / mean_conductance(layer.is_lrs, params)
        )
        for sample, layer in zip(
            untrimmed(chip_key(0, 0), design, params), design.layers, strict=True
        )
    ]
    wanted, bare, trimmed = winners(nominal), [], []
    for chip in range(10):
        key = chip_key(2, chip)
        samples = untrimmed(key, design, params)
        bare.append(float((winners(samples) == wanted).mean()))
        samples = trimmed_chip(key, samples, design, params, "map")
        trimmed.append(float((winners(samples) == wanted).mean()))
    # Paired chips; a spread over chips of a few points each.
    assert np.mean(trimmed) > np.mean(bare) + 0.03


@pytest.mark.parametrize("circuit_name", ["map", "full"])
def test_perfect_chips_are_left_alone(design, circuit_name):
    for sample in program_chip(
        chip_key(0, 0), design, STILL.params(), circuit_name, mismatch=False
    ):
        assert int(sample.trim_pulses) == 0
        assert not np.asarray(sample.is_lrs[-TRIM_ROWS:]).any()


def test_only_trim_cells_that_changed_are_new(design):
    key = chip_key(3, 5)
    before = untrimmed(key, design, DEVICE.params())
    after = trimmed_chip(key, before, design, DEVICE.params(), "full")
    for old, new, layer in zip(before, after, design.layers, strict=True):
        np.testing.assert_array_equal(
            new.resistance[:-TRIM_ROWS], old.resistance[:-TRIM_ROWS]
        )
        was, now = old.is_lrs[-TRIM_ROWS:], new.is_lrs[-TRIM_ROWS:]
        changed = np.asarray(was != now)
        same = np.asarray(new.resistance == old.resistance)[-TRIM_ROWS:]
        assert changed.any()
        assert not same[changed].any()
        # A cell that was set in the first round and reset in the second is new too.
        pulses = int(new.trim_pulses)
        assert changed.sum() <= pulses <= ROUNDS * changed.size
        assert (~same).sum() <= pulses
        # All columns of an output are trimmed alike.
        c = layer.layer.columns_per_output
        alike = np.asarray(now).reshape(TRIM_ROWS, -1, c)
        assert (alike == alike[..., :1]).all()


def test_stuck_cells_stay_stuck_when_they_are_programmed_again(circuit):
    stuck = dataclasses.replace(STILL, stuck_lrs=0.1, stuck_hrs=0.3)
    network = random_network(1, CONFIG, z_full=(9.0, 12.0))
    design = design_network(network, stuck, circuit)
    n_stuck = 0
    program = jax.jit(lambda key: program_chip(key, design, stuck.params(), "map"))
    for chip in range(6):
        samples = program(chip_key(3, chip))
        for layer, sample in zip(design.layers, samples, strict=True):
            number = np.asarray(sample.stuck)
            is_lrs = (number < 0.1) | (np.asarray(sample.is_lrs) & (number < 0.7))
            r = np.where(is_lrs, np.float32(stuck.r_lrs), np.float32(stuck.r_hrs))
            np.testing.assert_allclose(sample.resistance, r, rtol=1e-6)
            changed = np.asarray(sample.is_lrs != layer.is_lrs)
            n_stuck += (changed & (is_lrs != np.asarray(sample.is_lrs))).sum()
    assert n_stuck > 5  # cells that trimming tried to change in vain


def test_same_chip_with_and_without_a_trace(design):
    def resistances(key):
        chip = program_chip(key, design, design.device.params(), "full")
        return [sample.resistance for sample in chip]

    eager = sample_chip(2, 7, design)
    for a, b in zip(jax.jit(resistances)(chip_key(2, 7)), eager, strict=True):
        np.testing.assert_allclose(a, b.resistance, rtol=1e-6)  # float32


def test_trimming_takes_the_mean_error_of_each_neuron_back(design):
    """Against fresh images, not the patterns that the chips were trimmed on."""
    rng, params = np.random.default_rng(9), DEVICE.params()
    inputs = jnp.asarray(rng.integers(0, 16, (400, 40)), jnp.float32)
    driven = with_constants(inputs, CONFIG.constant_codes)
    layer = design.layers[0]

    def crossing(sample):
        part = mapped_layer(sample, network_model(design, "map")[0])
        return positions(driven, part.transfer, 0.2, part.params, linear=True)

    nominal = sample_layer(chip_key(0, 0), layer, 0, params, design.card)
    nominal = dataclasses.replace(
        nominal, resistance=1 / mean_conductance(layer.is_lrs, params)
    )
    wanted = crossing(nominal)
    inside = (wanted > 1.5) & (wanted < 13.5)

    def errors(sample):
        error = jnp.where(inside, crossing(sample) - wanted, 0).sum(0)
        return np.asarray(error / jnp.maximum(inside.sum(0), 1))

    bare, trimmed = [], []
    for chip in range(N_TRIMMED):
        samples = untrimmed(chip_key(1, chip), design, params)
        bare.append(errors(samples[0]))
        samples = trimmed_chip(chip_key(1, chip), samples, design, params, "map")
        trimmed.append(errors(samples[0]))
    rms = [np.sqrt(np.mean(np.square(x))) for x in (bare, trimmed)]
    # 140 neurons: each rms is known to some 6 %. Left are rounded codes of some 40
    # patterns (0.07 slots), half a step of 0.11, what other images' means differ by,
    # and a tenth of the neurons, off by more than the trim pairs' 30 codes, 3.3 slots.
    assert rms[0] > 1.5
    assert rms[1] < 0.5 * rms[0]


def test_trim_cells_keep_their_gradients(design):
    """The choice is held; what was chosen moves with the device as any cell does."""

    def total(sigma):
        device = dataclasses.replace(DEVICE.params(), sigma_lrs=sigma)
        chip = program_chip(chip_key(0, 1), design, device, "map", rtn_pass=None)
        return jnp.log(chip[0].resistance[-TRIM_ROWS:]).sum()

    gradient = jax.grad(total)(jnp.float32(0.3))
    assert np.isfinite(gradient)
    assert gradient != 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"trim_patterns": None}, "belong together"),
        ({"trim_patterns": np.zeros((64, 39), np.uint8)}, "40 inputs"),
        ({"trim_patterns": np.full((64, 40), 16, np.uint8)}, "0 to 15"),
    ],
)
def test_wrong_patterns(design, change, told):
    with pytest.raises(InputError, match=told) as error:
        dataclasses.replace(design.network, **change)
    assert is_one_sentence(error.value)


def test_trim_pairs_are_off_as_trained(design):
    layer = design.network.layers[0]
    weights = layer.weights.copy()
    weights[-1, 2] = 1
    wrong = (dataclasses.replace(layer, weights=weights), *design.network.layers[1:])
    with pytest.raises(InputError, match="off until"):
        dataclasses.replace(design.network, layers=wrong)
