"""All that could move a neuron's code, measured on its transistors, piece by piece."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

from rram_jax.errors import InputError
from rram_jax.neuron.card import NeuronCard, load_neuron_card
from rram_jax.neuron.cmos import Process, default_process
from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.effects.array import common_mode
from rram_jax.ngspice.effects.comparator import (
    comparator_delay,
    comparator_noise,
    crossing_resolution,
)
from rram_jax.ngspice.effects.latch import (
    latch_beta,
    latch_delay,
    latch_kick,
    latch_memory,
)
from rram_jax.ngspice.effects.line import (
    compression,
    leak,
    line_load,
    reference_edge,
    reference_level,
)
from rram_jax.ngspice.effects.noise import auto_zero_noise, latch_noise, reset_noise
from rram_jax.ngspice.effects.range import (
    ramp_linearity,
    saturation,
    shortest_slot,
    supply,
)
from rram_jax.ngspice.effects.record import Effect, EffectSetting
from rram_jax.ngspice.effects.spread import mismatch
from rram_jax.ngspice.farm import run_jobs

EFFECTS: Mapping[str, Callable[[EffectSetting], list[Effect]]] = MappingProxyType(
    {
        "mismatch": mismatch,
        "shortest_slot": shortest_slot,
        "latch_noise": latch_noise,
        "common_mode": common_mode,
        "latch_kick": latch_kick,
        "saturation": saturation,
        "line_load": line_load,
        "latch_beta": latch_beta,
        "compression": compression,
        "leak": leak,
        "reference_level": reference_level,
        "reference_edge": reference_edge,
        "ramp_linearity": ramp_linearity,
        "supply": supply,
        "latch_delay": latch_delay,
        "latch_memory": latch_memory,
        "comparator_delay": comparator_delay,
        "crossing_resolution": crossing_resolution,
        "comparator_noise": comparator_noise,
        "auto_zero_noise": auto_zero_noise,
        "reset_noise": reset_noise,
    }
)
"""Pieces by name, the longest first: about two minutes of one core in all."""

PLAIN_MODELS_ONLY = frozenset({"mismatch", "latch_noise", "latch_beta"})
"""Pieces that set a beta or read a gm, which subcircuits of a CMOS card do not show,
and a user's own neuron need not have."""


def effect_names(process: Process | None = None) -> tuple[str, ...]:
    """Pieces that can be measured with a process."""
    process = process or default_process()
    hidden = process.card.subcircuit or process.netlist
    skipped = PLAIN_MODELS_ONLY if hidden else frozenset()
    return tuple(name for name in EFFECTS if name not in skipped)


def measure_effects(
    config: NeuronConfig,
    card: NeuronCard | None = None,
    process: Process | None = None,
    *,
    names: Iterable[str] | None = None,
    workers: int | None = None,
    on_done: Callable[[str, list[Effect]], None] = lambda name, effects: None,
) -> list[Effect]:
    """Measure effects side by side; in the order of `names`.

    Args:
        config: Hidden neurons, behind a latch that is clocked once a slot.
        card: Of the model that they are held against; the packaged one where None.
        process: Of the transistors; our own card, typical, where None.
        names: Of `EFFECTS`; all that the process allows where None. A caller that keeps
            pieces asks for those that it lacks.
        workers: Processes; one for each core where None.
        on_done: Called with the name and the records of each piece when it is done.

    Raises:
        InputError: An unknown name, or other neurons.
    """
    process = process or default_process()
    wanted = effect_names(process) if names is None else tuple(names)
    if unknown := [name for name in wanted if name not in EFFECTS]:
        raise InputError(
            f"There is no effect {unknown[0]!r}: take some of {', '.join(EFFECTS)}."
        )
    if config.asynchronous or config.clocks_per_slot != 1:
        raise InputError(
            "Effects are those of hidden neurons: one clock a slot, no continuous"
            f" comparator; got clocks_per_slot = {config.clocks_per_slot}, asynchronous"
            f" = {config.asynchronous}."
        )
    setting = EffectSetting(
        config=config, card=card or load_neuron_card(), process=process
    )
    found: dict[str, list[Effect]] = {}

    def keep(index: int, effects: list[Effect]) -> None:
        found[wanted[index]] = effects
        on_done(wanted[index], effects)

    run_jobs(partial(measure_effect, setting), wanted, workers=workers, on_done=keep)
    return [effect for name in wanted for effect in found[name]]


def measure_effect(setting: EffectSetting, name: str) -> list[Effect]:
    """One piece, in a worker."""
    return EFFECTS[name](setting)
