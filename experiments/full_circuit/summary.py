"""The experiment's tables as text that can be pasted."""

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.full_circuit.tables import Rows


def summary(
    agreement: Rows,
    energy: Rows,
    static: Rows,
    same: Mapping[str, Mapping[str, int]],
    conditions: str,
) -> str:
    """Markdown of all that is finished.

    Args:
        agreement: Of `tables.agreement_rows`.
        energy: Of `tables.energy_rows`.
        static: Of `tables.static_rows`.
        same: Pairs of runs by name, and what `tables.same_decks` says of them.
        conditions: One sentence: data, chips, spread.
    """
    parts = ["# The whole circuit in ngspice", conditions]
    parts += ["## ngspice against surrogate, same cells", _agreement(agreement)]
    if energy:
        parts += ["## Energy and speed", _energy(energy)]
    if static:
        parts += ["## Bit lines at rest", _static(static)]
    told = [
        f"| {name} | {x['decks']} | {x['codes_equal']} of {x['codes']} |"
        f" {x['counts_equal']} of {x['counts']} |"
        for name, x in same.items()
        if x["decks"]
    ]
    if told:
        head = "| runs | decks | hidden codes equal | output counts equal |"
        parts += ["## Two tiers on the same images and chips"]
        parts += ["\n".join([head, _rule(4), *told])]
    return "\n\n".join(parts) + "\n"


def _agreement(rows: Rows) -> str:
    head = (
        "| run | images x chips | codes equal | active | within 1 | counts equal |"
        " same winner | right: ngspice | right: surrogate |"
    )
    lines = [
        f"| {r['run']} | {r['images']} x {r['chips']} | {_percent(r['codes_equal'])} of"
        f" {r['n_codes']} | {_percent(r['codes_equal_active'])} of {r['n_active']} |"
        f" {_percent(r['codes_within_1'])} | {_percent(r['counts_equal'])} |"
        f" {_share(r, 'winner_equal')} | {_share(r, 'accuracy_spice')} |"
        f" {_share(r, 'accuracy_surrogate')} |"
        for r in rows
    ]
    return "\n".join([head, _rule(9), *lines])


def _energy(rows: Rows) -> str:
    head = (
        "| run | neurons | + drivers | + array at its levels | array from a regulator |"
        " pJ a MAC | one image takes | peak current | CPU a deck | memory |"
    )
    keys = ("without_array_and_drivers", "without_array", "all", "all_from_regulator")
    lines = []
    for r in rows:
        joules = " | ".join(f"{1e9 * r[f'energy_{k}_j']:.2f} nJ" for k in keys)
        per_mac = " / ".join(f"{1e12 * r[f'energy_{k}_per_mac_j']:.3f}" for k in keys)
        lines.append(
            f"| {r['run']} | {joules} | {per_mac} | {1e9 * r['t_inference_s']:.0f} ns:"
            f" {1e-6 * r['inferences_per_s']:.2f} M/s |"
            f" {1e3 * r['peak_current_a']:.0f} mA | {r['cpu_s_per_image']:.0f} s |"
            f" {1e-6 * r['rss_bytes']:.0f} MB |"
        )
    return "\n".join([head, _rule(10), *lines])


def _static(rows: Rows) -> str:
    head = "| run | layer | voltages | largest error | rms | CPU a pattern |"
    lines = [
        f"| {r['run']} | {r['layer']} | {r['n_voltages']} | {_small(r['error_max'])} |"
        f" {_small(r['error_rms'])} | {r['cpu_s_per_pattern']:.3f} s |"
        for r in rows
    ]
    return "\n".join([head, _rule(6), *lines])


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _small(share: float) -> str:
    return f"{100 * share:.2g} %"


def _share(row: Mapping[str, Any], key: str) -> str:
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return f"{_percent(row[key])} ({100 * low:.0f}-{100 * high:.0f})"


def _rule(n: int) -> str:
    return "|" + "---|" * n


def lines_of(rows: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Header and cells of a table whose rows may lack some columns."""
    rows = list(rows)
    header = list(dict.fromkeys(key for row in rows for key in row))
    return header, [[row.get(key) for key in header] for row in rows]
