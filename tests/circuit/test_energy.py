"""Array energy: pairs by hand, power in = power out, exact against closed form."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.circuit.config import TileConfig
from rram_jax.circuit.energy import (
    ArrayEnergy,
    array_energy,
    energy_of_images,
    exact_row_admittance,
    row_admittance,
    shared_levels,
)
from rram_jax.circuit.pair import interleave
from rram_jax.circuit.tile import layer_transfer
from rram_jax.circuit.wiring import layer_resistors
from tests.helpers import solve_resistors

BARE = TileConfig(
    r_wire_sl=0.0, r_wire_bl=0.0, r_strap=0.0, r_driver_pos=0.0, r_driver_neg=0.0
)
V_DD = 1.8
NAMES = [field.name for field in dataclasses.fields(ArrayEnergy)]


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def cells(rows: int, cols: int, seed: int = 0) -> np.ndarray:
    """[Ohm] Pairs of a low and a high resistance with some spread."""
    rng = np.random.default_rng(seed)
    up = rng.random((rows // 2, cols)) < 0.5
    is_low = np.asarray(interleave(jnp.asarray(up), jnp.asarray(~up)))
    median = np.where(is_low, 4500.0, 45000.0)
    return median * np.exp(0.3 * rng.standard_normal((rows, cols)))


def test_one_pair_by_hand():
    """Two cells in series between the levels, each with its driver."""
    tile = dataclasses.replace(BARE, r_driver_pos=100.0, r_driver_neg=300.0)
    y = row_admittance(jnp.array([[1 / 4000.0], [1 / 5600.0]]), tile)
    current = 2 * 0.2 / (4000 + 5600 + 100 + 300)  # 40 uA
    got = array_energy(jnp.array([3.0]), y, 0.2, 5e-9, v_dd=V_DD)
    assert float(got.reference) == pytest.approx(0.4 * current * 15e-9, rel=1e-12)
    assert float(got.regulated) == pytest.approx(1.8 * current * 15e-9, rel=1e-12)
    assert float(got.peak_pos) == pytest.approx(current, rel=1e-12)
    assert float(got.peak_neg) == pytest.approx(current, rel=1e-12)
    assert float(got.peak_rest) == pytest.approx(0.0, abs=1e-18)
    idle = array_energy(jnp.array([0.0]), y, 0.2, 5e-9, v_dd=V_DD)
    assert all(float(getattr(idle, name)) == 0 for name in NAMES)


def test_a_resting_pair_takes_its_share_by_hand():
    """Four equal cells: the driven pair's middle stays at v_cm, so nothing rests."""
    g = 1 / 5000.0
    y = row_admittance(jnp.full((4, 1), g), BARE)
    got = array_energy(jnp.array([2.0, 0.0]), y, 0.2, 5e-9, v_dd=V_DD)
    assert float(got.peak_pos) == pytest.approx(0.2 * g, rel=1e-12)
    assert float(got.peak_rest) == pytest.approx(0.0, abs=1e-18)
    # The driven pair's negative cell is open: all its current leaves through the
    # resting rows, 3 cells of which stand in the way of one.
    y = row_admittance(g * jnp.array([[1.0], [0.0], [1.0], [1.0]]), BARE)
    got = array_energy(jnp.array([2.0, 0.0]), y, 0.2, 5e-9, v_dd=V_DD)
    current = 0.2 * g / 1.5
    assert float(got.peak_pos) == pytest.approx(current, rel=1e-12)
    assert float(got.peak_rest) == pytest.approx(current, rel=1e-12)
    # What flows into v_cm is lost: only v_cm + v_read draws from the supply.
    assert float(got.regulated) == pytest.approx(1.8 * current * 10e-9, rel=1e-12)
    assert float(got.reference) == pytest.approx(0.2 * current * 10e-9, rel=1e-12)


def test_power_in_is_power_out():
    """What the levels deliver is the heat of the cells, whatever the bit lines do."""
    resistance = cells(6, 5)
    conductance = 1 / resistance
    transfer = np.asarray(layer_transfer(conductance, BARE))
    codes = np.array([4, 0, 9])
    heat = 0.0
    for slot in range(15):
        on = np.array(codes > slot, float)
        drive = np.asarray(interleave(jnp.asarray(0.2 * on), jnp.asarray(-0.2 * on)))
        across = drive[:, None] - drive @ transfer
        heat += 5e-9 * (conductance * across**2).sum()
    y = row_admittance(jnp.asarray(conductance), BARE)
    got = array_energy(jnp.asarray(codes, float), y, 0.2, 5e-9, v_dd=V_DD)
    assert float(got.reference) == pytest.approx(heat, rel=1e-10)


def test_exact_admittance_against_another_solver():
    """Currents of a wired layer, from node voltages of a dense nodal matrix."""
    tile = TileConfig(
        rows=4, cols=2, r_wire_sl=3.0, r_wire_bl=5.0, r_strap=2.0, r_driver_neg=30.0
    )
    resistance = cells(8, 4)
    drivers = {
        (i, q): (f"d{i}", f"r{i}_{q}", (16.0, 30.0)[i % 2])
        for i in range(8)
        for q in range(2)
    }
    parts = [tuple(x) for x in layer_resistors(resistance, tile, 2)]
    drive = np.linspace(-0.2, 0.15, 8)
    fixed = {f"d{i}": float(v) for i, v in enumerate(drive)}
    volts = solve_resistors([*parts, *drivers.values()], fixed)
    wanted = np.zeros(8)
    for (i, _), (d, r, ohms) in drivers.items():
        wanted[i] += (volts[d] - volts[r]) / ohms
    got = exact_row_admittance(resistance, tile, 2) @ drive
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-14)
    assert abs(wanted.sum()) < 1e-12  # bit lines float: nothing is lost


@pytest.mark.parametrize(
    ("rows", "cols", "per_output"),
    [(64, 32, 1), pytest.param(288, 64, 4, marks=pytest.mark.slow)],
)
def test_closed_form_against_exact(rows, cols, per_output):
    resistance, tile = cells(rows, cols), TileConfig()
    exact = jnp.asarray(exact_row_admittance(resistance, tile, per_output))
    closed = row_admittance(jnp.asarray(1 / resistance), tile, per_output)
    codes = np.random.default_rng(1).integers(0, 16, (3, rows // 2)).astype(float)
    codes[:, ::3] = 0
    one, other = (
        array_energy(jnp.asarray(codes), y, 0.2, 5e-9, v_dd=V_DD)
        for y in (exact, closed)
    )
    # A source line's sag is counted, a bit line's is not: 0.2 % of the current.
    for name in ("reference", "regulated", "peak_pos", "peak_neg"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=3e-3)
    # The current of v_cm is a small difference of large ones.
    np.testing.assert_allclose(other.peak_rest, one.peak_rest, rtol=0.05)


def test_a_batch_is_a_loop():
    y = row_admittance(jnp.asarray(1 / cells(6, 4)), TileConfig(), 2)
    codes = jnp.asarray(np.random.default_rng(4).integers(0, 16, (5, 3)) * 1.0)
    batch = array_energy(codes, y, 0.2, 5e-9, v_dd=V_DD)
    mapped = energy_of_images(codes, y, 0.2, 5e-9, v_dd=V_DD)
    for k, one in enumerate(codes):
        single = array_energy(one, y, 0.2, 5e-9, v_dd=V_DD)
        for name in NAMES:
            for many in (batch, mapped):
                assert float(getattr(many, name)[k]) == pytest.approx(
                    float(getattr(single, name)), rel=1e-10, abs=1e-22
                )
    both = shared_levels([batch, mapped])
    np.testing.assert_allclose(both.reference, 2 * batch.reference, rtol=1e-10)
    np.testing.assert_allclose(both.peak_pos, batch.peak_pos, rtol=1e-10)


def test_gradients_against_differences():
    conductance = jnp.asarray(1 / cells(8, 4))
    codes = jnp.array([3.0, 0.0, 15.0, 7.0])
    tile = TileConfig(r_driver_neg=20.0)

    def energy(g, v_read, t_slot):
        y = row_admittance(g, tile, 2)
        got = array_energy(codes, y, v_read, t_slot, v_dd=V_DD)
        return 1e12 * (got.reference + got.regulated) + 1e3 * got.peak_pos

    at = (conductance, 0.2, 5e-9)
    slopes = jax.grad(energy, argnums=(0, 1, 2))(*at)
    rng = np.random.default_rng(5)
    for k, slope in enumerate(slopes):
        direction = at[k] * rng.standard_normal(np.shape(at[k]))
        high, low = (
            energy(*at[:k], at[k] + step * direction, *at[k + 1 :])
            for step in (1e-6, -1e-6)
        )
        wanted = float(high - low) / 2e-6
        assert float((slope * direction).sum()) == pytest.approx(wanted, rel=1e-6)
