"""The front of the analog neuron: energy and speed against noise, spread and truth.

    python -m experiments.power_throughput --out front

Hidden neurons at every bias current and slot are measured in ngspice (crossings and
codes of staircases that no fit saw, noise, sensitivities to thresholds, energy by
block) and told by the neuron card's laws beside it. Finished points are kept in the
folder, and a run that was stopped goes on. Ends with `front.csv`, `front.png` and
`front.svg`.
"""

import dataclasses
import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from experiments.power_throughput.figure import front_figure
from experiments.power_throughput.point import FrontPoint, compare, measure_front
from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.ngspice.farm import run_jobs
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.run_folder import RunFolder, open_run, write_json, write_table

SHOWN = {
    "i_bias": (1e6, "uA"),
    "t_slot": (1e9, "ns"),
    "conversions_per_second": (1e-6, "M/s"),
    "ngspice_energy_j": (1e12, "pJ"),
    "model_energy_j": (1e12, "model"),
    "ngspice_noise_lsb": (1.0, "noise"),
    "ngspice_offset_sd_lsb": (1.0, "offset sd"),
    "ngspice_gain_sd": (100.0, "gain sd %"),
    "model_residual_max_lsb": (1.0, "off the model"),
    "model_codes_equal": (100.0, "equal %"),
}
"""Columns of the printed table: factor and heading."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """Bias current times slot: 36 points in about half an hour of one core."""

    out: Path = Path("front")
    """Folder of the results."""

    i_bias: tuple[float, ...] = (5e-6, 8e-6, 12.5e-6, 20e-6, 30e-6, 40e-6)
    """[A] Bias currents."""

    t_slot: tuple[float, ...] = (1e-9, 2e-9, 3e-9, 5e-9, 7e-9, 10e-9)
    """[s] Slots."""

    v_full: float = 8e-3
    """[V] Full scale."""

    neuron_card: str = "gmc-130nm"
    """Laws: a preset or a file."""

    seed: int = 1
    """Of the staircases; the card's own were drawn with 0."""

    workers: int | None = None
    """[-] Simulations at a time; one a core if left out."""


def main(front: Front) -> None:
    """Measure what is missing, then table and figure."""
    console = Console()
    card = load_neuron_card(front.neuron_card)
    told = card.conditions
    plan = CharacterisePlan(
        seed=front.seed,
        cmos=told.cmos,
        corner=told.corner,
        temperature=told.temperature,
    )
    points = [
        FrontPoint(i_bias=i, t_slot=t, v_full=front.v_full)
        for i in front.i_bias
        for t in front.t_slot
    ]
    settings = dataclasses.asdict(front)
    asked = {k: v for k, v in settings.items() if k not in ("out", "workers")}
    asked |= {"card_sha256": card.sha256, "ngspice": ngspice_info().version}
    with open_run(front.out, "power_throughput", asked) as run:
        refused = _measure(points, plan, front, run)
        rows = []
        for k, point in enumerate(points):
            if not _path(run, k).exists():
                continue
            found = json.loads(_path(run, k).read_text())
            if "refused" in found:
                refused.append(found["refused"])
            else:
                rows.append(compare(plan, point, found, card))
        if not rows:
            raise InputError("None of these neurons gives codes: " + " ".join(refused))
        write_table(run.path / "front.csv", list(rows[0]), (r.values() for r in rows))
        front_figure(rows, run.path / "front")
        if run.state != "finished":
            run.finish({"points": len(rows), "refused": refused})
    table = Table(title=f"Front at {1e3 * front.v_full:g} mV, card {card.name}")
    for _, heading in SHOWN.values():
        table.add_column(heading)
    for row in rows:
        cells = [f"{factor * row[name]:.3g}" for name, (factor, _) in SHOWN.items()]
        table.add_row(*(cell if cell != "nan" else "-" for cell in cells))
    console.print(table)
    for sentence in refused:
        console.print(f"Not built: {sentence}")
    console.print(f"Results: {front.out} (front.csv, front.png, front.svg).")


def _path(run: RunFolder, k: int) -> Path:
    return run.path / f"point_{k:02d}.json"


def _measure(
    points: list[FrontPoint], plan: CharacterisePlan, front: Front, run: RunFolder
) -> list[str]:
    """Measure the missing points; returns why others cannot be built."""
    missing, refused = [], []
    for k, point in enumerate(points):
        try:
            point.config()
        except InputError as error:
            refused.append(str(error))
            continue
        if not _path(run, k).exists():
            missing.append(k)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Points", total=len(missing))

        def keep(index: int, found: dict[str, Any]) -> None:
            write_json(_path(run, missing[index]), found)
            progress.advance(task)

        run_jobs(
            partial(measure_front, plan),
            [points[k] for k in missing],
            workers=front.workers,
            on_done=keep,
        )
    return refused


if __name__ == "__main__":
    try:
        main(tyro.cli(Front, prog="python -m experiments.power_throughput"))
    except InputError as error:
        sys.exit(f"power_throughput: {error}")
