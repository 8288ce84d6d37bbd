"""IR drop and curved cells: solver against hand, sparse equations, ngspice, slopes."""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from jax.tree_util import Partial

from experiments.verification.record import Check
from rram_jax.circuit.attenuation import attenuation_map, mapped_transfer
from rram_jax.circuit.cell_law import RramCell
from rram_jax.circuit.config import ArrayConfig, TileConfig
from rram_jax.circuit.solver import solve_crossbar
from rram_jax.circuit.tile import layer_transfer
from rram_jax.circuit.wiring import (
    layer_resistors,
    multiport_resistors,
    sensed_transfer,
)
from rram_jax.device.filament import load_filament
from rram_jax.neuron.cmos import default_process
from rram_jax.ngspice.array import array_lines
from rram_jax.ngspice.rram import METRE, TIGHT, rram_subcircuits
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.static import static_deck

WIRES = ArrayConfig(r_wire_sl=3.0, r_wire_bl=11.0, r_driver=20.0)
"""Unequal, so that exchanged lines would be seen; bit lines float."""

TILE = TileConfig(
    rows=8, cols=4, r_wire_sl=2.0, r_wire_bl=5.0, r_strap=3.0, r_driver_neg=23.0
)
"""Small tiles with long wires: 20 rows and 12 columns need nine of them."""

V_CM, V_READ = 0.4, 0.2


def array_checks() -> Iterator[Check]:
    """All checks of one array or layer, each in float64."""
    with jax.enable_x64(True):
        yield drop_by_hand()
        yield drop_by_sparse_equations()
        yield drop_on_tiles()
        yield drop_in_ngspice()
        yield drop_map()
        yield drop_slope()
        yield curve_by_hand()
        yield curve_in_ngspice()


def cells(rows: int, cols: int, seed: int = 3) -> np.ndarray:
    """[S] LRS and HRS at random, each with a spread of 0.3."""
    rng = np.random.default_rng(seed)
    median = np.where(rng.random((rows, cols)) < 0.5, 4.5e3, 45e3)
    return 1 / (median * np.exp(0.3 * rng.standard_normal((rows, cols))))


def layer_cells() -> tuple[np.ndarray, np.ndarray]:
    """[S] Cells of a layer of 72 inputs and 32 columns: nominal, and as drawn."""
    rng = np.random.default_rng(5)
    lrs = rng.random((144, 32)) < 0.5
    lrs[1::2] = ~lrs[::2]
    nominal = np.where(lrs, 1 / 4.5e3, 1 / 45e3)
    return nominal, nominal * np.exp(-0.3 * rng.standard_normal(lrs.shape))


def drop_by_hand() -> Check:
    """Two rows, one column: a divider of two branches."""
    u, g = np.array([0.2, -0.13]), cells(2, 1)
    branch = 1 / g[:, 0] + WIRES.r_driver + WIRES.r_wire_sl
    branch[0] += WIRES.r_wire_bl  # the upper cell's current comes down one segment
    expected = (u / branch).sum() / (1 / branch).sum()
    ideal = (u * g[:, 0]).sum() / g.sum()
    found = float(solve_crossbar(u, g, WIRES, tolerance=1e-13).voltage[0])
    return Check(
        effect="IR drop",
        model="exact solver (`circuit.solver`)",
        against="hand-computed divider",
        case="2 rows, 1 column, floating, 3 / 11 Ohm a segment, drivers 20 Ohm",
        error=abs(found / expected - 1),
        unit="-",
        size=abs(ideal / expected - 1),
        bar=1e-11,
    )


def sparse_feet(u: np.ndarray, g: np.ndarray, wires: ArrayConfig) -> np.ndarray:
    """[V] Floating feet, from Kirchhoff's law at every node and scipy's sparse LU."""
    rows, cols = g.shape
    sl = np.arange(rows * cols).reshape(rows, cols)
    bl = sl + rows * cols
    source = 1 / (wires.r_driver + wires.r_wire_sl)
    pairs = [(sl.ravel(), bl.ravel(), g.ravel())]
    pairs += [(sl[:, :-1].ravel(), sl[:, 1:].ravel(), 1 / wires.r_wire_sl)]
    pairs += [(bl[:-1].ravel(), bl[1:].ravel(), 1 / wires.r_wire_bl)]
    matrix, right = np.zeros((2 * g.size, 2 * g.size)), np.zeros(2 * g.size)
    for a, b, conductance in pairs:
        for i, j, value in zip(
            a, b, np.broadcast_to(conductance, a.shape), strict=True
        ):
            matrix[i, i] += value
            matrix[j, j] += value
            matrix[i, j] -= value
            matrix[j, i] -= value
    for i in range(rows):
        matrix[sl[i, 0], sl[i, 0]] += source
        right[sl[i, 0]] += source * u[i]
    return spla.splu(sp.csc_matrix(matrix)).solve(right)[bl[-1]]


def drop_by_sparse_equations() -> Check:
    """A rectangle of mixed cells against node equations written here."""
    u, g = np.linspace(0.2, -0.17, 13), cells(13, 7)
    expected = sparse_feet(u, g, WIRES)
    found = np.asarray(solve_crossbar(u, g, WIRES, tolerance=1e-12).voltage)
    ideal = u @ g / g.sum(0)
    return Check(
        effect="IR drop",
        model="exact solver (`circuit.solver`)",
        against="node equations, scipy's sparse LU",
        case="13 x 7 cells, as above",
        error=_off(found, expected),
        unit="-",
        size=_off(ideal, expected),
        bar=1e-10,
    )


def drop_on_tiles() -> Check:
    """Tiles, taps, straps and drivers: ladder elimination against a resistor list."""
    g = cells(20, 12)
    found = np.asarray(layer_transfer(g, TILE, 2))
    drivers = TILE.r_driver_pos, TILE.r_driver_neg
    lists = [form(1 / g, TILE, 2) for form in (layer_resistors, multiport_resistors)]
    expected, reduced = (sensed_transfer(parts, 20, 6, drivers) for parts in lists)
    shared = g.reshape(20, 6, 2).sum(2)
    return Check(
        effect="IR drop on tiles and straps",
        model="exact transfer of a layer (`circuit.tile`)",
        against="sparse LU over the deck's resistors, whole and reduced (`multiport`)",
        case="20 x 12 cells on tiles of 8 x 4, 2 columns an output, 2 / 5 / 3 Ohm",
        error=max(_off(found, expected), _off(found, reduced)),
        unit="-",
        size=_off(shared / shared.sum(0), expected),
        bar=1e-9,
    )


def drop_in_ngspice() -> Check:
    """The same layer, its first column of tiles, as the tier `static` sweeps it."""
    g = cells(20, 4)
    patterns = np.random.default_rng(8).random((6, 10)) < 0.6
    drivers = TILE.r_driver_pos, TILE.r_driver_neg
    deck = static_deck(
        array_lines(1 / g, TILE, 2, "cells", access=None, process=default_process()),
        patterns,
        2,
        r_driver=drivers,
        v_cm=V_CM,
        v_read=V_READ,
    )
    data = run_deck(deck).data
    volts = np.stack([data[f"v(s{o})"] for o in range(2)], 1) - V_CM
    transfer = np.asarray(layer_transfer(g, TILE, 2))
    expected = V_READ * patterns @ (transfer[::2] - transfer[1::2])
    shared = g.reshape(20, 2, 2).sum(2)
    shared = shared / shared.sum(0)
    ideal = V_READ * patterns @ (shared[::2] - shared[1::2])
    return Check(
        effect="IR drop on tiles and straps",
        model="exact transfer of a layer (`circuit.tile`)",
        against="ngspice, tier `static`, every cell and wire",
        case="20 x 4 cells on tiles of 8 x 4, 6 patterns",
        error=_off(volts, expected),
        unit="-",
        size=_off(ideal, expected),
        bar=1e-5,
    )


def drop_map() -> Check:
    """What training and `evaluate --circuit map` have in place of the exact solve."""
    tile, (nominal, sampled) = TileConfig(), layer_cells()
    exact = np.asarray(layer_transfer(sampled, tile))
    mapped = mapped_transfer(
        jnp.asarray(sampled), attenuation_map(jnp.asarray(nominal), tile)
    )
    driven = np.random.default_rng(7).random((200, 72)) < 0.4

    def volts(transfer):
        return V_READ * driven @ (transfer[::2] - transfer[1::2])

    lines = volts(exact)
    ideal = volts(sampled / sampled.sum(0))
    rms = np.sqrt(np.mean(lines**2))
    return Check(
        effect="IR drop, as training has it",
        model="attenuation map of the nominal array",
        against="exact transfer of the sampled array",
        case="144 x 32 cells, spread 0.3, 0.5 Ohm a segment; rms over 200 patterns",
        error=float(np.sqrt(np.mean((volts(np.asarray(mapped)) - lines) ** 2)) / rms),
        unit="-",
        size=float(np.sqrt(np.mean((ideal - lines) ** 2)) / rms),
        bar=0.02,
    )


def drop_slope() -> Check:
    """Implicit gradient in the cells against a central difference."""
    u, g = jnp.asarray(np.linspace(0.2, -0.17, 13)), jnp.asarray(cells(13, 7))
    weight = jnp.linspace(-1, 2, 7)

    def score(g):
        return weight @ solve_crossbar(u, g, WIRES, tolerance=1e-13).voltage

    way = g * np.random.default_rng(2).standard_normal(g.shape)
    step = 1e-5
    slope = (score(g + step * way) - score(g - step * way)) / (2 * step)
    return Check(
        effect="IR drop, gradient",
        model="implicit derivative of the exact solver",
        against="central differences, float64",
        case="13 x 7 cells, along a random direction of all cells",
        error=float(abs(jnp.vdot(jax.grad(score)(g), way) / slope - 1)),
        unit="-",
        bar=1e-6,
    )


def root(falls: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is 0, halved down to the last digit."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if falls(middle) > 0 else (low, middle)
    return low


def curve_by_hand() -> Check:
    """Two cells of I = g v0 sinh(v / v0) on one floating line: nested root search."""
    u, g, v0 = np.array([0.5, -0.3]), cells(2, 1), 0.21
    series = np.full(2, WIRES.r_driver + WIRES.r_wire_sl)
    series[0] += WIRES.r_wire_bl

    def current(k: int, v: float) -> float:
        """[A] From row k into a line at `v`."""

        def off(i):
            return g[k, 0] * v0 * np.sinh((u[k] - v - series[k] * i) / v0) - i

        return root(off, -1e-2, 1e-2)

    expected = root(lambda v: current(0, v) + current(1, v), -0.3, 0.5)

    def sinh_law(g, v_sl, v_bl):
        return g * v0 * jnp.sinh((v_sl - v_bl) / v0)

    law = Partial(sinh_law, jnp.asarray(g))
    found = float(solve_crossbar(u, law, WIRES, tolerance=1e-13).voltage[0])
    linear = float(solve_crossbar(u, g, WIRES, tolerance=1e-13).voltage[0])
    return Check(
        effect="curvature of cells",
        model="Newton solver (`circuit.newton`); networks have none",
        against="hand-computed: nested root search",
        case="2 rows, 1 column, sinh cells of 0.21 V at 0.5 and -0.3 V",
        error=abs(found / expected - 1),
        unit="-",
        size=abs(linear / expected - 1),
        bar=1e-9,
    )


def curve_in_ngspice() -> Check:
    """1T1R cells of the filament card, frozen, in an operating point."""
    card, rng = load_filament("hfo2"), np.random.default_rng(6)
    x = np.where(rng.random((5, 3)) < 0.5, 0.05e-9, 1e-9)
    x = x * rng.uniform(0.7, 1.3, x.shape)
    u, gate = np.array([0.9, -0.7, 0.0, 0.6, -0.4]), 2.6
    law = RramCell(x=x, s=1.0, v_gate=gate, v_cm=0.83, params=card.params())
    found = np.asarray(solve_crossbar(jnp.asarray(u), law, WIRES).voltage)
    slopes = law(jnp.asarray(1e-6), jnp.asarray(0.0)) / 1e-6
    linear = np.asarray(solve_crossbar(jnp.asarray(u), slopes, WIRES).voltage)
    data = run_deck(_cells_deck(u, x, rram_subcircuits(card), gate)).data
    volts = np.array([data[f"v(foot{j})"][0] - 0.83 for j in range(3)])
    return Check(
        effect="curvature of cells",
        model="Newton solver (`circuit.newton`); networks have none",
        against="ngspice .op, B-source 1T1R cells",
        case="5 x 3 cells of card hfo2, drives up to 0.9 V",
        error=_off(found, volts),
        unit="-",
        size=_off(linear, volts),
        bar=1e-4,
    )


def _cells_deck(u: np.ndarray, x: np.ndarray, subcircuits: str, gate: float) -> str:
    """One array of 1T1R cells, node by node, with frozen barriers `x` [m]."""
    rows, cols = x.shape
    lines = ["* 1T1R array", subcircuits, TIGHT, "Vcm cm 0 0.83", f"Vg gate 0 {gate}"]
    for i in range(rows):
        lines.append(f"Vin{i} in{i} cm {float(u[i])!r}")
        lines.append(f"Rd{i} in{i} row{i} {WIRES.r_driver!r}")
        left = f"row{i}"
        for j in range(cols):
            here, below = f"{i}_{j}", f"bl{i + 1}_{j}" if i + 1 < rows else f"foot{j}"
            lines += [
                f"Rs{here} {left} sl{here} {WIRES.r_wire_sl!r}",
                f"Rb{here} bl{here} {below} {WIRES.r_wire_bl!r}",
                f"X{here} bl{here} sl{here} gate 0 x{here} rram1t1r"
                f" x_init={float(x[i, j]) * METRE!r} s=1 move=0",
            ]
            left = f"sl{here}"
    saved = " ".join(f"v(foot{j})" for j in range(cols))
    return "\n".join([*lines, f".save {saved}", ".op", ".end\n"])


def _off(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest expected value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())
