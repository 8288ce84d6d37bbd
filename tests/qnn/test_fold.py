"""The network in training form and in hardware form are the same network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rram_jax.qnn.train as train_module
from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.program import surrogate_chip
from rram_jax.chip.sample import chip_key
from rram_jax.chip.surrogate import (
    positions,
    run_network,
    winner,
    with_constants,
)
from rram_jax.data.codes import input_codes
from rram_jax.data.datasets import load_dataset
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.model import to_counts
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.fold import HIGHEST_WINNER, fold, output_range
from rram_jax.qnn.model import Mlp
from rram_jax.qnn.quantize import activation
from rram_jax.qnn.spread import spread_of
from rram_jax.qnn.surroundings import ideal_surroundings
from tests.helpers import is_one_sentence, neuron_card, write_card

# Cells without spread: then a chip's cells are the nominal ones.
CELLS = dataclasses.replace(
    load_card("bench-r10"), name="still", sigma_lrs=0.0, sigma_hrs=0.0
)
NETWORKS = {
    "binary": NetworkConfig(sizes=(144, 24, 10), columns_per_output=4),
    "two hidden layers": NetworkConfig(sizes=(144, 20, 16, 10), columns_per_output=2),
    "bias pairs": NetworkConfig(sizes=(144, 24, 10), columns_per_output=3, n_bias=3),
    "ternary": NetworkConfig(
        sizes=(144, 24, 10), columns_per_output=4, ternary=True, n_bias=1
    ),
}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("mnist5k")


def _trained(config, digits, folder, monkeypatch):
    """Two epochs; the model and what it was folded into."""
    models = []

    def kept(model, *args):
        models.append(model)
        return fold(model, *args)

    monkeypatch.setattr(train_module, "fold", kept)
    settings = TrainConfig(
        network=config,
        device=write_card(CELLS, folder),
        epochs=2,
        learning_rate=0.01,
        circuit="ideal",
        seed=1,
    )
    network = train_module.train(settings, digits)
    return models[0], network


def _training_form(model, codes, around):
    """Codes of every hidden layer and weighted sums of the outputs."""
    hidden = []
    for own, layer in zip(around[:-1], list(model.layers)[:-1], strict=True):
        codes = activation(15 * layer(codes, own, None) / layer.z_full())
        hidden.append(np.asarray(codes))
    return hidden, np.asarray(model.layers[-1](codes, around[-1], None))


def _ideal(layers):
    own = ideal_surroundings(spread_of(CELLS.params()))
    return (own,) * layers


def _hardware_form(design, chip, codes):
    """Codes of every hidden layer and crossings of the outputs."""
    hidden = []
    for part, layer in zip(chip, design.layers, strict=True):
        driven = with_constants(codes, design.network.config.constant_codes)
        position = positions(driven, part.transfer, 0.2, part.params, linear=True)
        codes = to_counts(position, layer.neuron)
        hidden.append(np.asarray(codes))
    return hidden[:-1], position


@pytest.mark.parametrize(
    "name",
    [
        "ternary",
        pytest.param("two hidden layers", marks=pytest.mark.slow),
        pytest.param("binary", marks=pytest.mark.slow),
        pytest.param("bias pairs", marks=pytest.mark.slow),
    ],
)
def test_training_form_and_hardware_form_agree_image_for_image(
    name, digits, tmp_path, monkeypatch
):
    config = NETWORKS[name]
    model, network = _trained(config, digits, tmp_path, monkeypatch)
    weights = network.layers[0].weights
    assert (weights[:144] == 0).any() == config.ternary
    codes = jnp.asarray(input_codes(digits.test_images, 144), jnp.float32)
    around = _ideal(len(network.layers))
    hidden, z = _training_form(model, codes, around)
    # Something was learned, and the codes are alive.
    logits = np.asarray(model(codes, around))
    assert (logits.argmax(1) == digits.test_labels).mean() > 0.6
    assert 0.1 < ((hidden[-1] > 0) & (hidden[-1] < 15)).mean()

    circuit = CircuitConfig(neuron_card=write_card(neuron_card(), tmp_path))
    design = design_network(network, CELLS, circuit, wires=False)
    # Any chip: without spread they are all alike.
    chip = surrogate_chip(chip_key(3, 8), design, CELLS.params(), "ideal")
    on_chip, position = _hardware_form(design, chip, codes)
    for ours, theirs in zip(hidden, on_chip, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    position = np.asarray(position)
    output = network.layers[-1]
    expected = 15 * (z + output.z_shift) / output.z_full
    # Sums of up to 147 float32 products, on a scale of 15.
    np.testing.assert_allclose(position, expected, atol=1e-4)
    # Where two sums are exactly equal no form has a winner.
    top = np.sort(z, 1)
    decided = top[:, -1] - top[:, -2] > 1e-4
    assert decided.mean() > 0.95
    np.testing.assert_array_equal(
        position.argmax(1)[decided], logits.argmax(1)[decided]
    )
    whole = run_network(chip, codes, design, 0.2, "ideal")
    np.testing.assert_array_equal(whole, position)
    # Resolved to 1/60 of the ramp the winner is the same, or a tie.
    answer = np.asarray(winner(to_counts(whole, design.layers[-1].neuron)))
    assert (answer >= 0).mean() > 0.75
    right = (answer == logits.argmax(1)) | (answer < 0)
    assert right[decided].all()


def _untrained(config):
    return Mlp(config, rngs=nnx.Rngs(params=4))


def test_scales_and_weights_are_the_models(digits):
    config = NetworkConfig(sizes=(144, 9, 10), columns_per_output=3, n_bias=2)
    model, around = _untrained(config), _ideal(len(config.columns))
    # Three quarters of the output's pairs negative: some winners lie below zero.
    latent = model.layers[-1].latent[...]
    model.layers[-1].latent[...] = jnp.where(latent < 0.12, -abs(latent), latent)
    codes = input_codes(digits.validation_images, 144)
    network = fold(model, config, codes, around)
    _, z = _training_form(model, jnp.asarray(codes, jnp.float32), around)
    hidden, output = network.layers
    assert hidden.z_full == float(model.layers[0].z_full())
    assert hidden.z_shift == 0.0
    # Cells without spread: the range is set on these sums, but for the noise of 3e-5
    # that keeps the gradient of a dark image finite.
    low, high = output_range(z)
    assert low < -0.5
    np.testing.assert_allclose(output.z_shift, -low, atol=3e-4)
    np.testing.assert_allclose(output.z_full, high - low, atol=3e-4)
    for layer, trained in zip(network.layers, model.layers, strict=True):
        np.testing.assert_array_equal(layer.weights, trained.weights())
        assert layer.weights.dtype == np.int8
    # Logits per weighted sum, as the training had them.
    logits = np.asarray(model(jnp.asarray(codes[:9], jnp.float32), around))
    np.testing.assert_allclose(network.logit_scale * z[:9], logits, rtol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_range_of_the_output_leaves_fewest_ties(seed):
    """Against every end that it may take, counted by the neuron itself."""
    rng = np.random.default_rng(seed)
    sums = rng.normal(0, rng.uniform(2, 6), (1000, 10))
    right = rng.integers(0, 10, 1000)[:, None] == np.arange(10)
    sums += rng.uniform(0, 14) * right * rng.gamma(2, 0.5, (1000, 1))
    low, high = output_range(sums)
    assert low <= np.quantile(sums.max(1), 0.001)
    assert low <= 0
    neuron = NeuronConfig(v_full=0.02, clocks_per_slot=4)

    def ties(end):
        position = jnp.asarray(15 * (sums - low) / (end - low), jnp.float32)
        return int((winner(to_counts(position, neuron)) < 0).sum())

    ends = np.quantile(sums.max(1), HIGHEST_WINNER)
    found = {float(end): ties(end) for end in ends if end > 0}
    assert found[high] == min(found.values())
    assert found[high] < max(found.values())


def test_weak_winners_shift_the_start_of_the_ramp():
    rng = np.random.default_rng(7)
    sums = rng.normal(-3.0, 4.0, (5000, 10))
    low, high = output_range(sums)
    assert low < np.quantile(sums.max(1), 0.001) < 0 < high
    # Sums that are all above zero need none.
    assert output_range(np.abs(sums) + 1)[0] == 0


def test_winners_that_are_all_below_zero_get_a_ramp_that_starts_lower():
    sums = -np.abs(np.random.default_rng(8).normal(5, 1, (500, 3)))
    low, high = output_range(sums)
    assert low < np.quantile(sums.max(1), 0.001) < high < 0


def test_a_network_that_knows_one_answer_only():
    with pytest.raises(InputError, match="the same answer") as error:
        output_range(np.tile([0.5, -1.0, 0.25], (50, 1)) - 1)
    assert is_one_sentence(error.value)


def test_jit_of_the_training_form_gives_the_same_codes(digits):
    config = NETWORKS["two hidden layers"]
    model, around = _untrained(config), _ideal(len(config.columns))
    codes = jnp.asarray(input_codes(digits.validation_images, 144), jnp.float32)
    logits = model(codes, around)
    jitted = jax.jit(lambda x: model(x, around))(codes)
    np.testing.assert_allclose(jitted, logits, rtol=1e-5, atol=1e-5)
