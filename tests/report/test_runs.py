import json
import zipfile

import numpy as np
import pytest

from rram_jax.commands import verified_codes
from rram_jax.errors import InputError
from rram_jax.report import verified
from rram_jax.report.runs import check_points, read_trained
from rram_jax.report.verified import read_verified, read_waves
from tests.helpers import is_one_sentence
from tests.report.folders import (
    CODES,
    DECKS,
    edit_json,
    make_curve,
    make_trained,
    make_verified,
)

VERIFIED = ("config.json", "metrics.json", "versions.json", "results.csv", "codes.csv")


@pytest.fixture
def folder(tmp_path):
    return make_verified(tmp_path / "verify", "cells")


def test_the_columns_are_those_that_verify_writes():
    assert verified.CODES == CODES  # the files of tests, written out
    assert set(verified.RESULTS) <= set(verified_codes.RESULTS)


def test_a_verification_is_read_as_it_was_written(folder):
    run = read_verified(folder)
    assert [deck.image for deck in run.decks] == [0, 1]
    assert run.decks[1].winner_spice == (0, 1)  # a tie
    assert run.decks[1].winner_surrogate == (0,)
    assert run.decks[0].counts == (12, 40)
    assert run.codes.hidden.spice.tolist() == [3, 0, 15, 6, 1, 0]
    assert run.codes.hidden.position[1] == -8.25
    assert run.codes.outputs(0, 1).surrogate.tolist() == [33, 32]
    assert run.config.device_card.sigma_lrs == 0.31
    assert run.config.neurons[1].decisions == 60


@pytest.mark.parametrize("name", [*VERIFIED, "waves.npz"])
@pytest.mark.parametrize("damage", ["missing", "cut", "binary", "empty"])
def test_a_missing_or_damaged_file_is_one_sentence(folder, name, damage):
    path = folder / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "binary":
        path.write_bytes(b"\xff\xfe\x00" + whole)
    elif damage == "empty":
        path.write_bytes(b"")
    with pytest.raises(InputError) as error:
        read_waves(path) if name == "waves.npz" else read_verified(folder)
    assert is_one_sentence(error.value)
    # Where a table was cut at the end of a line, another file tells.
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("metrics.json", {"codes_equal": "0.9"}),
        ("metrics.json", {"energy_by_block_j": [1, 2]}),
        ("config.json", {"neurons": [{"v_full": -1.0}]}),
        ("config.json", {"seed": 1.5}),
        ("versions.json", {"command_line": None}),
    ],
)
def test_a_wrong_value_is_named(folder, name, changes):
    edit_json(folder / name, **changes)
    with pytest.raises(InputError) as error:
        read_verified(folder)
    assert is_one_sentence(error.value)
    assert name in str(error.value)
    assert next(iter(changes)) in str(error.value)


def test_tables_that_disagree_are_found(folder):
    path = folder / "results.csv"
    path.write_text(path.read_text().replace("12 40", "12 39"))
    with pytest.raises(InputError, match="differ in the outputs of image 0"):
        read_verified(folder)


def rewrite(path, change):
    """Change the rows of a table, its header left as it is."""
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *change(rows)]) + "\n")


def replaced(old, new):
    return lambda rows: [row.replace(old, new) for row in rows]


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("results.csv", lambda rows: rows[:1], "each image on each chip, once"),
        ("results.csv", lambda rows: [*rows, rows[0]], "each image on each chip, once"),
        ("results.csv", replaced("0,1,0,", "1,0,0,"), "each image on each chip, once"),
        ("results.csv", replaced("0,1,0,", "0,1.0,0,"), "is damaged"),
        ("codes.csv", lambda rows: [*rows, rows[-1]], "each neuron of layer 1"),
        ("codes.csv", lambda rows: rows[1:], "the hidden codes"),
        ("codes.csv", lambda rows: [*rows[1:], rows[1]], "each neuron of layer 0"),
        ("codes.csv", lambda rows: [*rows[1:], "0,7,0,0,3,3,3.2"], "of layer 0"),
        ("codes.csv", replaced("0,0,0,2,", "0,0,0,4,"), "each neuron of layer 0"),
        ("codes.csv", replaced("0,0,0,2,", "0,0,0,-2,"), "each neuron of layer 0"),
        ("codes.csv", lambda r: [x for x in r if x[4] == "1"], "the layers"),
        ("codes.csv", replaced("0,0,1,0,", "0,0,2,0,"), "the layers"),
        ("codes.csv", replaced("0,0,1,0,", "0,0,-1,0,"), "the layers"),
        ("codes.csv", replaced(",15,15,", ",16,15,"), "between 0 and 15"),
        ("codes.csv", replaced(",15,15,", ",15,-1,"), "between 0 and 15"),
        ("codes.csv", replaced(",33,32,", ",33,61,"), "between 0 and 60"),
        ("codes.csv", replaced("-8.25", "NaN"), "is damaged"),
        ("codes.csv", replaced("-8.25", "-Infinity"), "is damaged"),
        ("codes.csv", replaced(",15,15,", f",{10**30},15,"), "is damaged"),
    ],
)
def test_tables_hold_once_what_the_run_tells_of(folder, name, change, told):
    rewrite(folder / name, change)
    with pytest.raises(InputError) as error:
        read_verified(folder)
    assert is_one_sentence(error.value)
    assert name in str(error.value)
    assert told in str(error.value)


def test_a_run_without_hidden_codes_is_refused(folder):
    neurons = json.loads((folder / "config.json").read_text())["neurons"]
    edit_json(folder / "config.json", neurons=neurons[1:])
    edit_json(folder / "metrics.json", n_codes=0)
    rewrite(
        folder / "codes.csv",
        lambda rows: [f"{x[:4]}0{x[5:]}" for x in rows if x[4] == "1"],
    )
    with pytest.raises(InputError, match="does not hold the layers"):
        read_verified(folder)


def test_pickled_waves_are_refused(folder):
    np.savez(folder / "waves.npz", time=np.array([{"a": 1}, None]))
    with pytest.raises(InputError, match="damaged"):
        read_waves(folder / "waves.npz")


@pytest.mark.parametrize(
    "wave", [np.array(["1", "2"]), np.ones(2) + 1j, np.array([1.0, np.nan]), [1, 2]]
)
def test_waves_that_are_no_voltages_are_refused(folder, wave):
    np.savez(folder / "waves.npz", time=np.array([0.0, 1.0]), s=wave)
    with pytest.raises(InputError, match="waves.npz is damaged"):
        read_waves(folder / "waves.npz")


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,",  # TokenError
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**9,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,)}" % 10**15,
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (0,)}",
        b"\xff" * 40,
    ],
)
def test_waves_with_another_header_are_refused(folder, header):
    told = header.ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + len(told).to_bytes(2, "little") + told
    with zipfile.ZipFile(folder / "waves.npz", "w") as archive:
        archive.writestr("time.npy", array + bytes(16))
    with pytest.raises(InputError, match="waves.npz is damaged"):
        read_waves(folder / "waves.npz")


def test_waves_of_an_unknown_compression_are_refused(folder):
    """zipfile.NotImplementedError: its method is 9 in both headers."""
    whole = bytearray((folder / "waves.npz").read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        whole[whole.index(mark) + place] = 9
    (folder / "waves.npz").write_bytes(whole)
    with pytest.raises(InputError, match="waves.npz is damaged"):
        read_waves(folder / "waves.npz")


def test_waves_of_unequal_length_are_refused(folder):
    with zipfile.ZipFile(folder / "waves.npz", "w"):
        pass
    np.savez(folder / "waves.npz", time=np.zeros(3), s=np.zeros(2))
    with pytest.raises(InputError, match="damaged"):
        read_waves(folder / "waves.npz")


def test_a_training_is_read(tmp_path):
    run = read_trained(make_trained(tmp_path / "t", 0.3, "ab" * 32))
    assert run.config.network.name == "mlp-9-3-2"
    assert run.metrics.accuracy_ideal == 0.9134
    edit_json(tmp_path / "t" / "metrics.json", accuracy_ideal=None)
    with pytest.raises(InputError, match="accuracy_ideal"):
        read_trained(tmp_path / "t")


def test_a_curve_is_sorted_and_checked():
    points = make_curve(0.9, 0.1)
    assert [p.sigma_lrs for p in check_points("x", points[::-1])] == [0, 0.25, 0.5]
    with pytest.raises(InputError, match="'x' has no points"):
        check_points("x", [])
    del points[1]["accuracy_worst"]
    with pytest.raises(InputError) as error:
        check_points("x", json.loads(json.dumps(points)))
    assert is_one_sentence(error.value)
    assert "accuracy_worst" in str(error.value)


def test_the_decks_of_the_helper_are_uneven():
    assert DECKS[0][2] != DECKS[1][2]


def test_this_report_is_of_whole_networks(folder):
    edit_json(folder / "metrics.json", tier="static")
    with pytest.raises(
        InputError, match="of tier static: verify with --tier full"
    ) as e:
        read_verified(folder)
    assert is_one_sentence(e.value)
