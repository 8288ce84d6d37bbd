"""Expected loss plus lambda times energy, of weights and knobs together."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments.codesign.circuit import Bench, device_at, energy_at, surroundings_at
from experiments.codesign.knobs import Knobs
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.circuit.encode import SLOTS
from rram_jax.device.card import DeviceParams
from rram_jax.qnn.model import LOGIT_RANGE, Mlp
from rram_jax.qnn.quantize import activation
from rram_jax.qnn.spread import spread_of
from rram_jax.types import Array, Float, Integer, Key

LATENT = 0.3
"""[-] Size of latent weights at the start: a checkpoint keeps their signs only."""

PROGRAMMING = "programming"
"""Block of energy: RESET pulses, over the inferences until cells are written anew."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """How energy is counted."""

    regulated: bool
    """The array as drawn from V_DD through linear regulators, or at its levels."""

    inferences: float
    """[-] Between two programmings of the array."""

    images: int
    """[-] Of a batch whose energy is counted in a training step."""

    def programming(self, bench: Bench, pulse: Float[Array, ""]) -> Float[Array, ""]:
        """[J] An inference's part of the RESET pulses of all HRS cells."""
        return pulse * (bench.network.n_cells / 2 / self.inferences)


def model_of(network: HardwareNetwork) -> Mlp:
    """The training form of a network that was trained before.

    All its layers take their full scales from what surrounds them, as outputs do.
    """
    model = Mlp(network.config, rngs=nnx.Rngs(params=0))
    for layer, told in zip(model.layers, network.layers, strict=True):
        signs = np.asarray(told.weights[:, :: network.config.redundancy], np.float32)
        layer.latent[...] = jnp.asarray(LATENT * signs)
        layer.is_output = True
    scale = jnp.asarray(LOGIT_RANGE / network.logit_scale, jnp.float32)
    model.layers[-1].log_z_full[...] = jnp.log(scale)
    return model


def run_model(
    bench: Bench,
    model: Mlp,
    knobs: Knobs,
    device: DeviceParams,
    codes: Float[Array, "batch inputs"],
    key: Key | None,
    *,
    quantised: bool = True,
) -> tuple[Float[Array, "batch outputs"], list[Float[Array, "batch _inputs"]]]:
    """Logits, and the codes that go into every layer.

    A crossing beyond the output's ramp counts as its end; what its counter rounds off
    is uniform noise of one count.

    Args:
        bench: Circuit of the network.
        model: Weights and softmax scale; full scales are those of the knobs.
        knobs: Where it works.
        device: Its cells (`circuit.device_at`).
        codes: Input codes, 0 to 15.
        key: Makes chips and noise, fresh for every example; None for none.
        quantised: False leaves hidden codes unrounded: smooth but for their clipping.
    """
    around, inputs = surroundings_at(bench, knobs, device), [codes]
    last = len(around) - 1
    for k, layer in enumerate(model.layers):
        z_full = knobs.v_full[k] / around[k].neurons.v_weight
        layer_key = None if key is None else jax.random.fold_in(key, k)
        if k == last:
            break
        position = SLOTS * layer(inputs[-1], around[k], layer_key) / z_full
        soft = jnp.clip(position, 0, SLOTS)
        inputs.append(activation(position) if quantised else soft)
    told = bench.nominal.layers[last]
    shift = told.layer.z_shift / told.layer.z_full * z_full
    position = SLOTS * (layer(inputs[-1], around[last], layer_key) + shift) / z_full
    if layer_key is not None:
        count_key = jax.random.fold_in(layer_key, 1)
        rounded = jax.random.uniform(count_key, position.shape, position.dtype) - 0.5
        position = position + rounded / told.neuron.clocks_per_slot
    z = jnp.minimum(position, SLOTS) * z_full / SLOTS - shift
    return LOGIT_RANGE * z / layer.z_full(), inputs


def loss_and_energy(
    bench: Bench,
    model: Mlp,
    knobs: Knobs,
    batch: tuple[Float[Array, "batch inputs"], Integer[Array, " batch"]],
    key: Key,
    price: Price,
    *,
    quantised: bool = True,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Expected cross-entropy [nat] over chips, and energy per inference [J]."""
    codes, labels = batch
    device, pulse = device_at(bench, knobs)
    logits, inputs = run_model(
        bench, model, knobs, device, codes, key, quantised=quantised
    )
    weights = [layer.weights() for layer in model.layers]
    some = [x[: price.images] for x in inputs]
    layers = energy_at(bench, knobs, device, weights, some)
    totals = [layer.total(regulated=price.regulated).mean() for layer in layers]
    energy = jnp.stack(totals).sum() + price.programming(bench, pulse)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return loss, energy


def hardware_of(bench: Bench, model: Mlp, knobs: Knobs) -> HardwareNetwork:
    """What is programmed, with the scales that the knobs mean."""
    device, _ = device_at(bench, knobs)
    spread, layers = spread_of(device), []
    for k, (layer, told) in enumerate(
        zip(model.layers, bench.network.layers, strict=True)
    ):
        pairs = len(told.weights) * told.columns_per_output
        z_full = float(knobs.v_full[k] / knobs.v_read / spread.volts_per_weight(pairs))
        layers.append(
            Layer(
                weights=np.asarray(layer.weights(), np.int8),
                columns_per_output=told.columns_per_output,
                z_full=z_full,
                z_shift=z_full * told.z_shift / told.z_full,
            )
        )
    return HardwareNetwork(
        config=bench.network.config,
        layers=tuple(layers),
        logit_scale=LOGIT_RANGE / float(model.layers[-1].z_full()),
    )


def blocks_of(
    bench: Bench,
    model: Mlp,
    knobs: Knobs,
    codes: Float[Array, "images inputs"],
    price: Price,
) -> dict[str, Any]:
    """[J] Mean energy per inference by block, nominal chip without noise."""
    device, pulse = device_at(bench, knobs)
    _, inputs = run_model(bench, model, knobs, device, codes, None)
    weights = [layer.weights() for layer in model.layers]
    layers = energy_at(bench, knobs, device, weights, inputs)

    def mean(part):
        return sum(part(layer).mean() for layer in layers)

    cell = ("integrator", "ramp", "auto_zero", "reset")
    name = "regulated" if price.regulated else "reference"
    return {
        "array": mean(lambda x: getattr(x.array, name)),
        "buffers": mean(lambda x: x.buffers + x.neurons.gate),
        "gm_cells": mean(lambda x: sum(getattr(x.neurons, c) for c in cell)),
        "comparators": mean(lambda x: x.neurons.comparator + x.neurons.clock),
        "waiting": mean(lambda x: x.waiting),
        "bias": mean(lambda x: x.bias),
        PROGRAMMING: price.programming(bench, pulse),
    }
