"""`rram-jax device`: the cards that come with the package, and what cells they make."""

import dataclasses
from pathlib import Path

import jax
import numpy as np

from rram_jax.commands.config import DeviceCommand
from rram_jax.commands.terminal import say, show_table
from rram_jax.device.card import load_card, preset_names
from rram_jax.device.variability import sample_resistance
from rram_jax.report.device import distribution_figure

N_CELLS = 100_000
"""[-] Cells sampled in each state."""


def device(config: DeviceCommand) -> None:
    """Print the table of cards, or one card with a figure of sampled cells."""
    if config.action == "list":
        _list()
    else:
        _show(config.name, config.out)


def _list() -> None:
    columns = ("r_lrs", "r_hrs", "sigma_lrs", "sigma_hrs")
    cards = [load_card(name) for name in preset_names()]
    show_table(
        "Device cards, resistances in Ohm",
        ("name", *columns),
        ((card.name, *(f"{getattr(card, c):g}" for c in columns)) for card in cards),
    )
    for card in cards:
        say(f"{card.name}: {card.source}")
    say("Each goes as --device into other commands; `device show NAME` tells more.")


def _show(name: str, out: Path | None) -> None:
    card = load_card(name)
    numbers = dataclasses.asdict(card)
    del numbers["name"], numbers["source"]
    show_table(
        f"Device card {card.name}",
        ("number", "value", "unit"),
        (
            (key, f"{value:g}", "Ohm" if key.startswith("r_") else "-")
            for key, value in numbers.items()
        ),
    )
    say(f"Source: {card.source}")
    is_lrs = np.broadcast_to([[True], [False]], (2, N_CELLS))
    sample = sample_resistance(
        jax.random.key(0), jax.numpy.asarray(is_lrs), card.params()
    )
    r_lrs, r_hrs = np.asarray(sample, np.float64)
    for state, r in (("LRS", r_lrs), ("HRS", r_hrs)):
        say(
            f"Of {N_CELLS:,} sampled {state} cells: median {np.median(r):.4g} Ohm,"
            f" spread of ln R {np.log(r).std():.3g}, 1st to 99th percentile"
            f" {np.quantile(r, 0.01):.4g} to {np.quantile(r, 0.99):.4g} Ohm."
        )
    out = out or Path("runs") / f"device-{card.name}"
    out.mkdir(parents=True, exist_ok=True)
    png, svg = distribution_figure(card, r_lrs, r_hrs, out / "cells")
    say(f"Figure: {png} and {svg}.")
