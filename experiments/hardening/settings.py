"""What can be asked of the experiment, and the command of each of its runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments.hardening.methods import TRAININGS, Method, Training
from rram_jax.chip.config import NetworkConfig, parse_sizes
from rram_jax.commands.config import EvaluateCommand, TeacherCommand, TrainCommand
from rram_jax.errors import InputError

BENCH = "bench-r10"
"""Device card of the curves, and of every training."""


@dataclass(frozen=True, kw_only=True)
class Hardening:
    """Accuracy against the spread of LRS cells: every method on the same chips."""

    out: Path = Path("runs/hardening")
    """Folder of the networks, their evaluations, tables and figures."""

    data: str = "mnist"
    """Data set to train and test on."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    network: str = "mlp-400-256-10"
    """Multi-layer perceptron of so many inputs, hidden neurons and outputs."""

    seeds: int = 3
    """[-] Trainings of each network that is not costly, with seeds from 0 on."""

    epochs: int = 60
    """[-] Passes over the training images."""

    augment: bool = False
    """Rotate, scale and shift the training images a little, for all networks alike."""

    chips: int = 100
    """[-] Chips at each spread, the same ones for every method."""

    sigma_lrs: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    """[-] Spreads of ln R_LRS, on bench-r10."""

    devices: tuple[str, ...] = ("hfo2-nominal", "radar-a", "radar-b")
    """Presets or paths of other device cards, at their own spread, for the first
    seed's networks."""

    bar: float = 0.97
    """[-] Accuracy that a good chip reaches, for the yield."""

    part: Literal["test", "validation"] = "test"
    """Images that are counted: validation for choices, test for final numbers."""

    teacher: Path | None = None
    """Folder of a finished `rram-jax teacher` run; by default one is trained."""

    only: tuple[str, ...] = ()
    """Methods to run, with what they are compared with; by default all."""

    workers: int = 1
    """[-] Processes at a time."""

    def __post_init__(self):
        if min(self.seeds, self.workers) < 1 or self.chips < 2:
            raise InputError(
                "--seeds and --workers must be 1 or more and --chips 2 or more; got"
                f" {self.seeds}, {self.workers} and {self.chips}."
            )
        if not self.sigma_lrs:
            raise InputError("--sigma-lrs needs one spread or more; got none.")

    @property
    def teacher_folder(self) -> Path:
        """Where the teacher is, or will be."""
        return self.teacher or self.out / "teacher"

    def seeds_of(self, training: Training) -> range:
        """Seeds that a network is trained with."""
        return range(1 if training.costly else self.seeds)

    def network_folder(self, training: str, seed: int) -> Path:
        """Folder of one trained network."""
        return self.out / "networks" / f"{training}-s{seed}"

    def chips_folder(self, method: str, seed: int, device: str) -> Path:
        """Folder of one evaluation."""
        return self.out / "chips" / f"{method}-s{seed}" / Path(device).stem

    def costs_file(self, method: str, seed: int) -> Path:
        """What one method costs."""
        return self.out / "costs" / f"{method}-s{seed}.json"


def teacher_command(config: Hardening) -> TeacherCommand:
    """The teacher that is trained where none is given."""
    return TeacherCommand(
        data=config.data,
        data_dir=config.data_dir,
        epochs=config.epochs,
        augment=config.augment,
        out=config.teacher_folder,
    )


def train_command(config: Hardening, training: Training, seed: int) -> TrainCommand:
    """One network of one seed."""
    taught: dict[str, Any] = (
        {"teacher": config.teacher_folder} if training.taught else {}
    )
    return TrainCommand(
        network=NetworkConfig(sizes=parse_sizes(config.network), **training.network),
        data=config.data,
        data_dir=config.data_dir,
        device=BENCH,
        epochs=config.epochs,
        augment=config.augment,
        seed=seed,
        out=config.network_folder(training.name, seed),
        **training.settings,
        **taught,
    )


def evaluate_command(
    config: Hardening, method: Method, seed: int, device: str
) -> EvaluateCommand:
    """One method's chips on one device: a curve on `BENCH`, a point on others."""
    curve = shown_sigmas(config) if method.costly else config.sigma_lrs
    return EvaluateCommand(
        checkpoint=config.network_folder(method.training, seed),
        data=config.data,
        data_dir=config.data_dir,
        device=device,
        sigma_lrs=curve if device == BENCH else (),
        chips=config.chips,
        seed=0,
        part=config.part,
        bar=config.bar,
        programming=method.programming,
        out=config.chips_folder(method.name, seed, device),
    )


def seeds_of_method(config: Hardening, method: Method) -> range:
    """Seeds of the networks that a method is measured on."""
    return range(1) if method.costly else config.seeds_of(TRAININGS[method.training])


def devices_of_method(config: Hardening, method: Method, seed: int) -> tuple[str, ...]:
    """Device cards that a network of a method is measured on, each once."""
    others = () if method.costly or seed else config.devices
    return tuple(dict.fromkeys((BENCH, *others)))


def shown_sigmas(config: Hardening) -> tuple[float, ...]:
    """Spreads of tables, and of costly methods: 0.3 and 0.5, or the largest asked."""
    asked = tuple(sigma for sigma in (0.3, 0.5) if sigma in config.sigma_lrs)
    return asked or (max(config.sigma_lrs),)
