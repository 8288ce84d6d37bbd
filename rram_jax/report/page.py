"""The report: one page with everything that a run has shown, and its figures."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jinja2
import numpy as np

from rram_jax.device.card import DeviceCard
from rram_jax.device.variability import sample_resistance
from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.report.answer import agreement_table, image_answers, sample_sentence
from rram_jax.report.claims import ideal_sentences, verified_table
from rram_jax.report.codes import codes_figure
from rram_jax.report.cost import mac_sheet, time_sheet
from rram_jax.report.curve import accuracy_curve_figure
from rram_jax.report.device import distribution_figure
from rram_jax.report.energy import energy_figure
from rram_jax.report.layers import layer_sheet, worst_sheet
from rram_jax.report.repeat import (
    command_lines,
    deck_command,
    evaluate_command,
    file_table,
    hash_table,
    train_command,
    verify_command,
)
from rram_jax.report.runs import TrainedRun, check_points, read_trained
from rram_jax.report.schematic import schematic_figure
from rram_jax.report.tables import (
    array_energy_table,
    card_table,
    conditions,
    curve_table,
    energy_table,
    gain_sentence,
    layer_table,
    run_label,
    size_tables,
    trained_table,
)
from rram_jax.report.verified import VerifiedRun, read_verified, read_waves
from rram_jax.report.waves import choose_neuron, waves_figure
from rram_jax.run_folder import write_text

N_CELLS = 50_000
"""[-] Cells sampled in each state for the figure of the device."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure inside the page."""

    name: str
    """Name of its files, without suffix."""

    uri: str
    """The SVG itself, as a data URI."""

    alt: str
    """What it shows, for who cannot see it."""


def write_report(
    out: Path,
    *,
    trained: Mapping[str, Path],
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    verified: Mapping[str, Path],
) -> Path:
    """Write `out`/report.html, which needs no other file, and `out`/figures/.

    Args:
        out: The report's folder; made where it is missing.
        trained: Under each label a finished folder of `rram-jax train`.
        curves: Under the same labels the points that `rram-jax evaluate` gave.
        verified: Under each name a finished folder of `rram-jax verify`; the first is
            the one whose waveforms, cells and neurons are shown.

    Returns:
        The page.

    Raises:
        InputError: Something is missing or damaged.
    """
    if not trained or not verified or curves.keys() != trained.keys():
        raise InputError(
            "A report needs a trained network or more, an accuracy curve of each, and a"
            f" verification; got {', '.join(trained) or 'no network'};"
            f" {', '.join(curves) or 'no curve'};"
            f" {', '.join(verified) or 'no verification'}."
        )
    networks = {label: read_trained(path) for label, path in trained.items()}
    runs = {name: read_verified(path) for name, path in verified.items()}
    points = {label: check_points(label, curve) for label, curve in curves.items()}
    run = next(iter(runs.values()))
    card = load_neuron_card(run.config.design.neuron_card)
    waves_path = run.path / "waves.npz"
    waves = choose_neuron(read_waves(waves_path), str(waves_path))
    hidden = run.config.neurons[waves.layer]

    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    pictures = {
        "accuracy": (
            accuracy_curve_figure(curves, figures / "accuracy"),
            "Accuracy of sampled chips over the spread of LRS cells.",
        ),
        "codes": (
            codes_figure(
                {n: r.codes.hidden for n, r in runs.items()}, figures / "codes"
            ),
            "Hidden codes of ngspice over the surrogate's crossings.",
        ),
        "waves": (
            waves_figure(waves, hidden, figures / "waves"),
            "Waveforms of one neuron over time.",
        ),
        "energy": (
            energy_figure(
                {run_label(n, r): r.metrics.energy_by_block_j for n, r in runs.items()},
                figures / "energy",
            ),
            "Energy of an image by block.",
        ),
        "cells": (
            _cells_figure(run.config.device_card, figures / "cells"),
            "Histograms of the read resistance of LRS and HRS cells.",
        ),
        "neuron": (
            schematic_figure(hidden, figures / "neuron"),
            "Schematic of the neuron with the sizes of its transistors.",
        ),
    }
    code = run.codes
    watched = code.where(
        (code.chip == run.decks[0].chip)
        & (code.image == run.decks[0].image)
        & (code.layer == waves.layer)
        & (code.neuron == waves.neuron)
    )
    folders = [*trained.values(), *sorted(out.glob("evaluate-*")), *verified.values()]
    text = load_template("report.html").render(
        run=run,
        networks=networks,
        pictures={name: embed(name, *made) for name, made in pictures.items()},
        conditions=conditions(run, points),
        trained=trained_table(networks),
        ideal=ideal_sentences(run.metrics.ideal),
        answers=image_answers(runs),
        agreement=agreement_table(runs),
        samples=[sample_sentence(r) for r in runs.values()],
        curve=curve_table(points),
        first_point=next(iter(points.values()))[0],
        gains=[gain_sentence(points, label) for label in list(points)[1:]],
        simulated=_labels(networks, run),
        waves=waves,
        watched=watched,
        hidden=hidden,
        layers_codes=layer_sheet(runs).table(),
        worst=worst_sheet(runs).table(),
        macs=mac_sheet(runs).table(),
        times=time_sheet(runs).table(),
        energy=energy_table(runs),
        array_energy=array_energy_table(runs),
        card=card_table(run.config.device_card),
        layers=layer_table(run),
        sizes=size_tables(hidden),
        verified=verified_table(run, runs, card),
        commands=command_lines(
            r.versions for r in (*networks.values(), *runs.values())
        ),
        steps=[
            *(train_command(network) for network in networks.values()),
            *(evaluate_command(networks[k], points[k], out) for k in networks),
            *(verify_command(r, out) for r in runs.values()),
        ],
        deck=deck_command(run, out),
        files=file_table(out, folders),
        hashes=hash_table(networks, runs),
    )
    page = out / "report.html"
    write_text(page, text)
    return page


def load_template(name: str) -> jinja2.Template:
    """One of the pages of this folder; what goes into it is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rram_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def embed(name: str, files: tuple[Path, Path], alt: str) -> Picture:
    """A figure as part of the page: scripts and links in an image are dead."""
    data = base64.b64encode(files[1].read_bytes()).decode()
    return Picture(name=name, uri=f"data:image/svg+xml;base64,{data}", alt=alt)


def _cells_figure(card: DeviceCard, path: Path) -> tuple[Path, Path]:
    is_lrs = np.broadcast_to([[True], [False]], (2, N_CELLS))
    sample = sample_resistance(
        jax.random.key(0), jax.numpy.asarray(is_lrs), card.params()
    )
    r_lrs, r_hrs = np.asarray(sample, np.float64)
    return distribution_figure(card, r_lrs, r_hrs, path)


def _labels(networks: Mapping[str, TrainedRun], run: VerifiedRun) -> str:
    """Under which labels the simulated network was trained."""
    same = [
        label
        for label, network in networks.items()
        if network.metrics.network_sha256 == run.metrics.network_sha256
    ]
    return " and ".join(same) or "not one of those above"
