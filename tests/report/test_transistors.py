import numpy as np

from rram_jax.commands.terminal import show_table
from rram_jax.report.transistors import (
    FIGURES,
    TERMINAL_HEADER,
    equal_corners,
    terminal_lines,
)


def test_the_table_breaks_no_word_at_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = [
        (words, "7/0.15", "tt", unit, *4 * ("0.0525",))
        for words, unit, _ in FIGURES.values()
    ]
    show_table("Transistors", TERMINAL_HEADER, terminal_lines(lines))
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    printed = set(told.split())
    for words, size, corner, unit, number, *_ in lines:
        assert {*words.split(), size, corner, *unit.split(), number} <= printed
    assert {"SKY130", "W/L", "[um]"} <= printed


def test_corners_of_one_curve_are_one_group():
    slow, fast = np.array([1.0, 2.0]), np.array([1.5, 3.0])
    curves = {"tt": 0.5 * (slow + fast), "ss": slow, "ff": fast, "sf": slow, "fs": fast}
    assert equal_corners(curves) == [("tt",), ("ss", "sf"), ("ff", "fs")]
