"""Wires solved for every sampled array, in place of the nominal array's map."""

import dataclasses
from functools import partial

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


def _chip(design, name, wires):
    """A chip's layers for a spread, as one compiled program."""

    def run(sigma):
        device = dataclasses.replace(DEVICE.params(), sigma_lrs=sigma)
        return surrogate_chip(chip_key(4, 7), design, device, name, 1, wires=wires)

    return run


def test_a_chip_has_its_own_arrays_transfer(poor):
    """With RTN, whose state the wires see."""
    card = dataclasses.replace(DEVICE, rtn_traps_lrs=1.0, rtn_amplitude_lrs=0.5)
    design = design_network(random_network(1, CONFIG), card, poor)
    sample = sample_chip(4, 7, design, rtn_pass=1)
    exact, mapped = (
        jax.jit(
            lambda device, wires=wires: surrogate_chip(
                chip_key(4, 7), design, device, "full", 1, wires=wires
            )
        )(card.params())
        for wires in ("exact", "map")
    )
    for layer, part, one, other in zip(
        design.layers, sample, exact, mapped, strict=True
    ):
        rows = _exact(part.resistance, layer)
        by_hand = np.asarray(rows[0::2] - rows[1::2])
        # Compiled otherwise: the last bits of float32 cells.
        np.testing.assert_allclose(one.transfer, by_hand, atol=3e-7)
        assert np.abs(other.transfer - by_hand).max() > 1e-4


@pytest.mark.slow
def test_good_wires_give_what_the_map_gives(circuit):
    good = {
        name: getattr(circuit.tile, name) / 100
        for name in ("r_wire_sl", "r_wire_bl", "r_strap")
    }
    tile = dataclasses.replace(circuit.tile, **good)
    design = _design(dataclasses.replace(circuit, tile=tile))
    by_map = jax.jit(_chip(design, "map", "map"))(jnp.asarray(0.3))
    for layer, mapped, part in zip(
        design.layers,
        by_map,
        jax.jit(_chip(design, "map", "exact"))(jnp.asarray(0.3)),
        strict=True,
    ):
        error = np.asarray(mapped.transfer - part.transfer, float)
        full = layer.neuron.v_full / 0.2
        # The README: 0.1 % of full scale rms at 0.5 Ohm a segment, of whole layers; a
        # few inputs of larger weight each, driven fully.
        worst = np.abs(error).sum(0).max() / full
        assert 1e-7 < worst < 3e-3


def test_counts_are_those_of_the_exact_transfers(poor):
    design, (codes, labels) = _design(poor), _images()
    chips, device = range(8), DEVICE.params()
    right, ties, *_ = ChipEvaluator(design, codes, labels, "map", "exact")(
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


@pytest.mark.slow  # gradient of exact solves
def test_the_loss_has_a_gradient_through_exact_wires(poor):
    design = _design(poor)
    codes = jnp.asarray(np.random.default_rng(2).integers(0, 16, (20, 6)), jnp.float32)
    labels = jnp.asarray(np.random.default_rng(3).integers(0, 3, 20), jnp.int32)
    keys = jnp.stack([chip_key(0, chip) for chip in range(2)])

    def loss(sigma, v_read, wires):
        device = dataclasses.replace(DEVICE.params(), sigma_lrs=sigma)
        args = device, v_read, keys, codes, labels, design, "map", wires
        return expected_loss(*args)

    point = jnp.asarray(0.3), jnp.asarray(0.2)
    exact = jax.jit(partial(jax.value_and_grad(loss, (0, 1)), wires="exact"))
    value, slopes = exact(*point)
    assert all(bool(jnp.isfinite(slope)) and slope != 0 for slope in slopes)
    by_map = jax.jit(partial(loss, wires="map"))(*point)
    assert 1e-5 < abs(float(value - by_map)) < 0.3


def test_the_transfer_follows_the_spread(poor):
    chip = _chip(_design(poor), "map", "exact")

    @jax.jit
    @jax.value_and_grad
    def of(sigma):
        transfer = chip(sigma)[0].transfer
        weight = jnp.sin(jnp.arange(transfer.size, dtype=jnp.float32))
        return (weight * transfer.ravel()).sum()

    step, (_, slope) = 0.02, of(jnp.asarray(0.5))
    above, below = (of(jnp.asarray(0.5 + x))[0] for x in (step, -step))
    # The step squared, and float32 rounding of 1e-7 over it.
    by_hand = float(above - below) / (2 * step)
    assert float(slope) == pytest.approx(by_hand, rel=1e-2, abs=1e-5)
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
