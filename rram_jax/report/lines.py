"""Bit lines at rest: ngspice's voltages beside the surrogate's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rram_jax.errors import InputError
from rram_jax.report.figure import COLOURS, save_figure, set_title, style_axes
from rram_jax.report.files import AGAIN, damaged, read_json, read_table
from rram_jax.report.runs import Versions
from rram_jax.report.sheet import Column, Sheet, make_sheet
from rram_jax.report.verified import RunMetrics, VerifiedConfig
from rram_jax.types import Float, Integer

LINES = ("chip", "layer", "image", "slot", "output", "spice_v", "surrogate_v")
"""Columns of voltages.csv: bit lines above v_cm. A pattern that comes again in the same
sweep is told once."""

WORST = 20
"""[-] Bit lines that are listed of each run."""

BINS = 25
"""[-] Of the histogram, from no error to the largest one."""


@dataclass(frozen=True, kw_only=True)
class StaticMetrics(RunMetrics):
    """metrics.json of the tier `static`, as far as it is reported."""

    n_voltages: int
    error_max: float
    error_rms: float
    bar: float


@dataclass(frozen=True, kw_only=True)
class LineTable:
    """Columns of voltages.csv."""

    chip: Integer[np.ndarray, " n"]
    layer: Integer[np.ndarray, " n"]
    image: Integer[np.ndarray, " n"]
    slot: Integer[np.ndarray, " n"]
    output: Integer[np.ndarray, " n"]

    spice_v: Float[np.ndarray, " n"]
    """[V] Above v_cm, from ngspice."""

    surrogate_v: Float[np.ndarray, " n"]
    """[V] The same from the surrogate's exact transfer."""


@dataclass(frozen=True, kw_only=True)
class StaticRun:
    """A folder of `rram-jax verify --tier static`."""

    path: Path
    config: VerifiedConfig
    metrics: StaticMetrics
    versions: Versions
    lines: LineTable

    @property
    def errors(self) -> Float[np.ndarray, " n"]:
        """[-] ngspice minus surrogate, over the layer's full scale."""
        full = np.array([neuron.v_full for neuron in self.config.neurons])
        lines = self.lines
        return (lines.spice_v - lines.surrogate_v) / full[lines.layer]


def read_static(path: Path) -> StaticRun:
    """Read a finished verification of bit lines.

    Raises:
        InputError: A file is missing or damaged.
    """
    run = StaticRun(
        path=path,
        config=read_json(path / "config.json", VerifiedConfig),
        metrics=read_json(path / "metrics.json", StaticMetrics),
        versions=read_json(path / "versions.json", Versions),
        lines=_read_lines(path / "voltages.csv"),
    )
    layers = run.lines.layer
    if len(layers) != run.metrics.n_voltages or not (
        0 <= layers.min() and layers.max() < len(run.config.neurons)
    ):
        raise InputError(
            f"{path / 'voltages.csv'} does not hold the voltages that metrics.json"
            f" beside it tells of: {AGAIN}."
        )
    return run


def _read_lines(path: Path) -> LineTable:
    rows = read_table(path)
    try:
        columns = {name: np.array([row[name] for row in rows]) for name in LINES}
    except (KeyError, ValueError):
        raise damaged(path) from None
    for name, column in columns.items():
        volts = name.endswith("_v")
        if not len(rows) or column.dtype.kind not in ("iuf" if volts else "iu"):
            raise damaged(path)
        if volts:
            columns[name] = column.astype(float)
            if column.ndim != 1 or not np.isfinite(columns[name]).all():
                raise damaged(path)
    return LineTable(**columns)


def line_sheet(runs: Mapping[str, StaticRun]) -> Sheet:
    """One row a layer: its full scale, and errors as shares of it."""
    columns = (
        Column(name="run", heading="run"),
        Column(name="layer", heading="layer"),
        Column(name="v_full_v", heading="full scale [mV]", scale=1e3),
        Column(name="n_voltages", heading="voltages"),
        Column(name="error_max", heading="largest error [% of full scale]", scale=100),
        Column(name="error_rms", heading="rms [% of full scale]", scale=100),
        Column(name="error_mean", heading="mean [% of full scale]", scale=100),
        Column(name="bar", heading="bar [% of full scale]", scale=100),
    )
    rows = []
    for name, run in runs.items():
        for k in np.unique(run.lines.layer).tolist():
            errors = run.errors[run.lines.layer == k]
            rows.append(
                (
                    name,
                    k,
                    run.config.neurons[k].v_full,
                    len(errors),
                    float(np.abs(errors).max()),
                    float(np.sqrt(np.mean(errors**2))),
                    float(errors.mean()),
                    run.metrics.bar,
                )
            )
    return make_sheet(columns, rows)


def worst_line_sheet(runs: Mapping[str, StaticRun]) -> Sheet:
    """Bit lines with the largest errors, the worst first."""
    columns = (
        Column(name="run", heading="run"),
        Column(name="chip", heading="chip"),
        Column(name="layer", heading="layer"),
        Column(name="output", heading="output"),
        Column(name="image", heading="image"),
        Column(name="slot", heading="slot"),
        Column(name="spice_v", heading="ngspice [mV]", scale=1e3),
        Column(name="surrogate_v", heading="surrogate [mV]", scale=1e3),
        Column(name="error", heading="error [% of full scale]", scale=100),
    )
    rows = []
    for name, run in runs.items():
        for n in np.argsort(-np.abs(run.errors), kind="stable")[:WORST]:
            own = [
                getattr(run.lines, column.name)[n].item() for column in columns[1:-1]
            ]
            rows.append((name, *own, float(run.errors[n])))
    return make_sheet(columns, rows)


def line_histogram(runs: Mapping[str, StaticRun]) -> Sheet:
    """Number of bit lines by size of their error, layer by layer."""
    columns = (
        Column(name="run", heading="run"),
        Column(name="layer", heading="layer"),
        Column(name="error_from", heading="error from [% of full scale]", scale=100),
        Column(name="error_to", heading="to [% of full scale]", scale=100),
        Column(name="n", heading="voltages"),
    )
    edges = _edges(runs)
    rows = []
    for name, run in runs.items():
        for k in np.unique(run.lines.layer).tolist():
            number, _ = np.histogram(run.errors[run.lines.layer == k], edges)
            rows += [
                (name, k, float(low), float(high), int(n))
                for low, high, n in zip(edges, edges[1:], number, strict=False)
            ]
    return make_sheet(columns, rows)


def _edges(runs: Mapping[str, StaticRun]) -> np.ndarray:
    reach = max(float(np.abs(run.errors).max()) for run in runs.values())
    return np.linspace(-reach, reach, BINS + 1) if reach else np.array([-1e-9, 1e-9])


def lines_figure(runs: Mapping[str, StaticRun], path: Path) -> tuple[Path, Path]:
    """Draw how many bit lines have which error, a line a layer.

    Args:
        runs: By name.
        path: Where to, without a suffix.

    Returns:
        The PNG and the SVG file.
    """
    figure = Figure(figsize=(8.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, "ngspice minus surrogate [% of full scale]", "bit-line voltages")
    set_title(axes, "Bit lines at rest: errors")
    edges, k = 100 * _edges(runs), 0
    for name, run in runs.items():
        for layer in np.unique(run.lines.layer).tolist():
            errors = 100 * run.errors[run.lines.layer == layer]
            number, _ = np.histogram(errors, edges)
            axes.stairs(
                number,
                edges,
                color=COLOURS[k % len(COLOURS)],
                linewidth=1.4,
                label=f"{name}, layer {layer}: {len(errors):,}",
            )
            k += 1
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return save_figure(figure, path)
