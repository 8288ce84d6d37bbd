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

NAMES = ("r_lrs", "r_hrs", "sigma_lrs", "sigma_hrs")
"""Of the device; v_read comes beside them."""


@dataclass(frozen=True, kw_only=True)
class LossGradient:
    """How the loss of a checkpoint moves with its device and its read voltage."""

    checkpoint: Positional[Path] = Path("checkpoints/mlp-144-32-10-mnist5k-hardened")
    """Folder of a finished `rram-jax train` run, or one of checkpoints/."""

    device: str = "bench-r10"
    """Preset or path of the device card."""

    sigma_lrs: float = 0.3
    """[-] Spread of ln R_LRS."""

    circuit: Literal["map", "full"] = "map"
    """Wires; or also neurons with mismatch and noise."""

    chips: int = 20
    images: int = 500
    step: float = 0.02
    """[-] Relative step of the differences."""


def main(config: LossGradient) -> None:
    """Differentiate, take differences, print."""
    trained = rj.load(config.checkpoint, device=config.device)
    card = dataclasses.replace(trained.device, sigma_lrs=config.sigma_lrs)
    design = rj.design_network(trained.network, card)
    data = rj.load_dataset(trained.config["data"])
    images = data.validation_images[: config.images]
    codes = rj.input_codes(images, trained.network.config.sizes[0])
    x = jnp.asarray(codes, jnp.float32)
    y = jnp.asarray(data.validation_labels[: config.images], jnp.int32)
    keys = jnp.stack([chip_key(0, chip) for chip in range(config.chips)])
    device, v_read = card.params(), jnp.float32(design.circuit.v_read)

    def loss(key, relative):
        scaled = {n: getattr(device, n) * jnp.exp(relative[n]) for n in NAMES}
        moved = dataclasses.replace(device, **scaled)
        volts = v_read * jnp.exp(relative["v_read"])
        return rj.expected_loss(moved, volts, key[None], x, y, design, config.circuit)

    here = {name: jnp.zeros(()) for name in (*NAMES, "v_read")}
    both = jax.jit(
        lambda keys, at: jax.lax.map(lambda k: jax.value_and_grad(loss, 1)(k, at), keys)
    )
    value, slope = both(keys, here)
    table = Table("p", "gradient", "difference", title="d loss / d ln p [nat]")
    for name in here:
        steps = jnp.float32(config.step), jnp.float32(-config.step)
        ends = [both(keys, here | {name: h})[0] for h in steps]
        difference = (ends[0] - ends[1]) / (2 * config.step)
        table.add_row(name, _told(slope[name]), _told(difference))
    console = Console()
    console.print(f"Expected loss {_told(value)} nat, {config.chips} chips.")
    console.print(table)


def _told(x) -> str:
    error = np.std(x, ddof=1) / np.sqrt(len(x))
    return f"{np.mean(x):+.4f} ± {error:.4f}"


if __name__ == "__main__":
    try:
        prog = "python -m experiments.expected_loss_gradient"
        main(tyro.cli(LossGradient, prog=prog))
    except rj.InputError as error:
        sys.exit(f"expected_loss_gradient: {error}")
