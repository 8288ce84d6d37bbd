"""Jobs and helpers of the process tests; light, since every worker imports it."""

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from rram_jax.errors import NgspiceError
from rram_jax.ngspice.job import FinishedRow, about_run, keep_row, write_whole
from rram_jax.ngspice.runner import ngspice_info, run_deck

ROOT = Path(__file__).resolve().parents[2]


def is_alive(pid):
    """Whether the process runs; one that waits to be reaped does not."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    return False


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still not after {seconds} s"
        time.sleep(0.02)


def script_before_ngspice(program, body, version='exec REAL "$@"'):
    """Write a shell script that stands for ngspice; REAL is the program's path.

    `body` is what it does with a deck, `version` what with the question for it.
    """
    first = f'if [ "$1" = --version ]; then {version}; exit; fi'
    text = f"#!/bin/sh\n{first}\n{body}\n"
    program.write_text(text.replace("REAL", f"'{ngspice_info().path}'"))
    program.chmod(0o755)


def pids(folder):
    """Return the process ids that are noted in `folder` as names of files."""
    return [int(path.name.removeprefix("pid-")) for path in folder.glob("pid-*")]


def square(x):
    return x * x


def one_of_many(job):
    """Note the process id and hang, or wait for another that does and then fail."""
    kind, folder = job
    if kind == "hang":
        (folder / f"pid-{os.getpid()}").touch()
        time.sleep(600)
    wait_until(lambda: pids(folder), 60)
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "fail":
        raise NgspiceError("deck 7 failed; see `/tmp/kept`.")
    return kind


def one_fails_among_others(job):
    """Wait, but for the first, until that one was handed over; the second fails."""
    index, folder = job
    if index > 0:
        wait_until((folder / "handed over").exists, 60)
    (folder / f"{index}").touch()
    if index == 1:
        raise NgspiceError("deck 1 failed")
    return index


def hang_in_ngspice(folder):
    """Return at once where there is no folder."""
    if folder is not None:
        run_deck("t\n.op\n", folder=folder)


def alone(job):
    """Whether no other of these jobs ran at the same time."""
    _, folder = job
    mine = folder / f"pid-{os.getpid()}"
    mine.touch()
    time.sleep(0.3)
    others = [path for path in folder.glob("pid-*") if path != mine]
    mine.unlink()
    return not others


def kept_row_of(job):
    """The row that lies beside a deck, or None."""
    with contextlib.suppress(FileNotFoundError):
        return json.loads(job.row.read_text())


def run_noted(job):
    """Do what the deck's text says, once; each run leaves a line in a file beside it.

    `quick`: nothing. `hang`: the first time hang in the program `ngspice` of the folder
    above. `late`: have the worker killed when the row is there. `deadly`: have it
    killed before. `fail after it`: raise once such a program runs.
    """
    what, runs = job.deck.read_text(), job.deck.with_suffix(".runs")
    with runs.open("a") as file:
        file.write(f"{os.getpid()}\n")
    n_runs = len(runs.read_text().splitlines())
    if what == "hang" and n_runs == 1:
        with mock.patch.dict(os.environ, NGSPICE=str(job.deck.parents[1] / "ngspice")):
            run_deck("t\n.op\n", folder=job.runs)
    if what == "fail after it":
        wait_until(lambda: pids(job.deck.parents[1]), 60)
        raise NgspiceError("deck 7 failed; see `/tmp/kept`.")
    if what != "deadly":
        write_whole(job.row, json.dumps({"what": what}))
    if what in ("deadly", "late"):
        os.kill(os.getpid(), signal.SIGKILL)
    return kept_row_of(job)


def run_divider(job):
    """Simulate the deck and keep the voltage of its node `out`."""
    run = run_deck(job.deck.read_text(), timeout_s=job.timeout_s, folder=job.runs)
    row = DividerRow(**about_run(job, run), out=float(run.data["v(out)"][0]))
    return keep_row(job, row)


@dataclass(frozen=True, kw_only=True)
class DividerRow(FinishedRow):
    """Row of `run_divider`."""

    out: float
    """[V]"""
