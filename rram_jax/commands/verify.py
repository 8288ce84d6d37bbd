"""`rram-jax verify`: in ngspice, beside the surrogate; the tier `full` is here."""

import threading
from contextlib import nullcontext
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from rram_jax.circuit.encode import SLOTS
from rram_jax.commands.config import VerifyCommand
from rram_jax.commands.decks import DeckRequest, read_request
from rram_jax.commands.evaluate import card_label
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_finished,
    say_in_log,
    say_resumed,
    show_table,
)
from rram_jax.commands.tier import HasMetrics, Tier
from rram_jax.commands.verified_codes import write_codes, write_results
from rram_jax.commands.verify_columns import COLUMN
from rram_jax.commands.verify_layers import LAYER
from rram_jax.commands.verify_static import STATIC
from rram_jax.ngspice.cluster import connect
from rram_jax.ngspice.compare import layer_positions
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.ngspice.trials import Trials
from rram_jax.ngspice.verify import Verification
from rram_jax.ngspice.verify import verify as verify_network
from rram_jax.ngspice.workplace import Workplace
from rram_jax.run_folder import (
    check_writable,
    default_folder,
    open_run,
    read_metrics,
    write_json,
)

EXTRA = (
    "seconds",
    "cpu_s",
    "rss_bytes",
    "n_points",
    "width_error",
    "simulator",
    "solver",
    "deck_sha256",
    "network_sha256",
    "neuron_card_sha256",
    "transistors_sha256",
)
"""Columns of results.csv beside `RESULTS`; then `retries`, the hidden `codes`, layers
joined by a slash, and the energy of each block."""


def verify(config: VerifyCommand) -> Path:
    """Simulate, or go on with a run that was stopped; returns the results' folder.

    Raises:
        InputError: Checkpoint, data and settings do not fit each other, ngspice is
            missing, no cluster answers, or the folder is another run's.
        NgspiceError: A deck failed; what was finished before is kept.
    """
    if config.json:
        check_writable(config.json)
    with progress_bar() as bar:
        out = run_decks(config, bar, "decks")
    show_verification(out)
    if config.json:
        write_json(config.json, read_metrics(out))
        say(f"The same numbers as JSON: {config.json}.")
    return out


def run_decks(
    config: VerifyCommand,
    bar: Progress,
    label: str,
    stop: threading.Event | None = None,
    slots: Semaphore | None = None,
) -> Path:
    """Do the work of `verify` under somebody's progress bar; returns the folder.

    `stop`, set from another thread, ends it with `stop.Stopped`, and `slots` say how
    many decks may run (`farm.run_jobs`); see `verify`.
    """
    request = read_request(config)
    out = config.out or default_folder("verify", request.name, request.asked)
    engine = nullcontext()
    if not (out / "metrics.json").is_file():
        # Both complain before there is a folder that looks like a run.
        ngspice_info()
        engine = connect(config.dask, config.workers) if config.dask else engine
    tier = TIERS[config.tier]
    # Of the other tiers only their first step knows how many decks there are.
    decks = config.images * config.chips if config.tier == "full" else None
    task = bar.add_task(label, total=decks, told="")
    with engine as cluster, open_run(out, "verify", request.asked) as run:
        if run.state == "finished":
            bar.update(task, total=decks or 1, completed=decks or 1)
            say_finished(out)
            return out
        bar.update(task, told="writing netlists")
        say_in_log(f"{label}: writing netlists.")

        resumed = run.state == "resumed"

        def on_start(done: int, total: int):
            nonlocal resumed
            if resumed:
                say_resumed(run, f"with {done} of {total} decks done")
                resumed = False
            bar.update(task, completed=done, total=total, told="ngspice runs")
            say_in_log(f"{label}: {done} of {total} done, ngspice runs.")

        def on_row(row: dict[str, Any]):
            told = tier.told(row)
            bar.update(task, advance=1, told=told)
            say_in_log(f"{label}: {told}.")

        work = Workplace(
            workers=config.workers,
            timeout_s=config.timeout_s,
            retry=config.retry,
            on_start=on_start,
            on_row=on_row,
            stop=stop,
            slots=slots,
            cluster=cluster,
        )
        found = tier.simulate(request.trials, run.path, work)
        tier.write_tables(found, run.path)
        run.finish(_metrics(config, request, found))
    return out


def show_verification(out: Path) -> None:
    """Print the table of a finished verification and where its results are."""
    metrics = read_metrics(out, network=str)
    TIERS[metrics["tier"]].show(out)
    for option, n in metrics.get("retries", {}).items():
        say(f"Decks that converged only with {option}: {n}.")


def _simulate(trials: Trials, folder: Path, work: Workplace) -> Verification:
    watch = (0, _choose_neuron(trials))
    return verify_network(trials, folder, work, watch=watch)


def _told(row: dict[str, Any]) -> str:
    return f"{row['seconds']:.0f} s for image {row['image']} on chip {row['chip']}"


def _choose_neuron(trials: Trials) -> int:
    """The first layer's neuron that crosses nearest to half scale in the first deck."""
    first = trials.exact[0], 0, trials.taken[0]
    return int(np.abs(layer_positions(trials.design, *first) - SLOTS / 2).argmin())


def _metrics(
    config: VerifyCommand, request: DeckRequest, found: HasMetrics
) -> dict[str, Any]:
    design = request.trials.design
    return found.metrics | {
        "network": request.name,
        "dataset": request.dataset,
        "device": card_label(config, design.device),
        "sigma_lrs": design.device.sigma_lrs,
        "seed": config.seed,
        "mismatch": config.mismatch,
        "checkpoint": str(config.checkpoint),
        "network_sha256": design.network.sha256,
    }


def _write_tables(found: Verification, folder: Path) -> None:
    write_codes(found.rows, found.comparisons, folder)
    blocks = list(found.rows[0]["energy_j"])
    more = [
        [
            *(row[key] for key in EXTRA),
            ", ".join(row["retries"]),
            "/".join(" ".join(map(str, layer)) for layer in row["codes"]),
            *(row["energy_j"][b] for b in blocks),
        ]
        for row in found.rows
    ]
    blocks_j = (f"energy_{b}_j" for b in blocks)
    header = [*EXTRA, "retries", "codes", *blocks_j]
    write_results(found.rows, found.comparisons, folder, header, more)


def _show(out: Path) -> None:
    metrics = read_metrics(out, network=str, codes_equal=float, energy_j=float)

    def percent(key):
        return f"{100 * metrics[key]:.1f} %"

    show_table(
        f"{metrics['network']} on {metrics['dataset']}: {metrics['n_images']} test"
        f" images on {metrics['n_chips']} chips, {metrics['n_mosfets']} transistors,"
        f" {metrics['n_cells']} RRAM cells as {metrics['array']},"
        f" {metrics['simulator']} ({metrics['solver']})",
        ("what", "value"),
        (
            ("hidden codes equal to the surrogate's", percent("codes_equal")),
            ("... among active neurons", percent("codes_equal_active")),
            ("... within 1", percent("codes_within_1")),
            ("same winner, end to end", percent("winner_equal")),
            ("right: ngspice", percent("accuracy_spice")),
            ("right: surrogate", percent("accuracy_surrogate")),
            ("ties in ngspice", str(metrics["n_ties"])),
            ("energy an image", f"{1e9 * metrics['energy_j']:.2f} nJ"),
            ("time an image", f"{metrics['seconds_per_image']:.0f} s"),
        ),
    )
    say(f"Results: {out} (metrics.json, results.csv, codes.csv, waves.npz, decks/).")


FULL = Tier(simulate=_simulate, write_tables=_write_tables, told=_told, show=_show)

TIERS: dict[str, Tier[Any]] = {
    "full": FULL,
    "layer": LAYER,
    "column": COLUMN,
    "static": STATIC,
}
"""What `--tier` names, from the whole circuit to its parts."""
