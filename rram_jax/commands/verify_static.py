"""`rram-jax verify --tier static`: bit lines at rest, beside the surrogate."""

from pathlib import Path
from typing import Any

from rram_jax.commands.terminal import say, show_table
from rram_jax.commands.tier import Tier
from rram_jax.ngspice.verify_static import StaticVerification, verify_static
from rram_jax.report.lines import LINES
from rram_jax.run_folder import read_metrics, write_table

SWEEPS = (
    "chip",
    "layer",
    "col_tile",
    "n_patterns",
    "n_outputs",
    "error_max",
    "error_rms",
    "seconds",
    "cpu_s",
    "solver",
    "deck_sha256",
    "retries",
)
"""Columns of results.csv, a row a deck; errors are shares of the full scale."""


def _write_tables(found: StaticVerification, folder: Path) -> None:
    sweeps, lines = [], []
    for part, row in zip(found.parts, found.rows, strict=True):
        errors, volts = part.errors(row), row["volts"]
        sweeps.append(
            (
                part.chip,
                part.layer,
                part.col_tile,
                *errors.shape,
                float(abs(errors).max()),
                float((errors**2).mean() ** 0.5),
                *(row[key] for key in SWEEPS[-5:-1]),
                ", ".join(row["retries"]),
            )
        )
        lines += [
            (
                part.chip,
                part.layer,
                int(part.image[n]),
                int(part.slot[n]),
                int(output),
                volts[n][o],
                float(part.surrogate[n, o]),
            )
            for n in range(len(volts))
            for o, output in enumerate(part.output)
        ]
    write_table(folder / "results.csv", SWEEPS, sweeps)
    write_table(folder / "voltages.csv", LINES, lines)


def _told(row: dict[str, Any]) -> str:
    return f"{len(row['volts'])} patterns in {row['seconds']:.1f} s"


def _show(out: Path) -> None:
    metrics = read_metrics(out, network=str, layers=list, bar_of=str, bar=float)

    def percent(share: float) -> str:
        return f"{100 * share:.2g} %"

    show_table(
        f"{metrics['network']} on {metrics['dataset']}: bit lines of"
        f" {metrics['n_images']} test images on {metrics['n_chips']} chips,"
        f" {metrics['n_cells']} RRAM cells as {metrics['array']},"
        f" {metrics['simulator']} ({metrics['solver']}); errors of full scale",
        ("layer", "full scale", "patterns", "largest error", "rms", "time a pattern"),
        (
            (
                str(layer["layer"]),
                f"{1e3 * layer['v_full']:.2f} mV",
                str(layer["n_patterns"]),
                percent(layer["error_max"]),
                percent(layer["error_rms"]),
                f"{1e3 * layer['cpu_s_per_pattern']:.0f} ms",
            )
            for layer in metrics["layers"]
        ),
    )
    verdict = "within" if metrics["within_bar"] else "BEYOND"
    kind = {"error_max": "largest error", "error_rms": "error's rms"}
    say(
        f"The {kind[metrics['bar_of']]} is {verdict} the bar of"
        f" {percent(metrics['bar'])}."
    )
    say(f"Results: {out} (metrics.json, results.csv, voltages.csv, decks/).")


STATIC = Tier(
    simulate=verify_static, write_tables=_write_tables, told=_told, show=_show
)
