import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rram_jax.qnn.train as train_module
from rram_jax.chip.config import NetworkConfig
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.spread import spread_of
from rram_jax.qnn.surroundings import ideal_surroundings
from rram_jax.qnn.train import LATENT_LIMIT, _hold, train
from tests.helpers import count_calls, is_one_sentence, random_network

CONFIG = TrainConfig(
    network=NetworkConfig(sizes=(16, 6, 3), columns_per_output=2),
    data="toy",
    sigma_lrs=0.3,
    epochs=4,
    batch=37,
    learning_rate=0.03,
    seed=2,
)


class Stopped(Exception):
    """Stands for whatever kills a run."""


def _run(config, dataset, **options):
    reports = []
    network = train(config, dataset, on_epoch=reports.append, **options)
    return network, reports


@pytest.fixture(scope="module")
def uninterrupted(toy):
    return _run(CONFIG, toy)


def test_it_learns(uninterrupted):
    network, reports = uninterrupted
    assert [report.epoch for report in reports] == [1, 2, 3, 4]
    assert reports[-1].loss < 0.8 * reports[0].loss
    assert reports[-1].accuracy > 0.6  # chance is 0.33
    assert network.config == CONFIG.network


def test_same_configuration_same_bits(uninterrupted, toy):
    network, reports = _run(CONFIG, toy)
    assert network.sha256 == uninterrupted[0].sha256
    assert reports == uninterrupted[1]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 3},
        {"sigma_lrs": 0.0},
        {"sigma_lrs": 0.31},
        {"device": "hfo2-nominal"},
        {"augment": True},
    ],
)
def test_what_a_configuration_says_matters(uninterrupted, toy, change):
    network, _ = _run(dataclasses.replace(CONFIG, **change), toy)
    assert network.sha256 != uninterrupted[0].sha256


def test_seed_makes_the_initial_weights(toy):
    # Steps too small to change a sign.
    still = dataclasses.replace(CONFIG, epochs=1, learning_rate=1e-9)
    first, other = (
        _run(dataclasses.replace(still, seed=seed), toy)[0].layers for seed in (2, 3)
    )
    for a, b in zip(first, other, strict=True):
        assert 0.2 < (a.weights == b.weights).mean() < 0.8


def test_conventional_training_sees_no_spread(toy, monkeypatch):
    # Folding draws spread whatever the training did.
    folded = random_network(1, CONFIG.network)
    monkeypatch.setattr(train_module, "fold", lambda *_: folded)
    noise = count_calls(monkeypatch, jax.random, "normal")
    config = dataclasses.replace(CONFIG, batch=36, epochs=1)
    _run(dataclasses.replace(config, sigma_lrs=0.0), toy)
    assert not noise
    _run(config, toy)
    assert noise


@pytest.mark.parametrize("sigma_lrs", [0.0, 0.5])
def test_the_output_is_ranged_under_one_spread(toy, monkeypatch, sigma_lrs):
    spreads, fold = [], train_module.fold

    def seen(model, config, codes, around, clocks):
        spreads.append([float(layer.spread.var_lrs) for layer in around])
        return fold(model, config, codes, around, clocks)

    monkeypatch.setattr(train_module, "fold", seen)
    _run(dataclasses.replace(CONFIG, sigma_lrs=sigma_lrs, epochs=1), toy)
    np.testing.assert_allclose(spreads, [[np.expm1(0.3**2)] * 2], rtol=1e-5)


@pytest.mark.parametrize("during", [2, 4])
def test_a_stopped_run_goes_on_to_the_same_bits(uninterrupted, toy, tmp_path, during):
    # An epoch is told of before its state is kept: stopped there, it is done again.
    def stop(report):
        if report.epoch == during:
            raise Stopped

    with pytest.raises(Stopped):
        train(CONFIG, toy, states=tmp_path / "states", on_epoch=stop)
    resumed = []
    network, reports = _run(
        CONFIG, toy, states=tmp_path / "states", on_resume=resumed.append
    )
    assert resumed == [during - 1]
    assert reports == uninterrupted[1][during - 1 :]
    assert network.sha256 == uninterrupted[0].sha256
    # A finished run is read, not trained again.
    network, reports = _run(CONFIG, toy, states=tmp_path / "states")
    assert reports == []
    assert network.sha256 == uninterrupted[0].sha256


def test_states_of_another_network(toy, tmp_path):
    train(dataclasses.replace(CONFIG, epochs=1), toy, states=tmp_path)
    other = NetworkConfig(sizes=(16, 5, 3), columns_per_output=2)
    with pytest.raises(InputError, match="another network") as error:
        train(dataclasses.replace(CONFIG, network=other), toy, states=tmp_path)
    assert is_one_sentence(error.value)


def test_a_damaged_state(uninterrupted, toy, tmp_path):
    train(CONFIG, toy, states=tmp_path)
    for file in (tmp_path / "4").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match="4 is damaged") as error:
        train(CONFIG, toy, states=tmp_path)
    assert is_one_sentence(error.value)
    shutil.rmtree(tmp_path / "4")
    network, reports = _run(CONFIG, toy, states=tmp_path)
    assert [report.epoch for report in reports] == [4]
    assert network.sha256 == uninterrupted[0].sha256


def test_it_compiles_once(toy, monkeypatch):
    step = count_calls(monkeypatch, train_module, "_hold")
    logits, traces = [], []
    config = dataclasses.replace(CONFIG, batch=35, epochs=3, augment=True)

    def on_epoch(report):
        logits.append(train_module._logits._cache_size())
        traces.append(len(step))

    train(config, toy, on_epoch=on_epoch)
    assert traces[0] > 0
    assert traces == [traces[0]] * 3
    assert logits == [logits[0]] * 3


def test_every_image_of_an_epoch_is_seen_once(toy, monkeypatch):
    orders = []
    run_epoch = train_module._run_epoch

    def kept(*args):
        orders.append(np.asarray(args[-2]))
        return run_epoch(*args)

    monkeypatch.setattr(train_module, "_run_epoch", kept)
    train(dataclasses.replace(CONFIG, epochs=2), toy)
    assert [order.shape for order in orders] == [(8, 37)] * 2  # 4 of 300 are left out
    for order in orders:
        assert len(np.unique(order)) == 8 * 37
    assert (orders[0] != orders[1]).any()


def test_latents_stay_where_they_can_change_sign():
    params = {"latent": jnp.asarray([-9.0, 0.5, 3.0]), "log_z_full": jnp.asarray(3.0)}
    around = (_around(0.0),) * 2
    held = _hold({"layers": {0: params}}, around)["layers"][0]
    np.testing.assert_array_equal(
        held["latent"], np.float32([-LATENT_LIMIT, 0.5, LATENT_LIMIT])
    )
    assert held["log_z_full"] == 3.0


def test_full_scales_stay_where_neurons_reach():
    params = {k: {"log_z_full": jnp.log(jnp.asarray(4.0))} for k in range(3)}
    around = _around(5.0), _around(3.0), _around(5.0)
    held = _hold({"layers": params}, around)["layers"]
    found = [float(jnp.exp(held[k]["log_z_full"])) for k in range(3)]
    # The output's is no full scale of a neuron.
    np.testing.assert_allclose(found, [5.0, 4.0, 4.0], rtol=1e-6)


def _around(z_least):
    spread = spread_of(load_card("bench-r10").params())
    around = ideal_surroundings(spread)
    return dataclasses.replace(around, z_least=jnp.asarray(z_least, jnp.float32))


def test_training_holds_the_latents(toy, monkeypatch):
    held = count_calls(monkeypatch, train_module, "_hold")
    train(dataclasses.replace(CONFIG, epochs=1, batch=34), toy)
    assert held


def test_fewer_images_than_one_batch(toy):
    with pytest.raises(InputError, match="300 training images, fewer") as error:
        train(dataclasses.replace(CONFIG, batch=301), toy)
    assert is_one_sentence(error.value)


def test_fewer_outputs_than_labels(toy):
    narrow = NetworkConfig(sizes=(16, 6, 2))
    with pytest.raises(InputError, match="0 to 2, .* needs 3 outputs") as error:
        train(dataclasses.replace(CONFIG, network=narrow), toy)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"epochs": 0}, "epochs.*batch"),
        ({"epochs": 10**6}, "epochs.*batch"),
        ({"batch": 0}, "epochs.*batch"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"learning_rate": 0.0}, "learning rate"),
        ({"learning_rate": float("nan")}, "learning rate"),
        ({"sigma_lrs": -0.1}, "sigma_lrs"),
        ({"sigma_lrs": float("nan")}, "sigma_lrs"),
        ({"sigma_lrs": 3.0}, "sigma_lrs"),
        ({"sigma_lrs_max": 0.2}, "sigma_lrs_max"),
        ({"tail_weight": 0.5, "spread": "cells"}, "draws of 2"),
        ({"tail_weight": 0.5, "draws": 2}, "spread = cells"),
        ({"tail_share": 2.0}, "tail_share"),
        ({"draws": 0}, "draws"),
        ({"sigma_lrs": 0.0, "worst_distance": 1.0}, "all chips are alike"),
        ({"sigma_lrs": 0.0, "spread": "cells"}, "all chips are alike"),
    ],
)
def test_runs_that_cannot_be(change, told):
    with pytest.raises(InputError, match=told) as error:
        dataclasses.replace(CONFIG, **change)
    assert is_one_sentence(error.value)


def test_cards_and_inputs_that_are_not_there(toy):
    with pytest.raises(InputError, match="no-such-card"):
        train(dataclasses.replace(CONFIG, device="no-such-card"), toy)
    wide = NetworkConfig(sizes=(17, 6, 3))
    with pytest.raises(InputError, match="n_inputs=17"):
        train(dataclasses.replace(CONFIG, network=wide), toy)
