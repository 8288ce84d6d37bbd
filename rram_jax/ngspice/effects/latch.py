"""The clocked latch alone and behind its neuron: delay, offset, kick, betas.

v_pre + d/2 -- inp | latch | q        clock: one edge every `CLOCK`
v_pre - d/2 -- inn |       |
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from rram_jax.neuron.calibrate import latch_threshold
from rram_jax.neuron.config import SLOTS
from rram_jax.neuron.sizing import comparator_sizes
from rram_jax.ngspice.effects.bench import level_columns, run_bench, with_beta
from rram_jax.ngspice.effects.record import Effect, EffectSetting
from rram_jax.ngspice.neuron import OPTIONS, latch_starts, shared_lines
from rram_jax.ngspice.phases import decision_instant, steps
from rram_jax.ngspice.runner import run_deck

OVERDRIVES = (0.1e-3, 1e-3, 3e-3, 10e-3, 30e-3, 100e-3)
"""[V] Differences at the latch; 30 mV are an LSB."""

CLOCK = 5.0
"""[-] From edge to edge, over the shortest clock period."""

PAIRS = (("in_p", "in_n"), ("n_on", "n_op"), ("p_on", "p_op"))
"""Whose unequal betas move the threshold."""

BETA_SHIFT = 0.05
"""[-] Difference of beta in a pair that is measured; the input pair's threshold then
moves by 5 mV, which `SEARCH` holds."""

SEARCH = (-16e-3, 16e-3)
"""[V] Differences between which a threshold is looked for."""

HALVINGS = 11
"""[-] Of this interval: 8 uV are left on either side."""

BEFORE = 0.2
"""[V] Difference at the edge before, which sets q, or clears it where negative."""

N_LEVELS = 12
"""[-] Columns whose crossings share out one slot."""


def clock_period(setting: EffectSetting) -> float:
    """[s] From edge to edge."""
    return CLOCK * setting.config.technology.t_clock_min


def latch_deck(
    setting: EffectSetting,
    differences: Sequence[Sequence[float]],
    betas: Sequence[Mapping[str, float]] | None = None,
) -> str:
    """Latches that see one difference [V] after the other, one an edge.

    A difference comes half a clock ahead of its edge; the latch's two inputs move apart
    about v_pre.
    """
    technology = setting.config.technology
    v_dd, v_pre, t_clock = technology.v_dd, technology.v_pre, clock_period(setting)
    edges = t_clock * (1 + np.arange(len(differences[0])))
    clock = [x for t in edges for x in ((t, v_dd), (t + 0.45 * t_clock, -v_dd))]
    parts = [
        "* latches at known differences",
        with_beta(shared_lines(setting.process, technology)),
        steps("clk", 0.0, clock),
    ]
    for k, levels in enumerate(differences):
        half = np.diff([0.0, *levels]) / 2
        starts = edges - t_clock / 2
        beta = betas[k] if betas else {}
        shifts = "".join(f" b_{name}={value:.8g}" for name, value in beta.items())
        parts += [
            steps(f"p{k}", v_pre, list(zip(starts, half, strict=True))),
            steps(f"n{k}", v_pre, list(zip(starts, -half, strict=True))),
            f"Xl{k} p{k} n{k} clk 0 q{k} qb{k} vdd_latch latch{shifts}",
            f".nodeset v(q{k})=0 v(qb{k})={v_dd:.6g}"
            f"{latch_starts(f'xl{k}', v_dd, setting.process)}",
        ]
    saved = " ".join(f"v(q{k})" for k in range(len(differences)))
    end = f".tran 0.2n {edges[-1] + t_clock:.9g}\n.end\n"
    return "\n".join([*parts, OPTIONS, f".save {saved}", end])


def latch_delay(setting: EffectSetting) -> list[Effect]:
    """From the clock's edge to q's fall through half the supply, against overdrive.

    Overdrive counts from the threshold of a latch whose q is 1. What the delay differs
    by from `Technology.lead` is what the output pulse is too long, in slots, and so in
    LSB of one input of the next layer.
    """
    technology = setting.config.technology
    threshold = latch_thresholds(setting, [{}])[0]
    # The edge before has set q, so that every second edge makes it fall.
    sequence = [x for d in OVERDRIVES for x in (BEFORE, threshold - d)]
    data = run_deck(latch_deck(setting, [sequence])).data
    time, q = data["time"], data["v(q0)"] - technology.v_dd / 2
    effects = []
    for k, overdrive in enumerate(OVERDRIVES):
        edge = clock_period(setting) * (2 * k + 2)
        after = np.flatnonzero((time[:-1] > edge) & (q[:-1] > 0) & (q[1:] <= 0))
        i = after[0]
        at = time[i] + (time[i + 1] - time[i]) * q[i] / (q[i] - q[i + 1])
        delay = float(at - edge)
        effects.append(
            Effect(
                name="latch's delay",
                condition=f"{1e3 * overdrive:g} mV of overdrive",
                value=delay,
                unit="s",
                lsb=(delay - technology.lead) / setting.config.t_slot,
            )
        )
    return effects


def latch_thresholds(
    setting: EffectSetting,
    betas: Sequence[Mapping[str, float]],
    before: float = BEFORE,
) -> np.ndarray:
    """[V] Difference above which latches with such betas say 1, by halving."""
    v_dd = setting.config.technology.v_dd
    low, high = np.full(len(betas), SEARCH[0]), np.full(len(betas), SEARCH[1])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        differences = [(before, d) for d in middle]
        data = run_deck(latch_deck(setting, differences, betas)).data
        one = [data[f"v(q{k})"][-1] > v_dd / 2 for k in range(len(betas))]
        low, high = np.where(one, low, middle), np.where(one, middle, high)
    return (low + high) / 2


def latch_memory(setting: EffectSetting) -> list[Effect]:
    """Thresholds after a 1 and after a 0, inputs held by stiff sources.

    The gates behind the latch load its two sides according to q. In a ramp every
    decision follows a 1, so that only the first of the two counts: an offset of all.
    """
    after_one, after_zero = (
        float(latch_thresholds(setting, [{}], sign * BEFORE)[0]) for sign in (1, -1)
    )
    return [
        Effect(
            name="latch's threshold",
            condition=f"stiff inputs, after a {state}",
            value=value,
            unit="V",
            lsb=value / setting.lsb_out,
            left_out=False,
        )
        for state, value in ((1, after_one), (0, after_zero))
    ]


def latch_beta(setting: EffectSetting) -> list[Effect]:
    """Spread of the threshold by unequal betas of the latch's pairs.

    sigma(beta) / beta = a_beta / sqrt(W L) for each transistor, as Pelgrom's law.
    """
    betas = [
        {one: sign * BETA_SHIFT / 2, other: -sign * BETA_SHIFT / 2}
        for one, other in PAIRS
        for sign in (1, -1)
    ]
    threshold = latch_thresholds(setting, betas).reshape(-1, 2)
    slope = (threshold[:, 0] - threshold[:, 1]) / (2 * BETA_SHIFT)
    latch = comparator_sizes(setting.config.technology).latch
    area = {t.name: t.width * t.length for t in latch}
    a_beta = setting.process.card.a_beta
    sigma = np.array([a_beta * math.sqrt(2 / area[one]) for one, _ in PAIRS])
    spread = float(np.linalg.norm(slope * sigma))
    return [
        Effect(
            name="latch's betas",
            condition="threshold's standard deviation",
            value=spread,
            unit="V",
            lsb=spread / setting.lsb_out,
        )
    ]


def latch_kick(setting: EffectSetting) -> list[Effect]:
    """In a neuron: what a clock edge does to `out`, and where the latch decides."""
    config = dataclasses.replace(setting.config, clocks_per_slot=1)
    positions = 7 + np.arange(N_LEVELS) / N_LEVELS
    columns = level_columns(positions / SLOTS * config.v_full)
    clocked, resting = (
        run_bench(config, columns, process=setting.process, clocked=on)
        for on in (True, False)
    )
    edge = decision_instant(clocked.t_pulse, 3, config)
    time, name = clocked.data["time"], clocked.names[0]
    near = (time > edge) & (time < edge + 0.9e-9)
    calm = resting.data
    kick = {
        node: clocked.data[f"v({node}{name})"][near]
        - np.interp(time[near], calm["time"], calm[f"v({node}{name})"])
        for node in ("out", "dum")
    }
    largest = float(np.abs(kick["out"]).max())
    apart = float(np.abs(kick["out"] - kick["dum"]).max())
    moved = clocked.positions() - resting.positions()
    threshold, doubt = latch_threshold(clocked.difference(), clocked.counts())
    told = f"within {1e3 * doubt:.1f} mV"
    lsb_out = setting.lsb_out
    return [
        Effect(
            name="latch's kick on out",
            condition="largest, copy of C_int kicked alike",
            value=largest,
            unit="V",
            lsb=0.0,
            left_out=False,
        ),
        Effect(
            name="latch's kick, out less its copy",
            condition="largest, before it decides and after",
            value=apart,
            unit="V",
            lsb=0.0,
            left_out=False,
        ),
        Effect.shift(
            "latch's kick, crossing",
            "mean over a slot, of all kicks before",
            float(np.mean(moved)),
            left_out=False,
        ),
        Effect.shift(
            "latch's kick, crossing's spread",
            "over where in a slot it lies",
            float(np.ptp(moved) / 2),
        ),
        Effect(
            name="latch's threshold",
            condition=f"behind C_int, {told}",
            value=threshold,
            unit="V",
            lsb=threshold / lsb_out,
            left_out=False,
        ),
    ]
