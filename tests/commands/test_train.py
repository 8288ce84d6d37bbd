import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rram_jax.cli import main
from rram_jax.commands.network import ideal_accuracy
from rram_jax.commands.train import CURVE
from rram_jax.data import load_dataset
from rram_jax.device.card import load_card
from rram_jax.qnn.checkpoint import load_checkpoint
from rram_jax.run_folder import read_metrics, read_numbers
from tests.commands.conftest import TINY
from tests.helpers import is_one_sentence


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(capsys, *argv) -> str:
    assert main(list(argv)) == 2
    err = capsys.readouterr().err
    assert is_one_sentence(ValueError(err.removeprefix("rram-jax: ").rstrip("\n")))
    return err


def test_a_checkpoint_explains_itself(checkpoint):
    names = {"config.json", "metrics.json", "training.csv", "versions.json", "network"}
    assert {path.name for path in checkpoint.iterdir()} == names
    found = load_checkpoint(checkpoint)
    assert found.network.config.sizes == (144, 8, 10)
    assert found.config["seed"] == 3
    assert found.config["device_card"]["r_hrs"] == 45e3
    dataset = load_dataset("mnist5k")
    assert found.config["data_sha256"] == dataset.sha256
    metrics = found.metrics
    assert metrics["dataset"] == "mnist5k"
    assert metrics["network_sha256"] == found.network.sha256
    assert metrics["n_cells"] == 2 * metrics["n_weights"] == 2 * (144 * 8 + 8 * 40)
    assert metrics["n_images"] == 1000
    card = load_card("bench-r10")
    for key, part in (
        ("accuracy_ideal", "test"),
        ("accuracy_validation", "validation"),
    ):
        images, labels = (getattr(dataset, f"{part}_{x}") for x in ("images", "labels"))
        assert metrics[key] == ideal_accuracy(found.network, card, images, labels)
    rows = read_numbers(checkpoint / "training.csv", CURVE)
    assert [row[0] for row in rows] == [1, 2]
    assert rows[1][1] < rows[0][1]  # the loss falls
    assert metrics["seconds"] == pytest.approx(sum(row[3] for row in rows))


def test_a_finished_run_is_told_and_not_touched(checkpoint, capsys):
    before = files(checkpoint)
    assert main([*TINY, "--out", str(checkpoint)]) == 0
    out = capsys.readouterr().out
    assert f"finished before; nothing in {checkpoint} is changed" in out
    assert "mlp-144-8-10 on mnist5k" in out
    assert out.splitlines()[-1].startswith(f"Checkpoint: {checkpoint} ")
    assert files(checkpoint) == before
    told = refused(capsys, *TINY, "--sigma-lrs", "0.3", "--out", str(checkpoint))
    assert "sigma_lrs = 0.0, and 0.3 is asked for" in told
    assert files(checkpoint) == before


@pytest.mark.slow
def test_the_same_command_finds_its_own_run(tmp_path, capsys):
    argv = (*TINY, "--epochs", "1", "--keep-states")
    assert main(list(argv)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("train-mlp-144-8-10-")
    assert (folder / "states").is_dir()
    assert "Checkpoint: runs/train-mlp-144-8-10-" in capsys.readouterr().out
    assert main(list(argv)) == 0
    assert "finished before" in capsys.readouterr().out
    assert list((tmp_path / "runs").iterdir()) == [folder]


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, kill_when, capsys):
    argv = (*TINY, "--sigma-lrs", "0.3", "--epochs", "12")
    broken, whole = tmp_path / "broken", tmp_path / "whole"

    def two_states():
        return len(list((broken / "states").glob("[1-9]*"))) >= 2

    kill_when(two_states, *argv, "--out", str(broken))
    assert not (broken / "metrics.json").exists()
    # What a process leaves that is killed while it saves the network.
    (broken / "network.orbax-checkpoint-tmp-1").mkdir()
    (broken / "network").mkdir()
    assert main([*argv, "--out", str(broken)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Resumes the run in {broken} after epoch " in out
    assert main([*argv, "--out", str(whole)]) == 0
    once, twice = (load_checkpoint(path).network for path in (whole, broken))
    assert once.sha256 == twice.sha256
    for a, b in zip(once.layers, twice.layers, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
        assert (a.z_full, a.z_shift) == (b.z_full, b.z_shift)
    one, two = (
        {row[0]: row[1:3] for row in read_numbers(path / "training.csv", CURVE)}
        for path in (whole, broken)
    )
    assert list(one) == list(range(1, 13))
    # The row of an epoch is lost if its state was on disk before it.
    assert two.items() <= one.items()
    assert len(two) >= 11
    assert not list(broken.glob("network.*"))
    assert not (broken / "states").exists()
    assert read_metrics(whole) | {"seconds": 0} == read_metrics(broken) | {"seconds": 0}


def test_a_run_without_an_epoch_begins_again(checkpoint, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(checkpoint / "config.json", folder)
    assert main([*TINY, "--out", str(folder)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"Resumes the run in {folder} from the beginning." in out
    assert read_metrics(folder) | {"seconds": 0} == read_metrics(checkpoint) | {
        "seconds": 0
    }


def test_wrong_data_are_told(tmp_path, capsys, write_set):
    tiny = ("train", "--network", "mlp-16-4-10", "--batch", "5", "--epochs", "1")
    told = refused(capsys, *tiny, "--data", "mnist", "--data-dir", str(tmp_path))
    assert "'mnist' was not found" in told
    good = write_set(tmp_path / "good", side=8)
    images = good / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-9])
    assert "fetch it again" in refused(capsys, *tiny, "--data", str(good))
    oblong = write_set(tmp_path / "oblong", train_images=np.zeros((40, 8, 6), np.uint8))
    assert "only square images" in refused(capsys, *tiny, "--data", str(oblong))
    images.unlink()
    assert "holds other files" in refused(capsys, *tiny, "--data", str(good))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--network", "mlp-145-8-10"), "n_inputs=145 does not fit"),
        (("--network", "mlp-144-8-7"), "labels of mnist5k go up to 9: it needs 10"),
        (("--device", "none"), "There is no device card 'none'"),
    ],
)
def test_settings_that_do_not_fit_are_told(tmp_path, capsys, argv, told):
    assert told in refused(capsys, *TINY, *argv)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_other_data_under_the_same_name_are_another_run(tmp_path, capsys, write_set):
    tiny = ("train", "--network", "mlp-16-4-10", "--batch", "5", "--epochs", "1")
    folder = write_set(tmp_path / "mine", side=8)
    argv = (*tiny, "--data", "mine", "--data-dir", str(tmp_path), "--out", "run")
    assert main(list(argv)) == 0
    capsys.readouterr()
    shutil.rmtree(folder)
    write_set(folder, side=8, t10k_labels=(np.arange(7) % 2).astype(np.uint8))
    assert "data_sha256.t10k-labels-idx1-ubyte = " in refused(capsys, *argv)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"] == "mine"


def test_a_batch_of_more_than_all_images_leaves_no_folder(tmp_path, capsys):
    told = refused(capsys, *TINY, "--batch", "1000000", "--out", "a")
    assert "fewer than one batch of 1000000" in told
    assert not (tmp_path / "a").exists()


def test_damaged_metrics_are_told(checkpoint, tmp_path, capsys):
    shutil.copytree(checkpoint, tmp_path / "a")
    (tmp_path / "a" / "metrics.json").write_text('{"dataset": "mnist5k"}')
    assert "metrics.json is damaged" in refused(capsys, *TINY, "--out", "a")
