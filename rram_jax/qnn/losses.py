"""Losses of one batch on one chip, and of several chips together."""

import jax
import optax

from rram_jax.types import Array, Float, Integer

TEMPERATURE = 2.0
"""[-] Softens the teacher's and the student's answers alike."""


def classification_loss(
    logits: Float[Array, "batch outputs"],
    labels: Integer[Array, " batch"],
    teacher: Float[Array, "batch outputs"] | None,
    teacher_weight: float,
) -> Float[Array, ""]:
    """Cross-entropy [nat] with the labels, and with a teacher's softened answers.

    References:
        Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015,
        arXiv:1503.02531: the softened part counts by the squared temperature.
    """
    hard = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    if teacher is None:
        return hard
    wanted = jax.nn.softmax(teacher / TEMPERATURE)
    soft = optax.softmax_cross_entropy(logits / TEMPERATURE, wanted).mean()
    return (1 - teacher_weight) * hard + teacher_weight * TEMPERATURE**2 * soft


def mean_and_tail(
    losses: Float[Array, " chips"], tail_weight: float, tail_share: float
) -> Float[Array, ""]:
    """Mean over chips, with the mean over the worst of them (CVaR) by its weight.

    The tail is the `tail_share` of the chips with the largest losses, one at least.

    References:
        Rockafellar, Uryasev, "Optimization of conditional value-at-risk", Journal of
        Risk 2 (2000), 10.21314/JOR.2000.038.
    """
    n = max(1, round(tail_share * len(losses)))
    tail = jax.lax.top_k(losses, n)[0].mean()
    return (1 - tail_weight) * losses.mean() + tail_weight * tail
