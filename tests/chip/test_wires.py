"""Wires solved for every sampled array, in place of the nominal array's map."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.evaluate import ChipEvaluator, evaluate
from rram_jax.chip.loss import expected_loss
from rram_jax.chip.program import sample_chip, surrogate_chip
from rram_jax.chip.sample import chip_key
from rram_jax.circuit.tile import layer_transfer
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from tests.chip.test_evaluate import _by_numpy, _images
from tests.helpers import is_one_sentence, random_network

DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.6)
CONFIG = NetworkConfig(sizes=(6, 5, 3), columns_per_output=2)


@pytest.fixture(scope="module")
def poor(circuit) -> CircuitConfig:
    """Wires so poor that the map errs."""
    tile = dataclasses.replace(circuit.tile, r_wire_sl=300.0, r_wire_bl=700.0)
    return dataclasses.replace(circuit, tile=tile)


def _design(circuit, config=CONFIG, **changes):
    return design_network(random_network(1, config), DEVICE, circuit, **changes)


@pytest.mark.parametrize(("name", "rtn_pass"), [("map", None), ("full", 1)])
def test_a_chip_has_its_own_arrays_transfer(poor, name, rtn_pass):
    config = dataclasses.replace(CONFIG, trim=True)
    design, device = _design(poor, config), DEVICE.params()
    key = chip_key(4, 7)
    exact, mapped = (
        surrogate_chip(key, design, device, name, rtn_pass or 0, wires=wires)
        for wires in ("exact", "map")
    )
    # Trimmed in circuit "full": of perfect neurons, as good as in "map".
    sample = sample_chip(4, 7, design, rtn_pass=rtn_pass)
    for layer, part, one, other in zip(
        design.layers, sample, exact, mapped, strict=True
    ):
        rows = layer_transfer(
            1 / part.resistance, layer.tile, layer.layer.columns_per_output
        )
        by_hand = np.asarray(rows[0::2] - rows[1::2])
        # Compiled otherwise: float32 sums.
        np.testing.assert_allclose(one.transfer, by_hand, atol=2e-7)
        assert np.abs(other.transfer - by_hand).max() > 1e-4
        np.testing.assert_array_equal(one.params.offset, other.params.offset)


def test_good_wires_give_what_the_map_gives():
    """144 inputs and the default wires: within the map's published error."""
    config = NetworkConfig(sizes=(144, 8, 3), columns_per_output=2)
    card = dataclasses.replace(DEVICE, sigma_lrs=0.3)
    network = random_network(1, config, z_full=(10.0, 10.0))
    design = design_network(network, card)
    exact, mapped = (
        surrogate_chip(chip_key(0, 0), design, card.params(), "map", wires=wires)[0]
        for wires in ("exact", "map")
    )
    codes = np.random.default_rng(2).integers(0, 16, (200, 144)) / 15
    bit_lines = codes @ np.asarray(exact.transfer, float)
    full = design.layers[0].neuron.v_full / 0.2
    error = codes @ (np.asarray(mapped.transfer, float)) - bit_lines
    # The README states 0.1 % of full scale rms on trained layers.
    assert 1e-6 < np.sqrt((error**2).mean()) / full < 2e-3


def test_counts_are_those_of_the_exact_transfers(poor):
    design, (codes, labels) = _design(poor), _images()
    chips, device = range(8), DEVICE.params()
    right, ties = ChipEvaluator(design, codes, labels, "map", "exact")(
        4, chips, device, 0.2
    )
    by_hand = [
        _by_numpy(design, chip, codes, labels, transfer=_exact) for chip in chips
    ]
    np.testing.assert_array_equal(np.stack([right, ties], 1), by_hand)
    by_map = ChipEvaluator(design, codes, labels)(4, chips, device, 0.2)[0]
    assert (right != by_map).any()
    summary = evaluate(design, codes, labels, wires="exact", chips=8, seed=4)
    assert summary.mean == pytest.approx(right.mean() / len(labels))


def _exact(resistance, layer):
    c = layer.layer.columns_per_output
    return layer_transfer(1 / resistance, layer.tile, c)


def test_the_loss_has_a_gradient_through_exact_wires(poor):
    # In float32, as users ask: a wide step, averaged over chips without a kink.
    design = _design(poor)
    codes = jnp.asarray(np.random.default_rng(2).integers(0, 16, (20, 6)), jnp.float32)
    labels = jnp.asarray(np.random.default_rng(3).integers(0, 3, 20), jnp.int32)
    keys = jnp.stack([chip_key(0, chip) for chip in range(2)])

    @jax.jit
    def loss(sigma, v_read):
        device = dataclasses.replace(DEVICE.params(), sigma_lrs=sigma)
        return expected_loss(
            device, v_read, keys, codes, labels, design, "map", "exact"
        )

    point = jnp.asarray(0.3), jnp.asarray(0.2)
    slopes = jax.jit(jax.grad(loss, (0, 1)))(*point)
    assert all(bool(jnp.isfinite(slope)) and slope != 0 for slope in slopes)
    by_map = expected_loss(
        dataclasses.replace(DEVICE.params(), sigma_lrs=point[0]),
        point[1],
        keys,
        codes,
        labels,
        design,
    )
    assert abs(loss(*point) - by_map) > 1e-5


def test_the_transfer_follows_the_spread(poor):
    """Against a central difference, hidden codes' straight-through slopes left out."""
    design, key = _design(poor), chip_key(0, 3)

    def of(sigma):
        device = dataclasses.replace(DEVICE.params(), sigma_lrs=sigma)
        chip = surrogate_chip(key, design, device, "map", wires="exact")
        weight = jnp.sin(jnp.arange(chip[0].transfer.size, dtype=jnp.float32))
        return (weight * chip[0].transfer.ravel()).sum()

    of, slope = jax.jit(of), jax.jit(jax.grad(of))(jnp.asarray(0.5))
    step = 0.02
    by_hand = (of(jnp.asarray(0.5 + step)) - of(jnp.asarray(0.5 - step))) / (2 * step)
    # The step squared, and float32 rounding of 1e-7 over it.
    assert float(slope) == pytest.approx(float(by_hand), rel=1e-2, abs=1e-5)
    assert abs(float(slope)) > 1e-3


def test_exact_wires_need_wires(poor):
    codes, labels = _images()
    for wires, told in (
        ("exact", "no wires that could be exact"),
        ("fine", "map, exact"),
    ):
        with pytest.raises(InputError, match=told) as error:
            ChipEvaluator(_design(poor, wires=False), codes, labels, "ideal", wires)
        assert is_one_sentence(error.value)
    with pytest.raises(InputError, match="take a design with wires") as error:
        ChipEvaluator(_design(poor, wires=False), codes, labels, "map", "exact")
    assert is_one_sentence(error.value)
