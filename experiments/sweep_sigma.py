"""Conventional against hardened: accuracy over the spread of LRS, on the same chips.

    python -m experiments.sweep_sigma --out runs/sweep-sigma

Both networks are trained alike but for the spread that one of them sees. Chip n has the
same random numbers for both and at every spread, so their difference is taken chip by
chip. Ends with `sweep.csv` and a figure, on validation images of circuit `map`.
"""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

import rram_jax as rj
from rram_jax.chip.evaluate import ChipEvaluator, summarise
from rram_jax.report.figure import new_figure, save_figure
from rram_jax.run_folder import open_run, write_table


@dataclass(frozen=True, kw_only=True)
class SweepSigma:
    """Two networks over the spread of LRS."""

    train: rj.TrainConfig = field(default_factory=lambda: rj.TrainConfig(sigma_lrs=0.3))
    """The hardened training; the conventional one has sigma_lrs = 0."""

    sigma_lrs: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    """[-] Spreads of ln R_LRS."""

    chips: int = 50
    """[-] Sampled chips."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    out: Path = Path("runs/sweep-sigma")
    """Folder of the results."""


def main(sweep: SweepSigma) -> None:
    """Train both, count, write table and figure."""
    card = rj.load_card(sweep.train.device)
    data = rj.load_dataset(sweep.train.data, sweep.data_dir)
    codes = rj.input_codes(data.validation_images, sweep.train.network.sizes[0])
    asked = {k: v for k, v in dataclasses.asdict(sweep).items() if k[-3:] != "out"}
    asked |= {"data_dir": None, "device_card": dataclasses.asdict(card)}
    asked["train"]["teacher"] = str(sweep.train.teacher or "") or None
    right, rows = {}, []
    with open_run(sweep.out, "sweep_sigma", asked) as run:
        for kind, sigma in (("conventional", 0.0), ("hardened", sweep.train.sigma_lrs)):
            config = dataclasses.replace(sweep.train, sigma_lrs=sigma)
            network, evaluator = rj.train(config, data), None
            for s in sweep.sigma_lrs:
                device = dataclasses.replace(card, sigma_lrs=s)
                design = rj.design_network(network, device)  # its full scales follow s
                labels = data.validation_labels
                evaluator = evaluator or ChipEvaluator(design, codes, labels)
                chips, volts = range(sweep.chips), design.circuit.v_read
                found, _ = evaluator(0, chips, device.params(), volts, design=design)
                right[kind, s] = found / len(codes)
        for s in sweep.sigma_lrs:
            a, b = right["conventional", s], right["hardened", s]
            parts = [summarise(a), summarise(b)]
            half = summarise(0.5 + (b - a) / 2)  # of a difference, moved into 0..1
            low, high = (2 * x - 1 for x in half.ci95)
            rows.append([s, *(x for p in parts for x in (p.mean, *p.ci95)), low, high])
        ends = [f"{k}{e}" for k in ("conventional", "hardened") for e in ENDS]
        header = ["sigma_lrs", *ends, "difference_low", "difference_high"]
        if run.state != "finished":
            write_table(run.path / "sweep.csv", header, rows)
            _draw(rows, sweep)
            run.finish({"rows": rows})
    table = Table(*header, title=f"{sweep.chips} chips, {len(codes)} images")
    for row in rows:
        table.add_row(f"{row[0]:g}", *(f"{100 * x:.2f} %" for x in row[1:]))
    Console().print(table)


ENDS = ("", "_low", "_high")
"""Mean and its 95 % interval."""


def _draw(rows, sweep: SweepSigma) -> None:
    title = f"{sweep.train.network.name}, {sweep.chips} chips: mean, 95 % interval"
    figure, axes = new_figure(title, "spread of ln R_LRS", "accuracy [%]")
    for k, label in ((1, "conventional"), (4, "hardened")):
        x, y, low, high = ([100 * r[j] for r in rows] for j in (0, k, k + 1, k + 2))
        axes.plot([a / 100 for a in x], y, "o-", label=label)
        axes.fill_between([a / 100 for a in x], low, high, alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, sweep.out / "sweep")


if __name__ == "__main__":
    try:
        main(tyro.cli(SweepSigma, prog="python -m experiments.sweep_sigma"))
    except rj.InputError as error:
        sys.exit(f"sweep_sigma: {error}")
