"""Train a network for a device card of your own and see what chips of it do.

    python -m experiments.train_for_my_card my_card.toml --network mlp-144-64-10

A card is a TOML file (`rram-jax device fit` makes one of measurements); a preset's name
does too. The network is hardened against the card's own spread of LRS, sees wires, and
is then put on a circuit of ideal wires and neurons, of wires, and of all that there is.
Accuracy is that on validation images: choose by it, and end with `--test`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

import rram_jax as rj
from rram_jax.chip.config import CIRCUITS, parse_sizes


@dataclass(frozen=True, kw_only=True)
class TrainForMyCard:
    """Train for a card, then count over chips."""

    card: Positional[str]
    """Path of a device card (TOML), or a preset's name."""

    network: str = "mlp-144-32-10"
    """Inputs, hidden neurons, outputs."""

    data: str = "mnist5k"
    """Data set; the packaged one by default."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    epochs: int = 40
    """[-] Passes over the training images."""

    circuits: tuple[str, ...] = CIRCUITS
    """Those that chips are counted in."""

    chips: int = 20
    """[-] Sampled chips."""

    seed: int = 0
    """Of training and chips."""

    test: bool = False
    """Count on the test images: once, at the end."""


def main(run: TrainForMyCard) -> None:
    """Train, count, print."""
    card, sizes = rj.load_card(run.card), parse_sizes(run.network)
    dataset = rj.load_dataset(run.data, run.data_dir)
    config = rj.TrainConfig(
        network=rj.NetworkConfig(sizes=sizes),
        device=run.card,
        sigma_lrs=card.sigma_lrs,
        epochs=run.epochs,
        seed=run.seed,
    )
    network = rj.train(config, dataset)
    part = "test" if run.test else "validation"
    codes = rj.input_codes(getattr(dataset, f"{part}_images"), sizes[0])
    labels = getattr(dataset, f"{part}_labels")
    title = f"{network.config.name} on {card.name}: % of {len(codes)} {part} images"
    table = Table("circuit", "mean", "ci95", "sd", "p01", "worst", title=title)
    for circuit in run.circuits:
        design = rj.design_network(network, card, wires=circuit != "ideal")
        chips = {"circuit": circuit, "chips": run.chips, "seed": run.seed}
        found = rj.evaluate(design, codes, labels, **chips)
        interval = " to ".join(f"{100 * end:.2f}" for end in found.ci95)
        mean, *rest = (
            f"{100 * x:.2f}" for x in (found.mean, found.sd, found.p01, found.worst)
        )
        table.add_row(circuit, mean, interval, *rest)
    Console().print(table)


if __name__ == "__main__":
    try:
        main(tyro.cli(TrainForMyCard, prog="python -m experiments.train_for_my_card"))
    except rj.InputError as error:
        sys.exit(f"train_for_my_card: {error}")
