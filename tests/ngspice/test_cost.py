import pytest

from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.cost import energy_per_mac, layer_instants
from rram_jax.ngspice.phases import T_START, phase_lines


def test_energy_of_a_multiplication_leaves_out_what_it_says():
    by_block = {"gm": 5.0, "pre": -1.0, "driver": 2.0, "gate": 3.0, "array": 11.0}
    assert energy_per_mac(by_block, 50.0, 2) == {
        "without_array_and_drivers": 2.0,
        "without_array": 4.5,
        "all": 10.0,
        "all_from_regulator": 29.5,
    }


def test_layers_work_when_their_phases_in_a_deck_say():
    neurons = [
        NeuronConfig(v_full=9e-3),
        NeuronConfig(v_full=12e-3),
        NeuronConfig(v_full=15e-3, clocks_per_slot=4, asynchronous=True),
    ]
    start, phases = T_START, []
    for k, neuron in enumerate(neurons):  # as `deck.network_deck` chains them
        phases.append(phase_lines(str(k), neuron, start, start - 8e-9))
        start = phases[-1].t_pulse
    found = layer_instants(neurons)
    assert [pulse for _, pulse, _ in found] == pytest.approx(
        [phase.t_pulse - T_START for phase in phases]
    )
    assert [begin for begin, _, _ in found[1:]] == [pulse for _, pulse, _ in found[:-1]]
    assert found[-1][2] == pytest.approx(phases[-1].t_end - T_START)
