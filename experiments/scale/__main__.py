"""Chips of one checkpoint, counted by several processes on one or several hosts.

    python -m experiments.scale CHECKPOINT --chips 1000 --json numbers.json

Every process takes each N-th chip and spreads its share over the devices that it has;
the counts are gathered in all of them, and process 0 prints and writes. A chip is made
by its number and counted whole on one device, so the numbers are those of one process.
Without `--processes` it is one process; under SLURM `--cluster` asks it for the rest.
"""

import dataclasses
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro
from rich.console import Console
from tyro.conf import Positional, arg

from rram_jax.chip.config import CircuitConfig, check_seed
from rram_jax.chip.design import design_network
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.statistics import summarise
from rram_jax.commands.evaluate import choose_data
from rram_jax.commands.network import check_fit
from rram_jax.data import input_codes, load_dataset
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.parallel import count_devices, gather_shares, share_of_process
from rram_jax.qnn.checkpoint import load_checkpoint
from rram_jax.run_folder import check_writable, write_json


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Accuracy over sampled chips, by several processes."""

    checkpoint: Positional[Path]
    """Folder of a finished `rram-jax train` run, or one of checkpoints/."""

    data: str | None = None
    """Data set; by default what the checkpoint was trained on."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    device: str = "bench-r10"
    """Preset or path of the device card."""

    sigma_lrs: float | None = None
    """[-] Spread of ln R_LRS; by default the card's own."""

    chips: int = 1000
    """[-] Chips in all."""

    first: int = 0
    """[-] Number of the first one: a long run can be cut into several."""

    images: int | None = None
    """[-] Take the first so many test images; by default all."""

    seed: int = 0
    """[-] Makes the chips: those of `rram-jax evaluate`."""

    circuit: str = "map"
    """ideal, map or full."""

    design: Annotated[CircuitConfig, arg(name="")] = dataclasses.field(
        default_factory=CircuitConfig
    )
    """The circuit around the cells."""

    coordinator: str | None = None
    """HOST:PORT at which process 0 listens; every process gets the same."""

    processes: int = 1
    """[-] Processes."""

    process: int = 0
    """[-] Number of this one, from 0 on."""

    cluster: bool = False
    """Let jax ask the scheduler (SLURM, Open MPI) for coordinator and numbers."""

    json: Path | None = None
    """File for the numbers, each chip's included; process 0 writes it."""

    def __post_init__(self):
        check_seed(self.seed)
        if min(self.chips, self.images or 1, self.first + 1) < 1 or self.images == 0:
            raise InputError(
                "It takes --chips and --images of 1 or more and --first of 0 or more;"
                f" got {self.chips}, {self.images or 'all'} and {self.first}."
            )
        if not 0 <= self.process < self.processes:
            raise InputError(
                f"--process counts from 0 to {self.processes - 1}, one less than"
                f" --processes; got {self.process}."
            )
        if (self.processes > 1) == (self.coordinator is None) or (
            self.cluster and self.processes > 1
        ):
            raise InputError(
                "Several processes need --coordinator HOST:PORT, --processes and"
                " --process, or --cluster alone; one process needs none of them."
            )


def join(settings: Scale) -> None:
    """Meet the other processes; before jax does anything else."""
    if settings.cluster:
        jax.distributed.initialize()
    elif settings.processes > 1:
        jax.distributed.initialize(
            settings.coordinator,
            num_processes=settings.processes,
            process_id=settings.process,
        )


def count_right(settings: Scale) -> tuple[np.ndarray, int]:
    """Right answers of every chip (chips,), and the number of images."""
    checkpoint = load_checkpoint(settings.checkpoint)
    network = checkpoint.network
    dataset = load_dataset(choose_data(checkpoint, settings.data), settings.data_dir)
    check_fit(network.config, dataset)
    card = load_card(settings.device)
    if settings.sigma_lrs is not None:
        card = dataclasses.replace(card, sigma_lrs=settings.sigma_lrs)
    wires = settings.circuit != "ideal"
    design = design_network(network, card, settings.design, wires=wires)
    codes = input_codes(dataset.test_images, network.config.sizes[0])
    codes, labels = codes[: settings.images], dataset.test_labels[: settings.images]
    evaluator = ChipEvaluator(design, codes, labels, settings.circuit)
    chips = range(settings.first, settings.first + settings.chips)
    share = share_of_process(chips, jax.process_index(), jax.process_count())
    right = evaluator(settings.seed, share, card.params(), settings.design.v_read).right
    return gather_shares(right, settings.chips), evaluator.n_images


def main():
    """Count, gather, print, and write where asked."""
    settings = tyro.cli(Scale)
    if settings.json:
        check_writable(settings.json)
    join(settings)
    begun = time.perf_counter()
    right, n_images = count_right(settings)
    seconds = time.perf_counter() - begun
    if jax.process_index() == 0:
        accuracy = right / n_images
        numbers = {
            "checkpoint": str(settings.checkpoint),
            "circuit": settings.circuit,
            "seed": settings.seed,
            "first": settings.first,
            "n_images": n_images,
            "n_chips": settings.chips,
            "processes": jax.process_count(),
            "devices": count_devices(jax.devices()),
            "seconds": seconds,  # compilation included
            **dataclasses.asdict(summarise(accuracy)),
            "right": right.tolist(),
        }
        shown = {name: value for name, value in numbers.items() if name != "right"}
        Console().print_json(json.dumps(shown))
        if settings.json:
            write_json(settings.json, numbers)
    if jax.process_count() > 1:
        jax.distributed.shutdown()  # waits for the others


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"scale: {error}")
