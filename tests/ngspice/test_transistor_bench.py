"""The bench of single transistors: physics that any card must show, and our corners."""

import dataclasses

import numpy as np
import pytest

from rram_jax.neuron.cmos import Process, default_process
from rram_jax.ngspice.transistor_bench import (
    KINDS,
    measure_curves,
    measure_mismatch,
    noise_spectrum,
    sizes,
)
from rram_jax.ngspice.transistor_figures import measure_transistors
from rram_jax.report.published import SKY130

pytestmark = pytest.mark.ngspice

SHORT, MIDDLE, LONG = (7e-6, 0.15e-6), (1e-6, 0.5e-6), (1e-6, 1e-6)
CARD = default_process().card


@pytest.fixture(scope="module")
def corners():
    """Corner -> kind -> figures of one size, at room temperature."""
    found = {}
    for corner in CARD.corners:
        rows, _ = measure_transistors(Process(card=CARD, corner=corner), [SHORT])
        found[corner] = {row.kind: row for row in rows}
    return found


def test_the_letters_of_a_corner_are_the_speed_of_n_and_p(corners):
    for i, kind in enumerate(KINDS):
        current = {corner: rows[kind].i_dsat for corner, rows in corners.items()}
        threshold = {corner: rows[kind].v_t for corner, rows in corners.items()}
        assert current["ss"] < current["tt"] < current["ff"]
        assert threshold["ff"] < threshold["tt"] < threshold["ss"]
        for mixed in ("sf", "fs"):
            same = "ss" if mixed[i] == "s" else "ff"
            assert current[mixed] == pytest.approx(current[same], rel=1e-9)


def test_corners_are_as_wide_as_those_of_sky130(corners):
    known = {(r.kind, r.figure, r.size, r.corner): r.value for r in SKY130}
    for kind in KINDS:
        for corner in ("ss", "ff"):
            here, typical = corners[corner][kind], corners["tt"][kind]
            current = known[kind, "i_dsat", SHORT, corner]
            ratio = current / known[kind, "i_dsat", SHORT, "tt"]
            shift = known[kind, "v_t", SHORT, corner] - known[kind, "v_t", SHORT, "tt"]
            # The card's numbers have two digits, which is 0.5 % of mobility and 0.5 mV.
            assert here.i_dsat / typical.i_dsat == pytest.approx(ratio, rel=0.01)
            assert here.v_t - typical.v_t == pytest.approx(shift, abs=1e-3)


def test_heat_lowers_the_threshold_and_the_efficiency():
    rows = {}
    for temperature in (0.0, 27.0, 85.0):
        process = Process(card=CARD, temperature=temperature)
        rows[temperature] = measure_transistors(process, [MIDDLE])[0]
    for cold, room, hot in zip(*rows.values(), strict=True):
        assert cold.v_t > room.v_t > hot.v_t
        assert cold.i_dsat > room.i_dsat > hot.i_dsat
        assert cold.gm_id_low > room.gm_id_low > hot.gm_id_low
        # Weak inversion: gm/I_d is at most q / kT.
        for row in (cold, room, hot):
            assert row.gm_id_low < 1.602e-19 / (1.381e-23 * (273.15 + row.temperature))


def test_figures_of_the_typical_card_by_hand():
    """A textbook's formulas on the model's own parameters, to some per cent."""
    rows, curves = measure_transistors(default_process(), [MIDDLE])
    oxide = 3.9 * 8.854e-12 / 4.15e-9
    for row in rows:
        # Poly depletion is off; channel offset of 8 nm a side and quantum effects.
        assert 0.85 * oxide < row.c_area < oxide
        assert row.c_overlap > 0.25e-9
        assert row.gm_id_low > row.gm_id > row.gm_id_high
        curve = curves[row.kind, MIDDLE]
        square = MIDDLE[0] / MIDDLE[1]
        k = int(np.searchsorted(curve.i_d, 1e-6 * square))
        gm = curve.gm[k]
        # tnoimod = 0: 4 kT gamma / gm, gamma between 1/2 (weak) and 1.
        density = 4 * 1.381e-23 * 300.15 / gm
        assert 0.5 * density < row.noise_white**2 < density
        assert row.i_dsat * MIDDLE[0] == pytest.approx(curve.i_sat[-1], rel=1e-9)


def test_noise_is_1_over_f_below_its_corner_and_white_above():
    for kind in KINDS:
        noise = noise_spectrum(default_process(), kind, MIDDLE, 0.6)
        assert (noise.density > 0).all()
        # fnoimod = 1, its exponent 1: power falls as 1/f.
        assert noise.exponent == pytest.approx(-1, abs=0.01)
        assert noise.white < noise.density[0] / 100
        at = np.interp(noise.corner, noise.frequency, noise.density)
        assert at == pytest.approx(np.sqrt(2) * noise.white, rel=0.15)


def test_drawn_transistors_follow_pelgroms_law():
    n = 128
    for seed, size in enumerate((MIDDLE, (4e-6, 2e-6))):
        found = measure_mismatch(
            np.random.default_rng(seed), default_process(), size, n
        )
        root = np.sqrt(size[0] * size[1])
        for kind in KINDS:
            v_t, beta = found[kind]
            # A deviation of n draws has a relative error of 1/sqrt(2n) = 6 %: three of
            # it. 10 mV of `delvto` are 10.2 (n) or 10.4 mV of this threshold.
            assert v_t == pytest.approx(1.03 * CARD.a_vt(kind) / root, rel=0.19)
            # The steps of V_gs blur the largest gm a little.
            assert beta == pytest.approx(CARD.a_beta / root, rel=0.25)


def test_no_mismatch_where_the_card_has_none():
    card = dataclasses.replace(CARD, a_vt_n=0.0, a_vt_p=0.0, a_beta=0.0)
    found = measure_mismatch(np.random.default_rng(0), Process(card=card), MIDDLE, 3)
    np.testing.assert_allclose([*found["n"], *found["p"]], 0, atol=1e-12)


def test_sizes_keep_to_what_the_card_allows():
    assert sizes(CARD)[0] == (0.42e-6, 0.15e-6)
    assert sizes(CARD)[1:] == (
        (1e-6, 0.15e-6),
        MIDDLE,
        LONG,
        SHORT,
        (7e-6, 8e-6),
    )
    wide = dataclasses.replace(CARD, w_min=2e-6, l_min=0.25e-6)
    assert sizes(wide) == ((2e-6, 0.25e-6), (7e-6, 8e-6))


def test_a_curve_rises_and_saturates():
    curve = measure_curves(default_process(), [MIDDLE])["p", MIDDLE]
    assert curve.v_gs[0] == 0
    assert curve.v_gs[-1] == pytest.approx(1.8)
    for current in (curve.i_linear, curve.i_d, curve.i_sat):
        assert (np.diff(current) > 0).all()
    on = curve.v_gs > 0.5
    assert (curve.i_linear < curve.i_d)[on].all()
    assert (curve.i_d < curve.i_sat)[on].all()
