"""Chips as they leave programming and test, for the surrogate and for decks alike."""

import dataclasses
from collections.abc import Sequence

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.sample import LayerSample, chip_key, rtn_factor, sample_layer
from rram_jax.chip.selective import verify_chip
from rram_jax.chip.surrogate import (
    ChipLayer,
    LayerModel,
    exact_layer,
    mapped_layer,
    network_model,
)
from rram_jax.chip.trim import trim_chip
from rram_jax.device.card import DeviceParams
from rram_jax.device.variability import Cycle, key_of_cycle
from rram_jax.types import Array, Integer, Key


def program_chip(
    key: Key,
    design: NetworkDesign,
    device: DeviceParams,
    circuit: str,
    *,
    models: Sequence[LayerModel] | None = None,
    rtn_pass: int | Integer[Array, ""] | None = 0,
    mismatch: bool = True,
    cycle: Cycle = 0,
) -> tuple[LayerSample, ...]:
    """Draw every layer of the chip that `key` makes, as it leaves its test.

    Chosen cells are programmed again where the design's programming says so, then trim
    pairs are programmed where the network has them.

    Args:
        key: From `chip.sample.chip_key`.
        design: The network's circuit.
        device: Medians and spreads.
        circuit: What the chip is tested as, where it is trimmed.
        models: The design's layers in this circuit, where they are at hand.
        rtn_pass: Which pass over the test set: each has one frozen RTN state. None
            leaves RTN out.
        mismatch: False for neurons without threshold shifts.
        cycle: Which programming of the same manufactured chip (`chip.sample`).
    """
    card = design.card
    samples = [
        sample_layer(key, layer, k, device, card, mismatch=mismatch, cycle=cycle)
        for k, layer in enumerate(design.layers)
    ]
    if design.programming.verify_share > 0:
        models = models or network_model(design, circuit)
        verify_key = key_of_cycle(key, cycle)
        samples = verify_chip(verify_key, samples, design, models, device)
    if design.network.config.trim:
        models = models or network_model(design, circuit)
        samples = trim_chip(key, samples, design, models, device, circuit, cycle)
    if rtn_pass is None:
        return tuple(samples)
    return tuple(
        dataclasses.replace(
            sample,
            resistance=sample.resistance
            * rtn_factor(key, k, sample, device, rtn_pass, cycle),
        )
        for k, sample in enumerate(samples)
    )


def sample_chip(
    seed: int,
    chip: int,
    design: NetworkDesign,
    *,
    rtn_pass: int | None = 0,
    mismatch: bool = True,
    cycle: int = 0,
) -> tuple[LayerSample, ...]:
    """Chip number `chip` of a seed, layer by layer: the one of circuit "full".

    With `cycle` 1, 2, ... the same chip, programmed again so many times.
    """
    return program_chip(
        chip_key(seed, chip),
        design,
        design.device.params(),
        "full",
        rtn_pass=rtn_pass,
        mismatch=mismatch,
        cycle=cycle,
    )


def surrogate_chip(
    key: Key,
    design: NetworkDesign,
    device: DeviceParams,
    circuit: str,
    rtn_pass: int | Integer[Array, ""] = 0,
    models: Sequence[LayerModel] | None = None,
    *,
    wires: str = "map",
    cycle: Cycle = 0,
) -> tuple[ChipLayer, ...]:
    """A chip with its transfer; differentiable in `device`.

    RTN and mismatch are there in the full circuit only. `models` are those of another
    design of the same network, such as for another spread; None takes the design's.
    `wires` is one of `chip.config.WIRES`; the cells are the same with both, as trim
    pairs are chosen with the map. `cycle`: which programming of the chip.
    """
    models = models or network_model(design, circuit)
    samples = program_chip(
        key,
        design,
        device,
        circuit,
        models=models,
        rtn_pass=rtn_pass if circuit == "full" else None,
        cycle=cycle,
    )
    return chip_layers(samples, design, models, wires)


def chip_layers(
    samples: Sequence[LayerSample],
    design: NetworkDesign,
    models: Sequence[LayerModel],
    wires: str = "map",
) -> tuple[ChipLayer, ...]:
    """A drawn chip's layers with their transfer; `wires` of `chip.config.WIRES`."""
    return tuple(
        exact_layer(sample, model, layer)
        if wires == "exact"
        else mapped_layer(sample, model)
        for sample, model, layer in zip(samples, models, design.layers, strict=True)
    )
