"""A device card as one figure: I-V, RESET, cells, telegraph noise."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from rram_jax.device.card import DeviceCard
from rram_jax.report.device import draw_cells
from rram_jax.report.figure import COLOURS, INK, new_panels, save_figure, seconds
from rram_jax.types import Float


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """What a figure of a card is drawn from; None for what the card does not tell."""

    card: DeviceCard

    r_lrs: Float[np.ndarray, " n"]
    """[Ohm] Sampled cells in LRS."""

    r_hrs: Float[np.ndarray, " n"]
    """[Ohm] Sampled cells in HRS."""

    loop: tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]] | None
    """[V], [A] A nominal cell's switching loop."""

    reset: tuple[Float[np.ndarray, " v"], ...] | None
    """[V] RESET voltages, [Ohm] median HRS and [-] spread of ln R_HRS at each."""

    noise: tuple[Float[np.ndarray, " times"], dict[str, Float[np.ndarray, " times"]]]
    """[s] Time, and by state [-] R / R_without_RTN of a cell with traps; no state where
    the card has no traps."""


def portrait_figure(portrait: Portrait, path: Path) -> tuple[Path, Path]:
    """Draw all that a card tells; returns the PNG and the SVG file."""
    drawn = [_draw_cells]
    if portrait.loop is not None:
        drawn.insert(0, _draw_loop)
    if portrait.reset is not None:
        drawn.insert(1, _draw_reset)
    if portrait.noise[1]:
        drawn.append(_draw_noise)
    columns = min(2, len(drawn))
    figure, panels = new_panels(
        f"Device card {portrait.card.name}", math.ceil(len(drawn) / columns), columns
    )
    for draw, axes in zip(drawn, panels, strict=False):
        draw(axes, portrait)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    return save_figure(figure, path)


def _draw_loop(axes: Axes, portrait: Portrait) -> None:
    assert portrait.loop is not None
    v, i = portrait.loop
    for colour, part, name in (
        (COLOURS[0], v > 0, "RESET"),
        (COLOURS[1], v < 0, "SET"),
    ):
        axes.semilogy(v[part], 1e6 * np.abs(i[part]), color=colour, label=name)
    axes.set(
        title=f"Nominal cell of filament card {portrait.card.filament},"
        f" {seconds(portrait.card.t_reset)} a step",
        xlabel="cell voltage [V]",
        ylabel="current, magnitude [uA]",
    )
    axes.legend(frameon=False)


def _draw_reset(axes: Axes, portrait: Portrait) -> None:
    assert portrait.reset is not None
    v, median, sigma = portrait.reset
    axes.fill_between(
        v,
        median * np.exp(-sigma) / 1e3,
        median * np.exp(sigma) / 1e3,
        color=COLOURS[1],
        alpha=0.2,
        linewidth=0,
        label="one standard deviation",
    )
    axes.semilogy(v, median / 1e3, color=COLOURS[1], label="median HRS")
    card = portrait.card
    axes.plot(card.v_reset, card.r_hrs / 1e3, "o", color=INK, label="this card")
    axes.set_ylim(bottom=0.8 * card.r_lrs / 1e3)
    axes.axhline(card.r_lrs / 1e3, color=COLOURS[0], linewidth=1, label="median LRS")
    axes.set(
        title=f"After RESET pulses of {seconds(card.t_reset)}",
        xlabel="RESET voltage [V]",
        ylabel="read resistance [kOhm]",
    )
    axes.legend(frameon=False)


def _draw_cells(axes: Axes, portrait: Portrait) -> None:
    draw_cells(axes, portrait.card, portrait.r_lrs, portrait.r_hrs)
    axes.set(
        title=f"{len(portrait.r_lrs):,} cells of each state",
        xlabel="read resistance, access transistor included [Ohm]",
        ylabel="share of the state's cells in a bin [%]",
    )


def _draw_noise(axes: Axes, portrait: Portrait) -> None:
    time, waves = portrait.noise
    for colour, (state, wave) in zip(COLOURS, waves.items(), strict=False):
        axes.step(
            time,
            100 * (wave - 1),
            where="post",
            color=colour,
            linewidth=0.8,
            label=state,
        )
    axes.set_yscale("symlog", linthresh=0.1)
    axes.set(
        title="Random telegraph noise of one cell with traps",
        xlabel="time [s]",
        ylabel="R above that without a full trap [%]",
    )
    axes.legend(loc="upper right", framealpha=0.9)
