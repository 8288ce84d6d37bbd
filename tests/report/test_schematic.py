import pytest

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.sizing import size_neurons
from rram_jax.neuron.technology import Technology
from rram_jax.neuron.transistors import GM_CELL, LATCH
from rram_jax.ngspice import neuron
from rram_jax.report import schematic
from rram_jax.report.schematic import PLACES, schematic_figure
from rram_jax.report.symbols import size_text

CONFIG = NeuronConfig(v_full=9e-3, i_bias=30e-6)
SIZES = size_neurons(CONFIG, drivers_next=2)


def words_of(config, monkeypatch, tmp_path):
    """Every text of the figure with two drivers."""
    figures = []
    monkeypatch.setattr(
        schematic, "save_figure", lambda f, p: figures.append(f) or (p, p)
    )
    schematic_figure(config, tmp_path / "neuron", drivers=2)
    return [text.get_text() for text in figures[0].axes[0].texts]


@pytest.fixture
def words(monkeypatch, tmp_path):
    return words_of(CONFIG, monkeypatch, tmp_path)


def test_every_transistor_of_the_gm_cell_is_drawn_once():
    assert sorted(PLACES) == sorted(t.name for t in GM_CELL)
    assert len({place[:2] for place in PLACES.values()}) == len(PLACES)


@pytest.mark.parametrize(
    "block", ["gm_cell", "comparator", "bias", "comparator_bias", "row_driver"]
)
def test_transistors_carry_their_names_and_real_sizes(words, block):
    for t in getattr(SIZES, block):
        where = [i for i, word in enumerate(words) if word == t.name]
        assert size_text(t) in [words[i + 1] for i in where]


def test_a_latch_is_drawn_to_its_last_transistor(words):
    for t in SIZES.latch[: len(LATCH) - 9]:
        assert words[words.index(t.name, words.index("r_a") - 1) + 1] == size_text(t)
    assert "n 1/0.15\np 1/0.15" in words  # the two NANDs behind it


def test_capacitors_gates_and_drivers_are_those_of_the_deck(words):
    assert f"C_int\n{1e15 * CONFIG.c_int:.0f} fF" in words
    # Two pairs of drivers: 2 um times 2^(1/3) and 2^(2/3), then 20 um.
    for size in ("n 2.52/0.15\np 2.52/0.15", "n 3.17/0.15\np 7.94/0.15"):
        assert size in words
    assert words.count("n 20/0.15\np 50/0.15") == 2
    assert "89.9/0.15" in words  # 1.439e-3 Ohm m over 16 Ohm


def test_another_technology_is_drawn_with_its_own_sizes(monkeypatch, tmp_path):
    technology = Technology(v_dd=2.5, v_cm=0.55, v_pre=1.1, l_min=0.3e-6)
    config = NeuronConfig(v_full=9e-3, technology=technology)
    words = words_of(config, monkeypatch, tmp_path)
    assert "vdd 2.5 V" in words
    assert words[words.index("in_a") + 1] == "40/1"


def test_what_is_drawn_is_what_the_deck_holds():
    text = str(neuron.gm_cell("0", CONFIG))
    for block in ("gm_cell", "auto_zero", "reset", "copy"):
        for t in getattr(SIZES, block):
            line = next(x for x in text.splitlines() if x.startswith(f"M{t.name} "))
            width = float(line.split(" w=")[1].split()[0])
            assert width == pytest.approx(t.width, rel=1e-5)  # six digits in a deck
