"""Small random rotations, zooms and shifts of training images."""

import numpy as np
from jaxtyping import Float, UInt8

from rram_jax.errors import InputError

_CHUNK = 16
"""[-] Images warped at a time: above 128 KB an array is mapped anew at every step."""


def augment(
    rng: np.random.Generator,
    images: UInt8[np.ndarray, "n height width"],
    *,
    rotation_deg: float = 7.0,
    scale: float = 0.06,
    shift_px: float = 1.0,
) -> UInt8[np.ndarray, "n height width"]:
    """Warp each image by a rotation, a zoom and a shift of its own.

    One draw is four uniform numbers an image, all taken from `rng` before anything is
    computed: equal states of `rng` give equal images.

    Args:
        rng: Source of the draws.
        images: One byte a pixel, on black.
        rotation_deg: [degree] Largest angle, either way.
        scale: [-] Largest departure of the zoom from 1, either way.
        shift_px: [pixel] Largest shift along each axis, either way; fractions occur.

    Returns:
        New images of the same shape.

    Raises:
        InputError: If a size is negative, or a zoom could reach 0.
    """
    if not (rotation_deg >= 0 and 0 <= scale < 1 and shift_px >= 0):
        raise InputError(
            "Augmentation needs rotation_deg >= 0, 0 <= scale < 1 and shift_px >= 0; "
            f"got {rotation_deg:g}, {scale:g} and {shift_px:g}."
        )
    draw = rng.uniform(-1.0, 1.0, (len(images), 4))
    return warp(
        images,
        rotation=np.deg2rad(rotation_deg) * draw[:, 0],
        zoom=1 + scale * draw[:, 1],
        shift=shift_px * draw[:, 2:],
    )


def warp(
    images: UInt8[np.ndarray, "n height width"],
    *,
    rotation: Float[np.ndarray, " n"],
    zoom: Float[np.ndarray, " n"],
    shift: Float[np.ndarray, "n 2"],
) -> UInt8[np.ndarray, "n height width"]:
    """Rotate and zoom images about their centre, then shift them.

    Bilinear between pixel centres, black outside, rounded to the nearest byte.

    Args:
        images: One byte a pixel.
        rotation: [rad] Anticlockwise as the image is looked at, first row on top.
        zoom: [-] Above 1 the picture grows.
        shift: [pixel] Down and to the right.
    """
    warped = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        warped[part] = _warp_chunk(
            images[part],
            rotation[part, None, None],
            zoom[part, None, None],
            shift[part, :, None, None],
        )
    return warped


def _warp_chunk(images, rotation, zoom, shift):
    n, height, width = images.shape
    # Each pixel of the result asks where in the source it comes from.
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y = (np.arange(height)[:, None] - middle_y - shift[:, 0]).astype(np.float32)
    x = (np.arange(width)[None, :] - middle_x - shift[:, 1]).astype(np.float32)
    cos = (np.cos(rotation) / zoom).astype(np.float32)
    sin = (np.sin(rotation) / zoom).astype(np.float32)
    from_y = cos * y + (sin * x + np.float32(middle_y))
    from_x = cos * x - (sin * y - np.float32(middle_x))

    # A black frame spares the case distinctions: what lies outside lands on it. It is
    # one pixel wide before the picture and two behind, for the neighbour at +1.
    framed = np.pad(images, ((0, 0), (1, 2), (1, 2)))
    n_row, n_image = framed.shape[2], framed.shape[1] * framed.shape[2]
    from_y = np.clip(from_y + 1, 0, height + 1)
    from_x = np.clip(from_x + 1, 0, width + 1)
    # Kept as float32: an integer array would turn all that follows into float64.
    row, column = np.floor(from_y), np.floor(from_x)
    below, right = from_y - row, from_x - column

    corner = (row * n_row + column).astype(np.intp)
    corner += n_image * np.arange(n)[:, None, None]
    pixels = framed.astype(np.float32).reshape(-1)
    top_left, top_right = pixels.take(corner), pixels.take(corner + 1)
    low_left, low_right = pixels.take(corner + n_row), pixels.take(corner + n_row + 1)
    top = top_left + right * (top_right - top_left)
    low = low_left + right * (low_right - low_left)
    return np.floor(top + below * (low - top) + np.float32(0.5)).astype(np.uint8)
