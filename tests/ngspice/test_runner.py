import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice import child, runner
from rram_jax.ngspice.runner import LADDER, ngspice_info, run_deck
from tests.ngspice.processes import ROOT, is_alive, wait_until
from tests.ngspice.test_raw import NAMES, TABLE, plot

SAYS_KLU = "echo 'Using KLU as Direct Linear Solver'"


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory, monkeypatch):
    """Keep what failed runs leave behind out of the system's folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a shell script in ngspice's place; `good.raw` beside it is a right answer."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "good.raw").write_bytes(plot(TABLE, NAMES))

    def install(body, banner="** ngspice-46.2 : x\n** Compiled with KLU Direct"):
        program = place / f"ngspice{len(list(place.iterdir()))}"
        program.write_text(
            f"#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{banner}'; exit 0; fi\n"
            + body.replace("GOOD", f"cp '{place}/good.raw' out.raw").replace(
                "PIDS", f"'{place}/pids'"
            )
        )
        program.chmod(0o755)
        monkeypatch.setenv("NGSPICE", str(program))
        return place / "pids"

    return install


# -- with the real ngspice ------------------------------------------------------------


@pytest.mark.ngspice
def test_divider():
    out = run_deck("divider\nV1 a 0 3\nR1 a b 1k\nR2 b 0 2k\n.op\n.end\n")
    # By hand: 3 V over 3 kOhm. float64 and a condition number near 1.
    np.testing.assert_allclose(out.data["v(b)"], [2.0], rtol=1e-12)
    np.testing.assert_allclose(out.data["i(v1)"], [-1e-3], rtol=1e-12)
    assert out.n_points == 1
    assert out.retries == ()
    assert out.version == ngspice_info().version
    assert out.solver == ("KLU" if ngspice_info().klu else "SPARSE")


@pytest.mark.ngspice
def test_rc_transient_follows_the_exponential(tmp_path):
    deck = """rc
        V1 in 0 2
        R1 in out 3k
        C1 out 0 1n ic=0.5
        .option reltol=1e-6
        .tran 10n 12u 0 10n uic
    """
    out = run_deck(deck, t_stop=12e-6, folder=tmp_path / "work", klu=False)
    exact = 2 - 1.5 * np.exp(-out.data["time"] / 3e-6)
    # Steps of tau/300 by the trapezoidal rule: (1/300)^2 / 12 = 1e-6 of the swing.
    np.testing.assert_allclose(out.data["v(out)"], exact, atol=5e-6)
    assert out.n_points == len(out.data["time"]) > 1000
    assert out.solver == "SPARSE"
    assert 0 < out.cpu_s < 5
    assert out.cpu_s / 2 < out.seconds < 20
    assert list((tmp_path / "work").iterdir()) == []  # removed after success


@pytest.mark.ngspice
def test_ac_and_noise_and_files_beside_the_deck():
    deck = "ac\nV1 a 0 dc 0 ac 1\n.include part.lib\n{}\n.end\n"
    files = {"part.lib": "R1 a b 1k\nC1 b 0 1n\n.ic v(b)=0\n"}
    out = run_deck(deck.format(".ac lin 1 1meg 1meg"), files=files)
    exact = 1 / (1 + 2j * np.pi * 1e6 * 1e-6)
    np.testing.assert_allclose(out.data["v(b)"], [exact], rtol=1e-9)
    # Two plots, merged: far below the pole the density is R1's, 4 k T R at 300.15 K.
    out = run_deck(deck.format(".noise v(b) V1 lin 2 1 2"), files=files, klu=False)
    density = np.sqrt(4 * 1.380649e-23 * 300.15 * 1e3)
    # The constants in ngspice have six digits; (2 Hz / 159 kHz)^2 is 2e-10.
    np.testing.assert_allclose(out.data["onoise_spectrum"], [density] * 2, rtol=1e-5)
    assert "v(onoise_total)" in out.data


MOS = "V1 d 0 1\nM1 d d 0 0 nn w=1u l=1u\n"
LIES = {
    "floating node": ("V1 a 0 1\nC1 a b 1p\nC2 b 0 1p\nR1 b c 1k\n.op", "singular"),
    "source into nothing": ("I1 0 a 1u\nC1 a 0 1p\n.op", "singular"),
    "voltage loop": ("V1 a 0 1\nV2 a 0 2\n.op", "voltage sources in a loop"),
    "division by zero": ("V1 a 0 0\nB1 b 0 V=1/V(a)\nR1 b 0 1\n.op", "no solution"),
    "0 Ohm": ("V1 a 0 1\nR1 a b 0\nR2 b 0 1k\n.op", "join its nodes"),
    "model parameter": (MOS + ".model nn nmos level=14 cj=1e-3\n.op", r"\(cj\)"),
    "instance parameter": ("V1 a 0 1\nR1 a 0 1k foo=2\n.op", "foo"),
    "no model": (MOS + ".op", "nn"),
    "no subcircuit": ("V1 a 0 1\nX1 a 0 lost\n.op", "lost"),
    "no analysis": ("V1 a 0 1\nR1 a 0 1", "has the deck an analysis"),
    "nothing": ("", "has the deck an analysis"),
    "measure": ("V1 a 0 1\nR1 a 0 1\n.op\n.meas op x find v(a)", "vectors instead"),
    "absurd": ("V1 a 0 1\nE1 b 0 a 0 19\nR1 b 0 1\n.op", "19 V, beyond 18 V"),
    "two analyses": ("V1 a 0 1\nR1 a 0 1\n.op\n.tran 1n 5n", "deck of its own"),
    "transient that stops": (
        "V1 a 0 pulse(0 1 1n 1n 1n 1u 2u)\nR1 a b 1k\nC1 b 0 1f\n"
        "B1 b 0 I= V(b) > 0.5 ? 1 : 0\n.tran 1n 2u",
        "(?i)timestep too small",
    ),
}


@pytest.mark.ngspice
@pytest.mark.parametrize("lie", LIES)
def test_wrong_decks_are_caught_and_their_folder_is_kept(tmp_path, lie):
    if lie == "0 Ohm" and ngspice_info().version < 46:
        pytest.skip("ngspice 39 takes 1 mOhm without a word")  # so nothing to catch
    body, words = LIES[lie]
    with pytest.raises(NgspiceError, match=words) as caught:
        run_deck(f"title\n{body}\n.end\n", folder=tmp_path, klu=False)
    (kept,) = tmp_path.iterdir()
    assert f"; repeat it by `cd {kept} && " in str(caught.value)
    assert {"deck.cir", "log", ".spiceinit"} <= {p.name for p in kept.iterdir()}


@pytest.mark.ngspice
def test_unknown_option_and_commands_never_reach_ngspice(tmp_path):
    lines = ".option gminn=1", ".control\nshell touch x\n.endc", "*# shell ls", ".inc y"
    for line in lines:
        with pytest.raises(InputError, match="deck's line"):
            run_deck(f"t\nV1 a 0 1\nR1 a 0 1\n{line}\n.op\n.end\n", folder=tmp_path)
        with pytest.raises(InputError, match="deck's line"):
            run_deck("t\n.include x\n.op\n", files={"x": line}, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ngspice
def test_a_start_up_file_of_the_user_is_not_read(tmp_path, monkeypatch):
    (tmp_path / ".spiceinit").write_text("echo read from home\nset filetype=ascii\n")
    (tmp_path / "spinit").write_text("echo read from scripts\nquit\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SPICE_SCRIPTS", str(tmp_path))
    monkeypatch.setenv("SPICE_USERINIT_DIR", str(tmp_path))
    monkeypatch.setenv("SPICE_ASCIIRAWFILE", "1")
    monkeypatch.chdir(tmp_path)
    out = run_deck("t\nV1 a 0 1\nR1 a 0 1\n.op\n.end\n")
    assert "read from" not in out.log


@pytest.mark.ngspice
def test_folders_with_odd_names(tmp_path):
    out = run_deck(
        "t\nV1 a 0 1\nR1 a 0 1\n.op\n", folder=tmp_path / 'it\'s (a) "$HOME"\nfolder'
    )
    assert out.data["v(a)"] == [1.0]


@pytest.mark.ngspice
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_memory_is_ngspice_s_own():
    ballast = np.ones(25_000_000)  # 200 MB that `ru_maxrss` would count
    deck = "t\nV1 a 0 sin(0 1 1meg)\nR1 a b 1k\nC1 b 0 1n\n.tran 1n 50u\n.end\n"
    out = run_deck(deck, t_stop=50e-6)
    assert 5e6 < out.rss_bytes < 100e6
    assert ballast.sum() > 0


@pytest.mark.ngspice
def test_a_full_disk_is_named(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path],
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    try:
        deck = "t\nV1 a 0 sin(0 1 1meg)\nR1 a b 1k\nC1 b 0 1n\n.tran 1n 100u\n.end\n"
        with pytest.raises(NgspiceError, match="disk is full"):
            run_deck(deck, t_stop=100e-6, folder=tmp_path)
        with contextlib.suppress(OSError), (tmp_path / "rest").open("wb") as file:
            file.write(b"x" * 65536)
        with pytest.raises(InputError, match="No space left on device"):
            run_deck(deck, folder=tmp_path)
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


# -- with programs that lie ------------------------------------------------------------


def test_the_fake_is_believed_where_it_is_right(fake):
    fake(f"{SAYS_KLU}\necho 'Note: a'\necho 'Warning: b'\necho 'Note: a'\nGOOD")
    out = run_deck("t\n.tran 1n 1n\n", t_stop=1e-9)
    np.testing.assert_array_equal(out.data["v(out)"], [1.25, 2.5])
    assert (out.solver, out.version, out.n_points) == ("KLU", 46, 2)
    assert out.notes == ("Note: a", "Warning: b")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"{SAYS_KLU}\nGOOD\ntruncate -s -1 out.raw", "cut short by 1 bytes"),
        (f"{SAYS_KLU}\nprintf x > out.raw", "header is cut short"),
        (f"{SAYS_KLU}", "wrote no raw file"),
        ("GOOD", "names no solver where KLU was demanded"),
        ("echo 'Using SPARSE 1.3 as x'\nGOOD", "names SPARSE where KLU was demanded"),
        (f"{SAYS_KLU}\nGOOD\nexit 3", "exit code 3 and no reason"),
        (f"{SAYS_KLU}\nGOOD\nkill -SEGV $$", "ended by SIGSEGV"),
        (f"{SAYS_KLU}\nGOOD\nkill -KILL $$", "ended by SIGKILL"),
        (f"{SAYS_KLU}\nGOOD\nkill -40 $$", "ended by signal 40"),
    ],
)
def test_a_lie_is_caught(fake, tmp_path, body, words):
    fake(body)
    with pytest.raises(NgspiceError, match=words) as caught:
        run_deck("t\n.tran 1n 1n\n", folder=tmp_path / "work")
    (kept,) = (tmp_path / "work").iterdir()
    assert str(kept) in str(caught.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE * [1, np.nan, 1], "nan"),
        (TABLE * [1, 1, np.inf], "inf"),
        (TABLE * [1, 10, 1], "25 V, beyond 18 V"),
        (TABLE * [0.5, 1, 1], "ends at 5e-10 s of 1e-09 s"),
    ],
)
def test_numbers_that_cannot_be_are_caught(fake, tmp_path, table, words):
    fake(f"{SAYS_KLU}\nGOOD")
    (tmp_path / "bin" / "good.raw").write_bytes(plot(table, NAMES))
    with pytest.raises(NgspiceError, match=words):
        run_deck("t\n.tran 1n 1n\n", t_stop=1e-9, folder=tmp_path / "work")


def test_time_out_leaves_no_process(fake, tmp_path):
    pids = fake("sleep 600 &\necho $$ $! > PIDS\nsleep 600")
    start = time.monotonic()
    with pytest.raises(NgspiceError, match="stopped after 0.4 s"):
        run_deck("t\n.op\n", timeout_s=0.4, folder=tmp_path / "work")
    assert time.monotonic() - start < 5
    found = [int(pid) for pid in pids.read_text().split()]
    assert len(found) == 2
    wait_until(lambda: not any(map(is_alive, found)))


def test_children_that_outlive_the_program_are_ended(fake):
    pids = fake(f"sleep 600 &\necho $! > PIDS\n{SAYS_KLU}\nGOOD")
    run_deck("t\n.tran 1n 1n\n")
    wait_until(lambda: not is_alive(int(pids.read_text())))


def test_ctrl_c_leaves_neither_process_nor_folder(fake, tmp_path):
    pids = fake("echo $$ > PIDS\nexec sleep 600")

    def interrupt():
        wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_deck("t\n.op\n", folder=tmp_path / "work", timeout_s=30)
    thread.join()
    wait_until(lambda: not is_alive(int(pids.read_text())))
    assert list((tmp_path / "work").iterdir()) == []


def test_an_interruption_at_any_moment_leaves_no_process(fake):
    """Also one that falls between the start of the program and its first word."""
    pids = fake("echo $$ >> PIDS\nexec sleep 600")
    pids.touch()
    ngspice_info()

    class Interrupted(BaseException):
        pass

    def interrupt(*_):
        raise Interrupted

    def interrupted_run(delay):
        target = threading.main_thread().ident, signal.SIGUSR1
        timer = threading.Timer(delay, signal.pthread_kill, target)
        timer.start()
        run_deck("t\n.op\n", timeout_s=30)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        for delay in np.linspace(0, 0.03, 30):
            start = time.monotonic()
            with pytest.raises(Interrupted):
                interrupted_run(delay)
            assert time.monotonic() - start < 10  # it did not wait for its time-out
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(pids.read_text().split()) > 3  # some runs got as far as the program
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids.read_text().split()))


NO_SETPRIV = sys.platform != "linux" or shutil.which("setpriv") is None


@pytest.mark.skipif(NO_SETPRIV, reason="needs Linux and the setpriv of util-linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ngspice_dies_with_its_caller(fake, tmp_path, number):
    pids = fake("echo $$ > PIDS\nexec sleep 600")
    program = "from rram_jax.ngspice.runner import run_deck; run_deck('t\\n.op\\n')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    caller = subprocess.Popen([sys.executable, "-c", program], env=environment)
    wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"))
    caller.send_signal(number)
    assert caller.wait(10) == -number
    wait_until(lambda: not is_alive(int(pids.read_text())))


def test_a_flood_of_output_is_stopped(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "MAX_LOG", 100_000)
    fake("exec yes")
    with pytest.raises(NgspiceError, match="printed more than 100000 bytes"):
        run_deck("t\n.op\n", folder=tmp_path / "work")


@pytest.mark.parametrize("end", ["exec sleep 600", f"{SAYS_KLU}"])
def test_a_flood_of_vectors_is_stopped_and_removed(fake, tmp_path, monkeypatch, end):
    """Also one that was over before anybody looked."""
    for module in (child, runner):
        monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    fake(f"truncate -s 100001 out.raw\n{end}")
    with pytest.raises(NgspiceError, match="more than .*100000 .*`.save`"):
        run_deck("t\n.op\n", folder=tmp_path / "work", timeout_s=60)
    (kept,) = (tmp_path / "work").iterdir()
    assert (kept / "deck.cir").exists()
    assert not (kept / "out.raw").exists()


def test_a_missing_vector_keeps_the_folder(fake, tmp_path):
    fake(f"{SAYS_KLU}\nGOOD")
    run_deck("t\n.tran 1n 1n\n", wanted=["i(v1)"], peaks={"v(out)": 2.5})
    asked = [{"wanted": ["v(lost)"]}, {"peaks": {"v(out)": 1.8}}]
    for options in asked:
        with pytest.raises(NgspiceError, match=r"`v\((lost|out)\)`"):
            run_deck("t\n.tran 1n 1n\n", folder=tmp_path / "work", **options)
    assert len(list((tmp_path / "work").iterdir())) == len(asked)


def test_the_environment_is_bare(fake, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_USER", "1")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/some/module/lib")
    fake(f"pwd\nenv\ncat .spiceinit\n{SAYS_KLU}\nGOOD")
    log = run_deck("t\n.op\n").log
    place, *lines = log.splitlines()
    assert f"HOME={place}" in lines
    assert {"LC_ALL=C", "OMP_NUM_THREADS=1", "SPICE_SCRIPTS=."} <= set(lines)
    assert "LD_LIBRARY_PATH=/some/module/lib" in lines
    assert "set num_threads=1" in lines
    assert "SECRET" not in log


def test_retries_only_when_asked_and_says_which(fake, tmp_path):
    # It converges on the ladder's second step, and leaves a bad raw file before that.
    fake(
        f"{SAYS_KLU}\nGOOD\ngrep -q vntol deck.cir && exit\n"
        "printf x > out.raw\necho Timestep too small\nexit 1"
    )
    out = run_deck("t\n.tran 1n 1n\n", retry=True)
    assert out.retries == LADDER[:2]
    with pytest.raises(NgspiceError, match="Timestep too small`; repeat"):
        run_deck("t\n.tran 1n 1n\n", folder=tmp_path / "work")
    fake("printf x > out.raw\necho Timestep too small; exit 1")
    with pytest.raises(NgspiceError, match="also with method=gear, abstol.*cshunt"):
        run_deck("t\n.tran 1n 1n\n", retry=True, folder=tmp_path / "work")


def test_an_older_raw_file_is_never_read(fake, tmp_path):
    fake(f"{SAYS_KLU}\ngrep -q gear deck.cir && exit\nGOOD\necho Timestep too small")
    with pytest.raises(
        NgspiceError, match="no raw file.*also with method=gear; repeat"
    ):
        run_deck("t\n.tran 1n 1n\n", retry=True, folder=tmp_path / "work")


def test_other_failures_are_not_retried(fake, tmp_path):
    pids = fake("echo x >> PIDS\necho 'singular matrix: check node b'\nGOOD")
    with pytest.raises(NgspiceError, match="singular"):
        run_deck("t\n.tran 1n 1n\n", retry=True, folder=tmp_path / "work")
    assert pids.read_text() == "x\n"


def test_options_come_last_and_nothing_follows_the_end(fake):
    fake(f"cat deck.cir\n{SAYS_KLU}\nGOOD")
    out = run_deck("t\n.option method=trap\n.ENDS\n .End \nR1 a 0 1\n.end\n")
    text = out.log.removesuffix("Using KLU as Direct Linear Solver\n")
    assert text == "t\n.option method=trap\n.ENDS\n.option klu\n.end\n"


def test_versions(fake):
    fake("GOOD", banner="** ngspice-39 : Circuit level simulation program")
    info = ngspice_info()
    assert (info.version, info.klu, info.path.is_absolute()) == (39, False, True)
    assert run_deck("t\n.op\n").solver == "SPARSE"  # it names none, and has no other
    with pytest.raises(InputError, match="ngspice 39 .* built without"):
        run_deck("t\n.op\n", klu=True)

    fake(f"cat deck.cir\n{SAYS_KLU}\nGOOD", banner="** ngspice-47+ : x\n** with KLU")
    assert run_deck("t\n.op\n").version == 47
    with pytest.raises(NgspiceError, match="names KLU where SPARSE was demanded"):
        run_deck("t\n.op\n", klu=False)


def test_programs_that_are_no_ngspice(fake, tmp_path, monkeypatch):
    fake("", banner="GNU bash, version 5")
    with pytest.raises(InputError, match="its answer .* was `GNU bash, version 5`"):
        run_deck("t\n.op\n")
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    for program in (tmp_path / "absent", tmp_path, tmp_path / "bin" / "good.raw"):
        with pytest.raises(InputError, match=f"not found as `{program}`; install"):
            ngspice_info(str(program))
    with pytest.raises(InputError, match="is no ngspice that runs"):
        ngspice_info(str(broken))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("NGSPICE")
    with pytest.raises(InputError, match="not found as `ngspice`; install it with"):
        ngspice_info()


def test_folders_that_cannot_be_written(fake, tmp_path):
    fake(f"{SAYS_KLU}\nGOOD")
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", Path("/proc/none/of/this")):
        with pytest.raises(InputError, match=f"cannot run in `{folder}`"):
            run_deck("t\n.op\n", folder=folder)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "deck.cir", ".spiceinit", ""])
def test_names_of_files_beside_the_deck(fake, name):
    fake(f"{SAYS_KLU}\nGOOD")
    with pytest.raises(InputError, match="cannot name a file beside the deck"):
        run_deck("t\n.op\n", files={name: "* text\n"})
