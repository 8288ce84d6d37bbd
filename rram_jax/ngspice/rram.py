"""The compact model of `device.filament` and `device.cell` as ngspice subcircuits.

`rram_subcircuits` writes them with behavioural sources; those of `ngspice.osdi` have
the same names, nodes and parameters around the Verilog-A models of
`spice/models/rram.va`. Both take their numbers from the filament card. The barrier is
the voltage of a node of its own, 1 V a nanometre, on a capacitor of 1 nF; a weak pin
holds its start value for the operating point (time constant 1 s). Polarity as in
`device.filament`: p above n, and sl above bl, is RESET.

Any failure of ngspice to converge is the error that `runner.run_deck` makes of it.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rram_jax.device.filament import KELVIN, FilamentCard, FilamentParams
from rram_jax.ngspice.runner import run_deck

METRE = 1e9
"""[V/m] Voltage of the state node per barrier thickness."""

C_STATE, G_PIN = 1e-9, 1e-9
"""[F], [S] On the state node."""

TIGHT = ".option method=gear reltol=1e-6 abstol=1e-15 vntol=1e-9"
"""Options under which static currents agree with JAX to 1e-6, and pulses to 1e-3."""

PULSED = ".option method=gear reltol=1e-4 abstol=1e-12 vntol=1e-7"
"""Options under which a pulse train agrees with JAX to 1 % and better."""


def _numbers(card: FilamentCard) -> dict[str, str]:
    """Every parameter in all its digits."""
    names = [f.name for f in dataclasses.fields(FilamentParams)]
    return {name: repr(float(getattr(card, name))) for name in names}


def rram_subcircuits(card: FilamentCard, tag: str = "") -> str:
    """Subcircuits `filament`, `access` and `rram1t1r`, their names ending in `tag`.

    - `filament<tag> p n x`: the RRAM; p above n is RESET.
    - `access<tag> d g s b`: the access transistor, symmetric in d and s.
    - `rram1t1r<tag> bl sl gate b x`: both in series.

    The node `x` carries the barrier, 1 V a nanometre. Parameters: `x_init` [V] is the
    barrier at the start, `s` [-] the cross-section, `move=0` freezes the barrier, for
    static sweeps. `tag` sets the subcircuits of several cards apart in one deck.
    """
    n = _numbers(card)
    v_ta = f"({KELVIN!r}*{n['t_ambient']})"
    v_t = f"({KELVIN!r}*({n['t_ambient']}+{n['r_th']}*v(p,n)*i(vsense)))"

    def share(kind: str, v: str) -> str:
        """P(u) of one polarity at the voltage magnitude `v`."""
        e, a, d = (n[f"{k}_{kind}"] for k in "ead")
        field = f"{a}*{v}/({d}+v(x)/{METRE:.0f})"
        return f"(1/(1+exp(({e}-{field})/{v_t}))-1/(1+exp({e}/{v_t})))"

    reset = f"{n['nu_reset']}*({n['t_ox']}*{METRE:.0f}-v(x))*{share('reset', 'v(p,n)')}"
    set_ = f"{n['nu_set']}*v(x)*{share('set', 'v(n,p)')}"
    m = f"exp(v(x)/({n['x0']}*{METRE:.0f}))"
    r = f"({n['r_filament']}/{{s}}*({m}-v(x)/({n['t_ox']}*{METRE:.0f})))"
    v0 = f"({n['v0_hrs']}+({n['v0_lrs']}-{n['v0_hrs']})/{m})"
    beta, slope = n["access_beta"], n["access_slope"]

    def channel(node: str) -> str:
        pinch = f"(v(g,b)-({n['access_threshold']}))/{slope}"
        return f"ln(1+exp(({pinch}-v({node},b))/(2*{v_ta})))^2"

    return f"""\
.subckt filament{tag} p n x x_init=0 s=1 move=1
Bi p q i = {v0}/{r}*sinh(v(p,n)/{v0})
Vsense q n 0
Bx 0 x i = {{move}}*{C_STATE!r}*(v(p,n) >= 0 ? {reset} : -{set_})
Cx x 0 {C_STATE!r}
Rx x pin {1 / G_PIN!r}
Vx pin 0 {{x_init}}
.ends
.subckt access{tag} d g s b
Bi d s i = 2*{slope}*{beta}*{v_ta}^2*({channel("s")}-{channel("d")})
.ends
.subckt rram1t1r{tag} bl sl gate b x x_init=0 s=1 move=1
Xt sl gate mid b access{tag}
Xr mid bl x filament{tag} x_init={{x_init}} s={{s}} move={{move}}
.ends
"""


def static_deck(
    subcircuits: str, x: Sequence[float], s: Sequence[float], v: np.ndarray
) -> str:
    """Deck that sweeps the voltage across one frozen RRAM per (`x` [m], `s` [-]).

    Args:
        subcircuits: `rram_subcircuits(card)`, or the Verilog-A ones of `ngspice.osdi`.
        x: [m] Barriers.
        s: [-] Cross-sections, one for each barrier.
        v: [V] Evenly spaced, rising.
    """
    parts = ["* static I-V of frozen filaments", subcircuits]
    for k, (barrier, section) in enumerate(zip(x, s, strict=True)):
        start = f"x_init={float(barrier) * METRE!r} s={float(section)!r} move=0"
        parts += [f"E{k} a{k} 0 in 0 1", f"Xr{k} a{k} 0 x{k} filament {start}"]
    step = (v[-1] - v[0]) / (len(v) - 1)
    parts += [
        "Vin in 0 0",
        TIGHT,
        ".save " + " ".join(f"i(E{k})" for k in range(len(x))),
        f".dc Vin {float(v[0])!r} {float(v[-1] + step / 2)!r} {float(step)!r}",
        ".end\n",
    ]
    return "\n".join(parts)


def static_current(
    subcircuits: str,
    x: Sequence[float],
    s: Sequence[float],
    v: np.ndarray,
    osdi: Sequence[Path] = (),
) -> np.ndarray:
    """[A, cells x voltages] What `static_deck` gives in ngspice.

    Raises:
        NgspiceError: It did not converge, or cannot be trusted.
    """
    data = run_deck(static_deck(subcircuits, x, s, v), osdi=osdi).data
    return np.stack([-data[f"i(e{k})"] for k in range(len(x))])


EDGE = 1e-9
"""[s] Rise and fall of programming pulses."""

REST = 20e-9
"""[s] Between two pulses; the gate changes in its middle."""


@dataclass(frozen=True, kw_only=True)
class TrainRun:
    """What ngspice says about one cell under a train of pulses."""

    x: np.ndarray
    """[m, pulses] Barrier in the middle of the rest after each pulse."""

    energy: np.ndarray
    """[J, pulses] Taken out of the drivers of bit and source line by each pulse."""

    current: np.ndarray
    """[A, pulses] From sl through the cell to bl, at the end of each flat top."""

    cpu_s: float
    """[s] User and system time of ngspice."""


def train_deck(
    subcircuits: str,
    v_cell: Sequence[float],
    v_gate: Sequence[float],
    width: Sequence[float],
    *,
    x: float = 0.0,
    s: float = 1.0,
) -> tuple[str, np.ndarray]:
    """Deck of one 1T1R cell under a train of pulses, and when each of them begins.

    Args:
        subcircuits: `rram_subcircuits(card)`, or the Verilog-A ones of `ngspice.osdi`.
        v_cell: [V] Of each pulse; positive on `sl` (RESET), negative on `bl` (SET).
        v_gate: [V] During each pulse.
        width: [s] At half height: flat top and one edge.
        x: [m] Barrier before the first pulse.
        s: [-] Cross-section.

    Returns:
        The deck and [s, pulses + 1] begins, the last one the end of the transient.
    """
    begins, t = [], REST
    lines: dict[str, list[tuple[float, float]]] = {"sl": [], "bl": [], "gate": []}
    lines["gate"].append((0.0, v_gate[0]))
    for v, gate, w in zip(v_cell, v_gate, width, strict=True):
        begins.append(t)
        node = "sl" if v >= 0 else "bl"
        lines["gate"] += [(t - REST / 2, lines["gate"][-1][1])]
        lines["gate"] += [(t - REST / 2 + EDGE, gate)]
        top = (t + EDGE, abs(v)), (t + w, abs(v))
        lines[node] += [(t, 0.0), *top, (t + w + EDGE, 0.0)]
        t += w + EDGE + REST
    begins.append(t)
    parts = [
        "* pulses on a 1T1R cell",
        subcircuits,
        f"Xcell bl sl gate 0 x rram1t1r x_init={float(x) * METRE!r} s={float(s)!r}",
    ]
    for node, points in lines.items():
        points = points or [(0.0, 0.0), (t, 0.0)]
        text = " ".join(f"{float(a)!r} {float(b)!r}" for a, b in points)
        parts.append(f"V{node} {node} 0 PWL({text})")
    parts += [
        PULSED,
        ".save v(sl) v(bl) i(Vsl) i(Vbl) v(x)",
        f".tran {EDGE / 2!r} {float(t)!r}",
        ".end\n",
    ]
    return "\n".join(parts), np.array(begins)


def simulate_train(
    subcircuits: str,
    v_cell: Sequence[float],
    v_gate: Sequence[float],
    width: Sequence[float],
    *,
    x: float = 0.0,
    s: float = 1.0,
    osdi: Sequence[Path] = (),
) -> TrainRun:
    """Run `train_deck` and cut the transient into its pulses.

    Raises:
        NgspiceError: It did not converge, or cannot be trusted.
    """
    deck, begins = train_deck(subcircuits, v_cell, v_gate, width, x=x, s=s)
    run = run_deck(deck, t_stop=begins[-1], osdi=osdi)
    data, time = run.data, run.data["time"]
    power = -(data["v(sl)"] * data["i(vsl)"] + data["v(bl)"] * data["i(vbl)"])
    spent = np.concatenate([[0.0], np.cumsum(np.diff(time) * (power[1:] + power[:-1]))])
    rests = begins - REST / 2
    flat_ends = begins[1:] - REST - EDGE
    return TrainRun(
        x=np.interp(rests[1:], time, data["v(x)"]) / METRE,
        energy=np.diff(np.interp(rests, time, spent / 2)),
        current=np.interp(flat_ends, time, data["i(vbl)"]),
        cpu_s=run.cpu_s,
    )
