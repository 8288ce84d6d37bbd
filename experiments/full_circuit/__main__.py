"""The whole circuit in ngspice: a conventional and a hardened network on the same chips.

    python -m experiments.full_circuit --workers 2

Every part is a run folder of `rram-jax verify` under `--out`; finished decks are kept,
and the same command goes on where it was stopped. Ends with the tables, figures and
`summary.md` that stand in `results/`.
"""

import sys
from concurrent.futures.process import BrokenProcessPool

import tyro

from experiments.full_circuit.parts import FullCircuit, plan_parts
from rram_jax.commands.terminal import progress_bar, say
from rram_jax.commands.verify import run_decks
from rram_jax.errors import InputError, NgspiceError


def main(config: FullCircuit) -> None:
    """Do what is missing of every part.

    Raises:
        InputError: The settings do not fit each other, or a folder is another run's.
        NgspiceError: A deck failed; what was finished before is kept.
    """
    with progress_bar() as bar:
        for name, command in plan_parts(config).items():
            run_decks(command, bar, name)
    say(f"Results: {config.out}.")


if __name__ == "__main__":
    try:
        main(tyro.cli(FullCircuit, prog="python -m experiments.full_circuit"))
    except (InputError, NgspiceError, BrokenProcessPool) as error:
        print(f"full_circuit: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
