"""What the real ngspice does where a run goes wrong, and that none of it is believed.

A script may stand in front of it, which spoils what goes in or comes out.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.raw import read_raw
from rram_jax.ngspice.runner import LADDER, ngspice_info, run_deck
from tests.ngspice.processes import script_before_ngspice, wait_until

pytestmark = pytest.mark.ngspice

RC = "rc\nV1 a 0 sin(0 1 1meg)\nR1 a b 1k\nC1 b 0 1n\n.tran 1n {}\n.end\n"
SHORT, ENDLESS = RC.format("2u"), RC.format("1 0 1n")

HANGS_UP = """cell that pulls itself up
V1 a 0 pulse(0 1 1n 1n 1n 1u 2u)
R1 a b 1k
C1 b 0 1f
B1 b 0 I= V(b) > 0.5 ? 1 : 0
.tran 1n 2u
.end
"""

NEEDS_A_CAPACITOR = """node without one
V1 a 0 pulse(0 1 1n 1p 1p 1u 2u)
R1 a b 1k
B1 b 0 I= V(b) > 0.5 ? 1m * V(b) : 0
.tran 1n 4n
.end
"""


@pytest.fixture
def behind(tmp_path, monkeypatch):
    """Put a shell script before ngspice (`script_before_ngspice`)."""

    def install(*script):
        script_before_ngspice(tmp_path / "ngspice", *script)
        monkeypatch.setenv("NGSPICE", str(tmp_path / "ngspice"))

    return install


def running_in(folder: Path) -> list[int]:
    """Numbers of the processes whose working folder lies in `folder`."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if folder in Path(os.readlink(link)).parents:
                found.append(int(link.parent.name))
    return found


needs_proc = pytest.mark.skipif(  # a run is found by its folder, which /proc tells
    not Path("/proc/self/cwd").exists(), reason="there is no /proc"
)


@needs_proc
def test_a_time_out_ends_it(tmp_path):
    with pytest.raises(NgspiceError, match="stopped after 0.5 s") as caught:
        run_deck(ENDLESS, timeout_s=0.5, folder=tmp_path)
    (kept,) = tmp_path.iterdir()
    assert str(kept) in str(caught.value)
    wait_until(lambda: not running_in(tmp_path))
    # What it had written until then is no result either: no points were counted.
    with pytest.raises(NgspiceError, match=r"`no. points: 0`|header is cut short"):
        read_raw(kept / "out.raw")


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_process_is_told(tmp_path, number):
    def kill():
        wait_until(lambda: any(p.stat().st_size for p in tmp_path.glob("*/out.raw")))
        os.kill(running_in(tmp_path)[0], number)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(NgspiceError, match="ngspice (was ended by|gave exit|said)"):
        run_deck(ENDLESS, timeout_s=60, folder=tmp_path)
    killer.join()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("cut", ["-1", "-8", "4096", "300", "0"])
def test_a_raw_file_that_is_cut_short_is_refused(behind, tmp_path, cut):
    behind(f'REAL "$@"\ncode=$?\ntruncate -s {cut} out.raw\nexit $code')
    with pytest.raises(NgspiceError, match=r"cut short"):
        run_deck(SHORT, t_stop=2e-6, folder=tmp_path / "work")


def test_a_transient_that_fails_leaves_part_of_a_file_that_is_not_read(tmp_path):
    with pytest.raises(NgspiceError, match="(?i)timestep too small"):
        run_deck(HANGS_UP, t_stop=2e-6, folder=tmp_path)
    (kept,) = tmp_path.iterdir()
    assert (kept / "out.raw").exists()


def test_a_transient_that_ends_early_is_refused(tmp_path):
    """With exit code 0 and a whole raw file."""
    with pytest.raises(NgspiceError, match="the transient ends at 2e-06 s of 3e-06 s"):
        run_deck(SHORT, t_stop=3e-6, folder=tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told(behind, tmp_path):
    """It returns 0."""
    behind('ln -s /dev/full out.raw\nREAL "$@"\necho "code $?" > code')
    with pytest.raises(NgspiceError, match="disk is full"):
        run_deck(RC.format("200u"), t_stop=200e-6, folder=tmp_path / "work")
    (code,) = (tmp_path / "work").glob("*/code")
    assert code.read_text() == "code 0\n"


def test_one_that_has_no_klu_is_not_asked_for_it(behind):
    old = "echo '** ngspice-39 : Circuit level simulation program'"
    behind('exec REAL "$@"', old)
    with pytest.raises(InputError, match="ngspice 39 .* built without it"):
        run_deck(SHORT, klu=True)


def test_one_that_ignores_klu_is_found_out(behind, tmp_path):
    """As ngspice 39 ignores the option, without a word and with exit code 0."""
    if not ngspice_info().klu:
        pytest.skip("this ngspice has no KLU")
    behind("sed -i 's/^.option klu$//' deck.cir\nexec REAL \"$@\"")
    with pytest.raises(NgspiceError, match="names SPARSE where KLU was demanded"):
        run_deck(SHORT, t_stop=2e-6, folder=tmp_path / "work")


def test_the_command_in_the_message_repeats_the_run(tmp_path):
    """In a folder whose name a shell would take apart, with our start-up files only.

    Those of the system load code models, with which this deck has a solution.
    """
    folder = tmp_path / "it's `touch x`; $(touch x)"
    deck = "t\nV1 a 0 1\nA1 a b amp\nR1 b 0 1k\n.model amp gain(gain=2)\n.op\n.end\n"
    with pytest.raises(NgspiceError, match="ngspice said") as caught:
        run_deck(deck, folder=folder, klu=False)
    (kept,) = folder.iterdir()
    log = (kept / "log").read_text()
    command = str(caught.value).split("repeat it by `", 1)[1].removesuffix("`.")
    again = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert again.returncode == 1
    # But for times and memory.
    said, logged = (re.findall(r"(?m)^\D+$", text) for text in (again.stdout, log))
    assert sorted(said) == sorted(logged)
    assert any("model" in line for line in said)
    assert not (tmp_path / "x").exists()


def test_retries_that_help_are_told(tmp_path):
    with pytest.raises(NgspiceError, match="(?i)timestep too small"):
        run_deck(NEEDS_A_CAPACITOR, t_stop=4e-9, folder=tmp_path)
    run = run_deck(NEEDS_A_CAPACITOR, t_stop=4e-9, folder=tmp_path, retry=True)
    assert run.retries == LADDER[: len(run.retries)] != ()
