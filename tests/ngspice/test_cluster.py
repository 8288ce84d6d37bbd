import importlib
import os
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from threading import Event

import pytest

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice import cluster as module
from rram_jax.ngspice.cluster import connect
from rram_jax.ngspice.job import DeckFile, kept_row
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.ngspice.stop import Stopped
from rram_jax.ngspice.workplace import Workplace
from tests.helpers import is_one_sentence
from tests.ngspice.processes import (
    DividerRow,
    is_alive,
    kept_row_of,
    pids,
    run_divider,
    run_noted,
    wait_until,
)

pytestmark = pytest.mark.ngspice


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each with one thread; whoever kills one has another soon."""
    with connect("local", 2) as cluster:
        yield cluster


@pytest.fixture
def hanging_ngspice(tmp_path):
    """A program that notes its process id and hangs."""
    fake = tmp_path / "ngspice"
    fake.write_text(
        "#!/bin/sh\n[ $1 = --version ] && echo ngspice-46 && exit\n"
        f"touch '{tmp_path}'/pid-$$\nexec sleep 100\n"
    )
    fake.chmod(0o755)


class Unreadable:
    """What a module is to a process that lacks it."""

    def __call__(self, job): ...

    def __reduce__(self):
        return importlib.import_module, ("there_is_no_such_module",)


def write_jobs(folder, *texts):
    folder.mkdir()
    decks = [folder / f"{k}.cir" for k in range(len(texts))]
    for deck, text in zip(decks, texts, strict=True):
        deck.write_text(text)
    return [DeckFile(deck=deck, timeout_s=60.0) for deck in decks]


def workers_of(job):
    """Process ids of the workers that ran a job, in their order."""
    runs = job.deck.with_suffix(".runs")
    return [int(pid) for pid in runs.read_text().split()] if runs.exists() else []


def kept_divider(ngspice, job):
    row = kept_row(job, DividerRow, ngspice)
    return asdict(row) if row else None


def test_rows_are_those_of_processes_here(cluster, tmp_path):
    decks = [f"t\nv1 in 0 1\nr1 in out {k}k\nr2 out 0 3k\n.op\n" for k in (1, 2, 7)]
    kept, found = partial(kept_divider, ngspice_info()), []
    for name, work in (
        ("here", Workplace(workers=1)),
        ("away", Workplace(cluster=cluster)),
    ):
        jobs = write_jobs(tmp_path / name, *decks)
        rows = work.finish(run_divider, jobs, kept)
        assert rows == [kept(job) for job in jobs]
        assert not list((tmp_path / name).glob("runs/*"))
        found.append(rows)
    measured = dict.fromkeys(("seconds", "cpu_s", "rss_bytes"))
    here, away = ([row | measured for row in rows] for rows in found)
    assert here == away
    assert [row["out"] for row in away] == pytest.approx([3 / 4, 3 / 5, 3 / 10])


def test_stop_ends_the_decks_that_run(cluster, tmp_path, hanging_ngspice):
    jobs, stop = write_jobs(tmp_path / "decks", "hang", "hang"), Event()

    with ThreadPoolExecutor() as pool:
        work = Workplace(cluster=cluster, stop=stop)
        asked = pool.submit(work.finish, run_noted, jobs, kept_row_of)
        wait_until(lambda: len(pids(tmp_path)) == 2, 60)
        stop.set()
        with pytest.raises(Stopped, match="2 of 2 jobs"):
            asked.result(60)
    wait_until(lambda: not any(map(is_alive, pids(tmp_path))))
    wait_until(lambda: not list((tmp_path / "decks").glob("runs/*")))


def test_a_failure_ends_the_decks_that_run(cluster, tmp_path, hanging_ngspice):
    jobs = write_jobs(tmp_path / "decks", "hang", "fail after it")
    with pytest.raises(NgspiceError, match="deck 7 failed"):
        Workplace(cluster=cluster).finish(run_noted, jobs, kept_row_of)
    wait_until(lambda: not any(map(is_alive, pids(tmp_path))))


def test_decks_end_with_the_process_that_asks_for_them(
    cluster, tmp_path, hanging_ngspice
):
    jobs = write_jobs(tmp_path / "decks", "hang")
    with (
        connect(cluster.client.scheduler.address) as mine,
        ThreadPoolExecutor() as pool,
    ):
        work = Workplace(cluster=mine)
        asked = pool.submit(work.finish, run_noted, jobs, kept_row_of)
        wait_until(lambda: pids(tmp_path), 60)
        mine.client.close()
        with pytest.raises(NgspiceError, match="is gone") as told:
            asked.result(60)
    assert is_one_sentence(told.value)
    wait_until(lambda: not any(map(is_alive, pids(tmp_path))))


def test_a_worker_that_sees_no_folder(cluster, tmp_path):
    jobs = write_jobs(tmp_path / "decks", "quick")
    jobs[0].deck.unlink()
    with pytest.raises(InputError, match="does not see .*--out") as told:
        Workplace(cluster=cluster).finish(run_noted, jobs, kept_row_of)
    assert is_one_sentence(told.value)


def test_a_worker_with_another_ngspice(cluster, tmp_path, monkeypatch):
    jobs, own = write_jobs(tmp_path / "decks", "quick"), ngspice_info()
    other = replace(own, version=own.version - 1)
    monkeypatch.setattr(module, "ngspice_info", lambda: other)
    with pytest.raises(InputError, match=rf"{own.version} .*{other.version} ") as told:
        Workplace(cluster=cluster).finish(run_noted, jobs, kept_row_of)
    assert is_one_sentence(told.value)


def test_a_cluster_that_cannot_read_the_jobs(cluster, tmp_path):
    jobs = write_jobs(tmp_path / "decks", "quick")
    with pytest.raises(InputError, match="the same environment") as told:
        Workplace(cluster=cluster).finish(Unreadable(), jobs, kept_row_of)
    assert is_one_sentence(told.value)


def test_what_a_killed_worker_had_is_done_again_and_nothing_else(
    cluster, tmp_path, hanging_ngspice
):
    jobs = write_jobs(tmp_path / "decks", "hang", "quick", "late", "quick")
    hangs, rows = jobs[0], []

    def kill_worker():
        wait_until(lambda: len(rows) == 3 and pids(tmp_path), 60)
        os.kill(workers_of(hangs)[0], signal.SIGKILL)

    with ThreadPoolExecutor() as pool:
        killer = pool.submit(kill_worker)
        work = Workplace(cluster=cluster, on_row=rows.append)
        found = work.finish(run_noted, jobs, kept_row_of)
        killer.result()
    assert [row["what"] for row in found] == ["hang", "quick", "late", "quick"]
    assert [len(workers_of(job)) for job in jobs] == [2, 1, 1, 1]
    first, second = workers_of(hangs)
    assert first != second
    (ngspice,) = pids(tmp_path)
    assert not is_alive(ngspice)


def test_a_deck_that_kills_its_workers_is_given_up(cluster, tmp_path, monkeypatch):
    scheduler = cluster.client.cluster.scheduler
    monkeypatch.setattr(scheduler, "allowed_failures", 1)  # 3 takes longer
    jobs = write_jobs(tmp_path / "decks", "deadly")
    with pytest.raises(NgspiceError, match=r"2 workers died .*0\.cir.* memory") as told:
        Workplace(cluster=cluster).finish(run_noted, jobs, kept_row_of)
    assert is_one_sentence(told.value)
    assert len(workers_of(jobs[0])) == 2


def test_what_a_closing_worker_had_is_done_again(cluster, tmp_path, hanging_ngspice):
    cluster.client.wait_for_workers(2, timeout=60)
    jobs = write_jobs(tmp_path / "decks", "hang")
    with ThreadPoolExecutor() as pool:
        work = Workplace(cluster=cluster)
        asked = pool.submit(work.finish, run_noted, jobs, kept_row_of)
        wait_until(lambda: pids(tmp_path), 60)
        busy = [name for name, keys in cluster.client.processing().items() if keys]
        cluster.client.retire_workers(busy)
        assert asked.result(60) == [{"what": "hang"}]
    wait_until(lambda: not any(map(is_alive, pids(tmp_path))))
    assert len(workers_of(jobs[0])) == 2


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:1",
        "tcp://127.0.0.1:1",
        "nonsense",
        "tls://127.0.0.1:1",
        "ucx://127.0.0.1:1",
        "inproc://127.0.0.1:1",
        "moon://127.0.0.1:1",
    ],
)
def test_an_address_at_which_nobody_answers(monkeypatch, address):
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    with pytest.raises(InputError, match="No dask scheduler answers") as told:
        connect(address).__enter__()
    assert is_one_sentence(told.value)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" * 64,
        bytes(64),
        (16).to_bytes(8, "little") + (0).to_bytes(8, "little"),
        (9).to_bytes(8, "little") + (1).to_bytes(8, "little") + b"\x01",
        # a frame of one message, the number 1, in place of a greeting
        *[
            n.to_bytes(8, "little") + m.to_bytes(8, "little") + k.to_bytes(8, "little")
            for n, m, k in ((17, 1, 1), (1 << 60, 1 << 50, 7))
        ],
    ],
)
def test_somebody_who_is_no_scheduler(monkeypatch, said):
    monkeypatch.setattr(module, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        left = Event()

        def answer():
            with server.accept()[0] as connection:
                connection.sendall(said)
                left.wait(20)

        with ThreadPoolExecutor() as pool:
            pool.submit(answer)
            start = time.monotonic()
            with pytest.raises(InputError, match="No dask scheduler answers") as told:
                connect(f"127.0.0.1:{server.getsockname()[1]}").__enter__()
            left.set()
    assert time.monotonic() - start < 5
    assert is_one_sentence(told.value)


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'pip install "rram_jax\[dask\]"') as told:
        connect("local").__enter__()
    assert is_one_sentence(told.value)
