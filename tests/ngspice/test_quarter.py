"""Neurons of a made-up process of 0.25 um and 2.5 V (spice/examples/cmos)."""

import dataclasses
import re

import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.calibrate import fit_crossings, judge
from rram_jax.neuron.card import load_neuron_card, with_card
from rram_jax.neuron.cmos import Process, load_cmos_card
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.technology import TECHNOLOGY, technology_of
from rram_jax.ngspice.characterise import characterise, measured_point
from rram_jax.ngspice.measure import measure_point
from rram_jax.ngspice.neuron import shared_lines
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import (
    column_deck,
    driver_resistance,
    simulate_columns,
)
from rram_jax.spice_files import spice_dir
from tests.helpers import is_one_sentence

CARD = spice_dir() / "examples" / "cmos" / "quarter.toml"
PROCESS = Process(card=load_cmos_card(CARD))
TECHNOLOGY_25 = technology_of(PROCESS.card)

PLAN = CharacterisePlan(
    name="quarter",
    cmos=str(CARD),
    i_bias=(20e-6, 20e-6),
    t_slot=(10e-9, 10e-9),
    v_full=(6e-3, 12e-3),
    swing=(0.45, 0.45),
    n_points=4,
    n_held_out=2,
    n_slopes=2,
    n_energy=4,
    n_staircases=8,
    n_neurons=8,
)
HIDDEN = PLAN.usual("hidden")


def levels_of(config, shares):
    """Constant staircases at shares of the full scale."""
    volts = config.v_full * np.asarray(shares) - config.v_shift
    return np.repeat(volts[:, None], SLOTS, 1)


def test_a_plan_s_neurons_are_of_its_card():
    assert HIDDEN.technology == TECHNOLOGY_25
    assert CharacterisePlan().usual("hidden").technology == TECHNOLOGY
    with pytest.raises(InputError, match="t_slot from 1.8028e-09 to 1e-06 s"):
        dataclasses.replace(PLAN, t_slot=(1.2e-9, 1.2e-9)).check()
    dataclasses.replace(PLAN, t_slot=(1.81e-9, 3e-9)).check()


def test_a_deck_takes_every_level_from_the_technology():
    deck, *_ = column_deck(HIDDEN, levels_of(HIDDEN, [0.5]), process=PROCESS)
    lines = deck.splitlines()
    assert "Vdd_gm vdd_gm 0 2.5" in lines
    assert "Vpre vpre 0 1.11111" in lines
    assert "Vcm cm 0 0.555556" in lines
    assert any(x.startswith("Vvm vm 0 0.35555") for x in lines)
    levels = " ".join(x for x in lines if x.startswith((".nodeset", "V")))
    assert not re.search(r"[ =](0\.4|0\.8|1\.8)\b", levels)  # none of ours
    assert " l=1.5e-07" not in deck  # no gate is shorter than the process allows
    inner = next(x for x in lines if x.startswith("Min_a "))
    # 20/0.5 um times 5/3; diffusions two minimum lengths long.
    assert "w=3.33333e-05" in inner
    assert "l=8.33333e-07" in inner
    assert "ad=1.66667e-11" in inner


@pytest.mark.parametrize(
    ("process", "technology", "told"),
    [
        (PROCESS, TECHNOLOGY, "sized for 1.8 V, and CMOS card 'quarter' has 2.5 V"),
        (None, TECHNOLOGY_25, "sized for 2.5 V, and CMOS card 'cmos-130nm' has 1.8 V"),
        (
            PROCESS,
            dataclasses.replace(TECHNOLOGY_25, l_min=0.15e-6),
            "gates of 0.15 um, and CMOS card 'quarter' has 0.25 um at the least",
        ),
    ],
)
def test_a_neuron_and_a_card_that_disagree(process, technology, told):
    with pytest.raises(InputError, match=told) as caught:
        shared_lines(process, technology)
    assert is_one_sentence(caught.value)


def test_a_neuron_card_holds_for_its_own_technology():
    with pytest.raises(InputError, match=r"1.8 V, 0.15 um\).* sized for 2.5 V, 0.25 u"):
        load_neuron_card().kind(NeuronConfig(v_full=8e-3, technology=TECHNOLOGY_25))


# -- with ngspice --------------------------------------------------------------------


@pytest.mark.ngspice
def test_bias_point():
    deck, *_ = column_deck(HIDDEN, levels_of(HIDDEN, [0.0]), process=PROCESS)
    run = run_deck(deck[: deck.index(".save")] + ".save all\n.op\n.end\n")
    expected = {  # [V] lowest and highest: every cascoded device is saturated
        "vbp0": (1.5, 1.75),
        "vcp0": (1.3, 1.6),
        "out0_0": (1.09, 1.13),
        "xg0_0.t": (1.2, 1.6),
        "xg0_0.ta": (1.7, 2.2),
        "xg0_0.fa": (0.15, 0.4),
        "xg0_0.ma": (2.0, 2.35),
        "pb0_0": (2.49, 2.51),
        "rp0_0": (0.555, 0.556),
    }
    for node, (low, high) in expected.items():
        assert low < run.data[f"v({node})"][0] < high, node
    assert -run.data["i(vdd_bias)"][0] == pytest.approx(80e-6, rel=0.15)


@pytest.mark.ngspice
def test_row_drivers_have_the_resistance_that_was_wanted():
    r = driver_resistance(HIDDEN, process=PROCESS)
    # First-order widths; what they are off by is measured into the neuron card.
    assert r == pytest.approx([16, 16, 16], rel=0.05)


@pytest.mark.ngspice
def test_codes_rise_with_the_input_and_pulses_are_whole_slots():
    shares = np.linspace(-0.05, 1.05, 8)
    run = simulate_columns(HIDDEN, levels_of(HIDDEN, shares), process=PROCESS)
    assert (np.diff(run.counts) > 0).all()
    assert (run.counts[0], run.counts[-1]) == (0, 15)
    inner = (run.counts > 0) & (run.counts < SLOTS)
    assert run.pulse_width[inner] == pytest.approx(run.counts[inner], abs=0.03)


@pytest.mark.ngspice
@pytest.mark.parametrize("kind", ["hidden", "output"])
def test_the_fitted_model_gives_the_codes(kind):
    config = PLAN.usual(kind)
    seen, unseen = (
        measured_point(config, measure_point(PLAN, config, k)) for k in (0, 1)
    )
    laws = fit_crossings([seen])
    says = judge(laws, [unseen])
    assert says["equal"] >= 0.9
    assert says["within_1"] == 1
    assert float(laws.params(config).gain) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
@pytest.mark.ngspice
@pytest.mark.timeout(1800)
def test_a_reduced_characterisation_gives_another_neuron_card(tmp_path):
    made = characterise(tmp_path, PLAN)
    card = load_neuron_card(tmp_path / "quarter.toml")
    assert card == made
    assert card.conditions.technology == TECHNOLOGY_25
    for kind in ("hidden", "output"):
        config = with_card(PLAN.usual(kind), card)
        assert getattr(card, kind).equal >= 0.9
        shares = np.linspace(0.02, 0.98, 12)
        run = simulate_columns(config, levels_of(config, shares), process=PROCESS)
        assert (np.diff(run.counts) > 0).all()
