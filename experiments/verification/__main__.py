"""Every effect, what it was held against and at what error: runs the cheap checks.

    python -m experiments.verification

Under a minute of one core; needs ngspice. Writes `table.csv` and `table.md`, and ends
with 1 if an error is beyond its bar.
"""

import sys
from dataclasses import astuple, dataclass
from pathlib import Path

import tyro
from rich.console import Console

from experiments.verification.array import array_checks
from experiments.verification.cells import cell_checks
from experiments.verification.forms import form_checks
from experiments.verification.left import nothing_checks, whole_checks
from experiments.verification.neuron import neuron_checks
from experiments.verification.record import COLUMNS, Check, markdown
from rram_jax.errors import InputError, NgspiceError
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.run_folder import write_table, write_text

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Run the checks; the committed table is the default folder's."""

    out: Path = HERE
    """Folder of table.csv and table.md."""


def main(asked: Verify) -> list[Check]:
    """Run all, write both tables; returns the checks."""
    console, version = Console(), ngspice_info().version
    checks = []
    for group in (
        array_checks,
        form_checks,
        cell_checks,
        neuron_checks,
        whole_checks,
        nothing_checks,
    ):
        for check in group():
            checks.append(check)
            if check.error is not None:
                verdict = "" if check.passed else "  BEYOND the bar"
                console.print(
                    f"{check.effect}, {check.against}: {check.error:.2g}"
                    f" {check.unit}{verdict}"
                )
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = (["" if x is None else x for x in astuple(check)] for check in checks)
    write_table(asked.out / "table.csv", COLUMNS, rows)
    heading = f"Errors as measured with ngspice {version}.\n\n"
    write_text(asked.out / "table.md", heading + markdown(checks))
    console.print(f"Results: {asked.out} (table.csv, table.md).")
    return checks


if __name__ == "__main__":
    try:
        found = main(tyro.cli(Verify, prog="python -m experiments.verification"))
    except (InputError, NgspiceError) as error:
        sys.exit(f"verification: {error}")
    sys.exit(0 if all(check.passed for check in found) else 1)
