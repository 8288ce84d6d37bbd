"""`rram-jax verify --tier layer`: every cell, wire and neuron of a layer at a time."""

from pathlib import Path
from typing import Any

from rram_jax.commands.terminal import say, show_table
from rram_jax.commands.tier import Tier
from rram_jax.commands.verified_codes import write_codes, write_results
from rram_jax.ngspice.verify_layers import LayerVerification, verify_layers
from rram_jax.run_folder import read_metrics, write_table

DECKS = ("chip", "image", "layer", "from", "seconds", "cpu_s", "n_points", "solver")
DECKS += ("retries", "width_error", "deck_sha256")
"""First columns of decks.csv, a row a deck of the outputs `from` one on; energies by
block follow."""


def _write_tables(found: LayerVerification, folder: Path) -> None:
    write_codes(found.rows, found.comparisons, folder)
    write_results(found.rows, found.comparisons, folder)
    blocks = list(found.decks[0]["energy_j"])
    decks = [
        [*(told[key] for key in DECKS), *(told["energy_j"][b] for b in blocks)]
        for told in ({**d, "retries": ", ".join(d["retries"])} for d in found.decks)
    ]
    header = [*DECKS, *(f"energy_{block}_j" for block in blocks)]
    write_table(folder / "decks.csv", header, decks)


def _told(row: dict[str, Any]) -> str:
    return (
        f"{row['seconds']:.0f} s for a layer of image {row['image']} on chip"
        f" {row['chip']}"
    )


def _show(out: Path) -> None:
    metrics = read_metrics(out, network=str, codes_equal=float, energy_by_block_j=dict)

    array = 1e9 * metrics["energy_by_block_j"]["array"]

    def percent(key: str) -> str:
        return f"{100 * metrics[key]:.1f} %"

    show_table(
        f"{metrics['network']} on {metrics['dataset']}: {metrics['n_images']} test"
        f" images on {metrics['n_chips']} chips, layer by layer,"
        f" {metrics['n_mosfets']} transistors, {metrics['n_cells']} RRAM cells as"
        f" {metrics['array']}, {metrics['simulator']} ({metrics['solver']})",
        ("what", "value"),
        (
            ("hidden codes equal to the surrogate's", percent("codes_equal")),
            ("... among active neurons", percent("codes_equal_active")),
            ("... within 1", percent("codes_within_1")),
            ("output counts equal", percent("counts_equal")),
            ("... within 1", percent("counts_within_1")),
            ("same winner, end to end", percent("winner_equal")),
            ("right: ngspice", percent("accuracy_spice")),
            ("right: surrogate", percent("accuracy_surrogate")),
            ("ties in ngspice", str(metrics["n_ties"])),
            ("energy of the arrays, an image", f"{array:.2f} nJ"),
            ("processor time an image", f"{metrics['cpu_s_per_image']:.0f} s"),
        ),
    )
    say(f"Results: {out} (metrics.json, results.csv, codes.csv, decks.csv, decks/).")


LAYER = Tier(simulate=verify_layers, write_tables=_write_tables, told=_told, show=_show)
"""What `verify --tier layer` does."""
