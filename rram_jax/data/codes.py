"""From 8-bit images to the 4-bit codes that drive the first layer's rows."""

import math

import numpy as np
from jaxtyping import UInt8

from rram_jax.errors import InputError

WHITE_CODE = 15
"""[-] Code of a pixel of 255."""


def input_codes(
    images: UInt8[np.ndarray, "n height width"], n_inputs: int
) -> UInt8[np.ndarray, "n inputs"]:
    """Crop, shrink and round images to codes 0..15.

    ``code = floor(15 * p / 255 + 0.5)``, with p a pixel or the mean of a 2x2 block, in
    exact integer arithmetic. The side of the coded picture is ``s = sqrt(n_inputs)``:
    where the image holds ``2s x 2s`` pixels, its centre of that size is taken as 2x2
    means, else its central ``s x s`` pixels. For images of 28x28:

    ======== ==================================
    n_inputs what is coded
    ======== ==================================
    144      central 24x24, 2x2 means
    196      all, 2x2 means
    400      central 20x20
    576      central 24x24
    784      all
    ======== ==================================

    Args:
        images: Square images, one byte a pixel.
        n_inputs: [-] Inputs of the network.

    Returns:
        Codes, row after row of the picture.

    Raises:
        InputError: If the images are not square, or no central crop has `n_inputs`.
    """
    n, height, width = images.shape
    if height != width:
        raise InputError(
            f"The images are {height}x{width} pixels; only square images can be coded."
        )
    if not _fits(n_inputs, height):
        sizes = [s * s for s in range(1, height + 1) if _fits(s * s, height)]
        below = [str(size) for size in sizes if size < n_inputs][-1:]
        above = [str(size) for size in sizes if size > n_inputs][:1]
        nearest = " or ".join(below + above) or "none"
        raise InputError(
            f"n_inputs={n_inputs} does not fit images of {height}x{width} pixels: it "
            f"must be the size of a central square, the nearest is {nearest}."
        )
    side = math.isqrt(n_inputs)
    block = _block(side, height)
    margin = (height - block * side) // 2
    crop = images[:, margin : height - margin, margin : width - margin]
    total = crop.reshape(n, side, block, side, block).sum(axis=(2, 4), dtype=np.uint16)
    # 15 * p / 255 + 1/2 with p = total / block**2, over one denominator.
    one_code = block**2 * 255 // WHITE_CODE
    codes = (2 * total + one_code) // (2 * one_code)
    return codes.reshape(n, n_inputs).astype(np.uint8)


def _block(side: int, image_side: int) -> int:
    """Side of the block of pixels that is averaged."""
    return 2 if 2 * side <= image_side else 1


def _fits(n_inputs: int, image_side: int) -> bool:
    side = math.isqrt(max(n_inputs, 0))
    margins = image_side - _block(side, image_side) * side
    return n_inputs > 0 and side**2 == n_inputs and margins >= 0 and margins % 2 == 0
