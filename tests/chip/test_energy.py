"""Energy of images on a chip: sums over layers, waiting, slopes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.energy import column_tiles, image_time, network_energy
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.circuit.energy import array_energy, row_admittance
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance
from rram_jax.neuron.energy import neuron_energy
from rram_jax.neuron.law import OperatingPoint, operating_point
from rram_jax.neuron.technology import TECHNOLOGY
from tests.neuron.energies import fitted_laws


@pytest.fixture(scope="module")
def design(circuit):
    """A random 5-4-3 network with a bias pair, two columns an output."""
    rng = np.random.default_rng(1)
    config = NetworkConfig(sizes=(5, 4, 3), columns_per_output=2, n_bias=1)
    layers = tuple(
        Layer(weights=rng.choice([-1, 1], s), columns_per_output=c, z_full=1.5)
        for s, c in zip(config.weight_shapes, config.columns, strict=True)
    )
    network = HardwareNetwork(config=config, layers=layers, logit_scale=1.0)
    return design_network(network, load_card("hfo2-nominal"), circuit)


@pytest.fixture(scope="module")
def admittances(design):
    return [
        row_admittance(
            mean_conductance(layer.is_lrs, design.device.params()),
            layer.tile,
            layer.layer.columns_per_output,
        )
        for layer in design.layers
    ]


CODES = [
    jnp.array([[0.0, 3.0, 15.0, 0.0, 1.0], [0.0] * 5]),
    jnp.array([[2.0, 0.0, 0.0, 9.0], [0.0] * 4]),
]


def test_sums_by_hand(design, admittances):
    laws = fitted_laws()
    first, last = network_energy(design, laws, admittances, CODES)
    assert [column_tiles(layer) for layer in design.layers] == [1, 2]
    gate = laws.driver.gate.at(design.layers[0].neuron.r_driver)
    # Two hidden codes above 0, each before two column tiles; none in the dark image.
    np.testing.assert_allclose(first.neurons.gate, [4 * gate, 0], rtol=1e-5)
    assert not np.asarray(last.neurons.gate).any()
    buffer = laws.driver.buffer.at(design.layers[0].neuron.r_driver)
    # Three inputs and the bias pair; in the dark image, and behind it, the bias pair.
    np.testing.assert_allclose(first.buffers, [4 * buffer, buffer], rtol=1e-5)
    np.testing.assert_allclose(last.buffers, [2 * buffer] * 2, rtol=1e-5)
    one = neuron_energy(
        laws,
        operating_point(design.layers[0].neuron),
        design.layers[0].neuron,
        jnp.ones(()),
    )
    # A code above 0 adds 0.2 % to a ramp.
    np.testing.assert_allclose(first.neurons.ramp, 4 * one.ramp, rtol=3e-3)
    plain = array_energy(
        jnp.array([0.0, 3.0, 15.0, 0.0, 1.0, 15.0]),
        admittances[0],
        design.circuit.v_read,
        design.layers[0].neuron.t_slot,
        v_dd=TECHNOLOGY.v_dd,
    )
    edge = laws.driver.edge_regulated.at(design.layers[0].neuron.r_driver)
    regulated = float(plain.regulated) + 4 * edge
    assert float(first.array.regulated[0]) == pytest.approx(regulated, rel=1e-5)
    more = first.total(regulated=True) - first.total(regulated=False)
    np.testing.assert_allclose(
        more, first.array.regulated - first.array.reference, rtol=1e-4
    )


def test_the_shorter_layer_waits(design, admittances):
    points = [operating_point(layer.neuron) for layer in design.layers]
    period = float(image_time(design.layers, points))
    own = [layer.neuron.t_conversion for layer in design.layers]
    way = 3 * 16 * 5e-9 + design.layers[-1].neuron.t_delay
    assert period == pytest.approx(max(*own, way), rel=1e-6)
    energies = network_energy(design, fitted_laws(), admittances, CODES)
    for layer, time in zip(energies, own, strict=True):
        waits = np.asarray(layer.waiting)
        if period > time * (1 + 1e-6):
            assert (waits > 0).all()
        else:
            assert np.abs(waits).max() < 1e-17


@pytest.mark.slow
def test_slopes_by_bias_current_and_slot(design, admittances):
    with jax.enable_x64(True):
        base = [
            OperatingPoint(
                **{
                    f.name: jnp.asarray(getattr(layer.neuron, f.name), jnp.float64)
                    for f in dataclasses.fields(OperatingPoint)
                }
            )
            for layer in design.layers
        ]
        wide = [jnp.asarray(np.asarray(y), jnp.float64) for y in admittances]
        codes = [jnp.asarray(np.asarray(x), jnp.float64) for x in CODES]

        def total(change):
            points = [
                dataclasses.replace(
                    p, i_bias=p.i_bias * change[0], t_slot=p.t_slot * change[1]
                )
                for p in base
            ]
            layers = network_energy(design, fitted_laws(), wide, codes, points=points)
            return 1e12 * sum(x.total(regulated=True).mean() for x in layers)

        at = jnp.array([1.1, 0.9])
        slopes = jax.grad(total)(at)
        for k in range(2):
            step = jnp.zeros(2).at[k].set(1e-6)
            wanted = float(total(at + step) - total(at - step)) / 2e-6
            assert float(slopes[k]) == pytest.approx(wanted, rel=1e-5)
