import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.neuron.calibrate import latch_threshold
from rram_jax.neuron.card import load_neuron_card, with_card
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.mismatch import draw_mismatch, gate_areas, position_shift
from rram_jax.neuron.model import crossing, to_counts
from rram_jax.neuron.technology import TECHNOLOGY
from rram_jax.neuron.transistors import MISMATCHED
from rram_jax.ngspice.decode import (
    decode_codes,
    decode_counts,
    decode_crossings,
    high_time,
)
from rram_jax.ngspice.neuron import (
    comparator,
    gm_cell,
    latch,
    neuron_instance,
)
from rram_jax.ngspice.phases import (
    phase_lines,
    steps,
)
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import (
    column_deck,
    noise_density,
    random_staircases,
    simulate_columns,
    simulate_conversions,
)
from tests.ngspice.netlists import level, points, width

V_DD, V_CM, LEAD = TECHNOLOGY.v_dd, TECHNOLOGY.v_cm, TECHNOLOGY.lead

# Full scales that are no column of the card.
HIDDEN = NeuronConfig(v_full=7.9e-3)
OUTPUT = NeuronConfig(
    v_full=20.1e-3, v_shift=5e-3, clocks_per_slot=4, asynchronous=True
)


# -- text ----------------------------------------------------------------------------


def test_a_neuron_is_transistors_capacitors_and_ideal_sources_only():
    deck, *_ = column_deck(HIDDEN, np.zeros((2, SLOTS)))
    elements = [x for x in deck.splitlines()[1:] if x and x[0] not in "*.+"]
    assert {x[0].upper() for x in elements} == set("MCVIRX")
    # Resistors are the testbench's bit line and row loads.
    assert {x[:2] for x in elements if x[0] == "R"} == {"Rs", "Rp", "Rm"}
    assert len([x for x in elements if x[0] == "I"]) == 1


def test_sizes_reach_the_netlist():
    text = str(gm_cell("0", dataclasses.replace(HIDDEN, i_bias=10e-6)))
    line = next(x for x in text.splitlines() if x.startswith("Min_a "))
    assert width(line) == 10e-6
    assert "l=5e-07" in line
    assert line.endswith("delvto={d_in_a}")
    assert f"Cint out 0 {float(f'{HIDDEN.c_int:.6g}') / 2:g}" in text
    assert "d_mir_b=0" in text.splitlines()[0]
    assert str(latch()).count("delvto") == 6


def test_threshold_shifts_go_to_their_own_subcircuit():
    text = neuron_instance(
        "1", "1_3", "s1_3", HIDDEN, {"gm_in_b": -2e-3, "latch_in_p": 3e-3}
    )
    cell, comparator, _ = text.splitlines()
    assert cell.startswith("Xg1_3 s1_3 ref1 out1_3 dum1_3 ")
    assert cell.endswith("gm1 d_in_b=-0.002")
    assert comparator.endswith("latch d_in_p=0.003")


def test_a_continuous_comparator_has_neither_clock_nor_copy():
    text = neuron_instance("1", "1_3", "s1_3", OUTPUT, {"comparator_in_p": 3e-3})
    cell, compare, start = text.splitlines()
    assert cell.startswith("Xg1_3 s1_3 ref1 out1_3 vpre ")
    assert compare.split()[1:4] == ["out1_3", "vpre", "q1_3"]
    assert compare.endswith("comparator d_in_p=0.003")
    assert "dum" not in start + str(gm_cell("1", OUTPUT))
    assert str(comparator()).count("delvto") == 7
    phases = phase_lines("1", OUTPUT, 100e-9, 92e-9).text
    assert "Vclk1" not in phases
    deck, *_ = column_deck(OUTPUT, np.zeros((2, SLOTS)))
    assert "Xp0_0" not in deck  # nothing behind it, so no pulse gate


def test_steps_add_where_they_overlap():
    source = steps("a", 1.0, [(10e-9, 0.5), (10.05e-9, -0.2)])
    at = np.array([0, 10e-9, 10.05e-9, 10.1e-9, 10.15e-9, 20e-9])
    np.testing.assert_allclose(
        np.interp(at, *points(source)), [1, 1, 1.25, 1.4, 1.3, 1.3]
    )
    assert (np.diff(points(source)[0]) > 0).all()


def test_phases_of_a_layer_by_hand():
    config = dataclasses.replace(OUTPUT, ramp_advance=0.7, asynchronous=False)
    phases = phase_lines("1", config, 100e-9, 92e-9)
    assert phases.t_pulse == pytest.approx(180e-9)
    first = phases.t_pulse - LEAD
    # Reference: v_cm, below it while the layer integrates, above it in the ramp.
    at = np.array([99e-9, 101e-9, 174e-9, 176e-9, first - 3.6e-9, first - 3.3e-9])
    np.testing.assert_allclose(
        level(phases.text, "ref1", at),
        [0.4, 0.395, 0.395, 0.4, 0.4, 0.4201],
        atol=1e-9,
    )
    assert level(phases.text, "az1", [91e-9, 93e-9]) == pytest.approx([V_DD, 0])
    assert level(phases.text, "rs1", [92e-9, 94e-9, 99.2e-9]) == pytest.approx(
        [0, V_DD, 0]
    )
    time, clock = points(next(x for x in phases.text.splitlines() if "Vclk1" in x))
    rising = time[:-1][(np.diff(clock) > 0)]
    assert len(rising) == 62  # two to warm up
    assert rising[2] == pytest.approx(first)
    np.testing.assert_allclose(np.diff(rising), 1.25e-9, rtol=1e-6)
    assert phases.t_end > first + 60 * 1.25e-9


def test_conversions_in_a_row_have_an_auto_zero_between_them():
    config = dataclasses.replace(HIDDEN, auto_zero_taus=2.0)
    period = config.t_period
    phases = phase_lines("0", config, 20e-9, 12e-9, conversions=3)
    one = phase_lines("0", config, 20e-9, 12e-9)
    assert phases.t_pulse == one.t_pulse
    assert phases.t_end == pytest.approx(one.t_end + 2 * period, rel=1e-12)
    for node in ("ref0", "clk0", "en0"):
        at = np.arange(20e-9, one.t_end - 1e-9, 0.7e-9)
        for n in (1, 2):
            np.testing.assert_allclose(
                level(phases.text, node, at + n * period),
                level(one.text, node, at),
                atol=1e-6,
            )
    # Closed to begin with, and for two time constants before the next start.
    zeroed = 12e-9 + period
    at = [1e-9, 13e-9, zeroed - config.t_auto_zero - 1e-9]
    assert level(phases.text, "az0", at) == pytest.approx([V_DD, 0, 0])
    at = [zeroed - config.t_auto_zero + 1e-9, zeroed - 1e-9, zeroed + 1e-9]
    assert level(phases.text, "az0", at) == pytest.approx([V_DD, V_DD, 0])
    # `out` is set to v_pre before the loop closes and after it opens.
    at = [zeroed - config.t_auto_zero - 4e-9, zeroed - 1e-9, zeroed + 4e-9]
    assert level(phases.text, "rs0", at) == pytest.approx([V_DD, 0, V_DD])
    slow = phase_lines("0", config, 20e-9, 12e-9, conversions=2, t_period=1e-6)
    assert slow.t_end == pytest.approx(one.t_end + 1e-6, rel=1e-12)


def test_counts_end_at_the_first_zero():
    time = np.linspace(0, 100e-9, 1001)
    on = [(10e-9, 24e-9), (0, 0), (10e-9, 86e-9), (10e-9, 14e-9)]
    q = [V_DD * ((time > a) & (time < b)) for a, b in on]
    q[3] = q[3] + V_DD * (time > 40e-9)  # sets again: not counted
    data = {"time": time} | {f"v(q0_{j})": wave for j, wave in enumerate(q)}
    got = decode_counts(data, 0, 4, HIDDEN, 10e-9)
    # Read 4.17 ns behind the slot's start: at 14.17, 19.17, 24.17 ns and so on.
    np.testing.assert_array_equal(got, [2, 0, 15, 0])


def test_crossings_are_the_falls_of_q():
    first = 10e-9 - LEAD + OUTPUT.t_delay
    time = np.linspace(0, 120e-9, 1201)
    ends = np.array([first + 3.2 * 5e-9, first + 0.3 * 5e-9, first - 1e-9, 200e-9])
    data = {
        f"v(q0_{j})": V_DD * np.clip(0.5 - (time - end) / 1e-9, 0, 1)
        for j, end in enumerate(ends)
    }
    data["time"] = time
    got = decode_crossings(data, 0, 4, OUTPUT, 10e-9)
    # Decision 0 is position 0.5; before it and behind the ramp there is none.
    np.testing.assert_allclose(got[:2], [3.7, 0.8], atol=1e-6)
    assert np.isnan(got[2:]).all()
    # A step 1 ns behind decision 0: a crossing 0.5 ns after it comes too soon.
    early = dataclasses.replace(OUTPUT, ramp_advance=-0.2)
    assert np.isnan(decode_crossings(data, 0, 4, early, 10e-9)[1])
    counts = decode_counts(data, 0, 4, OUTPUT, 10e-9)
    np.testing.assert_array_equal(counts, [13, 2, 0, 60])


def test_codes_are_pulse_widths():
    time = np.linspace(0, 100e-9, 4001)
    data = {"time": time, "v(p1_0)": V_DD * ((time > 10e-9) & (time < 25.2e-9))}
    data["v(p1_1)"] = np.zeros_like(time)
    codes, widths = decode_codes(data, 1, 2, HIDDEN, 10e-9)
    np.testing.assert_array_equal(codes, [3, 0])
    np.testing.assert_allclose(widths, [3.04, 0], atol=0.01)  # points are 25 ps apart


def test_time_above_a_threshold_is_interpolated():
    time, wave = np.array([0.0, 1, 3, 4, 8]), np.array([0.0, 0, 4, 4, 0])
    # Up through 1 V at 1.5 s, down through it at 7 s.
    assert high_time(time, wave, 0.0, 1.0) == pytest.approx(5.5)
    assert high_time(time, wave, 4.0, 1.0) == pytest.approx(3.0)


# -- with ngspice --------------------------------------------------------------------


def position_of(config, stairs, delvto):
    """[slots] Where the card's model crosses."""
    card = load_neuron_card()
    offset, gain = position_shift(jnp.asarray(delvto, jnp.float32), config, card)
    params = card.params(config)
    params = dataclasses.replace(
        params, offset=params.offset + offset, gain=params.gain + gain
    )
    return np.asarray(crossing(jnp.asarray(stairs, jnp.float32), params))


def counts_of(position, config):
    return np.asarray(to_counts(jnp.asarray(position), config))


def agree(counts, model):
    """At least 90 % equal and all within one; a card's offset is good to 0.02 slots.

    The staircases are random, so a share of them stands that close to a decision.
    """
    assert len(set(counts.tolist())) > 5  # they do spread over the scale
    miss = np.abs(counts - model)
    assert (miss <= 1).all()
    assert np.mean(miss == 0) >= 0.9


@pytest.fixture(scope="module")
def hidden():
    """24 hidden neurons: 8 nominal, 8 with gm cells and 8 with latches far off."""
    config = with_card(HIDDEN, load_neuron_card())
    rng = np.random.default_rng(11)
    stairs = random_staircases(rng, config, 24)
    shifts = rng.standard_normal((24, len(MISMATCHED))) * 4e-9
    shifts /= np.sqrt(gate_areas(config))
    in_latch = np.array([name.startswith("latch_") for name in MISMATCHED])
    part = np.arange(24)[:, None] // 8
    # So far off that a wrong slope shows; at four sigmas of everything the auto-zero's
    # range ends in one cell of eight.
    shifts *= 2 * ((part == 1) & ~in_latch) + 4 * ((part == 2) & in_latch)
    delvto = [dict(zip(MISMATCHED, row.tolist(), strict=True)) for row in shifts]
    run = simulate_columns(config, stairs, delvto)
    return config, run, position_of(config, stairs, shifts), stairs


@pytest.mark.ngspice
def test_hidden_neurons_count_as_the_card_says(hidden):
    config, run, position, stairs = hidden
    agree(run.counts, counts_of(position, config))
    nominal = position_of(config, stairs, np.zeros((24, len(MISMATCHED))))
    off = np.abs(run.counts - counts_of(nominal, config))
    assert off[:8].sum() <= 1
    assert off[16:].sum() >= 2  # what the slopes of the latch have to explain


@pytest.mark.ngspice
def test_hidden_neurons_cross_where_the_card_says(hidden):
    config, run, position, stairs = hidden
    same_latch = slice(0, 16)
    threshold, doubt = latch_threshold(
        run.difference[same_latch], run.counts[same_latch]
    )
    crossed = run.crossings(threshold, config)[same_latch]
    miss = np.abs(crossed - position[same_latch])
    doubt *= SLOTS / config.swing
    # What the card was measured to, 0.03 slots, and the doubt about the threshold.
    assert np.nanmax(miss[:8]) < 0.04 + doubt
    # Slopes are a first order; two sigmas in all transistors leave some second.
    assert np.nanmax(miss[8:]) < 0.1 + doubt
    nominal = position_of(config, stairs, np.zeros((24, len(MISMATCHED))))
    moved = crossed - nominal[same_latch]
    assert np.nanmax(np.abs(moved[8:])) > 0.2 + doubt


@pytest.mark.ngspice
def test_hidden_neurons_drive_whole_slots_and_draw_their_bias(hidden):
    config, run, *_ = hidden
    assert run.pulse_width == pytest.approx(run.counts, abs=0.02)
    # 20 uA in the pair, 5 in the auxiliary one, the rest in the mirror: 43 uA.
    power = run.energy["gm"] / run.t_stop / 24
    assert power == pytest.approx(43e-6 * V_DD, rel=0.1)


@pytest.mark.ngspice
def test_output_neurons_see_sums_below_zero():
    config = with_card(OUTPUT, load_neuron_card())
    stairs = random_staircases(np.random.default_rng(12), config, 16)
    run = simulate_columns(config, stairs)
    counts = run.counts
    position = position_of(config, stairs, np.zeros((16, len(config.mismatched))))
    agree(counts, counts_of(position, config))
    # What the card was measured to.
    assert np.nanmax(np.abs(run.position - position)) < 0.03
    below = stairs.mean(1) < -1e-3
    assert below.any()
    assert (counts[below] > 0).any()


@pytest.mark.ngspice
def test_output_neurons_with_mismatch_cross_where_the_card_says():
    """Half of them with gm cells twice as far off as drawn, half with comparators."""
    card = load_neuron_card()
    config = with_card(OUTPUT, card)
    stairs = random_staircases(np.random.default_rng(13), config, 16)
    shifts = 2 * np.asarray(draw_mismatch(jax.random.key(3), 16, config, card), float)
    in_gm = np.array([name.startswith("gm_") for name in config.mismatched])
    shifts *= in_gm == (np.arange(16)[:, None] < 8)
    names = config.mismatched
    delvto = [dict(zip(names, row.tolist(), strict=True)) for row in shifts]
    run = simulate_columns(config, stairs, delvto)
    miss = run.position - position_of(config, stairs, shifts)
    # Slopes are a first order; two sigmas leave some second.
    assert np.nanmax(np.abs(miss)) < 0.05
    nominal = position_of(config, stairs, np.zeros_like(shifts))
    moved = np.abs(run.position - nominal)
    assert min(np.nanmax(moved[:8]), np.nanmax(moved[8:])) > 0.08


@pytest.mark.ngspice
@pytest.mark.parametrize(("taus", "equal"), [(5.0, True), (1.5, False)])
def test_conversions_in_a_row_forget_each_other(taus, equal):
    """With mismatch, so that there is something to correct, and other sums each."""
    card = load_neuron_card()
    config = dataclasses.replace(with_card(OUTPUT, card), auto_zero_taus=taus)
    stairs = random_staircases(np.random.default_rng(14), config, 6)
    shifts = np.asarray(draw_mismatch(jax.random.key(4), 6, config, card), float)
    names = config.mismatched
    delvto = [dict(zip(names, row.tolist(), strict=True)) for row in shifts]
    runs = simulate_conversions(config, stairs, delvto, conversions=3)
    for n in (1, 2):
        fresh = simulate_columns(config, np.roll(stairs, -n, 0), delvto)
        miss = np.nanmax(np.abs(runs[n].position - fresh.position))
        # 4 mV of offset, half of it left on C_int, e^-5 of that: 0.03 slots at 2 sigma.
        assert (miss < 0.05) == equal
    # A period costs as much again while it auto-zeroes.
    assert runs[2].energy["gm"] == pytest.approx(runs[1].energy["gm"], rel=0.01)


@pytest.mark.ngspice
def test_one_auto_zero_serves_many_conversions():
    """With mismatch; two sums in turn, so that odd conversions are like the second."""
    config = with_card(OUTPUT, load_neuron_card())
    stairs = random_staircases(np.random.default_rng(15), config, 2)
    shifts = draw_mismatch(jax.random.key(5), 2, config, load_neuron_card())
    names = config.mismatched
    delvto = [dict(zip(names, map(float, row), strict=True)) for row in shifts]
    n = config.conversions_per_zero
    runs = simulate_conversions(config, stairs, delvto, conversions=n, zeros=False)
    position = np.array([run.position for run in runs])
    assert np.isfinite(position).all()
    # Behind the first, whose loop was closed just before, nothing drifts.
    assert np.ptp(position[1::2], axis=0).max() < 2e-3
    assert np.abs(position[2::2] - position[0]).max() < 0.03


@pytest.mark.ngspice
def test_a_code_does_not_depend_on_the_one_before():
    """Where the latch's threshold is worth most: sums around the first decision.

    Without its preset a 0 before would ask for 13 mV more of the next first decision.
    """
    config = NeuronConfig(
        v_full=3e-3, i_bias=40e-6, t_slot=2e-9, swing=0.2, ramp_advance=0.8
    )
    small = (0.4, 0.8, 1.0)
    shares = np.array([x for s in small for x in (15.0, s, 3.0, s)]) / SLOTS
    stairs = np.repeat(config.v_full * shares[:, None], SLOTS, 1)
    second = simulate_conversions(config, stairs, conversions=2, zeros=False)[1].counts
    # Column 4 k converts 15 and then small sum k, column 4 k + 2 the same after 3.
    np.testing.assert_array_equal(second[0::4], second[2::4])
    assert set(second[0::4]) == {0, 1}


@pytest.mark.ngspice
def test_noise_of_the_cell_is_that_of_its_transistors():
    # 4 k T 2/3 over 168 uS for each of the pair, about three times that in all.
    pair = np.sqrt(2 * 4 * 1.38e-23 * 300 * 2 / 3 / 168e-6)
    noise = noise_density(HIDDEN, 6.7e6)
    assert 1.2 * pair < noise < 3 * pair
    # C_int has no part in it.
    assert noise_density(OUTPUT, 6.7e6) == pytest.approx(noise, rel=1e-3, abs=0)


@pytest.mark.ngspice
def test_bias_point():
    deck, *_ = column_deck(HIDDEN, np.zeros((1, SLOTS)))
    run = run_deck(deck[: deck.index(".save")] + ".save all\n.op\n.end\n")
    expected = {  # [V] lowest and highest
        "vbp0": (0.9, 1.1),
        "vbn0": (0.6, 0.8),
        "vcn0": (0.75, 0.95),
        "vcp0": (0.7, 0.95),
        "out0_0": (0.78, 0.82),  # auto-zero: v_pre but for the loop's error
        "xg0_0.hold": (0.78, 0.82),
        "xg0_0.t": (1.0, 1.25),
        "xg0_0.fa": (0.15, 0.35),
        "xg0_0.fb": (0.15, 0.35),
        "xg0_0.ma": (1.4, 1.65),
        "q0_0": (-0.01, 0.01),
        "p0_0": (-0.01, 0.01),
        "pb0_0": (1.79, 1.81),
        "rp0_0": (0.399, 0.401),
        "rm0_0": (0.399, 0.401),
    }
    for node, (low, high) in expected.items():
        assert low < run.data[f"v({node})"][0] < high, node
    # Four branches of about 20 uA in the bias block.
    assert -run.data["i(vdd_bias)"][0] == pytest.approx(80e-6, rel=0.1)
