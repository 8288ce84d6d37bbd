"""What is ideal in the circuit, and which effect was checked against what."""

from collections.abc import Mapping, Sequence

from rram_jax.circuit.encode import SLOTS
from rram_jax.neuron.card import NeuronCard
from rram_jax.report.answer import agreement, same_images
from rram_jax.report.text import Share, Table, make_table, percent, significant
from rram_jax.report.verified import VerifiedRun

CONSEQUENCES = {
    "clocks and phases": "exact, with edges of 100 ps; what they deliver counts as"
    " energy, making and distributing them does not",
    "the supply": "no resistance, no noise, no losses of a converter",
    "one reference current a layer": "exact; the mirrors behind it are transistors",
    "the reference voltages v_cm, v_cm + v_read, v_cm - v_read and v_pre": "they"
    " hold at any current; section 6 says how much they must deliver",
    "the step of each layer's reference gate (the ramp)": "exact in height and instant,"
    " with an edge of 100 ps",
    "the pulses of the input codes ahead of their transistor buffers": "exact in width;"
    " no converter from code to pulse is built for the inputs",
    "the counter that reads when an output comparator falls": "exact in its instants;"
    " its registers' supply is not counted, their gates load the comparator",
    "one image a deck: its auto-zero starts settled and is not counted": "the operating"
    " point at t = 0 has done it; one in sixteen images of a row has one, which costs a"
    " neuron some 4 pJ an image at 20 uA",
    "cells are resistors: no access transistor, no word line": "the common mode that"
    " the transistor's asymmetry causes is not there",
    "the RRAM of a cell is a resistor": "the curve of its own I-V is not there",
    "word lines stand at the supply": "they switch nothing and cost nothing",
    "row levels are trimmed for the access transistor of a median cell": "both levels,"
    " once, by a measurement that is not in the deck",
    "rows couple to v_cm instead of each other": "exact for a row while the others"
    " rest",
    "the test of the chip that trim pairs are chosen in, where a network has them": "it"
    " is the surrogate's chip that is tested, with mismatch and noise and without RTN;"
    " reading codes out and programming again take no time and no energy here",
    "the reading of all cells that selective write-verify chooses by": "exact, without"
    " telegraph noise; it takes no time and no energy here, nor does the choice",
}
"""What follows from each phrase of `rram_jax.ngspice.export.IDEAL` and of
`rram_jax.ngspice.array.IDEAL_CELLS`."""

HEADER = ("effect", "in the surrogate", "in ngspice", "compared", "found")


def ideal_sentences(ideal: Sequence[str]) -> list[str]:
    """One sentence for everything that a run names as ideal."""
    sentences = []
    for phrase in ideal:
        told = CONSEQUENCES.get(phrase, "ideal in every deck")
        sentences.append(f"{phrase[:1].upper()}{phrase[1:]}: {told}.")
    return sentences


def verified_table(
    run: VerifiedRun, others: Mapping[str, VerifiedRun], card: NeuronCard
) -> Table:
    """Every effect: where it is modelled, what it was compared with, at what error.

    Args:
        run: The run that the numbers are taken from.
        others: All runs by name, `run` among them; two of them on the same image and
            chip show what the reduction of the arrays costs.
        card: The neuron card of `run`.
    """
    rows = [*_array_rows(run, others, card), *_neuron_rows(run, card)]
    shares = agreement(run)
    codes = [
        _told(shares[what], after)
        for what, after in (
            ("hidden codes equal", "equal"),
            ("hidden codes equal, active neurons only", "of the active equal"),
            ("hidden codes within 1", "within 1"),
        )
    ]
    rows += [
        (
            "all of these together, a hidden layer",
            "the same cells, thresholds and input codes as in ngspice",
            "the whole network in one transient",
            "hidden codes, layer by layer",
            "; ".join(codes),
        ),
        (
            "all of these together, end to end",
            "the surrogate's own codes from layer to layer",
            "the whole network in one transient",
            "winner, the last output to cross",
            _told(shares["same winner, end to end"], "the same"),
        ),
        *_left_out(run, card),
    ]
    return make_table(HEADER, rows, range(len(HEADER)))


def _told(share: Share, after: str) -> str:
    return f"{share.percent} {after} ({share.counted})" if share.n else f"none {after}"


def _array_rows(run, others, card):
    pairs = [
        (name, found)
        for name, other in others.items()
        if other is not run and (found := same_images(run, other))
    ]
    wires = [
        f"against {name}: {codes.counted} hidden codes and {counts.counted} output"
        " counts equal"
        for name, (codes, counts) in pairs
    ]
    device, driver = run.config.device_card, card.driver
    rtn = device.rtn_traps_lrs or device.rtn_traps_hrs
    return [
        (
            "IR drop in wires and row drivers",
            "transfer of the wired array, exact here; as a map in the accuracy"
            " curve; left out in training",
            "multiport: each tile reduced exactly to its ports; cells: every cell and"
            " wire segment",
            "ngspice's codes of the same images in both forms",
            "; ".join(wires) or "not compared: one form only",
        ),
        (
            f"spread of cells, sigma_LRS {device.sigma_lrs:g}, sigma_HRS"
            f" {device.sigma_hrs:g}",
            "one log-normal draw a cell",
            "the same draw, one resistance a cell",
            "within the hidden codes below",
            "same draw on both sides",
        ),
        (
            "random telegraph noise",
            "one frozen state of every cell" if rtn else "no traps in this card",
            "the same state, part of each resistance" if rtn else "none",
            "within the hidden codes below" if rtn else "-",
            "same draw on both sides" if rtn else "-",
        ),
        (
            "resistance of the row drivers",
            "a resistance in the transfer, positive and negative rows apart",
            f"transistor switches, sized for {driver.r_driver:g} Ohm",
            "testbench under load",
            f"{significant(driver.r_pos, 4)} and {significant(driver.r_neg, 4)} Ohm"
            " (positive, negative rows)",
        ),
    ]


def _neuron_rows(run, card):
    rows = []
    for k, neuron in enumerate(run.config.neurons):
        kind = "hidden" if k < len(run.config.neurons) - 1 else "output"
        laws = getattr(card, kind)

        def at(field, neuron=neuron):
            return card.at(neuron, field)

        rows.append(
            (
                f"gain, offset, leak, compression: layer {k}, {kind}, full scale"
                f" {1e3 * neuron.v_full:.2f} mV",
                f"card {card.name}: gain {at('gain'):.3f}, leak"
                f" {at('leak') / 1e6:.2f}/us, compression {at('curve'):.0f}/V^2; offset"
                f" {at('offset'):.2f} slots, cancelled by the ramp's start",
                "transistors",
                f"single columns at {card.conditions.n_held_out} operating points that"
                f" no fit saw, ngspice {card.conditions.ngspice}",
                f"{percent(laws.equal)} of counts equal, {percent(laws.within_1)}"
                f" within 1; crossing {laws.residual_rms:.3f} slots rms,"
                f" {laws.residual_max:.3f} at most",
            )
        )
    table, on = card.mismatch, run.config.mismatch
    rows.append(
        (
            f"threshold mismatch, A_VT {1e9 * table.a_vt:g} mV um",
            "offset and gain of each neuron, linear in its thresholds"
            if on
            else "off in this run",
            "a threshold shift on every transistor that counts, the same draw"
            if on
            else "off in this run",
            "single column, random neurons that no fit saw",
            f"{percent(table.hidden.equal)} of codes equal,"
            f" {percent(table.hidden.within_1)} within 1; counts"
            f" {percent(table.output.equal)}, {percent(table.output.within_1)}",
        )
    )
    hidden = run.config.neurons[0]
    rows.append(
        (
            "width of output pulses",
            f"{card.at(hidden, 'pulse_excess'):+.3f} slots beyond the code (layer 0)",
            "latch, pulse gate and drivers as transistors",
            "width of every hidden pulse against whole slots",
            f"{run.metrics.pulse_width_error_slots:.3f} slots at most",
        )
    )
    return rows


def _left_out(run, card):
    """What no comparison of this run can show."""
    hidden = run.config.neurons[0]
    noise = float(card.params(hidden).noise_rms)
    lsb = SLOTS * noise / hidden.v_full
    return [
        (
            "thermal noise",
            f"{1e6 * noise:.0f} uV rms at the bit line, {lsb:.2f} LSB in layer 0;"
            " in circuit full only",
            "not in a transient: ngspice has no noise there",
            "not compared",
            "-",
        ),
        (
            "curvature of the cells' I-V, switching",
            "none: a cell is its resistance at the read point",
            "none: a cell is its resistance at the read point",
            "not compared",
            "-",
        ),
        (
            "capacitance of the wires",
            "none: bit lines settle at once",
            "lumped at each output's sensed node",
            "within the hidden codes above",
            "-",
        ),
        (
            "energy",
            "none",
            "every supply and reference integrated over the transient",
            "not compared",
            "-",
        ),
        (
            "temperature, supply tolerance, process corners, jitter",
            "none",
            "nominal, 27 degrees C",
            "not compared",
            "-",
        ),
    ]
