"""The compact model of `device.filament` and `device.cell` as ngspice subcircuits.

`rram_subcircuits` writes it with behavioural sources, `rram_cell_lines` puts a cell of
either kind into a deck; `spice/models/rram.va` is the same model in Verilog-A. Both take
their numbers from the filament card. The state x is the voltage of the node `x` inside
the filament, 1 V a nanometre, on a capacitor of 1 nF; a weak pin holds the start value
for the operating point (time constant 1 s). Polarity as in `device.filament`: p above n,
and sl above bl, is RESET.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rram_jax.device.filament import KELVIN, FilamentCard, FilamentParams
from rram_jax.ngspice.runner import run_deck

METRE = 1e9
"""[V/m] Voltage of the state node per barrier thickness."""

C_STATE, G_PIN = 1e-9, 1e-9
"""[F], [S] On the state node."""

TIGHT = ".option method=gear reltol=1e-6 abstol=1e-15 vntol=1e-9"
"""Options under which static currents agree with JAX to 1e-6, and pulses to 1e-3."""


def _numbers(card: FilamentCard) -> dict[str, str]:
    """Every parameter in all its digits."""
    names = [f.name for f in dataclasses.fields(FilamentParams)]
    return {name: repr(float(getattr(card, name))) for name in names}


def rram_subcircuits(card: FilamentCard, tag: str = "") -> str:
    """Subcircuits `filament`, `access` and `rram1t1r`, their names ending in `tag`.

    - `filament<tag> p n x_init s move`: the RRAM; p above n is RESET.
    - `access<tag> d g s b`: the access transistor, symmetric in d and s.
    - `rram1t1r<tag> bl sl gate b x_init s move`: both in series.

    `x_init` [V = nm] is the barrier at the start, `s` [-] the cross-section, and
    `move=0` freezes the barrier, for static sweeps.
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
.subckt filament{tag} p n x_init=0 s=1 move=1
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
.subckt rram1t1r{tag} bl sl gate b x_init=0 s=1 move=1
Xt sl gate mid b access{tag}
Xr mid bl filament{tag} x_init={{x_init}} s={{s}} move={{move}}
.ends
"""


def static_deck(
    card: FilamentCard, x: Sequence[float], s: Sequence[float], v: np.ndarray
) -> str:
    """Deck that sweeps the voltage across one frozen RRAM per (`x` [m], `s` [-]).

    Args:
        card: The technology.
        x: [m] Barriers.
        s: [-] Cross-sections, one for each barrier.
        v: [V] Evenly spaced, rising.
    """
    parts = ["* static I-V of frozen filaments", rram_subcircuits(card)]
    for k, (barrier, section) in enumerate(zip(x, s, strict=True)):
        parts += [
            f"E{k} a{k} 0 in 0 1",
            f"Xr{k} a{k} 0 filament x_init={barrier * METRE!r} s={section!r} move=0",
        ]
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
    card: FilamentCard, x: Sequence[float], s: Sequence[float], v: np.ndarray
) -> np.ndarray:
    """[A, cells x voltages] What `static_deck` gives in ngspice.

    Raises:
        NgspiceError: It did not converge, or cannot be trusted.
    """
    data = run_deck(static_deck(card, x, s, v)).data
    return np.stack([-data[f"i(e{k})"] for k in range(len(x))])
