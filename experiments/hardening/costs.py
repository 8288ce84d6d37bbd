"""What a method costs: training, cells, programming pulses, energy."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from experiments.hardening.methods import Method
from experiments.hardening.settings import BENCH, Hardening, evaluate_command
from rram_jax.errors import InputError
from rram_jax.run_folder import read_metrics, write_json

SIGMA_LRS = 0.3
"""[-] Spread of the chips that costs are counted on."""

CHIPS = 4
"""[-] So many of them."""

IMAGES = 200
"""[-] Images that energy is the mean of."""

COLUMNS = ("seconds", "cells", "verified", "pulses", "pulses_a_cell")
COLUMNS += ("energy_reference_j", "energy_regulated_j")
"""What `measure_costs` writes: seconds of training; cells; cells that selective
write-verify has chosen; programmings of a chip, by write-verify of all cells, of chosen
ones and by trimming included, reads not counted; energy of an image with the arrays'
energy at their reference levels, or drawn through linear regulators."""


def read_costs(path: Path) -> dict[str, Any]:
    """What `measure_costs` wrote."""
    return json.loads(path.read_text())


def measure_costs(config: Hardening, method: Method, seed: int) -> None:
    """Write the costs of one method, unless they are there."""
    path = config.costs_file(method.name, seed)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    trained = read_metrics(config.network_folder(method.training, seed))
    found = {"seconds": trained["seconds"], "cells": trained["n_cells"]}
    write_json(path, found | _chip_costs(config, method, seed))


def _chip_costs(config: Hardening, method: Method, seed: int) -> dict[str, Any]:
    import jax
    import numpy as np

    from rram_jax.chip.design import design_network, programmed_card
    from rram_jax.chip.program import program_chip
    from rram_jax.chip.sample import chip_key
    from rram_jax.commands.network import calibration_codes
    from rram_jax.data import input_codes, load_dataset
    from rram_jax.device.card import load_card
    from rram_jax.qnn.checkpoint import load_checkpoint

    command = evaluate_command(config, method, seed, BENCH)
    network = load_checkpoint(command.checkpoint).network
    dataset = load_dataset(config.data, config.data_dir)
    card = dataclasses.replace(load_card(BENCH), sigma_lrs=SIGMA_LRS)
    card = programmed_card(card, method.programming)
    design = design_network(
        network,
        card,
        command.design,
        programming=method.programming,
        calibration=calibration_codes(network.config, dataset),
    )
    images = dataset.held_out(config.part)[0][:IMAGES]
    codes = input_codes(images, network.config.sizes[0])

    @jax.jit
    def chip_of(key):
        return program_chip(key, design, card.params(), "map", rtn_pass=None)

    chips = [chip_of(chip_key(0, k)) for k in range(CHIPS)]

    def mean(name):
        return float(np.mean([sum(int(getattr(s, name)) for s in c) for c in chips]))

    blind = _first_writes(design, card)
    pulses = blind + mean("verify_pulses") + mean("trim_pulses")
    try:
        energy = _energy(design, chips[0], codes)
    except InputError:  # the neuron card does not reach this network's full scales
        energy = {"energy_reference_j": None, "energy_regulated_j": None}
    return {
        "verified": mean("verified"),
        "pulses": pulses,
        "pulses_a_cell": pulses / network.n_cells,
        **energy,
    }


def _first_writes(design, card) -> float:
    """Programmings of a chip's cells until all are written, once or by write-verify."""
    import jax
    import numpy as np

    from rram_jax.device.variability import sample_verified

    params, writes = card.params(), 0.0
    for k, layer in enumerate(design.layers):
        if params.band is None:
            writes += layer.is_lrs.size
        else:
            drawn = sample_verified(jax.random.key(k), layer.is_lrs, params)[1]
            writes += float(np.asarray(drawn, np.float64).sum())
    return writes


def _energy(design, samples, codes) -> dict[str, float]:
    """[J] Mean of an image on one chip."""
    import jax.numpy as jnp

    from rram_jax.chip.energy import network_energy
    from rram_jax.chip.program import chip_layers
    from rram_jax.chip.surrogate import network_model, positions, with_constants
    from rram_jax.circuit.energy import row_admittance
    from rram_jax.neuron.model import to_counts

    admittances = [
        row_admittance(
            1 / jnp.asarray(sample.resistance),
            layer.tile,
            layer.layer.columns_per_output,
        )
        for sample, layer in zip(samples, design.layers, strict=True)
    ]
    chip = chip_layers(samples, design, network_model(design, "map"))
    given = [jnp.asarray(codes, jnp.float32)]
    for part, layer in zip(chip[:-1], design.layers, strict=False):
        driven = with_constants(given[-1], design.network.config.constant_codes)
        position = positions(
            driven, part.transfer, design.circuit.v_read, part.params, linear=True
        )
        given.append(jnp.asarray(to_counts(position, layer.neuron), jnp.float32))
    layers = network_energy(design, design.card.energy, admittances, given)
    return {
        f"energy_{name}_j": float(
            sum(e.total(regulated=regulated).mean() for e in layers)
        )
        for name, regulated in (("reference", False), ("regulated", True))
    }
