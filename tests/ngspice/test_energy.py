"""Energy laws and array energies against ngspice, where no fit has seen it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.energy import network_energy
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.chip.program import sample_chip
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.energy import exact_row_admittance, shared_levels
from rram_jax.device.card import load_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.energy import KindEnergy, bias_energy, neuron_energy
from rram_jax.neuron.energy_fit import PULSE
from rram_jax.neuron.law import operating_point
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.decode import read_answers
from rram_jax.ngspice.energy import (
    measure_drivers,
    measure_energy,
    plateau_currents,
)
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.runner import run_deck
from tests.neuron.energies import fitted_laws

BLOCKS = [f.name for f in dataclasses.fields(KindEnergy) if f.name != "bias"]

HIDDEN = NeuronConfig(v_full=6e-3, i_bias=40e-6, t_slot=3e-9, swing=0.4)
OUTPUT = NeuronConfig(
    v_full=15e-3,
    v_shift=5e-3,
    i_bias=9e-6,
    t_slot=3.5e-9,
    swing=0.3,
    asynchronous=True,
    clocks_per_slot=4,
)


@pytest.mark.ngspice
@pytest.mark.parametrize("config", [HIDDEN, OUTPUT], ids=["hidden", "output"])
def test_a_neuron_that_no_fit_has_seen(config):
    measured, laws = measure_energy(config), fitted_laws()
    for code in (0.0, 1.0):
        point = operating_point(config)
        said = neuron_energy(laws, point, config, jnp.asarray(code))
        found = {
            name: measured[name] + code * measured[name + PULSE] for name in BLOCKS
        }
        total = sum(found.values())
        assert float(said.total - said.gate) == pytest.approx(total, rel=0.02)
        for name, value in found.items():
            if value > 0.03 * total:
                assert float(getattr(said, name)) == pytest.approx(value, rel=0.05), (
                    name
                )
    bias = float(bias_energy(laws, operating_point(config), config))
    assert bias == pytest.approx(measured["bias"], rel=0.01)


@pytest.mark.ngspice
def test_row_drivers_that_no_fit_has_seen():
    config = dataclasses.replace(HIDDEN, r_driver=28.0)
    driver = fitted_laws().driver
    for name, value in measure_drivers(config, 3).items():
        assert getattr(driver, name).at(28.0) == pytest.approx(value, rel=0.05), name


@pytest.mark.slow
@pytest.mark.ngspice
def test_a_whole_network():
    """12-6-3 with bias rows, two images in a row; the second has a whole period."""
    rng = np.random.default_rng(0)
    config = NetworkConfig(sizes=(12, 6, 3), columns_per_output=2, n_bias=1)
    layers = tuple(
        Layer(
            weights=rng.choice([-1, 1], shape),
            columns_per_output=c,
            z_full=2.4,
            z_shift=shift,
        )
        for shape, c, shift in zip(
            config.weight_shapes, config.columns, (0.0, 0.7), strict=True
        )
    )
    network = HardwareNetwork(config=config, layers=layers, logit_scale=1.0)
    circuit = CircuitConfig(tile=TileConfig(rows=8, cols=4))
    design = design_network(network, load_card("hfo2-nominal"), circuit)
    # A deck closes the auto-zero's loop before every image.
    layers = tuple(
        dataclasses.replace(
            layer, neuron=dataclasses.replace(layer.neuron, conversions_per_zero=1)
        )
        for layer in design.layers
    )
    design = dataclasses.replace(design, layers=layers)
    chip = sample_chip(0, 0, design, mismatch=False)
    deck = network_deck(design, chip, "multiport", conversions=2)
    images = np.random.default_rng(3).integers(0, 16, (2, 12))
    text = deck.images(images.tolist()).replace(f".include {BODY_NAME}", deck.body)
    run = run_deck(text, t_stop=deck.t_stop)
    answers = read_answers(deck.plan, run.data)
    with jax.enable_x64(True):
        admittances = [
            jnp.asarray(
                exact_row_admittance(
                    np.asarray(sample.resistance, np.float64),
                    layer.tile,
                    layer.layer.columns_per_output,
                )
            )
            for layer, sample in zip(design.layers, chip, strict=True)
        ]
        hidden = np.array([answer.codes[0] for answer in answers], float)
        codes = [jnp.asarray(images, float), jnp.asarray(hidden)]
        energies = network_energy(design, fitted_laws(), admittances, codes)
        levels = shared_levels([layer.array for layer in energies])

        def neurons(*names):
            return sum(getattr(x.neurons, n)[1] for x in energies for n in names)

        said = {
            "cell": neurons("integrator", "auto_zero", "reset", "ramp", "comparator")
            + sum(layer.waiting[1] for layer in energies),
            "gate": neurons("gate"),
            "bias": sum(layer.bias[1] for layer in energies),
            "driver": sum(layer.buffers[1] for layer in energies),
            "array": levels.reference[1],
            "regulated": levels.regulated[1],
        }
    # The first answer lacks an auto-zero; latches and waiting neurons share a supply.
    found = dict(answers[1].energy_j, regulated=answers[1].regulator_j)
    found["cell"] = found["gm"] + found["pre"] + found["latch"]
    for name, value in said.items():
        assert float(value) == pytest.approx(found[name], rel=0.05), name
    currents = plateau_currents(deck.plan, run.data)
    peaks = {"vp": levels.peak_pos, "vm": levels.peak_neg, "cm": levels.peak_rest}
    for name, peak in peaks.items():
        assert np.asarray(peak).max() == pytest.approx(currents[name], rel=0.01), name
