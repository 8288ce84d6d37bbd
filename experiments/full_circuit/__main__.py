"""The whole circuit in ngspice: two networks on the same chips and images.

    python -m experiments.full_circuit --workers 2

Every part is a run folder of `rram-jax verify` under `--out`; finished decks are kept,
and the same command goes on where it was stopped. Ends with `report.html`, its figures
and tables (those of `rram-jax report`), `tables/decks.csv` with a row a deck, and
`summary.md`.
"""

import sys
from concurrent.futures.process import BrokenProcessPool

import tyro

from experiments.full_circuit.parts import FullCircuit, chosen_parts, plan_parts
from experiments.full_circuit.tables import (
    deck_sheet,
    finished_runs,
    folders_of,
    markdown,
    network_sheet,
    tier_sheet,
)
from rram_jax.commands.terminal import progress_bar, say
from rram_jax.commands.verify import run_decks
from rram_jax.errors import InputError, NgspiceError
from rram_jax.report.verification import write_verification
from rram_jax.run_folder import write_text

SHOWN = {
    "networks": "The two networks on the same images and chips",
    "tiers": "A tier beside the next",
    "answers": "Right answers, ngspice and surrogate on the same cells",
    "codes_by_layer": "Codes and counts, layer by layer",
    "lines_by_layer": "Bit lines at rest",
    "energy_by_block": "Energy of an inference",
    "energy_per_mac": "Energy of a multiplication",
    "times": "Time of an inference",
    "peak_currents": "Peak currents, edges of pulses included",
}
"""Tables that stand in summary.md as well."""


def main(config: FullCircuit) -> None:
    """Do what is missing of the chosen parts; tables and figures of all finished ones.

    Raises:
        InputError: The settings do not fit each other, or a folder is another run's.
        NgspiceError: A deck failed; what was finished before is kept.
    """
    finished_runs(config)  # complains before hours of work
    with progress_bar() as bar:
        for name, command in chosen_parts(config).items():
            run_decks(command, bar, name)
    write_results(config)
    say(f"Results: {config.out / 'summary.md'}, report.html, figures/ and tables/.")


def write_results(config: FullCircuit) -> None:
    """Report, tables and summary of the finished parts.

    Raises:
        InputError: A folder is damaged, or holds a run of other settings.
    """
    runs = finished_runs(config)
    report = write_verification(config.out, folders_of(runs))
    own = {
        "decks": deck_sheet(runs),
        "networks": network_sheet(runs),
        "tiers": tier_sheet(runs),
    }
    for name, sheet in own.items():
        sheet.write(config.out / "tables" / f"{name}.csv")
    missing = [name for name in plan_parts(config) if name not in runs]
    parts = [
        "# The whole circuit in ngspice",
        f"{config.images} MNIST test images drawn by seed {config.seed} on"
        f" {config.chips} chip(s), sigma_LRS {config.sigma_lrs:g}, mismatch and RTN on."
        f" Parts that are not finished: {', '.join(missing) or 'none'}.",
        *(f"`{name}`: {told}" for name, told in report.sentences.items()),
    ]
    for name, title in SHOWN.items():
        sheet = (own | report.sheets).get(name)
        if sheet and sheet.rows:
            parts += [f"## {title}", markdown(sheet)]
    write_text(config.out / "summary.md", "\n\n".join(parts) + "\n")


if __name__ == "__main__":
    try:
        main(tyro.cli(FullCircuit, prog="python -m experiments.full_circuit"))
    except (InputError, NgspiceError, BrokenProcessPool) as error:
        print(f"full_circuit: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
