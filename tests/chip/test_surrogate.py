import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.program import chip_layers, sample_chip, surrogate_chip
from rram_jax.chip.sample import chip_key, sample_layer
from rram_jax.chip.surrogate import (
    add_noise,
    bit_lines,
    network_model,
    positions,
    run_network,
    winner,
    with_constants,
)
from rram_jax.device.card import load_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.model import ideal_params, to_counts
from tests.helpers import (
    assert_gradient,
    neuron_card,
    random_network,
    with_slopes,
    write_card,
)

CONFIG = NetworkConfig(sizes=(6, 5, 3), columns_per_output=2, n_bias=1)
DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)
NEURON = NeuronConfig(v_full=12e-3, v_shift=3e-3)


def _codes(seed, shape):
    """Codes of every kind: a fifth dark, a fifth full."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 15, shape)
    return jnp.asarray(np.select(_fifths(rng, shape), [0, 15], codes), jnp.float32)


def _fifths(rng, shape):
    dice = rng.random(shape)
    return [dice < 0.2, dice > 0.8]


def _transfer(seed, shape):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.uniform(-0.1, 0.1, shape), jnp.float32)


def _double(tree):
    return jax.tree.map(lambda x: x.astype(jnp.float64), tree)


def test_bit_lines_by_hand():
    codes = jnp.asarray([2.0, 15.0, 0.0])
    transfer = jnp.asarray([[0.03, 0.25], [-0.5, 0.01], [7.0, 7.0]])
    v = np.asarray(bit_lines(codes, transfer, 0.2))
    assert v.shape == (2, 15)
    # Slots 0 and 1 see both inputs, the rest the full one alone; float32.
    np.testing.assert_allclose(v[0], [-0.094] * 2 + [-0.1] * 13, rtol=1e-6)
    np.testing.assert_allclose(v[1], [0.052] * 2 + [0.002] * 13, rtol=1e-6)


def test_pulse_excess_is_that_of_codes_1_to_14():
    codes = jnp.asarray([0.0, 2.0, 15.0, 14.0])
    transfer = jnp.diag(jnp.asarray([1.0, 2.0, 3.0, 4.0]))
    v = np.asarray(bit_lines(codes, transfer, 0.5, pulse_excess=-0.25))
    np.testing.assert_array_equal(v[0], np.zeros(15))
    np.testing.assert_array_equal(v[1], [1.0, 0.75] + [0.0] * 13)
    np.testing.assert_array_equal(v[2], [1.5] * 15)
    np.testing.assert_array_equal(v[3], [2.0] * 13 + [1.5, 0.0])


def test_short_path_is_the_slot_path_of_an_ideal_neuron():
    codes, transfer = _codes(1, (40, 6)), _transfer(2, (6, 5))
    params = ideal_params(NEURON)
    params = dataclasses.replace(
        params, gain=jnp.linspace(0.9, 1.1, 5), offset=jnp.linspace(-1, 1, 5)
    )
    short = positions(codes, transfer, 0.2, params, linear=True)
    slots = positions(codes, transfer, 0.2, params)
    assert np.ptp(short) > 15
    # Positions near 15 from float32 sums of 15 x 6 terms.
    np.testing.assert_allclose(short, slots, rtol=1e-5, atol=2e-5)
    # By hand for one image and one neuron.
    mean = 0.2 * float(codes[3] @ transfer[:, 4]) / 15
    by_hand = 1.1 * 15 * (mean + 3e-3) / 12e-3 + 1.0
    np.testing.assert_allclose(short[3, 4], by_hand, rtol=1e-5)


def test_bias_pairs_are_driven_fully():
    codes = with_constants(jnp.asarray([[1.0, 2.0]]), (15, 15))
    np.testing.assert_array_equal(codes, [[1, 2, 15, 15]])
    np.testing.assert_array_equal(with_constants(codes, ()), codes)


def test_last_crossing_wins_and_equals_tie():
    counts = jnp.asarray(
        [[3.0, 7.0, 5.0], [60.0, 1.0, 59.0], [4.0, 9.0, 9.0], [0.0, 0.0, 0.0]]
    )
    np.testing.assert_array_equal(winner(counts), [1, 0, -1, -1])
    np.testing.assert_array_equal(winner(counts[None, 1]), [0])


def _by_numpy(design, chip, codes, v_read=0.2):
    """Codes of every hidden layer and positions of the outputs, in float64."""
    codes = np.asarray(codes, float)
    for k, (part, layer) in enumerate(zip(chip, design.layers, strict=True)):
        driven = np.c_[codes, np.full((len(codes), 1), 15.0)]
        mean = v_read * driven @ np.asarray(part.transfer, float) / 15
        neuron = layer.neuron
        position = 15 * (mean + neuron.v_shift) / neuron.v_full
        if k == len(chip) - 1:
            return position
        codes = np.clip(np.floor(position + 0.5), 0, 15)


@pytest.mark.parametrize("wires", [True, False])
def test_network_against_numpy(circuit, wires):
    design = design_network(random_network(1, CONFIG), DEVICE, circuit, wires=wires)
    chip = surrogate_chip(chip_key(0, 3), design, DEVICE.params(), "map")
    codes = _codes(4, (200, 6))
    position = np.asarray(run_network(chip, codes, design, 0.2, "map"))
    expected = _by_numpy(design, chip, codes)
    assert np.ptp(expected) > 10
    # No hidden position of these lies within float32's 1e-5 of a rounding step.
    np.testing.assert_allclose(position, expected, rtol=1e-5, atol=3e-5)
    # Full scales stay as designed when the read voltage moves.
    position = np.asarray(run_network(chip, codes, design, 0.13, "map"))
    expected = _by_numpy(design, chip, codes, 0.13)
    np.testing.assert_allclose(position, expected, rtol=1e-5, atol=3e-5)


def test_full_circuit_of_perfect_neurons_is_the_map(circuit):
    # No mismatch slopes, no noise key, a card without RTN.
    design = design_network(random_network(1, CONFIG), DEVICE, circuit)
    codes, key, params = _codes(5, (60, 6)), chip_key(0, 1), DEVICE.params()
    by_map, by_full = (
        np.asarray(
            run_network(
                surrogate_chip(key, design, params, name), codes, design, 0.2, name
            )
        )
        for name in ("map", "full")
    )
    assert np.ptp(by_map) > 10
    np.testing.assert_allclose(by_full, by_map, rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize("name", ["leak", "curve", "pulse_excess"])
def test_full_circuit_tends_to_the_map(circuit, tmp_path, name):
    size = {"leak": 4e4, "curve": 4.0, "pulse_excess": 0.01}[name]
    codes, found = _codes(6, (60, 6)), []
    for scale in (0.0, 1.0, 2.0):
        card = neuron_card(**{name: scale * size})
        here = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
        design = design_network(random_network(1, CONFIG), DEVICE, here)
        chip = surrogate_chip(chip_key(0, 1), design, DEVICE.params(), "full")
        # The output layer alone: between layers rounding hides a small cause.
        excess = chip[0].params.pulse_excess
        position = positions(
            codes, chip[1].transfer, 0.2, chip[1].params, pulse_excess=excess
        )
        found.append(np.asarray(position))
    first, second = (np.abs(x - found[0]).max() for x in found[1:])
    assert first > 3e-3
    # Twice the cause, twice the effect: float32 positions and the second order.
    np.testing.assert_allclose(second / first, 2.0, rtol=0.05)


def test_pulses_of_a_layer_are_longer_by_the_excess_of_the_one_before(
    circuit, tmp_path
):
    # Constant pulses are exact, shorter ones than 15 slots (of trim pairs) too.
    config = dataclasses.replace(CONFIG, sizes=(6, 5, 4, 3), trim=True)
    card = neuron_card(pulse_excess=-0.3, curve=3.0)
    here = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    network = random_network(1, config, z_full=(2.5, 2.0, 4.0))
    design = design_network(network, DEVICE, here)
    samples = [
        sample_layer(chip_key(0, 1), layer, k, DEVICE.params(), design.card)
        for k, layer in enumerate(design.layers)
    ]
    chip = chip_layers(samples, design, network_model(design, "full"))
    codes, excess = _codes(3, (50, 6)), 0.0  # the inputs' pulses are exact
    found = run_network(chip, codes, design, 0.2, "full")
    for part, layer in zip(chip, design.layers, strict=True):
        driven = with_constants(codes, (15, 15, 8, 4, 2, 1))
        position = positions(
            driven, part.transfer, 0.2, part.params, pulse_excess=excess
        )
        codes = to_counts(position, layer.neuron)
        excess = jnp.asarray([-0.3] * codes.shape[1] + [0.0] * 6)
    np.testing.assert_allclose(found, position, rtol=1e-5, atol=1e-5)
    without = positions(driven, part.transfer, 0.2, part.params)
    assert abs(np.asarray(without - found)).max() > 0.05


def test_offset_of_the_card_is_cancelled_by_the_ramp(circuit, tmp_path):
    card = neuron_card(offset=0.3)
    here = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    design = design_network(random_network(1, CONFIG), DEVICE, here)
    for part in surrogate_chip(chip_key(0, 1), design, DEVICE.params(), "full"):
        # A float32 difference of numbers near one; no mismatch slopes.
        np.testing.assert_allclose(part.params.offset, 0.0, atol=1e-7)


def test_mismatch_adds_to_gain_and_offset(circuit, tmp_path):
    card = with_slopes(neuron_card(), lambda k: 50.0 * (k + 1), lambda k: 3.0 - k)
    here = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    design = design_network(random_network(1, CONFIG), DEVICE, here)
    samples = sample_chip(0, 1, design)
    chip = surrogate_chip(chip_key(0, 1), design, DEVICE.params(), "full")
    for sample, part, n in zip(samples, chip, (20, 21), strict=True):
        delvto = np.asarray(sample.delvto, float)
        k = np.arange(n)
        # float32 sums of some 20 products.
        expected = delvto @ (50.0 * (k + 1))
        np.testing.assert_allclose(part.params.offset, expected, rtol=5e-5)
        np.testing.assert_allclose(part.params.gain, 1 + delvto @ (3.0 - k), rtol=1e-5)
        assert np.std(part.params.offset) > 0.1
    # The map's neurons have none of it.
    drawn = surrogate_chip(chip_key(0, 1), design, DEVICE.params(), "map")[0]
    assert not np.asarray(drawn.params.offset).any()


def test_noise_has_its_rms_and_is_fresh_for_every_image_and_neuron():
    params = dataclasses.replace(
        ideal_params(NEURON), noise_rms=jnp.asarray([40e-6, 160e-6])
    )
    silent = jnp.ones((20_000, 2))
    noisy = np.asarray(add_noise(jax.random.key(1), silent, params), float) - 1
    # 15 slots times rms over v_full; 20,000 draws, four standard errors.
    expected = 15 * np.array([40e-6, 160e-6]) / 12e-3
    error = 4 / math.sqrt(2 * 20_000)
    np.testing.assert_allclose(noisy.std(0), expected, rtol=error)
    z = noisy / expected
    assert abs(z.mean()) < 4 / math.sqrt(40_000)
    assert abs((z[:, 0] * z[:, 1]).mean()) < 4 / math.sqrt(20_000)
    assert abs((z[1:] * z[:-1]).mean()) < 4 / math.sqrt(40_000)


def test_noise_of_a_network_follows_its_key(circuit, tmp_path):
    card = neuron_card(noise_rms=2e-3)
    here = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    design = design_network(random_network(1, CONFIG), DEVICE, here)
    chip = surrogate_chip(chip_key(0, 1), design, DEVICE.params(), "full")

    def run(key):
        codes = jnp.full((50, 6), 7.0)
        return np.asarray(run_network(chip, codes, design, 0.2, "full", key))

    first = run(jax.random.key(1))
    np.testing.assert_array_equal(run(jax.random.key(1)), first)
    assert (run(jax.random.key(2)) != first).all()
    assert len(np.unique(first[:, 0])) == 50  # images alike, noise not
    assert len(np.unique(run(None)[:, 0])) == 1
    # Layer k draws from the k-th fold: noise of one layer says nothing of another's.
    key, codes = jax.random.key(1), jnp.full((50, 6), 7.0)
    for k, (part, layer) in enumerate(zip(chip, design.layers, strict=True)):
        position = positions(
            with_constants(codes, (15,)), part.transfer, 0.2, part.params
        )
        position = add_noise(jax.random.fold_in(key, k), position, part.params)
        codes = to_counts(position, layer.neuron)
    np.testing.assert_allclose(first, position, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["map", "full"])
def test_gradients_of_a_layer_against_differences(circuit, tmp_path, name):
    card = neuron_card(leak=4e5, curve=20.0, pulse_excess=-0.01)
    here = dataclasses.replace(circuit, neuron_card=write_card(card, tmp_path))
    design = design_network(random_network(1, CONFIG), DEVICE, here)
    with jax.enable_x64(True):
        base = _double(DEVICE.params())
        codes = jnp.asarray(np.asarray(_codes(7, (9, 7))), jnp.float64)
        weight = jnp.asarray(np.random.default_rng(8).standard_normal((9, 5)))

        def of(x):
            device = dataclasses.replace(base, sigma_lrs=x[0], r_hrs=x[1])
            part = surrogate_chip(chip_key(0, 2), design, device, name)[0]
            params, short = _double(part.params), name == "map"
            position = positions(codes, part.transfer, x[2], params, linear=short)
            return (weight * position).mean()

        at = jnp.asarray([DEVICE.sigma_lrs, DEVICE.r_hrs, 0.2])
        for seed in range(3):  # as many directions as there are numbers
            assert_gradient(of, at, seed)


def test_gradient_of_a_network_is_the_straight_through_chain(circuit):
    """The hidden codes held and only their soft slope left: then differences agree."""
    network = random_network(1, CONFIG, z_full=(4.0, 4.0))
    design = design_network(network, DEVICE, circuit)
    layer = design.layers[0].neuron
    with jax.enable_x64(True):
        base = _double(DEVICE.params())
        codes = jnp.asarray(np.asarray(_codes(9, (30, 6))), jnp.float64)
        weight = jnp.asarray(np.random.default_rng(3).standard_normal((30, 3)))

        def chip_of(x):
            device = dataclasses.replace(base, sigma_lrs=x[0])
            return surrogate_chip(chip_key(0, 2), design, device, "map")

        def hidden(x):
            part = chip_of(x)[0]
            driven = with_constants(codes, (15,))
            return positions(
                driven, part.transfer, x[1], _double(part.params), linear=True
            )

        def through(x):
            position = run_network(chip_of(x), codes, design, x[1], "map")
            return (weight * position).mean()

        at = jnp.asarray([0.3, 0.2])
        fixed = hidden(at)
        held = jnp.clip(jnp.ceil(fixed - 0.5), 0, 15)

        def relaxed(x):
            soft = jnp.clip(hidden(x), 0, 15) - jnp.clip(fixed, 0, 15)
            part = chip_of(x)[1]
            driven = with_constants(held + soft, (15,))
            position = positions(
                driven, part.transfer, x[1], _double(part.params), linear=True
            )
            return (weight * position).mean()

        inside = (fixed > 0) & (fixed < 15)
        assert 0.2 < float(inside.mean()) < 0.95
        # Of the network's own neurons gain and full scale are float32 numbers.
        np.testing.assert_allclose(through(at), relaxed(at), rtol=1e-9)
        np.testing.assert_allclose(
            jax.grad(through)(at), jax.grad(relaxed)(at), rtol=1e-9
        )
        assert_gradient(relaxed, at)
    assert layer.clocks_per_slot == 1


@pytest.mark.parametrize("name", ["map", "full"])
def test_gradients_at_the_corners_are_finite(circuit, name):
    design = design_network(random_network(1, CONFIG), DEVICE, circuit)

    @jax.jit
    def slopes(device, v_read, codes):
        def of(device, v_read):
            chip = surrogate_chip(chip_key(0, 2), design, device, name)
            return run_network(chip, codes, design, v_read, name).sum()

        return jax.grad(of, (0, 1))(device, v_read)

    for code in (0.0, 15.0):
        found = slopes(DEVICE.params(), jnp.asarray(0.2), jnp.full((2, 6), code))
        for slope in jax.tree.leaves(found):
            assert bool(jnp.isfinite(slope).all())
