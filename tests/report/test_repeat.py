import shlex
from pathlib import Path

import pytest

from rram_jax.cli import read_arguments
from rram_jax.report.repeat import (
    command_lines,
    deck_command,
    evaluate_command,
    file_table,
    hash_table,
    train_command,
    verify_command,
)
from rram_jax.report.runs import check_points, read_trained
from rram_jax.report.verified import read_verified
from tests.report.folders import edit_json, make_curve, make_trained, make_verified


def read(command: str):
    """What the command line makes of a command."""
    words = shlex.split(command.replace("\\\n", ""))
    assert words[0] == "rram-jax"
    return read_arguments(words[1], words[2:])


@pytest.fixture
def trained(tmp_path):
    return read_trained(make_trained(tmp_path / "my net", 0.3, "ab" * 32))


@pytest.fixture
def folder(tmp_path):
    return make_verified(tmp_path / "verify", "cells")


def test_a_training_can_be_asked_for_again(trained):
    asked = read(train_command(trained))
    assert asked.network == trained.config.network
    assert (asked.data, asked.device, asked.sigma_lrs) == ("mnist5k", "bench-r10", 0.3)
    assert (asked.epochs, asked.seed) == (61, 5)


def test_a_curve_can_be_asked_for_again(trained, tmp_path):
    points = check_points("x", make_curve(0.9, 0.1))
    asked = read(evaluate_command(trained, points, tmp_path))
    assert asked.checkpoint == Path("my net")
    assert asked.sigma_lrs == (0.0, 0.25, 0.5)
    assert (asked.data, asked.device, asked.circuit) == ("mnist5k", "bench-r10", "map")
    assert (asked.chips, asked.images, asked.seed) == (43, 777, 3)


@pytest.mark.parametrize("mismatch", [True, False])
def test_a_verification_can_be_asked_for_again(folder, mismatch):
    edit_json(folder / "config.json", mismatch=mismatch)
    asked = read(verify_command(read_verified(folder), Path("demo")))
    assert asked.checkpoint == Path("hardened")
    assert (asked.data, asked.device, asked.sigma_lrs) == (
        "mnist5k",
        "hfo2-nominal",
        0.31,
    )
    assert (asked.array, asked.images, asked.chips, asked.seed) == ("cells", 2, 1, 3)
    assert asked.mismatch is mismatch


def test_a_deck_is_named_as_export_names_it(folder, tmp_path):
    command = deck_command(read_verified(folder), tmp_path)
    assert command.startswith("cd verify/decks/chip_0000 && ngspice -b")
    assert command.endswith(" image_00000.cir")


def test_the_program_s_folder_is_left_out(trained, folder):
    lines = command_lines([trained.versions, read_verified(folder).versions])
    assert lines == ["rram-jax demo --out 'runs/my demo'"]


def test_files_are_listed_where_they_are(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "curve.csv").write_text("")
    rows = {row[0]: row[1:] for row in file_table(tmp_path, [folder, other]).rows}
    assert rows["codes.csv"][0] == "verify"
    assert rows["curve.csv"][0] == "other"
    assert rows["report.html"][0] == "."
    assert "training.csv" not in rows


def test_hashes_of_networks_and_data(trained, folder):
    table = hash_table({"plain": trained}, {"cells": read_verified(folder)})
    rows = dict(table.rows)
    assert rows["network, plain"] == "ab" * 32
    assert rows["network in ngspice, cells"] == "cafe" * 16
    assert rows["data, labels"] == "bb22"
    assert rows["commit of the sources"].startswith("0123456789")
