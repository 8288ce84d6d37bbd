"""Whether a neuron's step stands above its own noise."""

from rram_jax.errors import InputError
from rram_jax.neuron.config import SLOTS, NeuronConfig, round_up


def check_noise(config: NeuronConfig, noise_rms: float) -> None:
    """Check that one step of the code is no smaller than the neuron's thermal noise.

    Args:
        config: The neurons; a step is v_full / 15.
        noise_rms: [V] At the input, over one conversion (`NeuronParams.noise_rms`).

    Raises:
        InputError: It is smaller. White noise falls with the square root of bias and
            slot, which gives the numbers that would do.
    """
    lsb = config.v_full / SLOTS
    if lsb >= noise_rms:
        return
    more = (noise_rms / lsb) ** 2
    raise InputError(
        f"At v_full = {1e3 * config.v_full:.3g} mV a step of {1e6 * lsb:.3g} uV is"
        f" below the neuron's noise of {1e6 * noise_rms:.3g} uV rms: take v_full >="
        f" {round_up(SLOTS * noise_rms)} V (fewer rows a layer), or i_bias >="
        f" {round_up(more * config.i_bias)} A with a neuron card of its own."
    )
