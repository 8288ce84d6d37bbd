"""`rram-jax device show` and `reset`: what one card says, as numbers and figures."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.chip.config import CircuitConfig
from rram_jax.commands.terminal import say, show_table
from rram_jax.device.card import DeviceCard, load_card
from rram_jax.device.filament import FilamentCard
from rram_jax.device.loop import switching_loop
from rram_jax.device.reset import filament_of, hrs_and_range
from rram_jax.device.rtn import rtn_waveform, sample_traps
from rram_jax.device.tradeoff import ResetTradeoff, reset_tradeoff
from rram_jax.device.variability import sample_resistance, sample_verified
from rram_jax.errors import InputError
from rram_jax.report.figure import seconds
from rram_jax.report.portrait import Portrait, portrait_figure
from rram_jax.report.tables import card_table
from rram_jax.report.tradeoff import tradeoff_figure
from rram_jax.run_folder import write_table
from rram_jax.types import Array, Bool

N_CELLS = 100_000
"""[-] Cells sampled in each state."""

N_VOLTAGES = 34
"""[-] RESET voltages of a curve."""

N_TIMES = 2000
"""[-] Points of a telegraph-noise waveform, over `rtn_time_high`."""

V_SET = 0.9
"""[V] End of the switching loop's negative branch."""


def show(name: str, out: Path | None) -> None:
    """Print a card's numbers and what its cells are like; draw all of it.

    Raises:
        InputError: There is no such card, or its filament card is none.
    """
    card = load_card(name)
    _show_numbers(card)
    is_lrs = jnp.asarray(np.broadcast_to([[True], [False]], (2, N_CELLS)))
    sample = sample_resistance(jax.random.key(0), is_lrs, card.params())
    r_lrs, r_hrs = np.asarray(sample, np.float64)
    for state, r in (("LRS", r_lrs), ("HRS", r_hrs)):
        say(
            f"Of {N_CELLS:,} sampled {state} cells: median {np.median(r):.4g} Ohm,"
            f" spread of ln R {np.log(r).std():.3g}, 1st to 99th percentile"
            f" {np.quantile(r, 0.01):.4g} to {np.quantile(r, 0.99):.4g} Ohm."
        )
    _show_writes(card, is_lrs)
    loop = curve = None
    if card.filament:
        say(f"Pulses of the filament card {card.filament}: half a minute to compile.")
        filament = filament_of(card)
        v, i = switching_loop(filament, card.v_reset, V_SET, card.t_reset)
        loop = np.asarray(v), np.asarray(i)
        found = _curve(card, filament, card.t_reset)
        curve = tuple(map(np.asarray, (found.v_reset, found.r_hrs, found.sigma_hrs)))
    portrait = Portrait(
        card=card,
        r_lrs=r_lrs,
        r_hrs=r_hrs,
        loop=loop,
        reset=curve,
        noise=_noise(card, sample),
    )
    out = out or Path("runs") / f"device-{card.name}"
    out.mkdir(parents=True, exist_ok=True)
    png, svg = portrait_figure(portrait, out / "card")
    say(f"Figure: {png} and {svg}.")


def reset(name: str, t_reset: float | None, out: Path | None) -> None:
    """Write what each RESET voltage makes of a card: a CSV file and a figure.

    Raises:
        InputError: There is no such card, it follows no filament card, or that does
            not speak for the width.
    """
    card = load_card(name)
    filament = filament_of(card)
    width = card.t_reset if t_reset is None else t_reset
    filament.check_pulse(card.v_reset, width)
    say(f"Pulses of the filament card {card.filament}: half a minute to compile.")
    curve, circuit = _curve(card, filament, width), CircuitConfig()
    names = [f.name for f in dataclasses.fields(ResetTradeoff)]
    columns = np.stack([np.asarray(getattr(curve, n), np.float64) for n in names], 1)
    picked = columns[:: max((len(columns) - 1) // 11, 1)]
    show_table(
        f"Device card {card.name} after RESET pulses of {seconds(width)}",
        (
            "v_reset [V]",
            "HRS [Ohm]",
            "sigma_hrs",
            "pair noise",
            "read [J]",
            "RESET [J]",
            "field [V/m]",
        ),
        (
            (
                f"{row['v_reset']:.2f}",
                f"{row['r_hrs']:.4g}",
                f"{row['sigma_hrs']:.3f}",
                f"{100 * row['pair_noise']:.2f} %",
                f"{row['read_energy']:.3g}",
                f"{row['reset_energy']:.3g}",
                f"{row['peak_field']:.3g}",
            )
            for row in (dict(zip(names, r, strict=True)) for r in picked)
        ),
    )
    told = (
        f"pulses of {seconds(width)}, read at {circuit.v_read:g} V a cell for"
        f" {seconds(circuit.t_slot)}"
    )
    say(
        f"Conditions: {told}. HRS and its spread: the curve of the filament card"
        f" {filament.name}, scaled through this card's own at {card.v_reset:g} V. RESET"
        " energy and stress: the nominal cell of the filament card."
    )
    out = out or Path("runs") / f"device-{card.name}"
    out.mkdir(parents=True, exist_ok=True)
    table = out / "reset.csv"
    rows = ([float(f"{x:.7g}") for x in row] for row in columns)  # float32's digits
    write_table(table, names, rows)
    png, svg = tradeoff_figure(card, curve, told, out / "reset")
    say(f"Table: {table}. Figure: {png} and {svg}.")


def _curve(card: DeviceCard, filament: FilamentCard, t_reset: float) -> ResetTradeoff:
    """The card after pulses of all voltages that its filament card speaks for.

    Raises:
        InputError: There are none at this width.
    """
    circuit = CircuitConfig()
    low, high = filament.v_reset_low, filament.v_reset_high
    numbers = (t_reset, circuit.v_read, circuit.t_slot)
    curve = reset_tradeoff(
        jnp.linspace(low, high, N_VOLTAGES, dtype=jnp.float32),
        *(jnp.asarray(number, jnp.float32) for number in numbers),
        card,
        filament,
    )
    v_reset = np.asarray(curve.v_reset)
    r_hrs, smallest, largest = hrs_and_range(filament, v_reset, t_reset)
    fitted = (smallest <= r_hrs) & (r_hrs <= largest)
    told = f"{smallest:.4g} to {largest:.4g} Ohm, where {filament.name!r} was fitted"
    if not fitted.any():
        raise InputError(
            f"RESET pulses of {t_reset:g} s and {low:g} to {high:g} V make no HRS from"
            f" {told}: take another width."
        )
    if not fitted.all():
        say(
            f"Left out: {(~fitted).sum()} of {len(fitted)} RESET voltages, whose HRS is"
            f" not from {told}."
        )
    return jax.tree.map(lambda column: column[fitted], curve)


def _show_numbers(card: DeviceCard) -> None:
    table = card_table(card)
    show_table(f"Device card {card.name}", table.header, table.rows)
    say(f"Source: {card.source}")


def _show_writes(card: DeviceCard, is_lrs: Bool[Array, "2 cells"]) -> None:
    """Tell what write-verify takes, where the card has a band."""
    if card.params().band is None:
        return
    _, writes = sample_verified(jax.random.key(0), is_lrs, card.params())
    states = (("LRS", card.band_lrs), ("HRS", card.band_hrs))
    for (state, band), n in zip(states, np.asarray(writes), strict=True):
        if band:
            say(
                f"Write-verify of {state} takes {n.mean():.3g} programmings a cell in"
                f" the mean; {(n == card.max_writes).mean():.2%} of the cells took all"
                f" {card.max_writes}."
            )


def _noise(card: DeviceCard, sample):
    """Time, and waveforms of the first cell of each state that has traps."""
    is_lrs = jnp.asarray([[True], [False]])
    few = sample[:, :1000]
    device = card.params()
    states = jnp.broadcast_to(is_lrs, few.shape)
    traps = sample_traps(jax.random.key(1), few, states, device)
    time = jnp.linspace(0.0, card.rtn_time_high, N_TIMES)
    waves = {}
    for k, state in enumerate(("LRS", "HRS")):
        count = np.asarray((traps.change[:, k] > 0).sum(0))
        if count.any():
            cell = int(np.flatnonzero(count)[0])
            own = jax.tree.map(lambda a, k=k, cell=cell: a[:, k, cell], traps)
            waves[state] = np.asarray(rtn_waveform(jax.random.key(2), time, own))
    return np.asarray(time), waves
