import dataclasses

import numpy as np
import pytest

from rram_jax.chip.config import CircuitConfig, NetworkConfig
from rram_jax.commands.network import check_fit, ideal_accuracy
from rram_jax.data import input_codes, load_dataset
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence, random_network


def plain_accuracy(network, images, labels, clocks):
    """The network as integer arithmetic, without any circuit."""
    x = input_codes(images, network.config.sizes[0]).astype(float)
    for layer in network.layers:
        weights = layer.weights.astype(float)
        columns = weights.reshape(len(weights), -1, layer.columns_per_output).sum(-1)
        scaled = 15 * (x / 15 @ columns + layer.z_shift) / layer.z_full
        x = np.clip(np.ceil(scaled - 0.5), 0, 15)
    counts = np.clip(np.ceil(clocks * scaled - 0.5), 0, 15 * clocks)
    alone = (counts == counts.max(1, keepdims=True)).sum(1) == 1
    return float(np.mean(alone & (counts.argmax(1) == labels)))


@pytest.mark.parametrize("clocks", [1, 4])
def test_ideal_accuracy_is_that_of_the_numbers(clocks):
    config = NetworkConfig(sizes=(144, 7, 10), columns_per_output=3)
    network = random_network(5, config, z_full=(12.0, 30.0))
    dataset = load_dataset("mnist5k")
    images, labels = dataset.test_images[:300], dataset.test_labels[:300]
    # Spread, a tail and RTN, none of which may be seen.
    card = dataclasses.replace(
        load_card("hfo2-nominal"), sigma_lrs=0.5, tail_share=0.5, sigma_tail=1.5
    )
    circuit = CircuitConfig(output_clocks=clocks)
    found = ideal_accuracy(network, card, images, labels, circuit)
    expected = plain_accuracy(network, images, labels, clocks)
    # float32 against float64 may decide a position on a boundary the other way.
    assert found == pytest.approx(expected, abs=1.1 / 300)
    assert 0 < found < 1


def test_a_network_must_fit_the_data():
    dataset = load_dataset("mnist5k")
    check_fit(NetworkConfig(sizes=(144, 3, 10)), dataset)
    check_fit(NetworkConfig(sizes=(784, 3, 12)), dataset)
    for sizes, told in (((145, 3, 10), "n_inputs=145"), ((144, 3, 9), "needs 10 or m")):
        with pytest.raises(InputError, match=told) as caught:
            check_fit(NetworkConfig(sizes=sizes), dataset)
        assert is_one_sentence(caught.value)
