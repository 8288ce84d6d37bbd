import dataclasses
import json

import numpy as np
import pytest

import rram_jax.chip.evaluate as evaluate_module
from rram_jax.chip.config import NetworkConfig
from rram_jax.chip.design import design_network
from rram_jax.chip.evaluate import ChipEvaluator, evaluate
from rram_jax.chip.program import sample_chip
from rram_jax.chip.statistics import summarise
from rram_jax.circuit.attenuation import mapped_transfer
from rram_jax.device.card import load_card
from rram_jax.errors import InputError
from tests.helpers import (
    count_calls,
    is_one_sentence,
    neuron_card,
    on_devices,
    random_network,
    with_slopes,
    write_card,
)

CONFIG = NetworkConfig(sizes=(6, 5, 3), columns_per_output=2)
DEVICE = dataclasses.replace(load_card("bench-r10"), sigma_lrs=0.6)
JUMPING = dataclasses.replace(DEVICE, rtn_traps_lrs=0.8)
N = 17


def _images():
    rng = np.random.default_rng(1)
    return rng.integers(0, 16, (N, 6), np.uint8), rng.integers(0, 3, N, np.uint8)


def _design(circuit, device=DEVICE, **changes):
    return design_network(random_network(1, CONFIG), device, circuit, **changes)


def _tie_network():
    """All outputs alike: every image ties."""
    network = random_network(1, CONFIG)
    hidden, output = network.layers
    output = dataclasses.replace(output, weights=np.repeat(output.weights[:, :1], 6, 1))
    return dataclasses.replace(network, layers=(hidden, output))


def _mapped(resistance, layer):
    return mapped_transfer(1 / resistance, layer.attenuation)


def _by_numpy(design, chip, codes, labels, cycle=0, transfer=_mapped):
    """Right answers and ties of one chip, in float64, cell by cell."""
    codes = codes.astype(float)
    samples = sample_chip(4, chip, design, rtn_pass=None, cycle=cycle)
    for layer, part in zip(design.layers, samples, strict=True):
        rows = np.asarray(transfer(part.resistance, layer), float)
        mean = 0.2 * codes @ (rows[0::2] - rows[1::2]) / 15
        neuron = layer.neuron
        position = 15 * (mean + neuron.v_shift) / neuron.v_full
        scaled = (position - 0.5) * neuron.clocks_per_slot
        codes = np.clip(np.ceil(scaled), 0, neuron.decisions)
    best = codes.max(1, keepdims=True)
    tie = (codes == best).sum(1) > 1
    return ((codes.argmax(1) == labels) & ~tie).sum(), tie.sum()


def test_counts_are_those_of_the_sampled_chips(circuit):
    design, (codes, labels) = _design(circuit), _images()
    right, ties, *_ = ChipEvaluator(design, codes, labels)(
        4, range(5), DEVICE.params(), 0.2
    )
    expected = [_by_numpy(design, chip, codes, labels) for chip in range(5)]
    np.testing.assert_array_equal(right, [r for r, _ in expected])
    np.testing.assert_array_equal(ties, [t for _, t in expected])
    assert len(set(right.tolist())) > 1
    assert ties.sum() > 0


def test_blocks_and_their_padding_do_not_count(circuit, monkeypatch):
    design, (codes, labels) = _design(circuit), _images()
    whole = ChipEvaluator(design, codes, labels)(4, [0, 1], DEVICE.params(), 0.2)
    monkeypatch.setattr(evaluate_module, "IMAGES_PER_BLOCK", 7)
    cut = ChipEvaluator(design, codes, labels)
    assert cut.n_images == N
    np.testing.assert_array_equal(cut(4, [0, 1], DEVICE.params(), 0.2), whole)
    # Padding is dark, and a dark image ties: here everything does, N times.
    tied = design_network(_tie_network(), DEVICE, circuit, wires=False)
    # Cells of equal columns differ from each other: nominal ones do not.
    still = dataclasses.replace(DEVICE, sigma_lrs=0.0, sigma_hrs=0.0).params()
    right, ties, *_ = ChipEvaluator(tied, codes, labels)(0, [0], still, 0.2)
    assert (right.tolist(), ties.tolist()) == ([0], [N])


MAP_AND_FULL = ["map", pytest.param("full", marks=pytest.mark.slow)]


@pytest.mark.parametrize("name", MAP_AND_FULL)
def test_chips_are_the_same_in_any_chunk_and_order(circuit, name):
    design, (codes, labels) = _design(circuit), _images()
    run = ChipEvaluator(design, codes, labels, name)
    device = dataclasses.replace(DEVICE, rtn_traps_lrs=0.8).params()
    right, ties, *_ = run(9, [3, 0, 7, 5], device, 0.2)
    assert len(set(right.tolist())) > 1
    for chips, places in (([7], [2]), ([0, 5, 3], [1, 3, 0])):
        r, t, *_ = run(9, chips, device, 0.2)
        np.testing.assert_array_equal(r, right[places])
        np.testing.assert_array_equal(t, ties[places])


ON_FOUR_DEVICES = """
import dataclasses, json, sys
import jax
from rram_jax.chip.config import CircuitConfig
from rram_jax.chip.evaluate import ChipEvaluator
from rram_jax.circuit.config import TileConfig
from tests.chip.test_evaluate import JUMPING, N, _design, _images

assert jax.device_count() == 4
tile = TileConfig(**json.loads(sys.argv[2]))
design = _design(CircuitConfig(neuron_card=sys.argv[1], tile=tile))
assert ChipEvaluator(design, *_images()).devices == tuple(jax.devices())
told = []
# Seven chips are no multiple of four, nor ten of three.
for name, n, chips in (("full", 4, [7, 2, 5, 0, 1, 9, 8]), ("map", 3, range(10))):
    run = ChipEvaluator(design, *_images(), name, devices=jax.devices()[-n:])
    counts = run(9, chips, JUMPING.params(), 0.2)
    told.append([part.tolist() for part in counts[:2]])
print(json.dumps(told))
"""


def test_chips_are_the_same_on_any_number_of_devices(circuit, tmp_path):
    path = write_card(with_slopes(neuron_card(noise_rms=3e-3), lambda k: 3e2), tmp_path)
    here = dataclasses.replace(circuit, neuron_card=path)
    tile = json.dumps(dataclasses.asdict(circuit.tile))
    told = on_devices(4, ON_FOUR_DEVICES, path, tile)
    for name, some, found in (
        ("full", [7, 2, 5, 0, 1, 9, 8], told[0]),
        ("map", list(range(10)), told[1]),
    ):
        run = ChipEvaluator(_design(here), *_images(), name)
        assert len(run.devices) == 1
        right, ties, *_ = run(9, range(10), JUMPING.params(), 0.2)
        assert len(set(right.tolist())) > 2
        assert found == [right[some].tolist(), ties[some].tolist()]


def test_full_circuit_has_noise_mismatch_and_rtn(circuit, tmp_path):
    codes, labels = _images()

    def evaluator(card, name="full"):
        path = write_card(card, tmp_path)
        here = dataclasses.replace(circuit, neuron_card=path)
        return ChipEvaluator(_design(here), codes, labels, name)

    def right(run, device=DEVICE, rtn_pass=0):
        return run(4, range(8), device.params(), 0.2, rtn_pass)[0].tolist()

    traps = dict(rtn_traps_lrs=1.0, rtn_amplitude_lrs=1.0, rtn_traps_hrs=1.0)
    jumping = dataclasses.replace(DEVICE, **traps)
    perfect, noisy = evaluator(neuron_card()), evaluator(neuron_card(noise_rms=3e-3))
    quiet = right(perfect)
    assert right(perfect, jumping) != quiet
    assert right(perfect, jumping, rtn_pass=1) != right(perfect, jumping)
    assert right(noisy) != quiet
    assert right(noisy) == right(noisy)
    uneven = evaluator(with_slopes(neuron_card(), lambda k: 3e2))
    assert right(uneven) != quiet
    # None of it is in the map.
    worst = with_slopes(neuron_card(noise_rms=3e-3), lambda k: 3e2)
    by_map = evaluator(neuron_card(), "map")
    assert right(evaluator(worst, "map"), jumping) == right(by_map)


def test_noise_differs_from_block_to_block(circuit, tmp_path, monkeypatch):
    # The same seven images twice: with the same noise every count would be even.
    monkeypatch.setattr(evaluate_module, "IMAGES_PER_BLOCK", 7)
    path = write_card(neuron_card(noise_rms=3e-3), tmp_path)
    here = dataclasses.replace(circuit, neuron_card=path)
    codes, labels = (np.concatenate([part[:7]] * 2) for part in _images())
    run = ChipEvaluator(_design(here), codes, labels, "full")
    right, *_ = run(4, range(10), DEVICE.params(), 0.2)
    assert (right % 2 == 1).any()


def test_a_sweep_of_spread_and_read_voltage_compiles_once(circuit, monkeypatch):
    design, (codes, labels) = _design(circuit), _images()
    traces = count_calls(monkeypatch, evaluate_module, "program_chip")
    run = ChipEvaluator(design, codes, labels)
    found = set()
    for seed, sigma in enumerate((0.0, 0.3, 1.0)):
        for v_read in (0.2, 0.1):
            device = dataclasses.replace(DEVICE, sigma_lrs=sigma).params()
            right, *_ = run(seed, range(4), device, v_read)
            found.add(tuple(right.tolist()))
        if not seed:
            after_first = len(traces)
    assert len(found) > 3  # what was swept came through
    assert len(traces) == after_first


def test_spread_costs_accuracy(circuit):
    # Labels that the nominal chip gives, then more and more spread.
    design, (codes, _) = _design(circuit), _images()
    still = dataclasses.replace(DEVICE, sigma_lrs=0.0, sigma_hrs=0.0).params()
    right = [
        ChipEvaluator(design, codes, np.full(N, k, np.int32))(0, [0], still, 0.2)[0][0]
        for k in range(3)
    ]
    assert sum(right) > 10  # the rest ties
    label = int(np.argmax(right))
    run = ChipEvaluator(design, codes, np.full(N, label, np.int32))
    mean = [
        run(0, range(40), dataclasses.replace(DEVICE, sigma_lrs=s).params(), 0.2)[
            0
        ].mean()
        for s in (0.0, 0.5, 2.0)
    ]
    assert max(right) * 1.1 > mean[0]
    assert mean[0] > mean[2]


def test_accuracy_in_one_call(circuit):
    design, (codes, labels) = _design(circuit), _images()
    quiet = dataclasses.replace(DEVICE, sigma_lrs=0.2)
    summary = evaluate(design, codes, labels, device=quiet, chips=6, seed=4)
    right, *_ = ChipEvaluator(design, codes, labels)(4, range(6), quiet.params(), 0.2)
    assert summary == summarise(right / N)


def test_wrong_inputs(circuit):
    design, (codes, labels) = _design(circuit), _images()
    with pytest.raises(InputError, match="ideal, map, full; got 'maps'") as error:
        ChipEvaluator(design, codes, labels, "maps")
    assert is_one_sentence(error.value)
    with pytest.raises(InputError, match="takes 6 inputs an image; got 5") as error:
        ChipEvaluator(design, codes[:, :5], labels)
    assert is_one_sentence(error.value)
    with pytest.raises(InputError, match="17 images and 16 labels") as error:
        ChipEvaluator(design, codes, labels[:-1])
    assert is_one_sentence(error.value)
    with pytest.raises(InputError) as error:
        ChipEvaluator(design, codes[:0], labels[:0])
    assert is_one_sentence(error.value)


def test_an_ideal_circuit_is_not_taken_from_a_wired_design(circuit):
    with pytest.raises(InputError, match="without wires") as error:
        ChipEvaluator(_design(circuit), *_images(), "ideal")
    assert is_one_sentence(error.value)
    ChipEvaluator(_design(circuit, wires=False), *_images(), "ideal")


@pytest.mark.parametrize("circuit_name", MAP_AND_FULL)
def test_designs_of_other_spreads_need_no_new_program(
    circuit, monkeypatch, circuit_name
):
    """A design for another spread has other full scales and wires, as arguments."""
    config = dataclasses.replace(CONFIG, trim=True)
    network, (codes, labels) = random_network(1, config), _images()
    designs = [
        design_network(network, dataclasses.replace(DEVICE, sigma_lrs=sigma), circuit)
        for sigma in (0.0, 0.3, 0.6)
    ]
    traces = count_calls(monkeypatch, evaluate_module, "program_chip")
    shared = ChipEvaluator(designs[0], codes, labels, circuit_name)
    answers, after_first = [], None
    for design in designs:
        device = design.device.params()
        answers.append(shared(1, range(4), device, 0.2, design=design))
        after_first = after_first or len(traces)
    assert len(traces) == after_first
    for design, answer in zip(designs, answers, strict=True):
        own = ChipEvaluator(design, codes, labels, circuit_name)
        fresh = own(1, range(4), design.device.params(), 0.2)
        np.testing.assert_array_equal(answer, fresh)
    assert (answers[0][0] != answers[2][0]).any()
