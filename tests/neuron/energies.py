"""Energy laws as `experiments.energy_laws` fitted them."""

import functools
import tomllib
from pathlib import Path

from rram_jax.neuron.energy import EnergyLaws
from rram_jax.toml_file import check_record


@functools.cache
def fitted_laws() -> EnergyLaws:
    text = Path(__file__).with_name("energy.toml").read_text()
    return check_record(tomllib.loads(text)["energy"], EnergyLaws, "section energy")
