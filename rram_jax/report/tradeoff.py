"""What the RESET voltage does to a card, as curves."""

from pathlib import Path

import numpy as np

from rram_jax.device.card import DeviceCard
from rram_jax.device.tradeoff import ResetTradeoff
from rram_jax.report.figure import COLOURS, new_panels, save_figure

PANELS = (
    ("Median HRS", "read resistance [kOhm]", "r_hrs", 1e-3),
    ("Spread of HRS", "standard deviation of ln R [-]", "sigma_hrs", 1.0),
    ("Noise of a weight", "sd / mean of G_on - G_off [%]", "pair_noise", 100.0),
    ("Read energy of a pair, one slot", "energy [fJ]", "read_energy", 1e15),
    ("Energy of the RESET pulse", "energy [pJ]", "reset_energy", 1e12),
    ("Largest field on the barrier", "field [MV/cm]", "peak_field", 1e-8),
)


def tradeoff_figure(
    card: DeviceCard, curve: ResetTradeoff, told: str, path: Path
) -> tuple[Path, Path]:
    """Draw six quantities over the RESET voltage; returns the PNG and the SVG file.

    Args:
        card: The card, whose own pulse is marked.
        curve: What to draw.
        told: Conditions, for the title.
        path: Where to, without a suffix.
    """
    figure, panels = new_panels(f"Device card {card.name}: {told}", 2, 3)
    v = np.asarray(curve.v_reset)
    for axes, (title, label, name, scale) in zip(panels, PANELS, strict=True):
        axes.plot(v, scale * np.asarray(getattr(curve, name)), color=COLOURS[0])
        axes.axvline(
            card.v_reset,
            color=COLOURS[1],
            linewidth=1,
            linestyle=":",
            label="this card",
        )
        axes.set(title=title, xlabel="RESET voltage [V]", ylabel=label)
        axes.set_ylim(bottom=0)
    panels[0].legend(frameon=False)
    return save_figure(figure, path)
