"""`rram-jax neuron verify`: conversions on random arrays, surrogate beside ngspice."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from rram_jax.commands.config_parts import NeuronCommand
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_finished,
    say_in_log,
    show_table,
)
from rram_jax.data import input_codes, load_dataset
from rram_jax.device.card import load_card
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.config import SLOTS
from rram_jax.ngspice.conversions import (
    COLUMNS,
    LEVELS,
    LEVELS_PER_DECK,
    PER_DECK,
    ConversionCase,
    Conversions,
    case_config,
    convert,
    make_patterns,
    modelled_energy,
    raw_linearity,
    spread,
)
from rram_jax.ngspice.process import process_of
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.run_folder import (
    RunFolder,
    check_writable,
    default_folder,
    open_run,
    write_json,
    write_table,
)

DEVICE = "hfo2-nominal"
"""Card of the cells."""

N_INPUTS = 400
"""[-] Pixels of the packaged training images, of which each array takes its own."""

CONVERSIONS = ("pattern", "column", "code_surrogate", "code_spice")
"""Columns of case-K.csv."""


def verify(config: NeuronCommand) -> Path:
    """Simulate every case that is not done yet; returns the results' folder."""
    if config.json:
        check_writable(config.json)
    card, device = load_neuron_card(config.neuron_card), load_card(DEVICE)
    cases = _cases(every=config.all)
    asked = {
        "action": config.action,
        "card": card.sha256,
        "device": dataclasses.asdict(device),
        "cases": [dataclasses.asdict(case) for case in cases],
        "patterns": config.patterns,
        "seed": config.plan.seed,
        "ngspice": ngspice_info().version,
    }
    out = config.out or default_folder("neuron", f"verify-{card.name}", asked)
    with open_run(out, "neuron", asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            rows = _measure(config, cases, card, device, run)
            rest = {"cases": rows[1:]} if config.all else {}
            run.finish(rows[0] | rest)
        metrics = run.metrics()
    _show(metrics)
    say(f"Results: {out} (metrics.json; case-K.csv: both codes of every conversion).")
    if config.json:
        write_json(config.json, metrics)
        say(f"The same numbers as JSON: {config.json}.")
    return out


def _cases(*, every: bool) -> list[ConversionCase]:
    usual = ConversionCase()
    if not every:
        return [usual]
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"v_full": 4e-3},
        {"v_full": 10e-3},
        {"mismatch": True},
        {"mismatch": True, "noise": True},
        {"rows": 160},
        {"rows": 800},
        {"t_slot": 3e-9},
    )
    return [dataclasses.replace(usual, **change) for change in changes]


def _measure(config, cases, card, device, run: RunFolder) -> list[dict[str, Any]]:
    codes = input_codes(load_dataset("mnist5k").train_images, N_INPUTS)
    n = config.patterns
    rows, of_circuit = [], {}
    with progress_bar() as bar:
        decks = -(-n * COLUMNS // PER_DECK)
        neurons = {case_config(case, card) for case in cases}
        total = decks * len(cases) + -(-LEVELS // LEVELS_PER_DECK) * len(neurons)
        task = bar.add_task("simulations", total=total, told="")

        def tell(sentence: str) -> None:
            bar.update(task, told=sentence)
            say_in_log(f"{sentence}: ngspice runs.")

        for k, case in enumerate(cases):
            which = f"case {k + 1} of {len(cases)}"
            tell(f"{which}, {n * COLUMNS} conversions")
            patterns = make_patterns(case, n, codes, card, device, config.plan.seed)
            result = convert(
                case,
                patterns,
                card,
                workers=config.workers,
                on_done=lambda: bar.advance(task),
            )
            _write_codes(run.path / f"case-{k}.csv", result)
            neuron = case_config(case, card)
            if neuron not in of_circuit:
                tell(f"{which}, linearity at {LEVELS} inputs")
                found = raw_linearity(
                    neuron,
                    process=process_of(card),
                    workers=config.workers,
                    on_done=lambda: bar.advance(task),
                )
                of_circuit[neuron] = found | spread(neuron, card)
            rows.append(
                {
                    **dataclasses.asdict(case),
                    **result.agreement(),
                    **of_circuit[neuron],
                    "energy_j": sum(result.energy.values()),
                    "energy_by_block_j": result.energy,
                    "energy_model_j": modelled_energy(neuron, result.found, card),
                    "seconds_per_conversion": result.cpu_s,
                }
            )
    return rows


def _write_codes(path: Path, result: Conversions) -> None:
    number = np.arange(len(result.said))
    columns = (number // COLUMNS, number % COLUMNS, result.said, result.found)
    write_table(path, CONVERSIONS, np.stack(columns, 1).tolist())


def _show(metrics: dict[str, Any]) -> None:
    rows = [metrics, *metrics.get("cases", [])]
    show_table(
        f"{rows[0]['n_codes']} conversions a case, surrogate beside ngspice",
        ("case", "equal", f"of 1-{SLOTS - 1}", "within 1", "pJ", "CPU s"),
        (
            (
                _told(row),
                *(
                    f"{100 * row[f'codes_{name}']:.2f} %"
                    for name in ("equal", "equal_active", "within_1")
                ),
                f"{1e12 * row['energy_j']:.1f}",
                f"{row['seconds_per_conversion']:.2f}",
            )
            for row in rows
        ),
    )
    show_table(
        "Neurons, in LSB; gain in %",
        ("full scale", "slot", "INL", "DNL", "offset sd", "gain sd", "noise"),
        (
            (
                f"{1e3 * v_full:g} mV",
                f"{1e9 * t_slot:g} ns",
                *(f"{row[name]:.3f}" for name in ("inl_lsb", "dnl_lsb")),
                f"{row['offset_sd_lsb']:.3f}",
                f"{100 * row['gain_sd']:.2f}",
                f"{row['noise_lsb']:.3f}",
            )
            for (v_full, t_slot), row in {
                (row["v_full"], row["t_slot"]): row for row in rows
            }.items()
        ),
    )


def _told(row: dict[str, Any]) -> str:
    extras = [name for name in ("mismatch", "noise") if row[name]]
    where = [f"{1e3 * row['v_full']:g} mV", f"{row['rows']} rows"]
    if row["t_slot"] != ConversionCase.t_slot:
        where.append(f"{1e9 * row['t_slot']:g} ns")
    return ", ".join([*where, *extras])
