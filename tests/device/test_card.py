import csv
import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import tomli_w

from rram_jax.device.card import DeviceCard, load_card, preset_names
from rram_jax.device.filament import load_filament
from rram_jax.device.variability import mean_conductance
from rram_jax.errors import InputError
from tests.device.filaments import OTHER
from tests.helpers import is_one_sentence, write_card

CARD = DeviceCard(
    name="test",
    source="Made up for a test.",
    r_lrs=5e3,
    r_hrs=61e3,
    sigma_lrs=0.1,
    sigma_hrs=0.7,
    tail_share=0.02,
    sigma_tail=0.9,
    r_access=1100.0,
    rtn_traps_lrs=0.2,
    rtn_traps_hrs=0.6,
    rtn_amplitude_lrs=0.004,
    rtn_amplitude_hrs=0.13,
    rtn_sigma=0.45,
)


def test_presets():
    assert {"bench-r10", "hfo2-nominal"} <= set(preset_names())
    for name in preset_names():
        card = load_card(name)
        assert card.name == name
        assert len(card.source) > 40  # a citation, or what was assumed


def test_the_comparable_card_is_what_its_name_says():
    card = load_card("bench-r10")
    assert (card.r_lrs, card.r_hrs, card.sigma_hrs) == (4500.0, 45000.0, 0.46)
    assert (card.tail_share, card.rtn_traps_lrs, card.rtn_traps_hrs) == (0, 0, 0)


def test_a_written_card_comes_back(tmp_path):
    assert load_card(write_card(CARD, tmp_path)) == CARD


def test_params_hold_every_number():
    params = CARD.params()
    for name in ("r_lrs", "r_hrs", "sigma_lrs", "sigma_hrs", "tail_share"):
        assert float(getattr(params, name)) == np.float32(getattr(CARD, name))
    for name in ("sigma_tail", "r_access", "rtn_sigma"):
        assert float(getattr(params, name)) == np.float32(getattr(CARD, name))
    card = dataclasses.replace(
        CARD,
        tail_ratio=1.5,
        tail_share_hrs=0.1,
        sigma_tail_hrs=0.2,
        tail_ratio_hrs=0.3,
        stuck_lrs=0.01,
        stuck_hrs=0.02,
        d2d_lrs=0.4,
        d2d_hrs=0.5,
        correlation_d2d=-0.6,
        correlation_c2c=0.7,
    ).params()
    tail = (card.tail_ratio, card.tail_share_hrs, card.sigma_tail_hrs)
    np.testing.assert_array_equal(tail, np.float32([1.5, 0.1, 0.2]))
    assert float(card.tail_ratio_hrs) == np.float32(0.3)
    np.testing.assert_array_equal(card.stuck, np.float32([0.01, 0.02]))
    np.testing.assert_array_equal(card.d2d, np.float32([0.4, 0.5]))
    np.testing.assert_array_equal(card.correlation, np.float32([-0.6, 0.7]))
    np.testing.assert_array_equal(params.rtn_traps, np.float32([0.2, 0.6]))
    np.testing.assert_array_equal(params.rtn_amplitude, np.float32([0.004, 0.13]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "../../x"}, "got '../../x'"),
        ({"name": ""}, "letter or digit first"),
        ({"name": "a" * 65}, "up to 64 letters"),
        ({"name": "a\n"}, "letter or digit first"),
        ({"r_hrs": 4e3}, "r_lrs < r_hrs"),
        ({"r_lrs": 1150.0}, "r_access + 100"),
        ({"r_access": -50.0}, "0 <= r_access"),
        ({"r_hrs": 1e9}, "1e9"),
        ({"r_hrs": float("nan")}, "r_hrs"),
        ({"sigma_lrs": -0.1}, "sigma_lrs"),
        ({"sigma_lrs": -1}, "sigma_lrs"),
        ({"sigma_hrs": 11.0}, "sigma_hrs"),
        ({"tail_share": 1.5}, "tail_share"),
        ({"sigma_tail": float("nan")}, "sigma_tail"),
        ({"rtn_traps_hrs": -1.0}, "rtn_traps_hrs"),
        ({"tail_ratio": 0.0}, "tail_ratio must lie between 0.001 and 1000"),
        ({"correlation_d2d": -1.5}, "between -1 and 1"),
        ({"d2d_hrs": 1.1}, "d2d_hrs"),
        ({"stuck_lrs": 0.6, "stuck_hrs": 0.5}, "at most 1 together"),
        ({"name": "../card"}, "name"),
        ({"name": ""}, "name"),
    ],
)
def test_numbers_that_no_cell_has(change, told):
    with pytest.raises(InputError) as error:
        dataclasses.replace(CARD, **change)
    assert told in str(error.value)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("r_lrs", "r_lsr", "r_l"),
        ("sigma_hrs = 0.7", "", "sigma_hrs"),
        ("sigma_hrs = 0.7", 'sigma_hrs = "0.7"', "sigma_hrs"),
        ("sigma_hrs = 0.7", "sigma_hrs = -0.7", "sigma_hrs must lie between"),
        ("sigma_hrs = 0.7", "sigma_hrs = -2", "sigma_hrs must lie between"),
        ("sigma_hrs = 0.7", "sigma_hrs = = 0.7", "not valid TOML"),
        ("sigma_hrs = 0.7", "sigma_hrs = 0.7\nsigma_rhs = 1.0", "sigma_rhs: there is"),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(tmp_path, old, new, told):
    path = tmp_path / "test.toml"
    text = (tmp_path / write_card(CARD, tmp_path)).read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError) as error:
        load_card(path)
    assert told in str(error.value)
    assert "test" in str(error.value)
    assert is_one_sentence(error.value)


def test_an_absent_card_names_the_presets(tmp_path):
    for name in ("hfo2", tmp_path):
        with pytest.raises(InputError, match="hfo2-nominal") as error:
            load_card(name)
        assert is_one_sentence(error.value)


def test_cards_agree_with_the_reset_voltage_table(rram_dir):
    with (rram_dir / "reset_voltage_table.csv").open() as file:
        table = {row["v_reset_V"]: row for row in csv.DictReader(file)}
    nominal, bench = load_card("hfo2-nominal"), load_card("bench-r10")
    assert nominal.r_hrs == float(table["1.30"]["r_hrs_median_ohm"])
    assert nominal.sigma_hrs == float(table["1.30"]["sigma_ln_r_hrs"])
    # Rounded to two digits by definition of the card.
    assert bench.sigma_hrs == round(float(table["1.46"]["sigma_ln_r_hrs"]), 2)
    for row in table.values():
        card = dataclasses.replace(
            nominal,
            r_hrs=float(row["r_hrs_median_ohm"]),
            sigma_hrs=float(row["sigma_ln_r_hrs"]),
        )
        mean = mean_conductance(jnp.asarray([False]), card.params())
        # The source's own means come from samples that are not quite log-normal:
        # 2.5 % at most. Without exp(sigma^2 / 2) the last row would be 10 % off.
        measured = float(row["g_hrs_mean_S"])
        np.testing.assert_allclose(mean, measured, rtol=0.03)


def test_a_filament_card_is_looked_for_beside_the_device_card(tmp_path, monkeypatch):
    folder = tmp_path / "cards"
    folder.mkdir()
    own = dataclasses.asdict(OTHER)
    (folder / "mine.toml").write_text(tomli_w.dumps(own))
    card = dataclasses.replace(
        CARD, filament="mine.toml", v_reset=1.2, t_reset=1e-6, name="cells"
    )
    path = write_card(card, folder)
    monkeypatch.chdir(tmp_path)
    assert load_filament(load_card(path).filament) == OTHER


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"filament": "no-such-card"}, "no filament card"),
        ({"v_reset": 1.7}, "1.46"),
        ({"t_reset": 1.0}, "0.0001"),
    ],
)
def test_a_filament_card_that_does_not_serve(tmp_path, changed, word):
    card = dataclasses.replace(load_card("hfo2-nominal"), **changed)
    with pytest.raises(InputError, match=word) as told:
        load_card(write_card(card, tmp_path))
    assert is_one_sentence(told.value)
