import pytest

from rram_jax.chip.config import ProgrammingConfig
from rram_jax.commands.config import ExportCommand
from rram_jax.commands.decks import read_request
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import default_process
from tests.helpers import is_one_sentence


def test_decks_are_of_cells_after_the_reset_pulse_that_is_asked_for(checkpoint):
    request = read_request(
        ExportCommand(checkpoint=checkpoint, images=1, v_reset=1.0, sigma_lrs=0.2)
    )
    card, own = request.design.device, load_card("hfo2-nominal")
    assert card.r_hrs == pytest.approx(13_180, rel=1e-3)
    assert (card.v_reset, card.t_reset, card.sigma_lrs) == (1.0, own.t_reset, 0.2)
    assert request.asked["device_card"]["r_hrs"] == card.r_hrs
    same = read_request(ExportCommand(checkpoint=checkpoint, images=1))
    assert same.design.device == own


def test_decks_after_a_reset_pulse_that_the_card_does_not_speak_for(checkpoint):
    with pytest.raises(InputError, match="hfo2-nominal") as told:
        read_request(
            ExportCommand(checkpoint=checkpoint, device="bench-r10", v_reset=1.0)
        )
    assert is_one_sentence(told.value)


def test_decks_stand_at_a_corner_and_a_temperature(checkpoint):
    own = read_request(ExportCommand(checkpoint=checkpoint, images=1))
    assert own.process == default_process()
    slow = read_request(
        ExportCommand(checkpoint=checkpoint, images=1, corner="ss", temperature=85.0)
    )
    assert (slow.process.corner, slow.process.temperature) == ("ss", 85.0)
    assert slow.asked["transistors_sha256"] != own.asked["transistors_sha256"]
    with pytest.raises(InputError, match="no corner 'sx'") as told:
        read_request(ExportCommand(checkpoint=checkpoint, corner="sx"))
    assert is_one_sentence(told.value)


def test_decks_are_of_chips_as_they_are_programmed(checkpoint):
    programming = ProgrammingConfig(verify_share=0.05, band_lrs=0.2)
    request = read_request(
        ExportCommand(checkpoint=checkpoint, programming=programming)
    )
    assert request.design.programming == programming
    assert request.design.calibration.shape == (1000, 144)
    assert request.design.device.band_lrs == 0.2
    assert request.asked["programming"]["verify_share"] == 0.05
    assert request.asked["device_card"]["band_lrs"] == 0.2
