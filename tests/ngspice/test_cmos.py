import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Corner, Process, default_process
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.ngspice.cmos import model_lines, with_instances
from rram_jax.ngspice.testbench import column_deck, simulate_columns
from rram_jax.ngspice.transistor_bench import measure_curves, measure_mismatch
from tests.helpers import is_one_sentence

CONFIG = NeuronConfig(v_full=7.9e-3)
TWICE = "".join(
    f".lib {a * 2}\n" + 2 * f".lib m.lib {b * 2}\n" + ".endl\n"
    for a, b in pairwise("uvwxyzabcdefg")
)
TWICE += ".lib gg\n.endl\n"
"""Sections that hold the next one twice: 4096 files at the end."""


def changed(**changes):
    """Our process with another card."""
    card = dataclasses.replace(default_process().card, **changes)
    return Process(card=card)


# -- text ----------------------------------------------------------------------------


def test_a_typical_deck_says_nothing_of_temperature():
    text = model_lines(default_process())
    first, *_ = text.splitlines()
    assert first == ".param n_vth=0 n_u0=1 n_tox=1 p_vth=0 p_u0=1 p_tox=1"
    assert "temp" not in first
    deck, *_ = column_deck(CONFIG, np.zeros((1, SLOTS)))
    assert f"{first}\n" in deck
    assert deck.count("nch ad=") > 10


def test_corner_and_temperature_stand_ahead_of_the_models():
    process = dataclasses.replace(default_process(), corner="sf", temperature=85.0)
    deck, *_ = column_deck(CONFIG, np.zeros((1, SLOTS)), process=process)
    lines = deck.splitlines()
    assert lines[1] == ".option temp=85"
    assert "n_vth=0.017" in lines[2]
    assert "p_vth=-0.038" in lines[2]


def test_sections_and_files_within_files_are_written_out(tmp_path):
    (tmp_path / "pdk" / "cells").mkdir(parents=True)
    (tmp_path / "pdk" / "all.lib").write_text(
        "* top\n.lib TT\n.param a=1\n.include 'cells/n.spice'\n.endl\n"
        '.lib ss\n.param a=2\n.lib "all.lib" common\n.ENDL ss\n'
        ".lib common\n.include ../pdk/cells/n.spice\n.endl common\n"
    )
    (tmp_path / "pdk" / "cells" / "n.spice").write_text(".model nch nmos\n")
    corners = {"tt": Corner(section="tt"), "ss": Corner(section="ss")}
    process = changed(include=str(tmp_path / "pdk" / "all.lib"), corners=corners)
    assert model_lines(process).split() == ".param a=1 .model nch nmos".split()
    slow = dataclasses.replace(process, corner="ss")
    assert model_lines(slow).split() == ".param a=2 .model nch nmos".split()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (".lib ff\n.endl\n", "has no section 'tt'; it has ff"),
        (".lib tt\n.include gone.spice\n.endl\n", "There is no model file"),
        (".lib tt\n.lib m.lib tt\n.endl\n", "include each other without end"),
        (".lib tt\n" + 2 * ".lib m.lib uu\n" + ".endl\n" + TWICE, "up to 1000 files"),
        (f".lib tt\n.include {'x' * 5000}\n.endl\n", "There is no model file '"),
        (f".lib tt\n.lib m.lib {'x' * 5000}\n.endl\n", "has no section 'xx"),
        (f".lib {'x' * 5000}\n.endl\n", "has no section 'tt'; it has xx"),
    ],
)
def test_what_a_model_file_lacks_is_told(tmp_path, text, told):
    (tmp_path / "m.lib").write_text(text)
    corners = {"tt": Corner(section="tt")}
    with pytest.raises(InputError) as caught:
        model_lines(changed(include=str(tmp_path / "m.lib"), corners=corners))
    assert told in str(caught.value)
    assert is_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (".control\nshell touch here\n.endc", "`.control` runs commands"),
        (".model nch nmos\n  .Controls", "`.Controls` runs commands"),
        (".model nch nmos\n*# shell touch here", "`*# shell touch here` runs commands"),
        (".model nch nmos\x00", "control character '\\x00'"),
        (".model nch nmos\r.control", "`.control` runs commands"),
        (".include /etc/passwd $ all", "no model file '/etc/passwd $ all'"),
        (".inc\n+ /etc/passwd", "reaches outside its folder"),
        (".end", "holds `.end`"),
        (".TRAN 1n 1u", "holds `.TRAN 1n 1u`"),
        (".temp 85", "holds `.temp 85`"),
        (".save all", "holds `.save all`"),
        (".ends\nVx vdd_gm 0 5", "holds `Vx vdd_gm 0 5`"),
        ("root:x:0:0:root:/root:/bin/sh", "holds `root:x:0:0:root:/root:/bin/sh`"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "holds `-----BEGIN PRIVATE KEY-----`"),
        (".option scale=1u rshunt=1e12", "sets the option `rshunt` of the whole deck"),
        (".OPTIONS\n+ TEMP = 85", "sets the option `temp` of the whole deck"),
        (".subckt n d\n.opt klu\n.ends", "sets the option `klu` of the whole deck"),
        (".func abs(x) {0}", "redefines `abs`, a function of ngspice"),
        (".FUNC Max (a, b) {a}", "redefines `Max`, a function of ngspice"),
        (".param sqrt(x) = {x}", "redefines `sqrt`, a function of ngspice"),
        (".subckt n d g s b\nM1 d g s b x\n`ls`\n.ends\n`ls`", "holds ``ls``"),
    ],
)
def test_a_file_that_is_no_library_of_models_reaches_no_deck(tmp_path, text, told):
    (tmp_path / "m.lib").write_bytes(f"* models\n{text}\n".encode())
    process = changed(include=str(tmp_path / "m.lib"), corners={"tt": Corner()})
    for call in (
        lambda: model_lines(process),
        lambda: column_deck(CONFIG, np.zeros((1, SLOTS)), process=process),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert told in str(caught.value)
        assert is_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("line", "within"),
    [
        ("I1 0 d 1m", False),
        ("Isense d 0 0", False),
        ("V1 d x 1.8", False),
        ("V1 d x dc 1n", False),
        ("v1 d x\n+ pwl(0 0 1n 1)", False),
        ("V1 d x {0}", False),
        ("V1 d x 0 ac 1", False),
        ("V1 d x 0.5", False),
        ("V1 d x", True),
        ("V1 d x 0", True),
        ("Vsense d x DC 0.0V", True),
        ("V1 d x dc=0e0", True),
    ],
)
def test_a_model_s_subcircuit_delivers_no_power(tmp_path, line, within):
    text = f".subckt nfet d g s b\nM1 d g s b nch\n{line}\n.ends\n"
    (tmp_path / "m.lib").write_text(text)
    process = changed(include=str(tmp_path / "m.lib"), corners={"tt": Corner()})
    if within:
        assert text.strip() in model_lines(process)
        return
    with pytest.raises(InputError, match="has a source within a subcircuit") as caught:
        model_lines(process)
    assert is_one_sentence(caught.value)


def test_options_and_functions_of_its_own_are_a_library_s(tmp_path):
    text = ".option scale=1e-6 tnom=25\n.func own(x) {abs(x)}\n.param max=2\n"
    (tmp_path / "m.lib").write_text(text)
    process = changed(include=str(tmp_path / "m.lib"), corners={"tt": Corner()})
    assert model_lines(process) == text.rstrip()


def test_files_within_a_library_are_models_too(tmp_path):
    """Whatever file of the machine a card's library names, its text goes nowhere."""
    (tmp_path / "m.lib").write_text(".include /etc/passwd\n")
    process = changed(include=str(tmp_path / "m.lib"), corners={"tt": Corner()})
    with pytest.raises(InputError, match="is no library of models"):
        model_lines(process)


def test_transistors_get_the_names_of_the_card():
    line = "Min_p a inp t 0 nch ad=2e-12 l=3e-07 w=8e-06 delvto={d_in_p}\nR1 a 0 1"
    assert with_instances(line, default_process()) == line
    named = with_instances(line, changed(model_n="nfet", model_p="pfet"))
    assert named == line.replace("nch", "nfet")
    process = changed(model_n="nfet", model_p="pfet", subcircuit=True, unit=1e-6)
    assert with_instances(line, process).splitlines() == [
        "Vt_in_p inp vt_in_p {d_in_p}",
        "XMin_p a vt_in_p t 0 nfet ad=2 l=0.3 w=8",
        "R1 a 0 1",
    ]


# -- ngspice -------------------------------------------------------------------------


@pytest.fixture
def wrapped(tmp_path):
    """Our transistors in subcircuits that take micrometres, as a PDK has them."""
    wrappers = "\n".join(
        f".subckt {kind}fet d g s b\n.param l=1 w=1 ad=0 as=0 pd=0 ps=0\n"
        f"Mx d g s b {kind}ch l={{l*1e-6}} w={{w*1e-6}} ad={{ad*1e-12}}"
        f" as={{as*1e-12}} pd={{pd*1e-6}} ps={{ps*1e-6}}\n.ends"
        for kind in "np"
    )
    models = tmp_path / "wrapped.lib"
    models.write_text(f".include {default_process().card.include}\n{wrappers}\n")
    return changed(
        include=str(models),
        model_n="nfet",
        model_p="pfet",
        subcircuit=True,
        unit=1e-6,
    )


@pytest.mark.ngspice
def test_a_neuron_of_subcircuits_converts_as_one_of_models(wrapped):
    stairs = np.full((2, SLOTS), 0.5 * CONFIG.v_full)
    stairs[1] *= 0.4
    shifts = [{"gm_in_a": 1e-3, "gm_in_b": -1e-3}, {"latch_in_p": 2e-3}]
    one = simulate_columns(CONFIG, stairs, shifts)
    other = simulate_columns(CONFIG, stairs, shifts, process=wrapped)
    np.testing.assert_array_equal(one.counts, other.counts)
    # The same circuit in another order of nodes: the transient's own error.
    np.testing.assert_allclose(one.difference, other.difference, atol=2e-3)


@pytest.mark.ngspice
def test_the_bench_takes_subcircuits(wrapped):
    size = (1e-6, 0.5e-6)
    own = measure_curves(default_process(), [size])
    for key, curve in measure_curves(wrapped, [size]).items():
        np.testing.assert_allclose(curve.i_sat, own[key].i_sat, rtol=1e-6, atol=1e-15)
    one, other = (
        measure_mismatch(np.random.default_rng(0), process, size, 8)
        for process in (default_process(), wrapped)
    )
    for kind in "np":
        # A shift of the gate is a whole one; `delvto` moves this threshold 1.02 (n) and
        # 1.04 times (p), and drawn beta moves it a little.
        assert other[kind][0] == pytest.approx(one[kind][0], rel=0.05)
        assert other[kind][1] < 1e-3


@pytest.mark.ngspice
@pytest.mark.parametrize(
    ("corner", "temperature"), [("ss", 85.0), ("ff", 0.0), ("sf", 27.0), ("fs", 27.0)]
)
def test_the_neuron_converts_at_every_corner(corner, temperature):
    levels = np.array([0.2, 0.5, 0.8])
    stairs = np.repeat(CONFIG.v_full * levels[:, None], SLOTS, 1)
    process = dataclasses.replace(
        default_process(), corner=corner, temperature=temperature
    )
    counts = simulate_columns(CONFIG, stairs, process=process).counts
    # The offset that neurons share is not cancelled here: up to half a slot.
    np.testing.assert_allclose(counts, SLOTS * levels, atol=1.5)
