"""Single transistors in ngspice: the figures that a designer asks of a CMOS card.

            V_ds = 50 mV (threshold), v_dd/2 (gm, output resistance), v_dd
             |
    V_gs --| M     swept: currents; 1 V of ac: capacitances, on with V_ds = 0 and off
             |     with V_ds = v_dd; `.noise`: at the gate, V_ds = v_dd/2
            gnd

Currents and voltages of p transistors are counted as those of n.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rram_jax.neuron.cmos import CmosCard, Process
from rram_jax.ngspice.cmos import model_lines, with_instances
from rram_jax.ngspice.runner import run_deck
from rram_jax.types import Float

KINDS = ("n", "p")

V_LINEAR = 50e-3
"""[V] V_ds of the threshold."""

STEP_DS = 25e-3
"""[V] Output resistance is taken between v_dd/2 - this and v_dd/2 + this."""

I_THRESHOLD = 100e-9
"""[A] Per square: where the constant-current threshold is."""

I_NOISE = 1e-6
"""[A] Per square: drain current at which noise is measured, V_ds = v_dd/2."""

F_NOISE = (1.0, 1e8)
"""[Hz] Band of the noise: its ends tell 1/f and white noise. At 1 GHz what the gate's
capacitance feeds through already passes for gain in long transistors."""

F_AC = 1e6
"""[Hz] Where capacitances are measured."""

STEP_GS = 10e-3
"""[V] Step of V_gs; the threshold's slope is a quotient over two."""

Size = tuple[float, float]
"""Width and length [m]."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One transistor over its gate voltage."""

    v_gs: Float[np.ndarray, " points"]
    """[V]"""

    i_linear: Float[np.ndarray, " points"]
    """[A] At V_ds = 50 mV."""

    i_d: Float[np.ndarray, " points"]
    """[A] At V_ds = v_dd/2."""

    i_sat: Float[np.ndarray, " points"]
    """[A] At V_ds = v_dd."""

    g_ds: Float[np.ndarray, " points"]
    """[S] At V_ds = v_dd/2."""

    @property
    def gm(self) -> Float[np.ndarray, " points"]:
        """[S] At V_ds = v_dd/2."""
        return np.gradient(self.i_d, self.v_gs)


def sizes(card: CmosCard) -> tuple[Size, ...]:
    """The card's smallest, then 1/0.15, 1/0.5, 1/1, 7/0.15 and 7/8 um where allowed."""
    wanted = [(1, 0.15), (1, 0.5), (1, 1), (7, 0.15), (7, 8)]
    chosen = [
        (w * 1e-6, l * 1e-6)
        for w, l in wanted
        if w * 1e-6 >= card.w_min * (1 - 1e-9) and l * 1e-6 >= card.l_min * (1 - 1e-9)
    ]
    smallest = (card.w_min, card.l_min)
    return tuple(dict.fromkeys([smallest, *chosen]))


def transistor_line(
    name: str, kind: str, nodes: str, size: Size, settings: str = ""
) -> str:
    """One transistor in the neuron's netlist language; diffusions are 0.3 um long."""
    width, length = size
    area, edge = 0.3e-6 * width, 2 * width
    return (
        f"M{name} {nodes} {kind}ch w={width:.6g} l={length:.6g} ad={area:.6g}"
        f" as={area:.6g} pd={edge:.6g} ps={edge:.6g} {settings}"
    ).rstrip()


def measure_curves(
    process: Process, chosen: Sequence[Size]
) -> dict[tuple[str, Size], Curve]:
    """I_d(V_gs) of every kind and size, all in one `.dc` deck."""
    half = process.card.v_dd / 2
    drains = (V_LINEAR, half - STEP_DS, half + STEP_DS, process.card.v_dd)
    lines, names = [], []
    for kind in KINDS:
        for size in chosen:
            for v_ds in drains:
                name = f"{len(names)}"
                lines += _biased(name, kind, f"g{kind}", v_ds, size)
                names.append(name)
    data = _sweep(process, lines, names)
    currents = iter(
        np.stack([data[name] for name in names]).reshape(-1, 4, len(data["v"]))
    )
    curves = {}
    for kind in KINDS:
        for size in chosen:
            linear, below, above, sat = next(currents)
            curves[kind, size] = Curve(
                v_gs=data["v"],
                i_linear=linear,
                i_d=(below + above) / 2,
                i_sat=sat,
                g_ds=(above - below) / (2 * STEP_DS),
            )
    return curves


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise of one transistor at its gate, one-sided."""

    frequency: Float[np.ndarray, " points"]
    """[Hz]"""

    density: Float[np.ndarray, " points"]
    """[V/sqrt(Hz)]"""

    @property
    def one_hz(self) -> float:
        """[V/sqrt(Hz)] At the band's lower end, 1 Hz."""
        return float(self.density[0])

    @property
    def white(self) -> float:
        """[V/sqrt(Hz)] At the band's upper end, without the 1/f line drawn on to it."""
        ratio = self.frequency[-1] / self.frequency[0]
        line = self.density[0] ** 2 * ratio**self.exponent
        return float(np.sqrt(max(self.density[-1] ** 2 - line, 0.0)))

    @property
    def exponent(self) -> float:
        """[-] Of the power density at the lower end: -1 is 1/f."""
        (f0, f1), (d0, d1) = self.frequency[:2], self.density[:2]
        return float(2 * np.log(d1 / d0) / np.log(f1 / f0))

    @property
    def corner(self) -> float:
        """[Hz] Where the line of the lower end meets the white noise."""
        ratio = 2 * math.log(self.white / self.one_hz) / self.exponent
        return float(self.frequency[0] * math.exp(ratio))


def noise_spectrum(process: Process, kind: str, size: Size, v_gs: float) -> Noise:
    """Noise at the gate, V_ds = v_dd/2, from `.noise`.

    A controlled source makes a voltage of the drain's current, without noise.
    """
    sign = _sign(kind)
    lines = [
        f"Vg g 0 dc {sign * v_gs:.9g} ac 1",
        f"Vd d 0 {sign * process.card.v_dd / 2:.9g}",
        transistor_line("1", kind, "d g 0 0", size),
        "Hout out 0 Vd 1e6",
        f".noise v(out) Vg dec 2 {F_NOISE[0]:g} {F_NOISE[1]:g}",
    ]
    data = run_deck(_deck(process, lines), klu=False, v_max=1e4).data
    return Noise(
        frequency=np.real(data["frequency"]), density=np.real(data["inoise_spectrum"])
    )


def measure_mismatch(
    rng: np.random.Generator, process: Process, size: Size, n: int = 64
) -> dict[str, tuple[float, float]]:
    """Standard deviations of V_t [V] and of beta [-] over `n` drawn transistors.

    Each transistor is drawn by the card's A_VT and A_beta and measured like any other
    (V_t by constant current, beta by the largest gm at V_ds = 50 mV, without what V_t
    explains of it). Series resistance hides a part of beta in short transistors. A
    subcircuit takes no factor of its mobility, so its beta is not drawn.

    Args:
        rng: Makes the draws: one is one transistor of one chip.
        process: Card, corner, temperature.
        size: Width and length [m].
        n: Transistors of each kind.

    Returns:
        By kind.

    References:
        Pelgrom, Duinmaijer, Welbers, "Matching properties of MOS transistors", IEEE
        JSSC 24 (1989), 10.1109/JSSC.1989.572629.
    """
    card, root = process.card, math.sqrt(size[0] * size[1])
    lines, names = [], []
    for kind in KINDS:
        shift = rng.standard_normal(n) * card.a_vt(kind) / root
        factor = 1 + rng.standard_normal(n) * card.a_beta / root
        for v, b in zip(shift, factor, strict=True):
            name = f"{len(names)}"
            settings = f"delvto={v:.9g} mulu0={b:.9g}"
            lines += _biased(name, kind, f"g{kind}", V_LINEAR, size, settings)
            names.append(name)
    data = _sweep(process, lines, names)
    currents = np.stack([data[name] for name in names]).reshape(2, n, -1)
    square, found = size[0] / size[1], {}
    for kind, several in zip(KINDS, currents, strict=True):
        v_t = [at_current(i, data["v"], I_THRESHOLD * square) for i in several]
        gm = np.gradient(several, data["v"], axis=1).max(1)
        # A higher threshold lowers the mobility; that much is no spread of beta.
        off = np.array(v_t) - np.mean(v_t)
        rest = gm - off * (off @ gm) / max(off @ off, 1e-30)
        found[kind] = float(np.std(v_t)), float(np.std(rest) / np.mean(gm))
    return found


def _sign(kind: str) -> int:
    return 1 if kind == "n" else -1


def _biased(
    name: str, kind: str, gate: str, v_ds: float, size: Size, settings: str = ""
) -> list[str]:
    """A transistor with its own drain source."""
    return [
        f"Vd{name} d{name} 0 {_sign(kind) * v_ds:.9g}",
        transistor_line(name, kind, f"d{name} {gate} 0 0", size, settings),
    ]


def _deck(process: Process, lines: Iterable[str]) -> str:
    """A deck of these lines; differences are taken, and gmin would pass for leakage."""
    body = with_instances("\n".join(lines), process)
    parts = [
        "* transistors",
        model_lines(process),
        body,
        ".option reltol=1e-6 gmin=1e-15",
        ".end\n",
    ]
    return "\n".join(parts)


def _sweep(
    process: Process, lines: list[str], names: list[str]
) -> dict[str, Float[np.ndarray, " points"]]:
    """Sweep V_gs from 0 to v_dd; drain currents by name, counted as n's, and `v`."""
    v_dd = process.card.v_dd
    saved = " ".join(f"i(vd{name})" for name in names)
    lines = [
        "Vg gn 0 0",
        "Ep gp 0 0 gn 1",
        *lines,
        f".save v(gn) {saved}",
        f".dc Vg 0 {v_dd:.9g} {v_dd / max(round(v_dd / STEP_GS), 1):.12g}",
    ]
    data = run_deck(_deck(process, lines), v_max=10 * v_dd).data
    return {"v": data["v(gn)"]} | {name: np.abs(data[f"i(vd{name})"]) for name in names}


def at_current(current, value, wanted: float) -> float:
    """`value` where a rising current is `wanted`, on a logarithmic axis of currents."""
    return float(np.interp(math.log(wanted), np.log(np.maximum(current, 1e-30)), value))


def measure_capacitances(
    process: Process, chosen: Sequence[Size]
) -> dict[tuple[str, Size], tuple[float, float]]:
    """[F/m^2] of area and [F/m] of overlap, by kind and size."""
    lines, saved = [], []
    v_dd = process.card.v_dd
    for kind in KINDS:
        for k, size in enumerate(chosen):
            for state, v_gs, v_ds in (("on", v_dd, 0.0), ("off", 0.0, v_dd)):
                name = f"{kind}{k}{state}"
                lines += [
                    f"Vg{name} g{name} 0 dc {_sign(kind) * v_gs:.9g} ac 1",
                    *_biased(name, kind, f"g{name}", v_ds, size),
                ]
                saved += [f"i(vg{name})", f"i(vd{name})"]
    lines += [f".save {' '.join(saved)}", f".ac lin 1 {F_AC:g} {F_AC:g}"]
    data = run_deck(_deck(process, lines)).data
    found, omega = {}, 2 * math.pi * F_AC
    for kind in KINDS:
        for k, (width, length) in enumerate(chosen):
            gate = abs(data[f"i(vg{kind}{k}on)"][0].imag) / omega
            overlap = abs(data[f"i(vd{kind}{k}off)"][0].imag) / omega
            area = (gate - 2 * overlap) / (width * length)
            found[kind, (width, length)] = float(area), float(overlap / width)
    return found
