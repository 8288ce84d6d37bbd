"""Short experiments at a small size: they run, and say what they promise."""

import re
from pathlib import Path

import numpy as np
import pytest

import rram_jax as rj
from experiments.expected_loss_gradient import LossGradient
from experiments.expected_loss_gradient import main as loss_gradient
from experiments.sweep_sigma import SweepSigma
from experiments.sweep_sigma import main as sweep_sigma
from experiments.train_for_my_card import TrainForMyCard
from experiments.train_for_my_card import main as train_for_my_card

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINT = ROOT / "checkpoints" / "mlp-144-32-10-mnist5k-hardened"


@pytest.mark.slow
def test_train_for_my_card(tmp_path, capsys):
    card = tmp_path / "mine.toml"
    own = (
        'name = "mine"\nsource = "a test"\nr_lrs = 5e3\nr_hrs = 1e5\nsigma_lrs = 0.1\n'
    )
    card.write_text(own + "sigma_hrs = 0.4\n")
    few = ("ideal", "map")
    small = {"network": "36-8-10", "epochs": 4, "chips": 2, "circuits": few}
    train_for_my_card(TrainForMyCard(card=str(card), **small))
    told = capsys.readouterr().out
    assert "mlp-36-8-10 on mine: % of 500 validation images" in told
    for circuit in few:
        mean = re.search(rf"│ {circuit} +│ (\d+\.\d+)", told)
        assert mean
        assert float(mean[1]) > 20  # ten kinds: chance is 10 %


def test_sweep_sigma(tmp_path, capsys):
    network = rj.NetworkConfig(sizes=(36, 8, 10))
    train = rj.TrainConfig(network=network, sigma_lrs=0.4, epochs=2, circuit="ideal")
    sweep = SweepSigma(
        train=train, sigma_lrs=(0.0, 0.5), chips=3, out=tmp_path / "sweep"
    )
    sweep_sigma(sweep)
    first = capsys.readouterr().out
    table = np.loadtxt(sweep.out / "sweep.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table[:, 3], table[:, 2] - table[:, 1], atol=1e-6)
    assert table[1, 1] < table[0, 1]  # spread costs the conventional network
    names = {path.name for path in sweep.out.iterdir()}
    assert {"config.json", "versions.json", "metrics.json", "sweep.png"} <= names
    sweep_sigma(sweep)  # finished: only told again
    assert capsys.readouterr().out == first


def test_expected_loss_gradient(capsys):
    loss_gradient(LossGradient(checkpoint=CHECKPOINT, chips=3, images=200))
    told = capsys.readouterr().out
    number = r"([+-]\d\.\d+) ± (\d\.\d+)"
    found = {
        name: [float(x) for x in numbers]
        for name, *numbers in re.findall(rf"(\w+) +│ {number} │ {number}", told)
    }
    assert list(found) == ["r_lrs", "r_hrs", "sigma_lrs", "sigma_hrs", "v_read"]
    slope, _, difference, _ = found["sigma_lrs"]
    # Straight through rounded codes: near, not equal.
    assert slope == pytest.approx(difference, rel=0.5)
    assert slope > 0.02
