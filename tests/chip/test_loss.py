import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.loss import expected_loss
from rram_jax.chip.program import surrogate_chip
from rram_jax.chip.sample import chip_key
from rram_jax.chip.surrogate import logits, run_network
from rram_jax.device.card import load_card
from tests.helpers import random_network

CONFIG = NetworkConfig(sizes=(6, 5, 3), columns_per_output=2)
DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.3)


def _problem(circuit):
    design = design_network(random_network(1, CONFIG), DEVICE, circuit)
    rng = np.random.default_rng(2)
    codes = jnp.asarray(rng.integers(0, 16, (20, 6)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, 3, 20), jnp.int32)
    keys = jnp.stack([chip_key(0, chip) for chip in range(4)])
    return design, codes, labels, keys


def test_logits_by_hand(circuit):
    design, *_ = _problem(circuit)
    # z = 15ths of z_full less z_shift, times the training's scale of 1.5.
    found = logits(jnp.asarray([0.0, 15.0, 3.75]), design)
    by_hand = 1.5 * np.array([-1.25, 4.0 - 1.25, 1.0 - 1.25])
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


@pytest.mark.parametrize("name", ["map", "full"])
def test_mean_over_chips_and_images_by_numpy(circuit, name):
    design, codes, labels, keys = _problem(circuit)
    v_read = jnp.asarray(0.2)
    found = expected_loss(DEVICE.params(), v_read, keys, codes, labels, design, name)
    losses = []
    for key in keys:
        # Perfect neurons: the full circuit's noise is none.
        chip = surrogate_chip(key, design, DEVICE.params(), name)
        position = np.asarray(run_network(chip, codes, design, 0.2, name), float)
        x = 1.5 * (position * 4.0 / 15 - 1.25)
        share = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        losses.append(-np.log(share[np.arange(20), np.asarray(labels)]).mean())
    assert np.ptp(losses) > 1e-3
    np.testing.assert_allclose(found, np.mean(losses), rtol=1e-5)


def test_gradient_is_finite_and_that_of_the_same_chips(circuit):
    design, codes, labels, keys = _problem(circuit)

    @jax.jit
    def loss_and_slope(sigma, v_read):
        def of(sigma, v_read):
            device = dataclasses.replace(DEVICE.params(), sigma_lrs=sigma)
            return expected_loss(device, v_read, keys, codes, labels, design)

        return jax.value_and_grad(of, (0, 1))(sigma, v_read)

    point = jnp.asarray(0.3), jnp.asarray(0.2)
    value, slopes = loss_and_slope(*point)
    assert all(bool(jnp.isfinite(slope)) and slope != 0 for slope in slopes)
    again, same = loss_and_slope(*point)
    assert (again, same) == (value, slopes)
