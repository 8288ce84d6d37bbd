"""`rram-jax neuron characterise`: a neuron card from ngspice testbenches."""

import dataclasses
from pathlib import Path

from rram_jax.commands.config_parts import NeuronCommand
from rram_jax.commands.neuron_effects import measure_and_keep, say_effects
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_finished,
    say_resumed,
    show_table,
)
from rram_jax.device.card import check_name
from rram_jax.neuron.card import KindTable, NeuronCard, load_neuron_card, with_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.ngspice.characterise import KINDS, characterise
from rram_jax.ngspice.effect import Effect
from rram_jax.ngspice.environment import (
    EnvironmentPoint,
    environments,
    measure_environments,
    spread_of_gain,
)
from rram_jax.ngspice.measure import process_of
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.report.effects import effects_figure, write_effects
from rram_jax.report.neuron_card import card_figure
from rram_jax.run_folder import (
    check_writable,
    default_folder,
    open_run,
    write_json,
    write_table,
)

SHOWN = ("gain", "offset", "noise_rms", "residual_rms", "equal", "within_1")
"""Columns of the table that is printed."""

EFFECTS_V_FULL = 8e-3
"""[V] Full scale of the neuron whose effects are measured."""


def characterise_neuron(config: NeuronCommand) -> Path:
    """Measure what is not measured yet; returns the results' folder."""
    plan = config.plan
    check_name(plan.name, "neuron card")
    if config.json:
        check_writable(config.json)
    asked = {
        "action": config.action,
        "plan": dataclasses.asdict(plan),
        "cmos": dataclasses.asdict(process_of(plan).card),
        "ngspice": ngspice_info().version,
    }
    out = config.out or default_folder("neuron", f"card-{plan.name}", asked)
    toml = out / f"{plan.name}.toml"
    with open_run(out, "neuron", asked) as run:
        if run.state == "finished":
            say_finished(out)
        else:
            if run.state == "resumed":
                say_resumed(run, "from its finished measurements")
            card = characterise(run.path, plan, config.workers)
            for kind in KINDS:
                _write_kind(run.path / f"{kind}.csv", getattr(card, kind))
            card_figure(card, run.path / "card")
            points = _measure_environments(config, card)
            write_table(
                run.path / "environments.csv",
                list(vars(points[0])),
                (list(vars(point).values()) for point in points),
            )
            effects = measure_and_keep(
                run.path, _effects_neuron(config, card), card, process_of(plan), config
            )
            told = f"hidden neuron, {1e3 * EFFECTS_V_FULL:g} mV, card {card.name}"
            write_effects(run.path / "effects.csv", effects)
            effects_figure(effects, told, run.path / "effects")
            found = {
                "environment": spread_of_gain(points),
                "effects": [dataclasses.asdict(effect) for effect in effects],
            }
            run.finish(_metrics(card) | found)
        metrics = run.metrics(environment=dict, effects=list)
    card = load_neuron_card(toml)
    _show(card)
    say(
        f"Gain at {1e3 * _middle(card):g} mV:"
        + "; ".join(
            f" {name.replace('_', ' ')} {100 * value:.2f} %"
            for name, value in metrics["environment"].items()
        )
        + "."
    )
    effects = [Effect.of_record(effect) for effect in metrics["effects"]]
    say_effects(effects)
    say(
        f"Card: {toml}. Beside it: hidden.csv, output.csv, environments.csv,"
        " effects.csv, card.png, effects.png; both figures also as SVG."
    )
    say(f"Other commands take it as --neuron-card {toml}.")
    if config.json:
        write_json(config.json, metrics)
        say(f"The same numbers as JSON: {config.json}.")
    return out


def _middle(card: NeuronCard) -> float:
    return card.hidden.v_full[len(card.hidden.v_full) // 2]


def _measure_environments(
    config: NeuronCommand, card: NeuronCard
) -> list[EnvironmentPoint]:
    """Of the hidden neuron in the middle of the grid, at every corner."""
    neuron = with_card(config.plan.config("hidden", _middle(card)), card)
    cmos = process_of(config.plan).card
    with progress_bar() as bar:
        task = bar.add_task("corners", total=len(environments(cmos)), told="")
        return measure_environments(
            neuron, cmos, workers=config.workers, on_done=lambda: bar.advance(task)
        )


def _effects_neuron(config: NeuronCommand, card: NeuronCard) -> NeuronConfig:
    """Hidden, at `EFFECTS_V_FULL` or the grid's nearest end."""
    grid = card.hidden.v_full
    v_full = min(max(EFFECTS_V_FULL, grid[0]), grid[-1])
    return with_card(config.plan.config("hidden", v_full), card)


def _write_kind(path: Path, table: KindTable) -> None:
    columns = {
        field.name: getattr(table, field.name)
        for field in dataclasses.fields(KindTable)
        if isinstance(getattr(table, field.name), tuple)
    }
    write_table(path, list(columns), zip(*columns.values(), strict=True))


def _metrics(card: NeuronCard) -> dict[str, object]:
    """The card's own judgement of itself, by kind."""
    of_mismatch = {kind: getattr(card.mismatch, kind) for kind in KINDS}
    return {
        "name": card.name,
        "sha256": card.sha256,
        "v_full": list(card.hidden.v_full),
        **{
            kind: {
                **{name: list(getattr(getattr(card, kind), name)) for name in SHOWN},
                "mismatch_equal": of_mismatch[kind].equal,
                "mismatch_within_1": of_mismatch[kind].within_1,
            }
            for kind in KINDS
        },
    }


def _show(card: NeuronCard) -> None:
    for kind in KINDS:
        table, mismatch = getattr(card, kind), getattr(card.mismatch, kind)
        columns = zip(*(getattr(table, name) for name in SHOWN), strict=True)
        show_table(
            f"{card.name}, {kind} neurons; with mismatch {100 * mismatch.equal:.1f} %"
            " of counts equal the model's",
            ("mV", "gain", "offset", "noise uV", "residual", "equal", "within 1"),
            (
                (
                    f"{1e3 * v_full:g}",
                    f"{gain:.3f}",
                    f"{offset:.3f}",
                    f"{1e6 * noise:.0f}",
                    f"{residual:.4f}",
                    f"{100 * equal:.1f} %",
                    f"{100 * within_1:.1f} %",
                )
                for v_full, (gain, offset, noise, residual, equal, within_1) in zip(
                    table.v_full, columns, strict=True
                )
            ),
        )
