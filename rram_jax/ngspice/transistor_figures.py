"""What a designer asks of a transistor, as one row of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rram_jax.neuron.cmos import Process
from rram_jax.ngspice.transistor_bench import (
    I_NOISE,
    I_THRESHOLD,
    V_LINEAR,
    Curve,
    Size,
    at_current,
    measure_capacitances,
    measure_curves,
    noise_spectrum,
    sizes,
)
from rram_jax.types import Float

DENSITIES = (0.1e-6, 1e-6, 10e-6)
"""[A] Per square: where gm/I_d is told."""


@dataclass(frozen=True, kw_only=True)
class TransistorFigures:
    """What one transistor is measured to do, at one corner and temperature."""

    kind: str
    """`n` or `p`."""

    width: float
    """[m]"""

    length: float
    """[m]"""

    corner: str
    """Of the card."""

    temperature: float
    """[deg C]"""

    v_t: float
    """[V] Threshold: tangent of I_d(V_gs) where gm is largest, V_ds = 50 mV, less
    half of V_ds."""

    v_t_constant: float
    """[V] V_gs at 100 nA a square, V_ds = 50 mV."""

    i_dsat: float
    """[A/m] V_gs = V_ds = v_dd, per width."""

    gm_id_low: float
    """[1/V] gm/I_d at 0.1 uA a square, V_ds = v_dd/2."""

    gm_id: float
    """[1/V] At 1 uA a square."""

    gm_id_high: float
    """[1/V] At 10 uA a square."""

    gain: float
    """[-] gm r_out at 1 uA a square, V_ds = v_dd/2."""

    c_area: float
    """[F/m^2] Of the gate at V_gs = v_dd, V_ds = 0, less two overlaps, per area."""

    c_overlap: float
    """[F/m] Gate to drain at V_gs = 0, V_ds = v_dd, per width."""

    noise_1hz: float
    """[V/sqrt(Hz)] At the gate, 1 Hz, 1 uA a square, V_ds = v_dd/2."""

    noise_white: float
    """[V/sqrt(Hz)] Without the 1/f part."""

    noise_corner: float
    """[Hz] Where both are equal, the 1/f line drawn on from 1 Hz by its own slope."""


def measure_transistors(
    process: Process, chosen: Sequence[Size] | None = None
) -> tuple[list[TransistorFigures], dict[tuple[str, Size], Curve]]:
    """Every figure of both kinds at these sizes, and the curves behind them.

    Args:
        process: Card, corner, temperature.
        chosen: Widths and lengths [m]; by default `sizes` of the card.

    Raises:
        NgspiceError: A run failed; a model does not know a parameter, for one.
    """
    chosen = sizes(process.card) if chosen is None else chosen
    curves = measure_curves(process, chosen)
    capacitance = measure_capacitances(process, chosen)
    rows = []
    for (kind, size), curve in curves.items():
        square = size[0] / size[1]
        v_bias = at_current(curve.i_d, curve.v_gs, I_NOISE * square)
        noise = noise_spectrum(process, kind, size, v_bias)
        low, mid, high = (
            float(at_current(curve.i_d, curve.gm / curve.i_d, density * square))
            for density in DENSITIES
        )
        c_area, c_overlap = capacitance[kind, size]
        rows.append(
            TransistorFigures(
                kind=kind,
                width=size[0],
                length=size[1],
                corner=process.corner,
                temperature=process.temperature,
                v_t=extrapolated_threshold(curve.v_gs, curve.i_linear),
                v_t_constant=at_current(
                    curve.i_linear, curve.v_gs, I_THRESHOLD * square
                ),
                i_dsat=float(curve.i_sat[-1]) / size[0],
                gm_id_low=low,
                gm_id=mid,
                gm_id_high=high,
                gain=at_current(curve.i_d, curve.gm / curve.g_ds, I_NOISE * square),
                c_area=c_area,
                c_overlap=c_overlap,
                noise_1hz=noise.one_hz,
                noise_white=noise.white,
                noise_corner=noise.corner,
            )
        )
    return rows, curves


def extrapolated_threshold(
    v_gs: Float[np.ndarray, " points"], i_d: Float[np.ndarray, " points"]
) -> float:
    """[V] Where the steepest tangent of a linear curve meets zero, less V_ds/2."""
    gm = np.gradient(i_d, v_gs)
    k = int(np.argmax(gm))
    return float(v_gs[k] - i_d[k] / gm[k] - V_LINEAR / 2)
