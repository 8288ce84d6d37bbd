"""Energy laws of the packaged card."""

from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.energy import EnergyLaws


def fitted_laws() -> EnergyLaws:
    return load_neuron_card().energy
