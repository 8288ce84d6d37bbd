import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.farm import make_slots, run_jobs
from rram_jax.ngspice.stop import Stopped
from tests.ngspice.processes import (
    ROOT,
    alone,
    is_alive,
    one_fails_among_others,
    one_of_many,
    pids,
    square,
    wait_until,
)


def test_every_result_arrives_once_under_its_index():
    jobs, got = [3, -1, 4, 1, -5, 9], []
    run_jobs(square, jobs, workers=2, on_done=lambda k, y: got.append((k, y)))
    assert sorted(got) == [(k, x * x) for k, x in enumerate(jobs)]


def test_no_jobs_and_no_workers():
    run_jobs(square, [], workers=None, on_done=lambda k, y: pytest.fail("called"))
    with pytest.raises(InputError, match="at least 1.*got 0"):
        run_jobs(square, [1], workers=0, on_done=lambda k, y: None)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("fail", NgspiceError, "deck 7 failed"),
        ("die", BrokenProcessPool, "fewer workers"),
        ("come back", OSError, "table is full"),
    ],
)
def test_a_failure_stops_the_rest_at_once(tmp_path, kind, error, words):
    def on_done(index, result):
        raise OSError("table is full")

    start = time.monotonic()
    with pytest.raises(error, match=words):
        run_jobs(
            one_of_many,
            [("hang", tmp_path), (kind, tmp_path), ("hang", tmp_path)],
            workers=2,
            on_done=on_done,
        )
    assert time.monotonic() - start < 60  # and not the 600 s that the others sleep
    assert pids(tmp_path)
    wait_until(lambda: not any(map(is_alive, pids(tmp_path))))


def test_a_failure_costs_no_result_that_was_there(tmp_path):
    got = []

    def on_done(index, result):
        got.append((index, result))
        if index == 0:  # while we are busy here, all the others come in
            (tmp_path / "handed over").touch()
            wait_until(lambda: all((tmp_path / f"{k}").exists() for k in range(6)), 60)
            time.sleep(0.3)

    jobs = [(index, tmp_path) for index in range(6)]
    with pytest.raises(NgspiceError, match="deck 1 failed"):
        run_jobs(one_fails_among_others, jobs, workers=2, on_done=on_done)
    assert sorted(got) == [(k, k) for k in (0, 2, 3, 4, 5)]


def test_another_thread_stops_the_workers(tmp_path):
    stop, start = threading.Event(), time.monotonic()
    with pytest.raises(Stopped, match="2 of 3 jobs"):
        run_jobs(
            one_of_many,
            [("hang", tmp_path), ("come back", tmp_path), ("hang", tmp_path)],
            workers=2,
            on_done=lambda index, result: threading.Timer(0.1, stop.set).start(),
            stop=stop,
        )
    assert time.monotonic() - start < 60  # and not the 600 s that the others sleep
    assert pids(tmp_path)
    wait_until(lambda: not any(map(is_alive, pids(tmp_path))))


SCRIPT = """
import sys
from pathlib import Path
from rram_jax.ngspice.farm import run_jobs
from tests.ngspice.processes import hang_in_ngspice

if __name__ == "__main__":
    work, idle = map(Path, sys.argv[1:])
    run_jobs(
        hang_in_ngspice,
        [work, None, work],
        workers=3,
        on_done=lambda index, result: idle.touch(),
    )
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_and_no_folder(tmp_path, number):
    fake, work, idle = (tmp_path / name for name in ("ngspice", "work", "idle"))
    fake.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo ngspice-46 && exit\n"
        f"touch '{tmp_path}'/pid-$$ '{tmp_path}'/pid-$PPID\nexec sleep 600\n"
    )
    fake.chmod(0o755)
    (tmp_path / "script.py").write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", work, idle],
        env={**os.environ, "NGSPICE": str(fake), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    # Two workers with their ngspice, and a third that has nothing to do.
    wait_until(lambda: len(pids(tmp_path)) == 4 and idle.exists(), 60)
    if number == signal.SIGINT:
        # A terminal sends it to all of them, but only the parent may act on it.
        for pid in pids(tmp_path):
            os.kill(pid, number)
        time.sleep(0.3)
        assert all(map(is_alive, pids(tmp_path)))
        os.killpg(parent.pid, number)
    else:
        parent.send_signal(number)
    _, complaint = parent.communicate(timeout=20)
    assert parent.returncode == -number
    wait_until(lambda: not any(map(is_alive, pids(tmp_path))))
    wait_until(lambda: not list(work.iterdir()))
    # Workers stop in silence; the parent shows one Ctrl-C.
    assert complaint.count(b"Traceback") == (number == signal.SIGINT)


def test_calls_in_two_threads_share_slots(tmp_path):
    """With one slot for both, no two of their jobs ever overlap, and all are done."""
    slots, got = make_slots(1), []

    def call(first):
        jobs = [(first + k, tmp_path) for k in range(3)]
        run_jobs(
            alone,
            jobs,
            workers=2,
            on_done=lambda k, alone: got.append((first + k, alone)),
            slots=slots,
        )

    threads = [threading.Thread(target=call, args=(first,)) for first in (0, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got) == [(k, True) for k in (0, 1, 2, 10, 11, 12)]
    assert slots.acquire(False)  # it was given back
    assert not slots.acquire(False)


def test_slots_come_back_after_a_failure(tmp_path):
    slots = make_slots(2)
    with pytest.raises(NgspiceError, match="deck 7 failed"):
        run_jobs(
            one_of_many,
            [("hang", tmp_path), ("fail", tmp_path), ("hang", tmp_path)],
            workers=2,
            on_done=lambda k, result: None,
            slots=slots,
        )
    assert slots.acquire(False)
    assert slots.acquire(False)
    assert not slots.acquire(False)


def test_jobs_that_wait_for_a_worker_hold_no_slot(tmp_path):
    slots, free = make_slots(4), []

    def on_done(index, result):
        free.append(sum(slots.acquire(False) for _ in range(4)))
        for _ in range(free[-1]):
            slots.release()

    run_jobs(square, [1, 2, 3], workers=1, on_done=on_done, slots=slots)
    # The next job may have begun already, and holds one.
    assert set(free) <= {3, 4}
