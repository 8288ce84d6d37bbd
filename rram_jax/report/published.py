"""What is published of SKY130's 1.8 V transistors, to stand beside a card's figures."""

from dataclasses import dataclass

TABLES = (
    "google/skywater-pdk, docs/rules/device-details/fet-nmos-1v8 and fet-pmos-1v8,"
    " model columns TT, SS, FF"
)
"""How V_t was taken is not said there. The columns FS and SF are left out: they give
the lower threshold with the lower current."""

MODELS = (
    "google/skywater-pdk-libs-sky130_fd_pr, cells/nfet_01v8 and pfet_01v8, first bin of"
    " tt.pm3.spice: toxe (3.9 eps_0 / toxe: the oxide alone), cgso"
)

SLOPES = (
    "the same library's mismatch parameters of nfet_01v8, vth0_slope and toxe_slope, as"
    " quoted in eelab-dev/EEcircuit, src/sim/models/skywater/mosfet.ts"
)
"""Other bins take vth0_slope1 = 7.36 mV um. None was found for the PMOS."""

SOURCES = (TABLES, MODELS, SLOPES)


@dataclass(frozen=True, kw_only=True)
class Published:
    """One figure of SKY130."""

    kind: str
    """`n` or `p`."""

    figure: str
    """A field of `TransistorFigures`, or `a_vt`, `a_beta`."""

    value: float
    """In SI units."""

    size: tuple[float, float] = (7e-6, 8e-6)
    """[m] Width, length; of no meaning for `a_vt` and `a_beta`."""

    corner: str = "tt"


def _rows(kind: str, figure: str, size: tuple[float, float], *values: float):
    return [
        Published(kind=kind, figure=figure, value=value, size=size, corner=corner)
        for corner, value in zip(("tt", "ss", "ff"), values, strict=True)
    ]


_SHORT, _LONG = (7e-6, 0.15e-6), (7e-6, 8e-6)

SKY130 = (
    *_rows("n", "v_t", _SHORT, 0.645, 0.677, 0.615),
    *_rows("p", "v_t", _SHORT, 0.781, 0.835, 0.728),
    *_rows("n", "v_t", _LONG, 0.538, 0.557, 0.520),
    *_rows("p", "v_t", _LONG, 1.050, 1.075, 1.025),
    *_rows("n", "i_dsat", _SHORT, 3.512e-3 / 7e-6, 3.078e-3 / 7e-6, 3.945e-3 / 7e-6),
    *_rows("p", "i_dsat", _SHORT, 1.347e-3 / 7e-6, 0.952e-3 / 7e-6, 1.742e-3 / 7e-6),
    Published(kind="n", figure="c_area", value=3.9 * 8.854e-12 / 4.148e-9),
    Published(kind="p", figure="c_area", value=3.9 * 8.854e-12 / 4.23e-9),
    Published(kind="n", figure="c_overlap", value=2.449e-10),
    Published(kind="p", figure="c_overlap", value=5.249e-11),
    Published(kind="n", figure="a_vt", value=3.356e-9),
    Published(kind="n", figure="a_beta", value=3.443e-9),
)
"""Figures that were found; thresholds of p are counted as those of n."""


def published(
    kind: str, figure: str, size: tuple[float, float], corner: str
) -> float | None:
    """The published figure, where there is one."""
    for row in SKY130:
        same = (row.kind, row.figure, row.corner) == (kind, figure, corner)
        if same and (row.size == size or figure in ("a_vt", "a_beta")):
            return row.value
    return None
