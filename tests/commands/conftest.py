"""A tiny checkpoint, and the program as a process that can be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rram_jax.cli import main
from tests.data.conftest import write_idx as write_idx
from tests.data.conftest import write_set as write_set

ROOT = Path(__file__).resolve().parents[2]

TINY = ("train", "--network", "mlp-144-8-10", "--epochs", "2", "--seed", "3")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A finished training run; not to be written to."""
    folder = tmp_path_factory.mktemp("trained") / "checkpoint"
    assert main([*TINY, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Default folders of runs are made in the test's own folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def kill_when():
    """Start `rram-jax` and kill it, without a warning, once a condition holds."""

    def kill_when(condition, *argv):
        code = "from rram_jax.cli import main; raise SystemExit(main())"
        with subprocess.Popen(
            [sys.executable, "-c", code, *argv],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            end = time.monotonic() + 120
            while not condition():
                told = "" if process.poll() is None else process.stderr.read()
                assert process.poll() is None, f"it ended before it was killed: {told}"
                assert time.monotonic() < end
                time.sleep(0.002)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL

    return kill_when
