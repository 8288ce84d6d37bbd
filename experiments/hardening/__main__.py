"""Which methods keep an RRAM network accurate when its LRS cells spread.

    python -m experiments.hardening --workers 2

Every network is trained, and put on the same sampled chips of every device, in folders
of its own; finished ones are kept, and the same command goes on where it was stopped.
Ends with `results.csv`, `gains.csv`, `costs.csv`, `methods.csv`, two figures and
`summary.md`. A job that fails is told, the others go on, and the exit code is then 1.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import tyro

from experiments.hardening.figures import curve_figure, recovered_figure
from experiments.hardening.jobs import Job, plan_jobs, run_waves
from experiments.hardening.methods import METHODS, chosen_methods
from experiments.hardening.settings import Hardening, shown_sigmas
from experiments.hardening.summary import conditions, summary
from experiments.hardening.tables import (
    cost_rows,
    finished_runs,
    gain_rows,
    method_rows,
    result_rows,
)
from rram_jax.chip.config import parse_sizes
from rram_jax.commands.terminal import progress_bar, say, say_in_log
from rram_jax.data import load_dataset
from rram_jax.errors import InputError
from rram_jax.qnn.checkpoint import load_teacher
from rram_jax.run_folder import open_run, write_table, write_text

NO_PART = ("out", "data_dir", "teacher", "only", "workers")
"""Settings that say where and what, but change no number."""


def main(config: Hardening) -> int:
    """Do what is missing, then write tables and figures; returns the exit code.

    Raises:
        InputError: The settings do not fit each other, or the folder is another run's.
    """
    methods = chosen_methods(config.only)
    parse_sizes(config.network)
    with open_run(config.out, "hardening", asked(config)) as run:
        failed = {} if run.state == "finished" else _run(config, methods)
        everything = list(METHODS.values())
        runs = finished_runs(config, everything)
        results, gains = result_rows(runs), gain_rows(runs)
        if results:
            costs = cost_rows(config, everything)
            _write(config, results, gains, costs)
            say(f"Results: {config.out / 'summary.md'} and the tables beside it.")
        complete = len(methods) == len(METHODS) and not failed
        if complete and run.state != "finished":
            run.finish({"results": len(results), "gains": len(gains)})
    for name, reason in failed.items():
        say(f"{name} failed: {reason}")
    return 1 if failed else 0


def asked(config: Hardening) -> dict[str, Any]:
    """What the numbers depend on; other methods make another run."""
    settings = dataclasses.asdict(config)
    teacher = config.teacher and load_teacher(config.teacher)[1]["teacher_sha256"]
    return {k: v for k, v in settings.items() if k not in NO_PART} | {
        "data_sha256": load_dataset(config.data, config.data_dir).sha256,
        "teacher": teacher,
        "methods": method_rows(METHODS.values()),
    }


def _run(config: Hardening, methods) -> dict[str, str]:
    """Do all jobs; returns why some failed, by name."""
    waves = plan_jobs(config, methods)
    with progress_bar() as bar:
        task = bar.add_task("jobs", total=sum(map(len, waves)), told="")

        def on_done(job: Job, reason: str | None) -> None:
            bar.update(task, advance=1, told=job.name)
            say_in_log(f"{job.name}: {reason or 'done'}")

        return run_waves(waves, config.workers, on_done)


def _write(config: Hardening, results, gains, costs) -> None:
    """Tables, figures and summary of what is finished."""
    found = dict.fromkeys(row["method"] for row in results)
    methods = method_rows(METHODS[name] for name in found)
    tables = {"results": results, "gains": gains, "costs": costs, "methods": methods}
    for name, rows in tables.items():
        _write_rows(config.out / f"{name}.csv", rows)
    told = conditions(config, results)
    curve_figure(results, told, config.out / "accuracy")
    if gains:
        sigmas = shown_sigmas(config)
        recovered_figure(gains, sigmas, told, config.out / "recovered")
    write_text(config.out / "summary.md", summary(config, results, gains, costs))


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        write_table(path, list(rows[0]), (row.values() for row in rows))


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Hardening, prog="python -m experiments.hardening")))
    except (InputError, BrokenProcessPool) as error:
        print(f"hardening: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
