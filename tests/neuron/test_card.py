import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w

from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card, preset_names, with_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.law import UNITS, OperatingPoint
from rram_jax.neuron.model import crossing
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


def test_laws_are_evaluated_at_the_neuron():
    card = small_card()
    assert card.at(HIDDEN, "leak") == pytest.approx(0.75e6, rel=1e-6)
    assert card.at(HIDDEN, "offset") == pytest.approx(0.2, rel=1e-6)
    slow = dataclasses.replace(OUTPUT, t_slot=10e-9, v_full=16e-3, v_shift=3e-3)
    assert card.at(slow, "offset") == pytest.approx(0.1 + 0.4 / 2, rel=1e-6)
    assert card.at(slow, "gain") == pytest.approx(1.005, rel=1e-6)
    assert card.at(slow, "leak") == pytest.approx(0.75e6 / 4, rel=1e-6)
    strong = dataclasses.replace(HIDDEN, i_bias=40e-6)
    noise = float(card.params(strong).noise_rms)
    assert noise == pytest.approx(60e-6 / 2**0.5, rel=1e-6)


def test_params_carry_the_config():
    params = small_card().params(OUTPUT)
    expected = {"v_full": 8e-3, "v_shift": 2e-3, "t_slot": 5e-9, "offset": 0.5}
    for name, value in (expected | {"lag": 1.2e-9, "curve": 16.0}).items():
        assert float(getattr(params, name)) == pytest.approx(value, rel=1e-6)


def test_the_common_offset_is_cancelled_by_the_ramp():
    config = with_card(HIDDEN, small_card())
    assert config.ramp_advance == pytest.approx(0.7, rel=1e-6)
    # float32 of two numbers below one.
    assert float(small_card().params(config).offset) == pytest.approx(0, abs=1e-7)


STAIRS = np.random.default_rng(8).uniform(-1e-3, 7e-3, (5, 15))


@pytest.mark.parametrize("name", UNITS)
def test_the_uncut_crossing_is_differentiable_in_the_operating_point(name):
    """Against central differences, through the preset's laws and the whole model."""
    card, config = load_neuron_card(), NeuronConfig(v_full=8e-3, ramp_advance=0.83)
    with jax.enable_x64(True):
        point = OperatingPoint(
            **{k: jnp.asarray(getattr(config, k), jnp.float64) for k in UNITS}
        )

        def loss(share):
            moved = {name: getattr(point, name) * (1 + share)}
            params = card.params(config, dataclasses.replace(point, **moved))
            return (crossing(jnp.asarray(STAIRS), params) ** 2).sum()

        slope = float(jax.grad(loss)(0.0))
        h = 1e-5
        assert slope == pytest.approx(float(loss(h) - loss(-h)) / (2 * h), rel=1e-6)
        # A same-gm dual slope cancels gm, slot and capacitor up to leak and delays.
        size = float(loss(0.0))
        low, high = (1.5, 2.5) if name == "v_full" else (1e-4, 0.3)
        assert low < abs(slope) / size < high


@pytest.mark.parametrize(
    ("config", "names"), [(HIDDEN, MISMATCHED), (OUTPUT, MISMATCHED_ASYNCHRONOUS)]
)
def test_slopes_stand_in_the_order_of_a_draw(config, names):
    offset, gain = small_card().slopes(config)
    i = np.arange(len(names))
    np.testing.assert_allclose(offset, -5 + 1.5 * i, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(gain, 0.05 * i, rtol=1e-6)
    wide = dataclasses.replace(config, v_full=16e-3)
    offset, gain = small_card().slopes(wide)
    np.testing.assert_allclose(offset, -5 + 2.5 * i, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(gain, 0.025 * i, rtol=1e-6)


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
        ({"v_full": 3.9e-3}, "v_full from 0.004 to 0.016 V.*take 0.004 V"),
        ({"v_full": 16.1e-3}, "has 0.0161 V: take 0.016 V"),
        ({"i_bias": 9e-6}, "i_bias from 1e-05 to 4e-05 A.*take 1e-05 A"),
        ({"t_slot": 3e-9}, "t_slot.*take 4e-09 s"),
        ({"swing": 0.55}, "swing.*take 0.5 V"),
        ({"clocks_per_slot": 2}, "latches of 1 clocks"),
    ],
)
def test_a_neuron_outside_the_card_is_refused(change, told):
    config = dataclasses.replace(HIDDEN, **change)
    for ask in (small_card().params, small_card().slopes):
        with pytest.raises(InputError, match=told):
            ask(config)


def test_a_capacitor_below_the_card_is_told_what_would_do():
    card = dataclasses.replace(
        small_card(), box=dataclasses.replace(small_card().box, c_int=250e-15)
    )
    with pytest.raises(InputError, match="with t_slot = 6.25e-09 s") as error:
        card.params(HIDDEN)  # 194 fF; 224 fF and 30 fF beside it are wanted
    wanted = float(re.search(r"t_slot = ([\d.e-]+)", str(error.value))[1])
    card.params(dataclasses.replace(HIDDEN, t_slot=1.001 * wanted))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda t: t.update(name="../x"), "name of a neuron card"),
        (lambda t: t["hidden"].update(gian=[]), "hidden.*gian.*no such key"),
        (lambda t: t["hidden"].pop("gain"), "hidden.*gain"),
        (lambda t: t["output"].update(leak="1e6"), "output.*leak"),
        (lambda t: t["output"]["leak"][0].update(volt=1.0), "leak.*volt"),
        (lambda t: t["hidden"]["leak"][0].update(coefficient=float("nan")), "leak"),
        (lambda t: t["hidden"]["leak"][0].update(i_bias=9.0), "between -4 and 4"),
        (lambda t: t["box"].update(v_full=[1e-3]), "box.v_full"),
        (lambda t: t["output"].update(asynchronous=False), "continuous comparator"),
        (lambda t: slopes(t, "hidden", "offset").pop("gm_tail"), "offset.*gm_tail"),
        (
            lambda t: slopes(t, "output", "gain").update(latch_in_p=[0.0]),
            "output.gain.*latch_in_p",
        ),
        (
            lambda t: slopes(t, "hidden", "offset").update(gm_tail=[1.0]),
            "offset.gm_tail must hold 2 finite coefficients.*got 1",
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
    assert max(card.hidden.residual_rms, card.output.residual_rms) < 0.05
    for v_full in (3e-3, 7.9e-3, 20.1e-3, 30e-3):
        for asynchronous in (False, True):
            config = NeuronConfig(v_full=v_full, asynchronous=asynchronous)
            config = with_card(config, card)
            params = card.params(config)
            # A same-gm dual slope has a gain of one up to what the ramp's kick does.
            assert abs(float(params.gain) - 1) < 0.04
            assert 1e5 < float(params.leak) < 3e6
            assert 0 <= config.ramp_advance < 1.5
