"""Energy laws: hand-computed values, times, derivatives, a fit that finds its terms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.config import C_HOLD, NeuronConfig
from rram_jax.neuron.energy import (
    BlockLaw,
    DriverLaw,
    KindEnergy,
    bias_energy,
    conversion_time,
    neuron_energy,
    phase_times,
    waiting_power,
)
from rram_jax.neuron.energy_fit import PULSE, SHAPES, fit_energy
from rram_jax.neuron.law import OperatingPoint, Term, operating_point
from tests.neuron.energies import fitted_laws

HIDDEN = NeuronConfig(v_full=9e-3, i_bias=30e-6, t_slot=4e-9)
OUTPUT = dataclasses.replace(
    HIDDEN, v_shift=3e-3, clocks_per_slot=4, asynchronous=True, auto_zero_taus=3.0
)


def wide_point(config: NeuronConfig) -> OperatingPoint:
    """In float64; to be used where x64 is on."""
    values = {
        f.name: getattr(config, f.name) for f in dataclasses.fields(OperatingPoint)
    }
    return OperatingPoint(**{k: jnp.asarray(v, jnp.float64) for k, v in values.items()})


@pytest.mark.parametrize("config", [HIDDEN, OUTPUT])
def test_times_are_those_of_the_neuron(config):
    point = operating_point(config)
    times = phase_times(point, config)
    assert float(conversion_time(point, config)) == pytest.approx(config.t_conversion)
    assert float(times.auto_zero) == pytest.approx(config.t_auto_zero / 16)
    assert float(times.integrator) == pytest.approx(15 * 4e-9)
    assert float(times.ramp) == pytest.approx(17 * 4e-9 + config.t_delay)


def laws_of(**blocks: BlockLaw):
    """The fitted laws with every hidden block replaced, by none where not given."""
    names = [f.name for f in dataclasses.fields(KindEnergy)]
    kind = KindEnergy(**{name: blocks.get(name, BlockLaw()) for name in names})
    return dataclasses.replace(fitted_laws(), hidden=kind)


def test_energy_by_hand():
    laws = laws_of(
        integrator=BlockLaw(power=(Term(coefficient=2e-5, i_bias=1.0),)),
        comparator=BlockLaw(
            event=(Term(coefficient=1e-13),), pulse=(Term(coefficient=4e-13),)
        ),
        bias=BlockLaw(power=(Term(coefficient=1e-4),)),
        auto_zero=BlockLaw(power=(Term(coefficient=3e-5),)),
    )
    point = operating_point(HIDDEN)
    energy = neuron_energy(laws, point, HIDDEN, jnp.asarray([0.0, 1.0, 15.0]), 3)
    # 20 uW at 20 uA is 30 uW at 30 uA, for 15 slots of 4 ns.
    np.testing.assert_allclose(energy.integrator, 30e-6 * 60e-9, rtol=1e-5)
    # 15 decisions and two edges before them
    np.testing.assert_allclose(
        energy.comparator, [1.7e-12, 2.1e-12, 2.1e-12], rtol=1e-5
    )
    one = laws.driver.gate.constant + laws.driver.gate.width / 16
    np.testing.assert_allclose(energy.gate, [0, 3 * one, 3 * one], rtol=1e-5)
    assert not np.asarray(energy.clock).any()
    expected = 1.8e-12 + 1.7e-12 + 3e-5 * HIDDEN.t_auto_zero / 16
    assert float(energy.total[0]) == pytest.approx(expected, rel=1e-5)
    bias = float(bias_energy(laws, point, HIDDEN))
    assert bias == pytest.approx(1e-4 * HIDDEN.t_conversion, rel=1e-5)
    assert float(waiting_power(laws, point, HIDDEN)) == pytest.approx(3e-5, rel=1e-5)


def test_an_output_neuron_drives_nothing():
    energy = neuron_energy(
        fitted_laws(), operating_point(OUTPUT), OUTPUT, jnp.ones(3), 5
    )
    assert not np.asarray(energy.gate).any()
    assert (np.asarray(energy.comparator) > 5e-12).all()


def test_driver_law_by_hand():
    law = DriverLaw(constant=1e-12, width=4e-12, overlap=8e-12)
    assert law.at(2.0, 3) == pytest.approx(3 * (1 + 2 + 2) * 1e-12)
    with pytest.raises(InputError, match="finite"):
        DriverLaw(constant=float("inf"), width=0.0)


@pytest.mark.parametrize("config", [HIDDEN, OUTPUT])
def test_derivatives_against_differences(config):
    laws = fitted_laws()
    with jax.enable_x64(True):
        at = wide_point(config)

        def total(point):
            one = neuron_energy(laws, point, config, jnp.asarray(7.0), 2)
            return 1e12 * (one.total + bias_energy(laws, point, config))

        slopes = jax.grad(total)(at)
        for field in dataclasses.fields(OperatingPoint):
            value = getattr(at, field.name)
            high, low = (
                total(dataclasses.replace(at, **{field.name: value * (1 + d)}))
                for d in (1e-6, -1e-6)
            )
            slope = float(getattr(slopes, field.name) * value)
            assert slope == pytest.approx(float(high - low) / 2e-6, rel=1e-6)
        # A longer slot costs energy; a larger capacitor a longer auto-zero.
        assert float(slopes.t_slot) > 0
        assert float(slopes.c_total) > 0


def test_auto_zero_costs_what_its_capacitors_do():
    """Its length falls with the current that it draws, so its charge stays."""
    laws, energies = fitted_laws(), []
    for i_bias in (10e-6, 40e-6):
        config = NeuronConfig(v_full=8e-3 * 20e-6 / i_bias, i_bias=i_bias)
        energy = neuron_energy(laws, operating_point(config), config, jnp.zeros(()))
        energies.append(float(energy.auto_zero))
    assert energies[0] == pytest.approx(energies[1], rel=1e-3)
    # 2.14 bias currents from 1.8 V for 5 (C_hold + C) / gm_aux, for 16 conversions
    by_hand = 1.8 * 2.14 * 5 * (C_HOLD + config.c_total) / 16
    assert energies[0] == pytest.approx(by_hand, rel=0.01)


def measured_by(laws, points):
    """What a measurement would say if the laws were the truth."""
    rows = []
    for config in points:
        with jax.enable_x64(True):
            at = wide_point(config)
            off, on = (
                neuron_energy(laws, at, config, jnp.asarray(code))
                for code in (0.0, 9.0)
            )
            row = {"bias": float(bias_energy(laws, at, config)), f"bias{PULSE}": 0.0}
            for name in SHAPES["hidden"]:
                if name != "bias":
                    row[name] = float(getattr(off, name))
                    row[name + PULSE] = float(getattr(on, name)) - row[name]
        rows.append(row)
    return rows


def test_fit_finds_the_laws_that_made_the_values():
    laws, rng = fitted_laws(), np.random.default_rng(2)
    hidden = [
        NeuronConfig(v_full=v, i_bias=i, t_slot=t, swing=s, conversions_per_zero=1)
        for v, i, t, s in zip(
            rng.uniform(6e-3, 20e-3, 8),
            rng.uniform(1e-5, 4e-5, 8),
            rng.uniform(3e-9, 9e-9, 8),
            rng.uniform(0.2, 0.5, 8),
            strict=True,
        )
    ]
    output = [dataclasses.replace(config, asynchronous=True) for config in hidden]
    points = {"hidden": hidden, "output": output}
    rows = {kind: measured_by(laws, some) for kind, some in points.items()}
    names = [field.name for field in dataclasses.fields(laws.driver)]
    drivers = [
        (r, {name: getattr(laws.driver, name).at(r) for name in names})
        for r in (10.0, 16.0, 30.0)
    ]
    found = fit_energy(points, rows, drivers)
    for kind in points:
        for field in dataclasses.fields(KindEnergy):
            one, other = (getattr(getattr(x, kind), field.name) for x in (laws, found))
            for part in ("power", "event", "pulse"):
                wanted = [t.coefficient for t in getattr(one, part)]
                got = [t.coefficient for t in getattr(other, part)]
                assert got == pytest.approx(wanted, rel=1e-3, abs=1e-22)
    assert dataclasses.astuple(found.driver.edge_regulated) == pytest.approx(
        dataclasses.astuple(laws.driver.edge_regulated), rel=1e-6
    )
    with pytest.raises(InputError, match="three resistances"):
        fit_energy(points, rows, drivers[:2])
