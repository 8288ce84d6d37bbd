"""What a user chooses about a training run."""

from dataclasses import dataclass, field

from rram_jax.chip.config import NetworkConfig, check_seed
from rram_jax.errors import InputError

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
    """Preset or path of the device card whose HRS the training sees."""

    sigma_lrs: float = 0.0
    """[-] Spread of ln R_LRS to harden against; 0 trains conventionally, without any
    spread."""

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
        if (
            not 1 <= self.epochs <= MAX_EPOCHS
            or self.batch < 1
            or not 0 < self.learning_rate < 1
        ):
            raise InputError(
                f"Training needs 1 to {MAX_EPOCHS} epochs, a batch of 1 or more and a"
                f" learning rate between 0 and 1; got {self.epochs}, {self.batch},"
                f" {self.learning_rate:g}."
            )
        if not 0 <= self.sigma_lrs <= 2:
            raise InputError(
                "sigma_lrs is a standard deviation of ln R, between 0 and 2; got"
                f" {self.sigma_lrs:g}."
            )
