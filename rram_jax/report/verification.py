"""The report of verifications of any tier: one page, its figures, tables as CSV."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rram_jax.errors import InputError
from rram_jax.report.answer import answer_sheet, model_sentence
from rram_jax.report.codes import codes_figure
from rram_jax.report.cost import block_sheet, mac_sheet, peak_sheet, time_sheet
from rram_jax.report.energy import energy_figure
from rram_jax.report.files import damaged
from rram_jax.report.layers import layer_sheet, lsb_sheet, worst_sheet
from rram_jax.report.lines import (
    StaticRun,
    line_histogram,
    line_sheet,
    lines_figure,
    read_static,
    worst_line_sheet,
)
from rram_jax.report.page import embed, load_template
from rram_jax.report.repeat import command_lines
from rram_jax.report.sheet import Column, Sheet, make_sheet
from rram_jax.report.text import significant
from rram_jax.report.verified import (
    CodedRun,
    VerifiedRun,
    read_coded,
    read_tier,
    read_verified,
    read_waves,
)
from rram_jax.report.waves import NeuronWaves, choose_neuron, waves_figure
from rram_jax.run_folder import write_text

Run = StaticRun | CodedRun

READERS: dict[str, Callable[[Path], Run]] = {
    "static": read_static,
    "column": read_coded,
    "layer": read_coded,
    "full": read_verified,
}
"""How a finished run of each tier of `rram-jax verify` is read; what it can show
follows from what it is read as."""


@dataclass(frozen=True, kw_only=True)
class Verifications:
    """What a report shows."""

    runs: dict[str, Run]
    """By name."""

    waves: dict[str, NeuronWaves]
    """Of those that have waveforms, by name."""

    sheets: dict[str, Sheet]
    """By the name of their CSV files, without suffix."""


@dataclass(frozen=True, kw_only=True)
class VerificationReport:
    """What was written."""

    page: Path
    sheets: dict[str, Sheet]
    """By the name of their CSV files, without suffix."""

    sentences: dict[str, str]
    """Model's error and sampling, by run."""


def read_runs(paths: Mapping[str, Path]) -> dict[str, Run]:
    """Read finished verifications of any tier, by name.

    Raises:
        InputError: A file is missing or damaged, or there is no such tier.
    """
    runs = {}
    for name, path in paths.items():
        tier = read_tier(path)
        if tier not in READERS:
            raise InputError(
                f"{path} is of the tier {tier!r}; a report takes"
                f" {', '.join(READERS)}: verify with one of these."
            )
        runs[name] = READERS[tier](path)
    return runs


def read_verifications(paths: Mapping[str, Path]) -> Verifications:
    """Read all that a report shows; nothing is written.

    Args:
        paths: Under each name a finished folder of `rram-jax verify`, of any tier.

    Raises:
        InputError: Something is missing or damaged, or is no verification.
    """
    runs, waves = read_runs(paths), {}
    for name, run in _of_kind(runs, CodedRun).items():
        file = run.path / "waves.npz"
        if file.is_file():
            waves[name] = choose_neuron(read_waves(file), str(file))
            if waves[name].layer >= len(run.config.neurons):
                raise damaged(file)
    return Verifications(runs=runs, waves=waves, sheets=_sheets(runs))


def write_verification(out: Path, paths: Mapping[str, Path]) -> VerificationReport:
    """Read finished verifications, and write their report (`write_page`).

    Raises:
        InputError: As `read_verifications`; nothing is written then.
    """
    return write_page(out, read_verifications(paths))


def write_page(out: Path, found: Verifications) -> VerificationReport:
    """Write `out`/report.html, which needs no other file, figures/ and tables/.

    Args:
        out: The report's folder; made where it is missing.
        found: What `read_verifications` read.
    """
    runs, waves, sheets = found.runs, found.waves, found.sheets
    figures = out / "figures"
    for folder in (figures, out / "tables"):
        folder.mkdir(parents=True, exist_ok=True)
    pictures = _draw(runs, waves, figures)
    for name, sheet in sheets.items():
        sheet.write(out / "tables" / f"{name}.csv")
    coded = _of_kind(runs, CodedRun)
    sentences = {name: model_sentence(run) for name, run in coded.items()}
    sentences |= {
        name: static_sentence(run) for name, run in _of_kind(runs, StaticRun).items()
    }
    text = load_template("verification.html").render(
        runs=runs,
        sheets={name: sheet.table() for name, sheet in sheets.items()},
        pictures={name: embed(name, *made) for name, made in pictures.items()},
        sentences=sentences,
        waves=waves,
        commands=command_lines(run.versions for run in runs.values()),
    )
    write_text(out / "report.html", text)
    return VerificationReport(
        page=out / "report.html", sheets=sheets, sentences=sentences
    )


def static_sentence(run: StaticRun) -> str:
    """What the tier says, which samples nothing but cells and patterns."""
    m = run.metrics
    return (
        "Error of the model: given the same cells and codes, the surrogate's bit lines"
        f" differ from ngspice's by at most {_share(m.error_max)} of full scale, the"
        f" bar is {_share(m.bar)}; sampling: {m.n_voltages:,} voltages of"
        f" {m.n_images} images and {m.n_chips} chips, from which no accuracy is told."
    )


def _share(x: float) -> str:
    x = 100 * x
    return f"{x:.1e} %" if 0 < x < 1e-3 else f"{significant(x)} %"


def _of_kind(runs: Mapping[str, Run], kind: type) -> dict[str, Any]:
    return {name: run for name, run in runs.items() if isinstance(run, kind)}


def _sheets(runs: Mapping[str, Run]) -> dict[str, Sheet]:
    """Every table that the runs give, in the order of the page."""
    coded, full = _of_kind(runs, CodedRun), _of_kind(runs, VerifiedRun)
    static = _of_kind(runs, StaticRun)
    sheets = {"runs": run_sheet(runs)}
    if coded:
        sheets |= {
            "answers": answer_sheet(coded),
            "codes_by_layer": layer_sheet(coded),
            "lsb_histogram": lsb_sheet(coded),
            "worst_neurons": worst_sheet(coded),
        }
    if static:
        sheets |= {
            "lines_by_layer": line_sheet(static),
            "line_histogram": line_histogram(static),
            "worst_lines": worst_line_sheet(static),
        }
    if full:
        sheets |= {
            "energy_by_block": block_sheet(full),
            "energy_per_mac": mac_sheet(full),
            "times": time_sheet(full),
            "peak_currents": peak_sheet(full),
        }
    return sheets


def run_sheet(runs: Mapping[str, Run]) -> Sheet:
    """One row a run: what was simulated, and with what."""
    names = {
        "run": "run",
        "tier": "tier",
        "network": "network",
        "dataset": "data",
        "device": "device card",
        "sigma_lrs": "sigma_LRS",
        "array": "arrays as",
        "n_images": "images",
        "n_chips": "chips",
        "seed": "seed",
        "mismatch": "mismatch",
        "transistors": "transistors",
        "simulator": "simulator",
        "solver": "solver",
        "network_sha256": "network's SHA-256",
    }
    rows = []
    for name, run in runs.items():
        m, c = run.metrics, run.config
        rows.append(
            (
                name,
                m.tier,
                m.network,
                m.dataset,
                c.device_card.name,
                m.sigma_lrs,
                m.array,
                m.n_images,
                m.n_chips,
                str(c.seed),
                "on" if c.mismatch else "off",
                f"{Path(c.cmos).stem}, {c.corner}, {c.temperature:g} C",
                m.simulator,
                m.solver,
                m.network_sha256[:16],
            )
        )
    columns = [Column(name=name, heading=told) for name, told in names.items()]
    return make_sheet(columns, rows)


def _draw(
    runs: Mapping[str, Run], waves: Mapping[str, NeuronWaves], figures: Path
) -> dict[str, tuple[tuple[Path, Path], str]]:
    """Files and description of every figure that the runs give."""
    coded, full = _of_kind(runs, CodedRun), _of_kind(runs, VerifiedRun)
    static, drawn = _of_kind(runs, StaticRun), {}
    if coded:
        hidden = {name: run.codes.hidden for name, run in coded.items()}
        drawn["codes"] = (
            codes_figure(hidden, figures / "codes"),
            "Hidden codes of ngspice over the surrogate's crossings.",
        )
    if static:
        drawn["lines"] = (
            lines_figure(static, figures / "lines"),
            "Histogram of the errors of bit lines, layer by layer.",
        )
    if full:
        by_block = {n: run.metrics.energy_by_block_j for n, run in full.items()}
        drawn["energy"] = (
            energy_figure(by_block, figures / "energy"),
            "Energy of an image by block.",
        )
    for k, (name, chosen) in enumerate(waves.items()):
        neuron = runs[name].config.neurons[chosen.layer]
        drawn[f"waves_{k}"] = (
            waves_figure(chosen, neuron, figures / f"waves_{k}"),
            f"Waveforms of one neuron of {name} over time.",
        )
    return drawn
