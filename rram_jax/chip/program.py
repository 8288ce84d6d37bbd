"""Chips as they leave programming and test, for the surrogate and for decks alike."""

import dataclasses
from collections.abc import Sequence

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.sample import LayerSample, chip_key, rtn_factor, sample_layer
from rram_jax.chip.selective import verify_chip
from rram_jax.chip.surrogate import (
    ChipLayer,
    LayerModel,
    mapped_layer,
    network_model,
)
from rram_jax.chip.trim import trim_chip
from rram_jax.device.card import DeviceParams
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
    """
    samples = [
        sample_layer(key, layer, k, device, design.card, mismatch=mismatch)
        for k, layer in enumerate(design.layers)
    ]
    if design.programming.verify_share > 0:
        models = models or network_model(design, circuit)
        samples = verify_chip(key, samples, design, models, device)
    if design.network.config.trim:
        models = models or network_model(design, circuit)
        samples = trim_chip(key, samples, design, models, device, circuit)
    if rtn_pass is None:
        return tuple(samples)
    return tuple(
        dataclasses.replace(
            sample,
            resistance=sample.resistance * rtn_factor(key, k, sample, device, rtn_pass),
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
) -> tuple[LayerSample, ...]:
    """Chip number `chip` of a seed, layer by layer: the one of circuit "full"."""
    return program_chip(
        chip_key(seed, chip),
        design,
        design.device.params(),
        "full",
        rtn_pass=rtn_pass,
        mismatch=mismatch,
    )


def surrogate_chip(
    key: Key,
    design: NetworkDesign,
    device: DeviceParams,
    circuit: str,
    rtn_pass: int | Integer[Array, ""] = 0,
    models: Sequence[LayerModel] | None = None,
) -> tuple[ChipLayer, ...]:
    """A chip with its mapped transfer; differentiable in `device`.

    RTN and mismatch are there in the full circuit only. `models` are those of another
    design of the same network, such as for another spread; None takes the design's.
    """
    models = models or network_model(design, circuit)
    state = rtn_pass if circuit == "full" else None
    samples = program_chip(key, design, device, circuit, models=models, rtn_pass=state)
    return tuple(
        mapped_layer(sample, model)
        for sample, model, layer in zip(samples, models, design.layers, strict=True)
    )
