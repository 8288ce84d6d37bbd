"""Gradient of the expected loss in device and read, beside central differences.

    python -m experiments.expected_loss_gradient CHECKPOINT --chips 20

Prints, for each parameter p, d loss / d ln p over the same chips and images by reverse
mode and by central differences of `--step`, each with its standard error over chips.
Hidden codes are rounded: their gradient is the straight-through one, that of the
unrounded line, and a difference sees steps, whose noise falls with images and step.
"""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

import rram_jax as rj
from rram_jax.chip.sample import chip_key

NAMES = ("r_lrs", "r_hrs", "sigma_lrs", "sigma_hrs", "v_read")


@dataclass(frozen=True, kw_only=True)
class LossGradient:
    """How the loss of a checkpoint moves with its device and its read voltage."""

    checkpoint: Positional[Path] = Path("checkpoints/mlp-144-32-10-mnist5k-hardened")
    """Folder of a finished `rram-jax train` run, or one of checkpoints/."""

    data_dir: Path | None = None
    """Folder of data sets; by default what RRAM_JAX_DATA names."""

    device: str = "bench-r10"
    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS."""

    circuit: Literal["map", "full"] = "map"
    """Wires; or also neurons with mismatch and noise."""

    chips: int = 20
    images: int = 500
    step: float = 0.05
    """[-] Of ln p in the differences."""


def main(config: LossGradient) -> None:
    """Differentiate, take differences, print."""
    trained = rj.load(config.checkpoint, device=config.device)
    card = dataclasses.replace(trained.device, sigma_lrs=config.sigma_lrs)
    design = rj.design_network(trained.network, card)
    data = rj.load_dataset(trained.config["data"], config.data_dir)
    n = config.images
    codes = rj.input_codes(data.validation_images[:n], design.network.config.sizes[0])
    images = jnp.asarray(codes, jnp.float32)
    labels = jnp.asarray(data.validation_labels[:n], jnp.int32)
    keys = jnp.stack([chip_key(0, chip) for chip in range(config.chips)])
    values = vars(card.params()) | {"v_read": jnp.float32(design.circuit.v_read)}

    def loss(log_change, key):
        pairs = zip(NAMES, log_change, strict=True)
        moved = {name: values[name] * jnp.exp(x) for name, x in pairs}
        v_read = moved.pop("v_read")
        device = dataclasses.replace(card.params(), **moved)
        circuit = design, config.circuit
        return rj.expected_loss(device, v_read, key[None], images, labels, *circuit)

    of_chips = jax.jit(
        lambda change: jax.lax.map(lambda k: jax.value_and_grad(loss)(change, k), keys)
    )
    value, slope = of_chips(jnp.zeros(len(NAMES)))
    table = Table("p", "gradient", "difference", title="d loss / d ln p [nat]")
    for k, step in enumerate(config.step * jnp.eye(len(NAMES))):
        above, below = of_chips(step)[0], of_chips(-step)[0]
        difference = (above - below) / (2 * config.step)
        table.add_row(NAMES[k], _told(slope[:, k]), _told(difference))
    Console().print(
        f"Expected loss {_told(value)} nat over {config.chips} chips.", table
    )


def _told(x) -> str:
    return f"{np.mean(x):+.4f} ± {np.std(x, ddof=1) / np.sqrt(len(x)):.4f}"


if __name__ == "__main__":
    try:
        prog = "python -m experiments.expected_loss_gradient"
        main(tyro.cli(LossGradient, prog=prog))
    except rj.InputError as error:
        sys.exit(f"expected_loss_gradient: {error}")
