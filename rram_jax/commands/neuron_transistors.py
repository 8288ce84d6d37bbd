"""`rram-jax neuron transistors`: what the neuron's transistors can do."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from rram_jax.commands.config_parts import NeuronCommand
from rram_jax.commands.terminal import progress_bar, say, say_finished, show_table
from rram_jax.neuron.cmos import ROOM, TYPICAL, CmosCard, Process, load_cmos_card
from rram_jax.ngspice.cmos import model_lines
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.ngspice.transistor_bench import Size, measure_mismatch, sizes
from rram_jax.ngspice.transistor_figures import TransistorFigures, measure_transistors
from rram_jax.report.published import SOURCES
from rram_jax.report.transistors import (
    HEADER,
    MIDDLE,
    TERMINAL_HEADER,
    comparison,
    curves_figure,
    pelgrom,
    terminal_lines,
)
from rram_jax.run_folder import (
    RunFolder,
    default_folder,
    open_run,
    write_table,
    write_text,
)

N_DRAWN = 256
"""[-] Transistors of each kind and size behind a spread."""

MISMATCH = (
    "kind",
    "width",
    "length",
    "sigma_vt",
    "sigma_vt_pelgrom",
    "sigma_beta",
    "sigma_beta_pelgrom",
)
"""Columns of mismatch.csv, in SI units."""


def transistors(config: NeuronCommand) -> Path:
    """Measure a CMOS card's transistors; returns the results' folder."""
    card = load_cmos_card(config.plan.cmos)
    info = ngspice_info()
    processes = _processes(card)
    models = "".join(map(model_lines, processes))
    asked = {
        "action": config.action,
        # Of the models their text counts, not where they lie on this machine.
        "card": dataclasses.asdict(card) | {"include": Path(card.include).name},
        "models_sha256": hashlib.sha256(models.encode()).hexdigest(),
        "ngspice": info.version,
        "seed": config.plan.seed,
    }
    out = config.out or default_folder("neuron", f"transistors-{card.name}", asked)
    with open_run(out, "neuron", asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            _measure(card, processes, config.plan.seed, run)
        lines = run.metrics(table=list)["table"]
    show_table(
        f"Transistors of {card.name} beside SKY130's",
        TERMINAL_HEADER,
        terminal_lines(lines),
    )
    for source in SOURCES:
        say(f"Source of SKY130's figures: {source}.")
    say(
        f"Results: {out} (transistors.csv: every size, corner and temperature;"
        " mismatch.csv, table.md, curves.png, curves.svg)."
    )
    return out


def _processes(card: CmosCard) -> list[Process]:
    """All corners at the lowest, room's and the highest temperature."""
    low, high = card.temperature_low, card.temperature_high
    temperatures = sorted({low, min(max(ROOM, low), high), high})
    return [
        Process(card=card, corner=corner, temperature=temperature)
        for corner in card.corners
        for temperature in temperatures
    ]


def _measure(
    card: CmosCard, processes: list[Process], seed: int, run: RunFolder
) -> None:
    low, high = card.temperature_low, card.temperature_high
    room = min(max(ROOM, low), high)
    rows, curves = [], {}
    with progress_bar() as bar:
        task = bar.add_task("corners", total=len(processes), told="")
        for process in processes:
            figures, drawn = measure_transistors(process)
            rows += figures
            if process.temperature == room:
                curves |= {(process.corner, *key): c for key, c in drawn.items()}
            bar.advance(task)
    typical = Process(card=card, corner=TYPICAL, temperature=room)
    rng = np.random.default_rng(seed)
    spread = {
        size: measure_mismatch(rng, typical, size, N_DRAWN) for size in sizes(card)
    }
    shown = MIDDLE if MIDDLE in spread else sizes(card)[0]
    _write_spread(run.path / "mismatch.csv", card, spread)
    names = [field.name for field in dataclasses.fields(TransistorFigures)]
    write_table(
        run.path / "transistors.csv",
        names,
        ([_rounded(getattr(row, name)) for name in names] for row in rows),
    )
    root = pelgrom(shown)
    coefficients = {k: (v * root, b * root) for k, (v, b) in spread[shown].items()}
    lines = comparison(rows, coefficients, room)
    write_text(run.path / "table.md", _markdown(card, lines, room))
    curves_figure(card, curves, shown, run.path / "curves")
    run.finish({"table": lines, "n_rows": len(rows)})


def _write_spread(
    path: Path,
    card: CmosCard,
    spread: dict[Size, dict[str, tuple[float, float]]],
) -> None:
    rows = [
        (
            kind,
            *size,
            *map(_rounded, (v, card.a_vt(kind) / pelgrom(size))),
            *map(_rounded, (b, card.a_beta / pelgrom(size))),
        )
        for size, found in spread.items()
        for kind, (v, b) in found.items()
    ]
    write_table(path, MISMATCH, rows)


def _markdown(card: CmosCard, lines: list[tuple[str, ...]], temperature: float) -> str:
    """The table beside SKY130 with its sources."""
    return "\n".join(
        [
            f"# Transistors of {card.name}, {temperature:g} degrees Celsius",
            "",
            "| " + " | ".join(HEADER) + " |",
            "|" + "---|" * len(HEADER),
            *("| " + " | ".join(line) + " |" for line in lines),
            "",
            "Voltages and currents of p are counted as those of n. gm/I_d, gm r_out",
            "and noise at half the supply from drain to source; the overlap holds the",
            "model's fringe, SKY130's is the parameter alone. SKY130:",
            "",
            *(f"- {source}." for source in SOURCES),
            "",
        ]
    )


def _rounded(value):
    """Six digits of a number: what a curve of 10 mV steps carries."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
