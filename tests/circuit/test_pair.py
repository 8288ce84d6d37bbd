import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.pair import (
    cells_of,
    interleave,
    signed_transfer,
    split,
    weights_of,
)

WEIGHTS = jnp.asarray([[1, -1, 0], [-1, -1, 1]])


def test_layout_by_hand():
    # Rows 2i and 2i + 1 of input i; off pairs have no cell in the low state.
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    np.testing.assert_array_equal(cells_of(WEIGHTS), np.array(expected, bool))


def test_back_and_forth():
    np.testing.assert_array_equal(weights_of(cells_of(WEIGHTS)), WEIGHTS)
    positive, negative = jnp.arange(6.0).reshape(2, 3), -jnp.arange(6.0).reshape(2, 3)
    rows = interleave(positive, negative)
    assert rows.shape == (4, 3)
    back = split(rows)
    np.testing.assert_array_equal(back[0], positive)
    np.testing.assert_array_equal(back[1], negative)


def test_signed_transfer_is_the_answer_to_a_pair_driven_apart():
    transfer = jnp.asarray([[0.25, 0.5], [0.125, 0.75], [1.0, 0.0], [0.5, 2.0]])
    # Input 0 at code 2 and input 1 at code 3: its rows at +2, -2, +3, -3.
    answer = jnp.asarray([2.0, -2.0, 3.0, -3.0]) @ transfer
    signed = jnp.asarray([2.0, 3.0]) @ signed_transfer(transfer)
    np.testing.assert_array_equal(signed, answer)
    np.testing.assert_array_equal(signed_transfer(transfer)[0], [0.125, -0.25])
