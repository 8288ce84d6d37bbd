"""Single columns in ngspice: the neuron's transistors behind known staircases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import (
    SLOTS,
    T_OUT_ZERO,
    V_READ,
    NeuronConfig,
)
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.decode import (
    crossings,
    decode_counts,
    decode_crossings,
    high_time,
)
from rram_jax.ngspice.drivers import (
    driver_instance,
    driver_subcircuits,
    pulse_gate_instance,
    row_driver,
)
from rram_jax.ngspice.neuron import (
    BLOCKS,
    C_BIT_LINE,
    OPTIONS,
    bias,
    bias_instance,
    chosen_gm_cell,
    neuron_instance,
    neuron_subcircuits,
    shared_lines,
)
from rram_jax.ngspice.phases import (
    T_START,
    decision_instant,
    phase_lines,
    steps,
)
from rram_jax.ngspice.runner import run_deck

R_BIT_LINE = 32.0
"""[Ohm] Source resistance of a bit line: 400 cells in parallel."""

G_ROW = 4e-3
"""[S] What a row driver drives: 32 cells, half of them in the low-resistance state."""

T_GATE = 0.25e-9
"""[s] Row pulses come this much after their phase: delay of pulse gate or buffer."""


@dataclass(frozen=True, kw_only=True)
class ColumnRun:
    """What the testbench says about n columns."""

    counts: np.ndarray
    """[n] Decisions up to the first 0."""

    difference: np.ndarray
    """[n, decisions] Volts of out above dum, or above v_pre where there is no copy, at
    the start of each decision."""

    position: np.ndarray | None
    """[n, slots] Crossings of a continuous comparator (`decode_crossings`); None with a
    latch."""

    pulse_width: np.ndarray | None
    """[n, in slots] Time that the loaded row behind the pulse gate is driven; None
    where there is no gate."""

    energy: dict[str, float]
    """[J] By supply block, summed over the columns."""

    t_stop: float
    """[s] Length of the transient."""

    cpu_s: float
    """[s] User and system time of ngspice."""

    def crossings(self, threshold: float, config: NeuronConfig) -> np.ndarray:
        """[n, slots] Crossings of out through dum + threshold [V], or of q."""
        if self.position is not None:
            return self.position
        return crossings(self.difference, threshold, config)


def staircase_source(
    node: str,
    level: float,
    staircases: Sequence[np.ndarray] | np.ndarray,
    config: NeuronConfig,
    t_period: float,
) -> str:
    """Ideal source of a bit line: at `level` [V], and a staircase each conversion."""
    starts = T_START + T_GATE + np.arange(SLOTS + 1) * config.t_slot
    changes = []
    for n, stair in enumerate(staircases):
        heights = np.diff([0.0, *stair, 0.0])
        changes += zip(starts + n * t_period, heights, strict=True)
    return steps(node, level, changes)


def column_deck(
    config: NeuronConfig,
    staircases: np.ndarray,
    delvto: Sequence[Mapping[str, float]] | None = None,
    *,
    conversions: int = 1,
    zeros: bool = True,
    process: Process | None = None,
    watch: Sequence[str] = (),
    r_lines: Sequence[float] | np.ndarray | None = None,
) -> tuple[str, float, float]:
    """(deck, t_pulse [s], t_stop [s]) of one neuron a staircase.

    Behind latches, so in hidden layers, with a pulse gate and a pair of loaded rows.

    Args:
        config: The neurons.
        staircases: [n, 15, V] Bit line above v_cm in each slot.
        delvto: [V] Threshold shifts of each neuron.
        conversions: One after the other: each neuron converts its own staircase, its
            neighbour's and so on.
        zeros: With an auto-zero before each, `config.t_period` apart; else with a reset
            only, `config.t_busy` apart.
        process: Of its transistors; our own card, typical, where None.
        watch: Vectors that are saved beside those which `ColumnRun` needs.
        r_lines: [n, Ohm] Source resistance of each bit line; `R_BIT_LINE` where None.
    """
    process = process or default_process()
    phases = phase_lines(
        "0",
        config,
        T_START,
        T_START - T_OUT_ZERO,
        conversions=conversions,
        zeros=zeros,
    )
    period = config.t_period if zeros else config.t_busy
    gate, v_cm = not config.asynchronous, config.technology.v_cm
    r_lines = np.full(len(staircases), R_BIT_LINE) if r_lines is None else r_lines
    subcircuits = [
        *neuron_subcircuits("0", config, process),
        *driver_subcircuits("0", config),
    ]
    parts = [
        "* neuron testbench",
        shared_lines(process, config.technology),
        *(with_instances(str(c), process) for c in subcircuits),
        bias_instance("0", config),
        phases.text,
        f"Vvp vp 0 {v_cm + V_READ}",
        f"Vvm vm 0 {v_cm - V_READ}",
    ]
    for j in range(len(staircases)):
        name = f"0_{j}"
        stairs = [staircases[(j + n) % len(staircases)] for n in range(conversions)]
        parts += [
            staircase_source(f"a{name}", v_cm, stairs, config, period),
            f"Rs{name} a{name} s{name} {r_lines[j]:.6g}",
            f"Cs{name} s{name} 0 {C_BIT_LINE}",
            neuron_instance(
                "0",
                name,
                f"s{name}",
                config,
                delvto[j] if delvto else None,
                process,
            ),
        ]
        if not gate:
            continue
        parts += [
            pulse_gate_instance("0", name),
            driver_instance(
                "0", name, (f"p{name}", f"pb{name}"), f"rp{name}", f"rm{name}"
            ),
            f"Rp{name} rp{name} cm {1 / G_ROW}",
            f"Rm{name} rm{name} cm {1 / G_ROW}",
        ]
    names = [f"0_{j}" for j in range(len(staircases))]
    own = ("q", "out", "dum") if gate else ("q", "out")
    saved = [f"v({x}{n})" for n in names for x in own]
    saved += [f"v(rp{n})" for n in names if gate]
    saved += [*(f"i(vdd_{block})" for block in BLOCKS), *watch]
    parts += [OPTIONS, ".save " + " ".join(saved), f".tran 0.5n {phases.t_end:.9g}"]
    return "\n".join([*parts, ".end\n"]), phases.t_pulse, phases.t_end


def simulate_columns(
    config: NeuronConfig,
    staircases: np.ndarray,
    delvto: Sequence[Mapping[str, float]] | None = None,
    *,
    process: Process | None = None,
) -> ColumnRun:
    """Run `column_deck` and read what `ColumnRun` holds."""
    return simulate_conversions(
        config, staircases, delvto, conversions=1, process=process
    )[0]


def simulate_conversions(
    config: NeuronConfig,
    staircases: np.ndarray,
    delvto: Sequence[Mapping[str, float]] | None = None,
    *,
    conversions: int,
    zeros: bool = True,
    process: Process | None = None,
) -> list[ColumnRun]:
    """Conversions of the same columns one after the other.

    Between them an auto-zero, or with `zeros=False` a reset only. Column j's n-th
    conversion is that of staircase j + n (modulo their number). Times and energies of
    each run from the end of the one before, so that from the second on an energy is
    one period's.
    """
    deck, t_pulse, t_stop = column_deck(
        config,
        staircases,
        delvto,
        conversions=conversions,
        zeros=zeros,
        process=process,
    )
    period = config.t_period if zeros else config.t_busy
    run = run_deck(deck, t_stop=t_stop)
    ends = t_stop - period * np.arange(conversions)[::-1]
    runs, start = [], 0.0
    for n, end in enumerate(ends):
        time = run.data["time"]
        part = (time >= start) & (time <= end * (1 + 1e-9))
        data = {name: wave[part] for name, wave in run.data.items()}
        pulse = t_pulse + n * period
        t = float(end - start)
        runs.append(read_columns(config, data, len(staircases), pulse, t, run.cpu_s))
        start = end
    return runs


def read_columns(
    config: NeuronConfig,
    data: Mapping[str, np.ndarray],
    n: int,
    t_pulse: float,
    t_stop: float,
    cpu_s: float,
) -> ColumnRun:
    """One conversion of n columns, from the vectors that `column_deck` saves."""
    time, latches, levels = data["time"], not config.asynchronous, config.technology
    energy = {
        block: float(-levels.v_dd * np.trapezoid(data[f"i(vdd_{block})"], time))
        for block in BLOCKS
    }
    instants = decision_instant(t_pulse, np.arange(config.decisions), config)
    difference = [
        data[f"v(out0_{j})"] - (data[f"v(dum0_{j})"] if latches else levels.v_pre)
        for j in range(n)
    ]
    widths = None
    if latches:
        start, row_on = t_pulse - config.t_slot, levels.v_cm + V_READ / 2
        rows = [data[f"v(rp0_{j})"] for j in range(n)]
        widths = [high_time(time, row, start, row_on) / config.t_slot for row in rows]
    return ColumnRun(
        counts=decode_counts(data, 0, n, config, t_pulse),
        difference=np.stack([np.interp(instants, time, d) for d in difference]),
        position=None if latches else decode_crossings(data, 0, n, config, t_pulse),
        pulse_width=np.array(widths) if latches else None,
        energy=energy,
        t_stop=t_stop,
        cpu_s=cpu_s,
    )


def random_staircases(
    rng: np.random.Generator, config: NeuronConfig, n: int, n_inputs: int = 30
) -> np.ndarray:
    """[n, 15, V] Staircases as a layer sees them: inputs start together, end singly.

    Each has a mean drawn evenly over the full scale, -v_shift included, and a swing
    about it that is a weighted sum of random pulses.
    """
    codes = rng.integers(0, SLOTS + 1, (n, n_inputs))
    codes *= rng.random((n, n_inputs)) < 0.7
    on = (codes[..., None] > np.arange(SLOTS)).astype(float)
    swing = (rng.standard_normal((n, n_inputs, 1)) * on).sum(1)
    swing *= rng.uniform(0.1, 0.5, (n, 1)) / np.sqrt((swing**2).mean(1, keepdims=True))
    shape = on.mean(1) / on.mean((1, 2))[:, None]
    swing -= swing.mean(1, keepdims=True) * shape
    mean = rng.uniform(-0.05, 1.02, (n, 1)) - config.v_shift / config.v_full
    return config.v_full * (mean * shape + swing)


def driver_resistance(
    config: NeuronConfig, g_row: float = G_ROW, process: Process | None = None
) -> tuple[float, float, float]:
    """[Ohm] Row driver on positive, negative and resting rows, each loaded by `g_row`.

    A difference between the first two is a common mode on every driven pair. Resting
    rows are measured with a load to v_cm + 20 mV, about what their bit lines are at.
    """
    rest, v_cm = 20e-3, config.technology.v_cm
    process = process or default_process()
    deck = [
        "* row driver under load",
        shared_lines(process, config.technology),
        with_instances(str(row_driver("0", config)), process),
        f"Vvp vp 0 {v_cm + V_READ}",
        f"Vvm vm 0 {v_cm - V_READ}",
        f"Von on 0 {config.technology.v_dd:.9g}",
        f"Vbl bl 0 {v_cm + rest:.9g}",
        driver_instance("0", "a", ("on", "0"), "rp", "rm"),
        driver_instance("0", "b", ("0", "on"), "r0", "r1"),
        f"Rp rp cm {1 / g_row}",
        f"Rm rm cm {1 / g_row}",
        f"R0 r0 bl {1 / g_row}",
        f"R1 r1 cm {1 / g_row}",
        f"{OPTIONS}\n.save v(rp) v(rm) v(r0)\n.op\n.end\n",
    ]
    data = run_deck("\n".join(deck)).data
    pos, neg = data["v(rp)"][0] - v_cm, v_cm - data["v(rm)"][0]
    rested = data["v(r0)"][0] - v_cm
    return (
        float((V_READ / pos - 1) / g_row),
        float((V_READ / neg - 1) / g_row),
        float(1 / (rest / rested - 1) / g_row),
    )


def noise_density(
    config: NeuronConfig, frequency: float, process: Process | None = None
) -> float:
    """[V/sqrt(Hz)] Noise of the gm cell at its input, one-sided, from `.noise`.

    The loop of the auto-zero is closed for the operating point through a resistor and
    open at `frequency`.
    """
    process = process or default_process()
    deck = [
        "* noise of the gm cell",
        shared_lines(process, config.technology),
        with_instances(str(chosen_gm_cell("0", config, process)), process),
        with_instances(str(bias("0", config)), process),
        bias_instance("0", config),
        f"Vbl bl 0 dc {config.technology.v_cm:.9g} ac 1",
        "Xg bl cm out"
        + ("" if config.asynchronous else " dum")
        + " vpre 0 on 0 on vbp0 vbn0 vcn0 vcp0 vdd_gm gm0",
        f"Von on 0 {config.technology.v_dd:.9g}",
        "Lzero out xg.hold 1e3",
        OPTIONS,
        f".noise v(out) Vbl lin 1 {frequency:.6g} {frequency:.6g}",
        ".end\n",
    ]
    data = run_deck("\n".join(deck), klu=False).data
    return float(data["inoise_spectrum"][0])
