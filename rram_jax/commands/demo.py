"""`rram-jax demo`: the main job from digits to a report, every part of it real."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from rram_jax.chip.config import NetworkConfig, parse_sizes
from rram_jax.commands.config import (
    DemoCommand,
    EvaluateCommand,
    TrainCommand,
    VerifyCommand,
)
from rram_jax.commands.evaluate import evaluate
from rram_jax.commands.terminal import progress_bar, say
from rram_jax.commands.train import train
from rram_jax.commands.verify import run_decks, show_verification
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
    out = config.out
    asked = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(config).items()
        if key not in ("data_dir", "out")
    }
    with open_run(out, "demo", asked) as run:
        trained = {
            label: _train(config, label, sigma)
            for label, sigma in (("conventional", 0.0), ("hardened", config.sigma_lrs))
        }
        curves = {label: _curve(config, label, trained[label]) for label in trained}
        verified = _verify(config, trained["hardened"])
        if run.state != "finished":
            metrics = {
                "curves": curves,
                **{f"verify_{a}": read_metrics(path) for a, path in verified.items()},
            }
            write_report(out, trained=trained, curves=curves, verified=verified)
            run.finish(metrics)
    say(f"Report: {out / 'report.html'} (figures as PNG and SVG in {out / 'figures'}).")
    return out


def _train(config: DemoCommand, label: str, sigma_lrs: float) -> Path:
    say(f"Training, {label}:")
    return train(
        TrainCommand(
            network=NetworkConfig(sizes=parse_sizes(config.network)),
            data=config.data,
            data_dir=config.data_dir,
            device=config.device,
            sigma_lrs=sigma_lrs,
            epochs=config.epochs,
            seed=config.seed,
            out=config.out / label,
        )
    )


def _curve(config: DemoCommand, label: str, checkpoint: Path) -> list[dict[str, Any]]:
    say(f"Sampling chips, {label}:")
    out = evaluate(
        EvaluateCommand(
            checkpoint=checkpoint,
            data_dir=config.data_dir,
            device=config.device,
            sigma_lrs=SIGMAS,
            chips=config.chips,
            seed=config.seed,
            out=config.out / f"evaluate-{label}",
        )
    )
    return read_metrics(out)["points"]


def _verify(config: DemoCommand, checkpoint: Path) -> dict[str, Path]:
    """Both forms of the arrays at the same time, so that no core waits at the end."""
    say("Simulating the whole hardened network in ngspice:")

    def command(array: Literal["multiport", "cells"], images: int) -> VerifyCommand:
        return VerifyCommand(
            checkpoint=checkpoint,
            data_dir=config.data_dir,
            device=config.device,
            sigma_lrs=config.sigma_lrs,
            array=array,
            images=images,
            seed=config.seed,
            out=config.out / f"verify-{array}",
        )

    asked = (command("multiport", config.images), command("cells", 1))
    with progress_bar() as bar, ThreadPoolExecutor(len(asked)) as pool:
        runs = {
            one.array: pool.submit(run_decks, one, bar, f"images, {one.array}")
            for one in asked
        }
        verified = {array: run.result() for array, run in runs.items()}
    for path in verified.values():
        show_verification(path)
    return verified
