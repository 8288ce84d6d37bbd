"""What the full-circuit experiment adds to the report, from folders written by hand."""

import dataclasses

import pytest

from experiments.full_circuit.__main__ import write_results
from experiments.full_circuit.parts import FullCircuit, chosen_parts, plan_parts
from experiments.full_circuit.tables import (
    deck_sheet,
    finished_runs,
    markdown,
    network_sheet,
    tier_sheet,
)
from rram_jax.errors import InputError
from rram_jax.report.answer import right_answers
from rram_jax.report.files import read_table
from rram_jax.report.verification import read_runs
from tests.helpers import is_one_sentence
from tests.report.folders import edit_json, make_verified

CONFIG = {"images": 2, "chips": 1, "seed": 3, "sigma_lrs": 0.31}


def _records(sheet):
    names = [column.name for column in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in sheet.rows]


def _part(folder, **settings):
    """A finished run of the experiment's tier `full`, of two images."""
    make_verified(folder, "multiport")
    edit_json(folder / "config.json", draw=True, **settings)
    return folder


def test_pairs_of_runs(tmp_path):
    one = _part(tmp_path / "one")
    other = _part(tmp_path / "other")
    runs = read_runs(
        {"full-hardened": one, "full-conventional": other, "cells-hardened": other}
    )
    (tiers,) = _records(tier_sheet(runs))
    assert tiers["runs"] == "full-hardened, cells-hardened"
    assert (tiers["images"], tiers["codes"], tiers["codes_equal"]) == (2, 6, 1.0)
    ngspice, surrogate = _records(network_sheet(runs))
    assert (ngspice["right_hardened"], ngspice["right_conventional"]) == (0, 0)
    # Image 1 is right in both surrogates: nothing tells the networks apart.
    assert (surrogate["right_hardened"], surrogate["only_hardened"]) == (1, 0)
    assert surrogate["p_value"] == 1.0
    decks = _records(deck_sheet(runs))
    assert [row["run"] for row in decks[:2]] == ["full-hardened"] * 2
    assert len(decks) == 6
    assert markdown(tier_sheet(runs)).splitlines()[2].startswith("| full-hardened, ")


def test_a_network_that_is_right_more_often(tmp_path):
    runs = read_runs(
        {
            name: _part(tmp_path / name)
            for name in ("full-hardened", "full-conventional")
        }
    )
    a = runs["full-hardened"]
    better = {"winner_spice": (a.decks[0].label,)}
    mended = dataclasses.replace(
        a, decks=(dataclasses.replace(a.decks[0], **better), a.decks[1])
    )
    assert right_answers(mended)[0].tolist() == [True, False]
    ngspice, _ = _records(network_sheet({**runs, "full-hardened": mended}))
    assert (ngspice["only_hardened"], ngspice["only_conventional"]) == (1, 0)
    assert ngspice["p_value"] == 1.0  # one image of one: nothing


def test_other_settings_are_no_part_of_it(tmp_path):
    config = FullCircuit(out=tmp_path, **CONFIG)
    _part(tmp_path / "full-hardened", sigma_lrs=0.31)
    assert list(finished_runs(config)) == ["full-hardened"]
    write_results(config)
    rows = read_table(tmp_path / "tables" / "decks.csv")
    assert len(rows) == 2
    told = (tmp_path / "summary.md").read_text()
    assert "Parts that are not finished: full-conventional, column-hardened" in told
    other = FullCircuit(out=tmp_path, **CONFIG | {"seed": 4})
    with pytest.raises(InputError, match="seed = 3, and 4 is asked for") as caught:
        finished_runs(other)
    assert is_one_sentence(caught.value)


def test_parts_are_chosen_by_name(tmp_path):
    config = FullCircuit(out=tmp_path, only=("static-large",))
    assert list(chosen_parts(config)) == ["static-large"]
    both = [plan_parts(config)[f"full-{kind}"] for kind in ("hardened", "conventional")]
    # The same images and chips; only the network is another.
    assert both[0].seed == both[1].seed
    assert both[0].draw
    assert both[1].draw
    assert (both[0].images, both[0].chips) == (both[1].images, both[1].chips) == (25, 2)
    assert finished_runs(config) == {}
    with pytest.raises(InputError, match="no part 'statc'"):
        chosen_parts(FullCircuit(only=("statc",)))
