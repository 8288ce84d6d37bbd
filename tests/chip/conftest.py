import pytest

from rram_jax.chip.config import CircuitConfig
from rram_jax.circuit.config import TileConfig
from tests.helpers import neuron_card, write_card


@pytest.fixture(scope="session")
def circuit(tmp_path_factory) -> CircuitConfig:
    """Perfect neurons behind small tiles of thin wires."""
    path = write_card(neuron_card(), tmp_path_factory.mktemp("cards"))
    tile = TileConfig(rows=4, cols=4, r_wire_sl=30.0, r_wire_bl=70.0, r_strap=20.0)
    return CircuitConfig(neuron_card=path, tile=tile)
