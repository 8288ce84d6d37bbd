"""The whole circuit in ngspice: two networks on the same chips and images.

    python -m experiments.full_circuit --workers 2

Every part is a run folder of `rram-jax verify` under `--out`; finished decks are kept,
and the same command goes on where it was stopped. Ends with the tables, figures and
`summary.md` that stand in `results/`.
"""

import dataclasses
import sys
from concurrent.futures.process import BrokenProcessPool

import tyro

from experiments.full_circuit.figures import codes_figure, energy_figure
from experiments.full_circuit.parts import FullCircuit, chosen_parts, plan_parts
from experiments.full_circuit.summary import lines_of, summary
from experiments.full_circuit.tables import (
    agreement_rows,
    deck_rows,
    energy_rows,
    finished_parts,
    same_decks,
    static_rows,
)
from rram_jax.commands.terminal import progress_bar, say
from rram_jax.commands.verify import run_decks
from rram_jax.errors import InputError, NgspiceError
from rram_jax.run_folder import read_metrics, write_json, write_table, write_text

CHECKED = (
    ("cells-hardened", "full-hardened"),
    ("column-hardened", "full-hardened"),
)
"""Pairs of runs of one network: a tier or array beside the next one."""


def main(config: FullCircuit) -> None:
    """Do what is missing of the chosen parts; tables and figures of all finished ones.

    Raises:
        InputError: The settings do not fit each other, or a folder is another run's.
        NgspiceError: A deck failed; what was finished before is kept.
    """
    with progress_bar() as bar:
        for name, command in chosen_parts(config).items():
            run_decks(command, bar, name)
    write_results(config)
    say(f"Results: {config.out / 'summary.md'} and the tables and figures beside it.")


def write_results(config: FullCircuit) -> None:
    """Tables, figures and summary of the finished parts."""
    folders = finished_parts(plan_parts(config))
    agreement, energy = agreement_rows(folders), energy_rows(folders)
    tables = {
        "decks": deck_rows(folders),
        "agreement": agreement,
        "energy": energy,
        "static": static_rows(folders),
    }
    for name, rows in tables.items():
        if rows:
            write_table(config.out / f"{name}.csv", *lines_of(rows))
    same = {
        f"{one}, {other}": same_decks(folders, one, other) for one, other in CHECKED
    }
    text = summary(agreement, energy, tables["static"], same, _conditions(config))
    write_text(config.out / "summary.md", text)
    settings = dataclasses.asdict(config) | {"out": None, "data_dir": None}
    write_json(config.out / "settings.json", settings)
    whole = {k: f for k, f in folders.items() if read_metrics(f)["tier"] == "full"}
    coded = {k: f for k, f in folders.items() if read_metrics(f)["tier"] != "static"}
    if whole:
        energy_figure(whole, config.out / "energy")
    if coded:
        codes_figure(coded, config.out / "codes")


def _conditions(config: FullCircuit) -> str:
    return (
        f"MNIST test images drawn by seed {config.seed}, sigma_LRS"
        f" {config.sigma_lrs:g}, mismatch and RTN on, device card hfo2-nominal; the"
        " surrogate answers for the same sampled cells and thresholds. Intervals are"
        " 95 %, images on chips taken as the unit."
    )


if __name__ == "__main__":
    try:
        main(tyro.cli(FullCircuit, prog="python -m experiments.full_circuit"))
    except (InputError, NgspiceError, BrokenProcessPool) as error:
        print(f"full_circuit: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
