"""Small IDX files, good and bad."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest


def idx_bytes(array: np.ndarray) -> bytes:
    """Write the format out from its description, independently of the reader."""
    magic = bytes([0, 0, 8, array.ndim])
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def write_idx():
    def write(path: Path, array: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = idx_bytes(array)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write


@pytest.fixture
def write_set(write_idx):
    """Write the four files of a set; keywords replace an array, None leaves it out."""

    def write(folder: Path, *, suffix: str = "", side: int = 28, **replaced) -> Path:
        rng = np.random.default_rng(5)
        arrays = {
            "train-images": rng.integers(0, 256, (40, side, side), np.uint8),
            "train-labels": (np.arange(40) % 10).astype(np.uint8),
            "t10k-images": rng.integers(0, 256, (7, side, side), np.uint8),
            "t10k-labels": (np.arange(7) % 3).astype(np.uint8),
        } | {key.replace("_", "-"): array for key, array in replaced.items()}
        for stem, array in arrays.items():
            if array is not None:
                n_dims = 3 if stem.endswith("images") else 1
                write_idx(folder / f"{stem}-idx{n_dims}-ubyte{suffix}", array)
        return folder

    return write
