"""Conventional and variability-aware training."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rram_jax.chip.design import design_network
from rram_jax.chip.network import HardwareNetwork
from rram_jax.chip.surrogate import NOISE
from rram_jax.data.augment import augment
from rram_jax.data.codes import input_codes
from rram_jax.data.datasets import Dataset
from rram_jax.device.card import DeviceParams, load_card
from rram_jax.errors import InputError
from rram_jax.parallel import (
    Device,
    device_mesh,
    devices_for,
    replicate,
    split_batch,
)
from rram_jax.qnn.checkpoint import TrainingStates, load_teacher
from rram_jax.qnn.chips import with_spread
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.fold import fold, unfinished
from rram_jax.qnn.model import Mlp
from rram_jax.qnn.objective import objective
from rram_jax.qnn.spread import Spread, spread_of, with_rtn
from rram_jax.qnn.surroundings import (
    Surroundings,
    ideal_surroundings,
    surroundings_of,
)
from rram_jax.qnn.teacher import answers, teacher_of

LATENT_LIMIT = 1.2
"""[-] Latent weights are held within this, so that they can still change sign."""

MAPS = 10
"""[-] Times that wires and neurons are solved again for the weights as they stand."""

FOLD_IMAGES = 10_000
"""[-] Training images on which the output's range is set."""

FOLD_SIGMA = 0.3
"""[-] Spread of LRS under which it is set, the same whatever the training saw."""


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What one epoch said."""

    epoch: int
    """[-] Counted from 1."""

    loss: float
    """[-] Mean cross-entropy over the epoch, with the training's noise."""

    accuracy: float
    """[-] On the validation images, without spread."""


def train(
    config: TrainConfig,
    dataset: Dataset,
    *,
    states: Path | None = None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    on_resume: Callable[[int], None] = lambda epoch: None,
    devices: Sequence[Device] | None = None,
) -> HardwareNetwork:
    """Train a network; with a folder for its states, an interrupted run goes on.

    The same configuration gives the same bits, in one go or resumed, on one machine
    and number of devices; on another number sums differ in their last bits.

    Args:
        config: The run.
        dataset: Its images.
        states: Folder of the training states; None keeps none.
        on_epoch: Called after every epoch.
        on_resume: Called with the epoch from which an earlier run goes on.
        devices: Share every batch; None for as many of this process's as divide it.

    Raises:
        InputError: There are fewer images than one batch, or more kinds of them than
            outputs.
    """
    n_inputs = config.network.sizes[0]
    codes = input_codes(dataset.train_images, n_inputs)
    labels = jnp.asarray(dataset.train_labels, jnp.int32)
    held_out = jnp.asarray(input_codes(dataset.validation_images, n_inputs))
    steps = len(codes) // config.batch
    if not steps:
        raise InputError(
            f"{dataset.name} has {len(codes)} training images, fewer than one batch of"
            f" {config.batch}."
        )
    kinds = max(dataset.train_labels.max(), dataset.validation_labels.max()) + 1
    if kinds > config.network.sizes[-1]:
        raise InputError(
            f"{dataset.name} has labels from 0 to {kinds - 1}, so a network for it"
            f" needs {kinds} outputs or more; {config.network.name} has"
            f" {config.network.sizes[-1]}."
        )
    teacher = None
    if config.teacher is not None:
        teacher = partial(answers, teacher_of(load_teacher(config.teacher)[0]))
    bench = _Bench(config)
    model = Mlp(config.network, rngs=nnx.Rngs(params=config.seed))
    graph, params = nnx.split(model)
    optimiser = optax.adam(
        optax.cosine_decay_schedule(config.learning_rate, steps * config.epochs)
    )
    seen = input_codes(dataset.train_images[:FOLD_IMAGES], n_inputs)
    around = bench.around(model, seen)
    state = (params, optimiser.init(params), around)
    run_epoch = partial(_run_epoch, graph, optimiser, config, bench.params)
    # Chips of the same seed fold in their number instead.
    noise_key = jax.random.fold_in(jax.random.key(config.seed), NOISE)
    taught = None if teacher is None else teacher(dataset.train_images)
    mesh = device_mesh(devices_for(config.batch) if devices is None else devices)
    with TrainingStates(states) as kept:
        start, state = kept.latest(state)
        if start:
            on_resume(start)
        for epoch in range(start, config.epochs):
            params, moments, around = state
            if epoch and epoch % bench.epochs == 0:
                around = bench.around(nnx.merge(graph, params), seen)
            rng = np.random.default_rng([config.seed, epoch])
            if config.augment:
                images = augment(rng, dataset.train_images)
                codes = input_codes(images, n_inputs)
                taught = None if teacher is None else teacher(images)
            order = rng.permutation(len(codes))[: steps * config.batch]
            order = order.reshape(steps, config.batch).astype(np.int32)
            whole = (params, moments), around, (jnp.asarray(codes), labels, taught)
            learned, loss = run_epoch(
                *replicate(whole, mesh),
                split_batch(order, mesh, axis=1),
                jax.random.fold_in(noise_key, epoch),
            )
            state = (*learned, around)
            logits = _logits(graph, state[0], held_out, around)
            right = np.asarray(logits).argmax(-1) == dataset.validation_labels
            on_epoch(
                EpochReport(
                    epoch=epoch + 1, loss=float(loss), accuracy=float(right.mean())
                )
            )
            # Last, so that what was told of an epoch is never behind its state.
            kept.save(epoch + 1, state)
    model = nnx.merge(graph, state[0])
    around = with_spread(bench.around(model, seen), lambda _: bench.fold_spread)
    return fold(model, config.network, seen, around, config.design.output_clocks)


class _Bench:
    """Card and circuit that a network is trained for."""

    def __init__(self, config: TrainConfig):
        top = config.sigma_lrs_max
        sigma = config.sigma_lrs if top is None else (config.sigma_lrs + top) / 2
        self.card = dataclasses.replace(load_card(config.device), sigma_lrs=sigma)
        self.params = self.card.params()
        self.config = config
        self.spread = self._spread(self.params)
        at_fold = dataclasses.replace(self.card, sigma_lrs=FOLD_SIGMA)
        self.fold_spread = self._spread(at_fold.params())
        self.epochs = max(1, config.epochs // MAPS)

    def _spread(self, params: DeviceParams) -> Spread:
        spread = spread_of(params)
        return with_rtn(spread, params) if self.config.circuit == "full" else spread

    def around(self, model: Mlp, codes: np.ndarray) -> tuple[Surroundings, ...]:
        """What the model's layers see of the circuit, as its weights stand."""
        shape, circuit = self.config.network, self.config.circuit
        if circuit == "ideal":
            return (ideal_surroundings(self.spread),) * len(model.layers)
        if circuit == "map":
            network = unfinished(model, shape, codes)
        else:
            around = (ideal_surroundings(self.fold_spread),) * len(model.layers)
            clocks = self.config.design.output_clocks
            network = fold(model, shape, codes, around, clocks)
        design = design_network(
            network, self.card, self.config.design, neurons=circuit == "full"
        )
        return surroundings_of(design, self.spread, circuit)


@partial(jax.jit, static_argnames="graph")
def _logits(graph, params, codes, around):
    return nnx.merge(graph, params)(codes.astype(jnp.float32), around)


@partial(
    jax.jit,
    static_argnames=("graph", "optimiser", "config"),
    donate_argnames="state",
)
def _run_epoch(
    graph,
    optimiser,
    config: TrainConfig,
    device: DeviceParams,
    state,
    around,
    data,
    order,
    key,
):
    """One epoch as a scan over batches; returns the state and the mean loss."""

    def loss_of(params, index, key):
        codes, labels, answers = jax.tree.map(lambda x: x[index], data)
        batch = (codes.astype(jnp.float32), labels, answers)
        return objective(nnx.merge(graph, params), batch, around, device, key, config)

    def step(state, item):
        (params, moments), (index, k) = state, item
        key_k = jax.random.fold_in(key, k)
        loss, gradient = jax.value_and_grad(loss_of)(params, index, key_k)
        update, moments = optimiser.update(gradient, moments, params)
        params = optax.apply_updates(params, update)
        return (_hold(params, around), moments), loss

    items = (order, jnp.arange(len(order)))
    state, losses = jax.lax.scan(step, state, items)
    return state, losses.mean()


def _hold(params, around):
    """Latent weights where they can change sign, full scales where neurons reach."""

    def hold(path, leaf):
        names = [getattr(part, "key", None) for part in path]
        if "latent" in names:
            return jnp.clip(leaf, -LATENT_LIMIT, LATENT_LIMIT)
        k = next(name for name in names if isinstance(name, int))
        if "log_z_full" in names and k < len(around) - 1:
            # The output's is the softmax scale; its ramp is chosen when it is folded.
            return jnp.maximum(leaf, jnp.log(around[k].z_least))
        return leaf

    return jax.tree_util.tree_map_with_path(hold, params)
