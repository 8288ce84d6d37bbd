import dataclasses

import numpy as np
import pytest
import tomli_w

from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card, preset_names, with_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS
from tests.neuron.cards import small_card

HIDDEN = NeuronConfig(v_full=8e-3)
OUTPUT = NeuronConfig(v_full=8e-3, clocks_per_slot=4, v_shift=2e-3, asynchronous=True)


def table():
    """The small card as TOML would give it."""
    return dataclasses.asdict(small_card())


def slopes(content, kind, part):
    return content["mismatch"][kind][part]


def load(tmp_path, content):
    path = tmp_path / "card.toml"
    path.write_text(content if isinstance(content, str) else tomli_w.dumps(content))
    return load_neuron_card(path)


def test_a_card_comes_back_from_its_file(tmp_path):
    assert load(tmp_path, table()) == small_card()


def test_columns_are_interpolated_in_the_logarithm_of_the_full_scale():
    # 8 mV stands midway between 4 and 16 mV.
    card = small_card()
    assert card.at(HIDDEN, "leak") == pytest.approx(0.75e6, rel=1e-12)
    assert card.at(HIDDEN, "offset") == pytest.approx(0.25, rel=1e-12)
    assert card.at(OUTPUT, "offset") == pytest.approx(0.40, rel=1e-12)
    assert card.at(dataclasses.replace(HIDDEN, v_full=16e-3), "gain") == 1.0


def test_params_carry_the_config():
    params = small_card().params(OUTPUT)
    expected = {"v_full": 8e-3, "v_shift": 2e-3, "t_slot": 5e-9, "offset": 0.4}
    for name, value in expected.items():
        assert float(getattr(params, name)) == pytest.approx(value, rel=1e-6)


def test_the_common_offset_is_cancelled_by_the_ramp():
    config = with_card(HIDDEN, small_card())
    assert config.ramp_advance == pytest.approx(0.75, rel=1e-12)
    # float32 of two numbers below one.
    assert float(small_card().params(config).offset) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("config", "names"), [(HIDDEN, MISMATCHED), (OUTPUT, MISMATCHED_ASYNCHRONOUS)]
)
def test_slopes_stand_in_the_order_of_a_draw(config, names):
    offset, gain = small_card().slopes(config)
    i = np.arange(len(names))
    np.testing.assert_allclose(offset, (-10 + i + 2 * i) / 2, rtol=1e-6)
    np.testing.assert_allclose(gain, 0.05 * i, rtol=1e-6)


def test_a_counter_of_any_clock_reads_a_continuous_comparator():
    card, fine = small_card(), dataclasses.replace(OUTPUT, clocks_per_slot=12)
    assert card.kind(fine) is card.output
    assert card.kind(HIDDEN) is card.hidden


def test_driver_resistance_follows_the_width():
    wide = dataclasses.replace(HIDDEN, r_driver=8.0)
    assert small_card().driver_resistance(wide) == pytest.approx((7.9, 8.1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"v_full": 3.9e-3}, "from 0.004 to 0.016 V"),
        ({"v_full": 16.1e-3}, "has 0.0161 V"),
        ({"i_bias": 10e-6}, "i_bias = 2e-05"),
        ({"t_slot": 4e-9}, "t_slot"),
        ({"swing": 0.3}, "swing"),
        ({"clocks_per_slot": 2}, "latches of 1 clocks"),
    ],
)
def test_a_neuron_outside_the_card_is_refused(change, told):
    config = dataclasses.replace(HIDDEN, **change)
    for ask in (small_card().params, small_card().slopes):
        with pytest.raises(InputError, match=told):
            ask(config)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t.update(name="../x"), "name of a neuron card"),
        (lambda t: t["hidden"].update(gian=[1.0, 1.0]), "hidden.*gian.*no such key"),
        (lambda t: t["hidden"].pop("gain"), "hidden.*gain"),
        (lambda t: t["output"].update(gain=[1.0]), "output.gain has 1 values"),
        (lambda t: t["output"].update(leak=["1e6", 1.0]), "output.*leak"),
        (lambda t: t["hidden"].update(leak=[float("nan"), 1.0]), "leak"),
        (lambda t: t["hidden"].update(v_full=[16e-3, 4e-3]), "rising"),
        (lambda t: t["output"].update(asynchronous=False), "continuous comparator"),
        (lambda t: slopes(t, "hidden", "offset").pop("gm_tail"), "offset.*gm_tail"),
        (
            lambda t: slopes(t, "output", "gain").update(latch_in_p=[0.0, 0.0]),
            "output.gain.*latch_in_p",
        ),
        (lambda t: t["mismatch"].update(a_vt="4e-9"), "mismatch.a_vt"),
        (lambda t: t.pop("driver"), "driver"),
    ],
)
def test_a_wrong_card_is_one_sentence(tmp_path, spoil, told):
    content = table()
    spoil(content)
    with pytest.raises(InputError, match=told) as error:
        load(tmp_path, content)
    assert "\n" not in str(error.value)


def test_text_that_is_no_toml(tmp_path):
    with pytest.raises(InputError, match="not valid TOML"):
        load(tmp_path, "name = ")


def test_a_card_that_is_not_there_names_those_that_are():
    with pytest.raises(InputError, match="gmc-130nm"):
        load_neuron_card("gmc-65nm")


def test_the_preset_covers_what_networks_need():
    assert "gmc-130nm" in preset_names()
    card = load_neuron_card()
    for v_full in (3e-3, 7.9e-3, 20.1e-3, 30e-3):
        for asynchronous in (False, True):
            config = NeuronConfig(v_full=v_full, asynchronous=asynchronous)
            config = with_card(config, card)
            params = card.params(config)
            # A same-gm dual slope has a gain of one up to what the ramp's kick does.
            assert abs(float(params.gain) - 1) < 0.04
            assert 1e5 < float(params.leak) < 3e6
            assert 0 <= config.ramp_advance < 1.5
            assert card.at(config, "residual_max") < 0.05
