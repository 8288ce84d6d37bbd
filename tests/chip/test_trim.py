import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import TRIM_CODES, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.program import program_chip, sample_chip
from rram_jax.chip.sample import chip_key, sample_layer
from rram_jax.chip.surrogate import (
    mapped_layer,
    network_model,
    positions,
    with_constants,
)
from rram_jax.chip.trim import ROUNDS, trim_chip, trim_weights
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence, random_network

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


def untrimmed(key, design, device):
    return [
        sample_layer(key, layer, k, device, design.card)
        for k, layer in enumerate(design.layers)
    ]


def trimmed_chip(key, samples, design, device, circuit):
    models = network_model(design, circuit)
    return trim_chip(key, samples, design, models, device, circuit)


def test_codes_add_up_to_every_sum():
    sums = jnp.arange(-30, 31)
    weights = np.asarray(trim_weights(sums))
    assert set(np.unique(weights)) == {-1, 0, 1}
    np.testing.assert_array_equal(np.array(TRIM_CODES) @ weights, sums)
    # One sign a column: nothing is programmed to cancel something else.
    assert (np.sign(weights) * np.sign(np.asarray(sums)) >= 0).all()


def test_a_column_that_is_off_by_a_known_sum(design):
    """A bias pair that came out wrong is a shift of 2 weights at code 15, by hand."""
    key, params = chip_key(0, 0), STILL.params()
    samples = untrimmed(key, design, params)
    layer, config = design.layers[0], design.network.config
    pair = config.sizes[0]  # of the bias, behind the inputs
    weights = layer.layer.weights[pair]
    j = int(np.flatnonzero(weights == 1)[0])
    resistance = np.array(samples[0].resistance)
    swap = resistance[[2 * pair + 1, 2 * pair], j]
    resistance[[2 * pair, 2 * pair + 1], j] = swap
    samples[0] = dataclasses.replace(samples[0], resistance=jnp.asarray(resistance))
    trimmed = trimmed_chip(key, samples, design, params, "map")
    is_lrs = np.asarray(trimmed[0].is_lrs[-TRIM_ROWS:])
    pairs = is_lrs[0::2].astype(int) - is_lrs[1::2]
    sums = np.array(TRIM_CODES) @ pairs
    # +1 has become -1, two weights too few at code 15: 30 must be added. Off pairs that
    # turn on load the column and shrink the rest of the sum a little.
    assert sums[j] >= 27
    assert (np.delete(sums, j) == 0).all()
    assert int(trimmed[0].trim_pulses) == int((is_lrs[:, j]).sum())


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
        part = mapped_layer(sample, network_model(design, "map")[0], 1)
        return positions(driven, part.transfer, 0.2, part.params, linear=True)

    nominal = sample_layer(chip_key(0, 0), layer, 0, params, design.card)
    nominal = dataclasses.replace(
        nominal, resistance=1 / mean_conductance(layer.is_lrs, params)
    )
    wanted = crossing(nominal)
    inside = (wanted > 1.5) & (wanted < 13.5)

    def mean_errors(sample):
        error = jnp.where(inside, crossing(sample) - wanted, 0).sum(0)
        return np.asarray(error / jnp.maximum(inside.sum(0), 1))

    bare, trimmed = [], []
    for chip in range(N_TRIMMED):
        samples = untrimmed(chip_key(1, chip), design, params)
        bare.append(mean_errors(samples[0]))
        samples = trimmed_chip(chip_key(1, chip), samples, design, params, "map")
        trimmed.append(mean_errors(samples[0]))
    rms = [np.sqrt(np.mean(np.square(x))) for x in (bare, trimmed)]
    # 140 neurons: the rms of each is known to some 6 %. A step of the trim pairs is
    # 1.7 slots, sqrt(1/12) of it 0.5, and the sample of patterns adds a little.
    assert rms[0] > 1.5
    assert rms[1] < 0.6 * rms[0]


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
