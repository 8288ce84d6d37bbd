import dataclasses
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.config import SLOTS
from rram_jax.neuron.energy import neuron_energy
from rram_jax.neuron.energy_fit import PULSE
from rram_jax.neuron.law import operating_point
from rram_jax.neuron.model import crossing, ideal_params, to_counts
from rram_jax.neuron.transistors import MISMATCHED
from rram_jax.ngspice import characterise as module
from rram_jax.ngspice.characterise import POINT, characterise, point_rows
from rram_jax.ngspice.measure import R_DRIVERS
from rram_jax.ngspice.plan import C_INT_FITTED, CharacterisePlan
from rram_jax.ngspice.runner import NgspiceInfo
from tests.neuron.energies import fitted_laws

PLAN = CharacterisePlan(name="mine", n_points=40, n_held_out=3, n_slopes=9)


def invented(key):
    """A measurement that says where it came from."""
    label, index = key
    if label == "mismatch":
        return {"equal": (0.97, 0.94)[index], "within_1": 1.0}
    laws = fitted_laws()
    if label == "drivers":
        names = [field.name for field in dataclasses.fields(laws.driver)]
        return {n: getattr(laws.driver, n).at(R_DRIVERS[index]) for n in names}
    if label.startswith("energy"):
        blocks = [field.name for field in dataclasses.fields(laws.hidden)]
        energy = {name: 1e-12 * (1 + k) for k, name in enumerate(blocks)}
        return energy | {f"{name}{PULSE}": 0.1e-12 for name in blocks}
    kind = label.removeprefix("slopes_")
    if label.startswith("slopes"):
        names = PLAN.slope_points(kind)[index].mismatched
        return {
            "offset": {name: 7.0 + i for i, name in enumerate(names)},
            "gain": {name: 0.1 for name in names},
        }
    config = PLAN.points(kind)[index]
    stairs = np.linspace(0.1, 0.9, 8)[:, None] * np.ones(SLOTS) * config.v_full
    stairs -= config.v_shift
    params = ideal_params(config)
    offset = {"hidden": 0.2, "output": 0.3}[kind]
    position = np.asarray(crossing(jnp.asarray(stairs, jnp.float32), params)) + offset
    return {
        "staircases": stairs.tolist(),
        "position": [None, *position[1:].tolist()],
        "counts": np.asarray(to_counts(jnp.asarray(position), config)).tolist(),
        "bracket": 0.0,
        "noise_variance": 2.5e-9 / (config.i_bias / 20e-6 * config.t_slot / 5e-9),
        "pulse_excess": -0.02,
    }


@pytest.fixture
def bench(monkeypatch):
    """Stand in for ngspice and its workers: what was measured, and when to stop."""
    measured, stop = [], [1000]

    def run_jobs(function, jobs, *, workers, on_done):
        for i, key in enumerate(jobs):
            if len(measured) == stop[0]:
                raise KeyboardInterrupt
            measured.append(key)
            on_done(i, invented(key))

    monkeypatch.setattr(module, "run_jobs", run_jobs)
    monkeypatch.setattr(
        module, "driver_resistance", lambda config, process: (15.9, 16.1, 16.0)
    )
    monkeypatch.setattr(module, "edge_area", lambda config, process: -6e-12)
    info = NgspiceInfo(path=Path("/usr/bin/ngspice"), version=46, klu=True)
    monkeypatch.setattr(module, "ngspice_info", lambda: info)
    return measured, stop


def test_the_card_holds_every_measurement_in_its_place(tmp_path, bench):
    card = characterise(tmp_path, PLAN)
    assert card == load_neuron_card(tmp_path / "mine.toml")
    assert card.output.clocks_per_slot == 4
    config = PLAN.usual("hidden")
    # The ramps of a plan start 0.8 slots ahead, laws are told at 0.5.
    assert card.at(config, "offset") == pytest.approx(0.5, abs=0.01)
    assert card.at(PLAN.usual("output"), "offset") == pytest.approx(0.6, abs=0.01)
    assert float(card.params(config).noise_rms) == pytest.approx(50e-6, rel=1e-3)
    assert card.at(config, "pulse_excess") == pytest.approx(-0.02, rel=1e-4)
    assert card.hidden.residual_max < 0.02
    hidden, output = card.mismatch.hidden, card.mismatch.output
    offset, gain = card.slopes(config)
    np.testing.assert_allclose(offset, 7.0 + np.arange(len(MISMATCHED)), rtol=1e-3)
    np.testing.assert_allclose(gain, 0.1, rtol=1e-3)
    assert (hidden.equal, output.equal) == (0.97, 0.94)
    assert (card.hidden.asynchronous, card.output.asynchronous) == (False, True)
    assert (card.driver.r_neg, card.driver.edge) == (16.1, -6e-12)
    point = operating_point(config)
    ramp = neuron_energy(card.energy, point, config, jnp.zeros(())).ramp
    assert float(ramp) == pytest.approx(4e-12, rel=0.6)
    assert card.box.t_slot == PLAN.t_slot
    assert card.conditions.n_held_out == 3
    rows = point_rows(tmp_path, PLAN, card, "hidden")
    assert [row["held_out"] for row in rows] == [0.0] * 40 + [1.0] * 3
    assert max(row["residual_max"] for row in rows) < 0.02
    assert set(POINT) == set(rows[0])


def test_a_stopped_run_goes_on_where_it_was(tmp_path, bench):
    measured, stop = bench
    stop[0] = 4
    with pytest.raises(KeyboardInterrupt):
        characterise(tmp_path, PLAN)
    stop[0] = 1000
    characterise(tmp_path, PLAN)
    # Points, slopes, energies, the mismatch check of two kinds; drivers.
    assert len(measured) == len(set(measured)) == 2 * (43 + 9 + 14 + 1) + 4
    characterise(tmp_path, PLAN)
    assert len(measured) == 138
    kept = json.loads((tmp_path / "hidden_03.json").read_text())
    assert kept["pulse_excess"] == -0.02
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_of_another_plan_is_left_alone(tmp_path, bench):
    characterise(tmp_path, PLAN)
    other = dataclasses.replace(PLAN, n_points=41)
    with pytest.raises(InputError, match="another plan"):
        characterise(tmp_path, other)


def test_points_fill_the_box_and_can_be_built():
    plan = CharacterisePlan()
    for kind in ("hidden", "output"):
        points = plan.points(kind)
        assert len(points) == plan.n_points + plan.n_held_out
        assert min(p.c_int for p in points) >= C_INT_FITTED
        line = [p for p in points if p.i_bias == 20e-6 and p.t_slot == 5e-9]
        assert [p.v_full for p in (line[0], line[-1])] == pytest.approx([3e-3, 30e-3])
        for name in ("i_bias", "t_slot", "v_full", "swing"):
            low, high = getattr(plan, name)
            values = [getattr(p, name) for p in points]
            assert low <= min(values) < low * 1.3
            assert high * 0.75 < max(values) <= high * (1 + 1e-12)


def test_ranges_that_are_points_keep_a_quantity():
    plan = CharacterisePlan(i_bias=(8e-6, 8e-6), v_full=(9e-3, 9e-3), n_points=6)
    assert {p.i_bias for p in plan.points("hidden")} == {8e-6}
    assert plan.usual("output").v_full == 9e-3
    with pytest.raises(InputError, match="raise t_slot, i_bias or v_full"):
        CharacterisePlan(
            i_bias=(1e-6, 2e-6), t_slot=(2e-9, 3e-9), v_full=(3e-3, 5e-3)
        ).points("hidden")
