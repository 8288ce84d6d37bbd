"""Codes layer by layer: agreement, histogram of differences, worst neurons."""

from collections.abc import Mapping

import numpy as np

from rram_jax.circuit.encode import SLOTS
from rram_jax.report.sheet import Column, Sheet, make_sheet
from rram_jax.report.text import Share
from rram_jax.report.verified import CodedRun, CodeTable

WORST = 20
"""[-] Neurons that are listed of each run."""


def layer_sheet(runs: Mapping[str, CodedRun]) -> Sheet:
    """One row a layer; outputs count in decisions, of which a slot may have several."""
    columns = (
        Column(name="run", heading="run"),
        Column(name="layer", heading="layer"),
        Column(name="kind", heading="kind"),
        Column(name="n_codes", heading="codes"),
        Column(name="equal", heading="equal [%]", scale=100),
        Column(name="equal_low", heading="95 % interval from [%]", scale=100),
        Column(name="equal_high", heading="to [%]", scale=100),
        Column(name="n_active", heading="active"),
        Column(name="equal_active", heading="of these equal [%]", scale=100),
        Column(name="within_1", heading="within 1 LSB [%]", scale=100),
        Column(name="largest", heading="largest difference [LSB]"),
        Column(name="mean", heading="mean difference [LSB]"),
    )
    rows = []
    for name, run in runs.items():
        for k, table in _layers(run):
            last = k == len(run.config.neurons) - 1
            off = table.difference
            equal = Share(k=int((off == 0).sum()), n=len(off))
            active = off[table.active]
            rows.append(
                (
                    name,
                    k,
                    "outputs" if last else "hidden",
                    len(off),
                    equal.k / equal.n,
                    *equal.interval,
                    None if last else len(active),
                    None if last or not len(active) else float(np.mean(active == 0)),
                    float(np.mean(np.abs(off) <= 1)),
                    int(np.abs(off).max()),
                    float(off.mean()),
                )
            )
    return make_sheet(columns, rows)


def lsb_sheet(runs: Mapping[str, CodedRun]) -> Sheet:
    """How often ngspice's code is by so much above the surrogate's, layer by layer."""
    columns = (
        Column(name="run", heading="run"),
        Column(name="layer", heading="layer"),
        Column(name="difference", heading="ngspice minus surrogate [LSB]"),
        Column(name="n", heading="codes"),
        Column(name="share", heading="share [%]", scale=100),
    )
    rows = []
    for name, run in runs.items():
        for k, table in _layers(run):
            values, number = np.unique(table.difference, return_counts=True)
            rows += [
                (name, k, int(value), int(n), float(n / number.sum()))
                for value, n in zip(values, number, strict=True)
            ]
    return make_sheet(columns, rows)


def worst_sheet(runs: Mapping[str, CodedRun]) -> Sheet:
    """Codes that differ, those furthest from the computed crossing first.

    `off_by` [slots] is the way from the crossing, clipped to the ramp, to the edge of
    ngspice's code: what the surrogate's crossing would have to move.
    """
    columns = (
        Column(name="run", heading="run"),
        Column(name="chip", heading="chip"),
        Column(name="image", heading="image"),
        Column(name="layer", heading="layer"),
        Column(name="neuron", heading="neuron"),
        Column(name="spice", heading="ngspice"),
        Column(name="surrogate", heading="surrogate"),
        Column(name="position", heading="crossing computed [slots]"),
        Column(name="off_by", heading="beyond the code's edge [slots]"),
    )
    rows = []
    for name, run in runs.items():
        differ = run.codes.where(run.codes.difference != 0)
        clocks = np.array([n.clocks_per_slot for n in run.config.neurons])[differ.layer]
        off_by = _beyond(differ, clocks)
        for n in np.argsort(-off_by, kind="stable")[:WORST]:
            own = [getattr(differ, column.name)[n].item() for column in columns[1:-1]]
            rows.append((name, *own, float(off_by[n])))
    return make_sheet(columns, rows)


def _beyond(table: CodeTable, clocks: np.ndarray) -> np.ndarray:
    """[slots] From each crossing to the nearer edge of ngspice's code.

    `neuron.model.to_counts`: count c stands for crossings from 0.5 + (c - 1) / clocks
    to 0.5 + c / clocks.
    """
    upper = 0.5 + table.spice / clocks
    position = np.clip(table.position, 0, SLOTS + 1)
    return np.maximum(position - upper, upper - 1 / clocks - position)


def _layers(run: CodedRun) -> list[tuple[int, CodeTable]]:
    return [
        (int(k), run.codes.where(run.codes.layer == k))
        for k in np.unique(run.codes.layer)
    ]
