"""Training on four devices is that on one, to float tolerance."""

import numpy as np

from rram_jax.chip.config import NetworkConfig
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.train import train
from tests.helpers import on_devices

CONFIG = TrainConfig(
    network=NetworkConfig(sizes=(16, 6, 3), columns_per_output=2),
    data="toy",
    circuit="ideal",
    sigma_lrs=0.3,
    epochs=2,
    batch=36,
    learning_rate=0.01,
    seed=2,
)

CODE = """
import json, sys
import jax
from tests.qnn.test_train_devices import CONFIG, numbers
from tests.qnn.conftest import make_toy

assert len(jax.devices()) == 4
print(json.dumps(numbers(make_toy())))
"""


def numbers(dataset):
    """Losses of the epochs; weights and scales of the network."""
    reports = []
    network = train(CONFIG, dataset, on_epoch=reports.append)
    return {
        "loss": [report.loss for report in reports],
        "weights": [layer.weights.tolist() for layer in network.layers],
        "z_full": [layer.z_full for layer in network.layers],
    }


def test_four_devices_train_as_one(toy):
    told, here = on_devices(4, CODE), numbers(toy)
    # Sums in another order: float32 rounding, grown over 16 steps of Adam.
    np.testing.assert_allclose(told["loss"], here["loss"], rtol=1e-4)
    np.testing.assert_allclose(told["z_full"][0], here["z_full"][0], rtol=1e-3)
    for ours, theirs in zip(here["weights"], told["weights"], strict=True):
        assert (np.asarray(ours) == np.asarray(theirs)).mean() > 0.97
