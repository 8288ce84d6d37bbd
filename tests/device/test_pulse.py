import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rram_jax.device.cell import cell_current, read_resistance, rram_voltage
from rram_jax.device.filament import FilamentParams, load_filament, rate
from rram_jax.device.pulse import apply_pulse, apply_train
from tests.device.filaments import OTHER, random_params
from tests.helpers import assert_gradient

PACKAGED = load_filament("hfo2")
_jitted = jax.jit(apply_pulse)
NAMES = [f.name for f in dataclasses.fields(FilamentParams)]


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def arrays(*values):
    return tuple(jnp.asarray(v, float) for v in values)


def pulse(x, s, v_cell, v_gate, width, params):
    """`apply_pulse`, always on 64 cells: one shape to compile for all tests."""
    cells = jnp.broadcast_arrays(*arrays(x, s, v_cell, v_gate, width))
    shape, n = cells[0].shape, cells[0].size
    padded = (jnp.resize(a, (-(-n // 64), 64)) for a in cells)
    batches = [_jitted(*rows, params) for rows in zip(*padded, strict=True)]
    whole = jax.tree.map(lambda *a: jnp.concatenate(a)[:n], *batches)
    return jax.tree.map(lambda a: a.reshape(shape), whole)


def read(x, card, s=1.0):
    """[Ohm] The cell at its read point."""
    return np.asarray(
        read_resistance(*arrays(card.v_read, card.gate_read, x, s), card.params())
    )


@jax.jit
def _slopes(nm, v_cell, v_gate, s, params):
    """[nm/s], [pW] At a barrier in nm."""
    x = nm * 1e-9
    v = rram_voltage(v_cell, v_gate, x, s, params)
    power = v_cell * cell_current(v_cell, v_gate, x, s, params)
    return jnp.stack([rate(v, x, s, params) * 1e9, power * 1e12])


def radau(x, s, v_cell, v_gate, width, params):
    """(x, energy) of scipy's Radau IIA, in nm and pJ so that tolerances are alike."""

    fixed = (*arrays(v_cell, v_gate, s), params)
    answer = solve_ivp(
        lambda _, y: np.asarray(_slopes(y[0], *fixed)),
        (0, width),
        [x * 1e9, 0.0],
        method="Radau",
        rtol=1e-10,
        atol=1e-12,
    )
    assert answer.success
    return answer.y[0, -1] * 1e-9, answer.y[1, -1] * 1e-12


@pytest.mark.parametrize("card", [PACKAGED, OTHER], ids=lambda card: card.name)
@pytest.mark.parametrize(
    ("x", "v_cell", "v_gate", "width"),
    [
        (0.0, 1.3, 3.0, 1e-6),
        (0.0, 0.8, 3.0, 1e-9),
        (0.3e-9, 1.0, 2.0, 1e-3),
        (0.7e-9, -0.5, 1.2, 1e-7),  # on its way, not there
        (1.1e-9, -0.6, 1.0, 1e-6),
        (1.1e-9, -0.7, 1.2, 1e-5),  # abrupt, and down to no barrier
        (0.9e-9, -1.0, 0.75, 1e-6),  # held up by its compliance
        (0.4e-9, 0.2, 1.8, 1.0),
    ],
)
def test_against_radau(x64, card, x, v_cell, v_gate, width):
    params = card.params()
    got = pulse(x, 0.9, v_cell, v_gate, width, params)
    x_end, energy = radau(x, 0.9, v_cell, v_gate, width, params)
    # Radau's own error at rtol 1e-10 grows by d ln t / d ln x, up to some 30.
    np.testing.assert_allclose(got.x, x_end, rtol=1e-8, atol=1e-17)
    np.testing.assert_allclose(got.energy, energy, rtol=1e-8)


def test_against_radau_on_random_cards(x64):
    """Nothing is tuned to two cards: moving cells of random ones, where it matters."""
    params, rng, compared = random_params(3, 60, float), np.random.default_rng(4), 0
    for k in range(60):
        one = jax.tree.map(lambda a, k=k: a[k], params)
        x, v = rng.random() * 0.3 * float(one.t_ox), rng.choice([-1, 1])
        v, gate, width = v * rng.uniform(0.3, 2), 3.0, 10.0 ** rng.uniform(-9, -3)
        got = pulse(x, 1.0, v, gate, width, one)
        moved = abs(float(got.x) - x) / float(one.t_ox)
        if not 1e-3 < moved or float(got.x) < 1e-3 * float(one.t_ox):
            continue  # nothing moved, or all: exact either way
        compared += 1
        expected = radau(x, 1.0, v, gate, width, one)[0]
        np.testing.assert_allclose(got.x, expected, rtol=1e-6)
    assert compared > 5


def test_a_short_pulse_moves_by_rate_times_width(x64):
    params, (x, s, v, gate) = OTHER.params(), arrays(0.4e-9, 1.1, 1.0, 2.5)
    speed = float(rate(rram_voltage(v, gate, x, s, params), x, s, params))
    width = 1e-4 * 1e-9 / speed
    got = pulse(x, s, v, gate, width, params)
    # Over 1e-4 nm the rate changes by some 1e-3.
    assert float(got.x - x) == pytest.approx(speed * width, rel=2e-3)
    power = float(v * cell_current(v, gate, x, s, params))
    assert float(got.energy) == pytest.approx(power * width, rel=2e-3)


def test_two_halves_are_one_pulse(x64):
    """What a cell does depends on its barrier alone, and energies add up."""
    params = PACKAGED.params()
    for x, v, gate in ((0.0, 1.25, 3.0), (0.8e-9, -0.58, 1.2)):
        whole = pulse(x, 1.2, v, gate, 1e-6, params)
        first = pulse(x, 1.2, v, gate, 3e-7, params)
        second = pulse(first.x, 1.2, v, gate, 7e-7, params)
        np.testing.assert_allclose(second.x, whole.x, rtol=1e-11)
        both = first.energy + second.energy
        np.testing.assert_allclose(both, whole.energy, rtol=1e-11)


def test_rest_and_no_width_change_nothing(x64):
    params = OTHER.params()
    got = pulse([0.0, 0.5e-9], 1.0, 0.0, 1.5, 1.0, params)
    np.testing.assert_allclose(got.x, [0, 0.5e-9], rtol=1e-11, atol=1e-20)
    assert (got.energy == 0).all()
    got = pulse([0.0, 0.5e-9], 1.0, [1.3, -0.9], 1.5, 0.0, params)
    np.testing.assert_allclose(got.x, [0, 0.5e-9], rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(got.energy, 0.0, atol=1e-25)


def test_more_voltage_or_time_gives_a_higher_resistance(x64):
    x = pulse(0.0, 1.0, np.linspace(0.5, 1.6, 23), 3.0, 1e-6, PACKAGED.params()).x
    assert (np.diff(x) > 0).all()
    widths = 10.0 ** np.arange(-8, -1)
    x = pulse(0.0, 1.0, 1.2, 3.0, widths, PACKAGED.params()).x
    ratio = np.diff(np.log(read(x, PACKAGED)))
    # Growth with ln t: a decade is worth about the same everywhere.
    assert ratio.min() > 0.3
    assert ratio.max() / ratio.min() < 1.4


def test_set_is_abrupt_and_below_its_bound(x64):
    params = PACKAGED.params()
    high = pulse(0.0, 1.0, [0.9, 1.2, 1.46], 3.0, 1e-6, params).x
    v_set = np.arange(0.3, 0.9, 0.01)
    after = pulse(high[:, None], 1.0, -v_set, PACKAGED.gate_set, 1e-6, params).x
    r, r_low = read(after, PACKAGED), read(0.0, PACKAGED)
    ended = r < 1.02 * r_low
    assert ended[:, v_set > 0.795].all()
    # One step of 10 mV leads from more than half of the way up to the end.
    for row, full in zip(r, read(high, PACKAGED), strict=True):
        first = np.argmax(row < 1.02 * r_low)
        assert row[first - 1] > 0.5 * full


def test_reads_disturb_nothing(x64):
    states = np.array([0.0, 0.6e-9, 1.2e-9])
    x = pulse(states, 1.0, 0.2, PACKAGED.gate_read, 1.0, PACKAGED.params()).x
    # A second of reading, a million inferences, moves R by less than 1 %.
    np.testing.assert_allclose(read(x, PACKAGED), read(states, PACKAGED), rtol=0.01)


def test_compliance_decides_on_the_low_resistance(x64):
    gates = np.array([0.6, 0.7, 0.9, 1.2])
    x = pulse(1.2e-9, 1.0, -0.9, gates, 1e-6, PACKAGED.params()).x
    r = read(x, PACKAGED)
    assert (np.diff(r) <= 0).all()
    assert r[0] > 1.2 * r[-1]
    assert r[-1] == pytest.approx(4500, rel=0.02)


def test_a_train_is_its_pulses(x64):
    params, s = OTHER.params(), jnp.array([0.8, 1.2])
    v, gate, width = arrays([1.2, -0.3, -0.8], [3.0, 1.7, 1.1], [1e-6, 1e-7, 2e-6])
    train = apply_train(jnp.zeros(2), s, v, gate, width, params)
    x = jnp.zeros(2)
    for k in range(3):
        one = pulse(x, s, v[k], gate[k], width[k], params)
        np.testing.assert_allclose(train.x[k], one.x, rtol=1e-12, atol=1e-21)
        np.testing.assert_allclose(train.energy[k], one.energy, rtol=1e-12)
        x = one.x
    assert train.x.shape == train.energy.shape == (3, 2)


@pytest.mark.parametrize(
    ("v_cell", "v_gate", "x"),
    [(1.2, 2.7, 0.1e-9), (-0.47, 1.3, 0.8e-9)],
    ids=["reset", "set"],
)
@pytest.mark.parametrize("what", [pytest.param("x", marks=pytest.mark.slow), "energy"])
def test_gradient_in_everything(x64, what, v_cell, v_gate, x):
    """Parameters, start, cross-section, voltages and width, along random directions."""
    card = PACKAGED.params()
    point = jnp.stack([*(getattr(card, n) for n in NAMES)])
    point = jnp.concatenate([point, jnp.array([x, 1.1, v_cell, v_gate, 2e-7])])

    def log_result(z):
        params = FilamentParams(**dict(zip(NAMES, z[:-5], strict=True)))
        return jnp.log(getattr(apply_pulse(*z[-5:], params), what))

    before = float(jnp.exp(log_result(point)))
    if what == "x":  # it has moved, and not arrived
        assert 1e-3 < abs(before / x - 1)
        assert before > 0.1e-9
    for seed in (0, 1):
        # 1e-7: ln x has second derivatives of some 1e4 in these directions.
        assert_gradient(log_result, point, seed, rel_step=1e-7, rtol=1e-5)


@pytest.mark.slow
def test_gradient_of_a_train_in_the_compliance(x64):
    params, s = PACKAGED.params(), jnp.ones(())

    def final(z):
        v, gate = jnp.array([1.3, -0.9]), jnp.stack([z[1], z[0]])
        train = apply_train(0 * s, s, v, gate, z[2] * jnp.ones(2), params)
        return jnp.log(train.x[-1])

    assert_gradient(final, jnp.array([0.65, 3.0, 1e-6]), rtol=1e-5)


@pytest.mark.parametrize(
    "dtype",
    [
        np.float32,
        pytest.param(np.float64, marks=pytest.mark.slow),  # float32 overflows sooner
    ],
)
def test_never_a_nan(dtype):
    """1,000 random cards, states and pulses: values and gradients are finite."""
    n, rng = 1000, np.random.default_rng(7)
    with jax.enable_x64(dtype == np.float64):
        params = random_params(5, n, dtype)
        t_ox = np.asarray(params.t_ox)
        share = rng.random(n) * rng.choice([0, 1e-3, 0.1, 1], n)
        z = [
            share * t_ox,
            10.0 ** rng.uniform(-0.7, 0.7, n),
            rng.uniform(-5, 5, n) * rng.choice([0, 1e-3, 1, 1], n),
            rng.uniform(0, 5, n),
            10.0 ** rng.uniform(-12, 1, n) * rng.choice([0, 1, 1, 1], n),
        ]
        z = [jnp.asarray(a, dtype) for a in z]
        result = jax.jit(jax.vmap(apply_pulse))(*z, params)
        assert result.x.dtype == dtype
        # The power changes one way only, so the energy lies between two rectangles.
        before, after = (
            z[4] * jnp.abs(z[2] * jax.vmap(cell_current)(z[2], z[3], x, z[1], params))
            for x in (z[0], result.x)
        )
        least, most = jnp.minimum(before, after), jnp.maximum(before, after)
        slack = 1e-3 if dtype == np.float32 else 1e-9  # rounding, 400 terms summed
        assert (result.energy >= least * (1 - slack) - 1e-30).all()
        assert (result.energy <= most * (1 + slack) + 1e-30).all()
        top = params.t_ox * (1 + 1e-6)
        assert ((result.x >= 0) & (result.x <= top)).all()
        forth = (result.x - z[0]) * jnp.sign(z[2])
        assert (forth >= -1e-6 * params.t_ox).all()  # RESET only up, SET only down

        def both(z, params):
            result = apply_pulse(*z, params)
            return result.x / params.t_ox + result.energy

        gradients = jax.jit(jax.vmap(jax.grad(both, (0, 1))))(z, params)
        for leaf in jax.tree.leaves(gradients):
            assert jnp.isfinite(leaf).all()
