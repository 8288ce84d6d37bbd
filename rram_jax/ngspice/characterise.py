"""Make a neuron card: run the measurements, keep each, end with one TOML file."""

import dataclasses
import datetime
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from rich.console import Console
from rich.progress import Progress

from rram_jax.errors import InputError
from rram_jax.neuron.box import Box
from rram_jax.neuron.calibrate import (
    EXCESS_SHAPES,
    NOISE_SHAPES,
    SLOPE_SHAPES,
    CrossingLaws,
    Measured,
    fit_crossings,
    fit_slopes,
    judge,
)
from rram_jax.neuron.card import (
    CROSSING,
    Conditions,
    DriverResistance,
    KindLaws,
    MismatchLaws,
    NeuronCard,
    SlopeLaws,
)
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.energy_fit import fit_energy
from rram_jax.neuron.law import Law, Term, fit_law
from rram_jax.ngspice.effects.array import edge_area
from rram_jax.ngspice.farm import run_jobs
from rram_jax.ngspice.measure import (
    LABELS,
    R_DRIVERS,
    check_mismatch,
    measure,
)
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.ngspice.testbench import G_ROW, driver_resistance
from rram_jax.toml_file import parse_record

KINDS = ("hidden", "output")
"""Of neurons, as the card's tables are called."""


def characterise(
    out: Path, plan: CharacterisePlan | None = None, workers: int | None = None
) -> NeuronCard:
    """Measure what `plan` asks for and write `<name>.toml` into the folder `out`.

    Every finished measurement is kept there as a JSON file, and a run that was stopped
    goes on where it was. The default plan takes about 20 minutes of one core.

    Args:
        out: Folder, made if need be.
        plan: What to measure; the preset's plan where None.
        workers: Processes; one for each core where None.

    Raises:
        InputError: `out` holds the measurements of another plan, or a neuron of the
            plan cannot be built.
    """
    plan = plan or CharacterisePlan()
    plan.check()
    _claim(out, plan)
    results = _run(out, partial(measure, plan), _keys(plan), "Columns", workers)
    card = _card(plan, results)
    checks = [("mismatch", k) for k in range(len(KINDS))]
    checked = _run(out, partial(_check, plan, card), checks, "Mismatch", workers)
    judged = {
        kind: dataclasses.replace(
            getattr(card.mismatch, kind), **checked["mismatch", k]
        )
        for k, kind in enumerate(KINDS)
    }
    card = dataclasses.replace(
        card, mismatch=dataclasses.replace(card.mismatch, **judged)
    )
    text = tomli_w.dumps(_rounded(dataclasses.asdict(card)))
    _write(out / f"{plan.name}.toml", text)
    return parse_record(text, NeuronCard, f"neuron card {plan.name}")


def _keys(plan: CharacterisePlan) -> list[tuple[str, int]]:
    """What is measured: a label and the number of an operating point."""
    return [(label, k) for label, n in LABELS.items() for k in range(n(plan))]


def _check(plan: CharacterisePlan, card: NeuronCard, key: tuple[str, int]) -> dict:
    return check_mismatch(plan, card, KINDS[key[1]])


def _run(
    out: Path,
    job: Callable[[tuple[str, int]], dict],
    keys: list[tuple[str, int]],
    told: str,
    workers: int | None,
) -> dict[tuple[str, int], dict]:
    """Results of all keys; those that are kept in `out` are not measured again."""
    paths = {key: _path(out, key) for key in keys}
    missing = [key for key in keys if not paths[key].exists()]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(told, total=len(missing))

        def keep(index: int, result: dict) -> None:
            _write(paths[missing[index]], json.dumps(result))
            progress.advance(task)

        run_jobs(job, missing, workers=workers, on_done=keep)
    return {key: json.loads(paths[key].read_text()) for key in keys}


def _path(out: Path, key: tuple[str, int]) -> Path:
    return out / f"{key[0]}_{key[1]:02d}.json"


def _write(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text)
    os.replace(part, path)


def _claim(out: Path, plan: CharacterisePlan) -> None:
    """Make the folder, or check that its measurements are of the same plan."""
    out.mkdir(parents=True, exist_ok=True)
    # Without nulls, so that a folder from before there were own circuits goes on.
    told = {k: v for k, v in dataclasses.asdict(plan).items() if v is not None}
    wanted = json.dumps(told, indent=1)
    path = out / "plan.json"
    if path.exists() and path.read_text() != wanted:
        raise InputError(
            f"{out} holds measurements of another plan (see its plan.json): give"
            " another folder or remove it."
        )
    _write(path, wanted)


def _card(plan: CharacterisePlan, results: dict[tuple[str, int], dict]) -> NeuronCard:
    """The card of all measurements; mismatch is not judged yet."""
    usual, netlist = plan.usual("hidden"), plan.process.netlist
    r_pos, r_neg, r_rest = driver_resistance(usual, process=plan.process)
    return NeuronCard(
        name=plan.name,
        source="Fitted to ngspice testbenches of single columns by `characterise`.",
        conditions=Conditions(
            ngspice=str(ngspice_info().version),
            date=datetime.date.today().isoformat(),
            shift_share=plan.shift_share,
            n_points=plan.n_points,
            n_held_out=plan.n_held_out,
            n_staircases=plan.n_staircases,
            cmos=plan.cmos,
            technology=plan.technology,
            corner=plan.corner,
            temperature=plan.temperature,
            netlist=netlist.path if netlist else "",
            netlist_sha256=netlist.sha256 if netlist else "",
        ),
        box=Box(
            i_bias=plan.i_bias,
            t_slot=plan.t_slot,
            v_full=plan.v_full,
            swing=plan.swing,
            c_int=plan.c_int,
        ),
        driver=DriverResistance(
            r_driver=usual.r_driver,
            g_row=G_ROW,
            r_pos=r_pos,
            r_neg=r_neg,
            r_rest=r_rest,
            edge=edge_area(usual, plan.process),
        ),
        hidden=_kind(plan, "hidden", results),
        output=_kind(plan, "output", results),
        mismatch=MismatchLaws(
            a_vt=plan.a_vt,
            hidden=_slopes(plan, "hidden", results),
            output=_slopes(plan, "output", results),
        ),
        energy=fit_energy(
            {kind: plan.energy_points(kind) for kind in KINDS},
            {
                kind: [results[f"energy_{kind}", k] for k in range(plan.n_energy)]
                for kind in KINDS
            },
            [(r, results["drivers", k]) for k, r in enumerate(R_DRIVERS)],
        ),
    )


def _kind(
    plan: CharacterisePlan, kind: str, results: dict[tuple[str, int], dict]
) -> KindLaws:
    """The laws of a kind, fitted to its first points and judged at the others."""
    configs = plan.points(kind)
    rows = [results[kind, k] for k in range(len(configs))]
    measured = [measured_point(c, row) for c, row in zip(configs, rows, strict=True)]
    fitted = slice(0, plan.n_points)
    laws = fit_crossings(measured[fitted])
    told = judge(laws, measured[plan.n_points :])

    def law(shapes: tuple[Term, ...], field: str) -> Law:
        values = np.array([row[field] for row in rows[fitted]])
        # As shares of themselves: the noise of large currents counts as much.
        weights = 1 / np.abs(values) if field == "noise_variance" else None
        return fit_law(shapes, configs[fitted], values, weights)

    return KindLaws(
        clocks_per_slot=configs[0].clocks_per_slot,
        asynchronous=configs[0].asynchronous,
        gain=laws.gain,
        offset=laws.offset,
        leak=laws.leak,
        curve=laws.curve,
        lag=laws.lag,
        pulse_excess=law(EXCESS_SHAPES, "pulse_excess") if kind == "hidden" else (),
        noise_variance=law(NOISE_SHAPES, "noise_variance"),
        residual_rms=told["residual_rms"],
        residual_max=told["residual_max"],
        equal=told["equal"],
        within_1=told["within_1"],
    )


POINT = (
    "i_bias",
    "t_slot",
    "v_full",
    "swing",
    "c_int",
    "held_out",
    "residual_rms",
    "residual_max",
    "equal",
    "within_1",
    "noise_variance",
    "pulse_excess",
)
"""Columns of a table of operating points, in SI units; residuals in slots."""


def point_rows(
    out: Path, plan: CharacterisePlan, card: NeuronCard, kind: str
) -> list[dict[str, float]]:
    """How the card does at every operating point, from the folder's measurements.

    Returns:
        Values by the names of `POINT`, for each.
    """
    laws = getattr(card, kind)
    laws = CrossingLaws(**{name: getattr(laws, name) for name in CROSSING})
    rows = []
    for k, config in enumerate(plan.points(kind)):
        row = json.loads(_path(out, (kind, k)).read_text())
        told = judge(laws, [measured_point(config, row)])
        where = {name: getattr(config, name) for name in POINT[:5]}
        noise = {name: row[name] for name in POINT[-2:]}
        rows.append(where | {"held_out": float(k >= plan.n_points)} | told | noise)
    return rows


def measured_point(config: NeuronConfig, row: dict) -> Measured:
    """A kept measurement, as the fit takes it."""
    position = [np.nan if x is None else x for x in row["position"]]
    return Measured(
        config=config,
        staircases=np.array(row["staircases"]),
        position=np.array(position),
        counts=np.array(row["counts"]),
        bracket=row["bracket"],
    )


def _slopes(
    plan: CharacterisePlan, kind: str, results: dict[tuple[str, int], dict]
) -> SlopeLaws:
    """Slopes by transistor; not judged yet."""
    configs = plan.slope_points(kind)
    rows = [results[f"slopes_{kind}", k] for k in range(plan.n_slopes)]
    offset, gain = (
        fit_slopes(part, configs, [row[part] for row in rows])
        for part in ("offset", "gain")
    )
    return SlopeLaws(
        equal=0.0,
        within_1=0.0,
        offset_terms=SLOPE_SHAPES["offset"],
        offset=offset,
        gain_terms=SLOPE_SHAPES["gain"],
        gain=gain,
    )


def _rounded(tree: Any) -> Any:
    """Six digits of every number: what a fit carries, and a card that reads well."""
    if isinstance(tree, dict):
        return {key: _rounded(value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return [_rounded(value) for value in tree]
    return float(f"{tree:.6g}") + 0.0 if isinstance(tree, float) else tree
