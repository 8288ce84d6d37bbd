"""Noise that a code sees beside the gm cell's own: comparators, sampled levels.

References:
    R. Sarpeshkar, T. Delbruck, C. A. Mead, "White noise in MOS transistors and
    resistors", IEEE Circuits and Devices 9 (1993), 10.1109/101.261888: kT/C.
    C. C. Enz, G. C. Temes, "Circuit techniques for reducing the effects of op-amp
    imperfections", Proc. IEEE 84 (1996), 10.1109/5.542410: what an auto-zero samples.
    P. Nuzzo, F. De Bernardinis, P. Terreni, G. Van der Plas, "Noise analysis of
    regenerative comparators for reconfigurable ADC architectures", IEEE TCAS-I 55
    (2008), 10.1109/TCSI.2008.917991: the input pair's noise while it integrates rules a
    latch's.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr

from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.effects.latch import HALVINGS, SEARCH
from rram_jax.ngspice.effects.record import Effect, EffectSetting
from rram_jax.ngspice.neuron import (
    OPTIONS,
    bias,
    bias_instance,
    chosen_gm_cell,
    gm_starts,
    shared_lines,
)
from rram_jax.ngspice.phases import steps
from rram_jax.ngspice.runner import run_deck

BOLTZMANN = 1.380649e-23
"""[J/K]"""

ZERO_CELSIUS = 273.15
"""[K]"""

BAND = (1e3, 1e10)
"""[Hz] Over which the auto-zero's noise is summed."""

T_NOISE = 20e-12
"""[s] Step of the latch's noise currents: white to 25 GHz, it decides in 0.2 ns."""

CLOCK = 1.25
"""[-] Clock of the latch under noise over the shortest: it drives no pulse gate."""

QUIET = 1e-12
"""[A] Noise that decides nothing; its source still sets the time points, and a coarser
grid moves the threshold by a millivolt."""

N_EDGES = 150
"""[-] Decisions at each difference."""

DIFFERENCES = (-0.6e-3, -0.2e-3, 0.2e-3, 0.6e-3)
"""[V] From the threshold, about one standard deviation apart."""


def temperature(setting: EffectSetting) -> float:
    """[K] Of the transistors."""
    return setting.process.temperature + ZERO_CELSIUS


def reset_noise(setting: EffectSetting) -> list[Effect]:
    """kT/C that the reset leaves on C_int and on its copy, by formula."""
    config = setting.config
    on_out = math.sqrt(2 * BOLTZMANN * temperature(setting) / config.c_total)
    return [
        Effect(
            name="noise of the reset",
            condition=f"kT/C of {1e15 * config.c_total:.0f} fF and its copy",
            value=on_out,
            unit="V",
            lsb=on_out / setting.lsb_out,
        )
    ]


def auto_zero_noise(setting: EffectSetting) -> list[Effect]:
    """What the auto-zero samples (`auto_zero_rms`), on a code of half scale.

    It stays through integration and ramp, so such a code moves by one and a half times
    as much as by noise of the integration alone.
    """
    sigma = auto_zero_rms(setting.config, setting.process)
    return [
        Effect(
            name="noise of the auto-zero",
            condition="at the bit line; in LSB at half scale",
            value=sigma,
            unit="V",
            lsb=1.5 * sigma / setting.lsb,
            left_out=False,
        )
    ]


def auto_zero_rms(config: NeuronConfig, process: Process | None = None) -> float:
    """[V] Noise that the auto-zero samples, at the bit line.

    The whole cell's noise in the closed loop's band: `.noise` at the hold capacitor
    with the loop closed, over the loop's gain from the bit line. By formula the sum is
    S gm_aux / (4 (C_hold + C_out)), S the cell's density at its input: kT/C is the
    auxiliary pair's own part of it. Summed from 1 / (2 pi age) on, age half the time
    between two auto-zeros: what is slower is the same in the conversion and cancels, as
    1/f noise does in correlated double sampling (Enz and Temes, section III).

    Args:
        config: The neurons, behind either comparator.
        process: Of the transistors; our own card, typical, where None.
    """
    process, technology = process or default_process(), config.technology
    v_dd, v_pre = technology.v_dd, technology.v_pre
    dum = "" if config.asynchronous else " dum"
    slowest = 1 / (math.pi * config.conversions_per_zero * config.t_conversion)
    deck = [
        "* auto-zero closed",
        shared_lines(process, technology),
        with_instances(str(chosen_gm_cell("0", config, process)), process),
        with_instances(str(bias("0", config)), process),
        bias_instance("0", config),
        f"Vbl bl 0 dc {technology.v_cm:.9g} ac 1",
        f"Xg bl cm out{dum} vpre on 0 0 on vbp0 vbn0 vcn0 vcp0 vdd_gm gm0",
        f".nodeset v(out)={v_pre:.6g}{gm_starts('xg', config, process)}",
        f"Von on 0 {v_dd:.9g}",
        OPTIONS,
        f".noise v(xg.hold) Vbl dec 8 {slowest:g} {BAND[1]:g}",
        ".end\n",
    ]
    data = run_deck("\n".join(deck), klu=False).data
    gain = data["onoise_spectrum"][0] / data["inoise_spectrum"][0]
    return noise_rms(data) / float(gain)


def noise_rms(data) -> float:
    """[V] Square root of the output density's integral."""
    density = np.real(data["onoise_spectrum"]) ** 2
    return float(np.sqrt(np.trapezoid(density, np.real(data["frequency"]))))


def latch_noise(setting: EffectSetting) -> list[Effect]:
    """Input-referred noise of the latch, from decisions under noise currents.

    White currents of 4 kT gamma gm between drain and source of each input transistor;
    gm and gamma from `.op` and `.noise` of the pair as a decision begins, drains at
    the supply. The share of ones at known differences is a normal distribution's; its
    spread and middle are fitted by maximum likelihood. q is held at 1, as it is in a
    ramp, and the decision is read at the latch's own nodes. Noise of the cross-coupled
    pair and kT/C of the latch's own nodes are left out.
    """
    gm, gamma = latch_pair(setting)
    ones = latch_ones(setting, gm, gamma)

    sigma = probit_sigma(np.array(DIFFERENCES), ones, N_EDGES)
    return [
        Effect(
            name="noise of the latch",
            condition=f"gm {1e3 * gm:.2f} mS, gamma {gamma:.2f};"
            f" {len(ones) * N_EDGES} decisions",
            value=sigma,
            unit="V",
            lsb=sigma / setting.lsb_out,
        )
    ]


def latch_pair(setting: EffectSetting) -> tuple[float, float]:
    """Transconductance [S] and gamma [-] of an input transistor as a decision begins.

    Drains, and the nodes above them, hang at the supply on inductors; the density at
    one input is then that of both transistors, 8 kT gamma / gm.
    """
    frequency, technology = 1e8, setting.config.technology
    v_dd, v_pre = technology.v_dd, technology.v_pre
    deck = [
        "* input pair of a latch as a decision begins",
        shared_lines(setting.process, technology),
        f"Vp p 0 dc {v_pre:.9g} ac 1",
        f"Vn n 0 dc {v_pre:.9g}",
        f"Vclk clk 0 {v_dd:.9g}",
        "Xl p n clk 0 q qb vdd_latch latch",
        *(f"L{x} vdd_latch xl.{x} 1e3" for x in ("a", "b")),
        *(f"V{x} xl.{x} 0 {v_dd:.9g}" for x in ("on", "op")),
        f"{OPTIONS}",
    ]
    point = run_deck("\n".join([*deck, ".save @m.xl.min_p[gm]", ".op", ".end\n"])).data
    gm = float(point["@m.xl.min_p[gm]"][0])
    noise = f".noise v(xl.a,xl.b) Vp lin 1 {frequency:g} {frequency:g}"
    data = run_deck("\n".join([*deck, noise, ".end\n"]), klu=False).data
    density = float(np.real(data["inoise_spectrum"][0])) ** 2
    return gm, density * gm / (8 * BOLTZMANN * temperature(setting))


def latch_ones(setting: EffectSetting, gm: float, gamma: float) -> np.ndarray:
    """Share of decisions for 1 at each of `DIFFERENCES`."""
    low, high = SEARCH
    for _ in range(HALVINGS):  # the threshold, on the same time points, without noise
        middle = (low + high) / 2
        one = decisions(setting, [middle], n=2, current=QUIET)[0, -1]
        low, high = (low, middle) if one else (middle, high)
    # A sample held for T_NOISE has the one-sided density 2 NA^2 T_NOISE.
    kt = BOLTZMANN * temperature(setting)
    current = math.sqrt(2 * kt * gamma * gm / T_NOISE)
    differences = [(low + high) / 2 + d for d in DIFFERENCES]
    return decisions(setting, differences, n=N_EDGES, current=current).mean(1)


def decisions(
    setting: EffectSetting,
    differences: Sequence[float],
    *,
    n: int,
    current: float,
) -> np.ndarray:
    """[differences, n] Whether a latch says 1 at n edges, q held at 1 all the while.

    `current` [A rms] is that of each of the two noise sources.
    """
    technology = setting.config.technology
    v_dd, v_pre = technology.v_dd, technology.v_pre
    t_clock = CLOCK * technology.t_clock_min
    edges = t_clock * (1 + np.arange(n))
    clock = [x for t in edges for x in ((t, v_dd), (t + 0.45 * t_clock, -v_dd))]
    parts = [
        "* latches under noise",
        shared_lines(setting.process, technology),
        steps("clk", 0.0, clock),
        ".option seed=1",
    ]
    for k, d in enumerate(differences):
        noise = [
            f"I{x}{k} xl{k}.{x} xl{k}.t dc 0 trnoise({current:.6g} {T_NOISE:g} 0 0)"
            for x in ("a", "b")
        ]
        parts += [
            f"Vp{k} p{k} 0 {v_pre + d / 2:.9g}",
            f"Vn{k} n{k} 0 {v_pre - d / 2:.9g}",
            f"Xl{k} p{k} n{k} clk 0 q{k} qb{k} vdd_latch latch",
            f".nodeset v(xl{k}.on)={v_dd:.6g} v(xl{k}.op)={v_dd:.6g}",
            f"Vq{k} q{k} 0 {v_dd:.9g}",
            f"Vqb{k} qb{k} 0 0",
            *noise,
        ]
    nodes = [f"v(xl{k}.{x})" for k in range(len(differences)) for x in ("on", "op")]
    stop = edges[-1] + t_clock
    saved = ".save " + " ".join(nodes)
    parts += [OPTIONS, saved, f".tran {T_NOISE:g} {stop:.9g}", ".end\n"]
    data = run_deck("\n".join(parts), t_stop=stop).data
    read, time = edges + 0.4 * t_clock, data["time"]
    apart = [
        np.interp(read, time, data[f"v(xl{k}.op)"] - data[f"v(xl{k}.on)"])
        for k in range(len(differences))
    ]
    return np.stack(apart) > 0


def probit_sigma(differences: np.ndarray, ones: np.ndarray, n: int) -> float:
    """Standard deviation [V] of the normal distribution behind shares of n decisions.

    Most likely middle and spread; the start is the differences' own range.
    """
    scale = float(np.ptp(differences)) / 2

    def unlikely(x: np.ndarray) -> float:
        p = ndtr((differences / scale - x[0]) / np.exp(x[1]))
        p = np.clip(p, 1e-9, 1 - 1e-9)
        return -n * float(np.sum(ones * np.log(p) + (1 - ones) * np.log1p(-p)))

    best = minimize(unlikely, np.array([0.0, -0.5]), method="Nelder-Mead")
    return scale * float(np.exp(best.x[1]))
