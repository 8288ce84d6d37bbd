"""Jobs and helpers of the process tests; light, since every worker imports it."""

import contextlib
import os
import signal
import time
from pathlib import Path

from rram_jax.errors import NgspiceError
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
