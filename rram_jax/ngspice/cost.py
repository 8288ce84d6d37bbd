"""What an image costs: energy over its multiplications, and time."""

from collections.abc import Mapping, Sequence

from rram_jax.neuron.config import SLOTS, NeuronConfig

DRIVERS = ("driver", "gate")
"""Blocks that drive rows: input buffers; pulse gates and the row drivers' gates."""


def energy_per_mac(
    by_block: Mapping[str, float], regulator_j: float, n_macs: int
) -> dict[str, float]:
    """[J] Energy of an image over its multiplications, counted four ways.

    Args:
        by_block: [J] As `decode.energy_by_block` gives it.
        regulator_j: [J] Of the arrays where linear regulators make their levels.
        n_macs: [-] `chip.config.count_macs`; one is two operations.
    """
    whole, array = sum(by_block.values()), by_block.get("array", 0.0)
    drivers = sum(by_block.get(name, 0.0) for name in DRIVERS)
    parts = {
        "without_array_and_drivers": whole - array - drivers,
        "without_array": whole - array,
        "all": whole,
        "all_from_regulator": whole - array + regulator_j,
    }
    return {name: joule / n_macs for name, joule in parts.items()}


def layer_instants(
    neurons: Sequence[NeuronConfig],
) -> tuple[tuple[float, float, float], ...]:
    """[s] Of each layer: start of integration, of the output pulses, and its end.

    From the start of the first integration on. A layer's output pulses are the next
    one's input, so layers overlap; the last end is the time of an image.
    """
    start, found = 0.0, []
    for config in neurons:
        pulse = start + (SLOTS + 1) * config.t_slot
        found.append((start, pulse, pulse + (SLOTS + 1) * config.t_slot))
        start = pulse
    (start, pulse, end), last = found[-1], neurons[-1]
    return (*found[:-1], (start, pulse, end + last.t_delay))
