"""Decks in processes or on a cluster: those that stand are taken, the others run."""

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from typing import Any, TypeVar

from rram_jax.ngspice.cluster import Cluster
from rram_jax.ngspice.farm import run_jobs
from rram_jax.ngspice.job import DeckFile

Job = TypeVar("Job", bound=DeckFile)


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """How decks are run, and who is told."""

    workers: int | None = None
    """[-] ngspice processes at a time; None takes `capacity.default_workers`."""

    timeout_s: float = 7200.0
    """[s] Wall time after which a deck has failed."""

    retry: bool = False
    """Whether a deck that does not converge is tried with other options of the solver
    (`runner.LADDER`); what it took stands in its row."""

    on_start: Callable[[int, int], None] = lambda done, total: None
    """Called with the decks that stand already, and all."""

    on_row: Callable[[dict[str, Any]], None] = lambda row: None
    """Called with each new row."""

    stop: threading.Event | None = None
    """Set from another thread, it ends the simulations."""

    slots: Semaphore | None = None
    """Shared with other threads' decks; one runs with each (`farm.run_jobs`)."""

    cluster: Cluster | None = None
    """Runs the decks in place of processes here; `workers` and `slots` are of these."""

    def finish(
        self,
        run: Callable[[Job], dict[str, Any]],
        jobs: Sequence[Job],
        kept: Callable[[Job], dict[str, Any] | None],
        *,
        before: int = 0,
        total: int | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of all jobs, in their order.

        What failed or killed runs left beside the decks is removed at the start.

        Args:
            run: What a worker does with a job (`farm.run_jobs`); it writes its row.
            jobs: Decks in their folders.
            kept: The row of a job that was finished before; else None.
            before: [-] Decks that were finished by earlier calls, for `on_start`.
            total: [-] All decks, for `on_start`, where other calls have some of them.

        Raises:
            Stopped: `stop` was set (`stop.Stopped`); finished decks are kept.
            NgspiceError: A deck failed; its folder is kept and named.
        """
        for folder in {job.runs for job in jobs}:
            for left in folder.glob("ngspice-*"):
                shutil.rmtree(left, ignore_errors=True)
        found = {k: kept(job) for k, job in enumerate(jobs)}
        rows = {k: row for k, row in found.items() if row}
        missing = [k for k in found if k not in rows]
        self.on_start(before + len(rows), total or len(jobs))

        def keep(index: int, row: dict[str, Any]):
            rows[missing[index]] = row
            self.on_row(row)

        left = [jobs[k] for k in missing]
        if self.cluster:
            self.cluster.run_decks(run, left, kept, on_done=keep, stop=self.stop)
        else:
            run_jobs(
                run,
                left,
                workers=self.workers,
                on_done=keep,
                stop=self.stop,
                slots=self.slots,
            )
        return [rows[k] for k in found]
