"""Small run folders in the written format, with another number in every place."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from rram_jax.device.card import load_card
from rram_jax.neuron.config import NeuronConfig
from rram_jax.run_folder import write_json, write_table
from tests.helpers import write_card
from tests.neuron.cards import small_card

RESULTS = (
    "chip",
    "image",
    "label",
    "winner_spice",
    "winner_surrogate",
    "counts_spice",
    "seconds",
    "deck_sha256",
)
CODES = ("chip", "image", "layer", "neuron", "spice", "surrogate", "position")

VERSIONS = {
    "started": "2026-11-24T18:05:12+00:00",
    "command_line": "/opt/tools/bin/rram-jax demo --out 'runs/my demo'",
    "python": "3.12.7",
    "platform": "Linux-6.1",
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "rram_jax": "0.1.0",
    "jax": "0.10.2",
    "numpy": "2.4.6",
}

NEURONS = (
    NeuronConfig(v_full=9.62e-3, ramp_advance=0.7),
    NeuronConfig(
        v_full=15.1e-3,
        v_shift=2.5e-3,
        clocks_per_slot=4,
        asynchronous=True,
        ramp_advance=0.9,
    ),
)

IDEAL = ("clocks and phases", "something <b>new</b>")

# image, label, hidden codes of ngspice and surrogate, crossings, output counts of both
DECKS = (
    (0, 7, (3, 0, 15), (3, 0, 15), (3.2, -8.25, 21.0), (12, 40), (12, 41)),
    (1, 0, (6, 1, 0), (5, 1, 0), (5.45, 0.9, -0.6), (33, 33), (33, 32)),
)


def make_trained(folder: Path, sigma: float, sha256: str, dataset="mnist5k") -> Path:
    (folder / "network").mkdir(parents=True)
    write_json(
        folder / "config.json",
        {
            "command": "train",
            "network": {"sizes": [9, 3, 2]},
            "data": dataset,
            "device": "bench-r10",
            "sigma_lrs": sigma,
            "epochs": 61,
            "seed": 5,
            "batch": 100,
        },
    )
    write_json(
        folder / "metrics.json",
        {
            "dataset": dataset,
            "accuracy_validation": 0.9213,
            "accuracy_ideal": 0.9134,
            "n_images": 777,
            "epochs": 61,
            "n_weights": 1234,
            "n_cells": 2468,
            "network_sha256": sha256,
        },
    )
    write_json(folder / "versions.json", VERSIONS)
    return folder


def make_curve(ideal: float, slope: float, dataset="mnist5k") -> list[dict]:
    return [
        {
            "dataset": dataset,
            "n_images": 777,
            "n_chips": 43,
            "circuit": "map",
            "device": "bench-r10",
            "seed": 3,
            "sigma_lrs": sigma,
            "accuracy_ideal": ideal,
            "accuracy_mean": ideal - slope * sigma,
            "accuracy_p01": ideal - 2 * slope * sigma - 0.01,
            "accuracy_worst": ideal - 2 * slope * sigma - 0.02,
            "ci95": [ideal - slope * sigma - 0.003, ideal - slope * sigma + 0.003],
        }
        for sigma in (0.0, 0.25, 0.5)
    ]


def make_verified(folder: Path, array: str, decks=DECKS, dataset="mnist5k") -> Path:
    folder.mkdir(parents=True)
    card = dataclasses.asdict(load_card("hfo2-nominal")) | {"sigma_lrs": 0.31}
    write_json(
        folder / "config.json",
        {
            "command": "verify",
            "data": dataset,
            "device": "hfo2-nominal",
            "sigma_lrs": 0.31,
            "array": array,
            "images": len(decks),
            "chips": 1,
            "seed": 3,
            "mismatch": True,
            "device_card": card,
            "design": {"v_read": 0.2, "neuron_card": write_card(small_card(), folder)},
            "neurons": [dataclasses.asdict(neuron) for neuron in NEURONS],
            "data_sha256": {"images": "aa11", "labels": "bb22"},
        },
    )
    write_json(folder / "metrics.json", _metrics(array, decks, dataset))
    write_json(folder / "versions.json", VERSIONS)
    write_table(folder / "results.csv", RESULTS, _results(decks))
    write_table(folder / "codes.csv", CODES, _codes(decks))
    np.savez_compressed(folder / "waves.npz", **make_waves())
    return folder


def _metrics(array, decks, dataset):
    codes = [s - t for d in decks for s, t in zip(d[2], d[3], strict=True)]
    return {
        "tier": "full",
        "checkpoint": "demo/hardened",
        "network": "mlp-9-3-2",
        "dataset": dataset,
        "array": array,
        "sigma_lrs": 0.31,
        "n_images": len(decks),
        "n_chips": 1,
        "n_mosfets": 1357,
        "n_cells": 66,
        "codes_equal": np.mean(np.equal(codes, 0)),
        "codes_equal_active": 0.75,
        "codes_within_1": 1.0,
        "n_codes": len(codes),
        "n_active": 4,
        "counts_equal": 0.5,
        "counts_within_1": 1.0,
        "lsb_histogram": {"0": 5, "1": 1},
        "winner_equal": 1 / len(decks),
        "n_ties": len(decks) - 1,
        "accuracy_spice": 0.0,
        "accuracy_surrogate": 1 / len(decks),
        "energy_j": 1.5e-9,
        "energy_by_block_j": {"gm": 0.4e-9, "array": 1.1005e-9, "pre": -0.5e-12},
        "array_from_regulator_j": 5.4321e-9,
        "peak_current_a": {"vp": 12.34e-3, "vm": 23.46e-3},
        "pulse_width_error_slots": 0.0174,
        "seconds_per_image": 61.7,
        "simulator": "ngspice 46",
        "solver": "KLU",
        "network_sha256": "cafe" * 16,
        "ideal": IDEAL,
    }


def _results(decks):
    for image, label, _, _, _, spice, surrogate in decks:
        winners = [
            "/".join(str(k) for k, n in enumerate(counts) if n == max(counts))
            for counts in (spice, surrogate)
        ]
        counts = " ".join(map(str, spice))
        yield 0, image, label, *winners, counts, 61.7, f"deadbeef0000000{image}"


def _codes(decks):
    for image, _, spice, surrogate, position, counts, counts_surrogate in decks:
        for j, cells in enumerate(zip(spice, surrogate, position, strict=True)):
            yield 0, image, 0, j, *cells
        for j, cells in enumerate(zip(counts, counts_surrogate, strict=True)):
            yield 0, image, 1, j, *cells, 2.5 * j


def make_waves(layer: int = 0, neuron: int = 2) -> dict[str, np.ndarray]:
    """Phases as in a deck with slots of 5 ns, and a neuron that counts 9."""
    time = np.linspace(0, 280e-9, 2801)

    def between(start, stop, low=0.0, high=1.8):
        return np.where((time >= start) & (time < stop), high, low)

    clock = np.where(np.mod(time, 5e-9) < 2e-9, 1.8, 0.0)
    ramp = np.clip((time - 20e-9) / 75e-9, 0, 1) - np.clip((time - 96e-9) / 75e-9, 0, 1)
    own = {
        "s": 0.4 + between(20e-9, 60e-9, 0.0, 0.006),
        "out": 0.8 + 0.3 * ramp,
        "dum": 0.8 + 0 * time,
        "q": between(95e-9, 145e-9),
        "p": between(100e-9, 145e-9),
    }
    shared = {
        "az": between(0, 12e-9),
        "rs": between(13e-9, 19e-9),
        "ref": 0.4 + between(96e-9, 175e-9, 0.0, 9.62e-3),
        "clk": clock * between(85e-9, 175e-9, 0.0, 1.0),
        "en": between(100e-9, 175e-9),
    }
    names = {f"v({name}{layer}_{neuron})": wave for name, wave in own.items()}
    return {
        "time": time,
        **names,
        **{f"v({name}{layer})": wave for name, wave in shared.items()},
    }


def make_demo(folder: Path, dataset="mnist5k", other="conventional") -> dict:
    """All folders of a demo; returns the arguments of `write_report` but `out`."""
    return {
        "trained": {
            other: make_trained(folder / "conventional", 0.0, "beef" * 16, dataset),
            "hardened": make_trained(folder / "hardened", 0.3, "cafe" * 16, dataset),
        },
        "curves": {
            other: make_curve(0.9134, 0.2, dataset),
            "hardened": make_curve(0.9201, 0.1, dataset),
        },
        "verified": {
            "multiport": make_verified(
                folder / "verify-multiport", "multiport", dataset=dataset
            ),
            "cells": make_verified(
                folder / "verify-cells", "cells", DECKS[:1], dataset=dataset
            ),
        },
    }


def edit_json(path: Path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# chip, layer, image, slot, output, volts of ngspice and of the surrogate
LINES = (
    (0, 0, 4, 0, 2, 1.0e-3, 1.0e-3),
    (0, 0, 4, 3, 1, -2.0e-3, -2.0e-3 - 9.62e-6),
    (1, 0, 5, 14, 0, 3.0e-3, 3.0e-3 + 4.81e-6),
    (1, 1, 5, 2, 1, 5.0e-3 - 1.51e-6, 5.0e-3),
)


def make_static(folder: Path, lines=LINES) -> Path:
    make_verified(folder, "multiport")
    for name in ("codes.csv", "results.csv", "waves.npz"):
        (folder / name).unlink()
    edit_json(
        folder / "metrics.json",
        tier="static",
        n_voltages=len(lines),
        error_max=1e-3,
        error_rms=4e-4,
        bar=2e-3,
    )
    header = ("chip", "layer", "image", "slot", "output", "spice_v", "surrogate_v")
    write_table(folder / "voltages.csv", header, lines)
    return folder


def make_column(folder: Path) -> Path:
    """A run with codes, but without energies and waveforms."""
    make_verified(folder, "multiport")
    (folder / "waves.npz").unlink()
    metrics = json.loads((folder / "metrics.json").read_text())
    for name in ("energy_j", "energy_by_block_j", "peak_current_a", "n_mosfets"):
        del metrics[name]
    write_json(folder / "metrics.json", metrics | {"tier": "column"})
    return folder
