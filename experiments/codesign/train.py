"""The training of weights and knobs: one program for all prices of energy."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments.codesign.circuit import Bench
from experiments.codesign.knobs import NAMES, Knobs, free_of, values_of
from experiments.codesign.objective import Price, loss_and_energy, model_of
from rram_jax.data.codes import input_codes
from rram_jax.data.datasets import Dataset
from rram_jax.qnn.model import Mlp
from rram_jax.qnn.train import LATENT_LIMIT


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast."""

    epochs: int
    """[-] Passes over the training images."""

    batch: int
    """[-] Images a step."""

    rate_weights: float
    """[-] Of Adam at the start; a cosine takes it to zero."""

    rate_knobs: float
    """[-] The same, of the free numbers behind the knobs."""

    seed: int
    """[-] Makes the order of images and all noise."""


Trained = tuple[Mlp, Knobs, np.ndarray]
"""Model, values of the knobs, and (epochs, 2): mean loss [nat] and energy [J]."""


def trainer(
    bench: Bench, dataset: Dataset, schedule: Schedule, price: Price
) -> Callable[[float, bool, tuple[str, ...]], Trained]:
    """A function that trains: lambda [nat/J], move the weights, knobs that are held.

    Compiled once; every call starts from the bench's network and its usual knobs.
    """
    n_inputs = bench.network.config.sizes[0]
    codes = jnp.asarray(input_codes(dataset.train_images, n_inputs))
    labels = jnp.asarray(dataset.train_labels, jnp.int32)
    steps = len(codes) // schedule.batch
    rng = np.random.default_rng(schedule.seed)
    order = np.stack([rng.permutation(len(codes)) for _ in range(schedule.epochs)])
    order = order[:, : steps * schedule.batch].reshape(-1, schedule.batch)
    graph, params = nnx.split(model_of(bench.network))
    start = (params, free_of(bench.start(), bench.box))
    rates = (schedule.rate_weights, schedule.rate_knobs)
    adams = [optax.adam(optax.cosine_decay_schedule(r, len(order))) for r in rates]
    weights_adam, knobs_adam = adams
    key = jax.random.key(schedule.seed)
    # Cached properties that are made under a trace cannot be kept.
    bench.own, bench.rtn, bench.nominal.layers  # noqa: B018 - made here, outside of a trace

    def value(both, index, key, price_of_energy):
        params, free = both
        batch = (codes[index].astype(jnp.float32), labels[index])
        model, knobs = nnx.merge(graph, params), values_of(free, bench.box)
        loss, energy = loss_and_energy(bench, model, knobs, batch, key, price)
        return loss + price_of_energy * energy, (loss, energy)

    @jax.jit
    def run(price_of_energy, moves):
        def step(state, item):
            (params, free), (of_weights, of_knobs) = state
            index, k = item
            slope, told = jax.grad(value, has_aux=True)(
                (params, free), index, jax.random.fold_in(key, k), price_of_energy
            )
            slope = jax.tree.map(lambda g, m: g * m, slope, moves)
            change, of_weights = weights_adam.update(slope[0], of_weights, params)
            params = optax.apply_updates(params, change)
            params = jax.tree.map(
                lambda x: jnp.clip(x, -LATENT_LIMIT, LATENT_LIMIT) if x.ndim else x,
                params,
            )
            change, of_knobs = knobs_adam.update(slope[1], of_knobs, free)
            free = optax.apply_updates(free, change)
            return ((params, free), (of_weights, of_knobs)), jnp.stack(told)

        moments = (weights_adam.init(start[0]), knobs_adam.init(start[1]))
        items = (jnp.asarray(order, jnp.int32), jnp.arange(len(order)))
        (best, _), told = jax.lax.scan(step, (start, moments), items)
        return best, told.reshape(schedule.epochs, steps, 2).mean(1)

    def train(price_of_energy, move_weights, held):
        weights = jax.tree.map(lambda x: float(move_weights), start[0])
        knobs = Knobs(
            **{
                name: jnp.asarray(float(name not in held), jnp.float32)
                for name in NAMES
            }
        )
        (params, free), told = run(jnp.float32(price_of_energy), (weights, knobs))
        values = jax.jit(partial(values_of, box=bench.box))(free)
        return nnx.merge(graph, params), values, np.asarray(told)

    return train
