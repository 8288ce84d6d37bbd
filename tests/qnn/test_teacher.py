import json
import shutil

import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.qnn.checkpoint import load_teacher, save_teacher, teacher_sha256
from rram_jax.qnn.config import TeacherConfig
from rram_jax.qnn.teacher import answers, teacher_of, train_teacher
from tests.helpers import is_one_sentence

CONFIG = TeacherConfig(hidden=(9, 7), data="toy", epochs=12, batch=30, seed=4)


@pytest.fixture(scope="module")
def arrays(toy):
    return train_teacher(CONFIG, toy)


@pytest.fixture
def folder(arrays, tmp_path):
    save_teacher(tmp_path, arrays)
    sizes = [len(arrays[0]), *(bias.size for bias in arrays[1::2])]
    metrics = {"sizes": sizes, "teacher_sha256": teacher_sha256(arrays)}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    return tmp_path


def test_it_learns(toy, arrays):
    assert [x.shape for x in arrays] == [(64, 9), (9,), (9, 7), (7,), (7, 3), (3,)]
    logits = answers(teacher_of(arrays), toy.test_images)
    assert (np.asarray(logits).argmax(1) == toy.test_labels).mean() > 0.7
    # By hand: pixels over 255, ReLUs between.
    x = toy.test_images.reshape(50, -1) / 255
    for k in (0, 2):
        x = np.maximum(x @ arrays[k] + arrays[k + 1], 0)
    np.testing.assert_allclose(logits, x @ arrays[4] + arrays[5], rtol=1e-3, atol=1e-3)


def test_same_configuration_same_teacher(toy, arrays):
    again = train_teacher(CONFIG, toy)
    assert teacher_sha256(again) == teacher_sha256(arrays)


def test_it_is_read_as_it_was_written(folder, arrays):
    found, metrics = load_teacher(folder)
    for ours, theirs in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    assert metrics["teacher_sha256"] == teacher_sha256(arrays)


def _alter(folder, **changes):
    file = folder / "metrics.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda f: (f / "metrics.json").unlink(), "no teacher"),
        (lambda f: shutil.rmtree(f / "teacher"), "no teacher"),
        (lambda f: _alter(f, sizes=[64, 9, 7, 4]), "another network"),
        (lambda f: _alter(f, sizes="large"), "tell a teacher's sizes"),
        (lambda f: _alter(f, sizes=[64, 10**9, 3]), "tell a teacher's sizes"),
        (lambda f: _alter(f, teacher_sha256="0"), "altered"),
    ],
)
def test_what_is_no_teacher(folder, spoil, told):
    spoil(folder)
    with pytest.raises(InputError, match=told) as error:
        load_teacher(folder)
    assert is_one_sentence(error.value)


@pytest.mark.parametrize("change", [{"hidden": ()}, {"hidden": (0,)}, {"epochs": 0}])
def test_teachers_that_cannot_be(change):
    with pytest.raises(InputError) as error:
        TeacherConfig(**change)
    assert is_one_sentence(error.value)
