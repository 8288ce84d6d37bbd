"""The experiment at a size that takes seconds: it ends, resumes, and tells failures."""

import csv
from pathlib import Path

import pytest

from experiments.hardening import choose, jobs
from experiments.hardening.__main__ import asked, main
from experiments.hardening.costs import COLUMNS
from experiments.hardening.jobs import plan_jobs
from experiments.hardening.methods import METHODS, TRAININGS, chosen_methods
from experiments.hardening.settings import (
    BENCH,
    Hardening,
    devices_of_method,
    evaluate_command,
    seeds_of_method,
    train_command,
)
from experiments.hardening.tables import headline
from rram_jax.errors import InputError
from rram_jax.run_folder import read_metrics, write_json, write_table
from tests.helpers import is_one_sentence

VERIFIED = "conventional-verify-random-0.1"
"""Of the conventional network, which is then the only one to train."""

TINY = {
    "data": "mnist5k",
    "network": "mlp-144-8-10",
    "seeds": 1,
    "epochs": 1,
    "chips": 2,
    "sigma_lrs": (0.4,),
    "devices": (),
    "part": "validation",
    "only": (VERIFIED,),
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def states(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """When each file was written, and what it holds."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow  # pools of processes, each of which imports and compiles
def test_a_stopped_run_goes_on_and_trains_nothing_again(tmp_path, capfd):
    config = Hardening(out=tmp_path / "out", **TINY)
    costs = config.costs_file(VERIFIED, 0)
    costs.parent.mkdir(parents=True)
    write_json(costs, dict.fromkeys(COLUMNS, 7.0))  # left by an earlier start
    write_json(config.out / "config.json", {"command": "hardening", **asked(config)})
    assert main(config) == 0
    found = rows(config.out / "results.csv")
    assert [(r["method"], r["sigma_lrs"], r["images"]) for r in found] == [
        (name, "0.4", "500") for name in ("conventional", VERIFIED)
    ]
    (gain,) = rows(config.out / "gains.csv")
    by_name = {r["method"]: float(r["mean"]) for r in found}
    difference = by_name[VERIFIED] - by_name["conventional"]
    assert float(gain["difference"]) == pytest.approx(difference)
    plain, kept = rows(config.out / "costs.csv")
    assert (plain["cells"], float(plain["pulses_a_cell"])) == ("2944", 1)
    assert 1e-10 < float(plain["energy_reference_j"]) < 1e-8
    assert float(kept["pulses"]) == 7
    verified = read_metrics(config.chips_folder(VERIFIED, 0, BENCH))["points"][0]
    assert verified["verified_mean"] == round(0.1 * 2944)
    text = (config.out / "summary.md").read_text()
    assert f"| `{VERIFIED}` | `conventional` |" in text
    assert not (config.out / "metrics.json").exists()  # only two of all methods
    for name in ("accuracy.png", "recovered.svg", "methods.csv", "versions.json"):
        assert (config.out / name).stat().st_size > 100

    # As a killed process leaves it: one evaluation half done, a network not begun.
    before = states(config.out)
    half = config.chips_folder(VERIFIED, 0, BENCH)
    (half / "metrics.json").unlink()
    head, *lines = (half / "chips.csv").read_text().splitlines()
    (half / "chips.csv").write_text("\n".join([head, *lines[:1]]) + "\n")
    lost = config.network_folder("hardened", 0)
    lost.mkdir()
    (lost / "stray").touch()
    again = Hardening(out=config.out, **TINY | {"only": (VERIFIED, "hardened")})
    assert main(again) == 1
    told = " ".join(capfd.readouterr().out.split())
    assert "train-hardened-s0 failed:" in told
    assert "evaluate-hardened-s0-bench-r10 failed: train-hardened-s0" in told
    after = states(config.out)
    kept = [path for path in before if "networks" in path.parts]
    assert len(kept) > 10
    assert all(after[path] == before[path] for path in kept)
    for name in ("results.csv", "gains.csv", "costs.csv"):
        path = config.out / name
        assert after[path][1] == before[path][1]


def test_every_method_has_its_runs():
    config = Hardening()
    for method in METHODS.values():
        training = TRAININGS[method.training]
        train = train_command(config, training, 0)
        assert (train.teacher is not None) == training.taught
        assert evaluate_command(config, method, 0, BENCH).checkpoint == train.out
        if method.references:  # the first is a conventional network
            assert not METHODS[method.references[0]].references
            same = TRAININGS[METHODS[method.references[0]].training]
            assert same.taught == training.taught
            c = "columns_per_output"
            assert same.network.get(c) == training.network.get(c)
        once = training.costly or method.costly
        assert len(seeds_of_method(config, method)) == (1 if once else 3)
        n_devices = 1 if method.costly else 4
        assert len(devices_of_method(config, method, 0)) == n_devices
        assert devices_of_method(config, method, 1) == (BENCH,)
    teacher, networks, measured = plan_jobs(config, list(METHODS.values()))
    assert [job.name for job in teacher] == ["teacher"]
    assert len({job.name for job in networks + measured}) == len(networks + measured)
    made = {job.name for job in teacher + networks}
    assert {job.needs for job in networks + measured} <= made | {None}


def test_references_come_with_a_method():
    names = [method.name for method in chosen_methods(("hardened-taught",))]
    assert names == ["hardened", "taught", "hardened-taught"]
    with pytest.raises(InputError, match="no method 'hard'") as caught:
        chosen_methods(("hard",))
    assert is_one_sentence(caught.value)


def test_seeds_are_shown_before_chips():
    row = {"method": "a", "reference": "b", "sigma_lrs": 0.3, "device": BENCH}
    one, both = row | {"seed": 0}, row | {"seed": "all"}
    assert headline([one, both], "a", 0.3, "b") is both
    assert headline([one], "a", 0.3, "b") is one
    assert headline([one], "a", 0.5, "b") is None
    assert headline([one], "a", 0.3, "c") is None


def test_a_candidate_of_the_table_is_not_judged_again(tmp_path, monkeypatch):
    table = tmp_path / "choices.csv"
    config = choose.Choose(table=table, only=("mixed",), out=tmp_path / "out")
    judged = []

    def judge(config, name, command):
        judged.append(command)
        return dict.fromkeys(choose.JUDGED, 0.5) | {"images": 500}

    monkeypatch.setattr(choose, "_judge", judge)
    choose.main(config)
    choose.main(config)
    (command,) = judged
    assert command.sigma_lrs_max == 0.5
    (row,) = choose.read_rows(table)
    assert (row["candidate"], row["sizes"]) == ("mixed", "mlp-400-256-10")
    write_table(table, ("candidate",), [["mixed"]])
    with pytest.raises(InputError, match="is damaged or has other columns"):
        choose.main(config)


def test_what_needs_a_failed_job_has_failed(monkeypatch):
    def inline(function, jobs, *, workers, on_done):
        for k, job in enumerate(jobs):
            on_done(k, "no." if job.name == "train-hardened-s0" else None)

    monkeypatch.setattr(jobs, "run_jobs", inline)
    waves = jobs.plan_jobs(
        Hardening(seeds=1, devices=()), chosen_methods(("hardened", VERIFIED))
    )
    told = {}
    failed = jobs.run_waves(
        waves, 1, lambda job, reason: told.update({job.name: reason})
    )
    assert set(told) == {job.name for wave in waves for job in wave}
    assert {name for name, reason in told.items() if reason} == set(failed)
    assert set(failed) == {
        "train-hardened-s0",
        "evaluate-hardened-s0-bench-r10",
        "costs-hardened",
    }


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"chips": 1}, {"sigma_lrs": ()}])
def test_wrong_settings(wrong):
    with pytest.raises(InputError) as caught:
        Hardening(**wrong)
    assert is_one_sentence(caught.value)
