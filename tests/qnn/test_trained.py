import dataclasses
import json

import numpy as np
import pytest

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.evaluate import evaluate
from rram_jax.data.codes import input_codes
from rram_jax.data.datasets import load_dataset
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.qnn.checkpoint import save_network
from rram_jax.qnn.trained import load
from tests.helpers import random_network

CONFIG = NetworkConfig(sizes=(144, 6, 10), columns_per_output=2)
CARD = dataclasses.replace(load_card("bench-r10"), sigma_hrs=0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    save_network(folder, random_network(1, CONFIG, z_full=(12.0, 2.0)))
    config = {"network": dataclasses.asdict(CONFIG), "data": "mnist5k"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.slow
def test_accuracy_is_that_of_the_test_images(folder):
    trained = load(folder, device=CARD)
    dataset = load_dataset("mnist5k")
    codes = input_codes(dataset.test_images, 144)[:40]
    labels = dataset.test_labels[:40]
    for circuit in ("map", "ideal"):
        device = dataclasses.replace(CARD, sigma_lrs=0.4)
        design = design_network(
            trained.network, device, CircuitConfig(), wires=circuit != "ideal"
        )
        expected = evaluate(design, codes, labels, circuit=circuit, chips=3, seed=5)
        found = trained.accuracy(
            sigma_lrs=0.4, circuit=circuit, chips=3, seed=5, images=40
        )
        assert found == expected
    # The compiled evaluation is used again, for other chips and spreads too.
    first = dict(trained._evaluators)
    trained.accuracy(sigma_lrs=0.1, chips=3, seed=6, images=40)
    assert trained._evaluators == first
    # Left out, the spread is the card's own.
    assert trained.accuracy(chips=3, images=40) == trained.accuracy(
        sigma_lrs=0.05, chips=3, images=40
    )


def test_loss_and_gradient_are_those_of_the_same_chips(folder):
    trained = load(folder, device=CARD)
    options = dict(sigma_lrs=0.3, v_read=0.2, chips=3, images=30)
    value, gradient = trained.loss_and_gradient(**options)
    assert value > 0
    assert set(gradient) == {"sigma_lrs", "v_read"}
    assert all(np.isfinite(slope) and slope != 0 for slope in gradient.values())
    assert trained.loss_and_gradient(**options) == (value, gradient)
    other, _ = trained.loss_and_gradient(**options | {"seed": 1})
    assert other != value


def test_presets_by_name_and_folders_that_are_none(folder, tmp_path):
    assert load(str(folder)).device == load_card("bench-r10")
    assert load(folder, device="hfo2-nominal").device.name == "hfo2-nominal"
    with pytest.raises(InputError, match="no checkpoint"):
        load(tmp_path)
    with pytest.raises(InputError, match="no-such-card"):
        load(folder, device="no-such-card")
