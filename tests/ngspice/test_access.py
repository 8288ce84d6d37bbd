"""Access transistors in every cell, and arrays without row couplings."""

import dataclasses

import numpy as np
import pytest

from rram_jax.chip.program import sample_chip
from rram_jax.circuit.wiring import Resistor
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process, default_process, load_cmos_card
from rram_jax.neuron.technology import TECHNOLOGY
from rram_jax.ngspice.access import access_transistor, split_cells
from rram_jax.ngspice.array import access_of
from rram_jax.ngspice.compare import compare_layers, exact_chip
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.decode import read_answer
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.netlist import count_elements
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.verify_static import verify_static
from rram_jax.ngspice.workplace import Workplace
from rram_jax.spice_files import spice_dir
from tests.helpers import is_one_sentence
from tests.ngspice.networks import CODES, random_design, trials_of


@pytest.fixture(scope="module")
def design():
    return random_design()


def test_cells_are_split_by_hand():
    parts = [
        Resistor("r0_0", "w0_1", 0.5),
        Resistor("w0_1", "b0_1", 4500.0),
        Resistor("b0_1", "b1_1", 0.5),
    ]
    split, ends = split_cells(parts, 900.0)
    assert split == [parts[0], Resistor("w0_1", "a0_1", 3600.0), parts[2]]
    assert ends == [("a0_1", "b0_1")]
    with pytest.raises(InputError, match="no room for an access transistor"):
        split_cells(parts, 4500.0)


@pytest.mark.ngspice
def test_the_transistor_has_the_card_s_resistance():
    device = load_card("hfo2-nominal")
    card = default_process().card
    access = access_transistor(device, 0.2, card, TECHNOLOGY)
    assert 1.1e-6 < access.width < 1.3e-6
    # A row switch's width times its resistance was found at another current: 5 %.
    assert access.resistance == pytest.approx(device.r_access, rel=0.05)
    # Upwards the channel pinches, by 40 mV of some 0.85 V over threshold on a fifth of
    # the cell; downwards the gate-source voltage grows as much as it does.
    up, down = access.swing
    assert up - 1 == pytest.approx(0.2 * 0.04 / 0.85, rel=0.3)
    assert 0 < down - 1 < 0.2 * (up - 1)
    bare = dataclasses.replace(device, r_access=0.0)
    with pytest.raises(InputError, match="access transistors need"):
        access_transistor(bare, 0.2, card, TECHNOLOGY)
    narrow = dataclasses.replace(device, r_access=3500.0)
    with pytest.raises(InputError, match="0.309 um wide") as told:
        access_transistor(narrow, 0.2, card, TECHNOLOGY)
    assert is_one_sentence(told.value)


@pytest.mark.ngspice
def test_cells_are_split_in_the_typical_corner(design):
    """Programming is over when the corner's or the temperature's turn comes."""
    typical = access_of(design, "1t1r", default_process())
    slow = dataclasses.replace(default_process(), corner="ss", temperature=85.0)
    assert access_of(design, "1t1r", slow) == typical
    other = load_cmos_card(str(spice_dir() / "examples" / "cmos" / "quarter.toml"))
    with pytest.raises(InputError, match="sized for 1.8 V"):
        access_of(design, "1t1r", Process(card=other))


@pytest.mark.ngspice
def test_bit_lines_with_access_transistors(design, tmp_path):
    found = verify_static(
        trials_of(design, [2, 0], seed=1, array="1t1r"), tmp_path, Workplace(workers=1)
    )
    metrics = found.metrics
    assert metrics["bar_of"] == "error_rms"
    # Transistors are no resistors: what they add is seen, and is small.
    assert 1e-5 < metrics["error_rms"] < 6e-3
    assert metrics["error_max"] < 2e-2
    assert "word lines stand at the supply" in metrics["ideal"]
    with pytest.raises(InputError, match="array must be one of multiport, cells, 1t1r"):
        verify_static(trials_of(design, [2], array="shunted"), tmp_path)


@pytest.mark.ngspice
def test_a_deck_has_a_transistor_in_every_cell(design):
    chip = sample_chip(0, 0, design)
    cells = sum(layer.resistance.size for layer in chip)
    counts = {}
    for array in ("cells", "1t1r"):
        access = access_of(design, array, default_process())
        deck = network_deck(design, chip, array, access=access)
        text = deck.image(CODES[0].tolist())
        counts[array] = count_elements(text.replace(f".include {BODY_NAME}", deck.body))
    assert counts["1t1r"]["m"] == counts["cells"]["m"] + cells
    assert counts["1t1r"]["r"] == counts["cells"]["r"]
    assert counts["1t1r"]["v"] == counts["cells"]["v"] + 1  # word lines
    with pytest.raises(InputError, match="1t1r need the access transistor"):
        network_deck(design, chip, "1t1r")


@pytest.mark.ngspice
@pytest.mark.parametrize(
    # The static sweep has the same transistors in a fraction of the time.
    "array",
    ["shunted", pytest.param("1t1r", marks=pytest.mark.slow)],
)
def test_whole_networks_answer_as_the_surrogate(design, array):
    chip = sample_chip(0, 0, design)
    access = access_of(design, array, default_process())
    deck = network_deck(design, chip, array, access=access)
    run = run_deck(
        deck.image(CODES[0].tolist()),
        t_stop=deck.plan.t_stop,
        files={BODY_NAME: deck.body},
    )
    answer = read_answer(deck.plan, run.data)
    exact = exact_chip(design, chip)
    layers = [*answer.codes, answer.counts]
    for layer in compare_layers(design, exact, CODES[0], layers):
        assert np.abs(layer.spice - layer.surrogate).max() <= 1
