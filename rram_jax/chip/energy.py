"""Energy and time of images on a chip, layer by layer: neurons, drivers and arrays.

Reference levels come from ideal sources or from linear regulators:
`LayerEnergy.total(regulated=...)` counts the one or the other, never both.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.surrogate import with_constants
from rram_jax.circuit.config import tile_grid
from rram_jax.circuit.energy import ArrayEnergy, array_energy
from rram_jax.neuron.config import SLOTS
from rram_jax.neuron.energy import (
    EnergyLaws,
    NeuronEnergy,
    bias_energy,
    conversion_time,
    neuron_energy,
    waiting_power,
)
from rram_jax.neuron.law import OperatingPoint, operating_point
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class LayerEnergy:
    """One layer in one image, [J] but for the array's currents."""

    neurons: NeuronEnergy
    """Of all the layer's neurons, by block."""

    waiting: Float[Array, "*batch"]
    """Of all neurons from the end of their ramp to their next auto-zero, where the
    network takes longer than this layer."""

    bias: Float[Array, "*batch"]
    """Bias block, over the network's period."""

    buffers: Float[Array, "*batch"]
    """Buffers of input and bias rows, with the row drivers' gates behind them."""

    array: ArrayEnergy
    """With the edges of its row drivers."""

    def total(self, *, regulated: bool) -> Float[Array, "*batch"]:
        """[J] Everything; the array as drawn from V_DD or at its reference levels."""
        array = self.array.regulated if regulated else self.array.reference
        own = self.neurons.total + self.waiting + self.bias + self.buffers
        return own + array


def image_time(
    layers: Sequence[LayerDesign], points: Sequence[OperatingPoint]
) -> Float[Array, "..."]:
    """[s] From one image to the next, which do not overlap, in the mean.

    The longest layer's conversion, or the way through all layers if that is longer.
    """
    own = [conversion_time(p, x.neuron) for p, x in zip(points, layers, strict=True)]
    way = [(SLOTS + 1) * point.t_slot for point in points]
    through = sum(way, way[-1]) + layers[-1].neuron.t_delay
    return jnp.stack([*own, through]).max(0)


def layer_energy(
    laws: EnergyLaws,
    layer: LayerDesign,
    point: OperatingPoint,
    admittance: Float[Array, "rows rows"],
    codes_in: Float[Array, "*batch pairs"],
    codes_out: Float[Array, "*batch outputs"],
    v_read: Float[Array, ""] | float,
    *,
    period: Float[Array, ""],
    n_buffers: int,
    drivers_next: int = 1,
) -> LayerEnergy:
    """Energy of one layer in one image; batched over images.

    Args:
        laws: Of the neuron card.
        layer: Tile, neurons and their drivers.
        point: Where the neurons work; differentiable in all of it.
        admittance: [S] `circuit.energy.row_admittance` of the chip's cells, or the
            exact one.
        codes_in: 0 to 15 of all pairs of rows, bias pairs last.
        codes_out: Codes of its own neurons.
        v_read: [V] Row swing.
        period: [s] `image_time`.
        n_buffers: Pairs behind input buffers, the last of `codes_in`: all of them in
            the first layer, the bias pairs in others.
        drivers_next: Column tiles of the next layer (`column_tiles`).
    """
    driver, r = laws.driver, layer.neuron.r_driver
    tiles = column_tiles(layer)
    pulses = jnp.asarray(codes_in > 0, admittance.dtype)
    buffered = pulses[..., pulses.shape[-1] - n_buffers :].sum(-1)
    array = array_energy(
        codes_in, admittance, v_read, point.t_slot, v_dd=layer.neuron.technology.v_dd
    )
    edges = tiles * pulses.sum(-1)
    array = dataclasses.replace(
        array,
        reference=array.reference + edges * driver.edge_reference.at(r),
        regulated=array.regulated + edges * driver.edge_regulated.at(r),
    )
    one = neuron_energy(laws, point, layer.neuron, codes_out, drivers_next)
    wait = period - conversion_time(point, layer.neuron)
    none = jnp.zeros(codes_out.shape[:-1])
    n = codes_out.shape[-1]
    bias = bias_energy(laws, point, layer.neuron)
    return LayerEnergy(
        neurons=jax.tree.map(
            lambda x: jnp.broadcast_to(x, codes_out.shape).sum(-1), one
        ),
        waiting=none + n * waiting_power(laws, point, layer.neuron) * wait,
        bias=none + bias * period / conversion_time(point, layer.neuron),
        buffers=buffered * driver.buffer.at(r, tiles),
        array=array,
    )


def column_tiles(layer: LayerDesign) -> int:
    """[-] Tiles side by side: pairs of row drivers an input has."""
    rows, cols = layer.is_lrs.shape
    grid = tile_grid((rows, cols), layer.layer.columns_per_output, layer.tile)
    return len(grid.col_runs)


def network_energy(
    design: NetworkDesign,
    laws: EnergyLaws,
    admittances: Sequence[Array],
    codes: Sequence[Array],
    *,
    points: Sequence[OperatingPoint] | None = None,
    v_read: Float[Array, ""] | float | None = None,
) -> tuple[LayerEnergy, ...]:
    """Energy of images on a chip, layer by layer.

    Images follow each other without a pause and do not overlap (`image_time`). Output
    neurons count as firing.

    Args:
        design: The network's circuit.
        laws: Of the neuron card.
        admittances: [S] (rows, rows) of the chip's layers (`layer_energy`).
        codes: (*batch, inputs), 0 to 15 of every layer's inputs, without bias pairs:
            the images, then what the hidden layers answered.
        points: Where each layer's neurons work, to differentiate by; the design's
            where None.
        v_read: [V] Row swing; the design's where None.
    """
    layers, config = design.layers, design.network.config
    points = points or [operating_point(layer.neuron) for layer in layers]
    v_read = design.circuit.v_read if v_read is None else v_read
    period = image_time(layers, points)
    outputs = jnp.ones((*codes[-1].shape[:-1], layers[-1].layer.n_outputs))
    energies = []
    for k, layer in enumerate(layers):
        last = k == len(layers) - 1
        pairs = with_constants(codes[k], config.constant_codes)
        energies.append(
            layer_energy(
                laws,
                layer,
                points[k],
                admittances[k],
                pairs,
                outputs if last else codes[k + 1],
                v_read,
                period=period,
                n_buffers=len(config.constant_codes) if k else pairs.shape[-1],
                drivers_next=1 if last else column_tiles(layers[k + 1]),
            )
        )
    return tuple(energies)
