import json
from pathlib import Path

import pytest

from rram_jax.errors import InputError
from rram_jax.neuron.card import load_neuron_card
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS
from rram_jax.ngspice import characterise as module
from rram_jax.ngspice.characterise import characterise
from rram_jax.ngspice.plan import CharacterisePlan
from rram_jax.ngspice.runner import NgspiceInfo
from tests.neuron.cards import small_table

PLAN = CharacterisePlan(name="mine", v_full=(4e-3, 9e-3, 21e-3))


def invented(key):
    """A measurement that says where it came from."""
    label, v_full = key
    if label.startswith("slopes"):
        names = MISMATCHED if label.endswith("hidden") else MISMATCHED_ASYNCHRONOUS
        slope = {name: 1e3 * v_full + i for i, name in enumerate(names)}
        return {"offset": slope, "gain": {name: 0.1 for name in names}}
    columns = vars(small_table(1))
    row = {name: 0.5 for name, column in columns.items() if isinstance(column, tuple)}
    return row | {"gain": 1 + v_full, "window": 185e-9, "bracket": 0.0}


@pytest.fixture
def bench(monkeypatch):
    """Stand in for ngspice and its workers: what was measured, and when to stop."""
    measured, stop = [], [100]

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
    monkeypatch.setattr(
        module,
        "check_mismatch",
        lambda plan, card, kind: {
            "equal": {"hidden": 0.97, "output": 0.94}[kind],
            "within_1": 1.0,
        },
    )
    info = NgspiceInfo(path=Path("/usr/bin/ngspice"), version=46, klu=True)
    monkeypatch.setattr(module, "ngspice_info", lambda: info)
    return measured, stop


def test_the_card_holds_every_measurement_in_its_place(tmp_path, bench):
    card = characterise(tmp_path, PLAN)
    assert card == load_neuron_card(tmp_path / "mine.toml")
    assert card.hidden.v_full == PLAN.v_full
    assert card.output.gain == (1.004, 1.009, 1.021)
    assert card.output.clocks_per_slot == 4
    hidden, output = card.mismatch.hidden, card.mismatch.output
    assert hidden.offset["gm_in_a"] == (5.0, 10.0, 22.0)
    assert output.offset["comparator_tail"] == (18.0, 23.0, 35.0)
    assert (hidden.equal, output.equal) == (0.97, 0.94)
    assert (card.hidden.asynchronous, card.output.asynchronous) == (False, True)
    assert card.driver.r_neg == 16.1
    assert card.conditions.n_train == PLAN.n_train


def test_a_stopped_run_goes_on_where_it_was(tmp_path, bench):
    measured, stop = bench
    stop[0] = 4
    with pytest.raises(KeyboardInterrupt):
        characterise(tmp_path, PLAN)
    stop[0] = 100
    characterise(tmp_path, PLAN)
    assert len(measured) == len(set(measured)) == 12
    characterise(tmp_path, PLAN)
    assert len(measured) == 12
    kept = json.loads((tmp_path / "hidden_4000uV.json").read_text())
    assert kept["gain"] == 1.004
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_of_another_plan_is_left_alone(tmp_path, bench):
    characterise(tmp_path, PLAN)
    other = CharacterisePlan(name="mine", v_full=(4e-3, 9e-3, 20e-3))
    with pytest.raises(InputError, match="another plan"):
        characterise(tmp_path, other)
