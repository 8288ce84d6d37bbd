"""`rram-jax neuron characterise`: a neuron card from ngspice testbenches."""

import dataclasses
import hashlib
from pathlib import Path

from rram_jax.commands.config_parts import NeuronCommand
from rram_jax.commands.neuron_effects import measure_and_keep, say_effects
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_finished,
    say_in_log,
    say_resumed,
    show_table,
)
from rram_jax.neuron.card import NeuronCard, load_neuron_card, with_card
from rram_jax.ngspice.characterise import KINDS, POINT, characterise, point_rows
from rram_jax.ngspice.effects.record import Effect
from rram_jax.ngspice.environment import (
    EnvironmentPoint,
    environments,
    measure_environments,
    spread_of_gain,
)
from rram_jax.ngspice.measure import LABELS
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
from rram_jax.toml_file import check_name

SHOWN = ("residual_rms", "residual_max", "equal", "within_1")
"""How a kind's laws were judged."""


def characterise_neuron(config: NeuronCommand) -> Path:
    """Measure what is not measured yet; returns the results' folder."""
    plan = config.plan
    check_name(plan.name, "neuron card")
    plan.check()
    if config.json:
        check_writable(config.json)
    cmos, netlist = plan.process.card, plan.process.netlist
    asked = {
        "action": config.action,
        "plan": dataclasses.asdict(plan),
        # Of the models their text counts, not where they lie on this machine.
        "cmos": dataclasses.asdict(cmos) | {"include": Path(cmos.include).name},
        "models_sha256": hashlib.sha256(Path(cmos.include).read_bytes()).hexdigest(),
        "netlist_sha256": netlist and netlist.sha256,
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
            say_in_log(
                f"{sum(n(plan) for n in LABELS.values())} measurements in ngspice, then"
                " corners and effects; the standard plan takes some 22 minutes of a"
                f" core. Kept in {run.path}, where the same command goes on."
            )
            card = characterise(run.path, plan, config.workers)
            rows = {k: point_rows(run.path, plan, card, k) for k in KINDS}
            for kind, table in rows.items():
                values = ([row[name] for name in POINT] for row in table)
                write_table(run.path / f"{kind}.csv", POINT, values)
            card_figure(card, rows, run.path / "card")
            points = _measure_environments(config, card)
            write_table(
                run.path / "environments.csv",
                list(vars(points[0])),
                (list(vars(point).values()) for point in points),
            )
            neuron = with_card(plan.usual("hidden"), card)
            effects = measure_and_keep(run.path, neuron, card, plan.process, config)
            told = f"hidden neuron, {1e3 * neuron.v_full:g} mV, card {card.name}"
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
        "Gain of the usual hidden neuron:"
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


def _measure_environments(
    config: NeuronCommand, card: NeuronCard
) -> list[EnvironmentPoint]:
    """Of the usual hidden neuron, at every corner."""
    neuron = with_card(config.plan.usual("hidden"), card)
    process = config.plan.process
    with progress_bar() as bar:
        task = bar.add_task("corners", total=len(environments(process.card)), told="")
        return measure_environments(
            neuron, process, workers=config.workers, on_done=lambda: bar.advance(task)
        )


def _metrics(card: NeuronCard) -> dict[str, object]:
    """The card's own judgement of itself, by kind."""
    return {
        "name": card.name,
        "sha256": card.sha256,
        **{
            kind: {
                **{name: getattr(getattr(card, kind), name) for name in SHOWN},
                "mismatch_equal": getattr(card.mismatch, kind).equal,
                "mismatch_within_1": getattr(card.mismatch, kind).within_1,
            }
            for kind in KINDS
        },
    }


def _show(card: NeuronCard) -> None:
    rows = []
    for kind in KINDS:
        laws, mismatch = getattr(card, kind), getattr(card.mismatch, kind)
        rows.append(
            (
                kind,
                f"{laws.residual_rms:.4f}",
                f"{laws.residual_max:.3f}",
                f"{100 * laws.equal:.1f} %",
                f"{100 * laws.within_1:.1f} %",
                f"{100 * mismatch.equal:.1f} %",
                f"{100 * mismatch.within_1:.1f} %",
            )
        )
    show_table(
        f"{card.name}: crossings [slots] and counts at"
        f" {card.conditions.n_held_out} held-out operating points; counts of the usual"
        " neuron with mismatch",
        (
            "kind",
            "residual rms",
            "largest",
            "equal",
            "within 1",
            "mismatch: equal",
            "within 1",
        ),
        rows,
    )
