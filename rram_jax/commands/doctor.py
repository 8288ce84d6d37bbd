"""`rram-jax doctor`: what is installed, and what is missing."""

from rich.console import Console

from rram_jax.commands.config_doctor import DoctorCommand
from rram_jax.commands.terminal import say
from rram_jax.doctor import examine, show
from rram_jax.run_folder import check_writable, write_json


def doctor(config: DoctorCommand) -> None:
    """Print the table of what was found, and a sentence for what was not."""
    if config.json:
        check_writable(config.json)
    examination = examine()
    show(examination, Console())
    if config.json:
        write_json(config.json, examination)
        say(f"The same as JSON: {config.json}.")
