"""`rram-jax device netlist`: the compact model of a card's cells for other decks."""

import textwrap
from pathlib import Path

from rram_jax.commands.terminal import say
from rram_jax.device.card import load_card
from rram_jax.device.reset import filament_of
from rram_jax.ngspice.osdi import model_source, rram_osdi_subcircuits
from rram_jax.ngspice.rram import rram_subcircuits
from rram_jax.run_folder import write_text


def netlist(name: str, out: Path, *, verilog_a: bool) -> None:
    """Write the subcircuits `filament`, `access` and `rram1t1r` of a card's cells.

    Raises:
        InputError: There is no such card, or it follows no filament card.
    """
    filament = filament_of(load_card(name))
    write = rram_osdi_subcircuits if verilog_a else rram_subcircuits
    about = textwrap.wrap(
        f"Filament card {filament.name}: {filament.source}"
        " rram1t1r <bl> <sl> <gate> <bulk> <x>: sl above bl is RESET, below SET; the"
        " node x is the barrier, 1 V a nanometre. Parameters: x_init [V] where it"
        " starts, s the relative cross-section, move=0 freezes it.",
        width=86,
    )
    write_text(out, "\n".join([*(f"* {line}" for line in about), write(filament)]))
    say(f"Subcircuits filament, access and rram1t1r of {filament.name}: {out}.")
    if verilog_a:
        say(f"Compile {model_source()} with OpenVAF and load it with pre_osdi.")
