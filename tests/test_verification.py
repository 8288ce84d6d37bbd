"""The verification table: its cheap checks, and what is committed of it."""

import csv
import dataclasses

import jax
import pytest

from experiments.verification import array, cells, forms, record
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
    assert_committed(check)


def assert_committed(check: Check):
    """The committed table has it as the code does."""
    (row,) = (
        row
        for row in committed()
        if (row.effect, row.against, row.case)
        == (check.effect, check.against, check.case)
    )
    assert row.bar == (check.bar and pytest.approx(check.bar, rel=0.01))


@pytest.mark.slow
def test_shunts_pass_and_would_not_without(monkeypatch):
    for check in forms.shunts():
        assert check.passed
        assert_committed(check)
    exact = forms.multiport_resistors

    def alone(*x):
        return [p for p in exact(*x) if {p.a[0], p.b[0]} != {"r"}]

    monkeypatch.setattr(forms, "shunted_resistors", alone)
    assert not any(check.passed for check in forms.shunts())


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
def test_cells_are_those_that_ngspice_holds(monkeypatch):
    check = cells.spread_in_the_deck()
    assert check.passed
    assert_committed(check)
    plain = cells.array_lines
    monkeypatch.setattr(
        cells, "array_lines", lambda r, *x, **y: plain(r[::-1], *x, **y)
    )
    assert not cells.spread_in_the_deck().passed


@pytest.mark.ngspice
@pytest.mark.slow  # test_access.py has such bit lines
def test_access_transistors_are_seen():
    check = forms.access_in_ngspice()
    assert_committed(check)
    (row,) = (row for row in committed() if row.effect == check.effect)
    assert check.error == pytest.approx(row.error, rel=0.1)
    assert check.error > 1e-5  # transistors are no resistors


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
    for check in checks:
        if check.size is not None and check.bar is None:
            assert "not resolved" in check.case
        elif check.size is not None:
            assert check.size >= 3.99 * check.bar, check.effect  # or it shows nothing
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
