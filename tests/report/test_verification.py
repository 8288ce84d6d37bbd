import csv
import dataclasses
import json
from typing import get_args

import numpy as np
import pytest

from rram_jax.cli import main
from rram_jax.commands.config import VerifyCommand
from rram_jax.commands.report import names_of
from rram_jax.commands.verify import TIERS
from rram_jax.errors import InputError
from rram_jax.report.answer import answer_sheet, model_sentence
from rram_jax.report.cost import block_sheet, mac_sheet, time_sheet
from rram_jax.report.layers import layer_sheet, lsb_sheet, worst_sheet
from rram_jax.report.lines import (
    line_histogram,
    line_sheet,
    read_static,
    worst_line_sheet,
)
from rram_jax.report.sheet import Column, make_sheet
from rram_jax.report.verification import READERS, read_runs, write_verification
from rram_jax.report.verified import CodedRun, VerifiedRun
from tests.helpers import is_one_sentence
from tests.report.folders import (
    edit_json,
    make_column,
    make_static,
    make_verified,
    make_waves,
)
from tests.report.test_page import Page


@pytest.fixture
def runs(tmp_path):
    paths = {
        "whole": make_verified(tmp_path / "whole", "multiport"),
        "neurons": make_column(tmp_path / "neurons"),
        "rest": make_static(tmp_path / "rest"),
    }
    return read_runs(paths)


def records(sheet):
    names = [column.name for column in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in sheet.rows]


def test_each_tier_is_read_as_what_it_shows(runs):
    assert isinstance(runs["whole"], VerifiedRun)
    assert type(runs["neurons"]) is CodedRun
    (tier,) = (f for f in dataclasses.fields(VerifyCommand) if f.name == "tier")
    assert set(READERS) == set(TIERS) == set(get_args(tier.type))


def test_answers_are_counted_on_both_sides(runs):
    (row,) = records(answer_sheet({"whole": runs["whole"]}))
    # Image 0 is a 7 that nobody has; image 1 a 0 that ngspice ties.
    assert (row["n"], row["right_spice"], row["right_surrogate"]) == (2, 0, 0.5)
    assert (row["only_spice"], row["only_surrogate"], row["ties_spice"]) == (0, 1, 1)
    assert row["right_surrogate_low"] == pytest.approx(0.0945, abs=1e-4)  # Wilson
    told = model_sentence(runs["whole"])
    assert "differs from ngspice in 1 of 6 hidden codes" in told
    assert (
        "by at most 1 LSB, and end to end in the winner of 1 of 2 simulations" in told
    )
    assert "sampling: 0 of 2 right in ngspice, on 2 images and 1 chip" in told
    assert is_one_sentence(told)


def test_layers_have_their_own_shares(runs):
    hidden, outputs = records(layer_sheet({"a": runs["neurons"]}))
    assert (hidden["n_codes"], hidden["equal"]) == (6, pytest.approx(5 / 6))
    # Active: 3 and 6; 1; and the 0 whose crossing is at -0.6.
    assert (hidden["n_active"], hidden["equal_active"]) == (4, 0.75)
    assert (hidden["largest"], hidden["mean"]) == (1, pytest.approx(1 / 6))
    assert (outputs["kind"], outputs["n_codes"], outputs["n_active"]) == (
        "outputs",
        4,
        None,
    )
    found = [
        (r["layer"], r["difference"], r["n"])
        for r in records(lsb_sheet({"a": runs["neurons"]}))
    ]
    assert found == [(0, 0, 5), (0, 1, 1), (1, -1, 1), (1, 0, 2), (1, 1, 1)]


def test_worst_neurons_are_those_furthest_from_their_code(runs):
    first, *rest = records(worst_sheet({"a": runs["whole"]}))
    # The outputs' crossings of the helper have nothing to do with their counts.
    assert first["layer"] == 1
    assert first["off_by"] > 5
    (hidden,) = [row for row in rest if row["layer"] == 0]
    assert (hidden["chip"], hidden["image"], hidden["neuron"]) == (0, 1, 0)
    assert (hidden["spice"], hidden["surrogate"], hidden["position"]) == (6, 5, 5.45)
    assert hidden["off_by"] == pytest.approx(0.05)  # code 6 begins at 5.5


def test_bit_lines_are_shares_of_their_layers_full_scale(runs):
    static = {"rest": runs["rest"]}
    first, second = records(line_sheet(static))
    assert (first["n_voltages"], first["bar"]) == (3, 2e-3)
    assert first["error_max"] == pytest.approx(1e-3)
    assert first["error_mean"] == pytest.approx((1e-3 - 0.5e-3) / 3)
    assert second["error_max"] == pytest.approx(1e-4)
    worst = records(worst_line_sheet(static))
    assert [row["error"] for row in worst] == pytest.approx([1e-3, -5e-4, -1e-4, 0])
    keys = ("chip", "layer", "output", "image", "slot")
    assert [worst[0][k] for k in keys] == [0, 0, 1, 4, 3]
    bins = records(line_histogram(static))
    assert sum(row["n"] for row in bins) == 4
    assert bins[24]["n"] == 1
    assert bins[24]["error_to"] == pytest.approx(1e-3)


def test_costs_are_counted_four_ways(runs):
    full = {"whole": runs["whole"]}
    edit_json(
        runs["whole"].path / "metrics.json",
        energy_by_block_j=dict(
            gm=4e-10, latch=1e-10, gate=2e-11, driver=3e-11, array=9e-10
        ),
        energy_j=1.45e-9,
    )
    full = read_runs({"whole": runs["whole"].path})
    per_mac = {r["counted"]: r["energy_per_mac_j"] for r in records(mac_sheet(full))}
    n = 9 * 3 + 3 * 2
    assert per_mac == pytest.approx(
        {
            "without_array_and_drivers": 5e-10 / n,
            "without_array": 5.5e-10 / n,
            "all": 1.45e-9 / n,
            "all_from_regulator": (5.5e-10 + 5.4321e-9) / n,
        }
    )
    blocks = {r["block"]: r for r in records(block_sheet(full))}
    assert blocks["latch"]["holds"] == "comparators (latches)"
    assert blocks["array_from_regulator"]["energy_j"] == 5.4321e-9
    assert sum(r["share"] for k, r in blocks.items() if r["share"]) == pytest.approx(2)
    assert [row["end_s"] for row in records(time_sheet(full))[:2]] == pytest.approx(
        [80e-9, 160e-9]
    )


def test_the_page_and_its_tables_say_the_same(tmp_path, capsys):
    whole = make_verified(tmp_path / "whole", "multiport")
    rest, out = make_static(tmp_path / "rest"), tmp_path / "out"
    assert main(["report", str(whole), str(rest), "--out", str(out)]) == 0
    page = Page((out / "report.html").read_text())
    ids = ["ideal", "errors", "codes", "lines", "energy", "waves", "repeat"]
    assert page.attributes("id") == ids
    assert "Something <b>new</b>" not in page.text
    assert "something <b>new</b>" in page.text
    assert len(page.images()) == 4
    found = json.loads((out / "metrics.json").read_text())
    assert set(found["sentences"]) == {"whole", "rest"}
    for name, rows in found["tables"].items():
        with (out / "tables" / f"{name}.csv").open() as file:
            told = list(csv.DictReader(file))
        assert len(told) == len(rows)
        for a, b in zip(told, rows, strict=True):
            assert list(a) == list(b)
            assert [x for x in a.values()] == [
                "" if x is None else str(x) for x in b.values()
            ]
    assert "Error of the model: given the same cells" in capsys.readouterr().out


def test_sections_follow_from_the_runs(tmp_path):
    report = write_verification(
        tmp_path / "out", {"<b>": make_column(tmp_path / "neurons")}
    )
    page = Page(report.page.read_text())
    assert page.attributes("id") == ["ideal", "errors", "codes", "repeat"]
    assert "<b>, tier column" in page.text
    assert len(page.images()) == 1


@pytest.mark.parametrize("name", ["voltages.csv", "metrics.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_damaged_bit_lines_are_one_sentence(tmp_path, name, damage):
    path = make_static(tmp_path / "rest") / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    with pytest.raises(InputError) as error:
        read_static(path.parent)
    assert is_one_sentence(error.value)
    assert name in str(error.value)


def test_bit_lines_that_are_no_numbers_are_refused(tmp_path):
    path = make_static(tmp_path / "rest") / "voltages.csv"
    path.write_text(path.read_text().replace("0.003,", "NaN,"))
    with pytest.raises(InputError, match="voltages.csv is damaged"):
        read_static(path.parent)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"command": "train"}, "is a run of `rram-jax train`: give a finished folder"),
        ({"command": "evaluate"}, "is a run of `rram-jax evaluate`: give a finished"),
        ({"command": "x\n\x1b[2J"}, "is a run of `rram-jax something else`"),
        ({"name": "x"}, "config.json has no command"),
        (None, "There is no"),
    ],
)
def test_a_folder_of_something_else_is_told_and_stays(tmp_path, capsys, config, told):
    path, out = tmp_path / "x", tmp_path / "out"
    path.mkdir()
    (path / "metrics.json").write_text("{}")
    if config:
        (path / "config.json").write_text(json.dumps(config))
    assert main(["report", str(path), "--out", str(out)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert told in said
    assert "remove" not in said
    assert not out.exists()


def test_a_metric_of_another_version_is_told(tmp_path, capsys):
    path, out = make_verified(tmp_path / "x", "multiport"), tmp_path / "out"
    metrics = json.loads((path / "metrics.json").read_text())
    del metrics["n_active"]
    (path / "metrics.json").write_text(json.dumps(metrics))
    assert main(["report", str(path), "--out", str(out)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "has no n_active, as what another version of rram_jax wrote" in said
    assert "remove" not in said
    assert not out.exists()


def test_waves_of_a_layer_that_there_is_not_leave_no_folder(tmp_path, capsys):
    path, out = make_verified(tmp_path / "x", "multiport"), tmp_path / "out"
    np.savez(path / "waves.npz", **make_waves(layer=2))
    assert main(["report", str(path), "--out", str(out)]) == 2
    assert "waves.npz is damaged" in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_an_image_that_costs_nothing_has_no_shares(runs):
    edit_json(runs["whole"].path / "metrics.json", energy_j=0.0)
    full = read_runs({"whole": runs["whole"].path})
    *blocks, _, _ = records(block_sheet(full))
    assert [row["share"] for row in blocks] == [None] * 3
    assert block_sheet(full).table().rows[0][-1] == "-"


def test_a_tier_that_there_is_not_is_named(tmp_path):
    path = make_verified(tmp_path / "x", "multiport")
    edit_json(path / "metrics.json", tier="moon")
    with pytest.raises(InputError, match="of the tier 'moon'; a report takes") as told:
        read_runs({"x": path})
    assert is_one_sentence(told.value)


def test_runs_are_called_by_their_folders(tmp_path):
    paths = [tmp_path / x for x in ("a/full", "b/full")]
    assert names_of(paths) == ["a/full", "b/full"]
    assert names_of([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    with pytest.raises(InputError, match="named twice"):
        names_of([tmp_path / "a", tmp_path / "b" / ".." / "a"])


def test_a_report_of_nothing_is_refused(capsys):
    assert main(["report"]) == 2
    assert "one finished `rram-jax verify` or more" in capsys.readouterr().err


def test_shown_values_are_scaled_and_written_ones_are_not(tmp_path):
    columns = (
        Column(name="a_v", heading="a [mV]", scale=1e3),
        Column(name="n", heading="n"),
        Column(name="b", heading="b"),
    )
    sheet = make_sheet(columns, [(2.5e-3, 12_000, None), (1e-9, 3, "x")])
    shown = sheet.table()
    assert shown.rows == (("2.5", "12,000", "-"), ("1e-06", "3", "x"))
    assert shown.words == {2}
    sheet.write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == 'a_v,n,b\n0.0025,12000,""\n1e-09,3,"x"\n'
