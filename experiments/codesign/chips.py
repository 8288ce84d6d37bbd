"""Loss and accuracy over sampled chips, in circuit `full` without wires."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.chip.design import NetworkDesign
from rram_jax.chip.program import surrogate_chip
from rram_jax.chip.sample import chip_key
from rram_jax.chip.surrogate import NOISE, network_model, run_network, winner
from rram_jax.circuit.encode import SLOTS
from rram_jax.neuron.mismatch import mismatch_sigma
from rram_jax.neuron.model import to_counts


class ChipLoss:
    """Cross-entropy [nat] and accuracy [-] of sampled chips; ties count as wrong.

    Compiled once: a design of the same shape, with other weights, cells, read and
    neurons, is an argument. The same chip draws the same numbers whatever the design
    is, so that designs can be compared chip by chip.
    """

    def __init__(
        self, design: NetworkDesign, codes: np.ndarray, labels: np.ndarray, seed: int
    ):
        self.design, self.seed = design, seed
        images = jnp.asarray(codes, jnp.float32), jnp.asarray(labels, jnp.int32)
        self._run = jax.jit(partial(self._chips, images))

    def __call__(
        self, design: NetworkDesign, chips: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Loss and accuracy of each of so many chips, both (chips,)."""
        models = []
        for model, layer, first in zip(
            network_model(design, "full"),
            design.layers,
            self.design.layers,
            strict=True,
        ):
            # Shifts are drawn for the first design's transistors.
            wider = mismatch_sigma(layer.neuron, design.card) / mismatch_sigma(
                first.neuron, self.design.card
            )
            slopes = {
                name: getattr(model, name) * wider
                for name in ("offset_slope", "gain_slope")
            }
            models.append(dataclasses.replace(model, **slopes))
        output = design.network.layers[-1]
        scales = (output.z_full, output.z_shift, design.network.logit_scale)
        loss, accuracy = self._run(
            jnp.stack([chip_key(self.seed, chip) for chip in range(chips)]),
            [layer.is_lrs for layer in design.layers],
            models,
            design.device.params(),
            jnp.float32(design.circuit.v_read),
            [jnp.float32(x) for x in scales],
        )
        return np.asarray(loss), np.asarray(accuracy)

    def _chips(self, images, keys, is_lrs, models, device, v_read, scales):
        layers = tuple(
            dataclasses.replace(layer, is_lrs=cells)
            for layer, cells in zip(self.design.layers, is_lrs, strict=True)
        )
        design = dataclasses.replace(self.design, layers=layers)
        z_full, z_shift, logit_scale = scales

        def of_chip(key):
            chip = surrogate_chip(key, design, device, "full", models=models)
            noise = jax.random.fold_in(key, NOISE)
            position = run_network(chip, images[0], design, v_read, "full", noise)
            logits = logit_scale * (position * z_full / SLOTS - z_shift)
            share = jax.nn.log_softmax(logits)
            loss = -jnp.take_along_axis(share, images[1][:, None], 1).mean()
            answer = winner(to_counts(position, layers[-1].neuron))
            return loss, (answer == images[1]).mean(dtype=jnp.float32)

        return jax.lax.map(of_chip, keys)
