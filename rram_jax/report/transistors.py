"""Figures of a CMOS card's transistors: the table beside SKY130, and the curves."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from rram_jax.neuron.cmos import TYPICAL, CmosCard
from rram_jax.ngspice.transistor_bench import KINDS, Curve, Size
from rram_jax.ngspice.transistor_figures import TransistorFigures
from rram_jax.report.figure import COLOURS, new_panels, save_figure
from rram_jax.report.published import published
from rram_jax.report.text import significant
from rram_jax.types import Float

MARKS = "os^Dv*"
"""Of the sizes, beside their colours."""

SHORT, LONG, MIDDLE = (7e-6, 0.15e-6), (7e-6, 8e-6), (1e-6, 0.5e-6)
"""[m] What SKY130's tables have, and a size for circuits."""

FIGURES = {
    "v_t": ("threshold, tangent at the largest gm", "V", 1.0),
    "v_t_constant": ("threshold, 100 nA a square", "V", 1.0),
    "i_dsat": ("saturation current", "uA/um", 1.0),
    "gm_id_low": ("gm/I_d at 0.1 uA a square", "1/V", 1.0),
    "gm_id": ("gm/I_d at 1 uA a square", "1/V", 1.0),
    "gm_id_high": ("gm/I_d at 10 uA a square", "1/V", 1.0),
    "gain": ("gm r_out at 1 uA a square", "-", 1.0),
    "c_area": ("gate capacitance", "fF/um^2", 1e3),
    "c_overlap": ("gate-drain overlap, off", "fF/um", 1e9),
    "noise_1hz": ("noise at the gate, 1 Hz", "uV/sqrt(Hz)", 1e6),
    "noise_white": ("noise at the gate, white", "nV/sqrt(Hz)", 1e9),
    "noise_corner": ("1/f corner", "kHz", 1e-3),
    "a_vt": ("A_VT, drawn from the card", "mV um", 1e9),
    "a_beta": ("A_beta, drawn from the card", "% um", 1e8),
}
"""In words, the unit it is told in, and that unit's number of an SI unit."""

ROWS = (
    *(("v_t", SHORT, corner) for corner in (TYPICAL, "ss", "ff")),
    ("v_t", LONG, TYPICAL),
    *(("i_dsat", SHORT, corner) for corner in (TYPICAL, "ss", "ff")),
    ("c_area", LONG, TYPICAL),
    ("c_overlap", LONG, TYPICAL),
    *((name, MIDDLE, TYPICAL) for name in FIGURES if not name.startswith("c_")),
)
"""Rows of the table: figure, size, corner; those a card lacks are left out."""

HEADER = ("figure", "W/L [um]", "corner", "unit", "n", "SKY130 n", "p", "SKY130 p")


TERMINAL_HEADER = ("figure", "W/L [um]", "unit", "n", "SKY130", "p", "SKY130")
"""Of the same table where it has 80 columns."""


def terminal_lines(lines: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Lines of `comparison` under `TERMINAL_HEADER`: the corner beside the size."""
    return [(words, f"{size} {corner}", *rest) for words, size, corner, *rest in lines]


def size_text(size: Size) -> str:
    """Such as 1/0.15, in micrometres."""
    return f"{1e6 * size[0]:g}/{1e6 * size[1]:g}"


def comparison(
    rows: Sequence[TransistorFigures],
    spread: Mapping[str, tuple[float, float]],
    temperature: float,
) -> list[tuple[str, ...]]:
    """Lines of the table beside SKY130, as `HEADER` says.

    Args:
        rows: Everything measured.
        spread: A_VT [V m] and A_beta [m] as measured on drawn transistors, by kind.
        temperature: [deg C] Of the rows to show.
    """
    found = {
        (r.kind, (r.width, r.length), r.corner): r
        for r in rows
        if r.temperature == temperature
    }
    lines = []
    for name, size, corner in ROWS:
        if ("n", size, corner) not in found:
            continue
        words, unit, scale = FIGURES[name]
        cells = []
        for kind in KINDS:
            if name in ("a_vt", "a_beta"):
                value = spread[kind][name == "a_beta"]
            else:
                value = getattr(found[kind, size, corner], name)
            other = published(kind, name, size, corner)
            cells += [
                significant(scale * value),
                "-" if other is None else significant(scale * other),
            ]
        lines.append((words, size_text(size), corner, unit, *cells))
    return lines


def curves_figure(
    card: CmosCard,
    curves: Mapping[tuple[str, str, Size], Curve],
    size: Size,
    path: Path,
) -> tuple[Path, Path]:
    """Draw I_d over V_gs and gm/I_d over I_d a square; returns the PNG and SVG file.

    Args:
        card: For the title.
        curves: By corner, kind and size.
        size: Whose corners are drawn; gm/I_d is drawn for all sizes, typical.
        path: Where to, without a suffix.
    """
    figure, panels = new_panels(f"Transistors of {card.name}", 2, 2)
    corners = list(dict.fromkeys(corner for corner, _, _ in curves))
    sizes = list(dict.fromkeys(size for _, _, size in curves))
    for k, kind in enumerate(KINDS):
        axes = panels[k]
        currents = {c: curves[c, kind, size].i_sat / size[0] for c in corners}
        for colour, same in zip(COLOURS, equal_corners(currents), strict=False):
            axes.semilogy(
                curves[same[0], kind, size].v_gs,
                currents[same[0]],
                color=colour,
                label=" = ".join(same),
            )
        axes.set(
            title=f"{kind}, {size_text(size)} um, |V_ds| = {card.v_dd:g} V",
            xlabel="gate voltage |V_gs| [V]",
            ylabel="drain current [uA/um]",
        )
        axes.legend(frameon=False, fontsize=8, title="corner", title_fontsize=8)
        axes = panels[2 + k]
        for n, of in enumerate(sizes):
            _draw_efficiency(axes, curves[TYPICAL, kind, of], of, n)
        for corner in corners:
            if corner != TYPICAL:
                _draw_efficiency(axes, curves[corner, kind, size], size, None)
        axes.set(
            title=f"{kind}, typical; grey: other corners of {size_text(size)} um",
            xlabel="drain current over W/L [A]",
            ylabel="gm/I_d [1/V]",
            xlim=(1e-9, 1e-4),
        )
        axes.legend(frameon=False, fontsize=8, title="W/L [um]", title_fontsize=8)
    return save_figure(figure, path)


def equal_corners(
    curves: Mapping[str, Float[np.ndarray, " points"]],
) -> list[tuple[str, ...]]:
    """Corners in groups of the same curve: sf and fs share each kind's speed."""
    groups: list[tuple[str, ...]] = []
    for corner, curve in curves.items():
        for n, group in enumerate(groups):
            # Leakage of some 1e-8 of the largest current is the solver's rounding.
            floor = 1e-7 * curve.max()
            if np.allclose(curve, curves[group[0]], rtol=1e-2, atol=floor):
                groups[n] = (*group, corner)
                break
        else:
            groups.append((corner,))
    return groups


def _draw_efficiency(axes: Axes, curve: Curve, size: Size, number: int | None):
    """The curve of the size of that number; without one, a thin grey one."""
    square = size[0] / size[1]
    on = curve.i_d > 1e-11 * square
    x, y = curve.i_d[on] / square, (curve.gm / np.maximum(curve.i_d, 1e-30))[on]
    if number is None:
        axes.semilogx(x, y, color="#b0b0b0", linewidth=0.8, zorder=1)
        return
    # The curves lie close together: marks of their own, at places of their own.
    shown = (x >= 1e-9) & (x <= 1e-4)
    places = np.searchsorted(x, np.geomspace(1e-9, 1e-4, 60)[3 + 2 * number :: 12])
    axes.semilogx(
        x,
        y,
        color=COLOURS[number % len(COLOURS)],
        marker=MARKS[number % len(MARKS)],
        markevery=[int(p) for p in np.unique(places) if p < len(x) and shown[p]],
        markersize=5,
        markerfacecolor="white",
        linewidth=1.2,
        label=size_text(size),
        zorder=2,
    )


def pelgrom(size: Size) -> float:
    """[m] The root of the gate's area, by which a spread becomes a coefficient."""
    return math.sqrt(size[0] * size[1])
