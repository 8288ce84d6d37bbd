"""What a user chooses about a training run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rram_jax.chip.config import (
    CircuitConfig,
    NetworkConfig,
    check_circuit,
    check_seed,
)
from rram_jax.errors import InputError

MAX_DRAWS = 1000
"""[-] Chips a batch: one after the other, so that memory does not grow with them."""

MAX_HIDDEN = 10_000
"""[-] Neurons of a teacher's hidden layer."""

MAX_EPOCHS = 10_000
"""[-] Steps are counted in 32 bits, and MNIST with a batch of 1 has 60,000 an epoch."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Shape and strategy."""

    data: str = "mnist5k"
    """Data set: mnist5k, mnist, fashion-mnist or a folder of IDX files."""

    device: str = "bench-r10"
    """Preset or path of the device card: HRS, tails and stuck cells of the training."""

    circuit: Literal["ideal", "map", "full"] = "map"
    """What training sees besides cells: ideal wires and neurons; wires and drivers;
    also neurons with mismatch and noise, and random telegraph noise."""

    design: CircuitConfig = field(default_factory=CircuitConfig)
    """Tiles, wires, read levels and neuron card of that circuit."""

    sigma_lrs: float = 0.0
    """[-] Spread of ln R_LRS to harden against; 0 trains conventionally, without any
    spread."""

    sigma_lrs_max: float | None = None
    """[-] Mixed spreads from sigma_lrs to this: every example has its own, or with
    spread = cells every chip."""

    spread: Literal["noise", "cells"] = "noise"
    """noise: on each sum, fresh for every example; cells: whole chips, drawn cell by
    cell for every batch."""

    draws: int = 1
    """[-] Chips a batch."""

    tail_weight: float = 0.0
    """[-] Weight, 0 to 1, of the worst chips of a batch (CVaR) beside the mean."""

    tail_share: float = 0.25
    """[-] Share of a batch's chips that count as the worst."""

    worst_distance: float = 0.0
    """[-] Train on the chip at this distance in the direction in which the loss grows
    fastest, in standard deviations; 0 for none."""

    teacher: Path | None = None
    """Folder of a finished `rram-jax teacher` run, whose answers are learned too."""

    teacher_weight: float = 0.8
    """[-] Weight, 0 to 1, of the teacher's answers beside the labels."""

    epochs: int = 40
    """[-] Passes over the training images."""

    batch: int = 100
    """[-] Images a step."""

    learning_rate: float = 2e-3
    """[-] Of Adam at the start; a cosine takes it to zero."""

    augment: bool = False
    """Rotate, scale and shift the training images a little, anew each epoch."""

    seed: int = 0
    """[-] Makes the initial weights, the order of images and all noise."""

    def __post_init__(self):
        check_seed(self.seed)
        check_steps(self.epochs, self.batch, self.learning_rate)
        check_circuit(self.circuit)
        if self.spread not in ("noise", "cells"):
            raise InputError(f"spread must be noise or cells; got {self.spread!r}.")
        if not 0 <= self.sigma_lrs <= 2:
            raise InputError(
                "sigma_lrs is a standard deviation of ln R, between 0 and 2; got"
                f" {self.sigma_lrs:g}."
            )
        if self.sigma_lrs_max is not None and not (
            self.sigma_lrs < self.sigma_lrs_max <= 2
        ):
            raise InputError(
                "sigma_lrs_max is the upper end of mixed spreads, above sigma_lrs ="
                f" {self.sigma_lrs:g} and up to 2; got {self.sigma_lrs_max:g}."
            )
        shares = (self.tail_weight, self.tail_share, self.teacher_weight)
        if not all(0 <= share <= 1 for share in shares):
            raise InputError(
                "tail_weight, tail_share and teacher_weight lie between 0 and 1; got"
                f" {', '.join(f'{share:g}' for share in shares)}."
            )
        if not 1 <= self.draws <= MAX_DRAWS or not 0 <= self.worst_distance <= 100:
            raise InputError(
                f"draws must be 1 to {MAX_DRAWS} and worst_distance 0 to 100; got"
                f" {self.draws} and {self.worst_distance:g}."
            )
        if self.tail_weight and (self.draws == 1 or self.spread == "noise"):
            raise InputError(
                "The worst chips of a batch need several, cell by cell: give draws of 2"
                " or more and spread = cells with tail_weight ="
                f" {self.tail_weight:g}; got {self.draws} and {self.spread}."
            )
        if not self.hardened and (
            self.draws > 1 or self.spread == "cells" or self.worst_distance
        ):
            raise InputError(
                "Without spread all chips are alike: give sigma_lrs or sigma_lrs_max"
                " with draws, tail_weight, worst_distance or spread = cells."
            )

    @property
    def hardened(self) -> bool:
        """Whether the training sees spread at all."""
        return self.sigma_lrs > 0 or self.sigma_lrs_max is not None


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """A float network that quantised ones learn from."""

    hidden: tuple[int, ...] = (512, 512)
    """[-] Neurons of its hidden layers; its inputs are all pixels."""

    data: str = "mnist5k"
    """Data set: mnist5k, mnist, fashion-mnist or a folder of IDX files."""

    epochs: int = 40
    """[-] Passes over the training images."""

    batch: int = 100
    """[-] Images a step."""

    learning_rate: float = 1e-3
    """[-] Of Adam at the start; a cosine takes it to zero."""

    augment: bool = False
    """Rotate, scale and shift the training images a little, anew each epoch."""

    seed: int = 0
    """[-] Makes the initial weights, the order of images and the dropout."""

    def __post_init__(self):
        check_seed(self.seed)
        check_steps(self.epochs, self.batch, self.learning_rate)
        if not self.hidden or not all(1 <= n <= MAX_HIDDEN for n in self.hidden):
            raise InputError(
                f"A teacher has one or more hidden layers of 1 to {MAX_HIDDEN} neurons;"
                f" got {', '.join(map(str, self.hidden)) or 'none'}."
            )


def check_steps(epochs: int, batch: int, learning_rate: float) -> None:
    """Check how long, in which steps and how fast to train.

    Raises:
        InputError: No training can be like that.
    """
    if not 1 <= epochs <= MAX_EPOCHS or batch < 1 or not 0 < learning_rate < 1:
        raise InputError(
            f"Training needs 1 to {MAX_EPOCHS} epochs, a batch of 1 or more and a"
            f" learning rate between 0 and 1; got {epochs}, {batch},"
            f" {learning_rate:g}."
        )
