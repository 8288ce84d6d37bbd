"""Where arrays lie when there are several devices: a copy on each, or split among them.

Both placements live on a mesh of one axis, whose shape no result may depend on:
Monte Carlo splits its chips over it (`chip.evaluate`), a training step its batch, with
parameters and moments replicated. jax then adds up the gradients of all devices; a sum
in another order differs in its last bits, so training is equal to the bit only on as
many devices, while chips, each of which is counted on one device, are equal on any.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from rram_jax.errors import InputError

AXIS = "split"
"""Name of the mesh's only axis."""

Tree = TypeVar("Tree")

Device: TypeAlias = Any
"""A `jax.Device`, which has no stub: type checkers take it for a variable."""


def device_mesh(devices: Sequence[Device] | None = None) -> Mesh:
    """A mesh of one axis over `devices`; None takes those of all processes.

    Raises:
        InputError: There is no device.
    """
    devices = jax.devices() if devices is None else devices
    if not len(devices):
        raise InputError("A mesh of devices needs 1 device or more; got none.")
    # Auto: with explicit axes (jax's own default) every operation would have to say
    # how its result is split.
    return Mesh(np.asarray(devices), (AXIS,), axis_types=(AxisType.Auto,))


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """Give every device of the mesh a copy of each array of a pytree.

    Where the mesh spans several processes each has to bring the same values.
    """
    return _place(tree, NamedSharding(mesh, PartitionSpec()))


def split_batch(tree: Tree, mesh: Mesh, axis: int = 0) -> Tree:
    """Split an axis of each array of a pytree evenly among the mesh's devices.

    Where the mesh spans several processes each brings its own part of the axis, and the
    parts stand in the order of the processes.

    Raises:
        InputError: An axis is not a multiple of the devices it is split among.
    """
    here = len(mesh.local_devices)
    for leaf in jax.tree.leaves(tree):
        if np.ndim(leaf) <= axis or np.shape(leaf)[axis] % here:
            raise InputError(
                f"{here} devices share an axis that is a multiple of {here}; got axis"
                f" {axis} of shape {np.shape(leaf)}: choose another batch, or fewer"
                " devices."
            )
    return _place(tree, NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS)))


def devices_for(batch: int) -> list[Device]:
    """As many of this process's devices as a batch can be split among evenly."""
    devices = jax.local_devices()
    n = max(n for n in range(1, len(devices) + 1) if batch % n == 0)
    return devices[:n]


def _place(tree, sharding):
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, np.asarray(x)), tree
    )


def share_of_process(items: Sequence[Any], process: int, processes: int) -> list[Any]:
    """Every `processes`-th item from number `process` on; all shares are as long.

    What a short share lacks, the last item fills up. `gather_shares` puts the results
    back into order.
    """
    length = -(-len(items) // processes)
    share = list(items[process::processes])
    return share + [items[-1]] * (length - len(share))


def gather_shares(local: np.ndarray, n_items: int) -> np.ndarray:
    """Results of all items in order, in every process, from those of its own share.

    Args:
        local: One result an item of `share_of_process` (items, ...); every process
            calls this, with arrays of one shape.
        n_items: [-] Items that were shared.
    """
    if jax.process_count() == 1:
        return local[:n_items]
    shares = np.asarray(multihost_utils.process_allgather(local))
    return np.swapaxes(shares, 0, 1).reshape(-1, *local.shape[1:])[:n_items]


def count_devices(devices: Sequence[Device] | None = None) -> dict[str, int]:
    """[-] How many devices of each kind; None takes those of this process."""
    devices = jax.local_devices() if devices is None else devices
    return dict(Counter(device.device_kind for device in devices))
