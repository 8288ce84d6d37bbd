"""The operating points for which a neuron card's laws hold."""

from dataclasses import dataclass

from rram_jax.errors import InputError
from rram_jax.neuron.config import NeuronConfig


@dataclass(frozen=True, kw_only=True)
class Box:
    """Operating points for which the laws hold: smallest and largest values."""

    i_bias: tuple[float, float]
    """[A] Tail current."""

    t_slot: tuple[float, float]
    """[s] Slot."""

    v_full: tuple[float, float]
    """[V] Full scale."""

    swing: tuple[float, float]
    """[V] Swing of C_int at full scale."""

    c_int: float
    """[F] Smallest integration capacitor."""

    def check(self, config: NeuronConfig, name: str):
        """Check that the laws of card `name` hold for these neurons.

        Raises:
            InputError: Says what is outside, and which value would be inside.
        """
        fields = ("i_bias", "t_slot", "v_full", "swing")
        self.check_values(name, **{field: getattr(config, field) for field in fields})
        if config.c_int < self.c_int * (1 - 1e-6):
            wanted = config.t_slot * (
                (self.c_int + config.c_total - config.c_int) / config.c_total
            )
            raise InputError(
                f"Neuron card {name!r} holds down to C_int = {self.c_int:g} F, and the"
                f" neuron has {config.c_int:.3g} F: with t_slot = {wanted:.3g} s (or"
                " v_full raised, or swing lowered, by as much) it would do."
            )

    def check_values(self, name: str, **values: float):
        """Check some values by the names of the ranges; see `check`."""
        for field, value in values.items():
            low, high = getattr(self, field)
            if not low * (1 - 1e-6) <= value <= high * (1 + 1e-6):
                unit = {"i_bias": "A", "t_slot": "s"}.get(field, "V")
                raise InputError(
                    f"Neuron card {name!r} holds for {field} from {low:g} to {high:g}"
                    f" {unit}, and the neuron has {value:g} {unit}: take"
                    f" {min(max(value, low), high):g} {unit} or measure a card of its"
                    " own."
                )
