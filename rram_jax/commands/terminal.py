"""What every command says to its user, and how."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from rram_jax.run_folder import RunFolder


def say(sentence: str) -> None:
    """Print a sentence as it is: no markup, no line breaks in the middle of a path."""
    Console().print(sentence, soft_wrap=True, markup=False, highlight=False)


def show_table(title: str, header: Iterable[str], rows: Iterable[Iterable[str]]):
    """Print a table of plain text."""
    columns = (Column(Text(name)) for name in header)
    table = Table(*columns, title=Text(title), title_justify="left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def progress_bar() -> Progress:
    """A bar on stderr with the share done, the time left and the field `told`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
        console=Console(stderr=True),
    )


def say_in_log(sentence: str) -> None:
    """Print on stderr what a progress bar shows, where there is no terminal for one."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)


def say_resumed(run: RunFolder, whence: str) -> None:
    """Tell that an earlier run goes on, from where, and what has changed since."""
    say(f"Resumes the run in {run.path} {whence}.")
    if run.changed:
        say(
            "Its result may differ from an unbroken run's in the last bits, because"
            f" versions have changed: {'; '.join(run.changed)}."
        )


def say_finished(path: Path) -> None:
    """Tell that there was nothing left to do."""
    say(f"This run was finished before; nothing in {path} is changed.")
