"""How far the attenuation map is from the exact solve, beside one ratio a cell.

    python -m experiments.benchmarks.attenuation --json attenuation.json

For each layer shape: random binary weights on default tiles, LRS and HRS of bench-r10
at the given spread, random images with the activity of real ones. The error is the rms
over sampled arrays, images and outputs, as a share of the neuron's full scale.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from rram_jax.circuit.attenuation import attenuation_map, mapped_transfer
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.pair import cells_of, signed_transfer
from rram_jax.circuit.tile import layer_transfer, wireless_transfer
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance, sample_resistance

# inputs, columns, columns an output, full scale in weights (trained networks' values)
LAYERS = (
    (144, 64, 1, 10.0),
    (64, 40, 4, 20.0),
    (400, 256, 1, 20.0),
    (256, 40, 4, 40.0),
)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Error of the attenuation map."""

    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS."""

    arrays: int = 5
    """[-] Sampled arrays a layer."""

    images: int = 1000
    """[-] Random images."""

    seed: int = 0
    """[-] Makes weights, arrays and images."""

    json: Path | None = None
    """File for the rows."""


def measure(settings: Benchmark, n_inputs: int, cols: int, c: int, z_full: float):
    """One row: rms error over full scale of the map, and of one ratio a cell."""
    rng = np.random.default_rng(settings.seed)
    card = dataclasses.replace(load_card("bench-r10"), sigma_lrs=settings.sigma_lrs)
    device, tile = card.params(), TileConfig()
    weights = jnp.asarray(rng.choice([-1, 1], (n_inputs, cols)))
    is_lrs = cells_of(weights)
    nominal = mean_conductance(is_lrs, device)
    swapped = mean_conductance(cells_of(-weights), device)
    two = attenuation_map(nominal, swapped, tile, c)
    ratio = layer_transfer(nominal, tile, c) / wireless_transfer(nominal, c)
    ratio = jnp.asarray(np.asarray(ratio), jnp.float32)
    active = rng.random((settings.images, n_inputs)) < 0.3
    x = (rng.random(active.shape) * active).astype(np.float32)
    signed = signed_transfer(two.slope * wireless_transfer(nominal, c) + two.offset)
    gain = (
        float(jnp.abs(signed).mean())
        if c == 1
        else float(
            jnp.vdot(signed, weights.reshape(n_inputs, -1, c).sum(-1))
            / jnp.square(weights.reshape(n_inputs, -1, c).sum(-1)).sum()
        )
    )
    errors = {"map": [], "ratio": []}
    for k in range(settings.arrays):
        key = jax.random.fold_in(jax.random.key(settings.seed), k)
        g = 1 / sample_resistance(key, is_lrs, device)
        exact = jnp.asarray(np.asarray(layer_transfer(g, tile, c)), jnp.float32)
        for name, approximate in (
            ("map", mapped_transfer(g, two, c)),
            ("ratio", wireless_transfer(g, c) * ratio),
        ):
            difference = x @ signed_transfer(approximate - exact)
            errors[name].append(float(jnp.square(difference).mean()))
    return {
        "inputs": n_inputs,
        "columns": cols,
        "columns_per_output": c,
        "z_full": z_full,
        **{
            f"rms_{n}": float(np.sqrt(np.mean(e)) / (gain * z_full))
            for n, e in errors.items()
        },
    }


def main():
    """Print the table, and write it where asked."""
    settings = tyro.cli(Benchmark)
    rows = [measure(settings, *layer) for layer in LAYERS]
    table = Table("layer", "columns an output", "map", "one ratio a cell")
    for row in rows:
        table.add_row(
            f"{row['inputs']} x {row['columns']}",
            str(row["columns_per_output"]),
            f"{100 * row['rms_map']:.2f} %",
            f"{100 * row['rms_ratio']:.2f} %",
        )
    Console().print(table)
    if settings.json:
        settings.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
