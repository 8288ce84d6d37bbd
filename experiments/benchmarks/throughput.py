"""Images x chips a second, and memory, beside bare matrix products of the same sizes.

    python -m experiments.benchmarks.throughput --data-dir DIR --json throughput.json

Chips of the reference checkpoints are sampled and evaluated on test images, in circuit
`map` and in circuit `full`, and networks of their sizes are trained. Beside each stands
what no program of this kind can leave out: a jitted chain of float32 matrix products
with a clip between them, weights given, no cell drawn; for training an Adam step on
such a chain. Both answers are checked first, then both are timed in turns, so that
whatever else the machine does falls on both. Times are medians after a warm-up.

A subject is a function that returns a `Comparison`; `main` lists them.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.benchmarks.comparison import Comparison, check, figure, in_turns
from experiments.benchmarks.throughput_training import training
from rram_jax.chip.design import design_network
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.network import HardwareNetwork
from rram_jax.chip.program import sample_chip
from rram_jax.circuit.attenuation import mapped_transfer
from rram_jax.data import Dataset, input_codes, load_dataset
from rram_jax.device.card import load_card
from rram_jax.parallel import count_devices
from rram_jax.qnn.checkpoint import load_checkpoint

SPREAD = 0.3
"""[-] Of ln R_LRS, in evaluation and in hardened training."""

TRAININGS = ((0.0, "ideal"), (SPREAD, "ideal"), (SPREAD, "map"), (SPREAD, "full"))
"""Spread and circuit of the trainings that are timed."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Speed and memory of evaluation and training."""

    checkpoints: tuple[Path, ...] = (
        Path("checkpoints/mlp-144-64-10-hardened"),
        Path("checkpoints/mlp-400-256-10-hardened"),
    )
    """Networks to evaluate; those to train have their sizes."""

    data: str = "mnist"
    """Data set."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    parts: tuple[Literal["map", "full", "training"], ...] = ("map", "full", "training")
    """What is timed."""

    images: int = 10_000
    """[-] Test images in circuit map."""

    images_full: int = 1000
    """[-] Test images in circuit full, which takes 15 products a layer."""

    chips: int = 4
    """[-] Chips of one call."""

    train_images: int = 12_800
    """[-] Training images of an epoch."""

    batch: int = 128
    """[-] Images of a training step."""

    repeats: int = 5
    """[-] Timed calls of each side."""

    seed: int = 0
    """[-] Makes chips, weights and order."""

    json: Path | None = None
    """File for the numbers."""

    figure: Path | None = None
    """Figure, without a suffix (.png and .svg are written)."""


@jax.jit
def chain(weights, codes, labels):
    """Right answers (chips,) of float32 chains; `weights` a layer (chips, in, out)."""

    def of_chip(weights):
        x = codes.astype(jnp.float32)
        for layer in weights[:-1]:
            x = jnp.clip(x @ layer, 0, 15)
        return ((x @ weights[-1]).argmax(-1) == labels).sum()

    return jax.lax.map(of_chip, weights)


def chain_weights(rng, network: HardwareNetwork, chips: int) -> list[np.ndarray]:
    """Weights that are the network's and differ a little from chip to chip."""
    layers = []
    for layer, n_inputs in zip(network.layers, network.config.sizes[:-1], strict=True):
        shape = (len(layer.weights), -1, layer.columns_per_output)
        weights = layer.weights.reshape(shape).sum(-1)[:n_inputs] / layer.z_full
        spread = 1 + 0.1 * rng.standard_normal((chips, *weights.shape))
        layers.append((weights * spread).astype(np.float32))
    return layers


def right_by_numpy(design, seed: int, chip: int, codes, labels) -> int:
    """Right answers of one chip in circuit map, in float64, cell by cell."""
    x = codes.astype(float)
    constant = np.asarray(design.network.config.constant_codes, float)
    samples = sample_chip(seed, chip, design, rtn_pass=None)
    for layer, part in zip(design.layers, samples, strict=True):
        rows = np.asarray(
            mapped_transfer(1 / part.resistance, layer.attenuation), float
        )
        x = np.concatenate([x, np.broadcast_to(constant, (len(x), len(constant)))], 1)
        mean = design.circuit.v_read * x @ (rows[0::2] - rows[1::2]) / 15
        neuron = layer.neuron
        position = 15 * (mean + neuron.v_shift) / neuron.v_full
        scaled = (position - 0.5) * neuron.clocks_per_slot
        x = np.clip(np.ceil(scaled), 0, neuron.decisions)
    tie = (x == x.max(1, keepdims=True)).sum(1) > 1
    return int(((x.argmax(1) == labels) & ~tie).sum())


def evaluation(
    settings: Benchmark, network: HardwareNetwork, dataset: Dataset, circuit: str
) -> Comparison:
    """Chips sampled and evaluated, cells included."""
    card = dataclasses.replace(load_card("bench-r10"), sigma_lrs=SPREAD)
    design = design_network(network, card)
    n = settings.images if circuit == "map" else settings.images_full
    codes = input_codes(dataset.test_images[:n], network.config.sizes[0])
    labels = dataset.test_labels[:n]
    evaluator = ChipEvaluator(design, codes, labels, circuit)
    ours = partial(
        evaluator,
        settings.seed,
        range(settings.chips),
        card.params(),
        design.circuit.v_read,
    )
    rng = np.random.default_rng(settings.seed)
    given = chain_weights(rng, network, settings.chips)
    bare = partial(chain, *jax.device_put((given, codes, labels.astype(np.int32))))
    right = ours().right
    if circuit == "map":
        wanted = right_by_numpy(design, settings.seed, 0, codes, labels)
        # A crossing within float32's rounding of a step may count either way.
        off = abs(int(right[0]) - wanted)
        check(off <= 2 + n // 1000, f"chip 0 has {right[0]} right, NumPy {wanted}")
    check(right.min() > 0.8 * n, f"chips have only {right} of {n} right")
    x = codes.astype(np.float64)
    for layer in given[:-1]:
        x = np.clip(x @ layer[0], 0, 15)
    wanted = int(((x @ given[-1][0]).argmax(-1) == labels).sum())
    off = abs(int(bare()[0]) - wanted)
    check(off <= 2 + n // 1000, f"the bare chain is {off} off NumPy's")
    name = f"{network.config.name}, {circuit}"
    return in_turns(name, n * settings.chips, ours, bare, settings.repeats)


def compared(settings: Benchmark) -> Iterator[Comparison]:
    """Every subject that is asked for."""
    dataset = load_dataset(settings.data, settings.data_dir)
    few = dataclasses.replace(
        dataset,
        train_images=dataset.train_images[: settings.train_images],
        train_labels=dataset.train_labels[: settings.train_images],
    )
    for folder in settings.checkpoints:
        network = load_checkpoint(folder).network
        for circuit in ("map", "full"):
            if circuit in settings.parts:
                yield evaluation(settings, network, dataset, circuit)
        if "training" in settings.parts:
            for sigma_lrs, circuit in TRAININGS:
                yield training(
                    network,
                    few,
                    sigma_lrs=sigma_lrs,
                    circuit=circuit,
                    batch=settings.batch,
                    repeats=settings.repeats,
                    seed=settings.seed,
                )


def main():
    """Check, time, print, and write where asked."""
    settings = tyro.cli(Benchmark)
    comparisons = list(compared(settings))
    table = Table("", "a second", "bare", "ratio", "ratio, processor", "memory [MB]")
    for c in comparisons:
        memory = "-" if c.ours.peak is None else f"{c.ours.peak / 1e6:.0f}"
        rates = (f"{rate:.3g}" for rate in (c.ours.rate, c.bare.rate))
        ratios = (f"{ratio:.2f}" for ratio in (c.ratio, c.ratio_cpu))
        table.add_row(escape(c.name), *rates, *ratios, memory)
    console = Console()
    console.print(table)
    devices = count_devices()
    console.print(
        f"Devices: {', '.join(f'{n} {kind}' for kind, n in devices.items())};"
        f" {settings.repeats} repeats. Ratios: times as long as bare. Memory: the"
        " process at its peak, data included; in training both sides."
    )
    if settings.json:
        numbers = [
            dataclasses.asdict(c)
            | {"ratio": c.ratio, "ratio_cpu": c.ratio_cpu}
            | {"rate": c.ours.rate, "rate_bare": c.bare.rate}
            for c in comparisons
        ]
        text = json.dumps({"devices": devices, "comparisons": numbers}, indent=1)
        settings.json.write_text(text)
    if settings.figure:
        figure(comparisons, settings.figure)


if __name__ == "__main__":
    main()
