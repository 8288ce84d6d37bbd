"""The whole network of one chip as a netlist, and what its waveforms mean.

Every array stands as it was sampled; every neuron, comparator, pulse gate, input buffer
and row driver is made of transistors. A layer's output pulses are the next layer's
inputs while its ramp still runs. Nodes carry their layer's number: `s1_3` is the sensed
node of output 3 of layer 1, `r0_12_1` row 12's terminal in column tile 1 of layer 0.

A design of one layer (`parts.one_layer`) makes a deck of that layer alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rram_jax.chip.design import LayerDesign, NetworkDesign
from rram_jax.chip.energy import column_tiles
from rram_jax.chip.sample import LayerSample
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import T_OUT_ZERO
from rram_jax.ngspice.access import AccessTransistor
from rram_jax.ngspice.array import array_lines, check_access
from rram_jax.ngspice.cmos import with_instances
from rram_jax.ngspice.decode import DeckPlan, saved_vectors
from rram_jax.ngspice.drivers import (
    driver_instance,
    driver_subcircuits,
    input_pulse_lines,
    pulse_gate_instance,
    row_driver,
)
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.neuron import (
    C_BIT_LINE,
    OPTIONS,
    bias_instance,
    neuron_instance,
    neuron_subcircuits,
    shared_lines,
)
from rram_jax.ngspice.phases import (
    T_START,
    PhaseText,
    phase_lines,
)


@dataclass(frozen=True, kw_only=True)
class NetworkDeck:
    """One chip's netlist without its inputs."""

    design: NetworkDesign
    body: str
    phases: tuple[PhaseText, ...]

    swing: tuple[float, float] = (1.0, 1.0)
    """[-] Of positive and negative rows over `v_read` (`access.AccessTransistor`)."""

    conversions: int = 1
    """[-] Images, one after the other."""

    t_period: float = 0.0
    """[s] From one image's start to the next one's."""

    @property
    def t_stop(self) -> float:
        """[s] End of the transient."""
        return self.phases[-1].t_end

    @property
    def plan(self) -> DeckPlan:
        """What decoding needs to know."""
        layers = self.design.layers
        return DeckPlan(
            neurons=tuple(layer.neuron for layer in layers),
            n_outputs=tuple(layer.layer.n_outputs for layer in layers),
            v_read=self.design.circuit.v_read,
            swing=self.swing,
            t_pulse=tuple(phase.t_pulse for phase in self.phases),
            t_stop=self.t_stop,
            conversions=self.conversions,
            t_period=self.t_period,
        )

    def image(
        self, codes: Sequence[float], watch: tuple[int, int] | None = None
    ) -> str:
        """The deck of one image; it includes `BODY_NAME`.

        Args:
            codes: [slots] Widths of the input pulses: codes 0 to 15, or what neurons
                make of them.
            watch: (layer, neuron) whose inner nodes are saved as well.
        """
        return self.images([codes], watch)

    def images(
        self, codes: Sequence[Sequence[float]], watch: tuple[int, int] | None = None
    ) -> str:
        """The deck of several images in a row, as many as the netlist has conversions.

        Raises:
            InputError: It has another number of them.
        """
        if len(codes) != self.conversions:
            raise InputError(
                f"The netlist converts {self.conversions} images in a row; got"
                f" {len(codes)}: write it with conversions={len(codes)}."
            )
        first = self.design.layers[0]
        constant_codes = self.design.network.config.constant_codes
        wanted = [[*image, *constant_codes] for image in codes]
        pulses = input_pulse_lines(
            "0",
            first.neuron,
            wanted[0],
            T_START,
            more=wanted[1:],
            t_period=self.t_period,
        )
        lines = [
            f"* {self.design.network.config.name}, {len(codes)} image(s)",
            f".include {BODY_NAME}",
            pulses.text,
            *_drivers(0, first, pulses.nodes),
            ".save " + " ".join(saved_vectors(self.plan, watch)),
            f".tran 0.5n {self.t_stop:.6g}",
            ".end\n",
        ]
        return "\n".join(lines)


def network_deck(
    design: NetworkDesign,
    chip: Sequence[LayerSample],
    array: str,
    *,
    access: AccessTransistor | None = None,
    load: LayerDesign | None = None,
    conversions: int = 1,
    process: Process | None = None,
) -> NetworkDeck:
    """Write one chip's netlist.

    Args:
        design: The network's circuit.
        chip: Cells and mismatch of every layer (`chip.program.sample_chip`).
        array: One of `array.ARRAYS`.
        access: The array's access transistor, of `array.access_of`.
        load: The layer behind a design that ends with a hidden one: its row drivers,
            which the last pulse gates drive, stand in the deck with open rows.
        conversions: Images in a row, each behind an auto-zero of its own.
        process: Of all transistors; our own card, typical, where None.

    Raises:
        InputError: No such array form, or a wire without resistance, which a netlist
            cannot have, or a process of another supply.
    """
    process = process or default_process()
    check_access(array, access)
    technology = design.layers[0].neuron.technology
    shared = shared_lines(process, technology)
    swing = access.swing if access else (1.0, 1.0)
    parts = [shared, *_levels(design, technology, swing), OPTIONS]
    if access:
        parts.append(access.word_line)
    phases, t_period = _phases(design, conversions)
    t_start = T_START
    followers = (*design.layers[1:], load)
    for k, (layer, sample, after) in enumerate(
        zip(design.layers, chip, followers, strict=True)
    ):
        subcircuits = [
            *neuron_subcircuits(str(k), layer.neuron, process),
            *driver_subcircuits(
                str(k),
                layer.neuron,
                drivers_own=column_tiles(layer),
                drivers_next=column_tiles(after) if after else 1,
            ),
        ]
        parts += [with_instances(str(c), process) for c in subcircuits]
        phase = phases[k]
        resistance = np.asarray(sample.resistance, np.float64)
        lines = array_lines(
            resistance,
            layer.tile,
            layer.layer.columns_per_output,
            array,
            access=access,
            process=process,
            tag=f"{k}_",
        )
        bias = bias_instance(str(k), layer.neuron)
        parts += [bias, phase.text, *lines]
        shifts = np.asarray(sample.delvto)
        parts += _neurons(k, layer, shifts, process, last=after is None)
        if k > 0:
            constant = [design.network.config.constant_codes] * conversions
            parts += _inner_inputs(k, layer, constant, t_start, t_period)
        t_start = phase.t_pulse
    if load:
        parts += _load(len(design.layers), load, design.layers[-1], process)
    return NetworkDeck(
        design=design,
        body="\n".join(parts),
        phases=tuple(phases),
        swing=swing,
        conversions=conversions,
        t_period=t_period,
    )


def _phases(design, conversions: int) -> tuple[list[PhaseText], float]:
    """Every layer's phases, and the period [s] of images that do not overlap."""

    def of_layers(n, t_period):
        out, t_start = [], T_START
        for k, layer in enumerate(design.layers):
            out.append(
                phase_lines(
                    str(k),
                    layer.neuron,
                    t_start,
                    t_start - T_OUT_ZERO,
                    conversions=n,
                    t_period=t_period,
                )
            )
            t_start = out[-1].t_pulse
        return out

    longest = max(layer.neuron.t_period for layer in design.layers)
    t_period = max(longest, of_layers(1, longest)[-1].t_end - T_START)
    return of_layers(conversions, t_period), t_period


def _levels(design, technology, swing: tuple[float, float]):
    v_cm = technology.v_cm
    up, down = (x * design.circuit.v_read for x in swing)
    return [f"Vvp vp 0 {v_cm + up:.9g}", f"Vvm vm 0 {v_cm - down:.9g}"]


def _neurons(
    k: int, layer: LayerDesign, delvto: np.ndarray, process: Process, *, last: bool
):
    lines = []
    for j, shifts in enumerate(delvto):
        name = f"{k}_{j}"
        named = dict(zip(layer.neuron.mismatched, map(float, shifts), strict=True))
        lines.append(
            neuron_instance(str(k), name, f"s{name}", layer.neuron, named, process)
        )
        lines.append(f"Cs{name} s{name} 0 {C_BIT_LINE:g}")
        if not last:
            lines.append(pulse_gate_instance(str(k), name))
    return lines


def _inner_inputs(
    k: int,
    layer: LayerDesign,
    constant_codes: Sequence[Sequence[int]],
    t_start: float,
    t_period: float,
):
    """Drivers of layer k > 0: the neurons' pulses before it, then constant ones."""
    first, *more = constant_codes
    n_inputs = layer.is_lrs.shape[0] // 2 - len(first)
    nodes = _pulses(k - 1, n_inputs)
    constant = input_pulse_lines(
        str(k), layer.neuron, first, t_start, more=more, t_period=t_period
    )
    return [constant.text, *_drivers(k, layer, [*nodes, *constant.nodes])]


def _load(k: int, layer: LayerDesign, before: LayerDesign, process: Process):
    """Row drivers of layer k alone, behind the pulse gates of the layer before."""
    driver = with_instances(str(row_driver(str(k), layer.neuron)), process)
    return [driver, *_drivers(k, layer, _pulses(k - 1, before.layer.n_outputs))]


def _pulses(k: int, n: int) -> list[tuple[str, str]]:
    """Nodes of the pulses of layer k's n neurons."""
    return [(f"p{k}_{i}", f"pb{k}_{i}") for i in range(n)]


def _drivers(k: int, layer: LayerDesign, nodes: Sequence[tuple[str, str]]):
    """Every pair of rows has a driver in every column tile."""
    return [
        driver_instance(
            str(k),
            f"{k}_{i}_{q}",
            pulse,
            f"r{k}_{2 * i}_{q}",
            f"r{k}_{2 * i + 1}_{q}",
        )
        for i, pulse in enumerate(nodes)
        for q in range(column_tiles(layer))
    ]
