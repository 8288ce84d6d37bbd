"""The report's tables of conditions, accuracies, energies and sizes."""

from collections.abc import Mapping

from rram_jax.circuit.encode import SLOTS
from rram_jax.device.card import DeviceCard
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.sizing import size_neurons
from rram_jax.report.energy import BLOCKS
from rram_jax.report.runs import CurvePoint, TrainedRun
from rram_jax.report.symbols import size_text
from rram_jax.report.text import Table, counted, make_table, percent, significant
from rram_jax.report.verified import VerifiedRun

LEVELS = {"vp": "v_cm + v_read", "vm": "v_cm - v_read", "cm": "v_cm"}
"""Reference levels of the rows by the names of their nodes."""


CARD = {
    "r_lrs": ("median read resistance, LRS body", "Ohm"),
    "r_hrs": ("median read resistance, HRS body", "Ohm"),
    "sigma_lrs": ("spread of ln R, LRS body", "-"),
    "sigma_hrs": ("spread of ln R, HRS body", "-"),
    "tail_share": ("share of LRS cells in the tail", "-"),
    "sigma_tail": ("spread of ln R, LRS tail", "-"),
    "tail_ratio": ("median of the tail over that of the body, LRS", "-"),
    "tail_share_hrs": ("share of HRS cells in the tail", "-"),
    "sigma_tail_hrs": ("spread of ln R, HRS tail", "-"),
    "tail_ratio_hrs": ("median of the tail over that of the body, HRS", "-"),
    "d2d_lrs": ("share of the variance that stays with a cell, LRS", "-"),
    "d2d_hrs": ("share of the variance that stays with a cell, HRS", "-"),
    "correlation_d2d": ("correlation of LRS and HRS between cells", "-"),
    "correlation_c2c": ("correlation of LRS and HRS between programmings", "-"),
    "stuck_lrs": ("share of cells stuck in LRS", "-"),
    "stuck_hrs": ("share of cells stuck in HRS", "-"),
    "r_access": ("access transistor, part of each resistance", "Ohm"),
    "rtn_traps_lrs": ("telegraph noise: mean number of traps, LRS", "-"),
    "rtn_traps_hrs": ("telegraph noise: mean number of traps, median HRS", "-"),
    "rtn_amplitude_lrs": ("telegraph noise: median dR/R of a trap, LRS", "-"),
    "rtn_amplitude_hrs": ("telegraph noise: median dR/R of a trap, HRS", "-"),
    "rtn_sigma": ("telegraph noise: spread of ln dR/R", "-"),
    "rtn_time_low": ("telegraph noise: shortest mean time of a state", "s"),
    "rtn_time_high": ("telegraph noise: longest mean time of a state", "s"),
    "band_lrs": ("write-verify: half width of the band of ln R, LRS", "-"),
    "band_hrs": ("write-verify: half width of the band of ln R, HRS", "-"),
    "max_writes": ("write-verify: programmings at most", "-"),
    "filament": ("filament card for other RESET pulses", ""),
    "v_reset": ("cell voltage of the RESET pulse", "V"),
    "t_reset": ("width of the RESET pulse", "s"),
}
"""All numbers of a device card in words, and their units."""


def conditions(
    run: VerifiedRun, points: Mapping[str, tuple[CurvePoint, ...]]
) -> list[tuple[str, str]]:
    """What was run, as name and value."""
    m, c, v = run.metrics, run.config, run.versions
    first = next(iter(points.values()))[0]
    return [
        ("data set", m.dataset),
        ("network", f"{m.network}, {m.n_cells:,} RRAM cells"),
        (
            "accuracy curve",
            f"{first.n_images:,} test images, {first.n_chips} chips a spread, device"
            f" card {first.device}, seed {first.seed}",
        ),
        (
            "ngspice",
            f"{m.simulator}, solver {m.solver}; {m.n_mosfets:,} transistors;"
            f" {m.seconds_per_image:.0f} s an image",
        ),
        (
            "simulated",
            f"the first {counted(m.n_images, 'test image')} of the set on"
            f" {counted(m.n_chips, 'chip')}, seed {c.seed}, mismatch"
            f" {'on' if c.mismatch else 'off'}",
        ),
        (
            "cells in ngspice",
            f"device card {c.device_card.name}, sigma_LRS {m.sigma_lrs:g}",
        ),
        ("neurons", f"neuron card {c.design.neuron_card}"),
        (
            "software",
            f"rram_jax {v.rram_jax or 'from its sources'}, jax {v.jax}, numpy"
            f" {v.numpy}, Python {v.python}, {v.platform}",
        ),
        ("commit", v.git_commit or "not from a checkout"),
        ("started", v.started.replace("T", " ").replace("+00:00", " UTC")),
    ]


def trained_table(networks: Mapping[str, TrainedRun]) -> Table:
    """One row a network."""
    return make_table(
        (
            "network",
            "trained for sigma_LRS",
            "epochs",
            "seed",
            "binary weights",
            "validation, ideal circuit",
            "test, ideal circuit",
        ),
        (
            (
                label,
                f"{run.config.sigma_lrs:g}",
                str(run.metrics.epochs),
                str(run.config.seed),
                f"{run.metrics.n_weights:,}",
                percent(run.metrics.accuracy_validation, 2),
                percent(run.metrics.accuracy_ideal, 2),
            )
            for label, run in networks.items()
        ),
    )


def curve_table(points: Mapping[str, tuple[CurvePoint, ...]]) -> Table:
    """One row a network and spread, accuracies in per cent."""
    header = ("sigma_LRS", "network", "ideal", "mean", "95 % interval over chips")
    both = [(label, p) for label, curve in points.items() for p in curve]
    by_spread = sorted(both, key=lambda pair: pair[1].sigma_lrs)  # networks in order
    rows = [
        (
            f"{p.sigma_lrs:g}",
            label,
            f"{100 * p.accuracy_ideal:.2f}",
            f"{100 * p.accuracy_mean:.2f}",
            f"{100 * p.ci95[0]:.2f} to {100 * p.ci95[1]:.2f}",
            f"{100 * p.accuracy_p01:.2f}",
            f"{100 * p.accuracy_worst:.2f}",
        )
        for label, p in by_spread
    ]
    return make_table((*header, "1st percentile", "worst chip"), rows, (1,))


def gain_sentence(points: Mapping[str, tuple[CurvePoint, ...]], label: str) -> str:
    """What a network gains over the first one, at every spread of both."""
    first, *_ = points
    ours = {p.sigma_lrs: p for p in points[label]}
    theirs = {p.sigma_lrs: p for p in points[first]}
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return f"{label} and {first} have no spread in common."
    parts = []
    for sigma in common:
        gain = 100 * (ours[sigma].accuracy_mean - theirs[sigma].accuracy_mean)
        parts.append(f"{gain:+.1f} at {sigma:g}")
    return (
        f"Mean accuracy of {label} minus that of {first}, in points:"
        f" {', '.join(parts)}. One training of each network, so this says nothing about"
        " other trainings; the intervals above are over chips, for these images."
    )


def run_label(name: str, run: VerifiedRun) -> str:
    """Such as multiport (5 images): means over other images are other means."""
    return f"{name} ({counted(len(run.decks), 'image')})"


def energy_table(verified: Mapping[str, VerifiedRun]) -> Table:
    """Picojoules an image by block, two columns a run."""
    header = ["block"]
    for name, run in verified.items():
        header += [f"{run_label(name, run)} [pJ]", "share"]
    blocks = {b: None for r in verified.values() for b in r.metrics.energy_by_block_j}
    rows = []
    for block in blocks:
        row = [BLOCKS.get(block, block)]
        for run in verified.values():
            joule = run.metrics.energy_by_block_j.get(block, 0.0)
            row += [significant(1e12 * joule), percent(joule / run.metrics.energy_j)]
        rows.append(row)
    total = ["all"]
    for run in verified.values():
        total += [significant(1e12 * run.metrics.energy_j, 4), percent(1.0)]
    return make_table(header, [*rows, total])


def array_energy_table(verified: Mapping[str, VerifiedRun]) -> Table:
    """The arrays at their levels and from a regulator; peak current of each level."""
    rows: list[list[str]] = [
        ["arrays, delivered at the reference levels [pJ]"],
        ["arrays, drawn from the supply by linear regulators [pJ]"],
        ["whole network with those regulators [pJ]"],
    ]
    levels = {n: None for r in verified.values() for n in r.metrics.peak_current_a}
    rows += [[f"peak current of {LEVELS.get(n, n)} [mA]"] for n in levels]
    for run in verified.values():
        m = run.metrics
        at_levels = m.energy_by_block_j.get("array", 0.0)
        regulated = m.array_from_regulator_j
        values = [at_levels, regulated, m.energy_j - at_levels + regulated]
        cells = [significant(1e12 * value) for value in values]
        cells += [significant(1e3 * m.peak_current_a.get(n, 0.0)) for n in levels]
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    labels = [run_label(name, run) for name, run in verified.items()]
    return make_table(("arrays and reference levels", *labels), rows)


def card_table(card: DeviceCard) -> Table:
    """All numbers of a device card."""
    rows = []
    for name, (told, unit) in CARD.items():
        value = getattr(card, name)
        shown = value or "none" if isinstance(value, str) else f"{value:g}"
        rows.append((told, name, shown, unit))
    return make_table(("number", "in the card", "value", "unit"), rows, (0, 1, 3))


def layer_table(run: VerifiedRun) -> Table:
    """Sizes of each layer's neurons that follow from its full scale."""
    header = (
        "layer",
        "full scale on the bit line [mV]",
        "step of a code [mV]",
        "reference below v_cm [mV]",
        "C_int [fF]",
        "slot [ns]",
        "decisions",
        "tail current [uA]",
    )
    return make_table(
        header,
        (
            (
                str(k),
                f"{1e3 * n.v_full:.2f}",
                f"{1e3 * n.v_full / SLOTS:.3f}",
                f"{1e3 * n.v_shift:.2f}",
                f"{1e15 * n.c_int:.0f}",
                f"{1e9 * n.t_slot:g}",
                str(n.decisions),
                f"{1e6 * n.i_bias:g}",
            )
            for k, n in enumerate(run.config.neurons)
        ),
    )


def size_tables(config: NeuronConfig) -> dict[str, Table]:
    """Every transistor of the neuron by block, with its nodes."""
    return {
        block: make_table(
            ("name", "type", "W/L [um]", "drain, gate, source"),
            (
                (
                    t.name,
                    f"{t.kind.upper()}MOS",
                    size_text(t),
                    f"{t.drain}, {t.gate}, {t.source}",
                )
                for t in transistors
            ),
            (0, 1, 3),
        )
        for block, transistors in size_neurons(config).blocks.items()
    }
