"""Spread, RTN and mismatch: samples against closed forms, decks against samples."""

import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from experiments.verification.network import tiny_design
from experiments.verification.record import Check
from rram_jax.chip.program import sample_chip
from rram_jax.device.card import load_card
from rram_jax.device.rtn import frozen_rtn, sample_traps
from rram_jax.device.variability import sample_resistance
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.cmos import default_process
from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.mismatch import draw_mismatch
from rram_jax.ngspice.array import array_lines
from rram_jax.ngspice.runner import run_deck
from rram_jax.ngspice.static import static_deck

N = 200_000
"""[-] Cells of a sample."""

SIGMAS = 4.0
"""Standard errors that a sample may be off: one in 16,000 samples is, by chance."""


def cell_checks() -> Iterator[Check]:
    """All checks of what is drawn."""
    yield from spread_of_samples()
    yield spread_in_the_deck()
    yield from telegraph_noise()
    yield mismatch_of_samples()


def spread_of_samples() -> Iterator[Check]:
    """ln R of LRS and HRS cells against the card's normal distribution."""
    card = load_card("hfo2-nominal")
    for seed, (name, is_lrs, median, sigma) in enumerate(
        (
            ("LRS", True, card.r_lrs, card.sigma_lrs),
            ("HRS", False, card.r_hrs, card.sigma_hrs),
        )
    ):
        states = jnp.full(N, is_lrs)
        ln = np.log(
            np.asarray(sample_resistance(jax.random.key(seed), states, card.params()))
        )
        off = [
            abs(ln.mean() - math.log(median)) / (sigma / math.sqrt(N)),
            abs(ln.std() / sigma - 1) * math.sqrt(2 * N),
        ]
        yield Check(
            effect="spread of cells",
            model="a log-normal draw a cell",
            against="closed form: mean and deviation of ln R of the card",
            case=f"{N:,} {name} cells of hfo2-nominal, sigma {sigma:g}",
            error=float(max(off)),
            unit="standard errors",
            bar=SIGMAS,
        )


def spread_in_the_deck() -> Check:
    """Every cell as ngspice holds it against the chip that its deck is written from."""
    design = tiny_design()
    layer, device = design.layers[0], design.device
    resistance = np.asarray(sample_chip(0, 0, design)[0].resistance, np.float64)
    lines = array_lines(
        resistance, layer.tile, 1, "cells", access=None, process=default_process()
    )
    deck = static_deck(
        lines,
        np.ones((1, len(resistance) // 2), bool),
        layer.layer.n_outputs,
        r_driver=(layer.tile.r_driver_pos, layer.tile.r_driver_neg),
        v_cm=0.4,
        v_read=0.2,
    )
    names = {}
    for line in lines:
        name, a, b, _ = line.split()
        if (a[0], b[0]) == ("w", "b"):
            row, col = map(int, a[1:].split("_"))
            names[row, col] = f"@{name.lower()}[resistance]"
    saved = f".save {' '.join(names.values())}\n.op\n.end\n"
    # The raw file calls what is saved so a voltage: ohms are no volts too many.
    data = run_deck(deck[: deck.index(".save")] + saved, v_max=1e9).data
    found = np.full(resistance.shape, np.nan)
    for place, name in names.items():
        found[place] = data[f"v({name})"][0]
    median = np.where(np.asarray(layer.is_lrs), device.r_lrs, device.r_hrs)
    return Check(
        effect="spread of cells",
        model="a log-normal draw a cell",
        against="ngspice: the resistance that it holds of every cell in an .op",
        case="16 x 4 cells of a sampled chip, two tiles (eight digits are written);"
        " size: off the median",
        error=float(np.abs(found / resistance - 1).max()),
        unit="-",
        size=float(np.abs(resistance / median - 1).max()),
        bar=5e-8,
    )


def telegraph_noise() -> Iterator[Check]:
    """Frozen states of all traps against a compound Poisson sum.

    Both mean times are log-uniform over the same range, so a trap is full half of the
    time on average: the mean of R / R_0 - 1 is n E[a] / 2, its variance n E[a^2] / 2.
    """
    card = load_card("hfo2-nominal")
    device, lrs = card.params(), jnp.ones(N, bool)
    keys = jax.random.split(jax.random.key(3))
    traps = sample_traps(keys[0], jnp.full(N, card.r_lrs), lrs, device)
    excess = np.asarray(frozen_rtn(keys[1], traps), np.float64) - 1
    s, n = card.rtn_sigma, card.rtn_traps_lrs
    mean = n * card.rtn_amplitude_lrs * math.exp(s**2 / 2) / 2
    square = n * card.rtn_amplitude_lrs**2 * math.exp(2 * s**2) / 2
    deviation = (excess - mean) ** 2
    for told, sample, expected in (
        ("mean", excess, mean),
        ("variance", deviation, square),
    ):
        yield Check(
            effect="random telegraph noise",
            model="one frozen state of every trap a reading",
            against=f"closed form: {told} of R / R_0 of a compound Poisson sum",
            case=f"{N:,} LRS cells of hfo2-nominal",
            error=float(abs(sample.mean() - expected) / (sample.std() / math.sqrt(N))),
            unit="standard errors",
            bar=SIGMAS,
        )


def mismatch_of_samples() -> Check:
    """Threshold shifts of an input transistor against Pelgrom's law by hand."""
    card, config = load_neuron_card(), NeuronConfig(v_full=8e-3, i_bias=20e-6)
    n = 20_000
    column = config.mismatched.index("gm_in_a")
    drawn = np.asarray(draw_mismatch(jax.random.key(2), n, config, card))[:, column]
    sigma = card.mismatch.a_vt / math.sqrt(20e-6 * 0.5e-6)  # W = 20 um, L = 0.5 um
    return Check(
        effect="mismatch, its draw",
        model="a normal threshold shift a transistor",
        against="hand-computed: A_VT / sqrt(W L)",
        case=f"{n:,} input transistors of 20 / 0.5 um",
        error=float(abs(drawn.std() / sigma - 1) * math.sqrt(2 * n)),
        unit="standard errors",
        bar=SIGMAS,
    )
