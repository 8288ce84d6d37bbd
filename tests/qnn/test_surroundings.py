"""What training sees of wires and neurons is what a chip of the design does."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.program import surrogate_chip
from rram_jax.chip.sample import chip_key, sample_layer
from rram_jax.chip.surrogate import network_model, positions
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.encode import SLOTS
from rram_jax.data.codes import input_codes
from rram_jax.data.datasets import load_dataset
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.mismatch import draw_mismatch
from rram_jax.neuron.model import (
    crossing,
    ideal_params,
    mean_crossing,
    on_time,
    to_counts,
)
from rram_jax.qnn.checkpoint import load_checkpoint
from rram_jax.qnn.fold import unfinished
from rram_jax.qnn.model import Mlp, sampled_sums
from rram_jax.qnn.spread import loaded_sums, spread_of
from rram_jax.qnn.surroundings import surroundings_of
from tests.helpers import neuron_card, with_slopes, write_card

ROOT = Path(__file__).resolve().parents[2]

# Cells without spread: a chip's cells are the means that training sees.
STILL = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.0, sigma_hrs=0.0)
SPREAD = spread_of(STILL.params())
TILE = TileConfig(rows=8, cols=6, r_wire_sl=9.0, r_wire_bl=4.0, r_strap=3.0)


def _model(config, z_full):
    model = Mlp(config, rngs=nnx.Rngs(params=5))
    for layer, z in zip(model.layers, z_full, strict=True):
        layer.log_z_full[...] = jnp.log(jnp.asarray(z, jnp.float32))
    return model


def _codes(n, inputs):
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 16, (n, inputs)) * (rng.random((n, inputs)) < 0.6)
    return jnp.asarray(codes, jnp.float32)


def _network(config, z_full=(3.0, 5.0)):
    model = _model(config, z_full)
    return model, unfinished(model, config, np.zeros((1, config.sizes[0]), np.uint8))


@pytest.mark.parametrize("ternary", [False, True])
def test_wires_are_the_map_of_the_design(ternary, tmp_path):
    config = NetworkConfig(
        sizes=(21, 7, 3), columns_per_output=3, redundancy=2, ternary=ternary
    )
    model, network = _network(config)
    card = write_card(neuron_card(), tmp_path)
    design = design_network(network, STILL, CircuitConfig(neuron_card=card, tile=TILE))
    around = surroundings_of(design, SPREAD, "map")
    chip = surrogate_chip(chip_key(0, 0), design, STILL.params(), "map")
    for k, (layer, part) in enumerate(zip(model.layers, chip, strict=True)):
        codes = _codes(30, config.sizes[k])
        exact = positions(codes, part.transfer, 0.2, part.params, linear=True)
        z = layer(codes, around[k])
        given = SLOTS * z / design.network.layers[k].z_full
        np.testing.assert_allclose(given, exact, atol=1e-4)  # float32 sums
        # The wires matter: without them some sums are elsewhere.
        ideal = dataclasses.replace(around[k], lines=None)
        assert float(jnp.abs(layer(codes, ideal) - z).max()) > 0.02


def test_the_smallest_full_scale_is_the_cards(tmp_path):
    config = NetworkConfig(sizes=(40, 24, 3), columns_per_output=2)
    _, network = _network(config, (6.0, 6.0))
    card = neuron_card()
    circuit = CircuitConfig(neuron_card=write_card(card, tmp_path))
    design = design_network(network, STILL, circuit)
    for around, layer in zip(
        surroundings_of(design, SPREAD, "map"), design.layers, strict=True
    ):
        v = float(around.z_least) / layer.layer.z_full * layer.neuron.v_full
        np.testing.assert_allclose(v, 1.05 * card.box.v_full[0], rtol=1e-5)


def test_lines_hold_while_weights_move(tmp_path):
    config = NetworkConfig(sizes=(64, 24, 3), columns_per_output=2)
    model, network = _network(config, (6.0, 6.0))
    circuit = CircuitConfig(neuron_card=write_card(neuron_card(), tmp_path))
    design = design_network(network, STILL, circuit)
    lines = surroundings_of(design, SPREAD, "map")[0].lines
    moved = np.array(network.layers[0].weights)
    flip = np.random.default_rng(1).random(moved.shape) < 0.1
    moved[flip] *= -1
    layer = dataclasses.replace(network.layers[0], weights=moved)
    other = dataclasses.replace(network, layers=(layer, network.layers[1]))
    exact = surroundings_of(design_network(other, STILL, circuit), SPREAD, "map")[0]
    x = np.asarray(_codes(200, 64)) / SLOTS
    held = x @ (lines.slope * moved + lines.background)
    right = x @ (exact.lines.slope * moved + exact.lines.background)
    # As good as the map itself is said to be, 0.2 % of full scale rms.
    error = np.asarray(held - right) / 6.0
    assert float(np.sqrt((error**2).mean())) < 0.002
    assert float(np.abs(x @ moved / 6.0 - right / 6.0).max()) > 0.01


LAWS = {"gain": 1.01, "offset": 0.1, "leak": 5e5, "curve": 0.0, "lag": 0.3e-9}


def _full(tmp_path, **laws):
    config = NetworkConfig(sizes=(30, 6, 3), columns_per_output=2)
    model, network = _network(config, (4.0, 5.0))
    card = with_slopes(
        neuron_card(**(LAWS | laws)),
        offset=lambda k: 3.0 + 20.0 * k,
        gain=lambda k: 0.5 - 0.3 * k,
    )
    card = dataclasses.replace(
        card, driver=dataclasses.replace(card.driver, edge=3e-12)
    )
    circuit = CircuitConfig(neuron_card=write_card(card, tmp_path))
    design = design_network(network, STILL, circuit)
    return model, design, surroundings_of(design, SPREAD, "full")


def test_neurons_are_those_of_the_surrogate(tmp_path):
    """One matrix product gives the crossings that 15 slots give."""
    model, design, around = _full(tmp_path, pulse_excess=0.03)
    models = network_model(design, "full")
    chip = surrogate_chip(chip_key(0, 0), design, STILL.params(), "map")
    for k, layer in enumerate(model.layers):
        codes = _codes(40, design.network.config.sizes[k])
        excess = 0.0 if k == 0 else 0.03
        exact = positions(
            codes, chip[k].transfer, 0.2, models[k].neuron, pulse_excess=excess
        )
        z = layer(codes, around[k])
        full = design.network.layers[k].z_full
        given = SLOTS * z / full
        late = exact > 0.3  # before, the ramp is still settling and the code 0
        np.testing.assert_allclose(given[late], exact[late], atol=1e-3)
        np.testing.assert_allclose(given, exact, atol=5e-3)
        if k == 0:
            ideal = layer(codes, dataclasses.replace(around[k], neurons=None))
            assert float(jnp.abs(ideal - z).max()) * SLOTS / full > 0.1


@pytest.mark.slow
def test_a_trained_network_on_the_real_card():
    """All laws of the card at once: hundredths of a slot from the surrogate's 15."""
    trained = load_checkpoint(ROOT / "checkpoints" / "mlp-144-32-10-mnist5k-hardened")
    network, columns = trained.network, trained.network.config.columns
    design = design_network(network, STILL)
    around = surroundings_of(design, SPREAD, "full")
    models = network_model(design, "full")
    chip = surrogate_chip(chip_key(0, 0), design, STILL.params(), "map")
    images = load_dataset("mnist5k").validation_images[:300]
    codes = jnp.asarray(input_codes(images, 144), jnp.float32)
    excess = 0.0
    for k, layer in enumerate(network.layers):
        exact = positions(
            codes, chip[k].transfer, 0.2, models[k].neuron, pulse_excess=excess
        )
        weights = jnp.asarray(layer.weights, jnp.float32)
        sums = loaded_sums(weights, columns[k], SPREAD)
        matrix = around[k].lines.slope * sums + around[k].lines.background
        z, _ = around[k].neurons.sums(codes, matrix, None, False)
        given = SLOTS * (z + layer.z_shift) / layer.z_full
        inside = np.asarray((exact > 0) & (exact < SLOTS))
        error = np.asarray(given - exact)[inside]
        assert np.sqrt((error**2).mean()) < 0.03
        assert np.abs(error).max() < 0.2
        ideal = SLOTS * (codes / SLOTS @ matrix + layer.z_shift) / layer.z_full
        # The card matters: an ideal neuron is further off.
        assert np.abs(np.asarray(ideal - exact)[inside]).max() > 0.2
        codes = to_counts(exact, design.layers[k].neuron)
        excess = models[k].neuron.pulse_excess


def test_pulses_by_their_slots():
    params = network_params(leak=2e6)
    v = jnp.asarray([[3e-3] * 4 + [0.0] * 11, [3e-3] * 11 + [0.0] * 4])
    given = mean_crossing(3e-3 * on_time(jnp.asarray([4.0, 11.0]), params) / 15, params)
    np.testing.assert_allclose(given, crossing(v, params), rtol=1e-5)
    whole = on_time(jnp.arange(16.0), network_params(leak=0.0))
    np.testing.assert_allclose(whole, np.arange(16.0), rtol=1e-4)


def network_params(leak):
    params = ideal_params(NeuronConfig(v_full=8e-3))
    return dataclasses.replace(params, leak=jnp.asarray(leak, jnp.float32))


def test_noise_of_neurons_is_that_of_their_mismatch(tmp_path):
    model, design, around = _full(tmp_path, noise_rms=2e-4)
    layer, neuron = design.layers[0], design.layers[0].neuron
    delvto = draw_mismatch(jax.random.key(3), 40_000, neuron, design.card)
    offset, gain = design.card.slopes(neuron)
    codes = _codes(5, 30)
    z, variance = around[0].neurons.sums(
        codes,
        jnp.asarray(layer.layer.weights, jnp.float32),
        jnp.asarray(4.0),
        False,
    )
    position = np.asarray(SLOTS * z / 4.0)[..., None]
    shifted = np.asarray(delvto @ offset) + np.asarray(delvto @ gain) * position
    thermal = (SLOTS * 2e-4 / float(neuron.v_full)) ** 2
    expected = shifted.var(-1) + thermal
    # 40,000 draws: 0.7 % of a variance; four of them.
    np.testing.assert_allclose(variance * (SLOTS / 4.0) ** 2, expected, rtol=0.03)
    # The trimmed chip keeps what differs from the mean crossing.
    _, left = around[0].neurons.sums(
        codes,
        jnp.asarray(layer.layer.weights, jnp.float32),
        jnp.asarray(4.0),
        True,
    )
    assert (np.asarray(left) < np.asarray(variance)).mean() > 0.9


def test_cells_of_a_chip_are_its_sums():
    config = NetworkConfig(sizes=(20, 6, 3), columns_per_output=2, ternary=True)
    model, network = _network(config)
    card = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.4)
    spread = spread_of(card.params())
    design = design_network(network, card, wires=False)
    chip = surrogate_chip(chip_key(1, 2), design, card.params(), "ideal")
    weights = jnp.asarray(network.layers[1].weights, jnp.float32)
    sample = sample_layer(
        chip_key(1, 2), design.layers[1], 1, card.params(), design.card
    )
    mean = mean_conductance(sample.is_lrs, card.params())
    factors = 1 / (sample.resistance * mean)
    sums = sampled_sums(weights, factors, 2, spread)
    expected = chip[1].transfer / design.layers[1].gain
    np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-4)
    # The slope of a weight is that of its own pair.
    slope = jax.grad(lambda w: sampled_sums(w, factors, 2, spread)[4, 1])(weights)
    assert float(slope[4, 2]) > 0.2
    assert float(slope[4, 3]) > 0.2


def test_gradients_pass_through_everything(tmp_path):
    model, design, around = _full(tmp_path, curve=20.0, noise_rms=1e-4)

    def loss(model, around):
        logits = model(_codes(30, 30), around, jax.random.key(0))
        return jnp.square(logits - 1).mean()

    graph, params = nnx.split(model)
    slope, of_circuit = jax.grad(
        lambda params, around: loss(nnx.merge(graph, params), around), argnums=(0, 1)
    )(params, around)
    for leaf in jax.tree.leaves(slope):
        assert bool(jnp.isfinite(leaf).all())
        assert bool((leaf != 0).any())
    for part in of_circuit:
        assert float(jnp.abs(part.lines.slope).max()) > 0
        assert float(part.neurons.params.leak) != 0
        assert float(part.neurons.params.noise_rms) != 0
        assert float(part.spread.mean_hrs) != 0
