import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rram_jax.chip.statistics import spread_parts, summarise
from rram_jax.cli import main
from rram_jax.commands.config import EvaluateCommand
from rram_jax.commands.evaluate import _read_chips
from rram_jax.commands.train import CURVE
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.report.evaluated import CHIPS
from rram_jax.run_folder import read_metrics, read_numbers, write_json
from tests.commands.test_train import files, refused
from tests.helpers import is_one_sentence, write_card

KEYS = {
    "dataset",
    "part",
    "n_images",
    "n_chips",
    "n_cycles",
    "n_passes",
    "sigma_lrs",
    "circuit",
    "wires",
    "accuracy_ideal",
    "accuracy_mean",
    "accuracy_sd",
    "accuracy_p01",
    "accuracy_worst",
    "ci95",
    "sd_chips",
    "sd_cycles",
    "sd_passes",
    "bar",
    "yield_above",
    "yield_ci95",
    "ties_mean",
    "verified_mean",
    "verify_pulses_mean",
    "seed",
    "device",
    "checkpoint",
    "network_sha256",
}


def evaluate(checkpoint, *argv) -> None:
    assert main(["evaluate", str(checkpoint), "--chips", "3", *argv]) == 0


@pytest.fixture
def copy(checkpoint, tmp_path):
    """A checkpoint that may be damaged."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def test_the_numbers_have_their_names(checkpoint, tmp_path, capsys):
    evaluate(checkpoint, "--json", "f.json", "--images", "200")
    point = json.loads((tmp_path / "f.json").read_text())
    assert set(point) == KEYS
    assert (point["dataset"], point["n_images"], point["n_chips"]) == (
        "mnist5k",
        200,
        3,
    )
    # The card's own spread, wires as a map, and the first seed: the defaults.
    assert (point["device"], point["sigma_lrs"]) == ("bench-r10", 0.05)
    assert (point["circuit"], point["seed"]) == ("map", 0)
    assert point["network_sha256"] == read_metrics(checkpoint)["network_sha256"]
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("evaluate-mlp-144-8-10-")
    assert read_metrics(folder) == {"points": [point]}
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["devices"] == {"cpu": 1}
    rows = np.array(read_numbers(folder / "chips.csv", CHIPS))
    np.testing.assert_array_equal(rows[:, :2], [[0.05, 0], [0.05, 1], [0.05, 2]])
    np.testing.assert_array_equal(rows[:, 2:4], 0)
    summary = summarise(rows[:, 4].tolist())
    assert point["accuracy_mean"] == summary.mean
    assert point["accuracy_worst"] == rows[:, 4].min()
    # Nothing was repeated, and no bar asked for.
    assert point["sd_chips"] == pytest.approx(summary.sd)
    nulls = {key for key, value in point.items() if value is None}
    assert nulls == {"sd_cycles", "sd_passes", "bar", "yield_above", "yield_ci95"}
    assert point["ci95"] == list(summary.ci95)
    assert point["ties_mean"] == pytest.approx(rows[:, 5].mean())
    counts = rows[:, 4:6] * 200
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)  # of 200 images
    out = capsys.readouterr().out
    assert "mlp-144-8-10 on mnist5k" in out
    assert f"{100 * point['accuracy_mean']:.2f}" in out
    assert out.splitlines()[-2].startswith("Results: runs/evaluate-mlp-144-8-10-")
    assert out.splitlines()[-1] == "The same numbers as JSON: f.json."


def test_a_chip_is_the_same_whatever_is_asked_besides(checkpoint, tmp_path):
    few = ("--circuit", "ideal", "--sigma-lrs", "0.4", "--images", "200")
    evaluate(checkpoint, *few, "--out", "a")
    evaluate(checkpoint, *few, "--out", "b", "--chips", "7")
    evaluate(checkpoint, *few, "--out", "c", "--seed", "1")
    a, b, c = (read_numbers(tmp_path / x / "chips.csv", CHIPS) for x in "abc")
    assert a == b[:3]
    assert len(b) == 7
    assert a != c
    assert read_metrics(tmp_path / "a")["points"][0]["circuit"] == "ideal"


def test_without_spread_every_chip_is_ideal(checkpoint, tmp_path):
    card = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.0, sigma_hrs=0.0)
    device = write_card(card, tmp_path)
    argv = ("--device", device, "--circuit", "ideal", "--images", "200")
    evaluate(checkpoint, *argv, "--out", "a")
    (point,) = read_metrics(tmp_path / "a")["points"]
    assert point["accuracy_worst"] == point["accuracy_ideal"]
    assert (point["accuracy_sd"], point["sigma_lrs"]) == (0, 0)
    assert point["ties_mean"] != point["accuracy_ideal"]


def test_choices_are_made_on_validation_images(checkpoint, tmp_path):
    few = ("--circuit", "ideal", "--part", "validation", "--sigma-lrs", "0")
    evaluate(checkpoint, *few, "--json", "f.json")
    point = json.loads((tmp_path / "f.json").read_text())
    assert (point["part"], point["n_images"]) == ("validation", 500)
    metrics = read_metrics(checkpoint)
    assert point["accuracy_ideal"] == metrics["accuracy_validation"]


def test_chosen_cells_are_told(checkpoint, tmp_path):
    few = ("--circuit", "ideal", "--images", "50", "--sigma-lrs", "0.4")
    chosen = ("--verify-share", "0.1", "--verify-by", "deviation")
    evaluate(checkpoint, *few, *chosen, "--out", "a", "--json", "f.json")
    point = json.loads((tmp_path / "f.json").read_text())
    # 2 x 144 x 8 and 2 x 8 x 40 cells, one or more programmings each.
    assert point["verified_mean"] == round(0.1 * (2304 + 640))
    assert point["verify_pulses_mean"] > 2 * point["verified_mean"]
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["programming"]["verify_share"] == 0.1
    rows = np.array(read_numbers(tmp_path / "a" / "chips.csv", CHIPS))
    assert point["verify_pulses_mean"] == pytest.approx(rows[:, 7].mean())


def test_a_band_for_all_cells_replaces_the_cards(checkpoint, tmp_path, capsys):
    told = refused(
        capsys, "evaluate", str(checkpoint), "--chips", "3", "--max-writes", "4"
    )
    assert "needs a band" in told


def test_a_reset_pulse_changes_card_and_label(checkpoint, tmp_path):
    few = ("--device", "hfo2-nominal", "--circuit", "ideal", "--images", "200")
    evaluate(checkpoint, *few, "--out", "own", "--json", "own.json")
    evaluate(checkpoint, *few, "--v-reset", "0.8", "--out", "weak", "--json", "f.json")
    own, weak = (json.loads((tmp_path / f).read_text()) for f in ("own.json", "f.json"))
    assert (own["device"], weak["device"]) == (
        "hfo2-nominal",
        "hfo2-nominal at 0.8 V, 1e-06 s",
    )
    # HRS near LRS: the weights drown in their own noise.
    assert weak["accuracy_mean"] < own["accuracy_mean"]
    config = json.loads((tmp_path / "weak" / "config.json").read_text())
    assert config["v_reset"] == 0.8
    assert config["device_card"]["r_hrs"] == pytest.approx(5987, rel=1e-3)


def test_a_reset_pulse_that_a_card_does_not_speak_for(checkpoint, capsys):
    argv = ("evaluate", str(checkpoint), "--v-reset", "1.2")
    assert "hfo2-nominal" in refused(capsys, *argv)
    argv = (*argv, "--device", "hfo2-nominal", "--t-reset", "1")
    assert "0.0001 s" in refused(capsys, *argv)


def test_several_spreads_give_a_curve(checkpoint, tmp_path):
    argv = ("--sigma-lrs", "0", "0.5", "--circuit", "ideal", "--images", "200")
    evaluate(checkpoint, *argv, "--json", "f.json", "--out", "a")
    points = json.loads((tmp_path / "f.json").read_text())
    assert [point["sigma_lrs"] for point in points] == [0, 0.5]
    assert all(set(point) == KEYS for point in points)
    assert points[0]["accuracy_ideal"] == points[1]["accuracy_ideal"]
    assert points[0]["accuracy_sd"] < points[1]["accuracy_sd"]
    head, *lines = (tmp_path / "a" / "curve.csv").read_text().splitlines()
    columns = dict(zip(head.split(","), lines[1].split(","), strict=True))
    assert columns["dataset"] == '"mnist5k"'
    assert float(columns["accuracy_mean"]) == points[1]["accuracy_mean"]
    assert "null" not in lines[1]
    assert [float(columns[f"ci95_{x}"]) for x in ("low", "high")] == points[1]["ci95"]
    assert (tmp_path / "a" / "curve.png").read_bytes()[1:4] == b"PNG"
    assert "<svg" in (tmp_path / "a" / "curve.svg").read_text()


@pytest.mark.slow  # circuit full; tests/chip/test_cycles.py has what they are
def test_cycles_and_passes_repeat_a_chip(checkpoint, tmp_path, capsys):
    card = dataclasses.replace(
        load_card("hfo2-nominal"), sigma_lrs=0.5, d2d_lrs=0.5, d2d_hrs=0.5
    )
    argv = ("--device", write_card(card, tmp_path), "--circuit", "full")
    argv += ("--images", "60", "--bar", "0.3", "--out")
    evaluate(checkpoint, *argv, "once")
    repeated = (*argv, "more", "--cycles", "2", "--passes", "3", "--json", "f.json")
    evaluate(checkpoint, *repeated)
    once, more = (
        np.array(read_numbers(tmp_path / x / "chips.csv", CHIPS))
        for x in ("once", "more")
    )
    assert len(more) == 3 * 2 * 3
    # The first of all is the chip without repeats, to the bit.
    np.testing.assert_array_equal(once, more[(more[:, 2:4] == 0).all(1)])
    accuracy = more[:, 4].reshape(3, 2, 3)
    assert (accuracy[:, 0] != accuracy[:, 1]).any()
    assert np.ptp(accuracy, axis=2).max() > 0
    point = json.loads((tmp_path / "f.json").read_text())
    assert set(point) == KEYS
    chips = accuracy.mean((1, 2))
    assert point["accuracy_mean"] == pytest.approx(chips.mean())
    assert point["accuracy_sd"] == pytest.approx(chips.std(ddof=1))
    parts = spread_parts(accuracy)
    found = [point[f"sd_{x}"] for x in ("chips", "cycles", "passes")]
    assert found == pytest.approx([parts.chips, parts.cycles, parts.passes])
    assert point["yield_above"] == pytest.approx((chips >= 0.3).mean())
    assert (point["n_chips"], point["n_cycles"], point["n_passes"]) == (3, 2, 3)
    out = " ".join(capsys.readouterr().out.split())
    assert "Parts of the standard deviation" in out
    assert "% of the chips with 30 % of the images right" in out
    assert "leave out what other images or training seeds would change" in out
    # What is missing is made again, repeats one by one.
    folder, whole = tmp_path / "more", files(tmp_path / "more")
    head, *lines = (folder / "chips.csv").read_text().splitlines()
    rest = [head, lines[7], *lines[:3], lines[16]]
    (folder / "chips.csv").write_text("\n".join(rest) + "\n")
    (folder / "metrics.json").unlink()
    evaluate(checkpoint, *repeated)
    for name in ("chips.csv", "metrics.json"):
        assert (folder / name).read_bytes() == whole[name]


@pytest.mark.slow  # tests/chip/test_wires.py has what they are
def test_exact_wires_are_an_option(checkpoint, tmp_path):
    argv = ("--sigma-lrs", "0.5", "--images", "100", "--tile.r-wire-bl", "20")
    evaluate(checkpoint, *argv, "--out", "map")
    evaluate(checkpoint, *argv, "--out", "exact", "--wires", "exact")
    by_map, exact = (
        np.array(read_numbers(tmp_path / x / "chips.csv", CHIPS))[:, 4]
        for x in ("map", "exact")
    )
    assert (by_map != exact).any()
    assert np.abs(by_map - exact).max() < 0.1
    assert read_metrics(tmp_path / "exact")["points"][0]["wires"] == "exact"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ("--circuit ideal --wires exact", "no wires that could be exact"),
        ("--passes 2", "add --circuit full"),
        ("--cycles 0", "must be 1 or more; got 0 and 1"),
        ("--bar 97", "such as 0.97; got 97"),
    ],
)
def test_what_does_not_go_together_is_told(checkpoint, tmp_path, capsys, argv, told):
    assert told in refused(capsys, "evaluate", str(checkpoint), *argv.split())
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_told_and_not_touched(checkpoint, tmp_path, capsys):
    argv = ("--circuit", "ideal", "--images", "200", "--json")
    evaluate(checkpoint, *argv, "f.json", "--out", "a")
    before = files(tmp_path / "a")
    evaluate(checkpoint, *argv, "g.json", "--out", "a")
    assert "finished before; nothing in a is changed" in capsys.readouterr().out
    assert (tmp_path / "f.json").read_bytes() == (tmp_path / "g.json").read_bytes()
    ck = str(checkpoint)
    told = refused(
        capsys, "evaluate", ck, *argv, "h.json", "--out", "a", "--chips", "4"
    )
    assert "chips = 3, and 4 is asked for" in told
    assert files(tmp_path / "a") == before
    told = refused(capsys, "evaluate", ck, "--out", ck)
    assert 'command = "train", and "evaluate" is asked for' in told


def test_a_moved_checkpoint_is_the_same_run(checkpoint, copy, capsys):
    argv = ("--circuit", "ideal", "--images", "200", "--out", "a")
    evaluate(checkpoint, *argv)
    evaluate(copy, *argv)
    assert "finished before" in capsys.readouterr().out


def test_a_killed_evaluation_goes_on(checkpoint, tmp_path, kill_when, capsys):
    n = 400
    argv = ["evaluate", str(checkpoint), "--circuit", "ideal", "--images", "50"]
    argv += ["--chips", str(n), "--out", str(tmp_path / "broken")]
    table = tmp_path / "broken" / "chips.csv"
    kill_when(table.exists, *argv)
    done = len(read_numbers(table, CHIPS))
    assert 0 < done < n
    assert main(argv) == 0
    out = " ".join(capsys.readouterr().out.split())
    told = f"Resumes the run in {tmp_path}/broken with {done} of {n} chips done."
    assert told in out
    assert main([*argv, "--out", str(tmp_path / "whole")]) == 0
    assert table.read_bytes() == (tmp_path / "whole" / "chips.csv").read_bytes()
    assert read_metrics(tmp_path / "broken") == read_metrics(tmp_path / "whole")


def test_chips_that_are_missing_are_made(checkpoint, tmp_path):
    argv = ("--sigma-lrs", "0.4", "0.1", "--circuit", "ideal", "--images", "50")
    argv += ("--chips", "7", "--out", "a")
    evaluate(checkpoint, *argv)
    folder = tmp_path / "a"
    whole = files(folder)
    head, *lines = (folder / "chips.csv").read_text().splitlines()
    # Whatever is missing, in whatever order the rest stands.
    rest = [head, *lines[:5:-1], lines[4], lines[0]]
    (folder / "chips.csv").write_text("\n".join(rest) + "\n")
    (folder / "metrics.json").unlink()
    evaluate(checkpoint, *argv)
    for name in ("chips.csv", "metrics.json", "curve.csv"):
        assert (folder / name).read_bytes() == whole[name]


@pytest.mark.parametrize(
    "row",
    [
        "0.4,1,0,0,true,0.0,0,0",
        "0.4,1,0,0,1.5,0.0,0,0",
        "0.4,1,0,0,0.5,-0.1,0,0",
        "0.4,1,0,0,NaN,0.0,0,0",
        "0.4,Infinity,0,0,0.5,0.0,0,0",
        "0.4,0.5,0,0,0.5,0.0,0,0",
        "0.4,3,0,0,0.5,0.0,0,0",
        "0.4,1,2,0,0.5,0.0,0,0",
        "0.4,1,0,1,0.5,0.0,0,0",
        "0.4,1,0,-1,0.5,0.0,0,0",
        "0.3,1,0,0,0.5,0.0,0,0",
        "0.4,0,0,0,0.5,0.0,0,0",
        "0.4,1,0,0,0.5,0.0,-1,0",
        "0.4,1,0,0,0.5,0.0,0,-1",
        "0.4,1,0.5,0.0",
    ],
)
def test_damaged_chips_are_told(tmp_path, row):
    config = EvaluateCommand(checkpoint=Path("ck"), sigma_lrs=(0.4,), chips=3, cycles=2)
    table = tmp_path / "chips.csv"
    good = ",".join(CHIPS) + "\n0.4,0,1,0,0.25,0.5,9,40\n0.4,0,0,0,0.25,0.5,9,40\n"
    table.write_text(good)
    first = [0.4, 0, 0, 0, 0.25, 0.5, 9, 40]
    assert _read_chips(table, config) == [first, [0.4, 0, 1, 0, 0.25, 0.5, 9, 40]]
    table.write_text(good + row + "\n")
    with pytest.raises(InputError, match="is damaged: remove it") as caught:
        _read_chips(table, config)
    assert is_one_sentence(caught.value)


def test_damaged_results_are_told(checkpoint, tmp_path, capsys):
    argv = ("--circuit", "ideal", "--images", "50", "--out", "a")
    evaluate(checkpoint, *argv)
    capsys.readouterr()
    for metrics in ({}, {"points": 3}, {"points": []}, {"points": [{"seed": 0}]}):
        write_json(tmp_path / "a" / "metrics.json", metrics)
        told = refused(capsys, "evaluate", str(checkpoint), "--chips", "3", *argv)
        assert "metrics.json is damaged" in told


def test_where_nothing_can_be_written_nothing_is_done(checkpoint, tmp_path, capsys):
    told = refused(capsys, "evaluate", str(checkpoint), "--json", "none/f.json")
    assert "there is no folder none" in told
    assert not (tmp_path / "runs").exists()


def test_training_images_are_no_test_images(copy, tmp_path, capsys):
    config = json.loads((copy / "config.json").read_text())
    for trained_on in ("mnist", "/somewhere/MNIST/raw"):
        write_json(copy / "config.json", config | {"data": trained_on})
        told = refused(capsys, "evaluate", str(copy), "--data", "mnist5k")
        assert "was trained on MNIST" in told
        assert "--data mnist." in told
    del config["data"]
    write_json(copy / "config.json", config)
    assert "with --data." in refused(capsys, "evaluate", str(copy))
    evaluate(copy, "--data", "mnist5k", "--images", "50", "--circuit", "ideal")


def test_data_are_the_checkpoints_own(copy, tmp_path, capsys, write_set):
    write_set(tmp_path / "sets" / "mine", side=28)
    config = json.loads((copy / "config.json").read_text())
    write_json(copy / "config.json", config | {"data": "mine"})
    wrong = ("evaluate", str(copy), "--data-dir", "wrong")
    assert "'mine' was not found" in refused(capsys, *wrong)
    argv = ("--data-dir", "sets", "--circuit", "ideal", "--json", "f.json")
    evaluate(copy, *argv)
    point = json.loads((tmp_path / "f.json").read_text())
    assert (point["dataset"], point["n_images"]) == ("mine", 7)


def test_a_checkpoint_of_another_network_is_told(copy, tmp_path, capsys):
    config = json.loads((copy / "config.json").read_text())
    other = config | {"network": config["network"] | {"sizes": [144, 9, 10]}}
    write_json(copy / "config.json", other)
    told = refused(capsys, "evaluate", str(copy))
    assert "another network than its config.json says" in told
    assert not (tmp_path / "runs").exists()


def test_what_is_no_checkpoint_is_told(copy, tmp_path, capsys):
    told = refused(capsys, "evaluate", str(tmp_path / "none"))
    assert "none is no checkpoint: it needs config.json and network/" in told
    (copy / "config.json").write_text("{")
    assert "is not valid JSON" in refused(capsys, "evaluate", str(copy))


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--device", "none"), "There is no device card 'none'"),
        (("--neuron-card", "none"), "There is no neuron card 'none'"),
        (("--data", "none"), "Data set 'none' was not found"),
    ],
)
def test_what_is_not_there_is_told(checkpoint, tmp_path, capsys, argv, told):
    assert told in refused(capsys, "evaluate", str(checkpoint), *argv)
    assert not (tmp_path / "runs").exists()


def test_training_has_its_own_columns():
    assert set(CURVE) != set(CHIPS)  # a chips.csv is never read as a training.csv
