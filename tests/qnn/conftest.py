import numpy as np
import pytest

from rram_jax.data.datasets import Dataset


def _part(rng, n):
    """Three kinds of noisy 8x8 pictures: a bright left, right or lower half."""
    labels = rng.integers(0, 3, n).astype(np.uint8)
    images = rng.integers(0, 120, (n, 8, 8), np.uint8)
    halves = np.s_[:, :4], np.s_[:, 4:], np.s_[4:, :]
    for image, label in zip(images, labels, strict=True):
        image[halves[label]] += 100
    return images, labels


@pytest.fixture(scope="session")
def toy() -> Dataset:
    """`make_toy`, once."""
    return make_toy()


def make_toy() -> Dataset:
    """A set that a few neurons learn in a second."""
    rng = np.random.default_rng(1)
    parts = [_part(rng, n) for n in (300, 60, 50)]
    return Dataset(
        name="toy",
        train_images=parts[0][0],
        train_labels=parts[0][1],
        validation_images=parts[1][0],
        validation_labels=parts[1][1],
        test_images=parts[2][0],
        test_labels=parts[2][1],
        sha256={},
    )
