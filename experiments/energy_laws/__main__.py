"""How well energy laws hold at operating points that their fit did not see.

    python -m experiments.energy_laws --out energy

Draws neurons of both kinds at random, measures each in ngspice, fits the laws of all
but the last `held_out` and prints their errors there, by block. `energy.toml` in the
folder `out` is the section `energy` of a neuron card, `points.json` what was measured.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import tomli_w
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.energy import (
    EnergyLaws,
    KindEnergy,
    bias_energy,
    neuron_energy,
)
from rram_jax.neuron.energy_fit import PULSE, fit_energy
from rram_jax.neuron.law import operating_point
from rram_jax.ngspice.energy import measure_drivers, measure_energy
from rram_jax.ngspice.farm import run_jobs

R_DRIVERS = {"fitted": (12.0, 16.0, 24.0, 40.0), "held out": (20.0, 32.0)}
"""[Ohm] Row drivers that are measured."""

NEURON = [
    field.name for field in dataclasses.fields(KindEnergy) if field.name != "bias"
]
"""Blocks of one neuron."""


@dataclass(frozen=True, kw_only=True)
class EnergyLawsFit:
    """Fit energy laws and judge them where they were not fitted."""

    out: Path
    """Folder of the results, made if need be."""

    points: int = 20
    """[-] Neurons of each kind."""

    held_out: int = 6
    """[-] Those of them that the fit does not see."""

    seed: int = 7
    """Of the operating points."""

    workers: int | None = None
    """[-] Processes; one for each core if left out."""


def draw(rng: np.random.Generator, kind: str) -> NeuronConfig:
    """A neuron that can be built: log-uniform over the range of networks."""
    output = kind == "output"
    while True:
        i_bias, t_slot, v_full = (
            float(math.exp(rng.uniform(math.log(low), math.log(high))))
            for low, high in ((5e-6, 60e-6), (1.5e-9, 12e-9), (3e-3, 30e-3))
        )
        try:
            return NeuronConfig(
                v_full=v_full,
                i_bias=i_bias,
                t_slot=t_slot,
                swing=float(rng.uniform(0.2, 0.5)),
                v_shift=0.3 * v_full if output else 0.0,
                asynchronous=output,
                clocks_per_slot=3 if output else 1,
            )
        except InputError:
            continue  # its C_int would be too small


def errors(
    laws: EnergyLaws, config: NeuronConfig, row: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """(error [-], share of the neuron [-]) by block; the larger error of two codes."""
    point, worst = operating_point(config), {}
    for code in (0.0, 1.0):
        said = neuron_energy(laws, point, config, jnp.asarray(code))
        pairs = {
            name: (float(getattr(said, name)), row[name] + code * row[f"{name}{PULSE}"])
            for name in NEURON
        }
        total = sum(found for _, found in pairs.values())
        pairs["neuron"] = (sum(x for x, _ in pairs.values()), total)
        pairs["bias (a layer)"] = (float(bias_energy(laws, point, config)), row["bias"])
        for name, (x, found) in pairs.items():
            new = (x / found - 1, found / total)
            worst[name] = max(worst.get(name, (0.0, 0.0)), new, key=lambda y: abs(y[0]))
    return worst


def main(run: EnergyLawsFit) -> None:
    """Measure, fit, judge, write."""
    console = Console()
    run.out.mkdir(parents=True, exist_ok=True)
    rngs = {
        kind: np.random.default_rng([run.seed, k])
        for k, kind in enumerate(("hidden", "output"))
    }
    points = {
        kind: [draw(rng, kind) for _ in range(run.points)] for kind, rng in rngs.items()
    }
    jobs = [(kind, k) for kind in points for k in range(run.points)]
    measured: dict[str, list] = {kind: [None] * run.points for kind in points}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Neurons", total=len(jobs))

        def keep(index: int, row: dict[str, float]) -> None:
            kind, k = jobs[index]
            measured[kind][k] = row
            progress.advance(task)

        configs = [points[kind][k] for kind, k in jobs]
        run_jobs(measure_energy, configs, workers=run.workers, on_done=keep)
    drivers = {
        part: [
            (r, measure_drivers(NeuronConfig(v_full=8e-3, r_driver=r), 2)) for r in rs
        ]
        for part, rs in R_DRIVERS.items()
    }
    n = run.points - run.held_out
    laws = fit_energy(
        {kind: some[:n] for kind, some in points.items()},
        {kind: some[:n] for kind, some in measured.items()},
        drivers["fitted"],
    )
    for kind, some in points.items():
        rows = [
            errors(laws, config, row)
            for config, row in zip(some[n:], measured[kind][n:], strict=True)
        ]
        table = Table(title=f"{kind}: {len(rows)} points held out")
        for column in ("block", "largest error", "rms", "share of the neuron"):
            table.add_column(column)
        for name in rows[0]:
            error, share = np.array([row[name] for row in rows]).T
            table.add_row(
                name,
                f"{100 * np.abs(error).max():.2f} %",
                f"{100 * np.sqrt((error**2).mean()):.2f} %",
                f"{100 * share.min():.1f} to {100 * share.max():.1f} %",
            )
        console.print(table)
    for r, found in drivers["held out"]:
        told = {
            name: f"{100 * (getattr(laws.driver, name).at(r) / value - 1):+.2f} %"
            for name, value in found.items()
        }
        console.print(f"drivers of {r:g} Ohm, held out: {told}")
    kept = {
        kind: [
            {"neuron": dataclasses.asdict(config), "energy": row}
            for config, row in zip(some, measured[kind], strict=True)
        ]
        for kind, some in points.items()
    }
    (run.out / "points.json").write_text(json.dumps(kept, indent=1))
    section = {"energy": dataclasses.asdict(laws)}
    (run.out / "energy.toml").write_text(tomli_w.dumps(_listed(section)))


def _listed(tree):
    """Tuples as lists, six digits, and what is a default left out."""
    if isinstance(tree, dict):
        short = {key: _listed(value) for key, value in tree.items()}
        exponents = ("i_bias", "t_slot", "v_full", "c_total", "overlap")
        return {
            k: v for k, v in short.items() if v != [] and (v != 0 or k not in exponents)
        }
    if isinstance(tree, tuple):
        return [_listed(value) for value in tree]
    return float(f"{tree:.6g}") if isinstance(tree, float) else tree


if __name__ == "__main__":
    main(tyro.cli(EnergyLawsFit))
