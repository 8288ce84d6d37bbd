"""What corners and temperatures of the neurons do to a network's accuracy.

    python -m experiments.neuron_environment --environments CARD/environments.csv \
        --checkpoint checkpoints/mlp-144-64-10-hardened

Takes gain and offset of one neuron at every corner and temperature, as `rram-jax neuron
characterise` measured them in ngspice, puts them on the card's laws while the ramps
stay set for the typical process at room temperature, and evaluates the same chips at
each: spread of the cells, wires, mismatch and noise of the neurons included.
"""

import csv
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import rram_jax as rj
from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.errors import InputError
from rram_jax.neuron.card import KindLaws
from rram_jax.neuron.config import SLOTS
from rram_jax.neuron.law import Term


@dataclass(frozen=True, kw_only=True)
class Environments:
    """Accuracy over corners and temperatures."""

    environments: Path
    """`environments.csv` of a `neuron characterise` folder, the typical one first."""

    checkpoint: Path = Path("checkpoints/mlp-144-64-10-hardened")
    """Network."""

    data_dir: Path | None = None
    """Folder of data sets."""

    device: str = "bench-r10"
    """Card of the cells."""

    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS."""

    chips: int = 10
    """[-] The same ones at every place."""

    images: int | None = None
    """[-] The first so many test images; all if left out."""

    seed: int = 0
    """Of the chips."""


def moved(laws: KindLaws, here: dict[str, float], usual: dict[str, float]) -> KindLaws:
    """A kind whose crossings have the gain and offset of another environment."""
    ratio = here["gain"] / usual["gain"]
    # The table's offset is that of half scale.
    half = SLOTS / 2 * (here["gain"] - usual["gain"])
    shift = here["offset"] - usual["offset"] - half
    gain = tuple(
        dataclasses.replace(t, coefficient=ratio * t.coefficient) for t in laws.gain
    )
    return dataclasses.replace(
        laws, gain=gain, offset=(*laws.offset, Term(coefficient=shift))
    )


def elsewhere(
    design: NetworkDesign, here: dict[str, float], usual: dict[str, float]
) -> NetworkDesign:
    """The same circuit, ramps set as before, with neurons of another environment."""
    kinds = {
        kind: moved(getattr(design.card, kind), here, usual)
        for kind in ("hidden", "output")
    }
    return dataclasses.replace(design, card=dataclasses.replace(design.card, **kinds))


def main(run: Environments) -> None:
    """Evaluate the same chips at every row of the table."""
    with run.environments.open() as file:
        rows = list(csv.DictReader(file))
    places = [(r["corner"], float(r["temperature"])) for r in rows]
    numbers = [{k: float(r[k]) for k in ("gain", "offset")} for r in rows]
    device = dataclasses.replace(rj.load_card(run.device), sigma_lrs=run.sigma_lrs)
    trained = rj.load(run.checkpoint, device=device, data_dir=run.data_dir)
    codes, labels = (part[: run.images] for part in trained.test)
    evaluator = ChipEvaluator(trained.design, codes, labels, "full")
    table = Table(
        title=f"{run.checkpoint.name}, {len(labels)} test images, sigma"
        f" {run.sigma_lrs:g}, {run.chips} chips, circuit full"
    )
    for heading in ("corner", "deg C", "gain", "offset [LSB]", "accuracy", "change"):
        table.add_column(heading)
    typical = None
    for (corner, temperature), here in zip(places, numbers, strict=True):
        design = elsewhere(trained.design, here, numbers[0])
        right = evaluator(
            run.seed, range(run.chips), device.params(), 0.2, design=design
        ).right
        accuracy = np.asarray(right) / len(labels)
        typical = accuracy if typical is None else typical
        table.add_row(
            corner,
            f"{temperature:g}",
            f"{here['gain']:.4f}",
            f"{here['offset']:+.3f}",
            f"{100 * accuracy.mean():.2f} %",
            f"{100 * (accuracy - typical).mean():+.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    try:
        main(tyro.cli(Environments, prog="python -m experiments.neuron_environment"))
    except (InputError, OSError) as error:
        sys.exit(f"neuron_environment: {error}")
