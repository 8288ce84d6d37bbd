"""Run one ngspice deck in batch mode, in a process that cannot be left behind."""

import functools
import os
import re
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.checks import (
    NoConvergence,
    check_log,
    check_solver,
    check_vectors,
    refuse_commands,
    refuse_unknown_options,
)
from rram_jax.ngspice.child import MAX_BYTES, execute, size_of, tie
from rram_jax.ngspice.raw import read_raw

LADDER = ("method=gear", "abstol=1e-9 vntol=1e-5", "cshunt=1e-15")
"""Options that `run_deck` adds one after the other when a deck does not converge."""

# Two OpenMP threads took 3.7 times as long as one. The operating point that `noinit`
# keeps out of the log has a line for every node.
_START_UP = {".spiceinit": "set num_threads=1\nset noinit\n", "spinit": "\n"}
_ARGUMENTS = ("-b", "-r", "out.raw", "deck.cir")
_OWN_NAMES = {*_START_UP, "deck.cir", "log", "out.raw"}


@dataclass(frozen=True, kw_only=True)
class NgspiceInfo:
    """The ngspice that will run."""

    path: Path
    """Absolute path of the program."""

    version: int
    """[-] Major version: 46 for 46.2."""

    klu: bool
    """Built with the KLU solver; without, arrays past 32 x 32 take minutes to hours."""


@dataclass(frozen=True, kw_only=True)
class NgspiceRun:
    """What one checked run gave."""

    data: dict[str, np.ndarray]
    """Vector name in lower case -> float64 or complex128 [points], in SI units."""

    n_points: int
    """[-] Points of the longest vector."""

    cpu_s: float
    """[s] User and system time of the ngspice process."""

    seconds: float
    """[s] Wall time."""

    rss_bytes: int
    """[byte] Peak resident memory when last looked at; 0 where there is no /proc."""

    log: str
    """All that ngspice printed."""

    notes: tuple[str, ...]
    """Its notes and warnings, each once; none of them is fatal (gmin stepping, ...)."""

    solver: str
    """`KLU` or `SPARSE`, as the log proves."""

    version: int
    """[-] Major version of the ngspice that ran."""

    retries: tuple[str, ...] = ()
    """Options of `LADDER` that were added; empty if the deck converged as written."""


def ngspice_info(program: str | None = None) -> NgspiceInfo:
    """Find ngspice and ask for its version.

    Args:
        program: Name or path; by default the variable NGSPICE, else `ngspice`.

    Raises:
        InputError: There is no such program, or it is not ngspice.
    """
    wanted = program or os.environ.get("NGSPICE") or "ngspice"
    found = shutil.which(wanted)
    if found is None:
        raise InputError(
            f"ngspice was not found as `{wanted}`; install it with `apt-get install "
            "ngspice` or your system's package manager, or set NGSPICE to its path."
        )
    return _ask_version(Path(os.path.abspath(found)))


def run_deck(
    deck: str,
    *,
    t_stop: float | None = None,
    timeout_s: float = 3600.0,
    klu: bool | None = None,
    v_max: float = 18.0,
    files: Mapping[str, str] = MappingProxyType({}),
    folder: Path | None = None,
    retry: bool = False,
    wanted: Sequence[str] = (),
    peaks: Mapping[str, float] = MappingProxyType({}),
    osdi: Sequence[Path] = (),
) -> NgspiceRun:
    """Simulate one deck in a fresh folder of its own and check all that came out.

    No start-up file of the user or the system is read, so there is one thread and
    there are no XSPICE code models (`E... POLY`, `A...`). The solver's option is added
    here; the deck need not name it. On Linux ngspice dies with this process.

    Args:
        deck: Netlist with its analysis as a card; `.control` is refused.
        t_stop: [s] Where the transient has to end; None does not check it.
        timeout_s: [s] Wall time after which an attempt is killed.
        klu: The solver to demand; None demands KLU exactly where this ngspice has it.
            `.noise` cannot use KLU.
        v_max: [V] No node of a real-valued plot may go beyond.
        files: Name -> text of files that the deck includes, written beside it.
        folder: Where the run's own folder is made; by default the system's place for
            temporary files. It is removed, except after an `NgspiceError`.
        retry: Go up `LADDER` when the deck does not converge; reported in the result.
        wanted: Vectors, named as in `.save`, that the transient must have given.
        peaks: [V] Vector -> its maximum, known beforehand (`checks.check_vectors`).
        osdi: Compiled Verilog-A models to load (`ngspice.osdi.compile_model`).

    Raises:
        InputError: ngspice is missing, the deck runs commands or has an unknown option,
            or the folder cannot be written.
        NgspiceError: The run failed or cannot be trusted; gives the command that
            repeats it in the folder it left.
    """
    ngspice = ngspice_info()
    klu = ngspice.klu if klu is None else klu
    if klu and not ngspice.klu:
        raise InputError(
            f"KLU was asked for, but ngspice {ngspice.version} at `{ngspice.path}` was "
            "built without it: install ngspice 46, or call with klu=False."
        )
    for text in (deck, *files.values()):
        refuse_commands(text, beside=files)
        refuse_unknown_options(text)
    for name in files:
        if not re.fullmatch(r"\w[\w.+-]*", name) or name in _OWN_NAMES:
            raise InputError(
                f"`{name}` cannot name a file beside the deck: use letters, digits, "
                "`.`, `_`, `-` and none of the runner's own names."
            )

    # Of two settings ngspice takes the last: ours come after the deck's own.
    body = re.sub(r"(?im)^[ \t]*\.end[ \t]*$[\s\S]*", "", deck).rstrip()
    solver = [("klu" if klu else "sparse")] if ngspice.klu else []
    models = {f"model{k}.osdi": model for k, model in enumerate(osdi)}
    load = "".join(f"osdi {name}\n" for name in models)
    start_up = {**_START_UP, ".spiceinit": _START_UP[".spiceinit"] + load}
    used, place = 0, _make_folder(folder)
    try:
        for name, text in {**files, **start_up}.items():
            (place / name).write_text(text, encoding="utf-8")
        for name, model in models.items():
            shutil.copyfile(model, place / name)
        while True:
            cards = [f".option {o}" for o in (*solver, *LADDER[:used])]
            text = "\n".join([body, *cards, ".end\n"])
            (place / "deck.cir").write_text(text, encoding="utf-8")
            try:
                run = _attempt(ngspice, place, klu, timeout_s)
                break
            except NoConvergence:
                if not retry or used == len(LADDER):
                    raise
                used += 1
        check_vectors(run.data, t_stop=t_stop, v_max=v_max, wanted=wanted, peaks=peaks)
    except NgspiceError as error:
        if size_of(place / "out.raw") > MAX_BYTES:  # the log and deck tell enough
            (place / "out.raw").unlink()
        tried = f", also with {', '.join(LADDER[:used])}" if used else ""
        full = ", its disk is full" if shutil.disk_usage(place).free < 1 << 16 else ""
        what = str(error).rstrip(".")
        again = _command_to_repeat(ngspice, place)
        raise NgspiceError(f"{what}{tried}{full}; repeat it by `{again}`.") from None
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise _unusable(place, error) from None
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    shutil.rmtree(place, ignore_errors=True)
    return replace(run, retries=LADDER[:used])


def _make_folder(parent: Path | None) -> Path:
    try:
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="ngspice-", dir=parent)).resolve()
    except OSError as error:
        place = Path(tempfile.gettempdir()) if parent is None else parent
        raise _unusable(place, error) from None


def _unusable(place: Path, error: OSError) -> InputError:
    return InputError(
        f"ngspice cannot run in `{place}` ({error.strerror}): make room there, or "
        "choose another place with `folder` or the variable TMPDIR."
    )


def _command_to_repeat(ngspice: NgspiceInfo, place: Path) -> str:
    """For a shell: what `_attempt` ran, without the system's start-up file as well."""
    folder, program = shlex.quote(str(place)), shlex.quote(str(ngspice.path))
    arguments = " ".join(_ARGUMENTS)
    return f"cd {folder} && SPICE_SCRIPTS=. {program} {arguments}"


def _attempt(
    ngspice: NgspiceInfo, place: Path, klu: bool, timeout_s: float
) -> NgspiceRun:
    """Run the deck in `place` once; errors do not name the folder yet."""
    (place / "out.raw").unlink(missing_ok=True)
    command = [*tie(), str(ngspice.path), *_ARGUMENTS]
    code, cpu_s, seconds, rss_bytes = execute(command, place, timeout_s)
    log = (place / "log").read_text(encoding="utf-8", errors="replace")
    if code < 0:
        names = {int(number): number.name for number in signal.Signals}
        ended_by = names.get(-code, f"signal {-code}")  # real-time ones have no name
        raise NgspiceError(f"ngspice was ended by {ended_by}")
    check_log(log)
    if code:
        raise NgspiceError(f"ngspice gave exit code {code} and no reason")
    solver = "KLU" if klu else "SPARSE"
    check_solver(log, demanded=solver, has_klu=ngspice.klu)

    if not (place / "out.raw").exists():
        raise NgspiceError("ngspice wrote no raw file (has the deck an analysis?)")
    data = {}
    for plot in read_raw(place / "out.raw", max_bytes=MAX_BYTES):
        if shared := data.keys() & plot.data.keys():
            raise NgspiceError(
                f"two analyses wrote `{min(shared)}`, give each a deck of its own"
            )
        data |= plot.data
    notes = re.findall(r"(?m)^(?:Note|Warning)\b.*$", log)
    return NgspiceRun(
        data=data,
        n_points=max(map(len, data.values())),
        cpu_s=cpu_s,
        seconds=seconds,
        rss_bytes=rss_bytes,
        log=log,
        notes=tuple(dict.fromkeys(n for n in notes if "compatibility" not in n)),
        solver=solver,
        version=ngspice.version,
    )


@functools.cache
def _ask_version(path: Path) -> NgspiceInfo:
    try:
        with tempfile.TemporaryDirectory(prefix="ngspice-") as place:
            execute([str(path), "--version"], Path(place), timeout_s=20.0)
            answer = (Path(place) / "log").read_text(errors="replace")
    except (OSError, NgspiceError) as error:
        answer = str(error)
    version = re.search(r"\bngspice-(\d+)", answer)
    if version is None:
        raise InputError(
            f"`{path}` is no ngspice that runs, its answer to `--version` was "
            f"`{' '.join(answer.split())[:60]}`; set NGSPICE to the right path."
        )
    return NgspiceInfo(path=path, version=int(version[1]), klu="KLU" in answer)
