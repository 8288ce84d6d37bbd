"""What the finished runs say: a row a deck, and a row a run."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from rram_jax.chip.config import count_macs, parse_sizes
from rram_jax.commands.config import VerifyCommand
from rram_jax.ngspice.cost import energy_per_mac
from rram_jax.run_folder import read_metrics

Rows = list[dict[str, Any]]


def finished_parts(parts: dict[str, VerifyCommand]) -> dict[str, Path]:
    """Folders of the runs that are finished, by name."""
    folders = {name: part.out for name, part in parts.items()}
    return {
        name: folder
        for name, folder in folders.items()
        if folder and (folder / "metrics.json").is_file()
    }


def deck_rows(folders: dict[str, Path]) -> Rows:
    """A row a deck of every run of the tier `full`: answers, energies and digests."""
    out = []
    for name, folder in folders.items():
        metrics = read_metrics(folder, tier=str)
        if metrics["tier"] != "full":
            continue
        config = json.loads((folder / "config.json").read_text())
        answers = _table(folder / "results.csv")
        codes = _codes(folder / "codes.csv")
        for answer in answers:
            chip, image = int(answer["chip"]), int(answer["image"])
            place = folder / "decks" / f"chip_{chip:04d}" / f"image_{image:05d}.json"
            deck = json.loads(place.read_text())
            equal = codes[chip, image]
            out.append(
                {
                    "run": name,
                    "network_sha256": config["network_sha256"][:16],
                    "neuron_card_sha256": config["neuron_card_sha256"][:16],
                    "transistors_sha256": config["transistors_sha256"][:16],
                    "deck_sha256": deck["deck_sha256"],
                    "array": metrics["array"],
                    "chip": chip,
                    "image": image,
                    "label": int(answer["label"]),
                    "winner_spice": answer["winner_spice"],
                    "winner_surrogate": answer["winner_surrogate"],
                    "codes_equal": int(np.sum(equal == 0)),
                    "codes_within_1": int(np.sum(abs(equal) <= 1)),
                    "codes": len(equal),
                    "counts_spice": answer["counts_spice"],
                    "counts_surrogate": answer["counts_surrogate"],
                    **{f"energy_{k}_j": v for k, v in deck["energy_j"].items()},
                    "array_from_regulator_j": deck["regulator_j"],
                    "peak_current_a": max(deck["peak_current_a"].values()),
                    **{k: deck[k] for k in ("cpu_s", "seconds", "rss_bytes")},
                    **{k: deck[k] for k in ("n_points", "simulator", "solver")},
                }
            )
    return out


def agreement_rows(folders: dict[str, Path]) -> Rows:
    """A row a run with neurons: how often ngspice and surrogate say the same."""
    out = []
    for name, folder in folders.items():
        metrics = read_metrics(folder, tier=str)
        if metrics["tier"] == "static":
            continue
        images = metrics["n_images"] * metrics["n_chips"]
        row = {
            "run": name,
            "network": metrics["network"],
            "tier": metrics["tier"],
            "array": metrics["array"],
            "images": metrics["n_images"],
            "chips": metrics["n_chips"],
        }
        for key in ("codes_equal", "codes_equal_active", "codes_within_1"):
            row[key] = metrics[key]
        row |= {key: metrics[key] for key in ("n_codes", "n_active")}
        for key in ("counts_equal", "counts_within_1"):
            row[key] = metrics[key]
        for key in ("winner_equal", "accuracy_spice", "accuracy_surrogate"):
            row[key] = metrics[key]
            row[f"{key}_low"], row[f"{key}_high"] = _interval(metrics[key], images)
        out.append(row | {"ties": metrics["n_ties"]})
    return out


def energy_rows(folders: dict[str, Path]) -> Rows:
    """A row a run of the tier `full`: energy an inference and a MAC, and its speed."""
    out = []
    for name, folder in folders.items():
        metrics = read_metrics(folder, tier=str)
        if metrics["tier"] != "full":
            continue
        manifest = json.loads((folder / "decks" / "manifest.json").read_text())
        blocks, macs = (
            metrics["energy_by_block_j"],
            count_macs(parse_sizes(metrics["network"])),
        )
        each = energy_per_mac(blocks, metrics["array_from_regulator_j"], macs)
        out.append(
            {
                "run": name,
                "macs": macs,
                **{f"energy_{k}_j": macs * v for k, v in each.items()},
                **{f"energy_{k}_per_mac_j": v for k, v in each.items()},
                **{f"energy_{k}_j": v for k, v in blocks.items()},
                "t_inference_s": manifest["t_stop_s"],
                "inferences_per_s": 1 / manifest["t_stop_s"],
                "peak_current_a": max(metrics["peak_current_a"].values()),
                "cpu_s_per_image": metrics["cpu_s_per_image"],
                "rss_bytes": metrics["rss_bytes"],
            }
        )
    return out


def static_rows(folders: dict[str, Path]) -> Rows:
    """A row a layer of every run of the tier `static`."""
    return [
        {"run": name, **layer}
        for name, folder in folders.items()
        if read_metrics(folder, tier=str)["tier"] == "static"
        for layer in read_metrics(folder, layers=list)["layers"]
    ]


def same_decks(folders: dict[str, Path], one: str, other: str) -> dict[str, int]:
    """Codes and counts of two runs on the images and chips that both have.

    Returns:
        `decks`, `codes` and `counts` compared, and how many are equal.
    """
    told = {"decks": 0, "codes": 0, "codes_equal": 0, "counts": 0, "counts_equal": 0}
    if {one, other} - folders.keys():
        return told
    first, second = (_answers(folders[name] / "codes.csv") for name in (one, other))
    for key in first.keys() & second.keys():
        told["decks"] += 1
        for (layer, neuron), code in first[key].items():
            kind = "counts" if layer == max(n for n, _ in first[key]) else "codes"
            told[kind] += 1
            told[f"{kind}_equal"] += code == second[key][layer, neuron]
    return told


def differences(folder: Path) -> np.ndarray:
    """[LSB] ngspice's code less the surrogate's, of every hidden code of a run."""
    return np.concatenate([*_codes(folder / "codes.csv").values()])


def _interval(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n, by Clopper and Pearson."""
    ci = scipy.stats.binomtest(round(share * n), n).proportion_ci()
    return float(ci.low), float(ci.high)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _answers(path: Path) -> dict[tuple[int, int], dict[tuple[int, int], int]]:
    """ngspice's codes by (chip, image) and (layer, neuron)."""
    out: dict[tuple[int, int], dict[tuple[int, int], int]] = {}
    for row in _table(path):
        key = int(row["chip"]), int(row["image"])
        place = int(row["layer"]), int(row["neuron"])
        out.setdefault(key, {})[place] = int(row["spice"])
    return out


def _codes(path: Path) -> dict[tuple[int, int], np.ndarray]:
    """[LSB] Differences of hidden codes by (chip, image)."""
    out: dict[tuple[int, int], list[int]] = {}
    rows = _table(path)
    last = max(int(row["layer"]) for row in rows)
    for row in rows:
        if int(row["layer"]) < last:
            key = int(row["chip"]), int(row["image"])
            out.setdefault(key, []).append(int(row["spice"]) - int(row["surrogate"]))
    return {key: np.array(value) for key, value in out.items()}
