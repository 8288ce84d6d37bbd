"""Selective write-verify: the cells that matter are programmed again, the others not.

All cells of a chip are read once after programming. From these readings cells are
chosen, and each is programmed until its ln R lies within a band about the median of its
state, or `verify_writes` times. By `ProgrammingConfig.verify_by` these are

- "random": any cells; only they need to be read.
- "deviation": the cells whose conductance is furthest from that of their state's
  median, over all layers together. In siemens, not in ln R: a bit line sums
  conductances, and an HRS cell conducts so little that even its wide spread moves the
  sum by less than the spread of an LRS cell does.
- "gradient": the cells whose deviation costs most. The readings make a model of the
  chip, wires as a map and neurons without mismatch; its loss is the cross-entropy of
  its outputs with those that the nominal array gives on the same images, both softened
  (`SOFTNESS`), so no label is needed. A cell's score is the first-order gain of putting
  it right, dL / d ln G times its deviation of ln G. Cells with a score of 0 or less are
  left alone: by luck they make up for others. What one cell is worth depends on the
  others of its column, so cells are chosen in many rounds, each with the gradient of
  the chip as it is by then; a round is computing, not reading.

Tried in its place, on validation images of a conventional 144-64-10: the squared
difference of the logits won back about as much; outputs that are not softened, 16 or 32
rounds, Fisher's information times the squared deviation less; labels in place of the
nominal outputs and a Newton step a cell far less.

A chosen cell that lies in the band already is left as it is. Stuck cells take all
programmings and stay what they are.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rram_jax.chip.config import ProgrammingConfig
from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.sample import LayerSample
from rram_jax.chip.surrogate import LayerModel, logits, mapped_layer, run_network
from rram_jax.device.card import DeviceParams
from rram_jax.device.variability import mean_conductance, reprogram
from rram_jax.types import Array, Bool, Float, Int, Key, register_record

VERIFY = 0x76657269
"""Folded into a chip's key for what selective write-verify draws."""

SOFTNESS = 2.0
"""[-] Temperature of the outputs that are compared: images with a sure answer count."""


@register_record
@dataclass(frozen=True)
class _Progress:
    """Cells of all layers in one row, and what became of them so far."""

    resistance: Float[Array, " cells"]
    verified: Bool[Array, " cells"]
    pulses: Int[Array, " cells"]


@partial(jax.jit, static_argnames="design")
def verify_chip(
    key: Key,
    samples: Sequence[LayerSample],
    design: NetworkDesign,
    models: Sequence[LayerModel],
    device: DeviceParams,
) -> list[LayerSample]:
    """Choose cells of a chip and program them again.

    The choice is the same in every circuit: it knows no mismatch, noise or RTN.

    Args:
        key: The chip's (`chip.sample.chip_key`).
        samples: The chip as it was programmed, one sample a layer.
        design: Its `programming` says how many cells, which, and how.
        models: Its layers' wires and neurons.
        device: Medians and spreads of the cells.
    """
    config = design.programming
    sizes = round_sizes(config, design.network.n_cells)
    if not any(sizes):
        return list(samples)
    banded = dataclasses.replace(
        device,
        band=jnp.full(2, config.verify_band, jnp.float32),
        max_writes=jnp.asarray(config.verify_writes, jnp.float32),
    )
    is_lrs, stuck = (
        _row([getattr(s, x) for s in samples]) for x in ("is_lrs", "stuck")
    )

    def one_round(progress, step):
        count, key = step
        choose_key, write_key = jax.random.split(key)
        chip = _with_resistance(samples, progress.resistance)
        score = _row(cell_scores(choose_key, chip, design, models, device))
        score = jnp.where(progress.verified, -jnp.inf, jax.lax.stop_gradient(score))
        index, taken = highest(score, count, max(sizes))
        before = progress.resistance[index]
        after, writes = reprogram(
            write_key, before, is_lrs[index], banded, stuck[index]
        )
        writes = jnp.where(taken, writes, 0).astype(jnp.int32)
        progress = _Progress(
            resistance=progress.resistance.at[index].set(
                jnp.where(taken, after, before)
            ),
            verified=progress.verified.at[index].max(taken),
            pulses=progress.pulses.at[index].add(writes),
        )
        return progress, None

    start = _Progress(
        resistance=_row([sample.resistance for sample in samples]),
        verified=jnp.zeros(is_lrs.shape, bool),
        pulses=jnp.zeros(is_lrs.shape, jnp.int32),
    )
    key = jax.random.fold_in(key, VERIFY)
    steps = jnp.asarray(sizes), jax.random.split(key, len(sizes))
    end, _ = jax.lax.scan(one_round, start, steps)
    counts = (_layers(part, samples) for part in (end.verified, end.pulses))
    return [
        dataclasses.replace(
            sample,
            verified=verified.sum(dtype=jnp.int32),
            verify_pulses=pulses.sum(dtype=jnp.int32),
        )
        for sample, verified, pulses in zip(
            _with_resistance(samples, end.resistance), *counts, strict=True
        )
    ]


def round_sizes(config: ProgrammingConfig, n_cells: int) -> list[int]:
    """[-] Cells that are chosen in each round."""
    total = round(config.verify_share * n_cells)
    rounds = config.verify_rounds if config.verify_by == "gradient" else 1
    ends = [total * k // rounds for k in range(rounds + 1)]
    return [end - start for start, end in zip(ends, ends[1:], strict=False)]


def highest(
    score: Float[Array, " cells"], count: Int[Array, ""] | int, most: int
) -> tuple[Int[Array, " most"], Bool[Array, " most"]]:
    """Numbers of the cells with the highest scores, and which of these are taken.

    `count` are, 0 to `most`, but none with a score of -inf.
    """
    best, index = jax.lax.top_k(score, most)
    return index, (jnp.arange(most) < count) & (best > -jnp.inf)


def cell_scores(
    key: Key,
    samples: Sequence[LayerSample],
    design: NetworkDesign,
    models: Sequence[LayerModel],
    device: DeviceParams,
) -> list[Float[Array, "rows cols"]]:
    """What each cell is chosen by, layer by layer; -inf for cells that must not be.

    `key` serves "random" alone.
    """
    by = design.programming.verify_by
    if by == "random":
        shapes = [sample.is_lrs.shape for sample in samples]
        keys = jax.random.split(key, len(samples))
        pairs = zip(keys, shapes, strict=True)
        return [jax.random.uniform(k, shape, jnp.float32) for k, shape in pairs]
    medians = [jnp.where(s.is_lrs, device.r_lrs, device.r_hrs) for s in samples]
    pairs = list(zip(samples, medians, strict=True))
    if by == "deviation":
        return [jnp.abs(1 / sample.resistance - 1 / r) for sample, r in pairs]
    slopes = _loss_slopes(samples, design, models, device)
    gains = [
        slope * jnp.log(r / sample.resistance)
        for slope, (sample, r) in zip(slopes, pairs, strict=True)
    ]
    return [jnp.where(gain > 0, gain, -jnp.inf) for gain in gains]


def _loss_slopes(samples, design, models, device):
    """[nat] Slope of the loss over every cell's ln G."""
    models = [_without_neuron(model) for model in models]
    codes = jnp.asarray(design.calibration, jnp.float32)

    def outputs(resistances):
        chip = tuple(
            mapped_layer(dataclasses.replace(sample, resistance=r), model)
            for sample, r, model in zip(samples, resistances, models, strict=True)
        )
        position = run_network(chip, codes, design, design.circuit.v_read, "map")
        return logits(position, design)

    nominal = [1 / mean_conductance(sample.is_lrs, device) for sample in samples]
    wanted = jax.nn.softmax(outputs(nominal) / SOFTNESS)

    def loss(ln_g):
        given = jax.nn.log_softmax(outputs([jnp.exp(-x) for x in ln_g]) / SOFTNESS)
        return -(wanted * given).sum(-1).mean()

    return jax.grad(loss)([-jnp.log(sample.resistance) for sample in samples])


def _without_neuron(model: LayerModel) -> LayerModel:
    """The layer with ideal neurons of the same full scale, whatever the circuit."""
    zero = jnp.zeros_like(model.neuron.gain)
    return dataclasses.replace(
        model,
        neuron=dataclasses.replace(model.neuron, gain=zero + 1, offset=zero),
        offset_slope=jnp.zeros_like(model.offset_slope),
        gain_slope=jnp.zeros_like(model.gain_slope),
    )


def _row(layers):
    """The cells of all layers in one row."""
    return jnp.concatenate([layer.ravel() for layer in layers])


def _layers(row, samples):
    """A row of cells as layers again: the inverse of `_row`."""
    parts, start = [], 0
    for sample in samples:
        size = sample.is_lrs.size
        parts.append(row[start : start + size].reshape(sample.is_lrs.shape))
        start += size
    return parts


def _with_resistance(samples, row):
    """The samples with the resistances [Ohm] of a row of cells."""
    pairs = zip(samples, _layers(row, samples), strict=True)
    return [dataclasses.replace(sample, resistance=r) for sample, r in pairs]
