"""Many jobs on the cores of one machine; `cluster` is for several machines."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Semaphore
from typing import TypeVar

from rram_jax.errors import InputError
from rram_jax.ngspice.capacity import default_workers
from rram_jax.ngspice.stop import Stopped

Job = TypeVar("Job")
Result = TypeVar("Result")

_GLANCE_S = 0.2  # [s] how often a caller's `stop` is looked at


def run_jobs(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    workers: int | None,
    on_done: Callable[[int, Result], None],
    stop: threading.Event | None = None,
    slots: Semaphore | None = None,
) -> None:
    """Call `function` on every job in worker processes.

    Any exception, of a job, of `on_done` or a Ctrl-C, stops the workers in the midst of
    their jobs; when a job fails, results that came in with it are handed over first.
    The workers also stop when this process dies, however it dies, and end the ngspice
    they run.

    Args:
        function: Defined at the top level of a module, since it is pickled.
        jobs: What it is called on; picklable.
        workers: Number of processes; None takes one for each core, or as many as have
            room for a deck each in the free memory (`capacity`).
        on_done: Called here as `on_done(index, result)`, in the order of completion.
        stop: Set from another thread, which is how Ctrl-C reaches a thread that is not
            the main one, it ends the workers as Ctrl-C does.
        slots: From `make_slots`, shared by calls in several threads: a job waits for
            one in its worker and holds it while it runs. None lets all workers run.

    Raises:
        InputError: `workers` is below one.
        BrokenProcessPool: A worker was killed from outside.
        Stopped: `stop` was set.
    """
    workers = default_workers() if workers is None else workers
    if workers < 1:
        raise InputError(f"`workers` must be at least 1, or left out; got {workers}.")
    if not jobs:
        return
    # Fresh processes: a fork of a process in which jax has threads can deadlock.
    context = get_context("spawn")
    lifeline, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        context,
        initializer=_follow,
        initargs=(lifeline, slots),
    )
    try:
        index = {pool.submit(_call, function, job): k for k, job in enumerate(jobs)}
        while index:
            if stop and stop.is_set():
                raise Stopped(f"{len(index)} of {len(jobs)} jobs were not done.")
            glance = _GLANCE_S if stop else None
            done, _ = wait(index, glance, return_when=FIRST_COMPLETED)
            # Results first, so that the error of one job costs no finished other.
            for future in sorted(done, key=lambda f: f.exception() is not None):
                on_done(index.pop(future), future.result())
    except BaseException as error:
        held.close()
        if isinstance(error, BrokenProcessPool):
            raise BrokenProcessPool(
                "A worker process was killed (was memory short?): start again with "
                "fewer workers."
            ) from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        held.close()
        lifeline.close()


class _Stop(BaseException):
    """Raised in a worker's job wherever it is, so that its cleaning up runs."""


_in_job = False  # of this worker: `_Stop` must not escape to the pool, which eats it
_slots: AbstractContextManager = nullcontext()  # of this worker


def _call(function: Callable[[Job], Result], job: Job) -> Result:
    global _in_job
    try:
        _in_job = True
        with _slots:
            return function(job)
    except _Stop:
        os._exit(1)
    finally:
        _in_job = False


def _follow(lifeline: Connection, slots: Semaphore | None) -> None:
    """Make this worker stop when the other end of `lifeline` closes.

    The pool itself leaves a worker in its job when the parent dies.
    """
    global _slots
    _slots = slots or nullcontext()

    def stop(*_) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # let the cleaning up finish
        if not _in_job:
            os._exit(1)
        raise _Stop

    def watch() -> None:
        lifeline.poll(None)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        time.sleep(5.0)  # for a main thread that is deep in compiled code
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=watch, daemon=True).start()


def make_slots(n: int) -> Semaphore:
    """Make `n` slots for `run_jobs`; `release` adds one."""
    return get_context("spawn").Semaphore(n)
