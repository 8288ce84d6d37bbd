"""Sampling the cells of many chips in chunks, beside a loop over cells in Python.

    python -m experiments.benchmarks.sampling --json sampling.json

The cells of 1,000 chips of mlp-400-256-10 (two a weight, four columns an output) go
through `sample_resistance`, each chip from its own key, a few chips at once; of each
chunk only sums of ln R stay. Checked first: the loop follows the
same law, and the size of a chunk changes no cell. The loop draws cell by cell with
NumPy's generator; it is timed on some cells, in turns with the chunks, and its time is
scaled by cells.
On a busy machine the ratio of processor times is the steadier one. The share of random
bits (threefry, three numbers a cell) is what no other arithmetic could save.
"""

import dataclasses
import json
import math
import resource
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rram_jax.chip.config import NetworkConfig, parse_sizes
from rram_jax.chip.sample import chip_key
from rram_jax.circuit.pair import cells_of
from rram_jax.device.card import DeviceCard, load_card
from rram_jax.device.variability import MIN_RRAM, sample_resistance


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Speed and memory of sampling chips."""

    card: str = "radar-a"
    """Device card: this one has tails in both states."""

    network: str = "mlp-400-256-10"
    """Sizes of the network."""

    chips: int = 1000
    """[-] Chips."""

    chunk: int = 2
    """[-] Chips at once: few, so that they stay in the caches."""

    loop_cells: int = 100_000
    """[-] Cells that the loop draws."""

    seed: int = 0
    """[-] Makes weights and chips."""

    json: Path | None = None
    """File for the numbers."""


@jax.jit
def resistances(keys, states, device):
    """[Ohm] Every cell of the chips that the keys make, one array a layer."""

    def chip(key):
        # The key of a layer's cells is the first of four, as in `chip.sample`.
        layers = (jax.random.fold_in(key, k) for k in range(len(states)))
        cell_keys = (jax.random.split(layer, 4)[0] for layer in layers)
        return [
            sample_resistance(k, is_lrs, device)
            for k, is_lrs in zip(cell_keys, states, strict=True)
        ]

    return jax.vmap(chip)(keys)


@jax.jit
def row_sums(keys, states, device):
    """Sums of z = ln(R / median), its square and 1, [chips, LRS and HRS, 3, rows]."""

    def of(r, is_lrs, state):
        mask = is_lrs == state
        z = jnp.log(r / jnp.where(is_lrs, device.r_lrs, device.r_hrs))
        one = jnp.ones_like(r)
        return jnp.stack([jnp.where(mask, y, 0).sum(-1) for y in (z, z**2, one)])

    layers = zip(resistances(keys, states, device), states, strict=True)
    sums = [jnp.stack([of(r, b, True), of(r, b, False)]) for r, b in layers]
    return jnp.concatenate(sums, -1).transpose(2, 0, 1, 3)


@jax.jit
def random_bits(keys, states):
    """What the generator alone has to do: three numbers a cell."""
    shape = (3, sum(b.size for b in states))
    return jax.vmap(lambda k: jax.random.bits(k, shape, jnp.uint32))(keys).max()


def loop(rng: np.random.Generator, is_lrs: np.ndarray, card: DeviceCard):
    """[Ohm] Cell by cell, the law of `sample_resistance`."""
    smallest, drawn = card.r_access + MIN_RRAM, []
    for lrs in is_lrs.tolist():
        u = rng.random()
        lrs = u < card.stuck_lrs or (lrs and u < 1 - card.stuck_hrs)
        if lrs:
            median, sigma, share = card.r_lrs, card.sigma_lrs, card.tail_share
            ratio, sigma_tail = card.tail_ratio, card.sigma_tail
        else:
            median, sigma, share = card.r_hrs, card.sigma_hrs, card.tail_share_hrs
            ratio, sigma_tail = card.tail_ratio_hrs, card.sigma_tail_hrs
        if rng.random() < share:
            median, sigma = median * ratio, sigma_tail
        drawn.append(max(median * math.exp(sigma * rng.standard_normal()), smallest))
    return np.array(drawn)


def expected(card: DeviceCard, lrs: bool) -> tuple[float, float, float]:
    """Mean, variance and fourth central moment of z by the card, the clip left out."""
    stuck = card.stuck_hrs if lrs else card.stuck_lrs
    shift = math.log(card.r_hrs / card.r_lrs) * (1 if lrs else -1)
    p, q = card.tail_share, card.tail_share_hrs
    states = {
        True: [
            (1 - p, 0.0, card.sigma_lrs),
            (p, math.log(card.tail_ratio), card.sigma_tail),
        ],
        False: [
            (1 - q, 0.0, card.sigma_hrs),
            (q, math.log(card.tail_ratio_hrs), card.sigma_tail_hrs),
        ],
    }
    parts = [(w * (1 - stuck), m, s) for w, m, s in states[lrs]]
    parts += [(w * stuck, m + shift, s) for w, m, s in states[not lrs]]
    w, m, s = np.array(parts).T
    mean = w @ m
    d = m - mean
    return mean, w @ (d**2 + s**2), w @ (d**4 + 6 * d**2 * s**2 + 3 * s**4)


def off_by(sums: np.ndarray, card: DeviceCard) -> list[float]:
    """[-] Mean and variance of z, LRS and HRS, off the card's, in standard errors."""
    errors = []
    for lrs, (first, second, n) in zip((True, False), sums, strict=True):
        mean, variance, fourth = expected(card, lrs)
        errors.append((first / n - mean) / math.sqrt(variance / n))
        about = second / n - 2 * mean * first / n + mean**2
        errors.append((about - variance) / math.sqrt((fourth - variance**2) / n))
    return [float(e) for e in errors]


def sums_of(r: np.ndarray, is_lrs: np.ndarray, card: DeviceCard) -> np.ndarray:
    """What `row_sums` gives, in NumPy."""
    z = np.log(r / np.where(is_lrs, card.r_lrs, card.r_hrs))
    return np.array(
        [[z[m].sum(), (z[m] ** 2).sum(), m.sum()] for m in (is_lrs, ~is_lrs)]
    )


def timed(fn):
    """The answer, wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = jax.block_until_ready(fn())
    return answer, time.perf_counter() - wall, time.process_time() - cpu


def check(condition: bool, message: str):
    """Stop where a number is not what it must be."""
    if not condition:
        raise SystemExit(f"The check failed: {message}.")


def main():
    """Check, time, print, and write where asked."""
    settings = tyro.cli(Benchmark)
    # No preset has stuck cells; these are so many that the law shows them.
    card = dataclasses.replace(
        load_card(settings.card), stuck_lrs=0.002, stuck_hrs=0.003
    )
    device = card.params()
    config = NetworkConfig(sizes=parse_sizes(settings.network))
    rng = np.random.default_rng(settings.seed)
    states = [cells_of(rng.choice([-1, 1], s)) for s in config.weight_shapes]
    flat = np.concatenate([np.asarray(b).ravel() for b in states])

    def keys(start, stop):
        return jax.vmap(partial(chip_key, settings.seed))(jnp.arange(start, stop))

    few = [
        [resistances(keys(k, k + n), states, device) for k in range(0, 6, n)]
        for n in (2, 3)
    ]
    few = [[np.concatenate(layer) for layer in zip(*c, strict=True)] for c in few]
    same = all(np.array_equal(a, b) for a, b in zip(*few, strict=True))
    check(same, "chunks of 2 and of 3 chips differ")

    some = np.resize(flat, settings.loop_cells)
    loop_errors = off_by(sums_of(loop(rng, some, card), some, card), card)
    check(max(map(abs, loop_errors)) < 5, f"the loop is off by {loop_errors} errors")

    def chunk(start):
        sums = row_sums(keys(start, start + settings.chunk), states, device)
        return np.asarray(sums, np.float64).sum((0, 3))

    starts = range(0, settings.chips - settings.chips % settings.chunk, settings.chunk)
    chunk(0)
    sums, ours, theirs = 0.0, np.zeros(2), np.zeros(2)
    parts = np.array_split(some, len(starts))
    # In turns, so that whatever else the machine does falls on both.
    for k, part in zip(starts, parts, strict=True):
        partial_sums, *seconds = timed(partial(chunk, k))
        sums, ours = sums + partial_sums, ours + seconds
        _, *seconds = timed(partial(loop, rng, part, card))
        theirs += seconds
    chips_wall, chips_cpu = ours.tolist()
    errors = off_by(sums, card)
    check(max(map(abs, errors)) < 5, f"the chips are off by {errors} errors")
    some_keys = keys(0, settings.chunk)
    random_bits(some_keys, states).block_until_ready()
    bits_cpu = min(timed(lambda: random_bits(some_keys, states))[2] for _ in range(20))

    cells = len(starts) * settings.chunk * flat.size
    scaled = (theirs / some.size * cells).tolist()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    numbers = {
        "chips": len(starts) * settings.chunk,
        "cells_a_chip": flat.size,
        "wall_s": chips_wall,
        "cpu_s": chips_cpu,
        "cells_per_second": cells / chips_wall,
        "share_of_random_bits": bits_cpu * len(starts) / chips_cpu,  # fastest of 20
        "peak_bytes": peak,
        "loop_cells": some.size,
        "loop_wall_s_scaled": scaled[0],
        "loop_cpu_s_scaled": scaled[1],
        "ratio_wall": scaled[0] / chips_wall,
        "ratio_cpu": scaled[1] / chips_cpu,
        "errors_of_chips": errors,
        "errors_of_loop": loop_errors,
    }
    table = Table("", "chips in chunks", "loop, scaled")
    for name, *row in (
        ("wall time [s]", chips_wall, scaled[0]),
        ("processor time [s]", chips_cpu, scaled[1]),
        ("cells per second", cells / chips_wall, cells / scaled[0]),
    ):
        table.add_row(escape(name), *(f"{number:.4g}" for number in row))
    console = Console()
    console.print(table)
    console.print(
        f"{numbers['chips']} chips of {flat.size} cells; the loop drew {some.size}"
        f" cells.\n{numbers['ratio_wall']:.0f} times faster by wall time,"
        f" {numbers['ratio_cpu']:.0f} times by processor time; random bits take"
        f" {100 * numbers['share_of_random_bits']:.0f} % of it.\nPeak resident memory"
        f" {peak / 1e9:.2f} GB.\nMean and variance of ln R off the card's, in standard"
        f" errors: chips {', '.join(f'{e:.1f}' for e in errors)}; loop"
        f" {', '.join(f'{e:.1f}' for e in loop_errors)}."
    )
    if settings.json:
        settings.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
