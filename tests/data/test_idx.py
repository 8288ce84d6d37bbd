import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rram_jax.data.idx import MAX_BYTES, read_idx
from rram_jax.errors import InputError

IMAGES = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)


def _header(*shape: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize("name", ["images-idx3-ubyte", "images-idx3-ubyte.gz"])
def test_array_comes_back(tmp_path, write_idx, name):
    read = read_idx(write_idx(tmp_path / name, IMAGES), 3)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, IMAGES)


def test_bytes_by_hand(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x03\x07\x00\xff")
    assert read_idx(path, 1).tolist() == [7, 0, 255]


@pytest.mark.parametrize("packed", [True, False])
def test_content_and_not_the_name_tells_the_compression(tmp_path, packed):
    path = tmp_path / ("images" if packed else "images.gz")
    data = _header(3) + b"\x01\x02\x03"
    path.write_bytes(gzip.compress(data) if packed else data)
    assert read_idx(path, 1).tolist() == [1, 2, 3]


GOOD = _header(2, 3, 5) + IMAGES.tobytes()
BAD = {
    "empty": (b"", "not an IDX file"),
    "short magic": (b"\0\0\x08", "not an IDX file"),
    "text": (b"label,pixel0,pixel1\n5,0,0\n", "not an IDX file"),
    "garbage": (bytes(range(255, 100, -1)), "not an IDX file"),
    "pickle": (b"\x80\x04\x95" + b"0" * 40, "not an IDX file"),
    "floats": (_header(2, 3, 5, kind=0x0D) + b"0" * 120, "type 0x0d"),
    "labels": (_header(4) + b"\1\2\3\4", "1 dimensions, not 3"),
    "255 dimensions": (b"\0\0\x08\xff" + b"\0" * 1020, "255 dimensions"),
    "cut in header": (GOOD[:9], "ends inside its header"),
    "cut in data": (GOOD[:-1], "only 29"),
    "no data": (_header(2, 3, 5), "only 0"),
    "trailing byte": (GOOD + b"\0", "holds more"),
    "no images": (_header(0, 28, 28), "0 bytes"),
    "huge": (_header(2**32 - 1, 2**32 - 1, 2**32 - 1), "can be used"),
    # 32 bits would make 0 of this product, and 64 bits of the one above not.
    "wraps around": (_header(2**16, 2**16, 2**32 - 1) + b"0", "can be used"),
    "just too large": (_header(1, 1, MAX_BYTES + 1) + b"0", "can be used"),
    "gzip of nothing": (gzip.compress(b""), "not an IDX file"),
    "gzip of text": (gzip.compress(b"5,0,0\n" * 1000), "not an IDX file"),
    "cut gzip": (gzip.compress(GOOD)[:-12], "cannot be read"),
    "gzip magic only": (b"\x1f\x8b", "cannot be read"),
    # A block type that deflate does not have, behind gzip's header of 10 bytes.
    "broken gzip": (gzip.compress(GOOD)[:10] + b"\xff" * 30, "cannot be read"),
    "wrong gzip checksum": (gzip.compress(GOOD)[:-8] + b"\0" * 8, "cannot be read"),
    "garbage behind gzip": (gzip.compress(GOOD) + b"more", "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_hostile_file_gives_one_sentence(tmp_path, case):
    data, reason = BAD[case]
    path = tmp_path / "odd 'name'\n.gz"
    path.write_bytes(data)
    with pytest.raises(InputError, match=reason) as caught:
        read_idx(path, 3)
    message = str(caught.value)
    assert repr(str(path)) in message
    assert "\n" not in message
    assert message.endswith(".")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer for ever
    for path in (tmp_path, tmp_path / "missing", tmp_path / "pipe"):
        with pytest.raises(InputError, match="no IDX file"):
            read_idx(path, 3)


def test_unreadable_file(tmp_path, write_idx, monkeypatch):
    path = write_idx(tmp_path / "images", IMAGES)

    def refuse(*args):  # a mode of 0 would not stop root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"Permission denied.* check its permissions"):
        read_idx(path, 3)


def test_gzip_bomb_stays_packed(tmp_path):
    # 2 GB of zeros, in members so that making them is cheap, behind a header that
    # promises 30 bytes.
    path = tmp_path / "bomb.gz"
    zeros = gzip.compress(bytes(1 << 24))
    path.write_bytes(gzip.compress(GOOD) + zeros * 128)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="holds more"):
            read_idx(path, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Some buffers of 8 to 128 KB; a single member unpacked would be 16 MB.
    assert peak < 1e6
