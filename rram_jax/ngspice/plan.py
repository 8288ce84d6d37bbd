"""What to measure for a neuron card. Nothing here needs jax."""

from dataclasses import dataclass, replace
from itertools import pairwise

from rram_jax.errors import InputError
from rram_jax.neuron.cmos import load_cmos_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.technology import technology_of


@dataclass(frozen=True, kw_only=True)
class CharacterisePlan:
    """What a neuron card is measured for."""

    name: str = "gmc-130nm"
    """Name of the card."""

    v_full: tuple[float, ...] = (3e-3, 4.5e-3, 6.5e-3, 9e-3, 12e-3, 16e-3, 22e-3, 30e-3)
    """[V] Full scales, rising."""

    i_bias: float = 20e-6
    """[A] Tail current."""

    t_slot: float = 5e-9
    """[s] Slot."""

    swing: float = 0.45
    """[V] Swing of C_int at full scale."""

    output_clocks: int = 4
    """[-] Edges a slot of the counter behind the output kind's comparator."""

    shift_share: float = 0.3
    """[-] v_shift over v_full of the output kind."""

    a_vt: float = 4e-9
    """[V m] Pelgrom's coefficient."""

    n_train: int = 32
    """[-] Staircases of each fit."""

    n_test: int = 32
    """[-] Staircases held out, and mismatched neurons that check the slopes."""

    seed: int = 0
    """Of the staircases and of the mismatched neurons."""

    cmos: str = "cmos-130nm"
    """CMOS card."""

    corner: str = "tt"
    """One of its corners."""

    temperature: float = 27.0
    """[deg C]"""

    def __post_init__(self):
        if len(self.v_full) < 2 or any(a >= b for a, b in pairwise(self.v_full)):
            raise InputError(
                f"A card needs two or more rising full scales; got {self.v_full}."
            )
        if min(self.n_train, self.n_test) < 8:
            raise InputError(
                "A fit needs 8 staircases or more, and as many held out; got n_train ="
                f" {self.n_train}, n_test = {self.n_test}."
            )

    def check(self) -> None:
        """Check that all of its neurons can be built of its CMOS card.

        Raises:
            InputError: One cannot, or there is no such card.
        """
        for v_full in self.v_full:
            self.config("output", v_full)
            hidden = self.config("hidden", v_full)
            replace(hidden, clocks_per_slot=self.output_clocks)  # latches of the slopes

    def config(self, kind: str, v_full: float) -> NeuronConfig:
        """The neurons of a kind: `hidden` or `output`."""
        output = kind == "output"
        return NeuronConfig(
            v_full=v_full,
            v_shift=self.shift_share * v_full if output else 0.0,
            t_slot=self.t_slot,
            i_bias=self.i_bias,
            swing=self.swing,
            clocks_per_slot=self.output_clocks if output else 1,
            asynchronous=output,
            technology=technology_of(load_cmos_card(self.cmos)),
        )
