"""High resistance against RESET voltage: the model's curve, a measured one, a fit."""

import csv
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

from rram_jax.device.cell import read_resistance
from rram_jax.device.filament import FilamentCard, FilamentParams
from rram_jax.device.reset import outcome_of, reset_curve, reset_outcome
from rram_jax.errors import InputError
from rram_jax.types import Array, Float

COLUMNS = ("v_reset_V", "r_hrs_median_ohm")
"""Columns that a table must have; it may have more."""

SPREAD_COLUMN = "sigma_ln_r_hrs"
"""One that it may have: standard deviations of ln R_HRS."""

FITTED = ("r_filament", "a_reset", "d_reset", "r_th")
"""What `fit_reset_curve` moves. `x0` only scales all lengths, and `e_reset` only trades
against `a_reset` on this curve, so both are chosen."""

FITTED_SPREAD = ("sigma_x", "x_sigma", "l_sigma")
"""What `fit_spread` moves beside `sigma_s`, which the spread of LRS gives at once."""

_LRS_WEIGHT = 100.0  # the low resistance is met to its last digit, not in the mean
_FACTOR = 10.0  # no number moves by more from where the card starts


@dataclass(frozen=True, kw_only=True)
class ResetTable:
    """Read resistance of cells after one RESET pulse from the low state."""

    v_reset: tuple[float, ...]
    """[V] Cell voltage of the pulse."""

    r_hrs: tuple[float, ...]
    """[Ohm] Its median over cells, access transistor included."""

    sigma_hrs: tuple[float, ...] = ()
    """[-] Standard deviation of ln R, where it was measured."""

    def __post_init__(self):
        numbers = np.array([*self.v_reset, *self.r_hrs, *self.sigma_hrs])
        if not (
            len(self.v_reset) == len(self.r_hrs) >= 1
            and len(self.sigma_hrs) in (0, len(self.v_reset))
            and np.isfinite(numbers).all()
            and (numbers > 0).all()
        ):
            raise InputError(
                "A table of RESET voltages needs at least one row, all voltages [V],"
                " resistances [Ohm] and, if there are any, spreads positive; got"
                f" {len(self.v_reset)} voltages, {len(self.r_hrs)} resistances and"
                f" {len(self.sigma_hrs)} spreads."
            )


def read_reset_table(path: str | Path) -> ResetTable:
    """Read a CSV file with the columns `v_reset_V` and `r_hrs_median_ohm`.

    Spreads are read too where there is a column `sigma_ln_r_hrs`.

    Raises:
        InputError: There is no such file, a column is missing, or a value is no
            positive number.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no table {path}: give the path of a CSV file.")
    with path.open(newline="", errors="replace") as file:
        rows = list(csv.DictReader(file))
    try:
        spread = (SPREAD_COLUMN,) if rows and SPREAD_COLUMN in rows[0] else ()
        columns = [
            tuple(float(row[name]) for row in rows) for name in (*COLUMNS, *spread)
        ]
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"The table {path} needs the columns {' and '.join(COLUMNS)} with a number"
            " in every row."
        ) from None
    return ResetTable(
        v_reset=columns[0],
        r_hrs=columns[1],
        sigma_hrs=columns[2] if spread else (),
    )


def low_resistance(card: FilamentCard, params: FilamentParams) -> Float[Array, ""]:
    """[Ohm] Read resistance of a nominal cell without barrier."""
    return jnp.exp(_log_low(card, params, jnp.ones_like(params.x0)))


def _log_low(card, params, s):
    """Logarithm of the read resistance of a cell without barrier."""
    one = jnp.ones_like(s)
    return jnp.log(
        read_resistance(card.v_read * one, card.gate_read * one, 0 * one, s, params)
    )


def residuals(card: FilamentCard, table: ResetTable) -> Float[np.ndarray, " rows"]:
    """[-] The model's high resistance over the table's, less 1, row by row.

    In jax's default float type; the barrier's Boltzmann factors want float64.
    """
    v_reset = jnp.asarray(table.v_reset, float)
    width = jnp.full_like(v_reset, card.t_reset)
    r_hrs = reset_curve(v_reset, width, card, card.params())
    return np.asarray(r_hrs) / np.asarray(table.r_hrs) - 1


def spread_residuals(
    card: FilamentCard, table: ResetTable
) -> Float[np.ndarray, " rows"]:
    """[-] The model's spread of ln R_HRS over the table's, less 1, row by row.

    Empty where the table has no spreads.
    """
    if not table.sigma_hrs:
        return np.zeros(0)
    v_reset = jnp.asarray(table.v_reset, float)
    outcome = outcome_of(card, v_reset, jnp.full_like(v_reset, card.t_reset))
    return np.asarray(outcome.sigma_hrs) / np.asarray(table.sigma_hrs) - 1


def fit_reset_curve(
    card: FilamentCard, table: ResetTable, r_lrs: float, digits: int = 5
) -> FilamentCard:
    """Move the `FITTED` numbers of a card until its curve follows a table.

    Least squares of ln R over the rows, with the low resistance held. The Jacobian is
    jax's own. Run it in x64 mode.

    Args:
        card: Where to start, and all that is not fitted.
        table: What to follow.
        r_lrs: [Ohm] Read resistance of the cell in its low state.
        digits: [-] Significant digits that the fitted numbers are rounded to.

    Raises:
        InputError: Without x64 mode, or where the fit does not end within a factor of
            10 of the card's numbers.
    """
    if not jax.config.read("jax_enable_x64"):
        raise InputError("A fit needs float64: set JAX_ENABLE_X64=1.")
    start = card.params()
    v_reset, width = jnp.asarray(table.v_reset), jnp.asarray(card.t_reset)
    wanted = jnp.log(jnp.asarray(table.r_hrs))

    def moved(z):
        change = {n: getattr(start, n) * jnp.exp(z[k]) for k, n in enumerate(FITTED)}
        return dataclasses.replace(start, **change)

    @jax.jit
    def misfit(z):
        params = moved(z)
        curve = jnp.log(reset_curve(v_reset, width, card, params)) - wanted
        low = jnp.log(low_resistance(card, params) / r_lrs)
        return jnp.append(curve, _LRS_WEIGHT * low)

    slope = jax.jit(jax.jacfwd(misfit))
    z = _least_squares(misfit, slope, len(FITTED))
    return _replaced(card, moved(z), FITTED, digits)


def fit_spread(
    card: FilamentCard, table: ResetTable, sigma_lrs: float, digits: int = 3
) -> FilamentCard:
    """Give a card the spread of filament and barrier that a table asks for.

    `sigma_s` follows from the spread of LRS; the barrier's is the least-squares fit of
    ln sigma_HRS over the rows. Run it in x64 mode, after `fit_reset_curve`.

    Args:
        card: Where to start: its own spread, not zero.
        table: What to follow, spreads included.
        sigma_lrs: [-] Standard deviation of ln R_LRS.
        digits: [-] Significant digits that the fitted numbers are rounded to.

    Raises:
        InputError: The table has too few spreads, or the fit does not end within a
            factor of 10 of the card's numbers.
    """
    if len(table.sigma_hrs) <= len(FITTED_SPREAD):
        raise InputError(
            f"A fit of the spread needs more than {len(FITTED_SPREAD)} rows with"
            f" {SPREAD_COLUMN}; got {len(table.sigma_hrs)}."
        )
    params = card.params()
    by_s = jax.grad(lambda log_s: _log_low(card, params, jnp.exp(log_s)))(0.0)
    start = dataclasses.replace(card.spread(), sigma_s=sigma_lrs / jnp.abs(by_s))
    v_reset, width = jnp.asarray(table.v_reset), jnp.asarray(card.t_reset)
    wanted = jnp.log(jnp.asarray(table.sigma_hrs))

    def moved(z):
        change = {
            n: getattr(start, n) * jnp.exp(z[k]) for k, n in enumerate(FITTED_SPREAD)
        }
        return dataclasses.replace(start, **change)

    @jax.jit
    def misfit(z):
        outcome = reset_outcome(v_reset, width, card, params, moved(z))
        return jnp.log(outcome.sigma_hrs) - wanted

    slope = jax.jit(jax.jacfwd(misfit))
    z = _least_squares(misfit, slope, len(FITTED_SPREAD))
    return _replaced(card, moved(z), ("sigma_s", *FITTED_SPREAD), digits)


def _least_squares(misfit, slope, n):
    """Where the sum of squares is smallest, no more than `_FACTOR` from the start."""
    bound = np.log(_FACTOR)
    answer = least_squares(
        misfit,
        np.zeros(n),
        jac=lambda z: np.asarray(slope(z)),  # type: ignore[arg-type]  # stub: str
        bounds=(-bound, bound),
    )
    if not answer.success or (np.abs(answer.x) > 0.99 * bound).any():
        raise InputError(
            "The fit of the RESET curve does not end within a factor of"
            f" {_FACTOR:g} of the card's numbers: start from another card."
        )
    return answer.x


def _replaced(card, record, names, digits):
    """The card with numbers of a record of arrays, rounded."""
    numbers = {n: float(f"{float(getattr(record, n)):.{digits}g}") for n in names}
    return dataclasses.replace(card, **numbers)
