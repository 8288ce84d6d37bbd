"""The folder of one run: what was asked, what it ran with, what came out.

    config.json      command and resolved configuration, seed included
    versions.json    what it ran with, at its start and at every resumption
    metrics.json     what came out; written last, so it stands for a finished run

One process at a time may write to it, and nothing finished is ever overwritten.
"""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal

from filelock import FileLock, Timeout

from rram_jax.errors import InputError

PACKAGES = ("rram_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
"""What the bits of a result depend on, the interpreter aside."""


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A folder that this process alone may write to until it leaves the context."""

    path: Path

    state: Literal["new", "resumed", "finished"]
    """Whether there was nothing, an unfinished run or a finished one before."""

    changed: tuple[str, ...] = ()
    """Packages of another version than at the start of a resumed run."""

    lock: FileLock | None = field(default=None, repr=False)
    """None for a finished run, which is only read."""

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_):
        if self.lock:
            # Whoever comes between these lines finds the run finished, and reads.
            if (self.path / "metrics.json").exists():
                Path(self.lock.lock_file).unlink(missing_ok=True)
            self.lock.release()

    def finish(self, metrics: dict[str, Any]) -> None:
        """Write the results: from now on the run is finished."""
        write_json(self.path / "metrics.json", metrics)

    def metrics(self, **kinds: type | UnionType) -> dict[str, Any]:
        """The results of a finished run; see `read_metrics`."""
        return read_metrics(self.path, **kinds)


def open_run(
    path: Path,
    command: str,
    config: dict[str, Any],
    *,
    devices: Mapping[str, int] | None = None,
) -> RunFolder:
    """Begin a run in a folder, go on with it, or find that it is finished.

    Args:
        path: The folder; made where there is none.
        command: What runs, such as `train`.
        config: Values that JSON can hold, the seed among them. Runs are the same run
            if their commands and configurations are equal.
        devices: How many of each kind it runs on (`parallel.count_devices`), for
            versions.json; None leaves them out.

    Raises:
        InputError: The folder belongs to another run or to something else, or another
            process holds it.
    """
    asked = json.loads(json.dumps({"command": command, **config}))
    if _state(path, asked) == "finished":
        return RunFolder(path=path, state="finished")
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"Another process is writing to {path}: wait until it is done, or give"
            " another --out."
        ) from None
    try:
        # Only now is what the folder says final.
        state = _state(path, asked)
        if state == "new":
            write_json(path / "config.json", asked)
        changed = _note_versions(path / "versions.json", devices)
    except BaseException:
        lock.release()
        raise
    return RunFolder(path=path, state=state, changed=changed, lock=lock)


def read_metrics(path: Path, **kinds: type | UnionType) -> dict[str, Any]:
    """The results of a finished run.

    Args:
        path: The run's folder.
        **kinds: What the results must hold, such as `points=list`.

    Raises:
        InputError: metrics.json is damaged or lacks one of these.
    """
    found = _read_object(path / "metrics.json")
    if not holds(found, kinds):
        raise damaged_run(path / "metrics.json")
    return found


def holds(value: Any, kinds: Mapping[str, type | UnionType]) -> bool:
    """Whether a value read from JSON is an object with these keys, of these types."""
    return isinstance(value, dict) and all(
        isinstance(value.get(key), kind) for key, kind in kinds.items()
    )


def damaged_run(path: Path) -> InputError:
    """What to say of a file without which the run of its folder is lost."""
    return InputError(f"{path} is damaged: remove its folder or give another --out.")


def damaged_table(path: Path) -> InputError:
    """What to say of a table that the run can make again."""
    return InputError(f"{path} is damaged: remove it, and what it held is redone.")


def check_writable(path: Path) -> None:
    """Check, before any work, that a file of results can be written there.

    Raises:
        InputError: Its folder is missing or closed to us, or the path is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the path of a file.")
    if not path.parent.is_dir():
        raise InputError(
            f"{path} cannot be written, as there is no folder {path.parent}: make it or"
            " give another path."
        )
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"{path} cannot be written, as {path.parent} is not yours to write to: give"
            " another path."
        )


def default_folder(command: str, name: str, config: dict[str, Any]) -> Path:
    """Where a run goes if the user names no folder: equal runs go to the same."""
    text = json.dumps({"command": command, **config}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Path("runs") / f"{command}-{name}-{digest[:8]}"


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; NaN and infinity are no JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whenever the process or the machine stops."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's files are the owner's alone
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_table(
    path: Path, header: Sequence[str], rows: Iterable[Iterable[Any]]
) -> None:
    """Write a CSV file whole; numbers keep all their digits."""
    cells = (json.dumps(list(row), separators=(",", ":"))[1:-1] for row in rows)
    lines = [",".join(header), *cells]
    write_text(path, "\n".join(lines) + "\n")


def read_numbers(path: Path, header: Sequence[str]) -> list[list[float]]:
    """Read back the numbers that `write_table` wrote; none where there is no file."""
    if not path.is_file():
        return []
    try:
        first, *lines = path.read_text().splitlines()
        rows = [json.loads(f"[{line}]") for line in lines]
    except (ValueError, RecursionError):
        first, rows = "", []
    # true is an int to Python.
    numbers = all(type(cell) in (int, float) for row in rows for cell in row)
    if (
        first != ",".join(header)
        or {len(r) for r in rows} - {len(header)}
        or not numbers
    ):
        raise damaged_table(path)
    return rows


def _state(path: Path, asked: dict[str, Any]) -> Literal["new", "resumed", "finished"]:
    """What the folder holds, seen from the run that is asked for."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give a folder as --out.")
    if not (path / "config.json").is_file():
        # Hidden files are the lock and what a killed process was just writing.
        if path.is_dir() and any(p.name[0] != "." for p in path.iterdir()):
            raise InputError(
                f"{path} holds files but no run of ours: give a new or an empty folder"
                " as --out."
            )
        return "new"
    asked = _without_nulls(asked)
    found = _without_nulls(_read_object(path / "config.json"))
    if asked != found:
        key, here, wanted = _difference(found, asked)
        raise InputError(
            f"{path} holds a run with {key} = {_short(here)}, and {_short(wanted)} is"
            " asked for: give another --out, or remove that folder."
        )
    return "finished" if (path / "metrics.json").is_file() else "resumed"


def _without_nulls(tree: Any) -> Any:
    """The tree without keys that hold null: what is left out is null."""
    if not isinstance(tree, dict):
        return tree
    return {k: _without_nulls(v) for k, v in tree.items() if v is not None}


def _difference(here: Any, wanted: Any, key: str = "") -> tuple[str, Any, Any]:
    """The first key, dotted, under which two unequal trees differ, and both values."""
    if not isinstance(here, dict) or not isinstance(wanted, dict):
        return key, here, wanted
    names = sorted(here.keys() | wanted.keys(), key=lambda n: (n != "command", n))
    name = next(n for n in names if here.get(n) != wanted.get(n))
    below = f"{key}.{name}" if key else name
    return _difference(here.get(name), wanted.get(name), below)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise damaged_run(path)
    return value


def _note_versions(path: Path, devices: Mapping[str, int] | None) -> tuple[str, ...]:
    """Add this start to the file; returns what differs from the first."""
    now = {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command_line": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git_commit": git_commit(Path(__file__).resolve().parent.parent),
        "source_sha256": source_sha256(),
        **{name: _version(name) for name in PACKAGES},
    }
    if devices is not None:
        now["devices"] = dict(devices)
    if not path.is_file():
        write_json(path, now)
        return ()
    first = _read_object(path)
    earlier = first.get("resumed", [])
    if not isinstance(earlier, list):
        raise damaged_run(path)
    write_json(path, first | {"resumed": [*earlier, now]})
    return tuple(
        f"{name} {first.get(name)} then, {now[name]} now"
        for name in ("python", *PACKAGES)
        if first.get(name) != now[name]
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def source_sha256() -> str:
    """Digest of the package's Python files: a commit says nothing of changes to it."""
    package, digest = Path(__file__).resolve().parent, hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def git_commit(checkout: Path) -> str | None:
    """Commit that a checkout stands on, from git's own files; None elsewhere."""
    git = checkout / ".git"
    try:
        if git.is_file():  # a worktree: "gitdir: path"
            git = checkout / git.read_text().partition(":")[2].strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name, common = head.removeprefix("ref: "), git
        if (git / "commondir").is_file():
            common = git / (git / "commondir").read_text().strip()
        if (common / name).is_file():
            return (common / name).read_text().strip()
        for line in (common / "packed-refs").read_text().splitlines():
            commit, _, packed = line.partition(" ")
            if packed == name:
                return commit
    except (OSError, UnicodeDecodeError):
        pass
    return None
