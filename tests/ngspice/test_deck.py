import csv
import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rram_jax.chip.program import sample_chip
from rram_jax.circuit.config import TileConfig
from rram_jax.commands.verify import FULL
from rram_jax.errors import InputError
from rram_jax.neuron.cmos import default_process
from rram_jax.ngspice.array import LINEAR
from rram_jax.ngspice.cmos import models_sha256
from rram_jax.ngspice.compare import compare_layers, end_to_end, exact_chip
from rram_jax.ngspice.deck import network_deck
from rram_jax.ngspice.decode import read_answer, read_answers
from rram_jax.ngspice.export import export
from rram_jax.ngspice.job import BODY_NAME, DeckJob, DeckRow, write_whole
from rram_jax.ngspice.runner import NgspiceInfo, run_deck
from rram_jax.ngspice.verify import read_row, verify
from rram_jax.ngspice.workplace import Workplace
from tests.ngspice.networks import CODES, SIZES, random_design, trials_of


@pytest.fixture(scope="module")
def design():
    return random_design()


def test_cells_deck_holds_every_sampled_cell(design):
    chip = sample_chip(0, 0, design)
    lines = network_deck(design, chip, "cells").body.splitlines()
    for k, sample in enumerate(chip):
        ohms = {}
        for line in lines:
            if line.startswith(f"R{k}_"):
                _, a, b, r = line.split()
                if a.startswith("w") and b.startswith("b"):
                    ohms[tuple(map(int, b[1:].split("_")[1:]))] = float(r)
        cells = np.asarray(sample.resistance)
        assert len(ohms) == cells.size
        written = np.array(
            [[ohms[i, j] for j in range(cells.shape[1])] for i in range(len(cells))]
        )
        np.testing.assert_allclose(written, cells, rtol=1e-7)  # eight digits


def test_deck_carries_the_mismatch_of_the_draw(design):
    chip = sample_chip(0, 0, design)
    body = network_deck(design, chip, "multiport").body
    shift = float(chip[0].delvto[2, 1])
    assert f"{shift:.8g}" in next(
        x for x in body.splitlines() if x.startswith("Xg0_2 ")
    )
    without = sample_chip(0, 0, design, mismatch=False)
    assert not np.asarray(without[0].delvto).any()
    # Trim pairs, the last ten rows, answer to the mismatch.
    np.testing.assert_array_equal(without[0].resistance[:-10], chip[0].resistance[:-10])


def test_wires_without_resistance_are_refused(design):
    first = dataclasses.replace(design.layers[0], tile=TileConfig(r_strap=0.0))
    bad = dataclasses.replace(design, layers=(first, *design.layers[1:]))
    for array in LINEAR:
        with pytest.raises(InputError, match="wires with resistance"):
            network_deck(bad, sample_chip(0, 0, design), array)
    with pytest.raises(InputError, match="array must be one of"):
        network_deck(design, sample_chip(0, 0, design), "cell")


def test_export_explains_itself(design, tmp_path):
    manifest, plan = export(trials_of(design, [2, 0], seed=1, chips=[0, 3]), tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text()) == json.loads(
        json.dumps(manifest)
    )
    names = {
        p.relative_to(tmp_path).as_posix()
        for p in tmp_path.rglob("*.*")
        if p.name != "manifest.json"
    }
    assert names == set(manifest["sha256"])
    assert manifest["n_cells"] == 2 * (40 * 5 + 11 * 6)
    bodies = {(tmp_path / f"chip_{c:04d}" / BODY_NAME).read_text() for c in (0, 3)}
    assert len(bodies) == 2  # two chips differ
    assert plan.t_stop == manifest["t_stop_s"]
    assert any("reference voltages" in x for x in manifest["ideal"])


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    write_whole(tmp_path / "deck.cir", "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "deck.cir", "new" * 10_000 + "\ud800")
    assert (tmp_path / "deck.cir").read_text() == "old"


def test_rows_of_another_shape_deck_or_ngspice_are_run_again(design, tmp_path):
    _, plan = export(trials_of(design, [2]), tmp_path)
    deck = tmp_path / "chip_0000" / "image_00002.cir"
    job = DeckJob(chip=0, image=2, deck=deck, plan=plan, timeout_s=1.0)
    ngspice = NgspiceInfo(path=Path("/ngspice"), version=46, klu=True)
    row = DeckRow(
        codes=[[1, 2, 3, 4, 5]],
        counts=[3, 2, 1],
        width_error=0.01,
        energy_j={"gm": 1e-12},
        regulator_j=1e-12,
        peak_current_a={"vp": 1e-4},
        chip=0,
        image=2,
        deck_sha256=job.sha256,
        seconds=2.0,
        cpu_s=1.5,
        rss_bytes=10**7,
        n_points=1000,
        solver="KLU",
        simulator="ngspice 46",
        notes=["Note: a"],
    )
    good = dataclasses.asdict(row)
    assert read_row(job, ngspice) is None  # there is none yet
    job.row.write_text(json.dumps(good))
    assert read_row(job, ngspice) == good
    retried = good | {"retries": ["method=gear"]}
    job.row.write_text(json.dumps(retried))
    assert read_row(job, ngspice) == retried
    job.row.write_text(json.dumps({k: good[k] for k in good if k != "retries"}))
    assert read_row(job, ngspice) == good  # of a version that never retried
    for other in ({"version": 45}, {"klu": False}):
        assert read_row(job, dataclasses.replace(ngspice, **other)) is None
    text = json.dumps(good)
    bad = [b"[1]", b"5", b"{}", b"", b"\xff\x00", b"[" * 10**5, text[:-9].encode()]
    changes = ({"counts": "3"}, {"counts": [1.5]}, {"image": 1}, {"deck_sha256": "0"})
    bad += [json.dumps(good | change).encode() for change in changes]
    for content in bad:
        job.row.write_bytes(content)
        assert read_row(job, ngspice) is None, content[:40]


@pytest.mark.ngspice
def test_a_whole_network_answers_as_its_surrogate(design):
    """Cells, multiport and surrogate: 8 neurons, comparators and drivers of MOSFETs."""
    chip, codes = sample_chip(0, 0, design), CODES[1]
    exact, answers = exact_chip(design, chip), {}
    for array in LINEAR:
        deck = network_deck(design, chip, array)
        run = run_deck(
            deck.image(codes.tolist()), t_stop=deck.t_stop, files={BODY_NAME: deck.body}
        )
        answers[array] = read_answer(deck.plan, run.data)
    cells, multiport = answers["cells"], answers["multiport"]
    # Kron reduction is exact; what differs is where the time points fall.
    assert cells.codes == multiport.codes
    assert np.abs(np.subtract(cells.counts, multiport.counts)).max() <= 1
    # Within 1 % by the same token: the array's energy is that of the same resistors.
    assert cells.energy_j["array"] == pytest.approx(
        multiport.energy_j["array"], rel=0.01
    )
    hidden, output = compare_layers(
        design, exact, codes, [*multiport.codes, multiport.counts]
    )
    assert np.ptp(hidden.spice) > 2  # the codes say something
    assert np.abs(hidden.spice - hidden.surrogate).max() <= 1
    assert np.mean(hidden.spice == hidden.surrogate) >= 0.8
    # A count is a quarter slot; the card's residual is below a tenth of a slot.
    assert np.abs(output.spice - output.surrogate).max() <= 1
    assert multiport.width_error < 0.1
    assert min(multiport.energy_j[b] for b in ("gm", "latch", "gate", "array")) > 0
    alone = end_to_end(design, exact, codes[None])[0]
    assert np.abs(alone - multiport.counts).max() <= 5  # a hidden code may differ by 1


@pytest.mark.slow
@pytest.mark.ngspice
def test_images_in_a_row_answer_as_each_alone(design):
    chip, answers = sample_chip(0, 0, design), []
    for images in ([2, 1], [1]):
        deck = network_deck(design, chip, "multiport", conversions=len(images))
        text = deck.images([CODES[k].tolist() for k in images])
        run = run_deck(text, t_stop=deck.t_stop, files={BODY_NAME: deck.body})
        answers.append(read_answers(deck.plan, run.data))
    (_, second), (alone,) = answers
    assert second.codes == alone.codes
    # What the auto-zero leaves is 0.03 slots, an eighth of a count.
    assert np.abs(np.subtract(second.counts, alone.counts)).max() <= 1
    assert second.energy_j["gm"] > alone.energy_j["gm"]
    with pytest.raises(InputError, match="converts 1 images"):
        deck.images([[0] * SIZES[0]] * 2)


@pytest.mark.ngspice
def test_verify_resumes_from_finished_decks(design, tmp_path):
    trials, seen = trials_of(design, [0, 1]), []

    def stop(row):
        seen.append(row["image"])
        raise KeyboardInterrupt

    work = Workplace(workers=1, on_row=stop)
    with pytest.raises(KeyboardInterrupt):
        verify(trials, tmp_path, work, watch=(0, 1))
    # The worker is stopped in the midst of the second deck.
    assert len(list(tmp_path.glob("decks/chip_0000/*.json"))) == len(seen) == 1
    left = tmp_path / "decks" / "chip_0000" / "runs" / "ngspice-of-a-killed-run"
    left.mkdir(parents=True)
    started, rows = [], []
    work = Workplace(
        workers=1,
        on_start=lambda done, total: started.append((done, total)),
        on_row=rows.append,
    )
    found = verify(trials, tmp_path, work, watch=(0, 1))
    assert not left.exists()
    assert started == [(1, 2)]
    assert [row["image"] for row in rows] == [1]
    assert [row["image"] for row in found.rows] == [0, 1]
    metrics = found.metrics
    assert metrics["n_images"] == 2
    assert metrics["codes_within_1"] == 1.0
    assert metrics["energy_j"] == pytest.approx(
        sum(metrics["energy_by_block_j"].values())
    )
    assert metrics["energy_per_mac_j"]["all"] * metrics["n_macs"] == pytest.approx(
        metrics["energy_j"]
    )
    assert metrics["n_macs"] == sum(a * b for a, b in pairwise(SIZES))
    assert "v(out0_1)" in np.load(tmp_path / "waves.npz", allow_pickle=False)

    FULL.write_tables(found, tmp_path)
    with (tmp_path / "results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["chip"], row["image"]) for row in table] == [("0", "0"), ("0", "1")]
    for told, row in zip(table, found.rows, strict=True):
        assert told["deck_sha256"] == row["deck_sha256"]
        assert told["network_sha256"] == design.network.sha256
        assert told["neuron_card_sha256"] == design.card.sha256
        assert told["transistors_sha256"] == models_sha256(default_process())
        assert [int(code) for code in told["codes"].split()] == row["codes"][0]
        energies = [float(v) for k, v in told.items() if k.startswith("energy_")]
        assert energies == pytest.approx(list(row["energy_j"].values()))
