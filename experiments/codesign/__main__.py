"""Co-design by gradient: weights, RESET, read, slot, bias and full scales together.

    python -m experiments.codesign --out runs/codesign

For each price of energy (lambda) a network is trained anew from a checkpoint, with its
device and circuit, so that the expected loss over chips plus lambda times the energy
per inference falls; beside that the knobs alone, with the checkpoint's weights, and the
weights alone, at the usual knobs. Finished cases are kept in the folder, and a run that
was stopped goes on. Ends with `front.csv`, `front.png`, `front.svg`, and a network a
case, which `rram_jax.load` reads.
"""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from experiments.codesign.chips import ChipLoss
from experiments.codesign.circuit import Bench, design_at, device_at, point_at
from experiments.codesign.figure import front_figure
from experiments.codesign.knobs import NAMES, Knobs, as_float, on_boundary, swing_of
from experiments.codesign.objective import Price, blocks_of, hardware_of
from experiments.codesign.train import Schedule, trainer
from rram_jax.chip.energy import image_time
from rram_jax.chip.evaluate import summarise
from rram_jax.data import Dataset, input_codes, load_dataset
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.config import SLOTS
from rram_jax.qnn.checkpoint import load_checkpoint, save_network
from rram_jax.qnn.model import Mlp
from rram_jax.run_folder import RunFolder, open_run, write_json, write_table

SHOWN = {
    "trained": (None, "trained"),
    "lambda_per_nj": (1.0, "per nJ"),
    "energy_j": (1e9, "nJ"),
    "accuracy_mean": (100.0, "%"),
    "loss_chips": (1.0, "nat"),
    "v_reset": (1.0, "RESET V"),
    "v_read": (1e3, "read mV"),
    "t_slot": (1e9, "ns"),
    "i_bias": (1e6, "uA"),
    "v_full_0": (1e3, "full mV"),
}
"""Columns of the printed table: factor and heading."""


@dataclass(frozen=True, kw_only=True)
class CoDesign:
    """Accuracy against energy, by gradient; a few minutes of one core."""

    checkpoint: Path = Path("checkpoints/mlp-144-32-10-mnist5k-hardened")
    """Network to start from."""

    data: str | None = None
    """Data set; by default what the checkpoint was trained on."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    device: str = "hfo2-nominal"
    """Preset or path of a device card that names a filament card."""

    sigma_lrs: float | None = 0.3
    """[-] Spread of ln R_LRS; None for the card's own."""

    lambdas: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
    """[nat/nJ] Prices of energy."""

    hold: tuple[str, ...] = ()
    """Knobs that stay as cards and circuit have them, of v_reset, v_read, t_slot,
    i_bias and v_full."""

    v_read: tuple[float, float] = (0.05, 0.3)
    """[V] Box of the read voltage; those of the other knobs are their cards'."""

    regulated: bool = False
    """Count the array as drawn from V_DD through linear regulators."""

    inferences: float = 1e6
    """[-] Between two programmings, which share the RESET pulses' energy."""

    epochs: int = 30
    """[-] Passes over the training images."""

    batch: int = 100
    """[-] Images a step."""

    rate_weights: float = 2e-3
    """[-] Learning rate of the weights."""

    rate_knobs: float = 0.03
    """[-] Learning rate of the knobs' free numbers."""

    energy_images: int = 8
    """[-] Of a batch, whose energy is counted."""

    chips: int = 50
    """[-] For the accuracy and loss of each case."""

    seed: int = 0
    """Of training and chips."""

    out: Path = Path("runs/codesign")
    """Folder of the results."""


def main(config: CoDesign) -> None:
    """Train what is missing, then table and figure."""
    console = Console()
    checkpoint = load_checkpoint(config.checkpoint)
    if checkpoint.network.config.trim:
        raise InputError("Trim pairs are chosen chip by chip: take another checkpoint.")
    unknown = set(config.hold) - set(NAMES)
    if unknown or min(config.lambdas, default=-1) < 0 or config.chips < 2:
        raise InputError(
            f"The knobs are {', '.join(NAMES)}, lambdas 0 or more, chips 2 or more;"
            f" got {config.hold}, {config.lambdas} and {config.chips}."
        )
    dataset = load_dataset(config.data or checkpoint.config["data"], config.data_dir)
    card = load_card(config.device)
    if config.sigma_lrs is not None:
        card = dataclasses.replace(card, sigma_lrs=config.sigma_lrs)
    bench = Bench(network=checkpoint.network, device=card, v_read=config.v_read)
    settings = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    hidden = ("out", "data_dir", "checkpoint")
    asked = {k: v for k, v in settings.items() if k not in hidden} | {
        "network": dataclasses.asdict(checkpoint.network.config),
        "data": dataset.name,
        "network_sha256": checkpoint.network.sha256,
        "device_card": dataclasses.asdict(card),
        "neuron_card_sha256": bench.card.sha256,
        "data_sha256": dataset.sha256,
    }
    cases = [("nothing", 0.0), ("weights", 0.0)]
    cases += [(what, x) for what in ("knobs", "both") for x in config.lambdas]
    with open_run(config.out, "codesign", asked) as run:
        if run.state == "finished":
            rows = run.metrics(rows=list)["rows"]
        else:
            rows = _rows(cases, bench, dataset, config, run, console)
            write_table(
                run.path / "front.csv", list(rows[0]), (r.values() for r in rows)
            )
            front_figure(rows, run.path / "front", asked["network"]["sizes"])
            run.finish({"rows": rows})
    table = Table(title=f"Co-design on {dataset.name}, validation images")
    for _, heading in SHOWN.values():
        table.add_column(heading)
    for row in rows:
        table.add_row(
            *(
                row[name] if factor is None else f"{factor * row[name]:.3g}"
                for name, (factor, _) in SHOWN.items()
            )
        )
    console.print(table)
    for row in rows:
        told = f"{row['trained']}, {row['lambda_per_nj']:g} nat/nJ"
        console.print(f"On the box's boundary, {told}: {row['boundary']}.")
    console.print(f"Results: {config.out} (front.csv, front.png, front.svg).")


def _rows(cases, bench, dataset, config: CoDesign, run: RunFolder, console):
    price = Price(
        regulated=config.regulated,
        inferences=config.inferences,
        images=config.energy_images,
    )
    names = {field.name for field in dataclasses.fields(Schedule)}
    chosen = {k: v for k, v in vars(config).items() if k in names}
    train, chip_loss, rows = None, None, []
    for k, (what, price_per_nj) in enumerate(cases):
        file = run.path / f"case_{k:02d}.json"
        if file.exists():
            rows.append(json.loads(file.read_text()))
            continue
        console.print(f"{what}, lambda = {price_per_nj:g} nat/nJ ...")
        if train is None:
            train = trainer(bench, dataset, Schedule(**chosen), price)
        move_weights = what in ("weights", "both")
        held = config.hold if what in ("knobs", "both") else NAMES
        model, knobs, told = train(1e9 * price_per_nj, move_weights, held)
        codes = input_codes(
            dataset.validation_images, bench.network.config.sizes[0]
        ).astype(np.float32)
        design = design_at(bench, knobs, hardware_of(bench, model, knobs))
        if chip_loss is None:
            labels = dataset.validation_labels
            chip_loss = ChipLoss(design, codes, labels, config.seed)
        row = {"trained": what, "lambda_per_nj": price_per_nj}
        row |= _measured(bench, model, knobs, codes, chip_loss(design, config.chips))
        blocks = blocks_of(bench, model, knobs, jnp.asarray(codes[:100]), price)
        energies = {f"{name}_j": as_float(x) for name, x in blocks.items()}
        row |= {"energy_j": sum(energies.values())} | energies
        last = {"loss_training": told[-1, 0], "energy_training_j": told[-1, 1]}
        row |= {name: as_float(x) for name, x in last.items()}
        _keep_network(run.path / f"case_{k:02d}", design, dataset)
        write_json(file, row)
        rows.append(row)
    return rows


def _measured(bench: Bench, model: Mlp, knobs: Knobs, codes, found) -> dict[str, Any]:
    """Knobs, what follows from them, and what chips do on the validation images."""
    loss, accuracy = found
    over = summarise(accuracy)
    device, pulse = device_at(bench, knobs)
    layers = bench.nominal.layers
    points = [point_at(bench, knobs, k) for k in range(len(layers))]
    row: dict[str, Any] = {
        name: as_float(getattr(knobs, name)) for name in NAMES if name != "v_full"
    }
    network = hardware_of(bench, model, knobs)
    for k, layer in enumerate(network.layers):
        noise = bench.card.params(layers[k].neuron, points[k]).noise_rms
        row |= {
            f"v_full_{k}": as_float(knobs.v_full[k]),
            f"z_full_{k}": layer.z_full,
            f"swing_{k}": as_float(swing_of(knobs, k, bench.card)),
            f"noise_lsb_{k}": as_float(SLOTS * noise / knobs.v_full[k]),
        }
    return row | {
        "boundary": on_boundary(knobs, bench.box),
        "r_hrs": as_float(device.r_hrs),
        "sigma_hrs": as_float(device.sigma_hrs),
        "reset_pulse_j": as_float(pulse),
        "image_time_s": as_float(image_time(layers, points)),
        "n_images": len(codes),
        "n_chips": len(accuracy),
        "loss_chips": as_float(loss.mean()),
        "loss_chips_se": as_float(loss.std(ddof=1) / np.sqrt(len(loss))),
        "accuracy_mean": over.mean,
        "accuracy_low": over.ci95[0],
        "accuracy_high": over.ci95[1],
        "accuracy_sd": over.sd,
        "accuracy_worst": over.worst,
    }


def _keep_network(folder: Path, design, dataset: Dataset) -> None:
    """A checkpoint of the case; written anew where a killed run left a part."""
    folder.mkdir(exist_ok=True)
    if not (folder / "network").is_dir():
        save_network(folder, design.network)
    shape = dataclasses.asdict(design.network.config)
    write_json(folder / "config.json", {"network": shape, "data": dataset.name})


if __name__ == "__main__":
    try:
        main(tyro.cli(CoDesign, prog="python -m experiments.codesign"))
    except InputError as error:
        sys.exit(f"codesign: {error}")
