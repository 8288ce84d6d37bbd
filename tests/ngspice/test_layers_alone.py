"""Tier `layer` beside the whole network and beside single neurons, on one chip."""

import json
from unittest import mock

import numpy as np
import pytest

from rram_jax.chip.program import sample_chip
from rram_jax.ngspice import parts as module
from rram_jax.ngspice.compare import exact_chip
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.job import BODY_NAME
from rram_jax.ngspice.netlist import FORBIDDEN, count_elements
from rram_jax.ngspice.parts import LayerPart, layer_parts, one_layer
from rram_jax.ngspice.verify import verify
from rram_jax.ngspice.verify_columns import verify_columns
from rram_jax.ngspice.verify_layers import _joined, pulse_widths, verify_layers
from rram_jax.ngspice.workplace import Workplace
from tests.ngspice.networks import CODES, SMALL, small_design, trials_of

SMALL_CODES = CODES[:, : SMALL[0]]


@pytest.fixture(scope="module")
def design():
    return small_design()


@pytest.fixture(scope="module")
def whole(design, tmp_path_factory):
    """Image 1, each layer in one deck."""
    return _verified(verify_layers, design, tmp_path_factory.mktemp("whole"))


def _verified(tier, design, folder, **work):
    place = Workplace(workers=1, **work)
    return tier(trials_of(design, [1]), folder, place)


def _answers(found):
    (image,) = found.comparisons
    return [layer.spice.tolist() for layer in image]


def _assert_agree(one, other):
    """Hidden codes equal; a count is a quarter slot, and time points fall elsewhere."""
    (codes, counts), (same_codes, same_counts) = _answers(one), _answers(other)
    assert codes == same_codes
    assert np.ptp(codes) > 2  # the codes say something
    assert np.ptp(counts) > 2
    assert np.abs(np.subtract(counts, same_counts)).max() <= 1


def test_a_large_layer_is_taken_apart_between_its_columns_of_tiles(design, monkeypatch):
    chip, layer = sample_chip(0, 0, design), design.layers[1]
    (part,) = layer_parts(layer)
    assert part.outputs == range(3)
    assert part.layer is layer
    np.testing.assert_array_equal(part.of_chip(chip[1]).delvto, chip[1].delvto)
    monkeypatch.setattr(module, "WHOLE", 2)
    parts = layer_parts(layer)
    assert [part.outputs for part in parts] == [range(0, 1), range(1, 2), range(2, 3)]
    samples = [part.of_chip(chip[1]) for part in parts]
    for name, axis in (("resistance", 1), ("is_lrs", 1), ("delvto", 0)):
        joined = np.concatenate([getattr(sample, name) for sample in samples], axis)
        np.testing.assert_array_equal(joined, getattr(chip[1], name))
    weights = np.concatenate([part.layer.layer.weights for part in parts], 1)
    np.testing.assert_array_equal(weights, layer.layer.weights)


@pytest.mark.parametrize("k", [0, 1])
def test_the_deck_of_a_part_has_its_own_cells_neurons_and_load(design, k, monkeypatch):
    monkeypatch.setattr(module, "WHOLE", 2)
    sample = sample_chip(0, 0, design)[k]
    part = layer_parts(design.layers[k])[1]
    deck = network_deck(
        one_layer(design, part.layer),
        [part.of_chip(sample)],
        "cells",
        load=None if k else design.layers[1],
    )
    lines = deck.body.splitlines()
    first, c = part.outputs.start, part.layer.layer.columns_per_output
    neuron = next(x for x in lines if x.startswith("Xg0_0 "))
    assert f"={float(sample.delvto[first, 0]):.8g}" in neuron
    cell = next(x for x in lines if " w0_0_0 b0_0_0 " in x)
    assert float(cell.split()[-1]) == pytest.approx(
        float(sample.resistance[0, c * first]), rel=1e-7
    )
    gates = [x for x in lines if x.startswith("Xp0_")]
    loads = [x.split()[1:3] for x in lines if x.startswith("Xr1_")]
    # Each of two hidden neurons drives its pair of rows in three columns of tiles.
    assert len(gates) == (0 if k else 2)
    assert loads == ([] if k else [["p0_0", "pb0_0"]] * 3 + [["p0_1", "pb0_1"]] * 3)
    text = deck.image([0.0] * SMALL[k]).replace(f".include {BODY_NAME}", deck.body)
    counts = count_elements(text)
    assert not FORBIDDEN & set(counts)
    assert counts["i"] == 1


def test_rows_of_parts_become_those_of_chips_and_images():
    """Two chips, two parts of 1 and 2 outputs, three images, each with its number."""
    parts = [mock.Mock(spec=LayerPart, outputs=o) for o in (range(1), range(1, 3))]
    rows = [
        {"counts": [100 * chip + 10 * image + j for j in part.outputs]}
        for chip in range(2)
        for part in parts
        for image in range(3)
    ]
    joined = _joined(rows, parts, 2, 3)
    chip, image, output = np.indices((2, 3, 3))
    np.testing.assert_array_equal(joined, 100 * chip + 10 * image + output)


def test_hidden_codes_come_in_as_long_as_neurons_make_them(design):
    exact = exact_chip(design, sample_chip(0, 0, design))
    codes = np.array([[0, 1, 14, 15]], np.uint8)
    np.testing.assert_array_equal(
        pulse_widths(design, exact, 0, SMALL_CODES), CODES[:, :8]
    )
    widths = pulse_widths(design, exact, 1, codes)
    excess = float(exact[0].params.pulse_excess)
    assert excess != 0
    np.testing.assert_allclose(widths, [[0, 1 + excess, 14 + excess, 15]])


@pytest.mark.ngspice
def test_layers_alone_answer_as_in_the_whole_network(design, whole, tmp_path):
    full = _verified(verify, design, tmp_path)
    _assert_agree(whole, full)
    mine, theirs = (x.metrics["energy_by_block_j"] for x in (whole, full))
    # The same arrays, and the same pulse gates before the same drivers' gates.
    for block in ("array", "gate"):
        assert mine[block] == pytest.approx(theirs[block], rel=0.02)
    assert whole.metrics["codes_within_1"] == whole.metrics["counts_within_1"] == 1.0


@pytest.mark.ngspice
def test_neurons_behind_equivalents_answer_as_in_their_layer(design, whole, tmp_path):
    _assert_agree(_verified(verify_columns, design, tmp_path), whole)


@pytest.mark.ngspice
def test_columns_of_tiles_answer_as_their_layer_and_resume(
    design, whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "WHOLE", 2)
    started, rows = [], []

    def verified():
        return _verified(
            verify_layers,
            design,
            tmp_path,
            on_start=lambda *told: started.append(told),
            on_row=rows.append,
        )

    found = verified()
    _assert_agree(found, whole)
    assert started == [(0, 5), (2, 5)]
    assert [(d["layer"], d["from"]) for d in found.decks] == [
        (0, 0),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
    ]
    manifest = json.loads((tmp_path / "decks" / "manifest.json").read_text())
    assert [part["outputs"] for part in manifest["parts"]] == [
        [0, 2],
        [2, 4],
        [0, 1],
        [1, 2],
        [2, 3],
    ]
    files = {
        p.relative_to(tmp_path / "decks").as_posix()
        for pattern in ("*.cir", "*.inc")
        for p in (tmp_path / "decks").rglob(pattern)
    }
    assert files == set(manifest["sha256"])
    next(tmp_path.rglob("layer_1/from_001/*.json")).unlink()
    assert _answers(verified()) == _answers(found)
    assert started[2:] == [(2, 5), (4, 5)]
    assert len(rows) == 6
