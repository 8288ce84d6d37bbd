import csv
import dataclasses
import json

import pytest
import tomli_w

from rram_jax.cli import main
from rram_jax.commands import (
    neuron_characterise,
    neuron_effects,
    neuron_transistors,
    neuron_verify,
)
from rram_jax.commands.config_parts import NeuronCommand
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.cmos import default_process
from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.characterise import POINT
from rram_jax.ngspice.conversions import Conversions
from rram_jax.ngspice.effects.record import Effect
from rram_jax.ngspice.effects.run import effect_names
from rram_jax.ngspice.environment import EnvironmentPoint
from tests.neuron.cards import usual_card

MODELS = """* A made-up process of 0.25 um and 2.5 V, in sections.
.lib typ
.param dvt=0
.lib 'quarter.lib' both
.endl
.lib slow
.param dvt=0.05
.lib 'quarter.lib' both
.endl
.lib both
.model nmos25 nmos level=14 version=4.8.1 toxe=5.6n k3=0 lpe0=0
+ vth0={0.5+dvt} u0=0.04 vsat=9e4
.model pmos25 pmos level=14 version=4.8.1 toxe=5.6n k3=0 lpe0=0
+ vth0={-0.55-dvt} u0=0.01 vsat=8e4
.endl
"""
CARD = """name = "quarter"
source = "A test."
include = "quarter.lib"
model_n = "nmos25"
model_p = "pmos25"
v_dd = 2.5
w_min = 0.5e-6
l_min = 0.25e-6
a_vt_n = 6e-9
a_vt_p = 7e-9
a_beta = 1e-8
temperature_low = 27.0
temperature_high = 27.0
[corners]
tt = { section = "typ" }
ss = { section = "slow" }
"""


@pytest.fixture
def card(tmp_path):
    (tmp_path / "quarter.lib").write_text(MODELS)
    path = tmp_path / "quarter.toml"
    path.write_text(CARD)
    return path


@pytest.mark.ngspice
def test_another_card_goes_through_the_bench(card, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(neuron_transistors, "N_DRAWN", 24)
    out = tmp_path / "out"
    asked = ["neuron", "transistors", "--cmos", str(card), "--out", str(out)]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "Transistors of quarter beside SKY130's" in told
    with (out / "transistors.csv").open() as file:
        rows = list(csv.DictReader(file))
    # 0.5/0.25, 1/0.5, 1/1, 7/8; two kinds, two corners, one temperature.
    assert len(rows) == 16
    by = {(r["kind"], r["length"], r["corner"]): r for r in rows}
    assert float(by["n", "5e-07", "tt"]["v_t"]) == pytest.approx(0.5, abs=0.06)
    shift = float(by["p", "1e-06", "ss"]["v_t"]) - float(by["p", "1e-06", "tt"]["v_t"])
    assert shift == pytest.approx(0.05, abs=5e-3)
    with (out / "mismatch.csv").open() as file:
        spread = list(csv.DictReader(file))
    assert len(spread) == 8
    for row in spread:
        # 24 draws: 14 % a standard error, three of it.
        ratio = float(row["sigma_vt"]) / float(row["sigma_vt_pelgrom"])
        assert ratio == pytest.approx(1.03, abs=0.43)
    config = json.loads((out / "config.json").read_text())
    assert config["card"]["v_dd"] == 2.5
    table = (out / "table.md").read_text()
    assert "| saturation current | 1/0.5 | tt | uA/um |" in table
    assert "google/skywater-pdk" in table
    assert (out / "curves.png").read_bytes()[1:4] == b"PNG"
    # The same command finds its own run; other models are another run.
    assert main(asked) == 0
    assert "was finished before" in capsys.readouterr().out
    (tmp_path / "quarter.lib").write_text(MODELS.replace("dvt=0.05", "dvt=0.06"))
    assert main(asked) == 2


def test_wrong_input_is_one_sentence(tmp_path, capsys):
    for words, told in (
        (["--cmos", "none"], "There is no CMOS card 'none'"),
        (["--seed", "-1"], "seed"),
    ):
        assert main(["neuron", "transistors", *words]) == 2
        assert told in capsys.readouterr().err


def test_verify_tells_agreement_and_is_not_run_twice(tmp_path, capsys, monkeypatch):
    """With ngspice's answer made up: one code in eight is another."""

    def made_up(case, patterns, card, *, workers, on_done):
        said = patterns.codes.astype(int)
        found = said.copy()
        found[3] += 1 if said[3] < 15 else -1
        energy = {"gm": 14e-12, "bias": 1e-12}
        return Conversions(case=case, said=said, found=found, energy=energy, cpu_s=0.4)

    monkeypatch.setattr(neuron_verify, "raw_linearity", raw_linearity_of_few)
    monkeypatch.setattr(neuron_verify, "convert", made_up)
    asked = ["neuron", "verify", "--patterns", "2", "--seed", "3", "--workers", "1"]
    out, numbers = tmp_path / "out", tmp_path / "numbers.json"
    assert main([*asked, "--out", str(out), "--json", str(numbers)]) == 0
    log = capsys.readouterr().err
    assert "case 1 of 1, 8 conversions: ngspice runs." in log
    assert "case 1 of 1, linearity at 61 inputs: ngspice runs." in log
    found = json.loads(numbers.read_text())
    assert found["n_codes"] == 8
    assert found["codes_equal"] == 7 / 8
    assert found["codes_within_1"] == 1
    assert found["v_full"] == 8e-3
    assert not found["mismatch"]
    for name in ("inl_lsb", "dnl_lsb", "offset_sd_lsb", "gain_sd", "noise_lsb"):
        assert 0 < found[name] < 1
    assert found["energy_j"] == pytest.approx(15e-12)
    rows = (out / "case-0.csv").read_text().splitlines()
    assert rows[0] == "pattern,column,code_surrogate,code_spice"
    equal = sum(r.split(",")[2] == r.split(",")[3] for r in rows[1:])
    assert equal / 8 == found["codes_equal"]
    capsys.readouterr()
    monkeypatch.setattr(neuron_verify, "convert", None)
    assert main([*asked, "--out", str(out)]) == 0
    assert "8 mV, 288 rows" in capsys.readouterr().out


def raw_linearity_of_few(config, *, process, workers, on_done):
    on_done()
    return {"inl_lsb": 0.1, "dnl_lsb": 0.1, "monotone": True}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["transistors", "--patterns", "3"], "patterns belongs to `neuron verify`"),
        (["verify", "--cmos", "x.toml"], "cmos belongs to `neuron characterise`"),
        (["characterise", "--all"], "all belongs to `neuron verify`"),
        (["transistors", "--workers", "2"], "workers belongs to `neuron characterise"),
        (["verify", "--patterns", "0"], "patterns must be 1 to 100000"),
        (["characterise", "--v-full", "9e-3", "4e-3"], "v_full of a card is a range"),
        (["characterise", "--t-slot", "0", "1e-9"], "t_slot of a card is a range"),
        (["characterise", "--n-staircases", "3"], "n_staircases of 8 or more"),
        (["characterise", "--t-slot", "5e-10", "5e-9"], "can have t_slot from 1e-09"),
        (
            ["characterise", "--t-slot", "5", "10"],
            "can have t_slot from 1e-09 to 1e-06",
        ),
        (["characterise", "--swing", "0.2", "2"], "can have swing from 0.05 to 0.65"),
        (["characterise", "--v-full", "3e-3", "2.5"], "v_full from 0.0001 to 0.1 V"),
    ],
)
def test_settings_that_do_not_serve_are_refused(asked, told, capsys):
    assert main(["neuron", *asked]) == 2
    assert told in capsys.readouterr().err


ENVIRONMENTS = [
    EnvironmentPoint(
        corner=corner,
        temperature=temperature,
        gain=gain,
        offset=0.1,
        residual=0.03,
        monotone=True,
    )
    for corner, temperature, gain in (("tt", 27.0, 1.0), ("tt", 85.0, 1.02))
]


def test_effects_that_were_measured_are_kept(tmp_path, monkeypatch):
    asked = []

    def made_up(neuron, card, process, *, names, workers, on_done):
        asked.append(list(names))
        for name in names:
            if len(asked) == 1 and name == "leak":
                raise KeyboardInterrupt
            on_done(name, [Effect.shift(name, "", 0.1, at=(1.0, 2.0))])

    monkeypatch.setattr(neuron_effects, "measure_effects", made_up)
    card, config = usual_card(), NeuronCommand(action="characterise")
    setting = NeuronConfig(v_full=8e-3), card, default_process(), config
    with pytest.raises(KeyboardInterrupt):
        neuron_effects.measure_and_keep(tmp_path, *setting)
    found = neuron_effects.measure_and_keep(tmp_path, *setting)
    names = list(effect_names())
    assert asked == [names, names[names.index("leak") :]]
    assert [effect.name for effect in found] == names
    assert found[0].at == (1.0, 2.0)


def test_characterise_writes_a_card_that_others_take(tmp_path, capsys, monkeypatch):
    """With the testbench's numbers made up; the bench itself has tests of its own."""
    card = load_neuron_card()

    rows = [dict.fromkeys(POINT, 0.01 * (1 + k)) | {"held_out": k} for k in range(2)]

    def made_up(out, plan, workers):
        assert plan.v_full == (4e-3, 8e-3)
        assert workers == 1
        mine = dataclasses.replace(card, name=plan.name)
        (out / f"{plan.name}.toml").write_text(tomli_w.dumps(dataclasses.asdict(mine)))
        return mine

    monkeypatch.setattr(neuron_characterise, "point_rows", lambda *a: rows)
    monkeypatch.setattr(neuron_characterise, "characterise", made_up)
    monkeypatch.setattr(
        neuron_characterise, "measure_environments", lambda *a, **k: ENVIRONMENTS
    )

    def one_effect(folder, neuron, card, process, config):
        assert neuron.v_full == 8e-3
        return [Effect.shift("weather", "rain", 0.2, at=(1.0,))]

    monkeypatch.setattr(neuron_characterise, "measure_and_keep", one_effect)
    settings = tmp_path / "neuron.toml"
    settings.write_text('workers = 1\n[plan]\nname = "mine"\nv_full = [4e-3, 8e-3]\n')
    out, numbers = tmp_path / "out", tmp_path / "numbers.json"
    asked = ["neuron", "characterise", "--config", str(settings), "--out", str(out)]
    assert main([*asked, "--json", str(numbers)]) == 0
    told = capsys.readouterr().out
    assert "mine: crossings [slots] and counts" in " ".join(told.split())
    found = json.loads(numbers.read_text())
    assert found["hidden"]["residual_rms"] == card.hidden.residual_rms
    assert found["output"]["mismatch_equal"] == card.mismatch.output.equal
    rows = list(csv.DictReader((out / "hidden.csv").read_text().splitlines()))
    assert [float(r["c_int"]) for r in rows] == [0.01, 0.02]
    assert (out / "card.png").stat().st_size > 20_000
    assert "gain over temperature 2.00 %" in told
    assert found["environment"]["gain_over_both"] == pytest.approx(0.02)
    rows = (out / "environments.csv").read_text().splitlines()
    assert rows[0] == "corner,temperature,gain,offset,residual,monotone"
    assert rows[2] == '"tt",85.0,1.02,0.1,0.03,true'
    assert "weather +0.20 LSB (rain)" in " ".join(told.split())
    assert "weather" in (out / "effects.csv").read_text()
    assert (out / "effects.png").stat().st_size > 20_000
    assert found["effects"][0]["lsb"] == 0.2
    assert load_neuron_card(out / "mine.toml").hidden == card.hidden
    monkeypatch.setattr(neuron_characterise, "characterise", None)
    assert main(asked) == 0  # finished: shown again
