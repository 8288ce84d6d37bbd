"""The continuous comparator of output neurons: delay, resolution, noise."""

import dataclasses
import math

import numpy as np

from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.effects.bench import BenchRun, changed, level_columns, run_bench
from rram_jax.ngspice.effects.noise import noise_rms
from rram_jax.ngspice.effects.record import Effect, EffectSetting
from rram_jax.ngspice.neuron import OPTIONS, bias, bias_instance, shared_lines
from rram_jax.ngspice.runner import run_deck

CLOCKS = 4
"""[-] Of the counter, a slot."""

SLOPES = (0.8, 1.0, 1.2)
"""[-] Swings of C_int, and with them slopes at which it crosses, over its own."""

STEPS = (0.001, 0.003, 0.01, 0.03)
"""[LSB] By which inputs differ that are to be told apart."""

MIDDLES = (3.2, 7.6, 12.3)
"""[LSB] Around which they lie."""


def output_neuron(config: NeuronConfig) -> NeuronConfig:
    """The same neuron with a continuous comparator."""
    return dataclasses.replace(
        config, asynchronous=True, clocks_per_slot=CLOCKS, ramp_advance=0.5
    )


def comparator_delay(setting: EffectSetting) -> list[Effect]:
    """From `out` through v_pre to q's fall, and how slope and code move it.

    The delay at the nominal slope is an offset, which the model holds. Slopes whose
    swing the supply does not leave give no record.
    """
    output = output_neuron(setting.config)
    delays = {}
    for slope in SLOPES:
        config = changed(output, swing=slope * output.swing)
        if config is None:
            continue
        columns = level_columns(np.array(MIDDLES) / SLOTS * config.v_full)
        delays[slope] = _delays(run_bench(config, columns, process=setting.process))
    nominal = delays[1.0]
    t_slot, middle = setting.config.t_slot, len(MIDDLES) // 2
    effects = [
        Effect(
            name="comparator's delay",
            condition="of out's crossing, nominal slope, half scale",
            value=float(nominal[middle]),
            unit="s",
            lsb=float(nominal[middle]) / t_slot,
            left_out=False,
        ),
        Effect(
            name="comparator's delay over the code",
            condition=f"largest less smallest, codes {MIDDLES[0]:g} to {MIDDLES[-1]:g}",
            value=float(np.ptp(nominal)),
            unit="s",
            lsb=float(np.ptp(nominal)) / t_slot,
        ),
    ]
    for slope, delay in delays.items():
        moved = float(delay[middle] - nominal[middle])
        if slope != 1:
            effects.append(
                Effect(
                    name="comparator's delay over the slope",
                    condition=f"slope {slope - 1:+.0%}",
                    value=moved,
                    unit="s",
                    lsb=moved / t_slot,
                    left_out=False,
                )
            )
    return effects


def _delays(run: BenchRun) -> np.ndarray:
    """[s] Of every column, in the ramp."""
    time, v_dd = run.data["time"], run.config.technology.v_dd
    start = run.pulse() + 1e-9

    def fall(wave: np.ndarray) -> float:
        i = np.flatnonzero((time[:-1] > start) & (wave[:-1] > 0) & (wave[1:] <= 0))[0]
        share = wave[i] / (wave[i] - wave[i + 1])
        return float(time[i] + share * (time[i + 1] - time[i]))

    return np.array(
        [fall(run.data[f"v(q{n})"] - v_dd / 2) - fall(run.out(n)) for n in run.names]
    )


def crossing_resolution(setting: EffectSetting) -> list[Effect]:
    """What a small step of the input moves the crossing, against what it should.

    The error is the simulator's and the circuit's, without noise: a step is told apart
    where it stays well below 1.
    """
    config = output_neuron(setting.config)
    inputs = [m + step for m in MIDDLES for step in (0.0, *STEPS)]
    columns = level_columns(np.array(inputs) / SLOTS * config.v_full)
    run = run_bench(config, columns, process=setting.process)
    position = run.positions().reshape(len(MIDDLES), -1)
    moved = position[:, 1:] - position[:, :1]
    slope = moved[:, -1:] / STEPS[-1]
    error = np.abs(moved / (slope * np.array(STEPS)) - 1).max(0)
    effects = [
        Effect(
            name="resolution of a crossing",
            condition=f"step of {step:g} LSB, largest error over the step",
            value=float(share),
            unit="-",
            lsb=float(share) * step,
        )
        for step, share in zip(STEPS[:-1], error[:-1], strict=True)
    ]
    told = [s for s, e in zip(STEPS, error, strict=True) if e < 0.5]
    effects.append(
        Effect.shift("smallest step told apart", "without noise", min(told, default=1))
    )
    return effects


def comparator_noise(setting: EffectSetting) -> list[Effect]:
    """Input-referred noise, summed over the first stage's own band, and in slots.

    `.noise` at the first stage's output with equal inputs, over its gain at low
    frequency. On a ramp it has less time than its band allows, so this is its most.
    """
    process = setting.process
    config = output_neuron(setting.config)
    deck = [
        "* noise of the continuous comparator",
        shared_lines(process, config.technology),
        with_instances(str(bias("0", config)), process),
        bias_instance("0", config),
        f"Vp p 0 dc {config.technology.v_pre:.9g} ac 1",
        "Xl p vpre q vbc0 vdd_latch comparator",
        OPTIONS,
        ".noise v(xl.b) Vp dec 8 1e3 1e11",
        ".end\n",
    ]
    data = run_deck("\n".join(deck), klu=False).data
    gain = float(np.real(data["onoise_spectrum"][0] / data["inoise_spectrum"][0]))
    sigma = noise_rms(data) / gain
    slots = sigma / setting.lsb_out
    return [
        Effect(
            name="noise of the comparator",
            condition=f"gain {20 * math.log10(gain):.0f} dB; in slots of its ramp",
            value=sigma,
            unit="V",
            lsb=slots,
        )
    ]
