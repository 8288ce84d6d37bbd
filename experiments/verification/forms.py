"""Arrays that are no exact resistors: access transistors, shunts for row couplings."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from experiments.verification.array import V_READ, layer_cells
from experiments.verification.network import tiny_design
from experiments.verification.record import Check, resolving
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.encode import SLOTS
from rram_jax.circuit.wiring import (
    Resistor,
    multiport_resistors,
    port_admittance,
    shunted_resistors,
)
from rram_jax.ngspice.trials import Trials
from rram_jax.ngspice.verify_static import BARS, verify_static
from rram_jax.ngspice.workplace import Workplace
from rram_jax.report.effects import BAR

V_FULL = 9.1e-3
"""[V] Full scale of a usual hidden neuron."""

SHUNTED = "a shunt to v_cm in their place (`--array shunted`)"


def form_checks() -> Iterator[Check]:
    """All checks of such arrays."""
    yield access_in_ngspice()
    yield from shunts()


def access_in_ngspice() -> Check:
    """A transistor in every cell, where the surrogate has the cell's resistance."""
    codes = np.random.default_rng(9).integers(0, 16, (2, 8))
    trials = Trials(
        design=tiny_design(),
        codes=codes,
        labels=np.zeros(len(codes), int),
        images=range(len(codes)),
        array="1t1r",
    )
    with tempfile.TemporaryDirectory() as folder:
        found = verify_static(trials, Path(folder), Workplace(workers=1)).metrics
    kind, bar = BARS["1t1r"]
    return Check(
        effect="access transistors of cells",
        model="none: a cell is its read resistance",
        against="ngspice, tier `static`, a transistor in every cell (`--array 1t1r`)",
        case=f"network of 8-4-3, {found['n_patterns']} patterns; rms of bit lines over"
        " the full scale: all of it is what the surrogate leaves out, so no bar (the"
        f" tier lets {bar:g} pass)",
        error=found[kind],
        unit="-",
    )


def shunts() -> Iterator[Check]:
    """Rows shunted to v_cm against the exact multiport: sensed nodes, drivers."""
    tile, (_, conductance) = TileConfig(), layer_cells()
    exact = multiport_resistors(1 / conductance, tile)
    alone = [p for p in exact if {p.a[0], p.b[0]} != {"r"}]
    shunted = shunted_resistors(1 / conductance, tile)
    driven = np.random.default_rng(7).random((200, len(conductance) // 2)) < 0.4
    volts = V_READ * np.repeat(driven, 2, 1) * np.tile([1, -1], driven.shape[1])
    answers = [
        _answer(parts, volts, conductance.shape[1], tile)
        for parts in (exact, shunted, alone)
    ]
    told = "144 x 32 cells, spread 0.3, 0.5 Ohm a segment, 200 patterns"
    (lines, currents), *_ = answers
    (error, amperes), (size, without) = (
        (np.abs(v - lines).max(), np.abs(i - currents).max()) for v, i in answers[1:]
    )
    yield Check(
        effect="couplings of rows, bit lines",
        model=SHUNTED,
        against="exact multiport, sparse LU",
        case=f"{told}; largest difference over {1e3 * V_FULL:g} mV; size: neither",
        error=float(error / V_FULL),
        unit="-",
        size=float(size / V_FULL),
        bar=resolving(BAR / SLOTS, float(size / V_FULL)),
    )
    largest = np.abs(currents).max()
    share = float(without / largest)
    yield Check(
        effect="couplings of rows, currents of drivers",
        model=SHUNTED,
        against="exact multiport, sparse LU",
        case=f"{told}; largest difference over the largest current; size: neither",
        error=float(amperes / largest),
        unit="-",
        size=share,
        bar=resolving(0.01, share),
    )


def _answer(
    parts: Sequence[Resistor], volts: np.ndarray, n_outputs: int, tile: TileConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Floating sensed nodes [V] and drivers' currents [A] at levels above v_cm."""
    resistance = tile.r_driver_pos, tile.r_driver_neg
    terminals = sorted({n for p in parts for n in p[:2] if n[0] == "r"})
    row_of = [int(name[1:].partition("_")[0]) for name in terminals]
    drivers = [
        Resistor(f"d{i}", name, resistance[i % 2])
        for i, name in zip(row_of, terminals, strict=True)
    ]
    n = volts.shape[1]
    sources, sensed = [f"d{i}" for i in range(n)], [f"s{o}" for o in range(n_outputs)]
    y = port_admittance([*parts, *drivers], [*sources, *sensed, "cm"])
    ports = slice(n, n + n_outputs)
    lines = -np.linalg.solve(y[ports, ports], y[ports, :n] @ volts.T)
    return lines.T, (y[:n, :n] @ volts.T + y[:n, ports] @ lines).T
