import dataclasses
import math

import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.cmos import default_process, load_cmos_card
from rram_jax.neuron.technology import TECHNOLOGY, technology_of
from rram_jax.spice_files import spice_dir
from tests.helpers import is_one_sentence

OURS = default_process().card
QUARTER = load_cmos_card(spice_dir() / "examples" / "cmos" / "quarter.toml")


def test_our_own_card_gives_the_numbers_of_our_own_neuron():
    assert technology_of(OURS) == TECHNOLOGY


def test_levels_are_shares_of_the_supply_and_sizes_follow_the_gates():
    technology = technology_of(QUARTER)
    assert technology.v_cm == pytest.approx(0.4 / 1.8 * 2.5, rel=1e-5)
    assert technology.v_pre == pytest.approx(0.8 / 1.8 * 2.5, rel=1e-5)
    assert technology.scale == pytest.approx(5 / 3, rel=1e-12)
    assert technology.c_parasitic == pytest.approx(50e-15, rel=1e-5, abs=0)
    assert technology.t_comparator == pytest.approx(5.8e-9 * 5 / 3, rel=1e-5, abs=0)


def test_speed_and_transconductance_by_hand():
    technology = technology_of(QUARTER)
    # (5/3)^2 over 2.3/2.9 of the transconductance and 0.641/0.33 of the overdrive.
    slower = 25 / 9 * 2.9 / 2.3 * 0.33 / (2.5 * 0.8 / 1.8 - 0.47)
    assert technology.t_clock_min == pytest.approx(1e-9 * slower, rel=1e-5, abs=0)
    assert technology.lead == pytest.approx(0.33e-9 * slower, rel=1e-5, abs=0)
    # Inversion coefficient 1.67 against 2.28: 1 + sqrt(7.68) over 1 + sqrt(10.12).
    weaker = (1 + math.sqrt(1 + 4 * 1.67)) / (1 + math.sqrt(1 + 4 * 1.67 * 0.86 / 0.63))
    assert technology.gm_per_ampere == pytest.approx(8.4 * weaker, rel=1e-5)
    # The switch to v_cm: 0.856 V of overdrive with ours, 1.4 V here.
    rest = 1.081e-3 * 5 / 3 * 2.9 / 2.3 * 0.856 / (2.5 - 0.544 - 2.5 * 0.4 / 1.8)
    assert technology.width_ohm[1] == pytest.approx(rest, rel=1e-5, abs=0)


def test_technologies_are_keys():
    assert {technology_of(QUARTER): 1}[technology_of(QUARTER)] == 1


def test_a_supply_too_low_says_which_would_do():
    with pytest.raises(InputError, match="1.5 to 10 V; got 1.2 V") as caught:
        technology_of(dataclasses.replace(OURS, v_dd=1.2))
    assert is_one_sentence(caught.value)
    assert technology_of(dataclasses.replace(OURS, v_dd=1.5)).v_dd == 1.5
