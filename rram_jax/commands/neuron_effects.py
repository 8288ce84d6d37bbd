"""Effects on a neuron's code within `rram-jax neuron characterise`."""

import dataclasses
import json
from pathlib import Path

from rram_jax.commands.config_parts import NeuronCommand
from rram_jax.commands.terminal import progress_bar, say, show_table
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.cmos import Process
from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.effects.record import Effect
from rram_jax.ngspice.effects.run import effect_names, measure_effects
from rram_jax.report.effects import effect_rows, left_out_sentence
from rram_jax.run_folder import write_text


def measure_and_keep(
    folder: Path,
    neuron: NeuronConfig,
    card: NeuronCard,
    process: Process,
    config: NeuronCommand,
) -> list[Effect]:
    """Measure what `folder` does not hold yet, each piece in a JSON file of its own."""
    names = effect_names(process)
    paths = {name: folder / f"effect_{name}.json" for name in names}
    missing = [name for name in names if not paths[name].exists()]
    with progress_bar() as bar:
        task = bar.add_task("effects", total=len(missing), told="")

        def keep(name: str, effects: list[Effect]) -> None:
            records = [dataclasses.asdict(effect) for effect in effects]
            write_text(paths[name], json.dumps(records, indent=1))
            bar.advance(task)

        measure_effects(
            neuron,
            card,
            process,
            names=missing,
            workers=config.workers,
            on_done=keep,
        )
    return [
        Effect.of_record(record)
        for name in names
        for record in json.loads(paths[name].read_text())
    ]


def say_effects(effects: list[Effect]) -> None:
    """Print the largest of each, and what the model leaves out."""
    show_table(
        "What moves a code, the largest of each; in LSB of a hidden neuron",
        ("effect", "condition", "value", "LSB", "left out"),
        effect_rows(effects),
    )
    say(left_out_sentence(effects))
