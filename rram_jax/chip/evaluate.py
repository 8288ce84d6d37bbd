"""Accuracy of a network over many sampled chips."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from rram_jax.chip.design import NetworkDesign, programmed_card
from rram_jax.chip.program import chip_layers, program_chip
from rram_jax.chip.sample import chip_key
from rram_jax.chip.statistics import AccuracySummary, summarise
from rram_jax.chip.surrogate import NOISE, network_model, run_network, winner
from rram_jax.device.card import DeviceCard, DeviceParams
from rram_jax.device.variability import key_of_cycle
from rram_jax.errors import InputError
from rram_jax.neuron.model import to_counts
from rram_jax.parallel import AXIS, Device, device_mesh, replicate, split_batch

IMAGES_PER_BLOCK = 1000
"""[-] Images that one matrix product takes: activations stay in the cache's reach."""


class ChipTally(NamedTuple):
    """What was counted on each chip, all (chips,)."""

    right: np.ndarray
    """[-] Images with the right answer."""

    ties: np.ndarray
    """[-] Images with two outputs that cross last."""

    verified: np.ndarray
    """[-] Cells that selective write-verify has chosen."""

    verify_pulses: np.ndarray
    """[-] Programmings that it has made of them."""


class ChipEvaluator:
    """Counts right answers and ties of one design on one set of images.

    Compiled once; spreads, read voltage and RTN pass may change from call to call. All
    cycles but the first share a second program. Every device takes an equal part of
    the chips; each chip is counted whole on one of them, so its numbers are the same on
    any number of devices.
    """

    def __init__(
        self,
        design: NetworkDesign,
        codes: np.ndarray,
        labels: np.ndarray,
        circuit: str = "map",
        wires: str = "map",
        devices: Sequence[Device] | None = None,
    ):
        """`codes` uint8 (images, inputs), `labels` (images,).

        `devices`: take the chips; None for all that this process has.
        """
        design.check(circuit, wires)
        if codes.shape[1] != design.network.config.sizes[0]:
            raise InputError(
                f"{design.network.config.name} takes {design.network.config.sizes[0]}"
                f" inputs an image; got {codes.shape[1]}."
            )
        if not len(codes) == len(labels) > 0:
            raise InputError(
                "An evaluation needs images and as many labels; got"
                f" {len(codes)} images and {len(labels)} labels."
            )
        self.design, self.circuit, self.n_images = design, circuit, len(codes)
        self.wires = wires
        pad = -len(codes) % min(IMAGES_PER_BLOCK, len(codes))
        block = (-1, min(IMAGES_PER_BLOCK, len(codes)))
        codes = np.pad(codes, ((0, pad), (0, 0)))
        # No output is called -2, so padding is never right.
        labels = np.pad(labels.astype(np.int32), (0, pad), constant_values=-2)
        self.devices = tuple(jax.local_devices() if devices is None else devices)
        self._mesh = device_mesh(self.devices)
        codes, labels = codes.reshape(*block, codes.shape[1]), labels.reshape(block)
        self._images = replicate((codes, labels), self._mesh)
        # A first cycle comes as None: known as such, it costs nothing more.
        self._run = jax.jit(self._chips)

    def __call__(
        self,
        seed: int,
        chips: Sequence[int],
        device: DeviceParams,
        v_read: float,
        rtn_pass: int = 0,
        design: NetworkDesign | None = None,
        cycle: int = 0,
    ) -> ChipTally:
        """Count each chip's right answers and ties, and what programming it took.

        Args:
            seed: With a chip's number it makes the chip.
            chips: Numbers of the chips.
            device: Medians and spreads of the cells.
            v_read: [V] Row swing.
            rtn_pass: Which pass over the images, in circuit "full".
            design: The same network's for another spread; None takes the first one,
                whose programming holds for all.
            cycle: Which programming of the chips.

        Raises:
            InputError: There is no chip.
        """
        if not chips:
            raise InputError("An evaluation needs 1 chip or more; got none.")
        # As many chips for every device: the last chip fills up.
        filled = [*chips, *[chips[-1]] * (-len(chips) % len(self.devices))]
        shared = (
            jnp.asarray(cycle, jnp.int32) if cycle else None,
            network_model(design or self.design, self.circuit),
            device,
            jnp.asarray(v_read, jnp.float32),
            jnp.asarray(rtn_pass, jnp.int32),
        )
        counts = self._run(
            split_batch(jnp.stack([chip_key(seed, n) for n in filled]), self._mesh),
            *replicate(shared, self._mesh),
            *self._images,
        )
        return ChipTally(*(np.asarray(count)[: len(chips)] for count in counts))

    def _chips(self, keys, *shared):
        def of_one_device(keys, *shared):
            return jax.lax.map(lambda key: self._one(key, *shared), keys)

        if len(self.devices) == 1:
            return of_one_device(keys, *shared)
        split, whole = PartitionSpec(AXIS), PartitionSpec()
        places = (split, *(whole for _ in shared))
        # No checks of what varies between devices: the sums start from a constant.
        return jax.shard_map(
            of_one_device,
            mesh=self._mesh,
            in_specs=places,
            out_specs=split,
            check_vma=False,
        )(keys, *shared)

    def _one(self, key, cycle, models, device, v_read, rtn_pass, codes, labels):
        design, circuit = self.design, self.circuit
        cycle = 0 if cycle is None else cycle
        samples = program_chip(
            key,
            design,
            device,
            circuit,
            models=models,
            rtn_pass=rtn_pass if circuit == "full" else None,
            cycle=cycle,
        )
        chip = chip_layers(samples, design, models, self.wires)
        verified = sum(sample.verified for sample in samples)
        pulses = sum(sample.verify_pulses for sample in samples)
        noise_key = key_of_cycle(jax.random.fold_in(key, NOISE), cycle)
        noise_key = jax.random.fold_in(noise_key, rtn_pass)

        def block(carry, item):
            index, x, y = item
            noise = jax.random.fold_in(noise_key, index) if circuit == "full" else None
            position = run_network(
                chip, x.astype(jnp.float32), design, v_read, circuit, noise
            )
            answer = winner(to_counts(position, design.layers[-1].neuron))
            ties = ((answer < 0) & (y > -2)).sum(dtype=jnp.int32)
            right = (answer == y).sum(dtype=jnp.int32)
            return (carry[0] + right, carry[1] + ties), None

        zero = (jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))
        items = (jnp.arange(len(codes)), codes, labels)
        right, ties = jax.lax.scan(block, zero, items)[0]
        return right, ties, verified, pulses


def evaluate(
    design: NetworkDesign,
    codes: np.ndarray,
    labels: np.ndarray,
    *,
    device: DeviceCard | None = None,
    circuit: str = "map",
    wires: str = "map",
    chips: int = 20,
    seed: int = 0,
    bar: float | None = None,
) -> AccuracySummary:
    """Accuracy over sampled chips in one call.

    Args:
        design: The network's circuit.
        codes: Input codes, uint8 (images, inputs).
        labels: (images,)
        device: Cells to sample, with the programming of the design; None for its own.
        circuit: One of `chip.config.CIRCUITS`.
        wires: One of `chip.config.WIRES`; exact ones take longer.
        chips: Number of sampled chips.
        seed: Makes them.
        bar: Accuracy that the yield is counted at, 0 to 1; None for no yield.

    Raises:
        InputError: No such circuit, or inputs that do not fit the network.
    """
    evaluator = ChipEvaluator(design, codes, labels, circuit, wires)
    device = programmed_card(device or design.device, design.programming)
    tally = evaluator(seed, range(chips), device.params(), design.circuit.v_read)
    return summarise(tally.right / len(labels), bar)
