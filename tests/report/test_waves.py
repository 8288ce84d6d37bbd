import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.report.waves import choose_neuron, waves_figure
from tests.helpers import is_one_sentence
from tests.report.folders import NEURONS, make_waves


def test_the_watched_neuron_is_found_by_its_inner_nodes():
    data = make_waves(layer=1, neuron=12)
    data |= {"v(q2_3)": data["time"], "v(p0_1)": data["time"]}
    waves = choose_neuron(data, "waves.npz")
    assert (waves.layer, waves.neuron) == (1, 12)
    assert np.array_equal(waves.s, data["v(s1_12)"])


def test_phases_follow_from_the_waves():
    waves = choose_neuron(make_waves(), "waves.npz")
    # The waves have a point every 0.1 ns, and edges belong to either side.
    assert waves.t_pulse == pytest.approx(100e-9, abs=0.2e-9)
    assert waves.t_fall == pytest.approx(145e-9, abs=0.2e-9)
    wanted = [(0, 12e-9), (13e-9, 19e-9), (20e-9, 95e-9), (96e-9, 175e-9)]
    assert np.array(waves.phases(NEURONS[0])) == pytest.approx(
        np.array(wanted), abs=0.2e-9
    )


def test_a_neuron_that_gives_0_has_no_pulse(tmp_path):
    data = make_waves()
    data["v(p0_2)"] = 0 * data["time"]
    waves = choose_neuron(data, "waves.npz")
    assert waves.t_fall == waves.t_pulse
    for path in waves_figure(waves, NEURONS[0], tmp_path / "waves"):
        assert path.stat().st_size > 1000


@pytest.mark.parametrize("name", ["v(out0_2)", "v(dum0_2)", "v(ref0)", "v(en0)"])
def test_a_missing_wave_is_one_sentence(name):
    data = make_waves()
    del data[name]
    with pytest.raises(InputError) as error:
        choose_neuron(data, "verify/waves.npz")
    assert is_one_sentence(error.value)
    assert "verify/waves.npz" in str(error.value)


@pytest.mark.parametrize("name", ["v(az0)", "v(rs0)", "v(ref0)", "v(en0)"])
def test_a_phase_that_never_comes_is_one_sentence(name):
    data = make_waves()
    data[name] = 0 * data["time"]
    with pytest.raises(InputError, match="does not hold all waveforms"):
        choose_neuron(data, "waves.npz")
