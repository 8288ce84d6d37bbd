"""How well the compact model follows measured RESET voltages, as it is or fitted anew.

    python -m experiments.reset_fit --table reset_voltage_table.csv
    python -m experiments.reset_fit --table reset_voltage_table.csv --fit

Prints the model's high resistance, its spread and their residuals at every voltage of
the table, the low resistance, the growth with the pulse width, and the voltage of SET.
With `--fit` the fitted numbers are printed too, as lines of a card.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from rram_jax.device.card import load_card
from rram_jax.device.cell import read_resistance
from rram_jax.device.filament import FilamentCard, load_filament
from rram_jax.device.filament_fit import (
    FITTED,
    FITTED_SPREAD,
    fit_reset_curve,
    fit_spread,
    low_resistance,
    read_reset_table,
    residuals,
    spread_residuals,
)
from rram_jax.device.pulse import apply_pulse
from rram_jax.device.reset import at_reset, reset_curve


@dataclass(frozen=True, kw_only=True)
class ResetFit:
    """Residuals of a filament card against a table of RESET voltages."""

    table: Path
    """CSV file with the columns v_reset_V and r_hrs_median_ohm."""

    card: str = "hfo2"
    """Filament card: a name or a file."""

    device: str = "hfo2-nominal"
    """Device card that a filament card moves: its curve, scaled through the device
    card's own numbers."""

    fit: bool = False
    """Fit the card to the table first."""

    r_lrs: float = 4500.0
    """[Ohm] Low resistance of the cell, for the fit."""

    sigma_lrs: float = 0.051
    """[-] Spread of ln of it, for the fit."""


def set_curve(card: FilamentCard, v_reset: float, v_set: np.ndarray) -> np.ndarray:
    """[Ohm] After RESET at `v_reset` and one SET pulse at each of `v_set` [V]."""
    params, one = card.params(), jnp.ones(len(v_set))
    width = card.t_reset * one
    after = apply_pulse(
        0 * one, one, v_reset * one, card.gate_reset * one, width, params
    )
    after = apply_pulse(
        after.x, one, -jnp.asarray(v_set), card.gate_set * one, width, params
    )
    read = read_resistance(
        card.v_read * one, card.gate_read * one, after.x, one, params
    )
    return np.asarray(read)


def main():
    """Parse arguments and print."""
    settings = tyro.cli(ResetFit)
    jax.config.update("jax_enable_x64", True)
    console = Console()
    card, table = load_filament(settings.card), read_reset_table(settings.table)
    if settings.fit:
        card = fit_reset_curve(card, table, settings.r_lrs)
        if table.sigma_hrs:
            card = fit_spread(card, table, settings.sigma_lrs)
        for name in (*FITTED, "sigma_s", *FITTED_SPREAD):
            console.print(f"{name} = {getattr(card, name):g}")
    rows = Table("RESET [V]", "table [Ohm]", "model [Ohm]", "residual")
    for v, r, e in zip(table.v_reset, table.r_hrs, residuals(card, table), strict=True):
        rows.add_row(f"{v:.2f}", f"{r:.0f}", f"{r * (1 + e):.0f}", f"{100 * e:+.2f} %")
    console.print(rows)
    device = load_card(settings.device)
    if table.sigma_hrs and not settings.fit:
        header = (
            "RESET [V]",
            f"{device.name} [Ohm]",
            "residual",
            "sd of ln R",
            "residual",
        )
        rows = Table(*header)
        for v, r, sigma in zip(
            table.v_reset, table.r_hrs, table.sigma_hrs, strict=True
        ):
            moved = at_reset(device, v)
            rows.add_row(
                f"{v:.2f}",
                f"{moved.r_hrs:.0f}",
                f"{100 * (moved.r_hrs / r - 1):+.1f} %",
                f"{moved.sigma_hrs:.3f}",
                f"{100 * (moved.sigma_hrs / sigma - 1):+.1f} %",
            )
        console.print(rows)
    if table.sigma_hrs:
        rows = Table("RESET [V]", "table, sd of ln R", "model", "residual")
        spread = zip(
            table.v_reset, table.sigma_hrs, spread_residuals(card, table), strict=True
        )
        for v, sigma, e in spread:
            model = f"{sigma * (1 + e):.3f}"
            rows.add_row(f"{v:.2f}", f"{sigma:.3f}", model, f"{100 * e:+.1f} %")
        console.print(rows)
    params = card.params()
    console.print(f"low resistance {float(low_resistance(card, params)):.1f} Ohm")
    widths = card.t_reset * 10.0 ** np.arange(-2, 3)
    v = table.v_reset[-1]
    high = reset_curve(jnp.full(5, v), jnp.asarray(widths), card, params)
    rows = Table("width [s]", f"after RESET at {v:g} V [Ohm]")
    for width, r in zip(widths, high, strict=True):
        rows.add_row(f"{width:g}", f"{float(r):.0f}")
    console.print(rows)
    v_set = np.round(np.arange(0.4, 0.9, 0.02), 2)
    rows = Table("SET [V]", f"after RESET at {v:g} V and SET [Ohm]")
    for u, r in zip(v_set, set_curve(card, v, v_set), strict=True):
        rows.add_row(f"{u:.2f}", f"{r:.0f}")
    console.print(rows)
    console.print(f"card {card.name}: {card.source}")


if __name__ == "__main__":
    main()
