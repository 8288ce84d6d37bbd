"""Conventional against hardened: accuracy over the spread of LRS, on the same chips.

    python -m experiments.sweep_sigma --out runs/sweep-sigma

Both networks are trained alike but for the spread that one of them sees. Chip n has the
same random numbers for both and at every spread, so their difference is taken chip by
chip. Ends with `sweep.csv` and a figure: validation images, circuit `map`.
"""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

import rram_jax as rj
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.chip.statistics import mean_interval
from rram_jax.report.figure import new_figure, save_figure
from rram_jax.run_folder import open_run, write_table

HEADER = ("sigma_lrs", "conventional", "hardened", "difference", "half_interval")


CONVENTIONAL = {
    "sigma_lrs": 0.0,
    "sigma_lrs_max": None,
    "spread": "noise",
    "draws": 1,
    "tail_weight": 0.0,
    "worst_distance": 0.0,
}
"""Without any spread; all else alike."""


@dataclass(frozen=True, kw_only=True)
class SweepSigma:
    """Two networks over the spread of LRS."""

    train: rj.TrainConfig = rj.TrainConfig(sigma_lrs=0.3)
    """The hardened training; the conventional one has sigma_lrs = 0."""

    sigma_lrs: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    """[-] Spreads of ln R_LRS."""

    chips: int = 50
    """[-] Sampled chips, two or more."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    out: Path = Path("runs/sweep-sigma")
    """Folder of the results."""


def main(sweep: SweepSigma) -> None:
    """Train both, count, write and print."""
    card = rj.load_card(sweep.train.device)
    data = rj.load_dataset(sweep.train.data, sweep.data_dir)
    asked = dataclasses.asdict(sweep) | {"device_card": dataclasses.asdict(card)}
    asked |= {"data_sha256": data.sha256}
    del asked["out"], asked["data_dir"]
    asked = json.loads(json.dumps(asked, default=str))  # a teacher is a path
    with open_run(sweep.out, "sweep_sigma", asked) as run:
        if run.state != "finished":
            conventional = dataclasses.replace(sweep.train, **CONVENTIONAL)
            a, b = (_right(c, sweep, card, data) for c in (conventional, sweep.train))
            middle = [a.mean(1), b.mean(1), (b - a).mean(1)]
            half = [np.ptp(mean_interval(x)) / 2 for x in b - a]
            rows = np.stack([sweep.sigma_lrs, *middle, half], 1).tolist()
            write_table(run.path / "sweep.csv", HEADER, rows)
            figure, axes = new_figure("mean of chips", "sd of ln R_LRS", "accuracy")
            for name, some in (("conventional", a), ("hardened", b)):
                ends = np.array([mean_interval(x) for x in some])
                axes.plot(sweep.sigma_lrs, some.mean(1), "o-", label=name)
                axes.fill_between(sweep.sigma_lrs, *ends.T, alpha=0.3)
            axes.legend(frameon=False)
            save_figure(figure, run.path / "sweep")
            run.finish({"rows": rows})
        table = Table(*HEADER, title=f"{sweep.chips} chips, 95 % interval")
        for row in run.metrics(rows=list)["rows"]:
            table.add_row(f"{row[0]:g}", *(f"{100 * x:.2f} %" for x in row[1:]))
    Console().print(table)


def _right(config, sweep, card, data) -> np.ndarray:
    """Accuracy (spreads, chips) of one training."""
    network, evaluator, found = rj.train(config, data), None, []
    codes = rj.input_codes(data.validation_images, config.network.sizes[0])
    for sigma in sweep.sigma_lrs:
        device = dataclasses.replace(card, sigma_lrs=sigma)
        design = rj.design_network(network, device, config.design)
        evaluator = evaluator or ChipEvaluator(design, codes, data.validation_labels)
        of_chips = device.params(), design.circuit.v_read
        right = evaluator(0, range(sweep.chips), *of_chips, design=design).right
        found.append(right / len(codes))
    return np.array(found)


if __name__ == "__main__":
    try:
        main(tyro.cli(SweepSigma, prog="python -m experiments.sweep_sigma"))
    except rj.InputError as error:
        sys.exit(f"sweep_sigma: {error}")
