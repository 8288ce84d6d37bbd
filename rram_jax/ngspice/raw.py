"""Reader of ngspice's binary raw file, which is taken as untrusted input."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rram_jax.errors import NgspiceError

MAX_BYTES = 1 << 31
"""[byte] Largest raw file that is read at all."""

_LINE_BYTES = 1 << 16  # no header line that ngspice writes comes near this
_HEADER_LINES = 64  # it writes seven, and one more for each warning


@dataclass(frozen=True, kw_only=True)
class RawPlot:
    """What one analysis wrote."""

    name: str
    """Kind of analysis in ngspice's words, such as `Transient Analysis`."""

    data: dict[str, np.ndarray]
    """Vector name in lower case -> float64, or complex128 for `.ac`, of shape [points].

    In SI units: `time` in s, `frequency` in Hz, `v(node)` in V, `i(vname)` in A. The
    swept quantity comes first where there is one.
    """


def read_raw(path: Path | str, *, max_bytes: int = MAX_BYTES) -> list[RawPlot]:
    """Read every plot of a binary raw file.

    Args:
        path: File that `ngspice -r` wrote.
        max_bytes: [byte] Largest file that is read at all.

    Returns:
        The plots in the file's order, at least one, each with at least one point.

    Raises:
        NgspiceError: The file is missing, too large, cut short or no binary raw file.
            Nothing is allocated before the announced size is found in the file.
    """
    path = Path(path)
    if not path.is_file():
        raise NgspiceError(f"There is no raw file `{path}`: no analysis wrote any.")
    size = path.stat().st_size
    if size > max_bytes:
        raise NgspiceError(
            f"Raw file `{path}` has {size} bytes, more than the {max_bytes} allowed: "
            "save fewer vectors with `.save`."
        )
    plots = []
    with path.open("rb") as file:
        while file.tell() < size or not plots:
            try:
                plots.append(_read_plot(file, size))
            except _BadPlot as error:
                where = f"Raw file `{path}`, plot {len(plots) + 1}"
                raise NgspiceError(f"{where}: {error}.") from None
    return plots


class _BadPlot(Exception):
    """What is wrong with the plot at hand, without the name of the file."""


def _read_plot(file: BinaryIO, size: int) -> RawPlot:
    """Read one plot from the file's position; `size` is the whole file's, in bytes."""
    head = {}
    while (line := _read_line(file)) != "Variables:":
        key, colon, value = line.partition(":")
        if not colon or len(head) == _HEADER_LINES:
            raise _BadPlot(f"`{line[:40]}` is no line of a raw file's header")
        head[key.lower()] = value.strip()
    n_names = _count(head, "no. variables")
    n_points = _count(head, "no. points")
    names = [_read_name(file, k) for k in range(n_names)]
    if len(set(names)) < n_names:
        raise _BadPlot("two vectors have the same name")
    if (line := _read_line(file)) != "Binary:":
        raise _BadPlot(f"the values follow `{line[:40]}`, only `Binary:` can be read")

    is_complex = "complex" in head.get("flags", "").lower()
    dtype = np.dtype(np.complex128 if is_complex else np.float64)
    missing = file.tell() + dtype.itemsize * n_names * n_points - size
    if missing > 0:
        raise _BadPlot(f"it is cut short by {missing} bytes")
    table = np.fromfile(file, dtype, n_names * n_points).reshape(n_points, n_names)
    return RawPlot(
        name=head.get("plotname", ""),
        # Copies, so that a caller who keeps one vector does not keep them all.
        data={name: table[:, k].copy() for k, name in enumerate(names)},
    )


def _read_line(file: BinaryIO) -> str:
    line = file.readline(_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise _BadPlot("its header is cut short")
    return line.decode("utf-8", "replace").rstrip()


def _count(head: dict[str, str], key: str) -> int:
    """A positive count out of the header; a run that died leaves 0 points there."""
    text = head.get(key, "")
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) == 0:
        raise _BadPlot(f"the header says `{key}: {text}`, not a positive number")
    return int(text)


def _read_name(file: BinaryIO, index: int) -> str:
    """The name on a variable's line: index, name, quantity, perhaps more."""
    fields = _read_line(file).split()
    if len(fields) < 3 or fields[0] != str(index):
        raise _BadPlot(f"variable {index} has no proper line in the header")
    return fields[1].lower()
