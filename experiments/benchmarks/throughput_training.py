"""Training beside a bare loop over the same network: a part of `throughput.py`."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.benchmarks.comparison import (
    Comparison,
    Timing,
    check,
    clocks,
    peak_memory,
)
from rram_jax.chip.network import HardwareNetwork
from rram_jax.data import Dataset, input_codes
from rram_jax.qnn.config import TrainConfig
from rram_jax.qnn.train import MAPS, EpochReport, train


def _sign(latent):
    """Binary weights, with the slope of the clipped latent."""
    soft = jnp.clip(latent, -1, 1)
    return soft + jax.lax.stop_gradient(jnp.where(latent >= 0, 1.0, -1.0) - soft)


def _round(x):
    """Activations 0, 1/15 .. 1, with the slope of the clip."""
    soft = jnp.clip(x, 0, 1)
    return soft + jax.lax.stop_gradient(jnp.round(15 * soft) / 15 - soft)


def bare_epochs(
    network: HardwareNetwork, dataset: Dataset, batch: int, seed: int
) -> Iterator[tuple[float, np.ndarray]]:
    """Loss, and wall and processor seconds, of epochs of a bare jitted optax loop.

    The same quantised network, without anything around it.
    """
    codes = input_codes(dataset.train_images, network.config.sizes[0])
    labels = jnp.asarray(dataset.train_labels, jnp.int32)
    steps = len(codes) // batch
    rng = np.random.default_rng(seed)
    inputs = network.config.sizes[:-1]
    params = [
        (
            jnp.asarray(rng.uniform(-0.25, 0.25, (n, layer.weights.shape[1])), "f4"),
            jnp.asarray(np.log(0.75 * (n * layer.columns_per_output) ** 0.5), "f4"),
        )
        for n, layer in zip(inputs, network.layers, strict=True)
    ]
    optimiser = optax.adam(1e-3)

    def loss_of(params, x, y):
        x = x.astype(jnp.float32) / 15
        for latent, log_z in params[:-1]:
            x = _round(x @ _sign(latent) / jnp.exp(log_z))
        latent, log_z = params[-1]
        outputs = network.config.sizes[-1]
        weights = _sign(latent).reshape(len(latent), outputs, -1).sum(-1)
        z = 4 * x @ weights / jnp.exp(log_z)
        return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()

    @jax.jit
    def epoch(state, codes, labels, order):
        def step(state, index):
            params, moments = state
            loss, gradient = jax.value_and_grad(loss_of)(
                params, codes[index], labels[index]
            )
            update, moments = optimiser.update(gradient, moments, params)
            params = optax.apply_updates(params, update)
            params = [(jnp.clip(w, -1.2, 1.2), z) for w, z in params]
            return (params, moments), loss

        state, losses = jax.lax.scan(step, state, order)
        return state, losses.mean()

    state, codes = (params, optimiser.init(params)), jnp.asarray(codes)
    while True:
        order = rng.permutation(len(codes))[: steps * batch]
        order = jnp.asarray(order.reshape(steps, batch), jnp.int32)
        begun = clocks()
        state, loss = epoch(state, codes, labels, order)
        loss = float(loss)
        yield loss, clocks() - begun


def training(
    network: HardwareNetwork,
    dataset: Dataset,
    *,
    sigma_lrs: float,
    circuit: str,
    batch: int,
    repeats: int,
    seed: int,
) -> Comparison:
    """Epochs of `train` against those of the bare loop; validation is in ours, and in
    the median no solve of the wires.

    After each of our epochs comes one of the bare loop's, outside of our clock.
    """
    config = TrainConfig(
        network=network.config,
        sigma_lrs=sigma_lrs,
        circuit=circuit,
        # So many that wires are solved anew between few of them.
        epochs=4 * MAPS + repeats,
        batch=batch,
        seed=seed,
    )
    bare, bare_losses, bare_seconds = bare_epochs(network, dataset, batch, seed), [], []
    losses, seconds, begun = [], [], clocks()

    def on_epoch(report: EpochReport):
        nonlocal begun
        seconds.append(clocks() - begun)
        losses.append(report.loss)
        loss, took = next(bare)
        bare_losses.append(loss)
        bare_seconds.append(took)
        begun = clocks()

    peak = peak_memory(lambda: train(config, dataset, on_epoch=on_epoch))
    for found in (losses, bare_losses):
        check(found[-1] < 0.9 * found[0], f"the loss does not fall: {found}")
    work = len(dataset.train_labels) // batch * batch
    kind = "hardened" if sigma_lrs else "conventional"
    return Comparison(
        name=f"{network.config.name}, {kind} training, {circuit}",
        # The first epoch of each compiles.
        ours=_timing(work, seconds[1:], peak),
        bare=_timing(work, bare_seconds[1:], None),
    )


def _timing(work: int, taken: list[np.ndarray], peak: int | None) -> Timing:
    wall, cpu = np.transpose(taken).tolist()
    return Timing(work=work, seconds=tuple(wall), cpu_seconds=tuple(cpu), peak=peak)
