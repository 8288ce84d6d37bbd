import jax
import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.parallel import (
    count_devices,
    device_mesh,
    gather_shares,
    replicate,
    share_of_process,
    split_batch,
)
from tests.helpers import is_one_sentence, on_devices

ON_FOUR_DEVICES = """
import json
import jax, jax.numpy as jnp, numpy as np
from rram_jax.errors import InputError
from rram_jax.parallel import count_devices, device_mesh, replicate, split_batch

def parts(x):
    shards = sorted(x.addressable_shards, key=lambda s: s.device.id)
    return [np.asarray(shard.data).tolist() for shard in shards]

mesh, rows = device_mesh(), np.arange(24.0, dtype=np.float32).reshape(8, 3)
tree = split_batch({"x": rows, "key": jax.random.split(jax.random.key(1), 8)}, mesh)
whole = replicate({"w": rows[:2]}, mesh)
product = jax.jit(lambda w, x: x @ w.T)
drawn = jax.jit(jax.vmap(lambda k: jax.random.normal(k, (2,), jnp.float32)))
try:
    split_batch(rows[:6], mesh)
    refused = "nothing"
except InputError as error:
    refused = str(error)
few = device_mesh(jax.devices()[1:3])
print(json.dumps({
    "split": parts(tree["x"]),
    "whole": parts(whole["w"]),
    "product": product(whole["w"], tree["x"]).tolist(),
    "drawn": drawn(tree["key"]).tolist(),
    "refused": refused,
    "devices": count_devices(),
    "few": parts(split_batch(rows, few)),
    "few_devices": count_devices(few.devices.ravel()),
}))
"""


def test_placements_on_four_devices():
    told = on_devices(4, ON_FOUR_DEVICES)
    rows = np.arange(24.0).reshape(8, 3)
    assert told["split"] == rows.reshape(4, 2, 3).tolist()
    assert told["whole"] == [rows[:2].tolist()] * 4
    assert told["product"] == (rows @ rows[:2].T).tolist()  # small whole numbers
    keys = jax.random.split(jax.random.key(1), 8)
    drawn = jax.vmap(lambda k: jax.random.normal(k, (2,), np.float32))(keys)
    np.testing.assert_array_equal(np.float32(told["drawn"]), drawn)
    assert "multiple of 4; got axis 0 of shape (6, 3)" in told["refused"]
    assert is_one_sentence(ValueError(told["refused"]))
    assert (told["devices"], told["few_devices"]) == ({"cpu": 4}, {"cpu": 2})
    assert told["few"] == rows.reshape(2, 4, 3).tolist()


def test_one_device_takes_everything():
    mesh = device_mesh()
    x = np.arange(5)
    np.testing.assert_array_equal(split_batch(x, mesh), x)
    np.testing.assert_array_equal(replicate([x], mesh)[0], x)
    assert count_devices() == {"cpu": 1}


def test_what_cannot_be_placed():
    with pytest.raises(InputError) as error:
        device_mesh([])
    assert is_one_sentence(error.value)
    with pytest.raises(InputError, match=r"shape \(\)") as error:
        split_batch(np.float32(1), device_mesh())
    assert is_one_sentence(error.value)


@pytest.mark.parametrize(("n", "processes"), [(10, 4), (3, 5), (8, 2), (1, 1)])
def test_shares_come_together_in_order(n, processes):
    items = [10 * k for k in range(n)]
    shares = [share_of_process(items, p, processes) for p in range(processes)]
    assert len({len(share) for share in shares}) == 1
    together = np.swapaxes(np.asarray(shares), 0, 1).ravel()[:n]
    assert together.tolist() == items


def test_one_process_gathers_its_own():
    x = np.arange(12).reshape(6, 2)
    np.testing.assert_array_equal(gather_shares(x, 5), x[:5])
