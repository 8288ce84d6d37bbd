import dataclasses
import inspect

import pytest
import tomli_w

from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.cmos import Process, cmos_names, default_process, load_cmos_card
from rram_jax.neuron.technology import TECHNOLOGY
from rram_jax.ngspice.plan import CharacterisePlan
from tests.helpers import is_one_sentence

CARD = {
    "name": "quarter",
    "source": "A test.",
    "include": "models.lib",
    "model_n": "nmos25",
    "model_p": "pmos25",
    "v_dd": 2.5,
    "w_min": 0.5e-6,
    "l_min": 0.25e-6,
    "a_vt_n": 6e-9,
    "a_vt_p": 6e-9,
    "a_beta": 1e-8,
}


def load(tmp_path, **changes):
    """The card with these fields in place of its own; a model file stands beside it."""
    (tmp_path / "models.lib").write_text("* models\n")
    path = tmp_path / "card.toml"
    path.write_text(tomli_w.dumps(CARD | changes))
    return load_cmos_card(path)


def test_a_card_comes_back_from_its_file_with_the_path_of_its_models(tmp_path):
    card = load(tmp_path)
    assert card.include == str(tmp_path / "models.lib")
    assert (card.model("n"), card.model("p")) == ("nmos25", "pmos25")
    assert list(card.corners) == ["tt"]


def test_the_preset_is_what_the_neuron_is_made_of():
    assert cmos_names() == ["cmos-130nm"]
    card = default_process().card
    assert card.v_dd == TECHNOLOGY.v_dd
    assert list(card.corners) == ["tt", "ss", "ff", "sf", "fs"]
    names = {frozenset(corner.parameters) for corner in card.corners.values()}
    assert len(names) == 1  # every corner sets every parameter
    # One card's A_VT is also what neurons are characterised and chips drawn with.
    assert card.a_vt_n == card.a_vt_p == CharacterisePlan().a_vt
    assert card.a_vt_p == load_neuron_card().mismatch.a_vt
    conditions = load_neuron_card().conditions
    assert (conditions.cmos, conditions.corner) == (card.name, "tt")


@pytest.mark.parametrize("larger", ["a_vt_n", "a_vt_p"])
def test_neurons_are_characterised_with_the_larger_a_vt(tmp_path, larger):
    load(tmp_path, **{larger: 7e-9})
    plan = CharacterisePlan(cmos=str(tmp_path / "card.toml"))
    assert plan.a_vt == 7e-9
    plan.check()
    load(tmp_path, a_vt_n=0.0, a_vt_p=0.0)
    with pytest.raises(InputError, match="a_vt_n = a_vt_p = 0") as error:
        CharacterisePlan(cmos=plan.cmos).check()
    assert is_one_sentence(error.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"include": "none.lib"}, "there is no such file"),
        ({"include": "/etc"}, "there is no such file"),
        ({"include": "a\0b"}, "there is no such file"),
        ({"v_dd": -2.5}, "needs v_dd > 0, in SI units; got -2.5"),
        ({"l_min": 0.25}, "takes l_min in metres"),
        ({"a_vt_n": 6.0}, "4 mV um are 4e-9 V m"),
        ({"a_beta": -1e-8}, "needs 0 <= a_beta"),
        ({"kp_n": 290.0}, "290 uA/V^2 are 2.9e-4"),
        ({"model_n": "n mos"}, "named by letters, digits and _, up to 64; got 'n mos'"),
        ({"model_p": "NMOS25"}, "two models, n and p, of unequal names"),
        ({"temperature_low": 90.0}, "temperature_low <= temperature_high"),
        ({"corners": {"ss": {}}}, "needs a corner 'tt'; got ss"),
        ({"corners": {"tt": {"section": "a b"}}}, "got 'a b'"),
        ({"corners": {"tt": {"parameters": {"a": float("nan")}}}}, "corners.tt"),
        ({"corners": {"tt": {"sections": "a"}}}, "there is no such key"),
        ({"name": "a/b"}, "The name of a CMOS card"),
        ({"supply": 2.5}, "there is no such key"),
    ],
)
def test_a_wrong_card_is_told_in_one_sentence(tmp_path, changes, told):
    with pytest.raises(InputError, match="(?i)card") as caught:
        load(tmp_path, **changes)
    assert told in str(caught.value)
    assert is_one_sentence(caught.value)


def test_no_such_card():
    with pytest.raises(InputError, match="no CMOS card 'sky130'.*cmos-130nm"):
        load_cmos_card("sky130")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"corner": "sss"}, "no corner 'sss': take one of tt, ss, ff, sf, fs"),
        ({"temperature": -40.0}, "0 to 85 degrees Celsius; got -40"),
        ({"temperature": float("nan")}, "got nan"),
    ],
)
def test_a_process_that_the_card_lacks(where, told):
    with pytest.raises(InputError) as caught:
        Process(card=default_process().card, **where)
    assert told in str(caught.value)
    assert is_one_sentence(caught.value)


def test_every_field_of_a_card_says_its_unit_or_meaning():
    fields = dataclasses.fields(default_process().card)
    source = inspect.getsource(type(default_process().card))
    for field in fields:
        assert (
            source.split(f"    {field.name}: ")[1].split("\n")[1].startswith('    """')
        )
