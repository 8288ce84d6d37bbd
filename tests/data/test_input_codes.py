import numpy as np
import pytest

from rram_jax.data import input_codes
from rram_jax.errors import InputError


def _picture(side: int, n: int = 3) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (n, side, side), np.uint8)


def test_all_bytes():
    # A code is 17 wide: 8/17 rounds down, 9/17 up, and so on to 246/17 and 247/17.
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    codes = input_codes(ramp, 256)[0]
    steps = np.flatnonzero(np.diff(codes)) + 1
    assert steps.tolist() == [9 + 17 * k for k in range(15)]
    assert codes[0] == 0
    assert codes[-1] == 15


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ([0, 0, 0, 0], 0),
        ([255, 255, 255, 255], 15),
        ([33, 0, 0, 0], 0),  # mean 8.25, code 0.485
        ([34, 0, 0, 0], 1),  # mean 8.5, code exactly 0.5: up
        ([8, 8, 9, 9], 1),
        ([8, 8, 8, 9], 0),
        ([255, 51, 0, 0], 5),  # mean 76.5, code exactly 4.5: up
        ([255, 50, 0, 0], 4),
        ([246, 246, 247, 247], 15),  # mean 246.5, code exactly 14.5: up
        ([246, 246, 246, 247], 14),
    ],
)
def test_mean_of_a_block(block, code):
    # Side 6 holds a 3x3 picture of blocks; this is the one in its row 0, column 2.
    image = np.zeros((1, 6, 6), np.uint8)
    image[0, :2, 4:] = np.reshape(block, (2, 2))
    assert input_codes(image, 9).tolist() == [[0, 0, code, 0, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("n_inputs", "margin", "block"),
    [(144, 2, 2), (196, 0, 2), (400, 4, 1), (576, 2, 1), (784, 0, 1)],
)
def test_against_the_formula(n_inputs, margin, block):
    images = _picture(28)
    codes = input_codes(images, n_inputs)
    side = (28 - 2 * margin) // block
    assert codes.dtype == np.uint8
    assert codes.shape == (3, n_inputs)
    # Another order of work: pixel by pixel, in fractions of 4 * 255 exact in float64.
    for row, column in [(0, 0), (0, side - 1), (side - 1, 0), (3, 7), (7, 3)]:
        top, left = margin + block * row, margin + block * column
        mean = images[:, top : top + block, left : left + block].mean(axis=(1, 2))
        expected = np.floor((15 * mean + 127.5) / 255)
        np.testing.assert_array_equal(codes[:, side * row + column], expected)


@pytest.mark.parametrize(
    ("n_inputs", "border"), [(144, 2), (196, 0), (400, 4), (576, 2), (784, 0)]
)
def test_border_is_cut_and_no_more(n_inputs, border):
    image = np.full((1, 28, 28), 255, np.uint8)
    image[:, border : 28 - border, border : 28 - border] = 0
    assert not input_codes(image, n_inputs).any()
    ring = np.zeros((1, 28, 28), np.uint8)
    ring[:, border, border : 28 - border] = 255
    assert input_codes(ring, n_inputs).any()


def test_other_image_sides():
    # 32x32: 196 inputs are the means of the central 28x28, 784 its pixels.
    images = _picture(32)
    inner = images[:, 2:30, 2:30]
    for n_inputs in (196, 784):
        np.testing.assert_array_equal(
            input_codes(images, n_inputs), input_codes(inner, n_inputs)
        )
    odd = _picture(5)
    np.testing.assert_array_equal(input_codes(odd, 9), input_codes(odd[:, 1:4, 1:4], 9))


@pytest.mark.parametrize("n_inputs", [1, 4, 144, 196, 256, 784])
def test_no_image(n_inputs):
    assert input_codes(np.zeros((0, 28, 28), np.uint8), n_inputs).shape == (0, n_inputs)


@pytest.mark.parametrize(
    ("n_inputs", "nearest"),
    [
        (150, "144 or 169"),
        (225, "196 or 256"),  # 15 is odd: no central crop of pixels
        (200, "196 or 256"),
        (900, "784"),
        (0, "1"),
        (-4, "1"),
    ],
)
def test_sizes_that_do_not_fit(n_inputs, nearest):
    with pytest.raises(InputError, match=f"n_inputs={n_inputs} .* {nearest}\\.$"):
        input_codes(_picture(28), n_inputs)


def test_images_that_are_not_square():
    with pytest.raises(InputError, match="28x27"):
        input_codes(np.zeros((2, 28, 27), np.uint8), 144)
