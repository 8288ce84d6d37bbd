import json

import numpy as np
import pytest

from rram_jax.chip.program import sample_chip
from rram_jax.circuit.wiring import Resistor, sensed_lines
from rram_jax.ngspice import verify_columns as module
from rram_jax.ngspice.compare import compare_layers, exact_chip
from rram_jax.ngspice.testbench import column_deck
from rram_jax.ngspice.verify_columns import layer_lines, verify_columns
from rram_jax.ngspice.workplace import Workplace
from tests.ngspice.networks import CODES, random_design, trials_of


@pytest.fixture(scope="module")
def design():
    return random_design()


def test_an_equivalent_source_by_hand():
    parts = [
        Resistor("r0_0", "s0", 10.0),
        Resistor("r1_0", "s0", 25.0),
        Resistor("r0_0", "s1", 15.0),
    ]
    lines = sensed_lines(parts, 2, 2, (5.0, 50.0))
    # Output 0 has 15 Ohm to row 0 and 75 Ohm to row 1.
    np.testing.assert_allclose(lines.transfer[:, 0], [75 / 90, 15 / 90])
    # Output 1 is open, so it stands at row 0's terminal: 5 of 90 Ohm below the driver.
    np.testing.assert_allclose(lines.transfer[:, 1], [85 / 90, 5 / 90])
    # 15 and 75 Ohm in parallel; 15 Ohm before 5 and 85 in parallel.
    np.testing.assert_allclose(lines.resistance, [12.5, 15 + 5 * 85 / 90])


@pytest.mark.parametrize("array", ["cells", "multiport"])
def test_lines_of_a_layer_on_two_column_tiles(design, array):
    chip = sample_chip(0, 0, design)
    exact = exact_chip(design, chip)
    for k, layer in enumerate(design.layers):
        lines = layer_lines(chip[k], layer, array)
        signed = lines.transfer[::2] - lines.transfer[1::2]
        np.testing.assert_allclose(signed, exact[k].transfer, rtol=1e-4, atol=1e-7)
        g = (1 / np.asarray(chip[k].resistance, float)).sum(0)
        c = layer.layer.columns_per_output
        of_cells = 1 / g.reshape(-1, c).sum(1)
        # Wires and drivers add to the cells' own parallel resistance, not much.
        assert (lines.resistance > of_cells).all()
        assert (lines.resistance < 1.5 * of_cells).all()


def test_a_deck_has_each_line_s_own_resistance(design):
    stairs = np.zeros((2, 15))
    deck, *_ = column_deck(design.layers[0].neuron, stairs, r_lines=[12.5, 40.0])
    lines = deck.splitlines()
    assert "Rs0_0 a0_0 s0_0 12.5" in lines
    assert "Rs0_1 a0_1 s0_1 40" in lines


@pytest.mark.ngspice
def test_columns_answer_as_the_surrogate_and_resume(design, tmp_path, monkeypatch):
    """Eight neurons an image, of two layers, with mismatch, in decks of four."""
    monkeypatch.setattr(module, "PER_DECK", 4)
    started, rows = [], []
    work = Workplace(
        workers=1, on_start=lambda *told: started.append(told), on_row=rows.append
    )

    def verified():
        return verify_columns(trials_of(design, [2, 0]), tmp_path, work)

    found = verified()
    assert started == [(0, 5), (3, 5)]  # ten hidden conversions, then six outputs
    assert [len(row["counts"]) for row in rows] == [4, 4, 2, 4, 2]
    metrics = found.metrics
    assert metrics["n_conversions"] == 16
    assert metrics["codes_within_1"] == metrics["counts_within_1"] == 1.0
    assert metrics["codes_equal"] >= 0.8
    assert [row["image"] for row in found.rows] == [2, 0]
    assert [row["label"] for row in found.rows] == [2, 0]
    hidden, output = found.comparisons[1]  # image 0
    assert np.ptp(hidden.spice) > 2  # the codes say something
    assert found.rows[1]["counts"] == output.spice.tolist()
    # Conversions go by images, then neurons.
    counts = np.concatenate([row["counts"] for row in found.decks[:3]])
    np.testing.assert_array_equal(counts[5:], hidden.spice)
    # The second deck's second one is image 0's neuron 0, with its own line and shifts.
    chip = sample_chip(0, 0, design)
    place = tmp_path / "decks" / "chip_0000"
    deck = (place / "layer_0_from_000004.cir").read_text().splitlines()
    line = layer_lines(chip[0], design.layers[0], "multiport").resistance[0]
    assert f"Rs0_1 a0_1 s0_1 {line:.6g}" in deck
    neuron = next(x for x in deck if x.startswith("Xg0_1 "))
    assert f"={float(chip[0].delvto[0, 1]):.8g}" in neuron
    # The output's surrogate was given ngspice's hidden codes.
    exact = exact_chip(design, chip)
    again = compare_layers(design, exact, CODES[0], [counts[5:], output.spice])
    np.testing.assert_array_equal(again[1].surrogate, output.surrogate)

    rest = json.loads((place / "layer_0_from_000004.json").read_text())
    (place / "layer_1_from_000000.json").unlink()
    (place / "layer_0_from_000004.json").write_text(
        json.dumps(rest | {"counts": rest["counts"][1:]})
    )
    resumed = verified()
    assert started[2:] == [(2, 5), (4, 5)]
    assert len(rows) == 7
    assert [r["counts"] for r in resumed.rows] == [r["counts"] for r in found.rows]
