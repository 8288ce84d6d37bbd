"""Decks on a cluster of dask.distributed, in the place of this machine's processes.

Folders of runs must be on a file system that all workers share: a worker reads the deck
there, simulates it there and leaves its row there, so a deck that is finished stays
finished whoever is killed afterwards.
"""

import asyncio
import logging
import queue
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.capacity import default_workers
from rram_jax.ngspice.job import DeckFile
from rram_jax.ngspice.runner import NgspiceInfo, ngspice_info
from rram_jax.ngspice.stop import Stopped, stoppable

Job = TypeVar("Job", bound=DeckFile)

LOCAL = "local"
"""The address that stands for workers on this machine, as long as they are used."""

CONNECT_S = 10.0
"""[s] How long a scheduler may take to answer."""

NO_SCHEDULER = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    struct.error,
)
"""What dask raises where nobody listens, or what answers does not speak as it does."""

# Ctrl-C, which a terminal sends to workers of this machine too, is this process's to
# handle, and errors of decks are its to tell.
_PRELOAD = """
import logging, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
logging.getLogger("distributed.worker").setLevel(logging.ERROR)
"""

# No deck waits at a worker that is busy, and none that was killed is given up because a
# busy machine takes long to start it again.
_LOCAL_SETTINGS = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.deploy.lost-worker-timeout": "1 day",
}

_GLANCE_S = 0.2  # [s] how often it is looked whether a deck is still wanted

# [s] After so long a closing worker tells nobody how its decks ended: to its scheduler
# `Stopped` would look like a failure.
_CLOSING_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A connection to a scheduler; `connect` makes it."""

    client: Any
    """`distributed.Client`."""

    address: str
    """What `connect` was given."""

    def run_decks(
        self,
        run: Callable[[Job], dict[str, Any]],
        jobs: Sequence[Job],
        kept: Callable[[Job], dict[str, Any] | None],
        *,
        on_done: Callable[[int, dict[str, Any]], None],
        stop: threading.Event | None = None,
    ) -> None:
        """Run decks on the workers, one in each of their threads.

        A worker that dies costs what it was running, which another does again, as often
        as the scheduler allows (`distributed.scheduler.allowed-failures`, 3 unless it
        is set). Any exception, of a deck, of `on_done` or a Ctrl-C, ends the decks that
        run, as does the end of this process; when a deck fails, rows that came in with
        it are handed over first. Without workers the decks wait for some.

        Args:
            run: What a worker does with a job; it writes the job's row.
            jobs: Decks in their folders.
            kept: The row of a job that was finished before; else None. A worker asks it
                before it runs a deck.
            on_done: Called here as `on_done(index, row)`, in the order of completion.
            stop: Set from another thread, it ends the decks.

        Raises:
            InputError: A worker sees no such folder, or has not this machine's ngspice.
            NgspiceError: A deck failed, the workers that ran it died, or the scheduler
                was lost.
            Stopped: `stop` was set.
        """
        done: queue.SimpleQueue[int] = queue.SimpleQueue()
        work = partial(_work, run, kept, ngspice_info())
        there = [_absolute(job) for job in jobs]
        futures = dict(enumerate(self.client.map(work, there, pure=False)))
        for k, future in futures.items():
            future.add_done_callback(lambda _, k=k: done.put(k))
        try:
            while futures:
                if stop and stop.is_set():
                    raise Stopped(f"{len(futures)} of {len(jobs)} jobs were not done.")
                came = _next(done)
                # Rows first, so that the failure of one deck costs no finished other.
                for k in sorted(came, key=lambda k: futures[k].status != "finished"):
                    on_done(k, self._row(futures[k], there[k]))
                    del futures[k]
        finally:
            if self.client.status == "running":
                self.client.cancel(list(futures.values()))

    def _row(self, future: Any, job: DeckFile) -> dict[str, Any]:
        from distributed import KilledWorker

        if future.status == "cancelled":
            raise NgspiceError(
                f"The dask scheduler at `{self.address}` is gone: start another, and"
                " the same command with its address goes on."
            )
        try:
            # Waits where a worker died with the row: another finds it in the folder.
            return future.result()
        except (ImportError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "deserialization" not in str(error):
                raise
            raise InputError(
                f"The dask cluster at `{self.address}` has not this rram_jax: start its"
                " scheduler and workers in the same environment."
            ) from error
        except KilledWorker as error:
            raise NgspiceError(
                f"{error.allowed_failures + 1} workers died while they had"
                f" `{job.deck}` (was memory short?): start again with fewer decks a"
                " worker."
            ) from error


@contextmanager
def connect(address: str, workers: int | None = None) -> Iterator[Cluster]:
    """Be connected to a cluster within the block.

    Args:
        address: A scheduler's, such as `tcp://10.0.0.1:8786`, which is trusted as this
            process is; or `local` for one with processes of this machine, which end
            with the block.
        workers: Processes of `local`, with one deck each; None takes
            `capacity.default_workers`.

    Raises:
        InputError: dask.distributed is not installed, nobody answers at the address, or
            `workers` is below one.
    """
    try:
        from dask import config
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "A dask cluster needs the package distributed, which is not installed: run"
            ' `pip install "rram_jax[dask]"`.'
        ) from None
    if address == LOCAL:
        if workers is not None and workers < 1:
            raise InputError(f"`workers` must be at least 1; got {workers}.")
        # Of the memory dask would see the worker's own only, and not ngspice's.
        with (
            config.set(_LOCAL_SETTINGS),
            LocalCluster(
                n_workers=workers or default_workers(),
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,  # pyright: ignore[reportArgumentType]  # stub: str
                preload=[_PRELOAD],
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield Cluster(client=client, address=address)
        return
    try:
        _knock(address)
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except NO_SCHEDULER as error:
        raise InputError(
            f"No dask scheduler answers at `{address}`: give the address that one"
            " prints when it starts, such as tcp://10.0.0.1:8786, or `local`."
        ) from error
    with client:
        yield Cluster(client=client, address=address)


def _knock(address: str) -> None:
    """Exchange dask's greetings with an address, and hang up.

    `Client` would wait for ever where somebody listens and says nothing, and reads
    what another kind of server says as lengths of frames and as messages.

    Raises:
        OSError: Nobody greets within `CONNECT_S`, or it is no address of TCP.
    """
    from distributed.comm import core

    if re.match(r"(?!tcp://)\w+://", address):
        raise OSError(f"{address} is no address of TCP")

    async def greet() -> None:
        await (await core.connect(address, timeout=CONNECT_S)).close()

    log = logging.getLogger("distributed.protocol.core")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)  # a greeting of another kind is told by us
    try:
        # In a thread, as this one may have a loop of its own.
        with ThreadPoolExecutor(1) as pool:
            greeted = asyncio.wait_for(greet(), CONNECT_S)
            pool.submit(asyncio.run, greeted).result()
    finally:
        log.setLevel(level)


def _next(done: "queue.SimpleQueue[int]") -> list[int]:
    """What is done by now, after a short wait if that is nothing."""
    came = []
    with suppress(queue.Empty):
        came.append(done.get(timeout=_GLANCE_S))
        while True:
            came.append(done.get_nowait())
    return came


def _absolute(job: Job) -> Job:
    """The job with paths that do not depend on where a process runs."""
    paths = {k: v.absolute() for k, v in vars(job).items() if isinstance(v, Path)}
    return replace(job, **paths)


def _work(
    run: Callable[[Job], dict[str, Any]],
    kept: Callable[[Job], dict[str, Any] | None],
    ngspice: NgspiceInfo,
    job: Job,
) -> dict[str, Any]:
    """What a worker does with a job: its row is there already, or the deck is run."""
    _check(ngspice, job)
    with _while_wanted():
        return kept(job) or run(job)


def _check(ngspice: NgspiceInfo, job: DeckFile) -> None:
    """Check that this worker can run the deck as the process that asks for it can."""
    here = socket.gethostname()
    if not job.deck.is_file():
        raise InputError(
            f"The worker on {here} does not see `{job.deck}`: give an --out on a file"
            " system that all workers share."
        )
    try:
        own = ngspice_info()
    except InputError as error:
        raise InputError(f"On {here}: {error}") from None
    if (own.version, own.klu) != (ngspice.version, ngspice.klu):
        raise InputError(
            f"The worker on {here} has {_name(own)}, this machine {_name(ngspice)}:"
            " install the same, or set NGSPICE to its path."
        )


def _name(ngspice: NgspiceInfo) -> str:
    return f"ngspice {ngspice.version} {'with' if ngspice.klu else 'without'} KLU"


@contextmanager
def _while_wanted() -> Iterator[None]:
    """End the ngspice of this worker's thread when its deck is no longer asked for.

    dask itself lets the thread go on when the task was cancelled, its client is gone,
    or the worker closes, as it does when it loses the scheduler.
    """
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks[worker.get_current_task()]
    stop, left = threading.Event(), threading.Event()

    def watch() -> None:
        while not left.wait(_GLANCE_S):
            if task.state in ("cancelled", "resumed"):
                break
            if worker.status.name in ("closing", "closed"):
                left.wait(_CLOSING_S)
                break
        stop.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with stoppable(stop):
            yield
    finally:
        left.set()
        watcher.join()
