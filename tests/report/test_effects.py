import csv

from rram_jax.ngspice.effects.record import Effect
from rram_jax.report.effects import (
    effect_rows,
    effects_figure,
    largest,
    left_out_sentence,
    write_effects,
)

EFFECTS = [
    Effect.shift("common mode", "all", -0.2, left_out=False, at=(1.0, 15.0, 19.0)),
    Effect.shift("common mode beyond the model", "all", -0.1, at=(1.0, 15.0, 19.0)),
    Effect.shift("common mode beyond the model", "half", 0.03, at=(0.5, 15.0, 19.0)),
    Effect.shift("bit line, level", "32 Ohm", 0.01, at=(32.0, 5e-13)),
    Effect.shift("bit line, level", "300 Ohm", 0.02, at=(300.0, 5e-13)),
    Effect(
        name="slot against bias",
        condition="20 uA, 1 ns, 2 of 5 codes wrong",
        value=1e-9,
        unit="s",
        lsb=0.3,
        left_out=False,
        at=(20e-6, 1e-9),
    ),
    Effect.shift("ramp, distance from a line", "", 0.04, left_out=False, at=(0.0,)),
    Effect.shift("ramp, distance from a line", "", -0.02, left_out=False, at=(7.0,)),
]


def test_the_file_holds_every_record(tmp_path):
    write_effects(tmp_path / "effects.csv", EFFECTS)
    rows = list(csv.DictReader((tmp_path / "effects.csv").read_text().splitlines()))
    assert len(rows) == len(EFFECTS)
    assert rows[5]["condition"] == "20 uA, 1 ns, 2 of 5 codes wrong"
    assert float(rows[0]["lsb"]) == -0.2
    assert [row["left_out"] for row in rows[:2]] == ["false", "true"]


def test_the_table_has_the_largest_of_each_by_size():
    names = [effect.name for effect in largest(EFFECTS)]
    assert names[:3] == [
        "slot against bias",
        "common mode",
        "common mode beyond the model",
    ]
    assert effect_rows(EFFECTS)[2] == (
        "common mode beyond the model",
        "all",
        "-0.1 LSB",
        "-0.100",
        "yes",
    )


def test_the_sentence_names_what_the_model_misses():
    told = left_out_sentence(EFFECTS)
    assert told == (
        "Left out of the model and above 0.05 LSB: common mode beyond the model -0.10"
        " LSB (all)."
    )
    assert left_out_sentence(EFFECTS[3:]).startswith("Nothing that the model leaves")


def test_the_figure_is_drawn_of_what_there_is(tmp_path):
    paths = effects_figure(EFFECTS, "8 mV", tmp_path / "effects")
    assert [path.name for path in paths] == ["effects.png", "effects.svg"]
    assert all(path.stat().st_size > 1000 for path in paths)
