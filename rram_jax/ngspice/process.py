"""Transistors and circuits of decks, and those that a neuron card stands for."""

from rram_jax.errors import InputError
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.cmos import Process, load_cmos_card
from rram_jax.ngspice.own_netlist import load_netlist


def process_of(card: NeuronCard) -> Process:
    """The transistors that a neuron card was measured with.

    Raises:
        InputError: Files that it names are missing, or its own circuits have changed.
    """
    told = card.conditions
    netlist = load_netlist(told.netlist) if told.netlist else None
    process = Process(
        card=load_cmos_card(told.cmos),
        corner=told.corner,
        temperature=told.temperature,
        netlist=netlist,
    )
    check_measured(card, process)
    return process


def check_measured(card: NeuronCard, process: Process) -> None:
    """Check that decks hold the own circuits that a neuron card was measured with.

    Own circuits beside a card of other ones are no error: that is how one sees what
    they change.

    Raises:
        InputError: The card has own circuits, and the process has others or none.
    """
    told, own = card.conditions, process.netlist
    if told.netlist and (own is None or own.sha256 != told.netlist_sha256):
        raise InputError(
            f"Neuron card {card.name!r} was measured with the circuits of"
            f" {told.netlist[:200]!r} ({told.netlist_sha256[:8]}), and the decks have"
            f" {f'those of {own.path[:200]!r} ({own.sha256[:8]})' if own else 'ours'}:"
            " give them as --neuron-netlist, or characterise the new ones."
        )
