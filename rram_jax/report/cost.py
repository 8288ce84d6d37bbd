"""What an image costs: energy by block and multiplication, time, peak currents."""

from collections.abc import Mapping

from rram_jax.chip.config import count_macs, parse_sizes
from rram_jax.ngspice.cost import energy_per_mac, layer_instants
from rram_jax.report.energy import BLOCKS
from rram_jax.report.sheet import Column, Sheet, make_sheet
from rram_jax.report.tables import LEVELS
from rram_jax.report.verified import VerifiedRun

PER_MAC = {
    "without_array_and_drivers": "neurons and clocks: no arrays, no drivers",
    "without_array": "and drivers (input buffers, pulse gates, row drivers' gates)",
    "all": "and arrays, at their reference levels",
    "all_from_regulator": "the same with arrays drawn through linear regulators",
}
"""What `energy_per_mac` counts, in words."""

RUN = Column(name="run", heading="run")


def block_sheet(runs: Mapping[str, VerifiedRun]) -> Sheet:
    """Energy of an image by block, the arrays also as drawn through regulators."""
    columns = (
        RUN,
        Column(name="block", heading="block"),
        Column(name="holds", heading="holds"),
        Column(name="energy_j", heading="energy of an image [pJ]", scale=1e12),
        Column(name="share", heading="share [%]", scale=100),
    )
    rows = []
    for name, run in runs.items():
        m = run.metrics
        rows += [
            (name, block, BLOCKS.get(block, block), joule, _share(joule, m.energy_j))
            for block, joule in m.energy_by_block_j.items()
        ]
        through = m.array_from_regulator_j
        told = "arrays, if linear regulators made their levels (not in the sum)"
        rows.append((name, "array_from_regulator", told, through, None))
        rows.append((name, "all", "sum of the blocks", m.energy_j, 1.0))
    return make_sheet(columns, rows)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def mac_sheet(runs: Mapping[str, VerifiedRun]) -> Sheet:
    """Energy of one multiplication by a weight, counted four ways."""
    columns = (
        RUN,
        Column(name="counted", heading="counted"),
        Column(name="told", heading="that is"),
        Column(name="n_macs", heading="multiplications an image"),
        Column(name="energy_per_mac_j", heading="pJ a multiplication", scale=1e12),
    )
    rows = []
    for name, run in runs.items():
        m = run.metrics
        n_macs = count_macs(parse_sizes(m.network))
        found = energy_per_mac(m.energy_by_block_j, m.array_from_regulator_j, n_macs)
        rows += [(name, key, PER_MAC[key], n_macs, j) for key, j in found.items()]
    return make_sheet(columns, rows)


def time_sheet(runs: Mapping[str, VerifiedRun]) -> Sheet:
    """When each layer integrates and runs its ramp, in the circuit's own time."""
    columns = (
        RUN,
        Column(name="layer", heading="layer"),
        Column(name="block", heading="at work"),
        Column(name="start_s", heading="from [ns]", scale=1e9),
        Column(name="end_s", heading="to [ns]", scale=1e9),
    )
    rows = []
    for name, run in runs.items():
        instants = layer_instants(run.config.neurons)
        for k, (start, pulse, end) in enumerate(instants):
            rows.append((name, k, "drivers, array, integrators", start, pulse))
            rows.append((name, k, "ramp, comparators, pulse gates", pulse, end))
        rows.append((name, None, "an image, first drive to last count", 0.0, end))
    return make_sheet(columns, rows)


def peak_sheet(runs: Mapping[str, VerifiedRun]) -> Sheet:
    """Largest current of each reference level of the rows."""
    columns = (
        RUN,
        Column(name="level", heading="level"),
        Column(name="peak_current_a", heading="peak current [mA]", scale=1e3),
    )
    return make_sheet(
        columns,
        (
            (name, LEVELS.get(level, level), ampere)
            for name, run in runs.items()
            for level, ampere in run.metrics.peak_current_a.items()
        ),
    )
