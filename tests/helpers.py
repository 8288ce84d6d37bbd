"""What several test files need: a circuit solver of their own, gradients, cards."""

import contextlib
import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import tomli_w

from rram_jax.chip.config import TRIM_PATTERNS, NetworkConfig
from rram_jax.chip.network import HardwareNetwork, Layer
from rram_jax.neuron.box import Box
from rram_jax.neuron.card import (
    CROSSING,
    Conditions,
    DriverResistance,
    KindLaws,
    MismatchLaws,
    NeuronCard,
    SlopeLaws,
)
from rram_jax.neuron.law import Term
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS
from tests.neuron.energies import fitted_laws

GROUND = "v_cm"
"""Node at 0 V in `solve_resistors`."""


def solve_resistors(
    parts: list[tuple[str, str, float]], fixed: dict[str, float]
) -> dict[str, float]:
    """Voltage of every node by a dense nodal matrix, in float64.

    0 Ohm makes two nodes one, infinity is no connection, and a group of nodes that
    hangs on nothing gets 0 V. Written for this and nothing else; the package's solvers
    share no line with it.
    """
    fixed = {GROUND: 0.0, **fixed}
    nodes = sorted({n for a, b, _ in parts for n in (a, b)} | set(fixed))
    group = {n: n for n in nodes}

    def find(n):
        while group[n] != n:
            n = group[n]
        return n

    for a, b, r in parts:
        if r == 0:
            # A fixed node stays the one that the group is called after.
            a, b = sorted((find(a), find(b)), key=lambda n: n not in fixed)
            group[b] = a
    known = {find(n): v for n, v in fixed.items()}
    wires = [(find(a), find(b), 1 / r) for a, b, r in parts if 0 < r < math.inf]
    reached = set(known)
    for _ in nodes:
        reached |= {
            n for a, b, _ in wires if a in reached or b in reached for n in (a, b)
        }
    free = sorted(reached - set(known))
    index = {n: k for k, n in enumerate(free)}
    matrix, current = np.zeros((len(free), len(free))), np.zeros(len(free))
    for a, b, g in wires:
        for here, there in ((a, b), (b, a)):
            if here in index:
                matrix[index[here], index[here]] += g
                if there in index:
                    matrix[index[here], index[there]] -= g
                else:
                    current[index[here]] += known[there] * g
    volts = known | dict(zip(free, np.linalg.solve(matrix, current), strict=True))
    return {n: float(volts.get(find(n), 0.0)) for n in nodes}


def dense_crossbar(drive, conductance, array) -> dict[str, np.ndarray]:
    """One drive of one plain array, node by node: reference of `solve_crossbar`."""
    rows, cols = conductance.shape
    parts = []
    for i in range(rows):
        parts.append((f"in{i}", f"row{i}", array.r_driver))
        left = f"row{i}"
        for j in range(cols):
            parts.append((left, f"sl{i},{j}", array.r_wire_sl))
            left = f"sl{i},{j}"
            r_cell = 1 / conductance[i, j] if conductance[i, j] else math.inf
            parts.append((left, f"bl{i},{j}", r_cell))
            below = f"bl{i + 1},{j}" if i + 1 < rows else f"foot{j}"
            parts.append((f"bl{i},{j}", below, array.r_wire_bl))
    for j in range(cols):
        parts.append((f"foot{j}", GROUND, array.r_sense))
    v = solve_resistors(parts, {f"in{i}": float(u) for i, u in enumerate(drive)})

    def grid(name):
        return np.array(
            [[v[f"{name}{i},{j}"] for j in range(cols)] for i in range(rows)]
        )

    v_sl, v_bl = grid("sl"), grid("bl")
    return {
        "voltage": np.array([v[f"foot{j}"] for j in range(cols)]),
        # What a column's cells bring can leave it at the foot only.
        "current": (conductance * (v_sl - v_bl)).sum(0),
        "v_sl": v_sl,
        "v_bl": v_bl,
    }


def uneven_cells(
    seed: int, rows: int, cols: int, r_on=4500.0, r_off=52e3
) -> np.ndarray:
    """Conductances [S] of mixed states, spread, no two alike."""
    rng = np.random.default_rng(seed)
    median = np.where(rng.random((rows, cols)) < 0.4, r_on, r_off)
    return 1 / (median * np.exp(0.3 * rng.standard_normal((rows, cols))))


def assert_gradient(fn, x, seed=0, *, rel_step=1e-6, rtol=1e-6):
    """Compare `jax.grad` with a central difference along a random direction.

    For float64. The step is relative because x may be near 1e-5 S; its truncation
    error is of the order rel_step^2 and its rounding 1e-16 / rel_step, so 1e-6 leaves
    some 1e-9 of f over the slope's share of it.
    """
    noise = np.random.default_rng(seed).standard_normal(np.shape(x))
    direction = x * jnp.asarray(noise)
    fn = jax.jit(fn)
    above, below = fn(x + rel_step * direction), fn(x - rel_step * direction)
    slope = (above - below) / (2 * rel_step)
    assert slope.dtype == jnp.float64, "differences need x64"
    assert slope != 0
    np.testing.assert_allclose(jnp.vdot(jax.grad(fn)(x), direction), slope, rtol=rtol)


@contextlib.contextmanager
def without_type_checks():
    """Let a call through to the errors that users see: production has no beartype."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def is_one_sentence(error: BaseException) -> bool:
    """Whether a message is a single line that ends like a sentence."""
    text = str(error)
    return "\n" not in text and text.endswith(".") and 20 < len(text) < 600


def count_calls(monkeypatch, module, name: str) -> list[None]:
    """Grow the list by one each time `module.name` runs: in jitted code, is traced."""
    calls, fn = [], getattr(module, name)

    def counted(*args, **kwargs):
        calls.append(None)
        return fn(*args, **kwargs)

    monkeypatch.setattr(module, name, counted)
    return calls


def neuron_card(**hidden_and_output: float) -> NeuronCard:
    """A card of perfect neurons everywhere; what differs is given by name."""
    numbers = {name: 0.0 for name in (*CROSSING, "pulse_excess", "noise_variance")}
    given = dict(hidden_and_output)
    if "noise_rms" in given:
        given["noise_variance"] = given.pop("noise_rms") ** 2
    numbers |= {"gain": 1.0} | given

    def kind(clocks: int, *, asynchronous: bool) -> KindLaws:
        laws = {name: (Term(coefficient=x),) for name, x in numbers.items()}
        return KindLaws(
            clocks_per_slot=clocks,
            asynchronous=asynchronous,
            **laws,
            residual_rms=0.0,
            residual_max=0.0,
            equal=1.0,
            within_1=1.0,
        )

    def without_slopes(names):
        none, one = {name: (0.0,) for name in names}, (Term(coefficient=1.0),)
        return SlopeLaws(
            equal=1.0,
            within_1=1.0,
            offset_terms=one,
            offset=none,
            gain_terms=one,
            gain=none,
        )

    return NeuronCard(
        name="perfect",
        source="Made up for a test.",
        conditions=Conditions(
            ngspice="none",
            date="2026-01-01",
            shift_share=0.3,
            n_points=1,
            n_held_out=1,
            n_staircases=1,
        ),
        box=Box(
            i_bias=(1e-6, 1e-3),
            t_slot=(1e-9, 1e-6),
            v_full=(1e-3, 0.5),
            swing=(0.1, 0.6),
            c_int=15e-15,
        ),
        # Not alike, and the wanted resistance is not the one measured.
        driver=DriverResistance(
            r_driver=16.0, g_row=5e-3, r_pos=15.0, r_neg=18.0, r_rest=16.0, edge=0.0
        ),
        hidden=kind(1, asynchronous=False),
        output=kind(4, asynchronous=True),
        mismatch=MismatchLaws(
            a_vt=4e-9,
            hidden=without_slopes(MISMATCHED),
            output=without_slopes(MISMATCHED_ASYNCHRONOUS),
        ),
        energy=fitted_laws(),
    )


def with_slopes(
    card: NeuronCard,
    offset: Callable[[int], float],
    gain: Callable[[int], float] = lambda k: 0.0,
) -> NeuronCard:
    """The card with slopes by the transistor's place in a draw, at every point."""

    def changed(laws: SlopeLaws) -> SlopeLaws:
        slopes = {
            part: {name: (of(k),) for k, name in enumerate(getattr(laws, part))}
            for part, of in (("offset", offset), ("gain", gain))
        }
        return dataclasses.replace(laws, **slopes)

    kinds = {kind: getattr(card.mismatch, kind) for kind in ("hidden", "output")}
    new = {kind: changed(laws) for kind, laws in kinds.items()}
    return dataclasses.replace(card, mismatch=dataclasses.replace(card.mismatch, **new))


def write_card(card, folder: Path) -> str:
    """Write a device or neuron card as TOML; returns the file's path."""
    path = folder / f"{card.name}.toml"
    path.write_text(tomli_w.dumps(dataclasses.asdict(card)))
    return str(path)


def random_network(seed: int, config: NetworkConfig, z_full=(2.5, 4.0)):
    """A network of random weights of every value that its configuration allows."""
    rng = np.random.default_rng(seed)
    layers = []
    for k, (shape, columns) in enumerate(
        zip(config.weight_shapes, config.columns, strict=True)
    ):
        values = [-1, 0, 1] if config.ternary else [-1, 1]
        weights = rng.choice(values, shape).astype(np.int8)
        bias = slice(config.sizes[k], config.sizes[k] + config.n_bias)
        weights[bias] = rng.choice([-1, 0, 1], (config.n_bias, shape[1]))
        weights[bias.stop :] = 0
        last = k == len(config.columns) - 1
        layers.append(
            Layer(
                weights=weights,
                columns_per_output=columns,
                z_full=z_full[k],
                z_shift=1.25 if last else 0.0,
            )
        )
    patterns = rng.integers(0, 16, (TRIM_PATTERNS, config.sizes[0])).astype(np.uint8)
    return HardwareNetwork(
        config=config,
        layers=tuple(layers),
        logit_scale=1.5,
        trim_patterns=patterns if config.trim else None,
    )


def device_environment(n: int) -> dict[str, str]:
    """Environment of a process that has `n` CPU devices."""
    count = f"--xla_force_host_platform_device_count={n}"
    return os.environ | {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {count}"}


def on_devices(n: int, code: str, *args: str) -> Any:
    """What `code` prints last, as JSON, in a process that has `n` CPU devices.

    A process of its own: jax counts its devices once.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *args],
        env=device_environment(n),
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
