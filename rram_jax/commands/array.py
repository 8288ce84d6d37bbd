"""`rram-jax array`: one wired array, solved and drawn."""

import dataclasses
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.circuit.solution import CONVERGED
from rram_jax.circuit.solver import solve_crossbar
from rram_jax.commands.config_parts import ArrayCommand
from rram_jax.commands.terminal import say, say_finished
from rram_jax.device.card import load_card
from rram_jax.device.variability import sample_resistance
from rram_jax.errors import InputError, NotConvergedError
from rram_jax.report.array import SolvedArray, array_figure
from rram_jax.run_folder import (
    RunFolder,
    default_folder,
    open_run,
    write_table,
    write_text,
)
from rram_jax.types import Float

ROWS, COLS, DEVICE, V_READ = 64, 32, "bench-r10", 0.2
"""What is taken where nothing is given; the volts are the largest drive."""

MAX_BYTES = 50_000_000
"""[byte] A larger file is no array of ours."""

FEET = ("column", "voltage", "current")
"""Columns of feet.csv: number, [V] above v_cm, [A] out of the foot."""

LARGEST = 0.1
"""[S] Cells above 10 Ohm are more likely ohms than siemens."""


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """What is solved, and how it was asked for."""

    conductance: Float[np.ndarray, "rows cols"]
    """[S]"""

    drive: Float[np.ndarray, " rows"]
    """[V] Above v_cm."""

    told: str
    """What the cells are, in words."""

    asked: dict[str, Any]
    """What cells and drives follow from."""


def array(config: ArrayCommand) -> Path:
    """Solve an array, tell how well, draw it and write what comes out of its feet.

    Returns:
        The folder of the results.

    Raises:
        InputError: A file or a card does not serve.
        NotConvergedError: The solver did not reach the tolerance; what it reached is
            written all the same.
    """
    problem = _problem(config)
    rows, cols = problem.conductance.shape
    wires = dataclasses.asdict(config.wires)
    asked = {
        "action": config.action,
        **problem.asked,
        # JSON has no infinity.
        "wires": {k: "inf" if math.isinf(r) else r for k, r in wires.items()},
        "tolerance": config.tolerance,
    }
    if (largest := problem.conductance.max()) > LARGEST:
        say(
            f"The largest cell conducts {largest:.3g} S: cells are in siemens, so if"
            " these are ohms, give 1/R."
        )
    out = config.out or default_folder("array", f"{rows}x{cols}", asked)
    with open_run(out, "array", asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            _solve(config, problem, run)
        found = run.metrics(
            result=str, converged=bool, iterations=int, kcl_residual=float | int | None
        )
    how = "converged" if found["converged"] else "not converged"
    residual = found["kcl_residual"]
    say(
        f"{_count(rows, 'row')}, {_count(cols, 'column')}, {problem.told}: {how} in"
        f" {_count(found['iterations'], 'iteration')}; largest current that does not"
        f" add up at a node: {'unknown' if residual is None else f'{residual:.2g} A'}."
    )
    say(
        f"Results: {out} (feet.csv: voltage and current of every bit line's sensed"
        " end; array.png, array.svg; conductance.csv, drive.csv)."
    )
    if not found["converged"]:
        raise NotConvergedError(
            f"This array is not solved to a tolerance of {config.tolerance:g}:"
            f" {found['result']} (what was reached is in {out})."
        )
    return out


def _solve(config: ArrayCommand, problem: _Problem, run: RunFolder) -> None:
    conductance, drive = problem.conductance, problem.drive
    with jax.enable_x64(True):
        solution = solve_crossbar(
            drive, conductance, config.wires, tolerance=config.tolerance, nodes=True
        )
        solved = SolvedArray(
            conductance=conductance,
            drive=drive,
            v_sl=np.asarray(solution.v_sl),
            v_bl=np.asarray(solution.v_bl),
            cell_current=np.asarray(solution.cell_current),
            voltage=np.asarray(solution.voltage),
            current=np.asarray(solution.current),
        )
        metrics = {
            "rows": len(drive),
            "cols": conductance.shape[1],
            "result": solution.result,
            "converged": int(solution.status) == CONVERGED,
            "iterations": int(solution.iterations),
            "kcl_residual": _finite(solution.kcl_residual),
            "error": _finite(solution.error),
        }
    _write_numbers(run.path / "conductance.csv", conductance.tolist())
    _write_numbers(run.path / "drive.csv", ([v] for v in drive.tolist()))
    feet = solved.voltage.tolist(), solved.current.tolist()
    columns = range(conductance.shape[1])
    write_table(run.path / "feet.csv", FEET, zip(columns, *feet, strict=True))
    array_figure(solved, config.wires, problem.told, run.path / "array")
    run.finish(metrics)


def _problem(config: ArrayCommand) -> _Problem:
    """Read or draw the cells, then the drives."""
    rng = np.random.default_rng(config.seed)
    asked: dict[str, Any] = {}
    if config.conductance:
        conductance, asked["conductance_sha256"] = _read_numbers(config.conductance)
        told = f"cells of {config.conductance.name}"
    else:
        shape = config.rows or ROWS, config.cols or COLS
        name = config.device or DEVICE
        card = load_card(name)
        is_lrs = jnp.asarray(rng.random(shape) < 0.5)
        r = sample_resistance(jax.random.key(config.seed), is_lrs, card.params())
        conductance = 1 / np.asarray(r, np.float64)
        told = f"random cells of {name}, seed {config.seed}"
        asked |= {"shape": shape, "device": dataclasses.asdict(card)}
    if config.drive:
        numbers, asked["drive_sha256"] = _read_numbers(config.drive)
        drive = numbers.ravel()
        if 1 not in numbers.shape:
            raise InputError(
                f"{config.drive} has {numbers.shape[0]} lines of {numbers.shape[1]}"
                " drives: one array takes one line or one column of them."
            )
        if len(drive) != len(conductance):
            raise InputError(
                f"{config.drive} has {_count(len(drive), 'drive')}, and the array has"
                f" {_count(len(conductance), 'row')}: give one a row."
            )
    else:
        v_read = V_READ if config.v_read is None else config.v_read
        drive = v_read * rng.uniform(-1, 1, len(conductance))
        asked["v_read"] = v_read
    if not (config.conductance and config.drive):
        asked["seed"] = config.seed
    return _Problem(conductance=conductance, drive=drive, told=told, asked=asked)


def _read_numbers(path: Path) -> tuple[Float[np.ndarray, "rows cols"], str]:
    """Lines of numbers with commas between them, and the SHA-256 of their file.

    What follows a `#` is a comment.
    """
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path} is no file of up to {MAX_BYTES // 10**6} MB: give a CSV file."
        )
    data = path.read_bytes()
    rows: list[list[float]] = []
    for k, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            row = [float(word) for word in words.split(",")]
        except ValueError:
            row = []
        if not row:
            raise InputError(
                f"{path} must hold numbers with commas between them and no header; line"
                f" {k} is {words[:40]!r}."
            )
        if rows and len(row) != len(rows[0]):
            raise InputError(
                f"{path} must hold as many numbers in every line: line {k} has"
                f" {len(row)}, those before it have {len(rows[0])}."
            )
        rows.append(row)
    if not rows:
        raise InputError(
            f"{path} holds no numbers: give lines of numbers with commas between them."
        )
    return np.array(rows), hashlib.sha256(data).hexdigest()


def _write_numbers(path: Path, rows: Iterable[Iterable[float]]) -> None:
    """Write what `_read_numbers` reads, with all digits."""
    write_text(path, "".join(",".join(map(repr, row)) + "\n" for row in rows))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _finite(value: Any) -> float | None:
    """A number that JSON can hold."""
    return float(value) if math.isfinite(value) else None
