"""What `export` and `verify` share: which circuit, which images, which chips."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from rram_jax.chip.design import design_network
from rram_jax.commands.config import ExportCommand, VerifyCommand
from rram_jax.commands.evaluate import choose_data
from rram_jax.commands.network import calibration_codes, check_fit
from rram_jax.commands.terminal import say
from rram_jax.data import input_codes, load_dataset
from rram_jax.device.card import load_card
from rram_jax.device.reset import at_reset
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process, load_cmos_card
from rram_jax.ngspice.cmos import models_sha256
from rram_jax.ngspice.own_netlist import load_netlist
from rram_jax.ngspice.process import check_measured
from rram_jax.ngspice.trials import Trials
from rram_jax.qnn.checkpoint import load_checkpoint


@dataclass(frozen=True, kw_only=True)
class DeckRequest:
    """Everything that a set of decks depends on."""

    name: str
    dataset: str
    trials: Trials
    asked: dict[str, Any]
    """For the run folder's config.json."""


def read_request(config: ExportCommand) -> DeckRequest:
    """Load what a command names.

    Raises:
        InputError: Checkpoint, data and settings do not fit each other.
    """
    checkpoint = load_checkpoint(config.checkpoint)
    network = checkpoint.network
    dataset = load_dataset(choose_data(checkpoint, config.data), config.data_dir)
    check_fit(network.config, dataset)
    if config.images > len(dataset.test_labels):
        raise InputError(
            f"{dataset.name} has {len(dataset.test_labels)} test images;"
            f" {config.images} were asked for."
        )
    device = at_reset(load_card(config.device), config.v_reset, config.t_reset)
    if config.sigma_lrs is not None:
        device = dataclasses.replace(device, sigma_lrs=config.sigma_lrs)
    design = design_network(
        network,
        device,
        config.design,
        programming=config.programming,
        calibration=calibration_codes(network.config, dataset),
    )
    device = design.device
    process = Process(
        card=load_cmos_card(config.cmos),
        corner=config.corner,
        temperature=config.temperature,
        netlist=load_netlist(config.neuron_netlist) if config.neuron_netlist else None,
    )
    at_rest = isinstance(config, VerifyCommand) and config.tier == "static"
    if not at_rest:
        check_measured(design.card, process)
    if process.netlist and not design.card.conditions.netlist:
        say(
            f"Neuron card {design.card.name} was measured with our circuits: codes of"
            f" the surrogate differ by what {process.netlist.name} changes."
        )
    asked = dataclasses.asdict(config) | {
        "data": dataset.name,
        "network_sha256": network.sha256,
        "data_sha256": dataset.sha256,
        "device_card": dataclasses.asdict(device),
        "neurons": [dataclasses.asdict(layer.neuron) for layer in design.layers],
        "neuron_card_sha256": design.card.sha256,
        "transistors_sha256": models_sha256(process),
        "netlist_sha256": process.netlist and process.netlist.sha256,
    }
    # What the decks do not depend on; the network's digest stands for its folder.
    elsewhere = "checkpoint data_dir json out workers timeout_s retry dask".split()
    asked = {key: value for key, value in asked.items() if key not in elsewhere}
    return DeckRequest(
        name=network.config.name,
        dataset=dataset.name,
        trials=Trials(
            design=design,
            codes=input_codes(dataset.test_images, network.config.sizes[0]),
            labels=dataset.test_labels,
            images=choose_images(config, len(dataset.test_labels)),
            chips=range(config.chips),
            seed=config.seed,
            mismatch=config.mismatch,
            array=config.array,
            process=process,
        ),
        asked=asked,
    )


def choose_images(config: ExportCommand, total: int) -> tuple[int, ...]:
    """The first of `total` images, or some that the seed draws: prefixes of one order.

    Chips do not enter, so every network and chip of a seed has the same images.
    """
    if not config.draw:
        return tuple(range(config.images))
    order = np.random.default_rng(config.seed).permutation(total)
    return tuple(order[: config.images].tolist())
