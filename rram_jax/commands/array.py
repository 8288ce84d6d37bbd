"""`rram-jax array`: one wired array, solved and drawn."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.solver import solve_crossbar
from rram_jax.commands.config import ArrayCommand
from rram_jax.commands.terminal import say
from rram_jax.device.card import load_card
from rram_jax.device.variability import sample_resistance
from rram_jax.errors import InputError
from rram_jax.report.array import array_figure
from rram_jax.run_folder import write_table
from rram_jax.types import Float

MAX_BYTES = 50_000_000
"""[byte] A larger file is no array of ours."""

FEET = ("column", "voltage", "current")
"""Columns of feet.csv: number, [V] above v_cm, [A] out of the foot."""


def array(config: ArrayCommand) -> None:
    """Solve an array, tell how well, draw it and write what comes out of its feet.

    Raises:
        InputError: A file or a card does not serve.
    """
    conductance, drive, told = _problem(config)
    rows, cols = conductance.shape
    with jax.enable_x64(True):
        solution = solve_crossbar(drive, conductance, config.wires, nodes=True)
        v_sl, v_bl = np.asarray(solution.v_sl), np.asarray(solution.v_bl)
        cell_current = np.asarray(solution.cell_current)
        feet = np.asarray(solution.voltage), np.asarray(solution.current)
        say(
            f"{rows} rows, {cols} columns, {told}: {solution.result} in"
            f" {int(solution.iterations)} iterations; largest current that does not"
            f" add up at a node {float(solution.kcl_residual):.2g} A."
        )
    out = config.out or Path("runs") / f"array-{rows}x{cols}"
    out.mkdir(parents=True, exist_ok=True)
    table = out / "feet.csv"
    numbers = zip(range(cols), *(f.tolist() for f in feet), strict=True)
    write_table(table, FEET, numbers)
    png, svg = array_figure(
        conductance, drive, v_sl, v_bl, cell_current, told, out / "array"
    )
    say(f"Table: {table}. Figure: {png} and {svg}.")


def _problem(
    config: ArrayCommand,
) -> tuple[Float[np.ndarray, "rows cols"], Float[np.ndarray, " rows"], str]:
    """Cells [S], drives [V], and what they are in words."""
    rng = np.random.default_rng(config.seed)
    if config.conductance:
        conductance = _read_numbers(config.conductance)
        told = f"cells of {config.conductance.name}"
    else:
        is_lrs = jnp.asarray(rng.random((config.rows, config.cols)) < 0.5)
        device = load_card(config.device).params()
        r = sample_resistance(jax.random.key(config.seed), is_lrs, device)
        conductance = 1 / np.asarray(r, np.float64)
        told = f"random cells of {config.device}, seed {config.seed}"
    if config.drive:
        drive = _read_numbers(config.drive).ravel()
    else:
        drive = config.v_read * rng.uniform(-1, 1, len(conductance))
    if len(drive) != len(conductance):
        raise InputError(
            f"{config.drive} has {len(drive)} drives, and the array has"
            f" {len(conductance)} rows: give one a row."
        )
    return conductance, drive, told


def _read_numbers(path: Path) -> Float[np.ndarray, "rows cols"]:
    """Read lines of numbers with commas between them."""
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path} is no file of up to {MAX_BYTES // 10**6} MB: give a CSV file."
        )
    try:
        return np.loadtxt(path, delimiter=",", ndmin=2)
    except (ValueError, UnicodeDecodeError):
        raise InputError(
            f"{path} must hold numbers with commas between them, as many in every line."
        ) from None
