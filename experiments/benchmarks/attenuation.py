"""How far the attenuation map is from the exact solve.

    python -m experiments.benchmarks.attenuation --json attenuation.json --figure att

Layers of the reference checkpoints (and two of random weights) on default tiles, cells
of bench-r10, random images with the activity of real ones. The error is the rms over
sampled arrays, images and outputs, as a share of the neuron's full scale. From one
layer (hidden, of mlp-144-64-10-hardened; wires of 0.5 Ohm, sigma of LRS 0.3, the very
weights of the map) one thing at a time is changed: the layer, all wires, the spread,
and the share of weights flipped since the map was made (at one half it was made for an
array that has nothing to do with this one). Beside the map: its closed form, which
needs no solve, one ratio a cell (exact over wireless transfer at the nominal array), no
wires.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.ticker import NullLocator
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rram_jax.circuit.attenuation import (
    AttenuationMap,
    attenuation_map,
    closed_form_map,
    mapped_transfer,
)
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.pair import cells_of, signed_transfer
from rram_jax.circuit.tile import layer_transfer, wireless_transfer
from rram_jax.device.card import load_card
from rram_jax.device.variability import mean_conductance, sample_resistance
from rram_jax.qnn.checkpoint import load_checkpoint
from rram_jax.report.figure import new_panels, save_figure, style_axes

METHODS = {
    "map": "attenuation map",
    "closed": "its closed form",
    "ratio": "one ratio a cell",
    "wireless": "no wires",
}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Weights (inputs, columns), columns an output, full scale in weights."""

    weights: np.ndarray
    columns_per_output: int
    z_full: float


CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
TRAINED = {"144": "mlp-144-64-10-hardened", "400": "mlp-400-256-10-hardened"}
USUAL = "144 hidden"


def make_layers(seed: int) -> dict[str, Layer]:
    """Trained layers by inputs of the network, and random ones."""
    layers = {}
    for name, checkpoint in TRAINED.items():
        network = load_checkpoint(CHECKPOINTS / checkpoint).network
        for kind, layer in zip(("hidden", "output"), network.layers, strict=True):
            layers[f"{name} {kind}"] = Layer(
                weights=np.asarray(layer.weights),
                columns_per_output=layer.columns_per_output,
                z_full=layer.z_full,
            )
    rng = np.random.default_rng(seed)
    for inputs, cols, z_full in ((144, 64, 10.0), (784, 256, 20.0)):
        layers[f"{inputs} random"] = Layer(
            weights=rng.choice([-1, 1], (inputs, cols)),
            columns_per_output=1,
            z_full=z_full,
        )
    return layers


WIRES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SPREADS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FLIPPED = (0.0, 0.01, 0.03, 0.1, 0.3, 0.5)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One point of a curve."""

    sweep: str
    layer: str = USUAL
    r_wire: float = 0.5
    """[Ohm] Of every wire segment and strap."""
    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS."""
    flipped: float = 0.0
    """[-] Share of the weights that differ from the map's."""


def cases(layers: dict[str, Layer]) -> Iterator[Case]:
    """The points of all four curves."""
    yield from (Case(sweep="layer", layer=x) for x in layers)
    yield from (Case(sweep="r_wire", r_wire=x) for x in WIRES)
    yield from (Case(sweep="sigma_lrs", sigma_lrs=x) for x in SPREADS)
    yield from (Case(sweep="flipped", flipped=x) for x in FLIPPED)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Error of the attenuation map over layer, wires, spread and staleness."""

    arrays: int = 5
    """[-] Sampled arrays a point."""

    images: int = 1000
    """[-] Random images."""

    seed: int = 0
    """[-] Makes random weights, arrays and images."""

    json: Path | None = None
    """File for the rows."""

    figure: Path | None = None
    """Figure with the four curves (.svg and .png)."""


def measure(settings: Benchmark, layer: Layer, case: Case) -> dict:
    """Rms error over full scale of every method at one point."""
    weights, c = layer.weights, layer.columns_per_output
    rng = np.random.default_rng(settings.seed)
    card = dataclasses.replace(load_card("bench-r10"), sigma_lrs=case.sigma_lrs)
    device = card.params()
    wires = {name: case.r_wire for name in ("r_wire_sl", "r_wire_bl", "r_strap")}
    tile = TileConfig(**wires)
    active = rng.random((settings.images, len(weights))) < 0.3
    x = (rng.random(active.shape) * active).astype(np.float32)
    later = np.where(rng.random(weights.shape) < case.flipped, -weights, weights)

    nominal = mean_conductance(cells_of(jnp.asarray(weights)), device)
    exact = jnp.asarray(layer_transfer(nominal, tile, c), jnp.float32)
    ratio = AttenuationMap(
        slope=exact / wireless_transfer(nominal, c),
        offset=jnp.zeros(exact.shape),
        r_row=jnp.zeros((len(exact), 1)),
    )
    none = dataclasses.replace(ratio, slope=jnp.ones(exact.shape))
    maps = {
        "map": attenuation_map(nominal, tile, c),
        "closed": closed_form_map(nominal, tile, c),
        "ratio": ratio,
        "wireless": none,
    }
    sums = weights.reshape(len(weights), -1, c).sum(-1)
    gain = float(jnp.vdot(signed_transfer(exact), sums) / np.square(sums).sum())
    is_lrs = cells_of(jnp.asarray(later))
    squares = {name: [] for name in maps}
    for k in range(settings.arrays):
        key = jax.random.fold_in(jax.random.key(settings.seed), k)
        g = 1 / sample_resistance(key, is_lrs, device)
        exact = jnp.asarray(layer_transfer(g, tile, c), jnp.float32)
        for name, held in maps.items():
            difference = x @ signed_transfer(mapped_transfer(g, held) - exact)
            squares[name].append(float(jnp.square(difference).mean()))
    full_scale = gain * layer.z_full
    errors = {n: float(np.sqrt(np.mean(s)) / full_scale) for n, s in squares.items()}
    return {**dataclasses.asdict(case), "error": errors}


def print_table(rows: list[dict]):
    """The four curves as one table."""
    title = "Error of the attenuation map, rms, in % of full scale"
    table = Table("changed", "to", *METHODS.values(), title=title)
    for row in rows:
        percent = [f"{100 * row['error'][name]:.3f} %" for name in METHODS]
        table.add_row(row["sweep"], str(row[row["sweep"]]), *percent)
    Console().print(table)


def draw(rows: list[dict], path: Path) -> tuple[Path, Path]:
    """The four curves in one figure; its PNG and SVG file."""
    figure, panels = new_panels("Error of the attenuation map", 2, 2)
    labels = {
        "layer": "layer",
        "r_wire": "wire segment [Ohm]",
        "sigma_lrs": "spread of ln R_LRS",
        "flipped": "share of weights flipped since the map was made",
    }
    for axes, (sweep, label) in zip(panels, labels.items(), strict=True):
        own = [row for row in rows if row["sweep"] == sweep]
        for name, words in METHODS.items():
            values = [100 * row["error"][name] for row in own]
            line = "" if sweep == "layer" else "-"
            places = [row[sweep] for row in own]
            axes.plot(places, values, marker="o", linestyle=line, label=words)
        axes.set_yscale("log")
        if sweep == "r_wire":
            axes.set_xscale("log")
            axes.set_xticks(WIRES, [f"{r:g}" for r in WIRES], minor=False)
            axes.xaxis.set_minor_locator(NullLocator())
        style_axes(axes, label, "rms error [% of full scale]")
        if sweep == "layer":
            axes.margins(x=0.1)
            axes.tick_params(axis="x", labelsize="x-small", rotation=15)
    panels[1].legend(fontsize="x-small")
    return save_figure(figure, path)


def main():
    """Print the table; write rows and figure where asked."""
    settings = tyro.cli(Benchmark)
    layers = make_layers(settings.seed)
    points = track(list(cases(layers)), "Points", console=Console(stderr=True))
    rows = [measure(settings, layers[case.layer], case) for case in points]
    print_table(rows)
    if settings.json:
        settings.json.write_text(json.dumps(rows, indent=1))
    if settings.figure:
        png, svg = draw(rows, settings.figure)
        print(f"Figure: {png} and {svg}.")
    if settings.json:
        print(f"JSON: {settings.json}.")


if __name__ == "__main__":
    main()
