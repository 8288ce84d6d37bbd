"""Effects on a code, measured on transistors: those of neurons and bit lines."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.card import with_card
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.model import edge_weight
from rram_jax.neuron.transistors import GM_CELL
from rram_jax.ngspice.effects import array, line, run
from rram_jax.ngspice.effects import range as effect_range
from rram_jax.ngspice.effects.array import (
    DRIVEN,
    FIXED,
    ROWS,
    WEIGHTS,
    array_resistance,
    array_weights,
    common_mode,
    driven_codes,
    edge_area,
)
from rram_jax.ngspice.effects.bench import (
    BenchColumn,
    at_supply,
    bench_deck,
    level_columns,
    run_bench,
    with_beta,
)
from rram_jax.ngspice.effects.line import (
    compression,
    leak,
    line_load,
    reference_edge,
    reference_level,
)
from rram_jax.ngspice.effects.range import (
    ramp_linearity,
    saturation,
    shortest_slot,
    straightness,
    supply,
)
from rram_jax.ngspice.effects.record import Effect, EffectSetting
from rram_jax.ngspice.effects.run import EFFECTS, effect_names, measure_effects
from rram_jax.ngspice.effects.spread import draw_gm_cells, measure_cells, mismatch
from rram_jax.ngspice.testbench import simulate_columns
from tests.neuron.cards import usual_card

CARD = usual_card()
CONFIG = with_card(NeuronConfig(v_full=8e-3), CARD)
SETTING = EffectSetting(config=CONFIG, card=CARD, process=default_process())
LEVELS = np.array([3.0, 12.0]) / SLOTS * CONFIG.v_full


def sizes(found, name):
    """[LSB] Of the records of one name, in order."""
    return np.array([effect.lsb for effect in found if effect.name == name])


# -- the bench -----------------------------------------------------------------------


@pytest.mark.ngspice
def test_the_bench_says_what_the_testbench_of_codes_says():
    run = run_bench(CONFIG, level_columns(LEVELS))
    nominal = simulate_columns(CONFIG, np.repeat(LEVELS[:, None], SLOTS, 1))
    # Pulse gates and rows, which the bench leaves out, only load the latch's q.
    np.testing.assert_allclose(
        run.positions(), nominal.crossings(0.0, CONFIG), atol=0.01
    )
    np.testing.assert_array_equal(run.counts(), nominal.counts)


def test_another_supply_reaches_supplies_clocks_and_phases_only():
    columns = level_columns(LEVELS)
    plain, *_ = bench_deck(CONFIG, columns)
    moved, *_ = bench_deck(CONFIG, columns, v_dd=1.7)
    pairs = zip(plain.splitlines(), moved.splitlines(), strict=True)
    changed = {one.split()[0] for one, other in pairs if one != other}
    blocks = {f"Vdd_{x}" for x in ("gm", "latch", "gate", "bias", "driver")}
    assert changed == blocks | {f"V{x}0" for x in "az azb rs rsb clk en".split()}
    sources = [x for x in moved.splitlines() if x.split(" ")[0] in changed]
    assert not any("1.8" in line for line in sources)
    with pytest.raises(RuntimeError, match="not found"):
        at_supply("* no supply\n.end\n", 1.8, 1.7)


def test_betas_stand_beside_thresholds():
    text = with_beta(".subckt x a d_in=0\nMin a a 0 0 nch delvto={d_in}\n.ends")
    assert ".subckt x a d_in=0 b_in=0" in text
    assert "delvto={d_in} mulu0={1+b_in}" in text
    beta = {"gm_in_a": 0.02, "latch_in_p": -0.01}
    column = BenchColumn(stairs=np.zeros((1, SLOTS)), beta=beta)
    deck = bench_deck(CONFIG, [column])[0].splitlines()
    assert next(x for x in deck if x.startswith("Xg0_0 ")).endswith(" b_in_a=0.02")
    assert next(x for x in deck if x.startswith("Xl0_0 ")).endswith(" b_in_p=-0.01")


# -- the array -----------------------------------------------------------------------


def test_the_array_has_a_fixed_sum_whatever_else_is_driven():
    weights = array_weights()
    sums = np.stack([driven_codes(*driven) @ weights for driven in DRIVEN])
    np.testing.assert_array_equal(sums, np.tile(WEIGHTS @ FIXED, (len(DRIVEN), 1)))
    active = [np.count_nonzero(driven_codes(*driven)) for driven in DRIVEN]
    assert active == [3, 27, 47, 47]
    # A row is loaded as in a tile of 32 columns: the driver's testbench has 4 mS.
    load = (1 / array_resistance(array_weights())).sum(1)
    assert 3.6e-3 < load.min() < load.max() < 4.3e-3


@pytest.mark.ngspice
def test_common_mode_moves_a_code_by_the_edges_of_its_pulses(monkeypatch):
    """16 pairs, of which 12 cancel: measured -0.12 LSB."""
    monkeypatch.setattr(array, "ROWS", 32)
    monkeypatch.setattr(array, "DRIVEN", ((0.0, SLOTS), (1.0, 5)))
    found = common_mode(SETTING)
    beyond = sizes(found, "common mode beyond the model")
    assert len(beyond) >= 1
    assert -0.3 < beyond.min() <= beyond.max() < -0.03
    # What the bit line itself shows is what moves the code.
    edges = next(effect for effect in found if effect.name == "pulse edges")
    np.testing.assert_allclose(edges.lsb, sizes(found, "common mode")[0], rtol=0.3)
    assert -0.2 < edges.value < -0.01
    # So does what is found without neurons; of 16 pairs 3 are driven, and then 15.
    weight = float(edge_weight(jnp.array(15 / 16)) - edge_weight(jnp.array(3 / 16)))
    slots = edge_area(CONFIG) * weight / (CONFIG.t_slot * CONFIG.v_full)
    np.testing.assert_allclose(sizes(found, "common mode")[0], slots, rtol=0.2)


@pytest.mark.ngspice
def test_starting_pulses_pull_the_more_the_fewer_rows_hold_against_them(monkeypatch):
    monkeypatch.setattr(array, "ROWS", 32)
    all_pairs, half = (edge_area(CONFIG, share=share) for share in (1.0, 0.5))
    np.testing.assert_allclose(
        half / all_pairs, float(edge_weight(jnp.array(0.5))), rtol=0.15
    )
    # Less than if the lower rows led by the 0.1 ns between the switches, half the line.
    assert -0.1e-9 * 0.2 / 2 < all_pairs < -1e-12
    output = NeuronConfig(
        v_full=8e-3, t_slot=10e-9, clocks_per_slot=4, asynchronous=True
    )
    np.testing.assert_allclose(edge_area(output), all_pairs, rtol=1e-3)
    wide = dataclasses.replace(CONFIG, r_driver=32.0)
    assert 0.5 < edge_area(wide) / all_pairs < 0.9


@pytest.mark.ngspice
@pytest.mark.slow
def test_common_mode_is_within_a_quarter_of_a_code():
    found = common_mode(SETTING)
    shifts = sizes(found, "common mode")
    assert len(shifts) == 3 * len(WEIGHTS)
    assert np.abs(shifts).max() < 0.25
    driven = [np.count_nonzero(driven_codes(*x)) / (ROWS // 2) for x in DRIVEN]
    weight = np.asarray(edge_weight(jnp.array(driven)))
    lsb = edge_area(CONFIG) / (CONFIG.t_slot * CONFIG.v_full)
    said = np.repeat(lsb * (weight[1:] - weight[0]), len(WEIGHTS))
    np.testing.assert_allclose(shifts, said, rtol=0.2)


# -- bit line ------------------------------------------------------------------------


@pytest.mark.ngspice
def test_bit_lines_settle_in_no_time(monkeypatch):
    monkeypatch.setattr(line, "LINES", line.LINES[:4])
    found = line_load(SETTING)
    level, edges = (sizes(found, f"bit line, {x}") for x in ("level", "edges"))
    # Ten times the nominal 32 Ohm moves more than three times; both hardly anything.
    assert abs(level[2]) > abs(level[1]) > 0
    assert np.abs(level).max() < 0.02
    assert np.abs(edges).max() < 0.02


@pytest.mark.ngspice
def test_compression_grows_with_the_square_of_the_swing(monkeypatch):
    monkeypatch.setattr(line, "SWINGS", (10e-3, 20e-3))
    found = compression(SETTING)
    shift = sizes(found, "compression")
    # The mean of v - c v^3 is less by 3 c m A^2 in 12 of the 15 slots; 24 / V^2.
    by_hand = -12 * 3 * 24 * 4e-3 * (10e-3) ** 2 / CONFIG.v_full
    np.testing.assert_allclose(shift[0], by_hand, rtol=0.4)
    np.testing.assert_allclose(shift[1] / shift[0], 4, rtol=0.2)
    assert np.abs(sizes(found, "compression beyond the model")).max() < 0.1


@pytest.mark.ngspice
def test_early_charge_leaks_more():
    found = leak(SETTING)
    shift = sizes(found, "leak")[0]
    # 7 slots of full scale lose the share leak * 8 slots on their way to the end.
    share = float(CARD.params(CONFIG).leak) * 8 * CONFIG.t_slot
    np.testing.assert_allclose(shift, 7 * share, rtol=0.4)
    assert abs(sizes(found, "leak beyond the model")[0]) < 0.3 * shift


@pytest.mark.ngspice
def test_a_common_level_hardly_moves_a_code_and_a_slow_step_does(monkeypatch):
    monkeypatch.setattr(line, "LEVEL_SHIFTS", (20e-3,))
    found = reference_level(SETTING)
    assert len(found) == 2
    assert 0 < max(abs(effect.lsb) for effect in found) < 0.005
    # The step's delay, in slots, is its time constant.
    monkeypatch.setattr(line, "REFERENCE_TAUS", (1e-9,))
    found = reference_edge(SETTING)
    np.testing.assert_allclose(sizes(found, "reference's edge, offset"), 0.2, rtol=0.1)


# -- range ---------------------------------------------------------------------------


def test_the_shortest_slot_is_the_last_before_the_first_that_fails(monkeypatch):
    found = {5e-9: (0.1, 0), 3e-9: (0.2, 0), 2e-9: (0.2, 1), 1.25e-9: (0.1, 0)}
    monkeypatch.setattr(effect_range, "BIAS_GRID", (1.0,))
    monkeypatch.setattr(effect_range, "SLOT_GRID", (0.5e-9, *found))
    monkeypatch.setattr(effect_range, "run_bench", lambda config, *a, **k: config)
    monkeypatch.setattr(effect_range, "straightness", lambda run: found[run.t_slot])
    *tried, best = shortest_slot(SETTING)
    # 0.5 ns cannot be clocked, and is no record.
    assert [(e.name, e.value) for e in tried] == [
        ("slot against bias", t_slot) for t_slot in sorted(found, reverse=True)
    ]
    assert (best.name, best.value) == ("shortest slot", 3e-9)
    found[5e-9] = 0.3, 0
    assert {e.name for e in shortest_slot(SETTING)} == {"slot against bias"}


@pytest.mark.ngspice
@pytest.mark.slow
def test_slots_of_5_ns_are_straight_and_get_shorter_with_more_bias():
    found = shortest_slot(SETTING)
    shortest = [e.value for e in found if e.name == "shortest slot"]
    assert len(shortest) == len(effect_range.BIAS_GRID)
    assert max(shortest) <= 5e-9
    assert shortest[0] >= shortest[-1]


@pytest.mark.ngspice
def test_a_usual_slot_is_straight():
    columns = level_columns(effect_range.POSITIONS / SLOTS * CONFIG.v_full)
    residual, wrong = straightness(run_bench(CONFIG, columns))
    assert 0 < residual < 0.1
    assert wrong == 0


@pytest.mark.ngspice
def test_overload_saturates_and_is_forgotten(monkeypatch):
    monkeypatch.setattr(effect_range, "OVERLOADS", (2.0, -5.0))
    found = saturation(SETTING)
    assert [e.value for e in found if e.name == "overload, code"] == [SLOTS, 0]
    assert 0 < np.abs(sizes(found, "overload, next conversion")).max() < 0.02


@pytest.mark.ngspice
def test_the_ramp_bends_as_a_leaking_capacitor_does():
    found = ramp_linearity(SETTING)
    bend = sizes(found, "ramp, distance from a line")
    assert len(bend) == SLOTS
    assert min(bend[0], bend[-1]) > 0 > bend[SLOTS // 2]
    assert np.abs(bend).max() < 0.1
    assert sizes(found, "ramp beyond the model")[0] < 0.01


@pytest.mark.ngspice
def test_the_supply_moves_gain_and_offset_a_little():
    found = supply(SETTING)
    gain = [e.value for e in found if e.name == "supply, gain"]
    assert gain[0] < 0 < gain[1]  # less headroom, less gain
    assert 1e-4 < max(map(abs, gain)) < 0.01


# -- mismatch ------------------------------------------------------------------------


def test_draws_follow_pelgroms_law():
    thresholds, betas = draw_gm_cells(np.random.default_rng(1), 2000, SETTING)
    pair = next(t for t in GM_CELL if t.name == "in_a")
    root, card = math.sqrt(pair.width * pair.length), SETTING.process.card
    for drawn, a in ((thresholds, card.a_vt_p), (betas, card.a_beta)):
        found = np.std([one["gm_in_a"] for one in drawn])
        # A standard deviation of 2000 draws is off by 1.6 %: four of these.
        np.testing.assert_allclose(found, a / root, rtol=0.065)


@pytest.mark.ngspice
def test_betas_move_offset_and_gain_in_proportion():
    beta = [{}, {"gm_in_a": 0.05}, {"gm_in_a": -0.05}, {"gm_tail": 0.05}]
    offset, gain = measure_cells(SETTING, [{} for _ in beta], beta).T
    moved = offset - offset[0]
    assert moved[1] < -0.01
    np.testing.assert_allclose(moved[2], -moved[1], rtol=0.1)
    assert np.abs(gain - gain[0]).max() < 0.02
    assert abs(moved[3]) > 1e-4


@pytest.mark.ngspice
@pytest.mark.slow
def test_betas_add_little_to_thresholds():
    found = mismatch(SETTING)
    offset, gain = (
        sizes(found, f"mismatch of the gm cell, {x}") for x in ("offset", "gain")
    )
    assert 0.02 < offset[0] < 0.15
    assert 0 < offset[2] < offset[0] / 3
    assert 0 < gain[2] < gain[0] / 3


# -- all of them ---------------------------------------------------------------------


def invented(setting, name):
    return [Effect.shift(name, "as invented", 0.1)]


def test_pieces_come_in_order_and_are_handed_over_one_by_one(monkeypatch):
    def run_jobs(function, jobs, *, workers, on_done):
        for k in reversed(range(len(jobs))):
            on_done(k, invented(None, jobs[k]))

    monkeypatch.setattr(run, "run_jobs", run_jobs)
    done = []
    found = measure_effects(
        CONFIG, CARD, on_done=lambda name, got: done.append((name, got))
    )
    assert [effect.name for effect in found] == list(EFFECTS)
    assert [name for name, _ in done] == list(reversed(EFFECTS))
    assert all(got[0].name == name for name, got in done)
    some = measure_effects(CONFIG, CARD, names=["leak", "supply"])
    assert [effect.name for effect in some] == ["leak", "supply"]


def test_what_cannot_be_measured_is_said():
    with pytest.raises(InputError, match="no effect 'weather'"):
        measure_effects(CONFIG, CARD, names=["weather"])
    with pytest.raises(InputError, match="hidden neurons"):
        measure_effects(dataclasses.replace(CONFIG, clocks_per_slot=4), CARD)
    card = dataclasses.replace(default_process().card, subcircuit=True)
    names = effect_names(Process(card=card))
    assert set(EFFECTS) - set(names) == {"mismatch", "latch_noise", "latch_beta"}
