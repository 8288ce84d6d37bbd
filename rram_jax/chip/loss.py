"""The expected loss of a network over sampled chips, differentiable in device and read.

Sampling is reparametrised, so a gradient in a median, a spread or the read voltage is
that of the same chips. Through the codes of the hidden layers the gradient is the
straight-through one (`numerics.straight_through`), as in training.
"""

import jax
import jax.numpy as jnp

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.program import surrogate_chip
from rram_jax.chip.surrogate import NOISE, logits, run_network
from rram_jax.device.card import DeviceParams
from rram_jax.types import Array, Float, Integer, JaxKey


def expected_loss(
    device: DeviceParams,
    v_read: Float[Array, ""],
    keys: JaxKey[Array, " chips"],
    codes: Float[Array, "batch inputs"],
    labels: Integer[Array, " batch"],
    design: NetworkDesign,
    circuit: str = "map",
    wires: str = "map",
) -> Float[Array, ""]:
    """Mean cross-entropy [nat] over chips and images.

    Args:
        device: Medians and spreads.
        v_read: [V] Row swing; the full scales stay as designed.
        keys: One a chip (`chip.sample.chip_key`).
        codes: Input codes, 0 to 15.
        labels: Right answers.
        design: The network's circuit.
        circuit: One of `chip.config.CIRCUITS`.
        wires: One of `chip.config.WIRES`; through exact ones in reverse mode only.

    Raises:
        InputError: There are no such names, or they do not suit the design.
    """
    design.check(circuit, wires)

    def of_chip(key):
        chip = surrogate_chip(key, design, device, circuit, wires=wires)
        noise = jax.random.fold_in(key, NOISE) if circuit == "full" else None
        position = run_network(chip, codes, design, v_read, circuit, noise)
        log_share = jax.nn.log_softmax(logits(position, design))
        return -jnp.take_along_axis(log_share, labels[:, None], 1).mean()

    # Recomputed in the backward pass: memory does not grow with the chips.
    return jax.lax.map(jax.checkpoint(of_chip), keys).mean()
