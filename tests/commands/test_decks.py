import csv
import dataclasses
import json
from unittest import mock

import pytest

from rram_jax.chip.config import NetworkConfig, ProgrammingConfig
from rram_jax.cli import main
from rram_jax.commands.config import ExportCommand, VerifyCommand
from rram_jax.commands.decks import read_request
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import default_process
from rram_jax.ngspice import cluster
from rram_jax.ngspice.runner import LADDER
from rram_jax.qnn.checkpoint import save_network
from rram_jax.spice_files import spice_dir
from tests.helpers import is_one_sentence, random_network
from tests.ngspice.processes import script_before_ngspice


def test_decks_are_of_cells_after_the_reset_pulse_that_is_asked_for(checkpoint):
    request = read_request(
        ExportCommand(checkpoint=checkpoint, images=1, v_reset=1.0, sigma_lrs=0.2)
    )
    card, own = request.trials.design.device, load_card("hfo2-nominal")
    assert card.r_hrs == pytest.approx(13_180, rel=1e-3)
    assert (card.v_reset, card.t_reset, card.sigma_lrs) == (1.0, own.t_reset, 0.2)
    assert request.asked["device_card"]["r_hrs"] == card.r_hrs
    same = read_request(ExportCommand(checkpoint=checkpoint, images=1))
    assert same.trials.design.device == own


def test_decks_after_a_reset_pulse_that_the_card_does_not_speak_for(checkpoint):
    with pytest.raises(InputError, match="hfo2-nominal") as told:
        read_request(
            ExportCommand(checkpoint=checkpoint, device="bench-r10", v_reset=1.0)
        )
    assert is_one_sentence(told.value)


def test_decks_stand_at_a_corner_and_a_temperature(checkpoint):
    own = read_request(ExportCommand(checkpoint=checkpoint, images=1))
    assert own.trials.process == default_process()
    slow = read_request(
        ExportCommand(checkpoint=checkpoint, images=1, corner="ss", temperature=85.0)
    )
    assert (slow.trials.process.corner, slow.trials.process.temperature) == ("ss", 85.0)
    assert slow.asked["transistors_sha256"] != own.asked["transistors_sha256"]
    with pytest.raises(InputError, match="no corner 'sx'") as told:
        read_request(ExportCommand(checkpoint=checkpoint, corner="sx"))
    assert is_one_sentence(told.value)


def test_decks_hold_own_circuits(checkpoint, capsys):
    example = str(spice_dir() / "examples" / "neuron" / "cascoded-tail.toml")
    request = read_request(
        ExportCommand(checkpoint=checkpoint, images=1, neuron_netlist=example)
    )
    netlist = request.trials.process.netlist
    assert netlist is not None
    assert netlist.cells.keys() == {"gm_hidden", "gm_output"}
    assert request.asked["netlist_sha256"] == netlist.sha256
    # The packaged card's surrogate knows our own gm cell only.
    assert "what cascoded-tail changes" in capsys.readouterr().out
    with pytest.raises(InputError, match="leave out neuron_netlist"):
        VerifyCommand(checkpoint=checkpoint, tier="static", neuron_netlist=example)


def test_decks_are_of_chips_as_they_are_programmed(checkpoint):
    programming = ProgrammingConfig(verify_share=0.05, band_lrs=0.2)
    request = read_request(
        ExportCommand(checkpoint=checkpoint, programming=programming)
    )
    assert request.trials.design.programming == programming
    assert request.trials.design.calibration.shape == (1000, 144)
    assert request.trials.design.device.band_lrs == 0.2
    assert request.asked["programming"]["verify_share"] == 0.05
    assert request.asked["device_card"]["band_lrs"] == 0.2


def test_transistors_are_not_chosen_where_there_are_none(checkpoint):
    with pytest.raises(InputError, match="leave out corner, temperature") as caught:
        VerifyCommand(
            checkpoint=checkpoint, tier="static", corner="ss", temperature=85.0
        )
    assert is_one_sentence(caught.value)


def test_tiers_take_the_arrays_that_they_are_exact_for(checkpoint):
    for tier, array in (
        ("static", "shunted"),
        ("column", "shunted"),
        ("column", "1t1r"),
    ):
        with pytest.raises(InputError, match=f"tier = {tier} takes array") as error:
            VerifyCommand(checkpoint=checkpoint, tier=tier, array=array)
        assert is_one_sentence(error.value)
    # Access transistors are transistors: they have a corner.
    VerifyCommand(checkpoint=checkpoint, tier="static", array="1t1r", corner="ss")
    VerifyCommand(checkpoint=checkpoint, array="shunted")


def test_images_are_drawn_by_the_seed(checkpoint):
    def drawn(**settings):
        config = ExportCommand(checkpoint=checkpoint, data="mnist5k", **settings)
        return read_request(config).trials.images

    assert drawn(images=3) == (0, 1, 2)
    few, many = drawn(images=3, draw=True), drawn(images=40, draw=True)
    assert many[:3] == few
    assert len(set(many)) == 40
    assert max(many) > 40
    assert drawn(images=3, draw=True, seed=1) != few


@pytest.mark.ngspice
def test_bit_lines_are_verified_by_one_command(checkpoint, tmp_path, capsys):
    asked = ["verify", str(checkpoint), "--tier", "static", "--images", "2"]
    out, json_file = tmp_path / "out", tmp_path / "found.json"
    assert main([*asked, "--out", str(out), "--json", str(json_file)]) == 0
    found = json.loads(json_file.read_text())
    assert (found["tier"], found["n_images"]) == ("static", 2)
    assert 0 < found["error_max"] < 1e-3
    assert found["within_bar"]
    with (out / "voltages.csv").open() as file:
        volts = [
            (float(row["spice_v"]), float(row["surrogate_v"]))
            for row in csv.DictReader(file)
        ]
    assert len(volts) == found["n_voltages"]
    assert max(abs(a) for a, _ in volts) > 1e-3
    assert "Results:" in capsys.readouterr().out


@pytest.mark.ngspice
def test_neurons_are_verified_by_one_command(checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["verify", str(checkpoint), "--tier", "column", "--images", "1"]
    assert main([*asked, "--no-mismatch", "--out", str(out)]) == 0
    found = json.loads((out / "metrics.json").read_text())
    rows = {}
    for name in ("codes", "results", "decks"):
        with (out / f"{name}.csv").open() as file:
            rows[name] = list(csv.DictReader(file))
    assert found["n_conversions"] == len(rows["codes"])
    assert found["n_conversions"] == sum(int(row["n"]) for row in rows["decks"])
    assert found["codes_within_1"] == 1.0
    (image,) = rows["results"]
    counts = [int(n) for n in image["counts_spice"].split()]
    assert counts == [int(r["spice"]) for r in rows["codes"] if r["layer"] == "1"]
    assert "time a conversion" in capsys.readouterr().out


@pytest.mark.ngspice
def test_layers_are_verified_by_one_command(tmp_path, capsys):
    checkpoint, out = tmp_path / "small", tmp_path / "out"
    checkpoint.mkdir()
    config = NetworkConfig(sizes=(16, 4, 10), n_bias=1)
    save_network(checkpoint, random_network(3, config, z_full=(2.5, 1.8)))
    trained = {"data": "mnist5k", "network": dataclasses.asdict(config)}
    (checkpoint / "config.json").write_text(json.dumps(trained))
    asked = ["verify", str(checkpoint), "--tier", "layer", "--images", "1"]
    assert main([*asked, "--no-mismatch", "--out", str(out)]) == 0
    found = json.loads((out / "metrics.json").read_text())
    rows = {}
    for name in ("codes", "results", "decks"):
        with (out / f"{name}.csv").open() as file:
            rows[name] = list(csv.DictReader(file))
    assert [(row["layer"], row["from"]) for row in rows["decks"]] == [
        ("0", "0"),
        ("1", "0"),
    ]
    assert found["n_decks"] == 2
    assert found["codes_within_1"] == 1.0
    (image,) = rows["results"]
    counts = [int(n) for n in image["counts_spice"].split()]
    assert counts == [int(r["spice"]) for r in rows["codes"] if r["layer"] == "1"]
    array = sum(float(row["energy_array_j"]) for row in rows["decks"])
    assert found["energy_by_block_j"]["array"] == pytest.approx(array, rel=1e-6)
    manifest = json.loads((out / "decks" / "manifest.json").read_text())
    assert manifest["n_mosfets"] == found["n_mosfets"] > 0
    assert "energy_j" not in found  # no layer waits for the other: no image's energy
    assert "energy of the arrays, an image" in capsys.readouterr().out


@pytest.mark.ngspice
def test_decks_that_converge_only_with_other_options_are_told(
    checkpoint, tmp_path, capsys, monkeypatch
):
    """Retried where that is asked for only, by going on with the run that failed."""
    body = "grep -q vntol=1e-5 deck.cir || { echo Timestep too small; exit 1; }"
    script_before_ngspice(tmp_path / "ngspice", f'{body}\nexec REAL "$@"')
    monkeypatch.setenv("NGSPICE", str(tmp_path / "ngspice"))
    out = tmp_path / "out"
    asked = ["verify", str(checkpoint), "--tier", "static", "--images", "1"]
    asked += ["--out", str(out), "--workers", "1"]
    assert main(asked) != 0
    assert "Timestep too small`; repeat it by `cd " in capsys.readouterr().err
    assert main([*asked, "--retry"]) == 0
    with (out / "results.csv").open() as file:
        told = [row["retries"] for row in csv.DictReader(file)]
    assert set(told) == {", ".join(LADDER[:2])}
    found = json.loads((out / "metrics.json").read_text())
    assert found["retries"] == dict.fromkeys(LADDER[:2], len(told))
    said = capsys.readouterr().out
    assert f"only with {LADDER[0]}: {len(told)}" in said


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"dask": "10.0.0.1"}, "scheduler, such as tcp://.*'10.0.0.1'"),
        ({"dask": ""}, "scheduler, such as"),
        ({"dask": "tcp://10.0.0.1:8786", "workers": 3}, "leave out workers; got 3"),
    ],
)
def test_a_cluster_that_cannot_be_meant(tmp_path, asked, words):
    with pytest.raises(InputError, match=words) as caught:
        VerifyCommand(checkpoint=tmp_path, **asked)
    assert is_one_sentence(caught.value)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"timeout_s": 0.0}, "timeout_s is a wall time above 0, in seconds; got 0."),
        ({"timeout_s": -1.0}, "timeout_s .* got -1"),
        ({"timeout_s": float("nan")}, "timeout_s .* got nan"),
        ({"timeout_s": float("inf")}, "timeout_s .* got inf"),
        ({"workers": 0}, "workers must be 1 or more, or left out; got 0"),
        ({"workers": -2, "dask": "local"}, "workers must be 1 or more"),
    ],
)
def test_decks_need_time_and_somebody_to_run_them(tmp_path, asked, words):
    with pytest.raises(InputError, match=words) as caught:
        VerifyCommand(checkpoint=tmp_path, **asked)
    assert is_one_sentence(caught.value)


def test_no_folder_is_left_where_no_cluster_answers(checkpoint, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["verify", str(checkpoint), "--dask", "127.0.0.1:1", "--out", str(out)]
    with mock.patch.object(cluster, "CONNECT_S", 0.5):
        assert main(asked) == 2
    assert "No dask scheduler answers at `127.0.0.1:1`" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.ngspice
def test_a_cluster_gives_what_processes_here_give(checkpoint, tmp_path):
    asked = ["verify", str(checkpoint), "--tier", "static", "--images", "1"]
    for name, engine in (("here", ["--workers", "1"]), ("away", ["--dask", "local"])):
        assert main([*asked, *engine, "--out", str(tmp_path / name)]) == 0
    here, away = (tmp_path / name / "voltages.csv" for name in ("here", "away"))
    assert here.read_bytes() == away.read_bytes()
    # It is the same run, which the other engine could have gone on with.
    configs = [tmp_path / name / "config.json" for name in ("here", "away")]
    assert configs[0].read_bytes() == configs[1].read_bytes()
