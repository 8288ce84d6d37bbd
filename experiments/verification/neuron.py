"""The neuron: card and model against transistors, small steps and `.noise`."""

import dataclasses
from collections.abc import Iterator, Mapping

import jax.numpy as jnp
import numpy as np

from experiments.verification.record import Check, resolving
from rram_jax.neuron.card import NeuronCard, load_neuron_card, with_card
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.mismatch import gate_areas, position_shift
from rram_jax.neuron.model import crossing, ideal_params, to_counts
from rram_jax.ngspice.measure import noise_variance
from rram_jax.ngspice.testbench import random_staircases, simulate_columns
from rram_jax.report.effects import BAR

SEED = 1729
"""Of staircases and thresholds: no fit has seen them."""

POINT = {"i_bias": 14e-6, "t_slot": 6e-9}
"""[A, s] Between the card's operating points."""

LEVELS = np.array([1.0, 4.0, 7.5, 11.0, 14.0])
"""[slots] Crossings of an ideal neuron at constant bit lines."""

SHORT = 7
"""[slots] Of the bunched bit lines, which are 15/7 as high."""

N_SHIFTED, N_CODES = 8, 16

NOT_RESOLVED = "not resolved: the error is no small part of the effect, so no bar"

COLUMN = "ngspice, single columns of transistors (tier `column`'s testbench)"


def neuron_checks() -> Iterator[Check]:
    """All checks of single neurons."""
    card = load_neuron_card()
    yield small_steps()
    yield settling_in_ngspice(card)
    yield from crossings_in_ngspice(card)
    yield from codes_in_ngspice(card)
    yield noise(card)
    yield from held_out(card)


def small_steps() -> Check:
    """Leak and compression: the closed form against 2000 Euler steps a slot."""
    config = NeuronConfig(v_full=8e-3)
    leak, curve, steps = 2.3e6, 100.0, 2000
    v = random_staircases(np.random.default_rng(SEED), config, 6)
    v = np.abs(v).clip(1e-3, config.v_full)
    h, level = config.t_slot / steps, np.zeros(len(v))
    unit = config.v_full * (1 - curve * config.v_full**2)
    for k in range(SLOTS):
        current = v[:, k] * (1 - curve * v[:, k] ** 2) / unit
        for _ in range(steps):
            level = level + h * (current - leak * level)
    level = level * np.exp(-leak * (1 - config.ramp_advance) * config.t_slot)
    expected = np.zeros(len(v))
    while (level > 0).any():
        expected += (level > 0) * h
        level = level + (level > 0) * h * (-1 - leak * level)
    params = dataclasses.replace(
        ideal_params(config), leak=jnp.float32(leak), curve=jnp.float32(curve)
    )
    ideal = crossing(jnp.asarray(v, jnp.float32), ideal_params(config))
    found = np.asarray(crossing(jnp.asarray(v, jnp.float32), params))
    start = 0.5 - config.ramp_advance  # of the ramp, in the model's slots
    expected = expected / config.t_slot + start
    return Check(
        effect="leak and compression, the model's formula",
        model="closed form (`neuron.model.crossing`)",
        against="integration in steps of 1/2000 slot",
        case="6 random staircases, leak 2.3 / us, 100 / V^2",
        error=float(np.abs(found - expected).max()),
        unit="slots",
        size=float(np.abs(np.asarray(ideal) - expected).max()),
        bar=2e-3,
    )


def settling_in_ngspice(card: NeuronCard) -> Check:
    """Slots so short that the ramp has not settled where the first level crosses."""
    config = _output(card, {"i_bias": 14e-6, "t_slot": 2e-9})
    stairs = np.tile(np.array([1.0, 2.5, 4.0, 6.0, 8.0, 10.0, 12.0])[:, None], SLOTS)
    stairs = stairs / SLOTS * config.v_full - config.v_shift
    measured = simulate_columns(config, stairs).crossings(0.0, config)
    params, v = card.params(config), jnp.asarray(stairs, jnp.float32)
    said = np.asarray(crossing(v, params), np.float64)
    settled = crossing(v, dataclasses.replace(params, lag=params.lag * 0))
    slope, shift = np.polyfit(said[1:], measured[1:], 1)
    return Check(
        effect="settling of the ramp",
        model="neuron card and `neuron.model`",
        against=COLUMN,
        case="output neuron at 14 uA, 2 ns: crossing 1.6 ns behind the ramp's step, off"
        f" the line through later ones; {NOT_RESOLVED}",
        error=float(abs(measured[0] - (slope * said[0] + shift))),
        unit="slots",
        size=float(abs(said[0] - settled[0])),
    )


def _output(card: NeuronCard, point: Mapping[str, float]) -> NeuronConfig:
    """An output neuron as the card's testbench has it, of 13 mV."""
    v_full = 13e-3
    config = NeuronConfig(
        v_full=v_full,
        v_shift=card.conditions.shift_share * v_full,
        clocks_per_slot=4,
        asynchronous=True,
        i_bias=point["i_bias"],
        t_slot=point["t_slot"],
    )
    return with_card(config, card)


def crossings_in_ngspice(card: NeuronCard) -> Iterator[Check]:
    """Gain, offset, leak, compression and mismatch, each by a contrast.

    Output neurons, whose comparators tell the crossing itself. Constant bit lines at
    `LEVELS`; the middle one's charge also in the first and in the last slots only.
    """
    config = _output(card, POINT)
    early = (np.arange(SLOTS) < SHORT) * SLOTS / SHORT
    shapes = [np.ones(SLOTS) * level for level in LEVELS]
    shapes += [7.5 * early, 7.5 * early[::-1]] + [7.5 * np.ones(SLOTS)] * N_SHIFTED
    stairs = np.stack(shapes) / SLOTS * config.v_full - config.v_shift
    shifts = _shifts(config, card, N_SHIFTED)
    delvto = [{}] * (len(LEVELS) + 2) + [
        dict(zip(config.mismatched, row, strict=True)) for row in shifts.tolist()
    ]
    run = simulate_columns(config, stairs, delvto)
    measured = run.crossings(0.0, config)
    params = card.params(config)
    v = jnp.asarray(stairs, jnp.float32)
    said = np.asarray(crossing(v, params), np.float64)
    n = len(LEVELS)
    slope, _ = np.polyfit(said[:n], measured[:n], 1)
    told = (
        f"output neuron at {1e6 * POINT['i_bias']:g} uA, {1e9 * POINT['t_slot']:g} ns"
    )

    def check(effect, case, error, size):
        size = float(abs(size))
        return Check(
            effect=effect,
            model="neuron card and `neuron.model`",
            against=COLUMN,
            case=f"{told}: {case}",
            error=float(abs(error)),
            unit="slots",
            size=size,
            bar=resolving(BAR, size),
        )

    def late(x):
        return x[n + 1] - x[n]

    def bunched(x):
        return (x[n] + x[n + 1]) / 2 - x[2]

    gain = check(
        "gain",
        f"slope of crossings at five levels; {NOT_RESOLVED}",
        slope - 1,
        float(params.gain) - 1,
    )
    yield dataclasses.replace(gain, unit="-", bar=None)
    yield check(
        "offset after auto-zero, common to all neurons",
        "mean crossing of five levels; the ramp's start cancels the effect",
        (measured - said)[:n].mean(),
        card.at(config, "offset"),
    )
    yield check(
        "leak",
        "charge in the last 7 against the first 7 slots",
        late(measured) - late(said),
        late(said),
    )
    yield check(
        "compression",
        "charge in 7 against 15 slots",
        bunched(measured) - bunched(said),
        bunched(said),
    )
    moved = measured[n + 2 :] - measured[2]
    offset, gain = position_shift(jnp.asarray(shifts, jnp.float32), config, card)
    own = dataclasses.replace(
        params, offset=params.offset + offset, gain=params.gain + gain
    )
    expected = np.asarray(crossing(v[n + 2 :], own)) - said[2]
    yield check(
        "mismatch: offset and gain of a neuron",
        f"{N_SHIFTED} neurons with random thresholds, rms",
        np.sqrt(np.mean((moved - expected) ** 2)),
        np.sqrt(np.mean(expected**2)),
    )


def codes_in_ngspice(card: NeuronCard) -> Iterator[Check]:
    """Codes of hidden neurons on random staircases, alike and with mismatch."""
    config = with_card(_hidden(), card)
    rng = np.random.default_rng(SEED)
    stairs = random_staircases(rng, config, N_CODES)
    shifts = _shifts(config, card, N_CODES)
    delvto = [{}] * N_CODES + [
        dict(zip(config.mismatched, row, strict=True)) for row in shifts.tolist()
    ]
    counts = simulate_columns(config, np.concatenate([stairs, stairs]), delvto).counts
    params, v = card.params(config), jnp.asarray(stairs, jnp.float32)
    offset, gain = position_shift(jnp.asarray(shifts, jnp.float32), config, card)
    own = dataclasses.replace(
        params, offset=params.offset + offset, gain=params.gain + gain
    )
    hidden = "all effects of a hidden neuron, codes"
    shifted = "the same with mismatch, codes"
    ideal = ideal_params(config)
    for effect, some, neurons, without in (
        (hidden, slice(None, N_CODES), params, ideal),
        (shifted, slice(N_CODES, None), own, params),
    ):
        said, left_out = (
            np.asarray(to_counts(crossing(v, x), config)) for x in (neurons, without)
        )
        off = np.abs(counts[some] - said)
        size = float(np.abs(said - left_out).mean())
        yield Check(
            effect=effect,
            model="neuron card and `neuron.model`",
            against=COLUMN,
            case=f"{N_CODES} random staircases; mean difference (largest"
            f" {off.max():.0f} LSB)",
            error=float(off.mean()),
            unit="LSB",
            size=size,
            bar=resolving(0.15, size),
        )


def noise(card: NeuronCard) -> Check:
    """The card's law against `.noise` at an operating point that no fit saw."""
    config = with_card(_hidden(), card)
    found = float(card.params(config).noise_rms)
    expected = noise_variance(config) ** 0.5
    return Check(
        effect="noise of a conversion",
        model="normal, its deviation a law of the card",
        against="ngspice .noise of gm cell and auto-zero, by the same function that the"
        " card was fitted with: interpolation only",
        case=f"hidden neuron between the fit's operating points, {1e6 * expected:.0f}"
        " uV rms",
        error=abs(found / expected - 1),
        unit="-",
        bar=0.05,
    )


def held_out(card: NeuronCard) -> Iterator[Check]:
    """What `characterise` found where no fit had looked, as the card tells it."""
    n = card.conditions.n_held_out
    for kind in ("hidden", "output"):
        laws, slopes = getattr(card, kind), getattr(card.mismatch, kind)
        equal = f"{100 * laws.equal:.1f} % of counts equal"
        yield Check(
            effect=f"gain, offset, leak, compression, settling: {kind} neurons",
            model=f"laws of card {card.name}",
            against=COLUMN,
            case=f"{n} operating points that no fit saw; rms of crossings, the largest"
            f" is {laws.residual_max:.2g} slots; {equal}",
            error=laws.residual_rms,
            unit="slots",
            bar=BAR,
            repeat="rram-jax neuron characterise",
        )
        yield Check(
            effect=f"mismatch: {kind} neurons",
            model=f"slopes of card {card.name}, linear in all thresholds",
            against=COLUMN,
            case="neurons with random thresholds; share of counts that differ",
            error=1 - slopes.equal,
            unit="-",
            repeat="rram-jax neuron characterise",
        )


def _hidden() -> NeuronConfig:
    return NeuronConfig(v_full=9.1e-3, i_bias=POINT["i_bias"], t_slot=POINT["t_slot"])


def _shifts(config: NeuronConfig, card: NeuronCard, n: int) -> np.ndarray:
    """[n, transistors, V] Random thresholds by Pelgrom's law."""
    sigma = card.mismatch.a_vt / np.sqrt(gate_areas(config))
    return sigma * np.random.default_rng(SEED + 1).standard_normal((n, len(sigma)))
