"""Trainings and evaluations in worker processes; each is a run folder of its own."""

import contextlib
import itertools
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.hardening.costs import measure_costs
from experiments.hardening.methods import TRAININGS, Method
from experiments.hardening.settings import (
    Hardening,
    devices_of_method,
    evaluate_command,
    seeds_of_method,
    teacher_command,
    train_command,
)
from rram_jax.errors import InputError
from rram_jax.ngspice.farm import run_jobs

JOBS_A_CACHE = 10
"""[-] Jobs after which a worker forgets its programs, which would fill the memory."""

_done = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something that makes one folder or file."""

    name: str

    kind: Literal["teacher", "train", "evaluate", "costs"]

    config: Hardening
    method: Method | None = None
    training: str = ""
    seed: int = 0
    device: str = ""

    needs: str | None = None
    """Name of a job of an earlier wave without which this one makes no sense."""

    @property
    def log(self) -> Path:
        """What it says while it runs."""
        return self.config.out / "logs" / f"{self.name}.log"


def plan_jobs(config: Hardening, methods: Sequence[Method]) -> list[list[Job]]:
    """Waves of jobs: a teacher, networks, measurements.

    Finished ones are planned too: they are found finished.
    """
    names = dict.fromkeys(method.training for method in methods)
    first = []
    if config.teacher is None and any(TRAININGS[name].taught for name in names):
        first = [Job(name="teacher", kind="teacher", config=config)]
    networks = [
        Job(
            name=_train_name(name, seed),
            kind="train",
            config=config,
            training=name,
            seed=seed,
            needs="teacher" if TRAININGS[name].taught else None,
        )
        for name in names
        for seed in config.seeds_of(TRAININGS[name])
    ]
    measured = [job for method in methods for job in _measurements(config, method)]
    return [first, networks, measured]


def _train_name(training: str, seed: int) -> str:
    return f"train-{training}-s{seed}"


def _measurements(config: Hardening, method: Method) -> Iterator[Job]:
    """Every device and seed of one method, and what it costs."""
    seeds = seeds_of_method(config, method)
    for seed in seeds:
        common = {
            "config": config,
            "method": method,
            "seed": seed,
            "needs": _train_name(method.training, seed),
        }
        for device in devices_of_method(config, method, seed):
            name = f"evaluate-{method.name}-s{seed}-{Path(device).stem}"
            yield Job(name=name, kind="evaluate", device=device, **common)
        if seed == seeds[0]:
            yield Job(name=f"costs-{method.name}", kind="costs", **common)


def do_job(job: Job) -> str | None:
    """Do a job in a worker; returns None, or a sentence that says why it failed."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("a") as log:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            try:
                _do(job)
            except InputError as error:
                return str(error)
            except Exception as error:  # whatever it is, the other jobs go on
                traceback.print_exc()
                return f"{type(error).__name__}: {error} ({job.log} has more)."
    return None


def _do(job: Job) -> None:
    # jax is imported here, in the worker.
    import jax

    from rram_jax.commands.evaluate import evaluate
    from rram_jax.commands.teacher import teacher
    from rram_jax.commands.train import train

    try:
        if job.kind == "teacher":
            teacher(teacher_command(job.config))
        elif job.kind == "train":
            train(train_command(job.config, TRAININGS[job.training], job.seed))
        elif job.method is not None and job.kind == "evaluate":
            evaluate(evaluate_command(job.config, job.method, job.seed, job.device))
        elif job.method is not None:
            measure_costs(job.config, job.method, job.seed)
    finally:
        if next(_done) % JOBS_A_CACHE == 0:
            jax.clear_caches()


def run_waves(
    waves: Sequence[Sequence[Job]],
    workers: int,
    on_done: Callable[[Job, str | None], None],
) -> dict[str, str]:
    """Do all jobs, wave after wave; what needs a failed one has failed too.

    Args:
        waves: From `plan_jobs`.
        workers: Processes at a time.
        on_done: Called here with each job, and None or why it failed.

    Returns:
        Why jobs failed, by name.

    Raises:
        BrokenProcessPool: A worker was killed from outside.
    """
    failed: dict[str, str] = {}

    def tell(job: Job, reason: str | None) -> None:
        if reason is not None:
            failed[job.name] = reason
        on_done(job, reason)

    for wave in waves:
        able = [job for job in wave if job.needs not in failed]
        for job in wave:
            if job.needs in failed:
                tell(job, f"{job.needs}, which it needs, has failed.")
        run_jobs(
            do_job,
            able,
            workers=workers,
            on_done=lambda k, reason, able=able: tell(able[k], reason),
        )
    return failed
