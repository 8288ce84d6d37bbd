"""What a user's files may hold: no name becomes a command, no number is none."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest
import tomli_w

from rram_jax.chip.config import NetworkConfig
from rram_jax.commands import device_netlist
from rram_jax.device.card import DeviceCard, load_card
from rram_jax.device.filament import FilamentCard, load_filament
from rram_jax.device.measured import read_measurements
from rram_jax.errors import InputError
from rram_jax.neuron.card import NeuronCard, load_neuron_card
from rram_jax.neuron.cmos import CmosCard, Process, load_cmos_card
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.netlist import NeuronNetlist
from rram_jax.ngspice.checks import refuse_commands
from rram_jax.ngspice.netlist import cards
from rram_jax.ngspice.testbench import column_deck
from rram_jax.qnn.checkpoint import load_checkpoint, save_network
from tests.helpers import is_one_sentence, random_network

TEXTS = [
    "x\n.control\nshell touch here\n.endc",
    "x\r.control",
    "x\n.include /etc/passwd",
    "x\n*# shell touch here",
    "x; .include /etc/passwd",
    "`touch here`",
    "$(touch here)",
    "'x\" {",
    "x\x0b.control",
    "x\u2028.control",
    "../../x",
    "x" * 5000,
]
NUMBERS = [math.nan, math.inf, -math.inf, 1e300, -1e300, -1.0, 1e-300]
CONFIG = NeuronConfig(v_full=8e-3)
STAIRS = np.zeros((1, SLOTS))


def leaves(record, kind, path=()):
    """Paths of all values of a kind in a record as TOML gives it."""
    items = record.items() if isinstance(record, dict) else enumerate(record)
    for key, value in items:
        if isinstance(value, dict | list | tuple):
            yield from leaves(value, kind, (*path, key))
        elif type(value) is kind:
            yield (*path, key)


def changed(record: dict, path, value) -> dict:
    """A copy with another value at a path."""
    copy = json.loads(json.dumps(record))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


def is_refused(load) -> bool:
    """Whether a loader refuses, in one sentence; any other error is the test's."""
    try:
        load()
    except InputError as error:
        told = error
    else:
        return False
    assert is_one_sentence(told)
    return True


@pytest.fixture
def read(tmp_path):
    """Write a record as TOML and load it."""
    path = tmp_path / "card.toml"

    def write_and_load(load, record):
        path.write_text(tomli_w.dumps(record))
        return load(path)

    return write_and_load


CARDS = {
    DeviceCard: (load_card, load_card("hfo2-nominal")),
    FilamentCard: (load_filament, load_filament("hfo2")),
    CmosCard: (load_cmos_card, load_cmos_card()),
    NeuronCard: (load_neuron_card, load_neuron_card()),
}

FREE = {"source", "ngspice", "date", "cmos", "corner"}
"""Texts that only reports show: anything may stand there."""


@pytest.mark.parametrize("kind", CARDS)
@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_a_card_are_refused_or_never_written(read, kind, text):
    load, card = CARDS[kind]
    record = dataclasses.asdict(card)
    paths = list(leaves(record, str))
    assert ("name",) in paths
    for path in paths:
        hostile = changed(record, path, text)
        free = path[-1] in FREE and kind is not CmosCard or path == ("source",)
        if path[-1] == "netlist":  # of the machine that measured: only shown
            free = len(text) <= 1000 and text.isprintable()
        assert is_refused(lambda h=hostile: read(load, h)) != free, path


def test_a_netlist_s_path_that_no_card_can_hold_is_refused():
    for path in ("x\n.control", "x" * 5000):
        assert is_refused(lambda p=path: NeuronNetlist(name="x", path=p, cells={}))


@pytest.mark.parametrize("text", TEXTS)
def test_names_that_are_keys_are_refused(read, text):
    """Of corners, of their parameters, of the transistors of a neuron card."""
    record = dataclasses.asdict(CARDS[CmosCard][1])
    corners = record["corners"]
    for hostile in (
        record | {"corners": corners | {text: corners["tt"]}},
        changed(record, ("corners", "tt", "parameters"), {text: 1.0}),
        record | {text: 1.0},
    ):
        assert is_refused(lambda h=hostile: read(load_cmos_card, h))
    assert is_refused(lambda: Process(card=load_cmos_card(), corner=text))
    record = dataclasses.asdict(CARDS[NeuronCard][1])
    rows = record["mismatch"]["hidden"]["offset"]
    rows[text] = rows.pop("gm_in_a")
    assert is_refused(lambda: read(load_neuron_card, record))


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_a_cmos_card_are_refused_or_are_numbers(read, number):
    record, written = dataclasses.asdict(CARDS[CmosCard][1]), []
    record["subcircuit"] = True  # so that lengths are divided by `unit`
    record["corners"] = {"tt": record["corners"]["tt"]}

    def write(path):
        card = read(load_cmos_card, changed(record, path, number))
        deck, *_ = column_deck(CONFIG, STAIRS, process=Process(card=card))
        assert all_finite(deck), path
        written.append(path)

    paths = list(leaves(record, float))
    assert ("unit",) in paths
    for path in paths:
        is_refused(lambda p=path: write(p))
    # What the models, or statistics, alone know the meaning of.
    known = ("corners", "a_vt_n", "a_vt_p", "a_beta", "temperature_low")
    assert {path[0] for path in written} <= {*known}


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_a_neuron_card_are_refused_or_are_numbers(read, number):
    record = dataclasses.asdict(CARDS[NeuronCard][1])
    shared = ("conditions", "technology"), ("mismatch", "a_vt"), ("driver",)
    for path in leaves(record, float):
        if not any(path[: len(part)] == part for part in shared):
            continue
        hostile = changed(record, path, number)
        if is_refused(lambda h=hostile: read(load_neuron_card, h)):
            continue
        assert path == ("driver", "edge") or abs(number) < 1e-200 or number == 1e300
        technology = read(load_neuron_card, hostile).conditions.technology
        deck, *_ = column_deck(
            dataclasses.replace(CONFIG, technology=technology), STAIRS
        )
        assert all_finite(deck), path


def all_finite(deck: str) -> bool:
    """Whether no number of a deck is nan, inf or beyond what ngspice reads."""
    return re.search(r"(?i)[=\s(,-](nan|inf)\b", "\n".join(cards(deck))) is None


def test_numbers_that_are_none_are_seen():
    for text in (
        "R1 a 0 nan",
        "R1 a 0 -inf",
        "M1 d g s b n w=inf",
        "V1 a 0 PWL(0 NaN)",
    ):
        assert not all_finite(f"* t\n{text}")
    assert all_finite("* nan\nRinf a nana 1\nR1 a 0 1 $ inf")


@pytest.mark.parametrize("kind", [DeviceCard, FilamentCard])
@pytest.mark.parametrize("number", [*NUMBERS, 0.0])
def test_numbers_of_a_cell_are_refused(read, kind, number):
    load, card = CARDS[kind]
    record = dataclasses.asdict(card)
    for path in leaves(record, float):
        signed = path[0] in ("correlation_d2d", "correlation_c2c", "access_threshold")
        may = abs(number) <= 1e-300 or (signed and number == -1)  # nothing of it
        if not is_refused(lambda p=path: read(load, changed(record, p, number))):
            assert may, path


@pytest.mark.parametrize("text", TEXTS)
def test_a_filament_card_s_words_stay_comments(read, tmp_path, monkeypatch, text):
    """In the netlist that `device netlist` writes for other decks."""
    card = CARDS[FilamentCard][1]
    monkeypatch.setattr(device_netlist, "load_card", lambda name: None)
    written = []
    for source in ("as it is", text):
        hostile = dataclasses.replace(card, source=source)
        monkeypatch.setattr(device_netlist, "filament_of", lambda c, h=hostile: h)
        device_netlist.netlist("x", tmp_path / "cell.lib", verilog_a=False)
        written.append((tmp_path / "cell.lib").read_text())
        refuse_commands(written[-1])
    assert cards(written[0]) == cards(written[1])


@pytest.mark.parametrize("text", TEXTS)
def test_a_checkpoint_s_texts_are_refused_or_not_read(tmp_path, text):
    config = NetworkConfig(sizes=(4, 3, 2), columns_per_output=1)
    folder = tmp_path / "run"
    folder.mkdir()
    save_network(folder, random_network(0, config))
    told = json.loads(json.dumps(dataclasses.asdict(config)))
    for key in ("name", text, *told):
        hostile = {"network": told | {key: text}}
        (folder / "config.json").write_text(json.dumps(hostile))
        assert is_refused(lambda: load_checkpoint(folder)), key
    hostile = {"network": told, "name": text, text: text}
    (folder / "config.json").write_text(json.dumps(hostile))
    assert load_checkpoint(folder).network.config.name == "mlp-4-3-2"


@pytest.mark.parametrize(
    "change", [{"z_full": math.inf}, {"z_shift": math.nan}, {"z_shift": -math.inf}]
)
def test_scales_that_are_no_numbers_are_refused(change):
    network = random_network(0, NetworkConfig(sizes=(4, 3, 2), columns_per_output=1))
    first = dataclasses.replace(network.layers[0], **change)
    assert is_refused(
        lambda: dataclasses.replace(network, layers=(first, *network.layers[1:]))
    )
    assert is_refused(lambda: dataclasses.replace(network, logit_scale=math.nan))


@pytest.mark.parametrize(
    "cell", [*TEXTS, "nan", "inf", "-1e4", "0", "1e999", "1e3\x00"]
)
def test_measurements_are_numbers_or_refused(tmp_path, cell):
    path = tmp_path / "cells.csv"
    path.write_text(f"cell,cycle,r_hrs_ohm,r_lrs_ohm\n0,0,3e5,{cell}\n")
    assert is_refused(lambda: read_measurements(path))
