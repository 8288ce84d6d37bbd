"""From a network to a circuit: cells, nominal wires, full scales and neurons.

What stands here is set once for a network and a device card, never per chip.
"""

import dataclasses
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np

from rram_jax.chip.config import CircuitConfig, ProgrammingConfig, check_circuit
from rram_jax.chip.network import HardwareNetwork, Layer, column_sums
from rram_jax.circuit.attenuation import (
    AttenuationMap,
    attenuation_map,
    ideal_map,
    mapped_transfer,
)
from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.pair import cells_of, signed_transfer
from rram_jax.device.card import DeviceCard
from rram_jax.device.variability import mean_conductance
from rram_jax.errors import InputError
from rram_jax.neuron.card import NeuronCard, load_neuron_card, with_card
from rram_jax.neuron.config import V_READ, NeuronConfig
from rram_jax.neuron.noise import check_noise
from rram_jax.neuron.sizing import check_sag
from rram_jax.types import Array, Bool, UInt8


@dataclass(frozen=True, kw_only=True)
class LayerDesign:
    """One layer's cells, wires and neurons."""

    layer: Layer
    is_lrs: Bool[Array, "rows cols"]
    attenuation: AttenuationMap
    tile: TileConfig
    neuron: NeuronConfig

    gain: float
    """[V/V] Sensed volts per read volt and unit of weighted sum, nominal cells."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkDesign:
    """The whole network's circuit; equal to itself only, so that it may be static."""

    network: HardwareNetwork
    device: DeviceCard
    circuit: CircuitConfig
    card: NeuronCard
    layers: tuple[LayerDesign, ...]

    wires: bool
    """False for ideal wires and drivers, which circuit `ideal` demands."""

    neurons: bool
    """False for ideal neurons, whose full scales no card has to reach."""

    programming: ProgrammingConfig = field(default_factory=ProgrammingConfig)
    """How its chips are programmed; the bands for all cells are in `device`."""

    calibration: UInt8[np.ndarray, "images inputs"] | None = None
    """[-] Input codes of training images that cells are chosen on, where
    `programming.calibrated`."""

    def check(self, circuit: str, wires: str = "map"):
        """Check that a circuit's name, and how its wires are taken, suit this design.

        Raises:
            InputError: There is no such circuit, or it needs a design with wires, or
                one without.
        """
        check_circuit(circuit, wires)
        if circuit == "ideal" and self.wires:
            raise InputError(
                "Circuit 'ideal' takes a design without wires: make it by"
                " design_network(..., wires=False)."
            )
        if wires == "exact" and not self.wires:
            raise InputError(
                "Exact wires take a design with wires: make it by design_network(...)."
            )
        if circuit == "full" and not (self.wires and self.neurons):
            raise InputError(
                "Circuit 'full' takes a design with wires, whose neurons are the"
                " card's: make it by design_network(...)."
            )


def design_network(
    network: HardwareNetwork,
    device: DeviceCard,
    circuit: CircuitConfig | None = None,
    *,
    wires: bool = True,
    neurons: bool = True,
    programming: ProgrammingConfig | None = None,
    calibration: UInt8[np.ndarray, "images inputs"] | None = None,
) -> NetworkDesign:
    """Derive every layer's full scale from the nominal array's own transfer.

    Args:
        network: What is programmed.
        device: Its mean conductances make the nominal array.
        circuit: Read levels, tiles, neurons; the defaults where None.
        wires: False for ideal wires and drivers; the neurons are then ideal too.
        neurons: False for ideal neurons behind the wires.
        programming: How chips are programmed; as the device card says where None.
        calibration: Input codes of training images, which `programming` may need.

    Raises:
        InputError: Programming does not fit card or calibration codes, the neuron card
            does not reach a layer's full scale, a step of its code is below the
            neuron's noise, or the card's row drivers are asked for another swing,
            resistance or load.
    """
    circuit, neurons = circuit or CircuitConfig(), neurons and wires
    programming = programming or ProgrammingConfig()
    device = programmed_card(device, programming)
    _check_calibration(network, programming, calibration)
    card = load_neuron_card(circuit.neuron_card)
    if wires:
        _check_drivers(circuit)
        card.box.check_values(card.name, t_slot=circuit.t_slot, i_bias=circuit.i_bias)
    layers = []
    for k, layer in enumerate(network.layers):
        last = k == len(network.layers) - 1
        layer = _design_layer(layer, device, circuit, card, last, wires)
        if neurons:
            neuron = with_card(layer.neuron, card)
            check_noise(neuron, float(card.params(neuron).noise_rms))
            layer = dataclasses.replace(layer, neuron=neuron)
        layers.append(layer)
    return NetworkDesign(
        network=network,
        device=device,
        circuit=circuit,
        card=card,
        layers=tuple(layers),
        wires=wires,
        neurons=neurons,
        programming=programming,
        calibration=calibration if programming.calibrated else None,
    )


def programmed_card(device: DeviceCard, programming: ProgrammingConfig) -> DeviceCard:
    """The card with the bands of write-verify that are asked for.

    Raises:
        InputError: `max_writes` is asked for, and no state has a band.
    """
    names = ("band_lrs", "band_hrs", "max_writes")
    asked = {name: getattr(programming, name) for name in names}
    given = {name: value for name, value in asked.items() if value is not None}
    device = dataclasses.replace(device, **given)
    if "max_writes" in given and not (device.band_lrs or device.band_hrs):
        raise InputError(
            f"max_writes = {device.max_writes} needs a band to write into, and device"
            f" card {device.name!r} has none: give band_lrs or band_hrs."
        )
    return device


def _check_calibration(network, programming, calibration):
    """Calibration codes are there where cells are chosen on them, and fit."""
    if not programming.calibrated:
        return
    n_inputs = network.config.sizes[0]
    if (
        calibration is None
        or calibration.ndim != 2
        or not len(calibration)
        or calibration.shape[1] != n_inputs
    ):
        got = "none" if calibration is None else calibration.shape
        raise InputError(
            "To choose cells by gradient takes the input codes of training images, an"
            f" array (images, {n_inputs}); got {got}."
        )


def _check_drivers(circuit: CircuitConfig):
    """The card's row drivers are sized and measured for one swing, and one width."""
    if circuit.v_read != V_READ:
        raise InputError(
            f"The row drivers are sized and measured for v_read = {V_READ:g} V, and"
            f" {circuit.v_read:g} V was asked for: at another swing the positive and"
            " the negative rows' drivers differ (only circuit `ideal` takes it)."
        )
    own, usual = circuit.tile, TileConfig()
    for name in ("r_driver_pos", "r_driver_neg"):
        if getattr(own, name) != getattr(usual, name):
            raise InputError(
                f"A network's row drivers are its neuron card's: leave tile.{name} at"
                f" {getattr(usual, name):g} Ohm (got {getattr(own, name):g})."
            )


def _design_layer(layer, device, circuit, card, last, wires):
    c = layer.columns_per_output
    is_lrs = cells_of(jnp.asarray(layer.weights, jnp.int32))
    clocks = circuit.output_clocks if last else 1
    neuron = NeuronConfig(
        v_full=8e-3,  # until the array's gain is known
        t_slot=circuit.t_slot,
        i_bias=circuit.i_bias,
        swing=card.swing,
        technology=card.conditions.technology,
        clocks_per_slot=clocks,
        asynchronous=last,
    )
    r_pos, r_neg = card.driver_resistance(neuron)
    tile = dataclasses.replace(circuit.tile, r_driver_pos=r_pos, r_driver_neg=r_neg)
    conductance = mean_conductance(is_lrs, device.params())
    if wires:
        cols = min(circuit.tile.cols, is_lrs.shape[1])
        check_sag(max(r_pos, r_neg), float(conductance.mean()), cols)
        attenuation = attenuation_map(conductance, tile, c)
    else:
        attenuation = ideal_map((len(is_lrs), is_lrs.shape[1] // c))
    transfer = np.asarray(
        signed_transfer(mapped_transfer(conductance, attenuation)), np.float64
    )
    # Off pairs lighten a column's load and raise its own gain; z knows that.
    g = np.asarray(conductance, np.float64)
    pair = mean_conductance(jnp.asarray([True, False]), device.params()).sum()
    load = g.sum(0).reshape(-1, c).sum(1) / (len(layer.weights) * c * float(pair))
    sums = column_sums(layer.weights, c) / load
    gain = float((transfer * sums).sum() / (sums * sums).sum())
    neuron = dataclasses.replace(
        neuron,
        v_full=circuit.v_read * gain * layer.z_full,
        v_shift=circuit.v_read * gain * layer.z_shift,
    )
    return LayerDesign(
        layer=layer,
        is_lrs=is_lrs,
        attenuation=attenuation,
        tile=tile,
        neuron=neuron,
        gain=gain,
    )
