"""The network in hardware form: signed pairs, full scales, nothing else."""

import hashlib
import json
import math
from dataclasses import dataclass, fields

import numpy as np

from rram_jax.chip.config import NetworkConfig
from rram_jax.errors import InputError
from rram_jax.neuron.config import SLOTS
from rram_jax.types import Float, Integer


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer as it is programmed."""

    weights: Integer[np.ndarray, "pairs cols"]
    """[-] -1, 0 or 1; bias and trim pairs stand behind the inputs' pairs."""

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

    trim_patterns: Integer[np.ndarray, "patterns inputs"] | None = None
    """[-] Input codes that a chip's trim pairs are chosen on; None without them."""

    def __post_init__(self):
        config = self.config
        for n_inputs, shape, layer in zip(
            config.sizes[:-1], config.weight_shapes, self.layers, strict=True
        ):
            values = set(np.unique(layer.weights).tolist())
            if layer.weights.shape != shape or not values <= {-1, 0, 1}:
                raise InputError(
                    f"{config.name}: a layer needs weights {shape} of -1, 0, 1;"
                    f" got {layer.weights.shape} with {sorted(values)[:5]}."
                )
            if not config.ternary and (layer.weights[:n_inputs] == 0).any():
                raise InputError(f"{config.name}: a binary network has no 0.")
            if layer.weights[n_inputs + config.n_bias :].any():
                raise InputError(
                    f"{config.name}: trim pairs are off until a chip is tested."
                )
            copies = layer.weights.reshape(shape[0], -1, config.redundancy)
            if (copies != copies[:, :, :1]).any():
                raise InputError(
                    f"{config.name}: of {config.redundancy} cells in parallel all have"
                    " the same weight."
                )
            if not (0 < layer.z_full < math.inf and math.isfinite(layer.z_shift)):
                raise InputError(
                    f"{config.name}: z_full must be above 0, and it and z_shift finite;"
                    f" got {layer.z_full:g} and {layer.z_shift:g}."
                )
        if not math.isfinite(self.logit_scale):
            raise InputError(
                f"{config.name}: logit_scale must be finite; got {self.logit_scale:g}."
            )
        patterns = self.trim_patterns
        if (patterns is not None) != config.trim:
            raise InputError(
                f"{config.name}: trim pairs and patterns to choose them on belong"
                " together."
            )
        if patterns is not None and (
            patterns.ndim != 2
            or patterns.shape[1] != config.sizes[0]
            or not 0 <= patterns.min(initial=0) <= patterns.max(initial=0) <= SLOTS
        ):
            raise InputError(
                f"{config.name}: trim patterns are input codes of 0 to {SLOTS} for"
                f" {config.sizes[0]} inputs; got an array {patterns.shape}."
            )

    @property
    def n_cells(self) -> int:
        """[-] RRAM cells."""
        return sum(2 * layer.weights.size for layer in self.layers)

    @property
    def sha256(self) -> str:
        """Digest of what is programmed and of every scale: equal for equal networks."""
        chosen = {
            f.name: getattr(self.config, f.name)
            for f in fields(NetworkConfig)
            if getattr(self.config, f.name) != f.default  # a later field changes none
        }
        digest = hashlib.sha256(json.dumps(chosen).encode())
        for layer in self.layers:
            digest.update(layer.weights.astype(np.int8).tobytes())
            digest.update(repr((layer.z_full, layer.z_shift)).encode())
        digest.update(repr(self.logit_scale).encode())
        if self.trim_patterns is not None:
            digest.update(self.trim_patterns.astype(np.uint8).tobytes())
        return digest.hexdigest()


def column_sums(
    weights: Integer[np.ndarray, "pairs cols"], columns_per_output: int
) -> Float[np.ndarray, "pairs outputs"]:
    """Sum of the columns of each output."""
    shape = (weights.shape[0], -1, columns_per_output)
    return weights.astype(np.float64).reshape(shape).sum(-1)
