"""Reader of IDX files, the format that MNIST and its relatives come in."""

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from rram_jax.errors import InputError

MAX_BYTES = 1 << 30
"""[byte] Largest array a file may promise; MNIST's largest is 47 million."""

_GZIP_MAGIC = b"\x1f\x8b"
_UINT8 = 0x08


def read_idx(path: Path, n_dims: int) -> UInt8[np.ndarray, "..."]:
    """Read one IDX file of unsigned bytes, plain or compressed with gzip.

    The file is not trusted: never more than what its header promises and one byte is
    decompressed, and nothing that promises more than `MAX_BYTES`. Compression is told
    by the content, since browsers unpack a `.gz` and keep its name.

    Args:
        path: The file.
        n_dims: Dimensions the array must have: 3 for images, 1 for labels.

    Returns:
        The array, read-only, none of its dimensions zero.

    Raises:
        InputError: If the file cannot be read or is anything but one such array.

    References:
        Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits",
        section "File formats": two zero bytes, a type byte, the number of dimensions,
        the dimensions as big-endian 32-bit integers, the data in C order.
    """
    # A pipe or a device would block or never end.
    if not os.path.isfile(path):
        raise InputError(f"There is no IDX file {str(path)!r}; check the folder.")
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not packed:
                return _read_array(file, path, n_dims)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read_array(unpacked, path, n_dims)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"The IDX file {str(path)!r} cannot be read ({error}); fetch it again or "
            "check its permissions."
        ) from error


def _read_array(
    stream: io.BufferedIOBase, path: Path, n_dims: int
) -> UInt8[np.ndarray, "..."]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise InputError(
            f"The file {str(path)!r} is not an IDX file: it starts with {magic!r} and "
            "not with two zero bytes, a type and a number of dimensions."
        )
    if magic[2] != _UINT8:
        raise InputError(
            f"The IDX file {str(path)!r} holds data of type 0x{magic[2]:02x}; only "
            f"unsigned bytes, type 0x{_UINT8:02x}, can be used."
        )
    if magic[3] != n_dims:
        raise InputError(
            f"The IDX file {str(path)!r} has {magic[3]} dimensions, not {n_dims}; "
            "images have 3 and labels 1, so check that the files are not swapped."
        )
    header = stream.read(4 * n_dims)
    if len(header) < 4 * n_dims:
        raise InputError(
            f"The IDX file {str(path)!r} ends inside its header; fetch it again."
        )
    shape = struct.unpack(f">{n_dims}I", header)
    n_bytes = math.prod(shape)
    if not 0 < n_bytes <= MAX_BYTES:
        raise InputError(
            f"The IDX file {str(path)!r} promises an array of {shape}, so {n_bytes} "
            f"bytes; between 1 and {MAX_BYTES} bytes can be used."
        )
    data = stream.read(n_bytes + 1)
    if len(data) != n_bytes:
        found = f"only {len(data)}" if len(data) < n_bytes else "more"
        raise InputError(
            f"The IDX file {str(path)!r} promises {n_bytes} bytes of data for an array "
            f"of {shape} and holds {found}; fetch it again."
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
