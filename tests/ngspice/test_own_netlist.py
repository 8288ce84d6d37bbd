"""A user's own circuits in the neuron: what is refused, and what they change."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.sample import LayerSample
from rram_jax.errors import InputError
from rram_jax.neuron.calibrate import fit_crossings, judge
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.cmos import default_process
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.netlist import PINS, NetlistFile, spice_number
from rram_jax.ngspice.characterise import measured_point
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.measure import measure_point
from rram_jax.ngspice.netlist import FORBIDDEN, count_elements
from rram_jax.ngspice.neuron import comparator, gm_cell, latch, neuron_instance
from rram_jax.ngspice.own_netlist import MAX_BYTES, load_netlist
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.ngspice.process import check_measured, process_of
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import column_deck, noise_density, simulate_columns
from rram_jax.spice_files import spice_dir
from tests.helpers import is_one_sentence
from tests.ngspice.networks import CODES, random_design

HIDDEN = NeuronConfig(v_full=7.9e-3)
OUTPUT = NeuronConfig(
    v_full=20.1e-3, v_shift=5e-3, clocks_per_slot=4, asynchronous=True
)
EXAMPLE = spice_dir() / "examples" / "neuron" / "cascoded-tail.toml"
LATCH = """.subckt mine inp inn clk rs q qb vdd
M1 q inp inn 0 nch w=1u l=0.15u
.ends
"""


def written(folder, text, cells=(("latch", "mine"),)):
    """A netlist's TOML file, and the netlist beside it."""
    text = text if isinstance(text, bytes) else text.encode()
    (folder / "own.cir").write_bytes(text)
    lines = ['name = "own"', 'source = "a test"', 'file = "own.cir"', "[cells]"]
    path = folder / "own.toml"
    path.write_text("\n".join([*lines, *(f'{k} = "{v}"' for k, v in cells)]))
    return path


def loaded(folder, text, cells=(("latch", "mine"),)):
    """Our process with own circuits."""
    netlist = load_netlist(written(folder, text, cells))
    return dataclasses.replace(default_process(), netlist=netlist)


# -- what is refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (".control\nshell touch here\n.endc", "runs commands"),
        (".include '`touch here`'", "reaches outside its folder"),
        (".include ../models.lib", "reaches outside its folder"),
        (".include models.lib", "reaches outside its folder"),
        (".lib /etc/passwd", "reaches outside its folder"),
        (".option klu_=1", "is no option"),
        (".option reltol=1", "is not allowed"),
        (".global vdd", "is not allowed"),
        (".tran 1n 1u", "is not allowed"),
        ("B1 q 0 v=1", "is not allowed"),
        ("E1 q 0 inp inn 1e6", "is not allowed"),
        ("S1 q 0 inp inn sw", "is not allowed"),
        ("A1 q qb sw", "is not allowed"),
        ("V1 q 0 1.8", "is not allowed"),
        ("R1 q 0 r={1k*v(inp)}", "asks for 'v'"),
        ("R1 q 0 {time*1k}", "asks for 'time'"),
        (".param v=1\nR1 q 0 r={1k*v(inp)}", "asks for 'v'"),
        (".param time=1", "keeps for itself"),
        ("C1 q 0 c='1p;'", "where a number"),
        ("R1 q 0 -1k", "value of -1k, and a part's is above 0"),
        ("R1 q 0 {-1meg}", "above 0"),
        ("R1 q 0 0", "above 0"),
        ("R1 q 0 r=-1e3ohm", "above 0"),
        ("R1 q 0 1k m=-1", "above 0"),
        ("C1 q 0 -1p", "above 0"),
        ("C1 q 0 c=0.0f", "above 0"),
        (".model rneg r (rsh=-50)", "above 0"),
        ("M1 q inp 0 0 nch w=-1u", "above 0"),
        ("R1 q 0 `id`", "belongs"),
        ('.model sw file "x"', "KIND one of"),
        (".model x sw ron=1", "KIND one of"),
        (".param a=b", "where a number"),
        ("M1 q inp 0 nch w=1u", "names no model"),
        ("M1 q in<3> 0 0 nch", "has a node 'in<3>'"),
        ("X1 q 0 inverter", "no subcircuit of this file"),
        ("X1 q qb clk rs inp inn vdd mine", "called by itself"),
        (".subckt other a b", "stands within mine"),
    ],
)
def test_only_devices_and_numbers_pass(tmp_path, line, told):
    path = written(tmp_path, LATCH.replace(".ends", f"{line}\n.ends"))
    with pytest.raises(InputError) as caught:
        load_netlist(path)
    assert told in str(caught.value)
    assert "own.cir" in str(caught.value)
    assert is_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LATCH.replace(" qb vdd", " vdd"), "6 pins, and latch has the 7 pins"),
        (LATCH.replace(" qb vdd", " qn vdd"), "differ in qb qn"),
        (LATCH.replace("vdd\n", "vdd extra\n"), "differ in extra"),
        (LATCH.replace("vdd\n", "vdd d_in_x=0\n"), "'d_in_x'"),
        (LATCH.replace("mine", "other"), "no subcircuit 'mine'"),
        (LATCH.replace(".ends", ""), "has no .ends"),
        (LATCH + LATCH, "second of this name"),
        (LATCH + "M1 a b c d nch\n", "outside of a subcircuit"),
        ("a title\n" + LATCH, "outside of a subcircuit"),
        (b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)), "no plain text"),
        (LATCH.replace("M1", "M\x001"), "control character"),
        ("*" * (MAX_BYTES + 1), "is over 1000000 bytes"),
    ],
    ids=range(12),
)
def test_a_netlist_that_is_no_neuron(tmp_path, text, told):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_netlist(path)
    assert told in str(caught.value)
    assert is_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ("w=1u l=0.149u", "l=0.149u, and the CMOS card's smallest is 0.15 um"),
        ("w=1n l=1u", "w=1n, and the CMOS card's smallest is"),
        ("w={0.01u} l=1u", "w={0.01u}, and"),
    ],
)
@pytest.mark.parametrize("cell", ["mine", "helper"])
def test_a_transistor_is_no_smaller_than_the_process_makes_it(
    tmp_path, size, told, cell
):
    small = LATCH.replace("w=1u l=0.15u", size)
    if cell == "helper":
        small = small.replace("mine", "helper") + LATCH.replace(
            ".ends", "X1 inp inn clk rs q qb vdd helper\n.ends"
        )
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, small)
    assert told in str(caught.value)
    assert is_one_sentence(caught.value)
    loaded(
        tmp_path,
        small.replace(size, "w={w_of*1n} l=150n").replace("vdd\n", "vdd w_of=1\n"),
    )


def test_numbers_are_read_as_ngspice_reads_them():
    for text, value in {
        **{"1.5u": 1.5e-6, "2meg": 2e6, "1mil": 25.4e-6, "3m": 3e-3, "1e-3k": 1.0},
        **{"1kohm": 1e3, "{-1k}": -1e3, "5": 5.0, "80f": 80e-15, ".1a": 1e-19},
    }.items():
        assert spice_number(text) == pytest.approx(value)
    assert [spice_number(x) for x in ("w", "{2*w}", "{1-2}", "u1")] == [None] * 4


def test_subcircuits_of_subcircuits_do_not_multiply(tmp_path):
    text, below = LATCH.replace("mine", "s0"), "s0"
    for k in range(1, 15):
        calls = "".join(f"X{i} inp inn clk rs q qb vdd {below}\n" for i in (1, 2))
        below = "mine" if k == 14 else f"s{k}"
        text += f".subckt {below} inp inn clk rs q qb vdd\n{calls}.ends\n"
    with pytest.raises(InputError, match="over 10000 devices"):
        load_netlist(written(tmp_path, text))


def test_a_gm_cell_names_the_node_that_holds(tmp_path):
    text = f".subckt g {' '.join(PINS['gm_output'])}\nR1 out 0 1k\n.ends\n"
    with pytest.raises(InputError, match="no inner node `hold`"):
        load_netlist(written(tmp_path, text, [("gm_output", "g")]))


def test_what_a_netlist_s_file_may_say():
    with pytest.raises(InputError, match="for gm_hidden, gm_output, latch, comparator"):
        NetlistFile(name="own", source="", file="x", cells={"gm": "g"})
    with pytest.raises(InputError, match="got none"):
        NetlistFile(name="own", source="", file="x", cells={})


# -- what is written -----------------------------------------------------------------


def test_a_cell_is_written_anew_under_our_name(tmp_path):
    text = """* title
.SUBCKT Mine vdd qb q rs clk inn inp
+ params: d_in_p = 0 W1 = 10u length_scale=1  $ a comment
.param w2={2 * W1}
M1 q INP inn 0 NCH w='w2 + 1u' l={0.15u*length_scale} delvto={d_in_p} ; more
*# shell
X1 q qb load r=5k
.model nlow nmos (level=14 version=4.8.1)
.ends Mine
.subckt load a b r=1k
R1 a b {r}
.ends
"""
    with pytest.raises(InputError, match="runs commands"):
        loaded(tmp_path, text)
    process = loaded(tmp_path, text.replace("*# shell\n", ""))
    deck, *_ = column_deck(HIDDEN, np.zeros((1, SLOTS)), process=process)
    assert (
        ".subckt latch inp inn clk rs q qb vdd d_in_p=0 w1=10u length_scale=1\n"
        ".param w2={2*w1}\n"
        "m1 q inp inn 0 nch w={w2+1u} l={0.15u*length_scale} delvto={d_in_p}\n"
        "x1 q qb own_load r=5k\n"
        ".model nlow nmos level=14 version=4.8.1\n"
        ".ends latch\n"
    ) in deck
    assert ".subckt own_load a b r=1k\nr1 a b {r}\n.ends own_load" in deck
    assert deck.count(".subckt latch ") == 1
    # Of the shifts it gets those that it takes; none of its nodes is called on or op.
    line, start = neuron_instance(
        "0", "0_0", "s", HIDDEN, {"latch_in_p": 1e-3, "latch_in_n": 2e-3}, process
    ).splitlines()[1:]
    assert line.endswith(" latch d_in_p=0.001")
    assert ".on)" not in start
    assert "(xg0_0.hold)" in start


def test_transistors_of_a_card_of_subcircuits_take_expressions():
    card = default_process().card
    card = dataclasses.replace(
        card, model_n="nfet", model_p="pfet", subcircuit=True, unit=1e-6
    )
    process = dataclasses.replace(default_process(), card=card)
    line = "m1 q inp inn 0 nch w={w2+1u} l=0.15u"
    assert with_instances(line, process) == (
        "XM1 q inp inn 0 nfet w={(w2+1u)/1e-06} l={(0.15u)/1e-06}"
    )


def test_a_layer_tells_its_sizes_and_decks_hold_no_forbidden_element():
    process = dataclasses.replace(default_process(), netlist=load_netlist(EXAMPLE))
    design = random_design()
    zero = jnp.zeros((), jnp.int32)
    chip = [
        LayerSample(
            is_lrs=jnp.asarray(layer.is_lrs),
            stuck=jnp.ones(layer.is_lrs.shape),
            resistance=jnp.where(layer.is_lrs, 5e3, 5e4),
            delvto=jnp.zeros((layer.layer.n_outputs, len(layer.neuron.mismatched))),
            trim_pulses=zero,
            verified=zero,
            verify_pulses=zero,
        )
        for layer in design.layers
    ]
    deck = network_deck(design, chip, "multiport", process=process)
    heads = [x for x in deck.body.splitlines() if x.startswith(".subckt gm")]
    assert len(heads) == 2
    for head, layer in zip(heads, design.layers, strict=True):
        assert f" c_int={layer.neuron.c_int:.6g} " in head
        assert f" reset_scale={layer.neuron.reset_scale:.6g} " in head
    ours = network_deck(design, chip, "multiport")
    counts, plain = (
        count_elements(
            x.image(CODES[0].tolist()).replace(f".include {BODY_NAME}", x.body)
        )
        for x in (deck, ours)
    )
    n_neurons = sum(layer.layer.n_outputs for layer in design.layers)
    assert counts["m"] == plain["m"] + n_neurons  # one cascode each
    assert not FORBIDDEN & set(counts)


def test_a_plan_reads_them_and_a_card_remembers_them():
    plan = CharacterisePlan(neuron_netlist=str(EXAMPLE))
    netlist = plan.process.netlist
    card = load_neuron_card()
    plain = card.sha256
    check_measured(card, plan.process)  # to see what they change
    told = dataclasses.replace(
        card.conditions, netlist=str(EXAMPLE), netlist_sha256=netlist.sha256
    )
    card = dataclasses.replace(card, conditions=told)
    assert card.sha256 != plain
    check_measured(card, plan.process)
    assert process_of(card).netlist == netlist
    with pytest.raises(InputError, match="the decks have ours") as caught:
        check_measured(card, default_process())
    assert is_one_sentence(caught.value)
    other = dataclasses.replace(netlist, helpers="")
    with pytest.raises(InputError, match="the decks have those of") as caught:
        check_measured(card, dataclasses.replace(plan.process, netlist=other))
    assert is_one_sentence(caught.value)


# -- with ngspice --------------------------------------------------------------------


def copied(folder, config, change=lambda text: text):
    """Our process with a copy of our own subcircuits, changed."""
    load = next(x for x in str(comparator()).splitlines() if x.startswith("Cq "))
    cells = {
        "gm_output" if config.asynchronous else "gm_hidden": str(gm_cell("9", config)),
        "latch": str(latch()).replace("latch", "own_latch"),
        "comparator": str(comparator())
        .replace("comparator", "own_comparator")
        .replace(load, "* the counter's load comes by itself"),
    }
    names = ("gm9", "own_latch", "own_comparator")
    text = change("\n".join(cells.values()))
    return loaded(folder, text, zip(cells, names, strict=True))


@pytest.mark.ngspice
@pytest.mark.parametrize("config", [HIDDEN, OUTPUT], ids=["hidden", "output"])
def test_a_copy_of_ours_answers_as_ours(tmp_path, config):
    shares = np.array([0.12, 0.43, 0.81])
    stairs = np.repeat((config.v_full * shares)[:, None], SLOTS, 1)
    stairs -= config.v_shift
    rng = np.random.default_rng(2)
    shifts = [
        dict.fromkeys(config.mismatched, 0.0)
        | {name: 2e-3 * rng.standard_normal() for name in config.mismatched}
        for _ in shares
    ]
    ours = simulate_columns(config, stairs, shifts)
    copy = simulate_columns(config, stairs, shifts, process=copied(tmp_path, config))
    assert (copy.counts == ours.counts).all()
    np.testing.assert_allclose(copy.difference, ours.difference, atol=1e-4)
    assert copy.energy["gm"] == pytest.approx(ours.energy["gm"], rel=1e-3)


@pytest.mark.ngspice
def test_a_change_in_the_copy_changes_the_answer(tmp_path):
    """Half of C_int: `out` swings twice as far, and the pair's current compresses."""
    stairs = np.full((1, SLOTS), 0.4 * HIDDEN.v_full)
    half = copied(
        tmp_path,
        HIDDEN,
        lambda text: text.replace("Cint out", "Cint out 0 {1/2*80f}\n* Cint out"),
    )
    ours, own = (simulate_columns(HIDDEN, stairs, process=p) for p in (None, half))
    assert own.difference[0, 0] > 1.3 * ours.difference[0, 0]


@pytest.mark.ngspice
def test_the_surrogate_of_an_own_neuron_is_fitted_to_it(tmp_path):
    """A resistor across C_int is a leak of 1 / (R C), and the codes follow."""
    config = CharacterisePlan().usual("output")
    copied(
        tmp_path, config, lambda text: text.replace("Cint", "Rleak out vpre 2meg\nCint")
    )
    plan = CharacterisePlan(n_staircases=8, neuron_netlist=str(tmp_path / "own.toml"))
    seen = measured_point(config, measure_point(plan, config, 0))
    laws = fit_crossings([seen])
    assert judge(laws, [seen])["equal"] == 1
    own = float(laws.params(config).leak)
    ours = float(load_neuron_card().params(config).leak)
    assert own - ours == pytest.approx(1 / (2e6 * config.c_total), rel=0.2)


@pytest.mark.ngspice
def test_noise_of_an_own_gm_cell_is_measured():
    process = dataclasses.replace(default_process(), netlist=load_netlist(EXAMPLE))
    own, ours = (noise_density(HIDDEN, 1e7, p) for p in (process, None))
    # A cascode under the tail adds common-mode current only.
    assert own == pytest.approx(ours, rel=0.05)
    assert own != ours


@pytest.mark.ngspice
def test_the_example_s_cascode_carries_the_tail_current():
    process = dataclasses.replace(default_process(), netlist=load_netlist(EXAMPLE))
    deck, *_ = column_deck(HIDDEN, np.zeros((1, SLOTS)), process=process)
    data = run_deck(deck[: deck.index(".save")] + ".save all\n.op\n.end\n").data
    t, tx = data["v(xg0_0.t)"][0], data["v(xg0_0.tx)"][0]
    assert 0.95 < t < 1.25
    assert t + 0.1 < tx < 1.8 - 0.15  # cascode and tail are both saturated
