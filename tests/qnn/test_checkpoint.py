import dataclasses
import json
import logging
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.chip.config import NetworkConfig
from rram_jax.errors import InputError
from rram_jax.qnn.checkpoint import TrainingStates, load_checkpoint, save_network
from tests.helpers import is_one_sentence, on_devices, random_network

CONFIG = NetworkConfig(sizes=(9, 5, 4, 3), columns_per_output=2, n_bias=1)
NETWORK = random_network(1, CONFIG, z_full=(2.5, 1.3, 1 / 3))


def _config(**changes):
    return json.dumps({"network": {**dataclasses.asdict(CONFIG), **changes}, "a": [1]})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "a run, 'finished'"
    folder.mkdir()
    save_network(folder, NETWORK)
    (folder / "config.json").write_text(_config())
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    """A checkpoint of one's own to damage."""
    return shutil.copytree(saved, tmp_path / "copy")


def test_a_network_comes_back_to_the_bit(saved):
    checkpoint = load_checkpoint(saved)
    assert checkpoint.network.config == CONFIG
    assert checkpoint.network.sha256 == NETWORK.sha256
    for layer, expected in zip(checkpoint.network.layers, NETWORK.layers, strict=True):
        assert layer.weights.dtype == np.int8
        np.testing.assert_array_equal(layer.weights, expected.weights)
        assert (layer.z_full, layer.z_shift) == (expected.z_full, expected.z_shift)
    assert checkpoint.config["a"] == [1]
    assert checkpoint.metrics == {}
    assert load_checkpoint(str(saved)).folder == saved


def test_metrics_come_along(copy):
    (copy / "metrics.json").write_text('{"accuracy": 0.5}')
    assert load_checkpoint(copy).metrics == {"accuracy": 0.5}


def test_a_network_altered_after_training_is_told(copy):
    told = {"network_sha256": NETWORK.sha256}
    (copy / "metrics.json").write_text(json.dumps(told))
    assert load_checkpoint(copy).metrics == told
    other = random_network(2, CONFIG, z_full=(2.5, 1.3, 1 / 3))
    shutil.rmtree(copy / "network")
    save_network(copy, other)
    with pytest.raises(InputError, match="altered after training") as error:
        load_checkpoint(copy)
    assert is_one_sentence(error.value)


def test_reading_is_silent(saved, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        load_checkpoint(saved)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "not valid JSON"),
        (b'{"network": ', "not valid JSON"),
        (bytes(range(256)), "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"network": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (b" " * 1_000_001, "over 1000000 bytes"),
        (b"[1]", "must hold a JSON object"),
        (b'{"a": 1}', "network of"),
        (_config(sizes=[9, 5]).encode(), "sizes like"),
        (_config(depth=3).encode(), "depth: there is no such key"),
        (_config(n_bias="1").encode(), "n_bias"),
        (_config(ternary=1).encode(), "ternary"),
        (_config(sizes=[9, 6, 4, 3]).encode(), "another network"),
        (_config(n_bias=0).encode(), "another network"),
        (_config(sizes=[9, 5, 3]).encode(), "another network"),
        # Nothing of this size is allocated before the arrays are looked at.
        (_config(sizes=[7000] * 3, columns_per_output=1).encode(), "another network"),
        (_config(sizes=[10**9] * 3).encode(), "100000000 cells"),
        (_config(sizes=[10**30] * 3).encode(), "100000000 cells"),
    ],
)
def test_configurations_that_are_not_this_checkpoints(copy, text, told):
    (copy / "config.json").write_bytes(text)
    with pytest.raises(InputError) as error:
        load_checkpoint(copy)
    assert told in str(error.value)
    assert "copy" in str(error.value)
    assert is_one_sentence(error.value)


READ_DAMAGED = """
import json, pathlib, shutil, sys
from rram_jax.errors import InputError
from rram_jax.qnn.checkpoint import load_checkpoint

saved, told = pathlib.Path(sys.argv[1]), {}
for which in ("d/*", "manifest.ocdbt", "_METADATA"):
    for damage in ("cut", "flip", "remove"):
        copy = shutil.copytree(saved, pathlib.Path(sys.argv[2]) / (damage + which[:1]))
        (file,) = (copy / "network").glob(which)
        content = file.read_bytes()
        file.unlink()
        if damage == "cut":
            file.write_bytes(content[: len(content) // 2])
        elif damage == "flip":
            file.write_bytes(bytes(byte ^ 0x5A for byte in content))
        try:
            load_checkpoint(copy)
            told[damage + which] = "no error"
        except InputError as error:
            told[damage + which] = str(error)
print(json.dumps(told))
"""


def test_damaged_arrays(saved, tmp_path):
    # In a process of its own: threads of orbax complain after the error is caught, at
    # a moment of their own, and pytest blames whatever test runs then.
    command = [sys.executable, "-c", READ_DAMAGED, str(saved), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert len(told) == 9
    for damage, message in told.items():
        assert "network is damaged" in message, damage
        assert is_one_sentence(ValueError(message)), damage


def test_folders_that_are_no_checkpoint(copy, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    bare = shutil.copytree(copy, tmp_path / "bare")
    shutil.rmtree(bare / "network")
    foreign = shutil.copytree(bare, tmp_path / "foreign")
    (foreign / "network").mkdir()
    (foreign / "network" / "weights.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    for folder in (tmp_path / "absent", empty, bare, foreign, copy / "config.json"):
        with pytest.raises(InputError, match=folder.name) as error:
            load_checkpoint(folder)
        assert is_one_sentence(error.value)


def test_numbers_that_no_network_has(copy):
    weights = NETWORK.layers[0].weights.copy()
    weights[0, 0] = 7
    for changes in ({"weights": weights}, {"z_full": -1.0}, {"z_full": float("nan")}):
        layers = list(NETWORK.layers)
        bad = dict.fromkeys(("config", "logit_scale"))
        # As `dataclasses.replace` would, without the checks.
        layer = object.__new__(type(layers[0]))
        for name, value in {**vars(layers[0]), **changes}.items():
            object.__setattr__(layer, name, value)
        network = object.__new__(type(NETWORK))
        for name in bad:
            object.__setattr__(network, name, getattr(NETWORK, name))
        object.__setattr__(network, "layers", (layer, *layers[1:]))
        shutil.rmtree(copy / "network")
        save_network(copy, network)
        with pytest.raises(InputError, match="mlp-9-5-4-3") as error:
            load_checkpoint(copy)
        assert is_one_sentence(error.value)


def training_state(seed: int):
    """Parameters and optimiser moments, as a training keeps them."""
    kernel = jax.random.normal(jax.random.key(seed), (5, 3), jnp.float32)
    moments = {"mean": kernel / 7, "count": jnp.asarray(seed, jnp.int32)}
    return {"kernel": kernel}, moments


@jax.jit
def training_step(state, x):
    """A step of descent, its sum over the whole batch."""
    params, moments = state
    slope = jax.grad(lambda p: jnp.square(x @ p["kernel"]).mean())(params)
    mean = 0.9 * moments["mean"] + slope["kernel"]
    params = {"kernel": params["kernel"] - 0.1 * mean}
    return params, {"mean": mean, "count": moments["count"] + 1}


def digits(state) -> list[list[str]]:
    """Every number of a state, to the last bit."""
    leaves = jax.tree.leaves(state)
    return [[float(x).hex() for x in np.ravel(leaf)] for leaf in leaves]


def batch():
    """Eight examples, none like another."""
    return np.arange(40, dtype=np.float32).reshape(8, 5) / 40


RESUME_ON_FOUR = """
import json, sys
from pathlib import Path
import jax
from rram_jax.parallel import device_mesh, replicate, split_batch
from rram_jax.qnn.checkpoint import TrainingStates
from tests.qnn.test_checkpoint import batch, digits, training_state, training_step

mesh = device_mesh()
assert mesh.size == 4
with TrainingStates(Path(sys.argv[1])) as states:
    epoch, state = states.latest(training_state(0))
    assert epoch == 1
    found = digits(state)
    state = training_step(replicate(state, mesh), split_batch(batch(), mesh))
    for leaf in jax.tree.leaves(state):
        assert len(leaf.sharding.device_set) == 4 and leaf.is_fully_replicated
    states.save(2, state)
print(json.dumps([found, digits(state)]))
"""


def test_a_state_goes_on_with_another_number_of_devices(tmp_path):
    one = training_state(1)
    with TrainingStates(tmp_path) as states:
        states.save(1, one)
    found, saved = on_devices(4, RESUME_ON_FOUR, str(tmp_path))
    assert found == digits(one)  # from one to four, to the bit
    with TrainingStates(tmp_path) as states:
        epoch, back = states.latest(training_state(0))
    assert (epoch, digits(back)) == (2, saved)  # and back
    # The batch's sum is taken in another order: float32 rounding of eight terms.
    for four, whole in zip(
        jax.tree.leaves(back), jax.tree.leaves(training_step(one, batch())), strict=True
    ):
        np.testing.assert_allclose(four, whole, rtol=1e-5, atol=1e-6)
    assert digits(back) != digits(one)
