"""The network in hardware form: signed pairs, full scales, nothing else."""

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from rram_jax.chip.config import NetworkConfig
from rram_jax.errors import InputError
from rram_jax.types import Float, Integer


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer as it is programmed."""

    weights: Integer[np.ndarray, "pairs cols"]
    """[-] -1, 0 or 1; the last `n_bias` pairs are bias pairs."""

    columns_per_output: int
    """[-] Columns strapped into one output."""

    z_full: float
    """[-] Weighted sum (activations in 0..1) at which the code is 15."""

    z_shift: float = 0.0
    """[-] Weighted sum below zero at which the code starts (output layer)."""

    @property
    def n_outputs(self) -> int:
        """[-] Neurons."""
        return self.weights.shape[1] // self.columns_per_output


@dataclass(frozen=True, kw_only=True)
class HardwareNetwork:
    """A trained network, ready to be programmed."""

    config: NetworkConfig
    layers: tuple[Layer, ...]

    logit_scale: float
    """[-] Logits per unit of the output's weighted sum, as trained; for losses only."""

    def __post_init__(self):
        for shape, layer in zip(self.config.weight_shapes, self.layers, strict=True):
            values = set(np.unique(layer.weights).tolist())
            allowed = {-1, 0, 1} if self.config.ternary else {-1, 1}
            on_bias = layer.weights[shape[0] - self.config.n_bias :]
            strict = layer.weights[: shape[0] - self.config.n_bias]
            if layer.weights.shape != shape or not values <= {-1, 0, 1}:
                raise InputError(
                    f"{self.config.name}: a layer needs weights {shape} of -1, 0, 1;"
                    f" got {layer.weights.shape} with {sorted(values)[:5]}."
                )
            if not set(np.unique(strict).tolist()) <= allowed or on_bias.ndim != 2:
                raise InputError(f"{self.config.name}: a binary network has no 0.")
            if not layer.z_full > 0:
                raise InputError(f"{self.config.name}: z_full must be above 0.")

    @property
    def n_cells(self) -> int:
        """[-] RRAM cells."""
        return sum(2 * layer.weights.size for layer in self.layers)

    @property
    def sha256(self) -> str:
        """Digest of what is programmed and of every scale: equal for equal networks."""
        digest = hashlib.sha256(json.dumps(asdict(self.config)).encode())
        for layer in self.layers:
            digest.update(layer.weights.astype(np.int8).tobytes())
            digest.update(repr((layer.z_full, layer.z_shift)).encode())
        digest.update(repr(self.logit_scale).encode())
        return digest.hexdigest()


def column_sums(
    weights: Integer[np.ndarray, "pairs cols"], columns_per_output: int
) -> Float[np.ndarray, "pairs outputs"]:
    """Sum of the columns of each output."""
    shape = (weights.shape[0], -1, columns_per_output)
    return weights.astype(np.float64).reshape(shape).sum(-1)
