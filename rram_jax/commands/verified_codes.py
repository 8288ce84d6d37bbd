"""Tables of codes and winners, alike for every tier that has neurons."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rram_jax.ngspice.compare import LayerComparison
from rram_jax.report.verified import CODES
from rram_jax.run_folder import write_table

RESULTS = (
    "chip",
    "image",
    "label",
    "winner_spice",
    "winner_surrogate",
    "counts_spice",
    "counts_surrogate",
    "counts_surrogate_end_to_end",
)
"""First columns of results.csv; outputs that tie are joined by a slash. The surrogate's
counts are given ngspice's own hidden codes, as in codes.csv; its winner, and the counts
in the last column, come from the input codes alone."""


def write_codes(
    rows: Sequence[dict[str, Any]],
    comparisons: Sequence[Sequence[LayerComparison]],
    folder: Path,
) -> None:
    """Write codes.csv, a row a neuron."""
    codes = [
        (
            row["chip"],
            row["image"],
            k,
            j,
            int(layer.spice[j]),
            int(layer.surrogate[j]),
            round(float(layer.position[j]), 4),
        )
        for row, image in zip(rows, comparisons, strict=True)
        for k, layer in enumerate(image)
        for j in range(len(layer.spice))
    ]
    write_table(folder / "codes.csv", CODES, codes)


def write_results(
    rows: Sequence[dict[str, Any]],
    comparisons: Sequence[Sequence[LayerComparison]],
    folder: Path,
    header: Sequence[str] = (),
    more: Sequence[Sequence[Any]] = (),
) -> None:
    """Write results.csv, a row an image; `header` and `more`: a tier's own columns."""
    results = [
        (
            row["chip"],
            row["image"],
            row["label"],
            "/".join(map(str, row["winner_spice"])),
            "/".join(map(str, row["winner_surrogate"])),
            " ".join(map(str, row["counts"])),
            " ".join(map(str, image[-1].surrogate)),
            " ".join(map(str, row["counts_surrogate_end_to_end"])),
            *own,
        )
        for row, image, own in zip(
            rows, comparisons, more or [()] * len(rows), strict=True
        )
    ]
    write_table(folder / "results.csv", [*RESULTS, *header], results)
