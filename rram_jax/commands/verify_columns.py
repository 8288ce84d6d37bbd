"""`rram-jax verify --tier column`: neurons behind their bit lines' equivalents."""

from pathlib import Path
from typing import Any

from rram_jax.commands.terminal import say, show_table
from rram_jax.commands.tier import Tier
from rram_jax.commands.verified_codes import write_codes, write_results
from rram_jax.ngspice.verify_columns import ColumnVerification, verify_columns
from rram_jax.run_folder import read_metrics, write_table

DECKS = (
    "chip",
    "layer",
    "n",
    "seconds",
    "cpu_s",
    "n_points",
    "solver",
    "deck_sha256",
    "retries",
)
"""Columns of decks.csv, a row a deck of `n` conversions."""


def _write_tables(found: ColumnVerification, folder: Path) -> None:
    write_codes(found.rows, found.comparisons, folder)
    write_results(found.rows, found.comparisons, folder)
    decks = []
    for deck in found.decks:
        retries = ", ".join(deck["retries"])
        told = {**deck, "n": len(deck["counts"]), "retries": retries}
        decks.append([told[key] for key in DECKS])
    write_table(folder / "decks.csv", DECKS, decks)


def _told(row: dict[str, Any]) -> str:
    return f"{len(row['counts'])} conversions in {row['seconds']:.0f} s"


def _show(out: Path) -> None:
    metrics = read_metrics(out, network=str, codes_equal=float, n_conversions=int)

    def percent(key: str) -> str:
        return f"{100 * metrics[key]:.1f} %"

    show_table(
        f"{metrics['network']} on {metrics['dataset']}: {metrics['n_images']} test"
        f" images on {metrics['n_chips']} chips, {metrics['n_conversions']} conversions"
        f" behind bit lines' equivalents, {metrics['simulator']} ({metrics['solver']})",
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
            ("time a conversion", f"{metrics['cpu_s_per_conversion']:.2f} s"),
        ),
    )
    say(f"Results: {out} (metrics.json, results.csv, codes.csv, decks.csv, decks/).")


COLUMN = Tier(
    simulate=verify_columns, write_tables=_write_tables, told=_told, show=_show
)
