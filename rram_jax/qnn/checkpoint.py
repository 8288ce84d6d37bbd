"""Training states and trained networks on disk; the only module that knows orbax.

A checkpoint is a folder that explains itself:

    config.json      what was trained, and how
    metrics.json     what it reached
    network/         weights and scales (orbax)
    states/          states of the training, to resume from (orbax)
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from rram_jax.chip.config import TRIM_PATTERNS, NetworkConfig
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.errors import InputError
from rram_jax.toml_file import check_record

MAX_CONFIG_BYTES = 1_000_000

MAX_TEACHER_LAYERS = 12


class TrainingStates:
    """States of one training run, one an epoch, the newest three kept.

    Saves are asynchronous and atomic: a killed run leaves whole states only.
    """

    def __init__(self, folder: Path | None):
        """`folder` is made; None keeps nothing."""
        self._manager = None
        if folder is not None:
            options = ocp.CheckpointManagerOptions(
                max_to_keep=3, cleanup_tmp_directories=True
            )
            self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def __enter__(self) -> "TrainingStates":
        return self

    def __exit__(self, *_):
        if self._manager:
            self._manager.close()

    def latest(self, like: Any) -> tuple[int, Any]:
        """The newest state and its epoch; 0 and `like` where there is none.

        Raises:
            InputError: The state is damaged or that of another network.
        """
        if self._manager is None or not (epoch := self._manager.latest_step()):
            return 0, like
        leaves, treedef = jax.tree.flatten(like)
        args = ocp.args.StandardRestore([np.zeros(x.shape, x.dtype) for x in leaves])
        place = f"{self._manager.directory}/{epoch}"
        try:
            restored = self._manager.restore(epoch, args=args)
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                f"The training state {place} is damaged: delete that folder, and the"
                " run goes on from the state before."
            ) from None
        if [np.shape(x) for x in restored] != [np.shape(x) for x in leaves]:
            raise InputError(
                f"The training state {place} belongs to another network: give this run"
                " a folder of its own."
            )
        return epoch, jax.tree.unflatten(
            treedef, [jax.numpy.asarray(x) for x in restored]
        )

    def save(self, epoch: int, state: Any):
        """Keep a state; returns before it is on disk."""
        if self._manager:
            leaves = [np.asarray(x) for x in jax.tree.leaves(state)]
            self._manager.save(epoch, args=ocp.args.StandardSave(leaves))


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What `load_checkpoint` found in a folder."""

    folder: Path
    network: HardwareNetwork
    config: dict[str, Any]
    """The training's configuration, as `config.json` holds it."""

    metrics: dict[str, Any]
    """As `metrics.json` holds them; empty where there is none."""


def save_network(folder: Path, network: HardwareNetwork):
    """Write `folder`/network, under a temporary name first."""
    arrays = {f"weights_{k}": layer.weights for k, layer in enumerate(network.layers)}
    scales = [(layer.z_full, layer.z_shift) for layer in network.layers]
    arrays |= {
        "scales": np.asarray(scales, np.float64),
        "logit_scale": np.asarray(network.logit_scale, np.float64),
    }
    if network.trim_patterns is not None:
        arrays["trim_patterns"] = network.trim_patterns.astype(np.uint8)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((folder / "network").resolve(), arrays)
    # Serves remote stores only, and names a folder of this machine.
    (folder / "network" / "commit_success.txt").unlink(missing_ok=True)


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a checkpoint's network; nothing in it is trusted.

    Raises:
        InputError: There is no checkpoint, its configuration is not one, its arrays
            are those of another network, or not those that were trained.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file() or not (folder / "network").is_dir():
        raise InputError(
            f"{folder} is no checkpoint: it needs config.json and network/; give the"
            " folder of a finished `rram-jax train` run or one of checkpoints/."
        )
    config = read_json(folder / "config.json")
    origin = f"network of {folder / 'config.json'}"
    shape = check_record(config.get("network"), NetworkConfig, origin)
    like: dict[str, tuple[Any, Any]]
    like = {f"weights_{k}": (s, np.int8) for k, s in enumerate(shape.weight_shapes)}
    like |= {
        "scales": ((len(shape.weight_shapes), 2), np.float64),
        "logit_scale": ((), np.float64),
    }
    if shape.trim:
        like["trim_patterns"] = ((TRIM_PATTERNS, shape.sizes[0]), np.uint8)
    arrays = _restore(folder / "network", like)
    layers = tuple(
        Layer(
            weights=arrays[f"weights_{k}"],
            columns_per_output=columns,
            z_full=float(arrays["scales"][k, 0]),
            z_shift=float(arrays["scales"][k, 1]),
        )
        for k, columns in enumerate(shape.columns)
    )
    network = HardwareNetwork(
        config=shape,
        layers=layers,
        logit_scale=float(arrays["logit_scale"]),
        trim_patterns=arrays.get("trim_patterns"),
    )
    file = folder / "metrics.json"
    metrics = read_json(file) if file.is_file() else {}
    if metrics.get("network_sha256", network.sha256) != network.sha256:
        raise InputError(
            f"{folder} was altered after training: the digest of its network is not"
            " the network_sha256 in its metrics.json."
        )
    return Checkpoint(
        folder=folder,
        network=network,
        config=config,
        metrics=metrics,
    )


def save_teacher(folder: Path, arrays: list[np.ndarray]):
    """Write `folder`/teacher: kernel and bias of every layer."""
    named = {f"array_{k}": array for k, array in enumerate(arrays)}
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save((folder / "teacher").resolve(), named)
    (folder / "teacher" / "commit_success.txt").unlink(missing_ok=True)


def load_teacher(folder: str | Path) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Kernels and biases of a teacher, and the metrics of its training.

    Raises:
        InputError: There is no finished teacher, or its arrays are not those that its
            metrics tell of.
    """
    folder = Path(folder)
    if not (folder / "metrics.json").is_file() or not (folder / "teacher").is_dir():
        raise InputError(
            f"{folder} is no teacher: it needs teacher/ and metrics.json; give the"
            " folder of a finished `rram-jax teacher` run."
        )
    metrics = read_json(folder / "metrics.json")
    sizes = metrics.get("sizes")
    if (
        not isinstance(sizes, list)
        or not 3 <= len(sizes) <= MAX_TEACHER_LAYERS
        or not all(isinstance(n, int) and 1 <= n <= 10**5 for n in sizes)
    ):
        raise InputError(f"{folder / 'metrics.json'} does not tell a teacher's sizes.")
    like: dict[str, tuple[Any, Any]] = {}
    for a, b in zip(sizes, sizes[1:], strict=False):
        for shape in ((a, b), (b,)):
            like[f"array_{len(like)}"] = (shape, np.float32)
    arrays = _restore(folder / "teacher", like)
    ordered = [arrays[name] for name in like]
    if metrics.get("teacher_sha256") != teacher_sha256(ordered):
        raise InputError(
            f"{folder} was altered after training: the digest of its teacher is not"
            " the teacher_sha256 in its metrics.json."
        )
    return ordered, metrics


def teacher_sha256(arrays: list[np.ndarray]) -> str:
    """Digest of a teacher's numbers."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON object from a file that may hold anything."""
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise InputError(f"{path} is over {MAX_CONFIG_BYTES} bytes: not one of ours.")
    try:
        value = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object.")
    return value


def _restore(folder: Path, like: dict[str, tuple[Any, Any]]) -> dict[str, np.ndarray]:
    """Arrays of the expected names, shapes and dtypes; checked before they are read.

    Nothing is allocated for what only config.json says.
    """
    with ocp.StandardCheckpointer() as checkpointer:
        try:
            found = checkpointer.metadata(folder.resolve())
            tree = getattr(found, "item_metadata", found)
            tree = getattr(tree, "tree", tree)
            shapes = {name: tuple(leaf.shape) for name, leaf in tree.items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"{folder} is damaged or no orbax checkpoint ({error})."
            ) from None
        wanted = {name: size for name, (size, _) in like.items()}
        if shapes != wanted:
            raise InputError(
                f"{folder} holds another network than its config.json says: it has"
                f" {shapes}, and {wanted} is needed."
            )
        try:
            empty = {
                name: np.zeros(size, dtype) for name, (size, dtype) in like.items()
            }
            restored = checkpointer.restore(folder.resolve(), empty)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder} is damaged: {error}.") from None
    return {name: np.asarray(array) for name, array in restored.items()}
