"""`rram-jax report`: finished verifications of any tier on one page."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rram_jax.commands.config_report import ReportCommand
from rram_jax.commands.terminal import say, say_finished
from rram_jax.errors import InputError
from rram_jax.report.sheet import Sheet
from rram_jax.report.verification import (
    VerificationReport,
    read_verifications,
    write_page,
)
from rram_jax.run_folder import check_writable, default_folder, open_run, write_json

READ = ("results.csv", "codes.csv", "voltages.csv", "waves.npz", "metrics.json")
"""Files of a run that the page is made of, where it has them."""


def report(config: ReportCommand) -> Path:
    """Write page, figures and tables; returns their folder.

    Raises:
        InputError: A run is no finished verification, or is damaged, or the folder is
            another run's.
    """
    if config.json:
        check_writable(config.json)
    paths = dict(zip(names_of(config.runs), config.runs, strict=True))
    content = read_verifications(paths)  # complains before there is a folder
    asked = {"runs": {name: _digests(path) for name, path in paths.items()}}
    out = config.out or default_folder("report", f"{len(paths)}-runs", asked)
    with open_run(out, "report", asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            run.finish(_numbers(write_page(out, content)))
        found = run.metrics(sentences=dict, tables=dict)
    for name, told in found["sentences"].items():
        say(f"{name}. {told}")
    say(f"Report: {out / 'report.html'} (figures/, tables/, metrics.json).")
    if config.json:
        write_json(config.json, found)
        say(f"The same numbers as JSON: {config.json}.")
    return out


def names_of(paths: Sequence[Path]) -> list[str]:
    """What to call runs: their folders, with those above where names repeat.

    Raises:
        InputError: A folder is named twice.
    """
    whole = [path.resolve() for path in paths]
    if len(set(whole)) < len(whole):
        raise InputError("A run is named twice: give each folder once.")
    names = [path.name for path in whole]
    if len(set(names)) == len(names):
        return names
    above = os.path.commonpath(whole)
    return [path.relative_to(above).as_posix() for path in whole]


def _digests(path: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name in READ
        if (file := path / name).is_file()
    }


def _numbers(found: VerificationReport) -> dict[str, Any]:
    tables = {name: _records(sheet) for name, sheet in found.sheets.items()}
    return {"sentences": found.sentences, "tables": tables}


def _records(sheet: Sheet) -> list[dict[str, Any]]:
    names = [column.name for column in sheet.columns]
    return [dict(zip(names, row, strict=True)) for row in sheet.rows]
