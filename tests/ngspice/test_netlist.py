"""What decks are made of: counted, and walked for elements that cost nothing."""

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tomli_w

from rram_jax.chip.program import sample_chip
from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.cmos import Process, default_process, load_cmos_card
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.ngspice import energy, export, testbench, verify_columns, verify_static
from rram_jax.ngspice.array import ARRAYS
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.effects.latch import latch_deck
from rram_jax.ngspice.effects.record import EffectSetting
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.netlist import (
    FORBIDDEN,
    cards,
    count_elements,
    refuse_free_elements,
)
from rram_jax.ngspice.own_netlist import load_netlist
from tests.helpers import is_one_sentence
from tests.ngspice.networks import CODES, random_design, trials_of

CELL = ".subckt cell a b\nR1 a b 1k\nM1 a b 0 0 nch\n.ends\n"


class Written(Exception):
    """All decks are written; none is run."""


@pytest.fixture(scope="module")
def design():
    return random_design()


# -- counting --------------------------------------------------------------------------


def test_counts_expand_subcircuits():
    text = "title\n.subckt buf0 x\nR1 x 0 1\nXb x b\n.ends\n"
    text += ".subckt b y\nC1 y 0 1\n.ends\nX1 n buf0 k=3\nX2 n buf0\nM1 d g s b nch\n"
    assert count_elements(text) == {"r": 4, "c": 4, "m": 1}


@pytest.mark.parametrize(
    ("lines", "counted"),
    [
        ("B1 a 0 V=1", {"b": 1}),  # behind a title that is a comment
        ("b1 a 0\n+ v=1", {"b": 1}),
        ("   \tB1\ta\t0\tV=1", {"b": 1}),
        ("R1 a 0 1k ; E1 a 0 b 0 2", {"r": 1}),
        ("R1 a 0 1k $ E1 a 0 b 0 2\n* E2 a 0 b 0 2", {"r": 1}),
        ("R1 a 0 1k\u2028E1 a 0 b 0 2\n# E2\n$ E3", {"r": 1}),
        (f"{CELL}X1 a b cell $ of cells", {"r": 1, "m": 1}),
        (f"{CELL}x1 a b ; of cells\n* between\n\n  + CELL", {"r": 1, "m": 1}),
        (f"{CELL}X1 a b cell k = 2 w={{2 * u}}", {"r": 1, "m": 1}),
        (f"{CELL}X1 a b cell params: w=2u l = 1u", {"r": 1, "m": 1}),
        (".SUBCKT\n+ cell a b w=1\nE1 a b c 0 1\n.ENDS cell\nX1 a b Cell", {"e": 1}),
        # Unused subcircuits cost nothing; one within another is closed by itself.
        (".subckt a x\n.subckt b y\nS1 y 0 z 0 w\n.ends\nR1 x 0 1\n.ends", {}),
        ("R1 a 0 1k\n.end\nB1 a 0 V=1", {"r": 1, "b": 1}),
        ("R1 a 0 r='1k * (1 + v(b))'\nC1 a 0 c={i(v1)}", {"b": 2}),
        ("L1 a 0 1n\n+ r = {V( b )}", {"b": 1}),
        ("Rv v vb 1k\nRi(1) a 0 1", {"r": 2}),
        ("R1 a 0 {1k*(1+1e9*TIME)}\nC1 a,0 'temper*1p'\nL1 a 0 hertz", {"b": 3}),
        ("R1 time 0 1k\nR2 a temper 1k\nC1 a x.time 1p\nRtime a 0 1", {"r": 3, "c": 1}),
    ],
)
def test_counts_of_what_a_netlist_may_hold(lines, counted):
    assert count_elements(f"* title\n{lines}\n") == counted


@pytest.mark.parametrize(
    ("called", "copies"),
    [
        ("buf0 k=3", 3),
        ("BUF0 K = 12 w=1u", 12),
        # Nothing vanishes, whatever is written.
        ("buf0 k=0", 1),
        ("buf0 k=0.5", 1),
        ("buf0 k=1.5", 1),
        ("buf0 k=-2", 1),
        (f"buf0 k={'9' * 5000}", 1),
        ("buf0 k={n}", 1),
        ("own k=0", 1),
        ("own k=7", 1),
        ("own w=1u k=7", 1),
        ("own w=buf0 k=7", 1),
        ("own w = buf0 k=7", 1),
    ],
)
def test_only_whole_copies_of_our_drivers_count_more_than_once(called, copies):
    ends = "".join(f".subckt {x} a\nM1 a a 0 0 nch\n.ends\n" for x in ("buf0", "own"))
    assert count_elements(f"title\n{ends}X1 a {called}\n") == {"m": copies}


def test_the_title_is_no_element():
    assert count_elements("B1 a 0 V=1\nR1 a 0 1") == {"r": 1}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (".include part.lib", "`.include part.lib` is not whole"),
        (" .LIB part.lib tt", "`.lib part.lib tt` is not whole"),
        ("X1 a b lost", "calls a subcircuit 'lost'"),
        (".subckt a x\nX1 x a\n.ends\nX1 n a", "'a' of the netlist holds itself"),
    ],
)
def test_a_netlist_that_is_not_whole_is_not_counted(lines, told):
    with pytest.raises(InputError) as caught:
        count_elements(f"title\n{lines}\n")
    assert told in str(caught.value)
    assert is_one_sentence(caught.value)


def test_cards_are_joined_as_ngspice_joins_them():
    text = "R1 a 0\n* about it\n\n+ 1k ; as drawn\n\t+m=2\n.option klu $ fast\n"
    assert cards(text) == ["R1 a 0 1k m=2", ".option klu"]


@pytest.mark.parametrize("letter", "abefghsw")
@pytest.mark.parametrize("upper", [False, True])
def test_an_element_that_costs_nothing_is_refused(letter, upper):
    case = str.upper if upper else str
    line = case(f"{letter}1 a\n+ 0 c 0 2")
    text = f"* t\n{CELL}.subckt deep a\n{line}\n.ends\nX1 a b cell\nX2 a deep\n"
    text = case(text)
    with pytest.raises(InputError, match=rf"1 .* \({letter.upper()}\)") as caught:
        refuse_free_elements(count_elements(text))
    assert is_one_sentence(caught.value)
    refuse_free_elements(count_elements(text.replace(line, "")))


# -- every deck that is written --------------------------------------------------------


def walk(folder) -> list[Counter]:
    """Elements of every deck below a folder, what it includes in its place."""
    found = []
    for path in sorted(folder.rglob("*.cir")):
        text = path.read_text()
        if (body := path.parent / BODY_NAME).exists():
            text = text.replace(f".include {BODY_NAME}", body.read_text())
        found.append(count_elements(text))
    return found


@pytest.mark.parametrize("form", ARRAYS)
def test_whole_networks(design, tmp_path, form):
    manifest, _ = export.export(
        trials_of(design, [0, 2], array=form), tmp_path, watch=(0, 1)
    )
    found = walk(tmp_path)
    assert len(found) == 2
    for counts in found:
        assert not FORBIDDEN & counts.keys()
        # one reference current a layer, and nothing else that is a current source
        assert counts["i"] == len(design.layers)
        assert counts["m"] == manifest["n_mosfets"] > 500


def stop(*_, **__):
    raise Written


@pytest.mark.parametrize("form", verify_static.BARS)
def test_bit_lines_at_rest_hold_no_source_but_their_stimuli(
    design, tmp_path, monkeypatch, form
):
    monkeypatch.setattr(verify_static.Workplace, "finish", stop)
    with pytest.raises(Written):
        verify_static.verify_static(trials_of(design, [0, 1], array=form), tmp_path)
    found = walk(tmp_path)
    assert len(found) == 4  # two layers of two columns of tiles
    access = form == "1t1r"
    for counts in found:
        assert set(counts) == {"v", "b", "r", *("m" if access else "")}
    stimulus = re.compile(r"Bd\d+ (d\d+|r\d+_0) 0 V=(pwl\(v\(idx\),[-\d.,e]+\)|[\d.]+)")
    for path in tmp_path.rglob("*.cir"):
        lines = [x for x in cards(path.read_text()) if x[0] in "Bb"]
        assert len(lines) == count_elements(path.read_text())["b"]
        assert all(stimulus.fullmatch(line) for line in lines)
        # the index that is swept, and word lines
        assert count_elements(path.read_text())["v"] == 1 + access


def test_columns(design, tmp_path, monkeypatch):
    monkeypatch.setattr(verify_columns.Workplace, "finish", stop)
    with pytest.raises(Written):
        verify_columns.verify_columns(trials_of(design, [0]), tmp_path)
    (counts,) = walk(tmp_path)
    assert not FORBIDDEN & counts.keys()
    assert counts["i"] == 1
    assert counts["m"] > 100


def decks_of(monkeypatch, module, call) -> list[str]:
    """Texts that a bench hands to ngspice, which is not started."""
    found = []

    def keep(deck, **_):
        found.append(deck)
        raise Written

    monkeypatch.setattr(module, "run_deck", keep)
    with pytest.raises(Written):
        call()
    return found


LATCHED = NeuronConfig(v_full=8e-3)
CONTINUOUS = dataclasses.replace(LATCHED, clocks_per_slot=4, asynchronous=True)
STAIRS = np.full((2, SLOTS), 4e-3)


@pytest.mark.parametrize("config", [LATCHED, CONTINUOUS])
def test_benches_that_a_neuron_is_characterised_on(monkeypatch, config):
    calls = {
        "columns": (testbench, lambda: testbench.simulate_columns(config, STAIRS)),
        "driver": (testbench, lambda: testbench.driver_resistance(config)),
        "noise": (testbench, lambda: testbench.noise_density(config, 1e6)),
        "energy": (energy, lambda: energy.measure_energy(config)),
        "pulses": (energy, lambda: energy.measure_drivers(config, 2)),
    }
    for name, (module, call) in calls.items():
        for deck in decks_of(monkeypatch, module, call):
            counts = count_elements(deck)
            assert not FORBIDDEN & counts.keys(), name
            assert counts["m"] > 5, name


def test_latches_at_known_differences():
    setting = EffectSetting(
        config=LATCHED, card=load_neuron_card(), process=default_process()
    )
    counts = count_elements(latch_deck(setting, [[1e-3, -1e-3], [0.0, 2e-3]]))
    assert counts["m"] > 20
    assert not FORBIDDEN & counts.keys()


# -- decks that are refused ------------------------------------------------------------


def with_models(tmp_path, wrapped: str) -> Process:
    """Our transistors in subcircuits with one more element in each."""
    card = default_process().card
    ends = "\n".join(
        f".subckt {k}fet d g s b l=1 w=1 ad=0 as=0 pd=0 ps=0\n"
        f"Mx d g s b {k}ch l={{l}} w={{w}}\n{wrapped}\n.ends"
        for k in "np"
    )
    (tmp_path / "wrapped.lib").write_text(f".include {card.include}\n{ends}\n")
    return Process(
        card=dataclasses.replace(
            card,
            include=str(tmp_path / "wrapped.lib"),
            model_n="nfet",
            model_p="pfet",
            subcircuit=True,
        )
    )


@pytest.mark.parametrize("element", ["Eg d 0 g 0 1e-3", "bx d 0\n+ i=0", "WX d 0 v w"])
def test_models_that_cost_nothing_are_refused_before_a_deck_is_written(
    design, tmp_path, element
):
    out, process = tmp_path / "decks", with_models(tmp_path, element)
    trials = trials_of(design, [0], process=process)
    for call in (
        lambda: export.export(trials, out),
        lambda: verify_columns.verify_columns(trials, out),
    ):
        with pytest.raises(InputError, match=rf"\({element[0].upper()}\)") as caught:
            call()
        assert is_one_sentence(caught.value)
        assert not [p for p in out.rglob("*") if p.is_file()]


def test_a_deck_names_transistor_models_that_are_the_user_s_own(design, tmp_path):
    text = """.subckt mine inp inn clk rs q qb vdd
M1 q inp inn 0 nch w=1u l=0.15u
.ends
"""
    told = ["transistor models of the neuron netlist are the user's own"]
    for k, more in enumerate(("", ".model own nmos level=1\n")):
        path = tmp_path / f"{k}"
        path.mkdir()
        (path / "own.cir").write_text(text.replace(".ends", f"{more}.ends"))
        (path / "own.toml").write_text(
            'name = "own"\nsource = ""\nfile = "own.cir"\n[cells]\nlatch = "mine"\n'
        )
        netlist = load_netlist(path / "own.toml")
        process = dataclasses.replace(default_process(), netlist=netlist)
        manifest, _ = export.export(trials_of(design, [0], process=process), path / "o")
        assert manifest["ideal"][-1:] == told if more else told[0] not in str(manifest)


def test_the_same_models_without_it_pass(design, tmp_path):
    process = with_models(tmp_path, "Rg d 0 1e12")
    manifest, _ = export.export(trials_of(design, [0], process=process), tmp_path / "o")
    assert manifest["n_mosfets"] > 500


def test_a_card_whose_models_run_commands_leaves_no_deck(design, tmp_path):
    """The whole way: its file is read, and nothing is written."""
    card = default_process().card
    text = Path(card.include).read_text() + "\n.control\nshell touch here\n.endc\n"
    (tmp_path / "models.lib").write_text(text)
    record = dataclasses.asdict(card) | {"include": "models.lib"}
    (tmp_path / "card.toml").write_text(tomli_w.dumps(record))
    process = Process(card=load_cmos_card(tmp_path / "card.toml"))
    with pytest.raises(InputError, match="runs commands") as caught:
        export.export(trials_of(design, [0], process=process), tmp_path / "o")
    assert is_one_sentence(caught.value)
    assert not (tmp_path / "o").exists()


def test_a_deck_holds_no_word_of_its_device_card(design):
    chip, source = sample_chip(0, 0, design), "x\n.control\nshell touch here"
    device = dataclasses.replace(design.device, source=source)
    named = dataclasses.replace(design, device=device)
    one, other = (network_deck(d, chip, "multiport") for d in (design, named))
    assert one.body == other.body
    assert one.image(CODES[0].tolist()) == other.image(CODES[0].tolist())
