import dataclasses

import numpy as np
import pytest

from rram_jax.chip.config import NetworkConfig, parse_sizes
from rram_jax.chip.network import column_sums
from rram_jax.errors import InputError
from tests.helpers import is_one_sentence, random_network

CONFIG = NetworkConfig(sizes=(6, 5, 4, 3), columns_per_output=2, n_bias=1)
NETWORK = random_network(1, CONFIG, z_full=(2.5, 1.5, 4.0))


def test_shapes_by_hand():
    assert CONFIG.name == "mlp-6-5-4-3"
    assert CONFIG.columns == (1, 1, 2)
    # One bias pair on top of the inputs; two columns for each of three outputs.
    assert CONFIG.weight_shapes == ((7, 5), (6, 4), (5, 6))
    assert [layer.n_outputs for layer in NETWORK.layers] == [5, 4, 3]
    assert NETWORK.n_cells == 2 * (35 + 24 + 30)


def test_sizes_from_a_name():
    assert parse_sizes("mlp-144-64-10") == (144, 64, 10)
    assert parse_sizes("9-8-7-2") == (9, 8, 7, 2)
    for name in ("mlp-144", "144-64", "mlp_1_2_3", "1-2-3x", "1-2--3", "100000-1-2"):
        with pytest.raises(InputError, match="mlp-144-64-10") as error:
            parse_sizes(name)
        assert is_one_sentence(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"sizes": (6, 5)},
        {"sizes": (6, 0, 3)},
        {"sizes": (6, 5, 1)},
        {"columns_per_output": 0},
        {"n_bias": -1},
        {"sizes": (10**5, 10**4, 3)},
        {"n_bias": 10**9},
    ],
)
def test_shapes_that_are_no_network(values):
    with pytest.raises(InputError) as error:
        NetworkConfig(**values)
    assert is_one_sentence(error.value)


def _with_layer(network, **changes):
    first = dataclasses.replace(network.layers[0], **changes)
    return dataclasses.replace(network, layers=(first, *network.layers[1:]))


def _set(weights, place, value):
    weights = weights.copy()
    weights[place] = value
    return weights


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights": NETWORK.layers[0].weights[:-1]}, r"\(7, 5\)"),
        ({"weights": _set(NETWORK.layers[0].weights, (0, 0), 2)}, "of -1, 0, 1"),
        ({"weights": _set(NETWORK.layers[0].weights, (0, 0), 0)}, "no 0"),
        ({"z_full": 0.0}, "z_full"),
        ({"z_full": float("nan")}, "z_full"),
    ],
)
def test_layers_that_are_not_the_networks(change, told):
    with pytest.raises(InputError, match=told) as error:
        _with_layer(NETWORK, **change)
    assert is_one_sentence(error.value)


def test_where_a_pair_may_be_off():
    # A bias pair always, any pair in a ternary network.
    bias = _set(NETWORK.layers[0].weights, (6, 0), 0)
    _with_layer(NETWORK, weights=bias)
    ternary = dataclasses.replace(CONFIG, ternary=True)
    weights = _set(NETWORK.layers[0].weights, (0, 0), 0)
    _with_layer(dataclasses.replace(NETWORK, config=ternary), weights=weights)


def test_digest_tells_networks_apart():
    weights = NETWORK.layers[0].weights
    others = [
        _with_layer(NETWORK, weights=_set(weights, (2, 3), -weights[2, 3])),
        _with_layer(NETWORK, z_full=2.6),
        _with_layer(NETWORK, z_shift=0.1),
        dataclasses.replace(NETWORK, logit_scale=1.6),
        dataclasses.replace(NETWORK, config=dataclasses.replace(CONFIG, ternary=True)),
    ]
    digests = {network.sha256 for network in [NETWORK, *others]}
    assert len(digests) == 6
    wide = _with_layer(NETWORK, weights=weights.astype(np.int32))
    assert wide.sha256 == NETWORK.sha256


def test_sums_of_the_columns_of_an_output():
    weights = np.array([[1, -1, 1, 1], [-1, -1, 0, 1]], np.int8)
    np.testing.assert_array_equal(column_sums(weights, 2), [[0, 2], [-2, 1]])
    np.testing.assert_array_equal(column_sums(weights, 1), weights)
