"""A float network of the same images, whose answers a quantised one learns from."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import UInt8

from rram_jax.data.augment import augment
from rram_jax.data.datasets import Dataset
from rram_jax.qnn.config import TeacherConfig
from rram_jax.types import Array, Float, Key

DROPOUT = 0.2
"""[-] Share of a hidden layer that a training step leaves out."""

IMAGES_PER_BLOCK = 1000
"""[-] Images that are answered at a time."""


class Teacher(nnx.Module):
    """Multi-layer perceptron in float32 on the pixels, with ReLUs and dropout."""

    def __init__(self, sizes: tuple[int, ...], *, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(sizes)]
        )

    def __call__(
        self, pixels: Float[Array, "batch pixels"], key: Key | None = None
    ) -> Float[Array, "batch outputs"]:
        """Logits of pixels from 0 to 1; `key` makes the dropout, None none."""
        x, last = pixels, len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            x = layer(x)
            if k < last:
                x = jax.nn.relu(x)
                if key is not None:
                    kept = jax.random.bernoulli(
                        jax.random.fold_in(key, k), 1 - DROPOUT, x.shape
                    )
                    x = jnp.where(kept, x / (1 - DROPOUT), 0.0)
        return x


def train_teacher(
    config: TeacherConfig,
    dataset: Dataset,
    on_epoch: Callable[[int, float, float], None] = lambda epoch, loss, accuracy: None,
) -> list[np.ndarray]:
    """Train a teacher: its kernels and biases, layer by layer."""
    n_outputs = int(max(dataset.train_labels.max(), dataset.validation_labels.max()))
    sizes = (dataset.train_images[0].size, *config.hidden, n_outputs + 1)
    graph, params = nnx.split(Teacher(sizes, rngs=nnx.Rngs(params=config.seed)))
    labels = jnp.asarray(dataset.train_labels, jnp.int32)
    steps = len(labels) // config.batch
    optimiser = optax.adam(
        optax.cosine_decay_schedule(config.learning_rate, steps * config.epochs)
    )
    state, key = (params, optimiser.init(params)), jax.random.key(config.seed)
    for epoch in range(config.epochs):
        rng = np.random.default_rng([config.seed, epoch])
        images = dataset.train_images
        if config.augment:
            images = augment(rng, images)
        order = rng.permutation(len(labels))[: steps * config.batch]
        state, loss = _run_epoch(
            graph,
            optimiser,
            state,
            jnp.asarray(images.reshape(len(images), -1)),
            labels,
            jnp.asarray(order.reshape(steps, config.batch), jnp.int32),
            jax.random.fold_in(key, epoch),
        )
        logits = answers(nnx.merge(graph, state[0]), dataset.validation_images)
        right = np.asarray(logits).argmax(-1) == dataset.validation_labels
        on_epoch(epoch + 1, float(loss), float(right.mean()))
    return [np.asarray(x[...]) for x in _params(nnx.merge(graph, state[0]))]


def teacher_of(arrays: Sequence[np.ndarray]) -> Teacher:
    """The teacher of kernels and biases, layer by layer."""
    sizes = (arrays[0].shape[0], *(bias.size for bias in arrays[1::2]))
    model = Teacher(sizes, rngs=nnx.Rngs(params=0))
    for param, array in zip(_params(model), arrays, strict=True):
        param[...] = jnp.asarray(array)
    return model


def _params(model: Teacher) -> list[nnx.Param]:
    """Kernel and bias of every layer."""
    pairs = [(layer.kernel, layer.bias) for layer in model.layers]
    return [param for pair in pairs for param in pair if param is not None]


def answers(
    model: Teacher, images: UInt8[np.ndarray, "n height width"]
) -> Float[Array, "n outputs"]:
    """Logits of images, bytes from black to white."""
    graph, params = nnx.split(model)
    pixels = images.reshape(len(images), -1)
    blocks = [
        _logits(graph, params, jnp.asarray(pixels[k : k + IMAGES_PER_BLOCK]))
        for k in range(0, len(pixels), IMAGES_PER_BLOCK)
    ]
    return jnp.concatenate(blocks)


@partial(jax.jit, static_argnames="graph")
def _logits(graph, params, pixels):
    return nnx.merge(graph, params)(pixels.astype(jnp.float32) / 255)


@partial(jax.jit, static_argnames=("graph", "optimiser"), donate_argnames="state")
def _run_epoch(graph, optimiser, state, pixels, labels, order, key):
    def loss_of(params, x, y, key):
        logits = nnx.merge(graph, params)(x.astype(jnp.float32) / 255, key)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def step(state, item):
        (params, moments), (index, k) = state, item
        loss, gradient = jax.value_and_grad(loss_of)(
            params, pixels[index], labels[index], jax.random.fold_in(key, k)
        )
        update, moments = optimiser.update(gradient, moments, params)
        return (optax.apply_updates(params, update), moments), loss

    state, losses = jax.lax.scan(step, state, (order, jnp.arange(len(order))))
    return state, losses.mean()
