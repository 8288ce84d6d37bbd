import re

import numpy as np
import pytest

from rram_jax.errors import NgspiceError
from rram_jax.ngspice.raw import read_raw


def plot(table, names, name="Transient Analysis", **changes):
    """Return the bytes of one plot as ngspice lays them out: [points, names]."""
    table = np.asarray(table)
    head = {
        "Title": "a title: with a colon",
        "Date": "Tue Nov 24 17:24:12  2026",
        "Command": "ngspice-46, Build Wed Apr 15 15:18:29 UTC 2026",
        "Plotname": name,
        "Flags": "complex" if np.iscomplexobj(table) else "real",
        "No. Variables": table.shape[1],
        "No. Points": f"{table.shape[0]}       ",
    } | changes
    lines = [f"{key}: {value}" for key, value in head.items()]
    lines += ["Variables:", *(f"\t{k}\t{n}\tvoltage" for k, n in enumerate(names))]
    return "\n".join([*lines, "Binary:", ""]).encode() + table.tobytes()


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, **options):
        (tmp_path / "out.raw").write_bytes(content)
        return read_raw(tmp_path / "out.raw", **options)

    return write_and_read


TABLE = np.array([[0.0, 1.25, -3.0], [1e-9, 2.5, -3.5]])  # two points, three vectors
NAMES = ["time", "v(Out)", "i(v1)"]


def test_vectors_are_the_columns(read):
    (found,) = read(plot(TABLE, NAMES))
    assert found.name == "Transient Analysis"
    assert list(found.data) == ["time", "v(out)", "i(v1)"]
    np.testing.assert_array_equal(found.data["v(out)"], [1.25, 2.5])
    np.testing.assert_array_equal(found.data["i(v1)"], [-3.0, -3.5])
    assert found.data["time"].dtype == np.float64


def test_complex_and_real_plots_in_one_file(read):
    ac = np.array([[1e3, 1 - 2j], [1e4, 0.5j], [1e5, 3.0]])
    first, second = read(
        plot(ac, ["frequency", "v(a)"], "AC Analysis") + plot(TABLE, NAMES)
    )
    np.testing.assert_array_equal(first.data["v(a)"], [1 - 2j, 0.5j, 3.0])
    np.testing.assert_array_equal(second.data["time"], [0.0, 1e-9])
    assert [first.name, second.name] == ["AC Analysis", "Transient Analysis"]


def test_every_truncation_is_an_error(read):
    whole = plot(TABLE, NAMES)
    read(whole)
    for size in range(len(whole)):
        with pytest.raises(NgspiceError, match="out.raw"):
            read(whole[:size])
        if size % 7 == 1:
            with pytest.raises(NgspiceError, match="plot 2"):
                read(whole + whole[:size])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (plot(TABLE, NAMES, **{"No. Points": 10**14}), "cut short by 2399999.* bytes"),
        (plot(TABLE, NAMES, **{"No. Variables": 10**14}), "variable 3"),
        (plot(TABLE, NAMES, **{"No. Points": 10**99}), "positive number"),
        (plot(TABLE, NAMES, **{"No. Points": -2}), "positive number"),
        (plot(TABLE, NAMES, **{"No. Points": "0       "}), "positive number"),
        (plot(TABLE, NAMES, **{"No. Variables": "three"}), "positive number"),
        (plot(TABLE, NAMES, **{"No. Variables": 2}), "the values follow"),
        (plot(TABLE, ["time", "v(a)", "V(A)"]), "same name"),
        (plot(TABLE, ["time", "", "i(v1)"]), "variable 1"),
        (plot(TABLE, NAMES).replace(b"Binary:", b"Values:"), "`Values:`"),
        (plot(TABLE, NAMES).replace(b"Flags: real", b"Flags: complex"), "cut short"),
        (plot(TABLE, NAMES) + b"\n", "plot 2"),
        (b"\x00" * 100_000, "header is cut short"),
        (b"a: b\nsome words\n" * 50, "no line of a raw file"),
        (b"".join(b"key%d: 1\n" % k for k in range(100)), "no line of a raw file"),
    ],
)
def test_what_is_no_raw_file_is_refused(read, content, words):
    with pytest.raises(NgspiceError, match=words):
        read(content)


def test_random_damage_is_read_or_refused_but_never_crashes(read):
    rng = np.random.default_rng(5)
    whole = plot(TABLE, NAMES)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=3):
            damaged[place] = rng.integers(256)
        try:
            read(bytes(damaged))
        except NgspiceError:
            refused += 1
    assert 50 < refused < 290  # most hits are in the header; some hit only values


def test_no_file_and_too_large_a_file(tmp_path, read):
    with pytest.raises(NgspiceError, match="no raw file"):
        read_raw(tmp_path / "none.raw")
    with pytest.raises(NgspiceError, match="no raw file"):
        read_raw(tmp_path)
    content = plot(TABLE, NAMES)
    assert read(content, max_bytes=len(content))
    with pytest.raises(NgspiceError, match=re.escape("`.save`")):
        read(content, max_bytes=len(content) - 1)
