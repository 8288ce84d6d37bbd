"""What the knobs make of device, neurons and energy: all of it differentiable."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from experiments.codesign.knobs import Box, Knobs, box_of, swing_of
from rram_jax.chip.config import CircuitConfig
from rram_jax.chip.design import NetworkDesign, design_network
from rram_jax.chip.energy import LayerEnergy, network_energy
from rram_jax.chip.network import HardwareNetwork
from rram_jax.chip.surrogate import excess_of_pairs
from rram_jax.circuit.energy import row_admittance
from rram_jax.circuit.pair import cells_of
from rram_jax.device.card import DeviceCard, DeviceParams
from rram_jax.device.filament import FilamentCard
from rram_jax.device.reset import (
    ResetOutcome,
    filament_of,
    moved_params,
    outcome_of,
)
from rram_jax.device.variability import mean_conductance
from rram_jax.neuron.card import NeuronCard, load_neuron_card, with_card
from rram_jax.neuron.config import I_UNIT, SLOTS, NeuronConfig
from rram_jax.neuron.law import OperatingPoint, evaluate
from rram_jax.neuron.mismatch import gate_areas
from rram_jax.neuron.sizing import W_MIN
from rram_jax.neuron.transistors import GM_CELL
from rram_jax.qnn.spread import Spread, spread_of, with_rtn
from rram_jax.qnn.surroundings import Neurons, Surroundings, ideal_surroundings
from rram_jax.types import Array, Float


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A network's circuit without wires, at any value of the knobs."""

    network: HardwareNetwork
    """Its shape, and the weights that training starts from."""

    device: DeviceCard
    """Cells, at a RESET pulse of their own; spread of LRS is held."""

    v_read: tuple[float, float]
    """[V] Ends of the read voltage's box."""

    neuron_card: str = "gmc-130nm"
    """Preset or path."""

    @cached_property
    def card(self) -> NeuronCard:
        """Laws of the neurons."""
        return load_neuron_card(self.neuron_card)

    @cached_property
    def filament(self) -> FilamentCard:
        """What the cells follow when RESET changes."""
        return filament_of(self.device)

    @cached_property
    def box(self) -> Box:
        """Of the knobs."""
        return box_of(self.filament, self.card, self.v_read)

    @cached_property
    def nominal(self) -> NetworkDesign:
        """The design that says what no knob moves: kinds, clocks, tiles, technology.

        Its lines have no resistance: row drivers are measured at one swing only.
        """
        circuit = CircuitConfig(neuron_card=self.neuron_card)
        return design_network(self.network, self.device, circuit, wires=False)

    @cached_property
    def own(self) -> ResetOutcome:
        """What the compact model says of the card's own RESET pulse."""
        return outcome_at(self, jnp.float32(self.device.v_reset))

    @cached_property
    def rtn(self) -> tuple[float, float]:
        """[-] Relative variances of the conductance by RTN, LRS and HRS, own pulse."""
        params = self.device.params()
        spread = with_rtn(spread_of(params), params)
        return float(spread.rtn_lrs), float(spread.rtn_hrs)

    def start(self) -> Knobs:
        """The values of cards and circuit as they come."""
        layers = self.nominal.layers
        return Knobs(
            v_reset=jnp.float32(self.device.v_reset),
            v_read=jnp.float32(self.nominal.circuit.v_read),
            t_slot=jnp.float32(layers[0].neuron.t_slot),
            i_bias=jnp.float32(layers[0].neuron.i_bias),
            v_full=jnp.asarray([layer.neuron.v_full for layer in layers], jnp.float32),
        )


def outcome_at(bench: Bench, v_reset: Float[Array, ""]) -> ResetOutcome:
    """What the compact model says of a RESET pulse of the card's own width."""
    width = jnp.asarray(bench.device.t_reset, v_reset.dtype)
    return outcome_of(bench.filament, v_reset, width)


def device_at(bench: Bench, knobs: Knobs) -> tuple[DeviceParams, Float[Array, ""]]:
    """The card's numbers after another RESET, and what it takes a cell [J]."""
    moved = outcome_at(bench, knobs.v_reset)
    return moved_params(bench.device.params(), bench.own, moved), moved.energy


def card_at(bench: Bench, knobs: Knobs) -> DeviceCard:
    """The card itself after that RESET: `device.reset.at_reset`."""
    device, _ = device_at(bench, knobs)
    return dataclasses.replace(
        bench.device,
        r_hrs=float(device.r_hrs),
        sigma_hrs=float(device.sigma_hrs),
        sigma_tail_hrs=float(device.sigma_tail_hrs),
        rtn_traps_hrs=float(device.rtn_traps[1]),
        v_reset=float(knobs.v_reset),
    )


def spread_at(bench: Bench, device: DeviceParams) -> Spread:
    """Spread of cells and RTN; that of HRS grows with its mean number of traps."""
    spread, own = spread_of(device), bench.device.params().rtn_traps[1]
    lrs, hrs = bench.rtn
    more = device.rtn_traps[1] / jnp.where(own > 0, own, 1)
    zero = jnp.zeros_like(spread.mean_hrs)
    return dataclasses.replace(spread, rtn_lrs=zero + lrs, rtn_hrs=hrs * more)


def point_at(bench: Bench, knobs: Knobs, k: int) -> OperatingPoint:
    """Where a layer's neurons work."""
    told = bench.card.conditions.technology
    charge = told.gm_per_ampere * knobs.i_bias * knobs.v_full[k] * SLOTS * knobs.t_slot
    return OperatingPoint(
        i_bias=knobs.i_bias,
        t_slot=knobs.t_slot,
        v_full=knobs.v_full[k],
        c_total=charge / swing_of(knobs, k, bench.card),
    )


def surroundings_at(
    bench: Bench, knobs: Knobs, device: DeviceParams
) -> tuple[Surroundings, ...]:
    """What the layers see, as `qnn.surroundings` has it for one design."""
    layers, spread = [], spread_at(bench, device)
    pairs = len(bench.nominal.layers[0].layer.weights)
    excess = jnp.zeros(pairs, knobs.v_read.dtype)
    for k, layer in enumerate(bench.nominal.layers):
        pairs = len(layer.layer.weights) * layer.layer.columns_per_output
        v_weight = knobs.v_read * spread.volts_per_weight(pairs)
        shift = layer.layer.z_shift / layer.layer.z_full
        neurons = _neurons(bench, knobs, k, v_weight, shift, excess)
        ideal = ideal_surroundings(spread)
        layers.append(dataclasses.replace(ideal, neurons=neurons))
        constant_codes = bench.network.config.constant_codes
        excess = excess_of_pairs(neurons.params, layer.layer.n_outputs, constant_codes)
    return tuple(layers)


def _neurons(bench, knobs, k, v_weight, shift, excess) -> Neurons:
    point, card = point_at(bench, knobs, k), bench.card
    config = usual_neuron(bench, k)
    params = card.params(config, point)
    # The circuit starts its ramp so that no offset is left that all neurons share.
    advance = 0.5 + evaluate(card.kind(config).offset, point)
    params = dataclasses.replace(
        params,
        offset=jnp.zeros_like(advance),
        ramp_advance=advance,
        v_shift=shift * point.v_full,
    )
    offset, gain = card.slopes(config, point)
    variance = card.mismatch.a_vt**2 / areas_at(config, knobs.i_bias)
    moments = [offset * offset, offset * gain, gain * gain]
    return Neurons(
        params=params,
        v_weight=v_weight,
        mismatch=jnp.stack([(variance * m).sum() for m in moments]),
        pulse_excess=excess,
    )


def usual_neuron(bench: Bench, k: int) -> NeuronConfig:
    """A neuron of the layer's kind in the middle of the card's box."""
    neuron = bench.nominal.layers[k].neuron
    return dataclasses.replace(
        neuron, v_full=8e-3, v_shift=0.0, t_slot=5e-9, i_bias=I_UNIT
    )


def areas_at(
    config: NeuronConfig, i_bias: Float[Array, ""]
) -> Float[Array, " transistors"]:
    """[m^2] W L of `config.mismatched`: the gm cell's widths follow the bias."""
    s = config.technology.scale
    table = np.array([[t.width, t.length] for t in GM_CELL])
    width = jnp.maximum(table[:, 0] * (i_bias / I_UNIT), W_MIN)
    fixed = np.asarray(gate_areas(config)[len(GM_CELL) :])
    parts = [s * s * width * table[:, 1], jnp.asarray(fixed, width.dtype)]
    return jnp.concatenate(parts)


def energy_at(
    bench: Bench,
    knobs: Knobs,
    device: DeviceParams,
    weights: Sequence[Float[Array, "_pairs _cols"]],
    codes: Sequence[Float[Array, "images _inputs"]],
) -> tuple[LayerEnergy, ...]:
    """Energy of images on the nominal chip, layer by layer; no slope in the weights."""
    admittances = []
    for w, layer in zip(weights, bench.nominal.layers, strict=True):
        cells = cells_of(jax.lax.stop_gradient(w).astype(jnp.int32))
        tile = dataclasses.replace(
            layer.tile, r_wire_sl=0.0, r_driver_pos=0.0, r_driver_neg=0.0
        )
        conductance = mean_conductance(cells, device)
        columns = layer.layer.columns_per_output
        admittances.append(row_admittance(conductance, tile, columns))
    points = [point_at(bench, knobs, k) for k in range(len(weights))]
    return network_energy(
        bench.nominal,
        bench.card.energy,
        admittances,
        codes,
        points=points,
        v_read=knobs.v_read,
    )


def design_at(bench: Bench, knobs: Knobs, network: HardwareNetwork) -> NetworkDesign:
    """The circuit `full` of a network at these knobs, with wires of no resistance."""
    device = card_at(bench, knobs)
    circuit = CircuitConfig(
        v_read=float(knobs.v_read),
        t_slot=float(knobs.t_slot),
        i_bias=float(knobs.i_bias),
        neuron_card=bench.neuron_card,
    )
    plain = dataclasses.replace(circuit, t_slot=5e-9, i_bias=I_UNIT)
    design = design_network(network, device, plain, wires=False)
    layers = []
    for k, layer in enumerate(design.layers):
        neuron = dataclasses.replace(
            layer.neuron,
            t_slot=circuit.t_slot,
            i_bias=circuit.i_bias,
            swing=float(swing_of(knobs, k, bench.card)),
        )
        neuron = with_card(neuron, bench.card)
        layers.append(dataclasses.replace(layer, neuron=neuron))
    return dataclasses.replace(
        design, circuit=circuit, layers=tuple(layers), wires=True, neurons=True
    )
