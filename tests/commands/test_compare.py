import json
import shutil

import numpy as np
import pytest

from rram_jax.chip.compare import compare
from rram_jax.cli import main
from rram_jax.report.evaluated import CHIPS, read_evaluated
from rram_jax.run_folder import read_metrics, write_json, write_table
from tests.commands.test_train import files, refused

SIGMAS = (0.0, 0.4)
CONFIG = {
    "command": "evaluate",
    "data": "mnist5k",
    "data_sha256": {"images": "12", "labels": "34"},
    "part": "test",
    "images": 100,
    "device_card": {"name": "bench-r10", "r_lrs": 4500.0},
    "design": {"v_read": 0.2, "tile": {"rows": 64}},
    "neuron_card_sha256": "56",
    "circuit": "map",
    "wires": "map",
    "seed": 3,
    "sigma_lrs": list(SIGMAS),
    "chips": 12,
    "cycles": 2,
    "passes": 1,
}


def make_run(folder, name, loss, changes=(), seed=0):
    """A folder as `rram-jax evaluate` leaves it, with a loss that grows with spread."""
    config = CONFIG | dict(changes)
    rng, rows, points = np.random.default_rng(seed), [], []
    n = config["chips"], config["cycles"]
    for sigma in config["sigma_lrs"]:
        cost = loss * sigma * (1 + 0.5 * rng.standard_normal(n))
        accuracy = np.round(0.95 - np.abs(cost), 2)
        rows += [
            (sigma, chip, cycle, 0, accuracy[chip, cycle], 0.0, 0, 0)
            for chip, cycle in np.ndindex(*n)
        ]
        points.append(
            {
                "checkpoint": f"somewhere/{name}",
                "device": "bench-r10",
                "network_sha256": name,
                "sigma_lrs": sigma,
                "accuracy_ideal": 0.96,
                "accuracy_mean": float(accuracy.mean()),
                "ci95": [0.1, 0.2],
            }
        )
    folder.mkdir()
    write_json(folder / "config.json", config)
    write_json(folder / "metrics.json", {"points": points})
    write_table(folder / "chips.csv", CHIPS, rows)
    return folder


@pytest.fixture
def pair(tmp_path):
    return [
        make_run(tmp_path / "a", "plain", 0.5),
        make_run(tmp_path / "b", "hardened", 0.2),
    ]


def test_the_numbers_have_their_names(pair, tmp_path, capsys):
    assert main(["compare", *map(str, pair), "--json", "f.json", "--out", "c"]) == 0
    found = json.loads((tmp_path / "f.json").read_text())
    assert [(c["network"], c["sigma_lrs"]) for c in found] == [
        ("hardened", 0.0),
        ("hardened", 0.4),
    ]
    assert {c["reference"] for c in found} == {"plain"}
    a, b = (read_evaluated(path).accuracy for path in pair)
    assert a.shape == (2, 12)
    by_hand = compare(a[1], b[1], 0.96)
    for key in ("difference", "p_value", "p_rank", "share_better", "recovered"):
        assert found[1][key] == getattr(by_hand, key)
    assert found[1]["ci95"] == list(by_hand.ci95)
    assert found[1]["recovered_ci95"] == list(by_hand.recovered_ci95 or ())
    assert found[1]["accuracy_a"] == pytest.approx(a[1].mean())
    assert found[1]["accuracy_b"] == pytest.approx(b[1].mean())
    assert found[1]["difference"] > 0.05
    # Without spread both are alike, 0.01 below ideal: nothing is won back.
    assert (found[0]["difference"], found[0]["recovered"]) == (0, 0)
    assert read_metrics(tmp_path / "c") == {"comparisons": found}
    head, *lines = (tmp_path / "c" / "comparison.csv").read_text().splitlines()
    row = dict(zip(head.split(","), json.loads(f"[{lines[1]}]"), strict=True))
    assert row["recovered_high"] == found[1]["recovered_ci95"][1]
    assert row["difference_low"] == found[1]["ci95"][0]
    head, *lines = (tmp_path / "c" / "differences.csv").read_text().splitlines()
    rows = [json.loads(f"[{line}]") for line in lines]
    assert rows[12 + 5][1:] == pytest.approx([0.4, 5, a[1, 5], b[1, 5]])
    assert (tmp_path / "c" / "differences.png").read_bytes()[1:4] == b"PNG"
    assert "<svg" in (tmp_path / "c" / "differences.svg").read_text()
    out = " ".join(capsys.readouterr().out.split())
    assert "minus that of plain" in out
    assert "not for other images or training seeds" in out


def test_several_are_compared_with_the_first(pair, tmp_path, capsys):
    third = make_run(tmp_path / "third", "hardened", 0.1)
    argv = ["compare", *map(str, [*pair, third]), "--json", "f.json"]
    assert main(argv) == 0
    found = json.loads((tmp_path / "f.json").read_text())
    # Networks of one name are told apart by their folders.
    names = ["hardened (b)", "hardened (b)", "hardened (third)", "hardened (third)"]
    assert [c["network"] for c in found] == names
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("compare-3-runs-")
    capsys.readouterr()
    before = files(folder)
    assert main(argv) == 0
    assert "finished before" in capsys.readouterr().out
    assert files(folder) == before
    # Another order is another comparison.
    assert main(["compare", str(pair[1]), str(pair[0])]) == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_chips_may_be_programmed_otherwise(pair, tmp_path):
    """Write-verify of all cells, whose bands stand in the device card, is compared."""
    card = {"name": "bench-r10", "r_lrs": 4500.0, "band_lrs": 0.1, "max_writes": 20}
    other = make_run(tmp_path / "other", "hardened", 0.2, {"device_card": card})
    assert main(["compare", str(pair[0]), str(other)]) == 0


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("data_sha256", {"images": "12", "labels": "0"}, "data_sha256.labels"),
        ("data", "mnist", 'data ("mnist5k" and "mnist")'),
        ("images", 99, "images (100 and 99)"),
        ("device_card", {"name": "bench-r10"}, "device_card.r_lrs"),
        ("circuit", "full", "circuit"),
        ("wires", "exact", "wires"),
        ("design", {"v_read": 0.2, "tile": {"rows": 32}}, "design.tile.rows"),
        ("seed", 4, "seed (3 and 4)"),
        ("chips", 11, "chips (12 and 11)"),
        ("cycles", 1, "cycles (2 and 1)"),
        ("sigma_lrs", [0.0, 0.3], "sigma_lrs"),
    ],
)
def test_runs_that_are_not_paired(pair, tmp_path, capsys, key, value, told):
    other = make_run(tmp_path / "other", "hardened", 0.2, {key: value})
    said = refused(capsys, "compare", str(pair[0]), str(other))
    assert "are not paired" in said
    assert told in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("chips.csv", "", "is damaged"),
        ("chips.csv", "sigma_lrs,chip,accuracy,ties\n0.4,1,0.5,0\n", "is damaged"),
        ("chips.csv", ",".join(CHIPS) + "\n0.4,1,0,0,0.5,0,0,0\n", "is damaged"),
        ("metrics.json", '{"points": []}', "differ: evaluate again"),
        ("metrics.json", '{"points": [1]}', "is damaged at points.0"),
        ("metrics.json", "[" * 100_000, "is damaged"),
        ("config.json", '{"command": "train"}', "is damaged at command"),
        ("config.json", None, "is no finished evaluation, as it has no config.json"),
    ],
)
def test_damaged_runs_are_told(pair, capsys, name, text, told):
    if text is None:
        (pair[1] / name).unlink()
    else:
        (pair[1] / name).write_text(text)
    assert told in refused(capsys, "compare", *map(str, pair))


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-1], lines[1]],
        lambda lines: [*lines[:-1], lines[-1].replace("0.4,11", "0.4,12")],
        lambda lines: [*lines[:-1], "0.4,11,1,0,1.5,0.0"],
        lambda lines: [*lines[:-1], "0.4,11,1,0,NaN,0.0"],
    ],
)
def test_a_damaged_table_is_told(pair, capsys, change):
    table = pair[1] / "chips.csv"
    table.write_text("\n".join(change(table.read_text().splitlines())) + "\n")
    assert "chips.csv is damaged" in refused(capsys, "compare", *map(str, pair))


def test_a_table_that_metrics_do_not_tell_of(pair, capsys):
    table = pair[1] / "chips.csv"
    *lines, _ = table.read_text().splitlines()
    table.write_text("\n".join([*lines, "0.4,11,1,0,0.0,0.0,0,0"]) + "\n")
    assert "differ: evaluate again" in refused(capsys, "compare", *map(str, pair))


def test_files_too_large_are_not_read(pair, capsys):
    with open(pair[1] / "chips.csv", "r+b") as file:
        file.truncate(2**26 + 1)  # takes no room on the disk
    assert "more than 67108864 bytes" in refused(capsys, "compare", *map(str, pair))


def test_one_run_is_no_comparison(pair, capsys):
    assert "two evaluations or more" in refused(capsys, "compare", str(pair[0]))


def test_a_real_evaluation_can_be_compared(checkpoint, tmp_path):
    argv = ["--circuit", "ideal", "--images", "50", "--chips", "3", "--sigma-lrs"]
    argv += ["0.2", "0.6", "--out"]
    assert main(["evaluate", str(checkpoint), *argv, "one"]) == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert main(["compare", "one", "two", "--json", "f.json"]) == 0
    found = json.loads((tmp_path / "f.json").read_text())
    assert [c["network"] for c in found] == ["checkpoint (two)"] * 2
    assert [(c["difference"], c["p_value"]) for c in found] == [(0, 1)] * 2
    points = read_metrics(tmp_path / "one")["points"]
    assert [c["accuracy_a"] for c in found] == pytest.approx(
        [p["accuracy_mean"] for p in points]
    )
