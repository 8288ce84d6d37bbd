"""`rram-jax neuron`: its transistors, its card, and its conversions in ngspice."""

from pathlib import Path

from rram_jax.commands.config_parts import NeuronCommand
from rram_jax.commands.neuron_characterise import characterise_neuron
from rram_jax.commands.neuron_transistors import transistors
from rram_jax.commands.neuron_verify import verify


def neuron(config: NeuronCommand) -> Path:
    """Do what the record asks for; returns the results' folder.

    Raises:
        InputError: A card, the data or the folder does not serve.
        NgspiceError: A run failed.
    """
    actions = {
        "transistors": transistors,
        "characterise": characterise_neuron,
        "verify": verify,
    }
    return actions[config.action](config)
