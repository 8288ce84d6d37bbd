"""A program in a process group of its own that cannot be left behind."""

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rram_jax.errors import NgspiceError
from rram_jax.ngspice.raw import MAX_BYTES
from rram_jax.ngspice.stop import Stopped, asked_to_stop

MAX_LOG = 1 << 27
"""[byte] A program that prints without end must not fill the disk."""


@functools.cache
def tie() -> tuple[str, ...]:
    """Words before a command that make it die with the thread that starts it.

    Only Linux has this. Elsewhere an exception in the caller still ends the command,
    a `kill -9` of the caller does not. `preexec_fn`, the way to do it from Python, can
    deadlock beside jax's threads.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return ()
    words = (setpriv, "--pdeathsig", "KILL", "--")
    with tempfile.TemporaryDirectory(prefix="ngspice-") as place:
        code = execute([*words, "true"], Path(place), timeout_s=20.0)[0]
    return () if code else words  # BusyBox has a setpriv that lacks the option


def execute(
    command: list[str], place: Path, timeout_s: float
) -> tuple[int, float, float, int]:
    """Run a program in `place`, its output in the file `log`, and outlive it.

    Whatever ends this function, also an exception that a signal raised, ends the
    program's whole process group. The start is left to a thread, where no such
    exception can fall between the program's birth and the news of its number.

    Returns:
        Exit code (negative: the signal), CPU and wall time [s], peak memory [byte].
    """
    stop, asked = threading.Event(), asked_to_stop()
    with ThreadPoolExecutor(1) as pool:  # leaving waits for the thread
        try:
            return pool.submit(_watch, command, place, timeout_s, stop, asked).result()
        except BaseException:
            stop.set()
            raise


def _watch(
    command: list[str],
    place: Path,
    timeout_s: float,
    stop: threading.Event,
    asked: threading.Event | None,
) -> tuple[int, float, float, int]:
    """What `execute` does, until `stop` or `asked` is set."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "1",
        "HOME": str(place),
        "SPICE_SCRIPTS": ".",  # our `spinit` instead of the system's
    }
    if "LD_LIBRARY_PATH" in os.environ:  # where clusters name a module's libraries
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    log, start = place / "log", time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    rss_bytes, pause = 0, 1e-3
    try:
        # wait4 and not `process.wait`: it alone tells this child's CPU time.
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            rss_bytes = max(rss_bytes, _peak_memory(process.pid))
            if time.monotonic() - start > timeout_s:
                raise NgspiceError(f"ngspice was stopped after {timeout_s:g} s")
            if size_of(log) > MAX_LOG:
                raise NgspiceError(f"ngspice printed more than {MAX_LOG} bytes")
            if size_of(place / "out.raw") > MAX_BYTES:
                raise NgspiceError(
                    f"ngspice wrote more than {MAX_BYTES} bytes of vectors: save fewer "
                    "with `.save`"
                )
            if stop.wait(pause):
                raise NgspiceError("ngspice was stopped")
            if asked and asked.is_set():
                raise Stopped("ngspice was stopped.")
            pause = min(1.5 * pause, 0.05)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    cpu_s = ended[2].ru_utime + ended[2].ru_stime
    return process.returncode, cpu_s, time.monotonic() - start, rss_bytes


def size_of(path: Path) -> int:
    """[byte] Of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _peak_memory(pid: int) -> int:
    """[byte] Largest resident memory so far.

    Not `ru_maxrss`, into which Linux carries the memory of the Python parent.
    """
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        if found := re.search(r"VmHWM:\s*(\d+) kB", status):
            return int(found[1]) * 1024
    return 0
