"""Settings of the experiment, and the runs of `rram-jax verify` that it is made of."""

from dataclasses import dataclass
from pathlib import Path

from rram_jax.commands.config import VerifyCommand
from rram_jax.errors import InputError

SMALL, LARGE = "mlp-144-64-10", "mlp-400-256-10"

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"


@dataclass(frozen=True, kw_only=True)
class FullCircuit:
    """Whole networks at transistor level, beside the surrogate on the same cells."""

    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS."""

    images: int = 25
    """[-] Test images, drawn by the seed, on each chip of each network."""

    chips: int = 2
    """[-] Chips of each network."""

    cell_images: int = 3
    """[-] The first so many of these images with every cell and wire in the deck."""

    large_images: int = 10
    """[-] Images of the large network, neuron by neuron."""

    seed: int = 0
    """[-] Draws images and makes chips: cells, RTN and mismatch."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    only: tuple[str, ...] = ()
    """Names of the parts that are done now, such as full-hardened; by default all."""

    workers: int | None = None
    """[-] ngspice processes at a time; by default one a core."""

    out: Path = Path("runs/full_circuit")
    """Folder of all runs."""


def plan_parts(config: FullCircuit) -> dict[str, VerifyCommand]:
    """Every run by name, in the order in which they are done."""

    def part(network: str, name: str, **settings) -> VerifyCommand:
        return VerifyCommand(
            checkpoint=CHECKPOINTS / network,
            data="mnist",
            data_dir=config.data_dir,
            sigma_lrs=config.sigma_lrs,
            draw=True,
            seed=config.seed,
            workers=config.workers,
            out=config.out / name,
            **settings,
        )

    many = {"images": config.images, "chips": config.chips}
    few = {"images": config.cell_images, "array": "cells"}
    parts = {
        f"full-{kind}": part(f"{SMALL}-{kind}", f"full-{kind}", **many)
        for kind in ("hardened", "conventional")
    }
    hardened = f"{SMALL}-hardened", f"{LARGE}-hardened"
    return parts | {
        "column-hardened": part(hardened[0], "column-hardened", tier="column", **many),
        "cells-hardened": part(hardened[0], "cells-hardened", **few),
        "static-large": part(
            hardened[1], "static-large", tier="static", array="cells", images=1
        ),
        "column-large": part(
            hardened[1], "column-large", tier="column", images=config.large_images
        ),
    }


def chosen_parts(config: FullCircuit) -> dict[str, VerifyCommand]:
    """The parts that are asked for.

    Raises:
        InputError: One of them does not exist.
    """
    parts = plan_parts(config)
    if unknown := [name for name in config.only if name not in parts]:
        raise InputError(
            f"There is no part {unknown[0]!r}; the parts are {', '.join(parts)}."
        )
    return {name: parts[name] for name in config.only or parts}
