import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.program import sample_chip
from rram_jax.circuit.attenuation import mapped_transfer
from rram_jax.circuit.tile import layer_transfer
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.technology import Technology
from rram_jax.ngspice.deck import network_deck
from tests.helpers import is_one_sentence, neuron_card, random_network, write_card

DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)
BINARY = NetworkConfig(sizes=(6, 5, 3), columns_per_output=2)
# Mean conductances of bench-r10 at sigma 0.3, and what they make of a pair.
G_LRS = math.exp(0.3**2 / 2) / 4500
G_HRS = math.exp(0.46**2 / 2) / 45000
PAIR = (G_LRS - G_HRS) / (G_LRS + G_HRS)


@pytest.mark.parametrize("n_bias", [0, 2])
def test_full_scale_by_hand(circuit, n_bias):
    config = dataclasses.replace(BINARY, n_bias=n_bias)
    network = random_network(2, config)
    # Bias pairs of +1 and -1 only: off pairs have their own test.
    for layer in network.layers:
        layer.weights[layer.weights == 0] = 1
    circuit = dataclasses.replace(circuit, v_read=0.15)
    hidden, output = design_network(network, DEVICE, circuit, wires=False).layers
    # v_read (G_L - G_H) / (G_L + G_H) z / (N c), N inputs and bias pairs; float32.
    n = 6 + n_bias
    by_hand = 0.15 * PAIR * 2.5 / n
    np.testing.assert_allclose(hidden.neuron.v_full, by_hand, rtol=1e-6)
    assert hidden.neuron.v_shift == 0
    per_weight = 0.15 * PAIR / ((5 + n_bias) * 2)
    np.testing.assert_allclose(output.neuron.v_full, per_weight * 4.0, rtol=1e-6)
    np.testing.assert_allclose(output.neuron.v_shift, per_weight * 1.25, rtol=1e-6)
    assert (hidden.neuron.decisions, output.neuron.decisions) == (15, 60)


def test_off_pairs_do_not_move_the_full_scale(circuit):
    # They lighten a column and raise its volts; the load in z takes that out again.
    config = dataclasses.replace(BINARY, ternary=True)
    network = random_network(3, config)
    assert (network.layers[0].weights == 0).any()
    hidden, output = design_network(network, DEVICE, circuit, wires=False).layers
    np.testing.assert_allclose(hidden.gain, PAIR / 6, rtol=1e-6)
    np.testing.assert_allclose(output.gain, PAIR / 10, rtol=1e-6)


@pytest.mark.parametrize("ternary", [False, True])
def test_gain_is_the_nominal_arrays_own(circuit, ternary):
    network = random_network(4, dataclasses.replace(BINARY, ternary=ternary))
    design = design_network(network, DEVICE, circuit)
    ideal = design_network(network, DEVICE, circuit, wires=False)
    for layer, without in zip(design.layers, ideal.layers, strict=True):
        weights, c = layer.layer.weights, layer.layer.columns_per_output
        g = np.where(np.asarray(layer.is_lrs), G_LRS, G_HRS)
        exact = np.asarray(layer_transfer(g, layer.tile, c))
        of_pairs = exact[0::2] - exact[1::2]
        load = g.sum(0).reshape(-1, c).sum(1) / (len(weights) * c * (G_LRS + G_HRS))
        z = weights.astype(float).reshape(len(weights), -1, c).sum(-1) / load
        # The least-squares slope of the array's volts over z; the map is float32.
        slope = np.polyfit(z.ravel(), of_pairs.ravel(), 1)[0]
        through_zero = (z * of_pairs).sum() / (z * z).sum()
        np.testing.assert_allclose(layer.gain, through_zero, rtol=2e-6)
        assert abs(slope / layer.gain - 1) < 0.02  # there is hardly an intercept
        assert 0.9 * without.gain < layer.gain < 0.99 * without.gain
        v_full = 0.2 * through_zero * layer.layer.z_full
        np.testing.assert_allclose(layer.neuron.v_full, v_full, rtol=2e-6)
        # The map stands for these very wires.
        mapped = mapped_transfer(jnp.asarray(g, jnp.float32), layer.attenuation)
        np.testing.assert_allclose(mapped, exact, rtol=5e-6)


def test_drivers_and_ramps_are_the_neuron_cards(circuit, tmp_path):
    card = dataclasses.replace(neuron_card(offset=0.3), name="off")
    circuit = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    design = design_network(random_network(5, BINARY), DEVICE, circuit)
    for layer in design.layers:
        # Measured 15 and 18 Ohm where 16 were wanted, and 16 are wanted.
        assert (layer.tile.r_driver_pos, layer.tile.r_driver_neg) == (15.0, 18.0)
        assert layer.tile.r_wire_bl == circuit.tile.r_wire_bl
        np.testing.assert_allclose(layer.neuron.ramp_advance, 0.8)
    bare = design_network(random_network(5, BINARY), DEVICE, circuit, wires=False)
    assert bare.layers[0].neuron.ramp_advance == 0.5
    np.testing.assert_array_equal(bare.layers[0].attenuation.slope, 1.0)
    np.testing.assert_array_equal(bare.layers[0].attenuation.offset, 0.0)
    np.testing.assert_array_equal(bare.layers[0].attenuation.r_row, 0.0)


def test_preset_card_and_default_circuit():
    config = NetworkConfig(sizes=(40, 7, 3), columns_per_output=2)
    network = random_network(6, config, z_full=(5.0, 2.0))
    design = design_network(network, load_card("hfo2-nominal"))
    assert design.circuit == CircuitConfig()
    assert 5e-3 < design.layers[0].neuron.v_full < 30e-3
    assert design.layers[1].neuron.clocks_per_slot == 4


@pytest.mark.parametrize(
    ("z_full", "circuit_changes", "told"),
    [
        ((0.01, 4.0), {}, "C_int|full scale"),
        ((90.0, 4.0), {}, "v_full from .* take 0.5 V"),
        ((2.5, 4.0), {"t_slot": 2e-6}, "t_slot from .* take 1e-06 s"),
        ((2.5, 4.0), {"output_clocks": 0}, "clock"),
        ((2.5, 4.0), {"output_clocks": 60}, "clock"),
        ((2.5, 4.0), {"neuron_card": "no-such-card"}, "no-such-card"),
    ],
)
def test_what_the_card_does_not_reach(circuit, z_full, circuit_changes, told):
    circuit = dataclasses.replace(circuit, **circuit_changes)
    network = random_network(7, BINARY, z_full=z_full)
    with pytest.raises(InputError, match=told) as error:
        design_network(network, DEVICE, circuit)
    assert is_one_sentence(error.value)


def test_neurons_are_of_the_neuron_card_s_technology(circuit, tmp_path):
    technology = Technology(v_dd=2.5, v_cm=0.55, v_pre=1.1, l_min=0.25e-6)
    card = neuron_card()
    conditions = dataclasses.replace(card.conditions, technology=technology)
    card = dataclasses.replace(card, conditions=conditions)
    circuit = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    design = design_network(random_network(4, BINARY), DEVICE, circuit)
    for layer in design.layers:
        assert layer.neuron.technology == technology
        assert layer.neuron.swing == card.swing
    chip = sample_chip(0, 0, design)
    with pytest.raises(InputError, match="sized for 2.5 V.* has 1.8 V") as caught:
        network_deck(design, chip, "multiport")
    assert is_one_sentence(caught.value)


def test_a_step_below_the_neuron_s_noise_is_refused(circuit, tmp_path):
    card = neuron_card(noise_rms=5e-3)
    circuit = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    with pytest.raises(InputError, match=r"noise of 5e\+03 uV rms.*v_full >= 0.075 V"):
        design_network(random_network(4, BINARY), DEVICE, circuit)


def test_rows_too_heavy_for_the_card_s_drivers_are_refused(circuit):
    wide = dataclasses.replace(BINARY, sizes=(6, 300, 3))
    tile = dataclasses.replace(circuit.tile, cols=300)
    circuit = dataclasses.replace(circuit, tile=tile)
    with pytest.raises(InputError, match="Rows of 300 cells.* tiles of .* columns"):
        design_network(random_network(4, wide), DEVICE, circuit)


def test_outputs_wider_than_a_tile(circuit):
    config = NetworkConfig(sizes=(6, 5, 3), columns_per_output=5)
    with pytest.raises(InputError, match="5 columns an output") as error:
        design_network(random_network(8, config), DEVICE, circuit)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize("v_read", [0.0, -0.2, 0.5, float("nan")])
def test_read_voltages_that_no_cell_survives(v_read):
    with pytest.raises(InputError, match="v_read") as error:
        CircuitConfig(v_read=v_read)
    assert is_one_sentence(error.value)
