"""How to get the same again: commands, files and what they hash to."""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from rram_jax.report.runs import CurvePoint, TrainedRun, Versions
from rram_jax.report.text import Table, make_table
from rram_jax.report.verified import VerifiedRun

FILES = {
    "report.html": "this page; it needs no other file",
    "figures": "the figures of this page, as PNG and SVG",
    "config.json": "command and every setting, seed included",
    "versions.json": "command line, versions and commit it ran with",
    "metrics.json": "the results; written last",
    "network": "weights and full scales of the trained network",
    "training.csv": "loss and validation accuracy of every epoch",
    "curve.csv": "accuracy at each spread",
    "chips.csv": "accuracy of every sampled chip",
    "results.csv": "one row an image: winners, counts, codes, energies, hashes",
    "codes.csv": "one row a neuron: code of ngspice, code and crossing of the model",
    "waves.npz": "waveforms of the first deck, one neuron's inner nodes among them",
    "decks": "netlists, their checksums in manifest.json, and beside each finished one"
    " its answer (JSON), from which a run that was stopped goes on",
}
"""What stands in the folders, in the order of this list."""

OWN = ("report.html", "figures")
"""What the report itself writes."""


def command_lines(versions: Iterable[Versions]) -> list[str]:
    """The command lines as they were typed, each once, without the program's folder."""
    lines = []
    for v in versions:
        words = v.command_line.split(" ", 1)
        words[0] = os.path.basename(words[0])
        lines.append(" ".join(words))
    return list(dict.fromkeys(lines))


def train_command(run: TrainedRun) -> str:
    """The command that trains one network again."""
    c = run.config
    return _join(
        ["rram-jax", "train", "--network", c.network.name],
        ["--data", c.data, "--device", c.device, "--sigma-lrs", f"{c.sigma_lrs:g}"],
        ["--epochs", str(c.epochs), "--seed", str(c.seed)],
    )


def evaluate_command(run: TrainedRun, points: tuple[CurvePoint, ...], out: Path) -> str:
    """The command that samples the chips of one curve again."""
    first = points[0]
    sigmas = [f"{point.sigma_lrs:g}" for point in points]
    return _join(
        ["rram-jax", "evaluate", shown_path(run.path, out)],
        ["--data", first.dataset, "--device", first.device],
        ["--circuit", first.circuit, "--sigma-lrs", *sigmas],
        ["--chips", str(first.n_chips), "--images", str(first.n_images)],
        ["--seed", str(first.seed)],
    )


def verify_command(run: VerifiedRun, out: Path) -> str:
    """The command that simulates one run's images again."""
    c = run.config
    sigma = [] if c.sigma_lrs is None else ["--sigma-lrs", f"{c.sigma_lrs:g}"]
    return _join(
        ["rram-jax", "verify", shown_path(Path(run.metrics.checkpoint), out)],
        ["--data", c.data, "--device", c.device, *sigma],
        ["--array", c.array, "--images", str(c.images), "--chips", str(c.chips)],
        ["--seed", str(c.seed), *([] if c.mismatch else ["--no-mismatch"])],
    )


def _join(*parts: list[str]) -> str:
    """A command for a shell, continued over short lines."""
    return " \\\n    ".join(
        " ".join([shlex.join(part) for part in pair]) for pair in (parts[:2], parts[2:])
    )


def deck_command(run: VerifiedRun, out: Path) -> str:
    """The command that runs the first deck by hand."""
    deck = run.decks[0]
    place = Path(shown_path(run.path, out)) / "decks" / f"chip_{deck.chip:04d}"
    name = f"image_{deck.image:05d}.cir"
    return f"cd {shlex.quote(str(place))} && ngspice -b -r out.raw {name}"


def shown_path(path: Path, out: Path) -> str:
    """A folder as seen from where the commands are typed: beside the report."""
    path, out = path.resolve(), out.resolve()
    return path.relative_to(out).as_posix() if path.is_relative_to(out) else str(path)


def file_table(out: Path, folders: Iterable[Path]) -> Table:
    """What stands in the report's folder and in those of its runs."""
    rows = []
    for name, told in FILES.items():
        holders = [
            shown_path(folder, out) for folder in folders if (folder / name).exists()
        ]
        if name in OWN:
            holders = ["."]
        if holders:
            rows.append((name, ", ".join(holders), told))
    return make_table(("file or folder", "in", "holds"), rows, (0, 1, 2))


def hash_table(
    trained: Mapping[str, TrainedRun], verified: Mapping[str, VerifiedRun]
) -> Table:
    """Checksums of networks and data, and the commits of the sources."""
    rows = [
        (f"network, {label}", run.metrics.network_sha256)
        for label, run in trained.items()
    ]
    first = next(iter(verified.values()))
    rows += [
        (f"network in ngspice, {name}", run.metrics.network_sha256)
        for name, run in verified.items()
    ]
    rows += [
        (f"data, {name}", value) for name, value in first.config.data_sha256.items()
    ]
    commits = {
        run.versions.git_commit for run in (*trained.values(), *verified.values())
    }
    rows += [("commit of the sources", c) for c in sorted(filter(None, commits))]
    return make_table(("of", "SHA-256; of the commit Git's hash"), rows, (0, 1))
