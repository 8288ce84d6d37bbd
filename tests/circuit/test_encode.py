import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.encode import SLOTS, slots_on


def test_codes_drive_their_first_slots():
    on = np.asarray(slots_on(jnp.asarray([[0.0, 3.0], [15.0, 14.0]])))
    assert on.shape == (2, 2, SLOTS)
    np.testing.assert_array_equal(on[0, 0], np.zeros(15))
    np.testing.assert_array_equal(on[0, 1], [1] * 3 + [0] * 12)
    np.testing.assert_array_equal(on[1, 0], np.ones(15))
    np.testing.assert_array_equal(on[1, 1], [1] * 14 + [0])


def test_a_pulse_off_by_a_fraction_fills_a_part_of_one_slot():
    on = np.asarray(slots_on(jnp.asarray([3.25, 2.75, -0.5, 15.5])))
    np.testing.assert_array_equal(on[0, :5], [1, 1, 1, 0.25, 0])
    np.testing.assert_array_equal(on[1, :5], [1, 1, 0.75, 0, 0])
    np.testing.assert_array_equal(on.sum(-1), [3.25, 2.75, 0.0, 15.0])
