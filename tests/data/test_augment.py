import importlib

import numpy as np
import pytest

from rram_jax.data import augment, load_dataset
from rram_jax.data.augment import warp
from rram_jax.errors import InputError

HEIGHT, WIDTH = 9, 6


def _images(n: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    rng = np.random.default_rng(17)
    return rng.integers(0, 256, (n, height, width), np.uint8)


def _warp(images, rotation=0.0, zoom=1.0, shift=(0.0, 0.0)):
    n = len(images)
    return warp(
        images,
        rotation=np.full(n, rotation),
        zoom=np.full(n, zoom),
        shift=np.full((n, 2), shift, float),
    )


def test_nothing_moves():
    images = _images(40)  # more than one chunk, the last one not full
    np.testing.assert_array_equal(_warp(images), images)
    rng = np.random.default_rng(0)
    still = augment(rng, images, rotation_deg=0.0, scale=0.0, shift_px=0.0)
    np.testing.assert_array_equal(still, images)


@pytest.mark.parametrize(("down", "right"), [(2, 0), (0, 1), (-1, 3), (-9, 0)])
def test_whole_shift(down, right):
    images = _images(3)
    framed = np.pad(images, ((0, 0), (9, 9), (9, 9)))
    expected = framed[:, 9 - down : 18 - down, 9 - right : 15 - right]
    np.testing.assert_array_equal(_warp(images, shift=(down, right)), expected)


def test_fraction_of_a_pixel_by_hand():
    image = np.zeros((1, 3, 4), np.uint8)
    image[0, 1, 2] = 200
    moved = _warp(image, shift=(0.25, -0.5))[0]
    # A quarter goes down, a half goes left: 200 * 3/4 * 1/2 = 75, 200 * 1/4 * 1/2 = 25.
    assert moved.tolist() == [[0, 0, 0, 0], [0, 75, 75, 0], [0, 25, 25, 0]]


def test_halves_are_rounded_up():
    image = np.full((1, 1, 3), 101, np.uint8)
    assert _warp(image, shift=(0.0, 0.5)).tolist() == [[[51, 101, 101]]]


def test_light_leaves_over_the_edge():
    image = np.full((1, 3, 4), 100, np.uint8)
    # Every border falls off linearly to black one pixel outside, all four alike.
    assert _warp(image, shift=(0.5, 0.0))[0, :, 0].tolist() == [50, 100, 100]
    assert _warp(image, shift=(-0.5, 0.0))[0, :, 0].tolist() == [100, 100, 50]
    assert _warp(image, shift=(0.0, 0.5))[0, 0].tolist() == [50, 100, 100, 100]
    assert _warp(image, shift=(0.0, -0.5))[0, 0].tolist() == [100, 100, 100, 50]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns(quarters):
    images = _images(20, 7, 7)
    turned = _warp(images, rotation=quarters * np.pi / 2)
    expected = np.rot90(images, quarters, axes=(1, 2))
    # cos(pi/2) is 4e-8 in float32, times 255 levels and 3 pixels: far below one half.
    np.testing.assert_array_equal(turned, expected)


def test_zoom_of_two():
    image = np.zeros((1, 5, 7), np.uint8)
    image[0, 1:4, 2:5] = [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    grown = _warp(image, zoom=2.0)[0]
    np.testing.assert_array_equal(grown[::2, 1::2], image[0, 1:4, 2:5])
    assert grown[1, 2] == 30  # the mean of 10, 20, 40 and 50


def test_each_image_has_its_own_warp():
    images = np.repeat(_images(1), 40, axis=0)
    down = np.arange(40) % 5 - 2.0
    shift = np.stack([down, np.zeros(40)], axis=1)
    moved = warp(images, rotation=np.zeros(40), zoom=np.ones(40), shift=shift)
    for index in (0, 1, 2, 17, 39):
        alone = _warp(images[:1], shift=(down[index], 0.0))[0]
        np.testing.assert_array_equal(moved[index], alone)


def test_state_of_the_generator_decides():
    images = _images(50)
    rng = np.random.default_rng(3)
    first, second = augment(rng, images), augment(rng, images)
    np.testing.assert_array_equal(first, augment(np.random.default_rng(3), images))
    assert (first != second).any()
    assert first.dtype == np.uint8


def test_draws_stay_inside_their_limits(monkeypatch):
    seen = {}

    def record(images, **kwargs):
        seen.update(kwargs)
        return images

    # As an attribute of the package, `augment` is the function and not the module.
    module = importlib.import_module("rram_jax.data.augment")
    monkeypatch.setattr(module, "warp", record)
    rng = np.random.default_rng(11)
    augment(rng, _images(2000), rotation_deg=9.0, scale=0.1, shift_px=1.5)
    limits = {
        "rotation": (-np.deg2rad(9), np.deg2rad(9)),
        "zoom": (0.9, 1.1),
        "shift": (-1.5, 1.5),
    }
    for name, (low, high) in limits.items():
        # 2000 uniform draws leave more than 2 % of the range unused at one end with a
        # probability of 0.98**2000 = 3e-18.
        margin = 0.02 * (high - low)
        assert low <= seen[name].min() < low + margin
        assert high - margin < seen[name].max() <= high
    assert abs(np.corrcoef(seen["shift"].T)[0, 1]) < 5 / np.sqrt(2000)  # 5 sigma


def test_digits_keep_their_light():
    images = load_dataset().train_images[:500]
    warped = augment(np.random.default_rng(1), images)
    # The zoom is symmetric in length: its mean square is 1 + 0.06**2 / 3, so 0.1 %
    # too much light; sd of one image 7 %, of 500 0.3 %.
    assert warped.mean() == pytest.approx(images.mean(), rel=0.015)
    assert (warped != images).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    "wrong",
    [{"rotation_deg": -1.0}, {"scale": 1.0}, {"scale": -0.1}, {"shift_px": np.nan}],
)
def test_limits_that_make_no_sense(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        augment(np.random.default_rng(0), _images(2), **wrong)
