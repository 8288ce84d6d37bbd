"""What every tier simulates, and how its answers are judged."""

import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.ngspice.compare import codes_before, end_to_end
from rram_jax.ngspice.trials import Trials
from tests.helpers import is_one_sentence
from tests.ngspice.networks import CODES, LABELS, small_design, trials_of


@pytest.fixture(scope="module")
def design():
    return small_design()


def test_answers_find_their_chip_and_image(design):
    """The surrogate's own codes, so that each row has to agree with its own chip."""
    trials = trials_of(design, [2, 0, 1], chips=[3, 0], seed=4)
    hidden, counts = [], []
    for exact in trials.exact:
        hidden.append(codes_before(design, exact, trials.taken)[1].astype(int))
        counts.append(end_to_end(design, exact, trials.taken))
    # Chips and images are told apart, or nothing below says anything.
    answers = np.concatenate([hidden, counts], axis=2).reshape(6, -1)
    assert len(np.unique(answers, axis=0)) == 6
    rows, comparisons = trials.judge([np.array(hidden), np.array(counts)])
    pairs = [(chip, image) for chip in (3, 0) for image in (2, 0, 1)]
    assert [(row["chip"], row["image"]) for row in rows] == pairs
    assert [row["label"] for row in rows] == [LABELS[image] for _, image in pairs]
    for n, row in enumerate(rows):
        assert row["counts"] == counts[n // 3][n % 3].tolist()
        assert row["counts"] == row["counts_surrogate_end_to_end"]
        assert row["winner_spice"] == row["winner_surrogate"]
    for layer in [layer for image in comparisons for layer in image]:
        np.testing.assert_array_equal(layer.spice, layer.surrogate)


def test_what_programming_did_is_told_of_each_chip(design):
    trials = trials_of(design, [1], chips=[2, 5])
    assert all(told.keys() == {2, 5} for told in trials.programming.values())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"images": [0, 4]}, r"images must be .* below 4; got \(0, 4\)"),
        ({"images": [-1]}, "images must be"),
        ({"images": []}, "images must be one or more"),
        ({"images": [1, 1]}, "images must differ"),
        ({"chips": []}, "chips must be one or more numbers from 0 on; got"),
        ({"chips": [0, -2]}, "chips must be"),
        ({"array": "cell"}, "array must be one of"),
        ({"codes": CODES[:, :7]}, r"8 inputs .* their shape is \(4, 7\)"),
    ],
)
def test_trials_that_cannot_be_meant(design, settings, words):
    fitting = {"codes": CODES[:, :8], "labels": LABELS, "images": [0]}
    with pytest.raises(InputError, match=words) as caught:
        Trials(design=design, **(fitting | settings))
    assert is_one_sentence(caught.value)
