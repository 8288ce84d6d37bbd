"""The verification table: its cheap checks, and what is committed of it."""

import csv
import dataclasses

import jax
import pytest

from experiments.verification import array, cells, record
from experiments.verification.__main__ import HERE
from experiments.verification.left import nothing_checks, whole_checks
from experiments.verification.neuron import small_steps
from experiments.verification.record import COLUMNS, Check, markdown
from rram_jax.circuit.config import ArrayConfig

CHEAP = (
    array.drop_by_hand,
    array.drop_by_sparse_equations,
    array.drop_on_tiles,
    array.drop_map,
    array.curve_by_hand,
    cells.spread_in_the_deck,
    small_steps,
)


@pytest.mark.parametrize("make", CHEAP)
def test_a_check_passes_and_sees_its_effect(make):
    with jax.enable_x64(make.__module__ == array.__name__):
        check = make()
    assert check.bar is not None
    assert check.passed
    if check.size is not None:
        assert check.size > 4 * check.bar  # without the effect it would fail


def test_exchanged_lines_would_be_seen(monkeypatch):
    plain = array.sparse_feet
    swapped = ArrayConfig(r_wire_sl=11.0, r_wire_bl=3.0, r_driver=20.0)
    monkeypatch.setattr(array, "sparse_feet", lambda u, g, _: plain(u, g, swapped))
    with jax.enable_x64(True):
        assert not array.drop_by_sparse_equations().passed


def test_a_wrong_sample_would_be_seen(monkeypatch):
    drawn = cells.sample_resistance
    monkeypatch.setattr(cells, "sample_resistance", lambda *x: drawn(*x) ** 1.01)
    assert not any(check.passed for check in cells.spread_of_samples())


@pytest.mark.ngspice
def test_a_check_in_ngspice():
    with jax.enable_x64(True):
        check = array.drop_in_ngspice()
    assert check.passed
    assert check.size is not None
    assert check.size > 100 * check.error


def test_the_committed_table_is_whole_and_within_its_bars():
    checks = committed()
    assert all(check.passed for check in checks)
    told = " ".join(check.effect for check in checks)
    for effect in (
        *("IR drop", "curvature", "spread", "telegraph noise", "offset", "gain"),
        *("compression", "settling", "noise", "mismatch"),
    ):
        assert effect in told
    named = [check.effect for check in (*whole_checks(), *nothing_checks())]
    assert [check.effect for check in checks[-len(named) :]] == named
    text = (HERE / "table.md").read_text()
    assert text.split("\n\n", 1)[1] == markdown(checks)


def committed() -> list[Check]:
    """table.csv as it was written."""
    with (HERE / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    numbers = ("error", "size", "bar")
    return [
        Check(
            **{
                name: (float(row[name]) if row[name] else None)
                if name in numbers
                else row[name]
                for name in COLUMNS
            }
        )
        for row in rows
    ]


def test_an_error_needs_its_bar():
    check = Check(
        effect="a", model="b", against="c", case="d", error=2.0, unit="LSB", bar=1.0
    )
    assert not check.passed
    assert dataclasses.replace(check, bar=None).passed
    assert not dataclasses.replace(check, error=None).passed
    assert "| 2 LSB | - | 1 LSB |" in record.markdown([check])
