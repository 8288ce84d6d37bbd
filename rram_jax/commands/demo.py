"""`rram-jax demo`: the main job from digits to a report, every part of it real."""

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rram_jax.chip.config import NetworkConfig, parse_sizes
from rram_jax.commands.config import (
    DemoCommand,
    EvaluateCommand,
    TrainCommand,
    VerifyCommand,
)
from rram_jax.commands.evaluate import evaluate
from rram_jax.commands.network import check_fit
from rram_jax.commands.terminal import progress_bar, say
from rram_jax.commands.train import train
from rram_jax.commands.verify import run_decks, show_verification
from rram_jax.data import load_dataset
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from rram_jax.ngspice.capacity import default_workers
from rram_jax.ngspice.farm import make_slots
from rram_jax.ngspice.runner import ngspice_info
from rram_jax.report.page import write_report
from rram_jax.run_folder import open_run, read_metrics

SIGMAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""[-] Spreads of the accuracy curve."""


def demo(config: DemoCommand) -> Path:
    """Run the main job, or what is left of it; returns the report's folder.

    Conventional and hardened training, accuracy of sampled chips against the spread of
    LRS cells, and the hardened network in ngspice: several images with the arrays as
    exact multiports, one of them also with every cell and wire.

    Raises:
        InputError: Data and settings do not fit each other, or ngspice is missing.
        NgspiceError: A deck failed; what was finished before is kept.
    """
    plan = _plan(config)
    asked = {
        key: value
        for key, value in vars(config).items()
        if key not in ("data_dir", "out")
    }
    out = config.out
    with open_run(out, "demo", asked) as run:
        trained, curves = {}, {}
        for label in plan.train:
            say(f"Training, {label}:")
            trained[label] = train(plan.train[label])
        for label in plan.evaluate:
            say(f"Sampling chips, {label}:")
            folder = evaluate(plan.evaluate[label])
            curves[label] = read_metrics(folder)["points"]
        say("Simulating the whole hardened network in ngspice:")
        verified = _simulate(plan.verify)
        for path in verified.values():
            show_verification(path)
        if run.state != "finished":
            write_report(out, trained=trained, curves=curves, verified=verified)
            found = {f"verify_{a}": read_metrics(path) for a, path in verified.items()}
            run.finish({"curves": curves, **found})
    say(f"Report: {out / 'report.html'} (figures as PNG and SVG in {out / 'figures'}).")
    return out


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Every command of the demo, checked before the first one starts."""

    train: dict[str, TrainCommand]
    evaluate: dict[str, EvaluateCommand]
    verify: dict[str, VerifyCommand]


def _plan(config: DemoCommand) -> _Plan:
    common = {
        "data_dir": config.data_dir,
        "device": config.device,
        "seed": config.seed,
    }
    spreads = {"conventional": 0.0, "hardened": config.sigma_lrs}
    images: dict[Literal["multiport", "cells"], int] = {
        "multiport": config.images,
        "cells": 1,
    }
    plan = _Plan(
        train={
            label: TrainCommand(
                network=NetworkConfig(sizes=parse_sizes(config.network)),
                data=config.data,
                sigma_lrs=sigma,
                epochs=config.epochs,
                out=config.out / label,
                **common,
            )
            for label, sigma in spreads.items()
        },
        evaluate={
            label: EvaluateCommand(
                checkpoint=config.out / label,
                sigma_lrs=SIGMAS,
                chips=config.chips,
                out=config.out / f"evaluate-{label}",
                **common,
            )
            for label in spreads
        },
        verify={
            array: VerifyCommand(
                checkpoint=config.out / "hardened",
                sigma_lrs=config.sigma_lrs,
                array=array,
                images=n,
                out=config.out / f"verify-{array}",
                **common,
            )
            for array, n in images.items()
        },
    )
    load_card(config.device)
    dataset = load_dataset(config.data, config.data_dir)
    check_fit(plan.train["hardened"].network, dataset)
    if config.images > len(dataset.test_labels):
        raise InputError(
            f"{dataset.name} has {len(dataset.test_labels)} test images;"
            f" {config.images} were asked for."
        )
    ngspice_info()
    return plan


def _simulate(commands: dict[str, VerifyCommand]) -> dict[str, Path]:
    """All forms of the arrays side by side, one ngspice a core.

    The image with all cells takes as long as several others, so it begins at once on a
    core of its own, which is the others' when it is done.
    """
    stop, free = threading.Event(), make_slots(default_workers() - 1)
    with progress_bar() as bar, ThreadPoolExecutor(len(commands)) as pool:
        runs = {
            array: pool.submit(
                run_decks,
                command,
                bar,
                f"images, {array}",
                stop,
                None if array == "cells" else free,
            )
            for array, command in commands.items()
        }
        runs["cells"].add_done_callback(lambda _: free.release())
        try:
            wait(runs.values(), return_when=FIRST_EXCEPTION)
            # Results of finished ones first: that raises what went wrong.
            done_first = sorted(runs.items(), key=lambda item: not item[1].done())
            return {array: run.result() for array, run in done_first}
        finally:
            stop.set()
