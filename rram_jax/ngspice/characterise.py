"""Make a neuron card: run the measurements, keep each, end with one TOML file."""

import dataclasses
import datetime
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
from rich.console import Console
from rich.progress import Progress

from rram_jax.errors import InputError
from rram_jax.neuron.card import (
    Conditions,
    DriverResistance,
    KindTable,
    MismatchTable,
    NeuronCard,
    SlopeTable,
)
from rram_jax.ngspice.farm import run_jobs
from rram_jax.ngspice.measure import (
    MEASUREMENTS,
    check_mismatch,
    measure,
    process_of,
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
    # The longest first, so that no worker is left alone with one at the end.
    keys = [(label, v) for label in MEASUREMENTS for v in plan.v_full]
    paths = {key: out / f"{key[0]}_{1e6 * key[1]:.0f}uV.json" for key in keys}
    missing = [key for key in keys if not paths[key].exists()]
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Columns", total=len(missing))

        def keep(index: int, result: dict) -> None:
            _write(paths[missing[index]], json.dumps(result, indent=1))
            progress.advance(task)

        run_jobs(partial(measure, plan), missing, workers=workers, on_done=keep)
    card = _card(plan, {key: json.loads(paths[key].read_text()) for key in keys})
    checked = dataclasses.replace(
        card.mismatch,
        **{
            kind: dataclasses.replace(
                getattr(card.mismatch, kind), **check_mismatch(plan, card, kind)
            )
            for kind in KINDS
        },
    )
    text = tomli_w.dumps(
        _rounded(dataclasses.asdict(dataclasses.replace(card, mismatch=checked)))
    )
    _write(out / f"{plan.name}.toml", text)
    return parse_record(text, NeuronCard, f"neuron card {plan.name}")


def _write(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text)
    os.replace(part, path)


def _claim(out: Path, plan: CharacterisePlan) -> None:
    """Make the folder, or check that its measurements are of the same plan."""
    out.mkdir(parents=True, exist_ok=True)
    wanted = json.dumps(dataclasses.asdict(plan), indent=1)
    path = out / "plan.json"
    if path.exists() and path.read_text() != wanted:
        raise InputError(
            f"{out} holds measurements of another plan (see its plan.json): give"
            " another folder or remove it."
        )
    _write(path, wanted)


def _card(plan: CharacterisePlan, results: dict[tuple[str, float], dict]) -> NeuronCard:
    """The card of all measurements."""

    def column(label: str, field: str) -> tuple[float, ...]:
        return tuple(results[label, v][field] for v in plan.v_full)

    tables = {}
    slopes = {}
    for kind in KINDS:
        config = plan.config(kind, plan.v_full[0])
        own = ("clocks_per_slot", "asynchronous", "window", "v_full")
        columns = {
            field.name: column(kind, field.name)
            for field in dataclasses.fields(KindTable)
            if field.name not in own
        }
        tables[kind] = KindTable(
            clocks_per_slot=config.clocks_per_slot,
            asynchronous=config.asynchronous,
            window=results[kind, plan.v_full[0]]["window"],
            v_full=plan.v_full,
            **columns,
        )
        offset, gain = (
            {
                name: tuple(
                    results[f"slopes_{kind}", v][part][name] for v in plan.v_full
                )
                for name in config.mismatched
            }
            for part in ("offset", "gain")
        )
        slopes[kind] = SlopeTable(
            equal=0.0, within_1=0.0, v_full=plan.v_full, offset=offset, gain=gain
        )
    config = plan.config("hidden", plan.v_full[0])
    r_pos, r_neg, r_rest = driver_resistance(config, process=process_of(plan))
    return NeuronCard(
        name=plan.name,
        source="Fitted to ngspice testbenches of single columns by `characterise`.",
        conditions=Conditions(
            ngspice=str(ngspice_info().version),
            date=datetime.date.today().isoformat(),
            i_bias=plan.i_bias,
            t_slot=plan.t_slot,
            swing=plan.swing,
            shift_share=plan.shift_share,
            n_train=plan.n_train,
            n_test=plan.n_test,
            cmos=plan.cmos,
            technology=config.technology,
            corner=plan.corner,
            temperature=plan.temperature,
        ),
        driver=DriverResistance(
            r_driver=config.r_driver,
            g_row=G_ROW,
            r_pos=r_pos,
            r_neg=r_neg,
            r_rest=r_rest,
        ),
        **tables,
        mismatch=MismatchTable(a_vt=plan.a_vt, **slopes),
    )


def _rounded(tree: Any) -> Any:
    """Six digits of every number: what a fit carries, and a card that reads well."""
    if isinstance(tree, dict):
        return {key: _rounded(value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return [_rounded(value) for value in tree]
    return float(f"{tree:.6g}") + 0.0 if isinstance(tree, float) else tree
