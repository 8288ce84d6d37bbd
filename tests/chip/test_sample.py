import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.network import HardwareNetwork
from rram_jax.chip.program import sample_chip, surrogate_chip
from rram_jax.chip.sample import LayerSample, chip_key, rtn_factor, sample_layer
from rram_jax.circuit.attenuation import mapped_transfer
from rram_jax.device.card import load_card
from rram_jax.device.variability import draw_stuck, sample_resistance
from tests.helpers import random_network

NOISY = dataclasses.replace(
    load_card("hfo2-nominal"), sigma_lrs=0.3, rtn_traps_lrs=0.8, tail_share=0.05
)
CONFIG = NetworkConfig(sizes=(6, 5, 3), columns_per_output=2)


def _design(circuit, config=CONFIG, **changes):
    return design_network(random_network(1, config), NOISY, circuit, **changes)


def _two_equal_layers():
    """Both layers program the same weights: what differs is their draw."""
    network = random_network(2, NetworkConfig(sizes=(8, 8, 8), columns_per_output=1))
    first, second = network.layers
    second = dataclasses.replace(second, weights=first.weights)
    return HardwareNetwork(
        config=network.config, layers=(first, second), logit_scale=1.0
    )


def test_surrogate_and_sample_draw_the_same_chip(circuit):
    design, seed, chip = _design(circuit), 5, 17
    for circuit_name, rtn_pass in (("map", None), ("full", 2)):
        drawn = surrogate_chip(
            chip_key(seed, chip), design, NOISY.params(), circuit_name, rtn_pass or 0
        )
        sampled = sample_chip(seed, chip, design, rtn_pass=rtn_pass)
        for layer, part, sample in zip(design.layers, drawn, sampled, strict=True):
            rows = mapped_transfer(1 / sample.resistance, layer.attenuation)
            np.testing.assert_array_equal(part.transfer, rows[0::2] - rows[1::2])


def test_a_chip_is_its_seed_and_number(circuit):
    design = _design(circuit)
    first = sample_chip(3, 4, design)
    for _ in range(2):
        sample_chip(3, 9, design)  # others drawn in between do not matter
    again = sample_chip(3, 4, design)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.resistance, b.resistance)
        np.testing.assert_array_equal(a.delvto, b.delvto)
    with jax.enable_x64(True):
        double = sample_chip(3, 4, design)
    for a, b in zip(first, double, strict=True):
        np.testing.assert_array_equal(a.resistance, b.resistance)
        np.testing.assert_array_equal(a.delvto, b.delvto)
    # (seed, chip) is not (chip, seed), nor their sum.
    for other in (sample_chip(4, 3, design), sample_chip(2, 5, design)):
        assert (other[0].resistance != first[0].resistance).all()
        assert (other[0].delvto != first[0].delvto).all()


def test_layers_and_chips_are_independent(circuit):
    card = dataclasses.replace(
        NOISY, sigma_hrs=0.3, tail_share=0.0, rtn_traps_lrs=0.0, rtn_traps_hrs=0.0
    )
    design = design_network(_two_equal_layers(), card, circuit)
    median = np.where(design.layers[0].is_lrs, card.r_lrs, card.r_hrs)
    samples = [sample_chip(0, chip, design) for chip in range(20)]
    z = np.array(
        [[np.log(part.resistance / median) / 0.3 for part in s] for s in samples]
    )  # [chips, layers, rows, cols]
    # Both kinds of neurons have the 14 transistors of the gm cell.
    v = np.array([[np.asarray(part.delvto)[:, :14] for part in s] for s in samples])
    v /= v.std((0, 1, 2))
    for x in (z, v):
        x = x.reshape(20, 2, -1)
        n = x[:, 0].size  # 2560 cells, 2240 thresholds; four standard errors
        assert abs((x[:, 0] * x[:, 1]).mean()) < 4 / math.sqrt(n)
        assert abs((x[1:] * x[:-1]).mean()) < 4 / math.sqrt(2 * n)
        assert abs(x.mean()) < 4 / math.sqrt(2 * n)
        assert abs((x**2).mean() - 1) < 4 * math.sqrt(2 / (2 * n))
    # Cells and thresholds are drawn from keys of their own.
    a, b = z.reshape(40, -1)[:, :100], v.reshape(40, -1)[:, :100]
    assert abs((a * b).mean()) < 4 / math.sqrt(4000)


def test_rtn_moves_between_passes_and_only_trapped_cells(circuit):
    design = _design(circuit)
    bare = sample_chip(1, 2, design, rtn_pass=None)
    passes = [sample_chip(1, 2, design, rtn_pass=k) for k in range(6)]
    for k, base in enumerate(bare):
        change = np.array([p[k].resistance / base.resistance for p in passes])
        assert change.min() == 1.0
        # A trap's size is frozen: with one trap a cell knows two levels.
        levels = np.array([len(np.unique(c)) for c in change.reshape(6, -1).T])
        assert (levels == 1).any()
        assert (levels == 2).any()
        assert (change[0] != change[1]).any()
        np.testing.assert_array_equal(passes[5][k].delvto, base.delvto)


def test_without_mismatch_only_the_thresholds_change(circuit):
    design = _design(circuit)
    plain = sample_chip(1, 2, design, mismatch=False)
    for part, other in zip(plain, sample_chip(1, 2, design), strict=True):
        assert part.delvto.shape == other.delvto.shape
        assert (np.asarray(part.delvto) == 0).all()
        assert (np.asarray(other.delvto) != 0).all()
        np.testing.assert_array_equal(part.resistance, other.resistance)


def test_a_layer_by_number_is_the_chips(circuit):
    design = _design(circuit)
    layer = sample_layer(
        chip_key(6, 1), design.layers[1], 1, NOISY.params(), design.card
    )
    np.testing.assert_array_equal(
        layer.resistance, sample_chip(6, 1, design, rtn_pass=None)[1].resistance
    )


def test_telegraph_noise_is_that_of_the_state_a_cell_is_really_in():
    # Stuck cells have the number and the size of traps of the other state.
    device = dataclasses.replace(
        load_card("hfo2-nominal"),
        sigma_lrs=0.0,
        sigma_hrs=0.0,
        stuck_hrs=0.5,
        rtn_sigma=0.0,
        rtn_traps_lrs=2.0,
        rtn_traps_hrs=2.0,
    ).params()
    is_lrs = jnp.ones((200, 50), bool)
    key = chip_key(1, 2)
    stuck = draw_stuck(key, is_lrs.shape)
    sample = LayerSample(
        is_lrs=is_lrs,
        stuck=stuck,
        resistance=sample_resistance(key, is_lrs, device, stuck),
        delvto=jnp.zeros((1, 1)),
        trim_pulses=jnp.zeros((), jnp.int32),
        verified=jnp.zeros((), jnp.int32),
        verify_pulses=jnp.zeros((), jnp.int32),
    )
    change = np.asarray(rtn_factor(key, 0, sample, device, 0)) - 1
    in_hrs = np.asarray(sample.resistance) > 20e3
    assert in_hrs.mean() == pytest.approx(0.5, abs=0.03)
    for part, size in ((change[~in_hrs], 0.006), (change[in_hrs], 0.1)):
        full = part / size
        np.testing.assert_allclose(full, np.round(full), atol=1e-3)
        assert full.max() > 1
