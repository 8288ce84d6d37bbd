"""What an array's common mode does to a code: row drivers, cells and wires as built.

One array a condition. Its first pairs of rows have fixed codes; of the others none,
half or all are driven, whose weights cancel in every column that is looked at. Whatever
moves a code there is common mode: unequal drivers of positive and negative rows, their
sag, rows at rest, and edges of pulses, which long and short pulses have alike. What the
other columns of a tile draw from the rows is lumped into one bit line of its own.
"""

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.chip.surrogate import positions
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.pair import cells_of, signed_transfer
from rram_jax.circuit.tile import layer_transfer
from rram_jax.circuit.wiring import layer_resistors
from rram_jax.device.card import load_card
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import SLOTS, T_OUT_ZERO, V_READ, NeuronConfig
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.drivers import (
    driver_instance,
    driver_subcircuits,
    input_buffer,
    input_pulse_lines,
    row_driver,
)
from rram_jax.ngspice.effects.bench import BenchRun, without_clock
from rram_jax.ngspice.effects.record import Effect, EffectSetting
from rram_jax.ngspice.neuron import (
    C_BIT_LINE,
    OPTIONS,
    bias_instance,
    neuron_instance,
    neuron_subcircuits,
    shared_lines,
)
from rram_jax.ngspice.phases import T_START, phase_lines
from rram_jax.ngspice.runner import run_deck
from rram_jax.types import Float, Int

ROWS, COLS = 96, 32
"""[-] Rows of the array, in two tiles of the default size; columns of a tile."""

FIXED = np.array([SLOTS, 10, 6, 0])
"""[-] Codes of the first pairs; the last one only makes the rest even."""

WEIGHTS = np.array([[1, 1, -1, 1], [1, -1, 1, 1], [1, 1, 1, 1]])
"""[-] Of these pairs in the columns that have neurons: sums of 19, 11 and 31 slots."""

ORDERS = np.array([[1, -1, 1, -1], [-1, 1, -1, 1], [1, 1, -1, -1]])
"""[-] Weights of four other pairs in these columns; they cancel."""

DRIVEN = ((0.0, SLOTS), (0.5, SLOTS), (1.0, SLOTS), (1.0, 5))
"""[-] Share of the other pairs that are driven, and their code."""

EDGE_SPAN, EDGE_STEP = 4, 0.01
"""[-] Time of which the start of pulses is looked at, and its longest step, over the
latch's shortest clock period: a dip lasts 0.1 of one."""

EDGE_OPTIONS = ".option method=gear reltol=1e-4"
"""Of the simulator there: areas within 1 % of those with reltol 1e-5 and 2 ps."""

DEVICE = "hfo2-nominal"
"""Device card whose medians the cells have."""


def array_weights() -> Int[np.ndarray, "pairs cols"]:
    """Cancelling weights below the fixed ones, one column a row of `WEIGHTS`."""
    blocks = (ROWS // 2 - len(FIXED)) // 4
    columns = zip(WEIGHTS, ORDERS, strict=True)
    return np.stack([np.r_[own, np.tile(order, blocks)] for own, order in columns], 1)


def driven_codes(share: float, code: int) -> Int[np.ndarray, " pairs"]:
    """Codes of all pairs with this share of the cancelling ones driven."""
    others = ROWS // 2 - len(FIXED)
    n = 4 * round(share * others / 4)
    return np.concatenate([FIXED, np.where(np.arange(others) < n, code, 0)])


def array_resistance(
    weights: Int[np.ndarray, "pairs cols"],
) -> Float[np.ndarray, "rows more"]:
    """[Ohm] Cells at their medians; the last column stands for the rest of a tile."""
    device = load_card(DEVICE)
    lrs, hrs = float(device.r_lrs), float(device.r_hrs)
    own = np.where(np.asarray(cells_of(jnp.asarray(weights))), lrs, hrs)
    rest = 2 / (1 / lrs + 1 / hrs) / (COLS - weights.shape[1])
    return np.column_stack([own, np.full(len(own), rest)])


def predicted_positions(setting: EffectSetting) -> Float[np.ndarray, "driven columns"]:
    """[slots] Crossings of the surrogate: exact transfer, the card's drivers."""
    r_pos, r_neg = setting.card.driver_resistance(setting.config)
    tile = TileConfig(r_driver_pos=r_pos, r_driver_neg=r_neg)
    exact = layer_transfer(1 / array_resistance(array_weights()), tile)
    codes = np.stack([driven_codes(*driven) for driven in DRIVEN])
    params = setting.card.params(setting.config)
    with jax.enable_x64(True):
        transfer = jnp.asarray(signed_transfer(exact))[:, : len(WEIGHTS)]
        said = positions(jnp.asarray(codes, float), transfer, V_READ, params)
        return np.asarray(said)


def array_deck(setting: EffectSetting) -> tuple[str, float, float]:
    """(deck, t_pulse [s], t_stop [s]) with one array, and its neurons, a `DRIVEN`."""
    config, process = setting.config, setting.process
    parts = _level_lines(config, process)
    saved = [f"v(s{k}_0)" for k in range(len(DRIVEN))]
    for k, driven in enumerate(DRIVEN):
        tag = str(k)
        phases = phase_lines(tag, config, T_START, T_START - T_OUT_ZERO)
        codes = driven_codes(*driven)
        subcircuits = [
            *neuron_subcircuits(tag, config, process),
            *driver_subcircuits(tag, config),
        ]
        parts += [with_instances(str(cell), process) for cell in subcircuits]
        parts += [bias_instance(tag, config), without_clock(phases.text)]
        parts += _array_lines(tag, config, array_weights(), codes, T_START)
        for j in range(len(WEIGHTS)):
            name = f"{tag}_{j}"
            parts.append(
                neuron_instance(tag, name, f"s{name}", config, process=process)
            )
            saved += [f"v({x}{name})" for x in ("out", "dum", "q")]
    parts += [OPTIONS, ".save " + " ".join(saved), f".tran 0.5n {phases.t_end:.9g}"]
    return "\n".join([*parts, ".end\n"]), phases.t_pulse, phases.t_end


def _level_lines(config: NeuronConfig, process: Process) -> list[str]:
    """Models, supplies and levels of all arrays."""
    v_cm = config.technology.v_cm
    return [
        "* common mode of an array",
        shared_lines(process, config.technology),
        f"Vvp vp 0 {v_cm + V_READ:.9g}",
        f"Vvm vm 0 {v_cm - V_READ:.9g}",
    ]


def _array_lines(
    tag: str,
    config: NeuronConfig,
    weights: Int[np.ndarray, "pairs cols"],
    codes: Int[np.ndarray, " pairs"],
    t_start: float,
) -> list[str]:
    """Pulses, row drivers, cells, wires and bit lines `s<tag>_<column>` of one array.

    Subcircuits `buf` and `drv` with its tag are the caller's.
    """
    inputs = input_pulse_lines(tag, config, [int(x) for x in codes], t_start)
    parts, resistance = [inputs.text], array_resistance(weights)
    for n, (a, b, ohms) in enumerate(layer_resistors(resistance, TileConfig())):
        ends = f"{a[0]}{tag}_{a[1:]} {b[0]}{tag}_{b[1:]}"
        parts.append(f"R{tag}_{n} {ends} {ohms:.8g}")
    for i, nodes in enumerate(inputs.nodes):
        rows = f"r{tag}_{2 * i}_0", f"r{tag}_{2 * i + 1}_0"
        parts.append(driver_instance(tag, f"{tag}_{i}", nodes, *rows))
    for j in range(resistance.shape[1]):
        name = f"{tag}_{j}"
        parts.append(f"Cs{name} s{name} 0 {C_BIT_LINE:g}")
    return parts


def edge_area(
    config: NeuronConfig, process: Process | None = None, share: float = 1.0
) -> float:
    """[V s] Area by which the start of pulses moves a bit line, all pairs driven.

    Of its deviation from what the pulses hold it at, weights cancelling: a row's switch
    to v_cm - v_read conducts before that to v_cm + v_read. One deck of row drivers,
    cells and wires, without neurons: a dip moves a code by `area / (t_slot v_full)`
    slots, whatever their gm and C_int. The ends of pulses, where the switches to v_cm
    conduct before the others let go, add no more than a hundredth, so long pulses and
    short ones are alike.

    Args:
        config: Neurons, behind either comparator, whose `r_driver` and technology the
            row drivers have.
        process: Of the transistors; our own card, typical, where None.
        share: Of the pairs that are driven (`edge_weight`).
    """
    process, technology = process or default_process(), config.technology
    pairs, unit = ROWS // 2, technology.t_clock_min
    weights = np.stack([np.resize(order, pairs) for order in ORDERS], 1)
    codes = np.where(np.arange(pairs) < 4 * round(share * pairs / 4), SLOTS, 0)
    start, stop = unit, EDGE_SPAN * unit
    lines = [f"v(s0_{j})" for j in range(len(ORDERS))]
    deck = [
        *_level_lines(config, process),
        with_instances(str(input_buffer("0", config, 1)), process),
        with_instances(str(row_driver("0", config)), process),
        *_array_lines("0", config, weights, codes, start),
        EDGE_OPTIONS,
        f".save {' '.join(lines)}\n.tran {EDGE_STEP * unit:g} {stop:.9g}\n.end\n",
    ]
    data = run_deck("\n".join(deck), t_stop=stop).data
    time = data["time"]
    wave = np.mean([data[line] for line in lines], 0) - technology.v_cm
    return float(np.trapezoid(wave, time) - wave[-1] * (stop - start))


def simulate_array(
    setting: EffectSetting,
) -> tuple[Float[np.ndarray, "driven columns"], Float[np.ndarray, "driven two"]]:
    """[slots] Crossings in ngspice; first bit line's lowest point and mean [V].

    The mean is over the 15 slots of an integration, of all that comes in a conversion.
    """
    config = setting.config
    deck, t_pulse, t_stop = array_deck(setting)
    run = run_deck(deck, t_stop=t_stop)
    names = [f"{k}_{j}" for k in range(len(DRIVEN)) for j in range(len(WEIGHTS))]
    bench = BenchRun(
        config=config,
        data=run.data,
        names=tuple(names),
        t_pulse=t_pulse,
        cpu_s=run.cpu_s,
    )
    v_cm = config.technology.v_cm
    lines = [run.data[f"v(s{k}_0)"] - v_cm for k in range(len(DRIVEN))]
    integration = SLOTS * config.t_slot
    seen = [(v.min(), np.trapezoid(v, run.data["time"]) / integration) for v in lines]
    return bench.positions().reshape(len(DRIVEN), len(WEIGHTS)), np.array(seen)


def common_mode(setting: EffectSetting) -> list[Effect]:
    """How far pairs that cancel move a code, and what of it the model misses.

    A row's switch to v_cm - v_read conducts earlier than that to v_cm + v_read, whose
    source lies higher: when pulses start, all bit lines dip for 0.1 ns. Long pulses and
    short ones do so alike.

    A sum that lies where the ramp has not begun or is over gives no record.
    """
    found, line = simulate_array(setting)
    said = predicted_positions(setting)
    moved, foreseen = found - found[0], said - said[0]
    effects = []
    for (share, code), shift, model in zip(DRIVEN, moved, foreseen, strict=True):
        for total, value, of_model in zip(WEIGHTS @ FIXED, shift, model, strict=True):
            if share == 0 or not np.isfinite(value):
                continue
            where = f"sum of {total} slots, {share:.0%} of other pairs at {code}"
            at = (share, float(code), float(total))
            effects += [
                Effect.shift("common mode", where, value, left_out=False, at=at),
                Effect.shift(
                    "common mode beyond the model", where, value - of_model, at=at
                ),
            ]
    effects.append(
        Effect(
            name="pulse edges",
            condition="bit line's dip as all pairs start; its mean, in LSB",
            value=float(line[-1, 0]),
            unit="V",
            lsb=float(line[-1, 1] - line[0, 1]) / setting.lsb,
            left_out=False,
        )
    )
    return effects
