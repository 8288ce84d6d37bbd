"""Differentiable, device-aware training of RRAM networks, verified in ngspice.

    import rram_jax as rj

    trained = rj.load("checkpoints/mlp-144-64-10-hardened")
    trained.accuracy(sigma_lrs=0.3, chips=20)

Names are loaded when they are first used, so that a command line or a worker process
pays only for what it needs.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rram_jax.chip.config import CircuitConfig as CircuitConfig
    from rram_jax.chip.config import NetworkConfig as NetworkConfig
    from rram_jax.chip.config import ProgrammingConfig as ProgrammingConfig
    from rram_jax.chip.design import design_network as design_network
    from rram_jax.chip.evaluate import evaluate as evaluate
    from rram_jax.chip.loss import expected_loss as expected_loss
    from rram_jax.chip.network import HardwareNetwork as HardwareNetwork
    from rram_jax.chip.program import sample_chip as sample_chip
    from rram_jax.circuit.array_params import ArrayParams as ArrayParams
    from rram_jax.circuit.array_params import array_params as array_params
    from rram_jax.circuit.attenuation import AttenuationMap as AttenuationMap
    from rram_jax.circuit.attenuation import attenuation_map as attenuation_map
    from rram_jax.circuit.attenuation import closed_form_map as closed_form_map
    from rram_jax.circuit.attenuation import mapped_transfer as mapped_transfer
    from rram_jax.circuit.cell_law import LinearCell as LinearCell
    from rram_jax.circuit.cell_law import RramCell as RramCell
    from rram_jax.circuit.config import ArrayConfig as ArrayConfig
    from rram_jax.circuit.config import TileConfig as TileConfig
    from rram_jax.circuit.solution import CrossbarSolution as CrossbarSolution
    from rram_jax.circuit.solver import solve_crossbar as solve_crossbar
    from rram_jax.circuit.solver import transfer_matrix as transfer_matrix
    from rram_jax.circuit.tile import layer_transfer as layer_transfer
    from rram_jax.data.codes import input_codes as input_codes
    from rram_jax.data.datasets import load_dataset as load_dataset
    from rram_jax.device.card import DeviceCard as DeviceCard
    from rram_jax.device.card import load_card as load_card
    from rram_jax.device.filament import FilamentCard as FilamentCard
    from rram_jax.device.filament import load_filament as load_filament
    from rram_jax.device.programming import program_cells as program_cells
    from rram_jax.device.pulse import apply_pulse as apply_pulse
    from rram_jax.device.reset import at_reset as at_reset
    from rram_jax.device.reset import reset_outcome as reset_outcome
    from rram_jax.device.rtn import rtn_waveform as rtn_waveform
    from rram_jax.device.rtn import sample_traps as sample_traps
    from rram_jax.device.variability import sample_resistance as sample_resistance
    from rram_jax.errors import InputError as InputError
    from rram_jax.errors import NgspiceError as NgspiceError
    from rram_jax.neuron.card import NeuronCard as NeuronCard
    from rram_jax.neuron.card import load_neuron_card as load_neuron_card
    from rram_jax.neuron.config import NeuronConfig as NeuronConfig
    from rram_jax.neuron.model import crossing as crossing
    from rram_jax.ngspice.export import export as export
    from rram_jax.ngspice.trials import Trials as Trials
    from rram_jax.ngspice.verify import verify as verify
    from rram_jax.ngspice.workplace import Workplace as Workplace
    from rram_jax.qnn.config import TrainConfig as TrainConfig
    from rram_jax.qnn.train import train as train
    from rram_jax.qnn.trained import TrainedNetwork as TrainedNetwork
    from rram_jax.qnn.trained import load as load

_HOME = {
    "ArrayConfig": "circuit.config",
    "ArrayParams": "circuit.array_params",
    "AttenuationMap": "circuit.attenuation",
    "array_params": "circuit.array_params",
    "CircuitConfig": "chip.config",
    "CrossbarSolution": "circuit.solution",
    "DeviceCard": "device.card",
    "FilamentCard": "device.filament",
    "HardwareNetwork": "chip.network",
    "InputError": "errors",
    "LinearCell": "circuit.cell_law",
    "NetworkConfig": "chip.config",
    "NeuronCard": "neuron.card",
    "NeuronConfig": "neuron.config",
    "NgspiceError": "errors",
    "ProgrammingConfig": "chip.config",
    "RramCell": "circuit.cell_law",
    "TileConfig": "circuit.config",
    "TrainConfig": "qnn.config",
    "TrainedNetwork": "qnn.trained",
    "Trials": "ngspice.trials",
    "Workplace": "ngspice.workplace",
    "apply_pulse": "device.pulse",
    "at_reset": "device.reset",
    "attenuation_map": "circuit.attenuation",
    "closed_form_map": "circuit.attenuation",
    "crossing": "neuron.model",
    "design_network": "chip.design",
    "evaluate": "chip.evaluate",
    "expected_loss": "chip.loss",
    "export": "ngspice.export",
    "input_codes": "data.codes",
    "layer_transfer": "circuit.tile",
    "load": "qnn.trained",
    "load_card": "device.card",
    "load_dataset": "data.datasets",
    "load_filament": "device.filament",
    "load_neuron_card": "neuron.card",
    "mapped_transfer": "circuit.attenuation",
    "program_cells": "device.programming",
    "reset_outcome": "device.reset",
    "rtn_waveform": "device.rtn",
    "sample_chip": "chip.program",
    "sample_resistance": "device.variability",
    "sample_traps": "device.rtn",
    "solve_crossbar": "circuit.solver",
    "train": "qnn.train",
    "transfer_matrix": "circuit.solver",
    "verify": "ngspice.verify",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]  # lazy


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rram_jax' has no attribute {name!r}")
    module = importlib.import_module(f"rram_jax.{_HOME[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
