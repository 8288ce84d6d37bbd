import dataclasses

import numpy as np
import pytest

from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.technology import TECHNOLOGY
from rram_jax.ngspice.decode import high_time
from rram_jax.ngspice.drivers import (
    driver_instance,
    driver_subcircuits,
    input_pulse_lines,
    pulse_gate,
)
from rram_jax.ngspice.neuron import shared_lines
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.testbench import driver_resistance
from tests.ngspice.netlists import level, width

V_DD, V_CM = TECHNOLOGY.v_dd, TECHNOLOGY.v_cm

HIDDEN = NeuronConfig(v_full=7.9e-3)


def test_gates_grow_with_the_drivers_behind_them():
    def widest(n):
        return max(
            width(x) for x in str(pulse_gate("0", HIDDEN, n)).splitlines() if " w=" in x
        )

    assert widest(1) == 25e-6
    assert widest(4) == 100e-6


def test_inputs_with_one_code_share_a_source():
    pulses = input_pulse_lines("0", HIDDEN, [3, 0, 3, 15], 20e-9)
    assert len(pulses.nodes) == 4
    lines = pulses.text.splitlines()
    assert sum(x.startswith("V") for x in lines) == 3
    # Two inputs of code 3: one buffer with two parallel copies.
    assert "Xi0_3 x0_3 pi0_3 pbi0_3 vdd_driver buf0 k=2" in lines
    assert pulses.nodes[0] == pulses.nodes[2] == ("pi0_3", "pbi0_3")
    at = np.array([19e-9, 21e-9, 34e-9, 36e-9])
    np.testing.assert_allclose(level(pulses.text, "x0_3", at), [0, V_DD, V_DD, 0])
    np.testing.assert_allclose(level(pulses.text, "x0_0", at), 0)


def test_inputs_of_images_in_a_row():
    pulses = input_pulse_lines(
        "0", HIDDEN, [3, 0, 3], 20e-9, more=[[2, 0, 2]], t_period=300e-9
    )
    lines = pulses.text.splitlines()
    assert "Xi0_3_2 x0_3_2 pi0_3_2 pbi0_3_2 vdd_driver buf0 k=2" in lines
    assert pulses.nodes[0] == pulses.nodes[2] == ("pi0_3_2", "pbi0_3_2")
    at = np.array([21e-9, 34e-9, 36e-9, 321e-9, 329e-9, 331e-9])
    expected = [V_DD, V_DD, 0, V_DD, V_DD, 0]
    np.testing.assert_allclose(level(pulses.text, "x0_3_2", at), expected)
    np.testing.assert_allclose(level(pulses.text, "x0_0_0", at), 0)


@pytest.mark.ngspice
def test_row_drivers_are_alike_at_every_level():
    r_pos, r_neg, r_rest = driver_resistance(HIDDEN)
    # Under load, each within 5 % of what was wanted.
    assert [r_pos, r_neg, r_rest] == pytest.approx([16, 16, 16], rel=0.05)
    card = load_neuron_card()
    assert card.driver_resistance(HIDDEN) == pytest.approx((r_pos, r_neg), rel=1e-3)
    narrow = driver_resistance(dataclasses.replace(HIDDEN, r_driver=30.0), 2e-3)
    assert narrow == pytest.approx((30, 30, 30), rel=0.05)


def test_pulses_of_neurons_last_a_part_of_a_slot():
    pulses = input_pulse_lines("0", HIDDEN, [7, 3.9968, 3.9968], 20e-9)
    source, buffer = pulses.text.splitlines()[:2]
    assert source.startswith("Vx0_3p9968 x0_3p9968 0 PWL(0 0 2e-08 0 ")
    assert f" {20e-9 + 3.9968 * 5e-9:.9g} 1.8 " in source
    assert buffer.endswith(" k=2")
    assert [p for p, _ in pulses.nodes] == ["pi0_7", "pi0_3p9968", "pi0_3p9968"]


@pytest.mark.ngspice
@pytest.mark.parametrize("n_drivers", [1, 5])
def test_input_pulses_are_whole_slots_on_every_row(n_drivers):
    codes = [1, 6, 15, 0, 6]
    pulses = input_pulse_lines("0", HIDDEN, codes, 5e-9)
    parts = [
        "* input rows",
        shared_lines(),
        *map(str, driver_subcircuits("0", HIDDEN, drivers_own=n_drivers)[1:]),
        pulses.text,
        f"Vvp vp 0 {V_CM + 0.2}\nVvm vm 0 {V_CM - 0.2}",
    ]
    for i, nodes in enumerate(pulses.nodes):
        for tile in range(n_drivers):
            name = f"{i}_{tile}"
            parts += [
                driver_instance("0", name, nodes, f"rp{name}", f"rm{name}"),
                f"Rp{name} rp{name} cm 250\nRm{name} rm{name} cm 250",
            ]
    saved = " ".join(f"v(rp{i}_0) v(rm{i}_0)" for i in range(len(codes)))
    parts.append(f".option method=gear\n.save {saved}\n.tran 0.5n 90n\n.end\n")
    data = run_deck("\n".join(parts), t_stop=90e-9).data
    for i, code in enumerate(codes):
        up = high_time(data["time"], data[f"v(rp{i}_0)"], 0.0, V_CM + 0.1)
        down = high_time(data["time"], -data[f"v(rm{i}_0)"], 0.0, 0.1 - V_CM)
        # 0.02 slot is 0.1 ns; an LSB of the sum is a slot of one input of many.
        assert [up, down] == pytest.approx([code * 5e-9] * 2, abs=0.1e-9)
