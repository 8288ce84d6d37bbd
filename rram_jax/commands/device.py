"""`rram-jax device`: cards, what cells they make, and cards from measurements."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import tomli_w

from rram_jax.commands.config_parts import DeviceCommand
from rram_jax.commands.device_netlist import netlist
from rram_jax.commands.device_show import reset, show
from rram_jax.commands.terminal import (
    progress_bar,
    say,
    say_in_log,
    show_table,
)
from rram_jax.device.card import load_card, preset_names
from rram_jax.device.cycles import sample_cycles
from rram_jax.device.fit import DeviceFit, fit_card
from rram_jax.device.measured import measurement_writer, read_measurements
from rram_jax.device.mixture_fit import PROBABILITIES
from rram_jax.errors import InputError
from rram_jax.report.device import TICKS, quantile_figure
from rram_jax.run_folder import check_writable, write_json, write_text
from rram_jax.toml_file import check_name

REPLICATES = 500
"""[-] Bootstrap samples of `device fit`."""

CHUNK = 100_000
"""[-] Rows that `device sample` holds at a time, or one cell's."""


def device(config: DeviceCommand) -> None:
    """Do what the record asks for: list, show, reset, netlist, fit or sample.

    Raises:
        InputError: A card, measurements or a path do not serve.
    """
    if config.action == "list":
        _list()
    elif config.action == "show":
        show(config.name, config.out)
    elif config.action == "reset":
        reset(config.name, config.t_reset, config.out)
    elif config.out is None:  # which the record has checked
        return
    elif config.action == "netlist":
        _check_new(config.out, config.overwrite)
        netlist(config.name, config.out, verilog_a=config.verilog_a)
    else:
        run = _fit if config.action == "fit" else _sample
        run(config, config.out)


def _list() -> None:
    columns = ("r_lrs", "r_hrs", "sigma_lrs", "sigma_hrs")
    cards = [load_card(name) for name in preset_names()]
    show_table(
        "Device cards, resistances in Ohm",
        ("name", *columns),
        ((card.name, *(f"{getattr(card, c):g}" for c in columns)) for card in cards),
    )
    for card in cards:
        say(f"{card.name}: {card.source}")
    say("Each goes as --device into other commands; `device show NAME` tells more.")


def _fit(config: DeviceCommand, out: Path) -> None:
    if out.suffix != ".toml":
        raise InputError(f"A card is a TOML file: give --out NAME.toml, not {out}.")
    check_name(out.stem, "device card")
    beside = out.with_name(f"{out.stem}-fit")
    json = beside.with_name(f"{beside.name}.json")
    figures = [beside.with_name(f"{beside.name}.{kind}") for kind in ("png", "svg")]
    for path in (out, json, *figures):
        _check_new(path, config.overwrite)
    file = Path(config.name)
    origin = f"{file.name} ({config.source})" if config.source else file.name
    measured = read_measurements(file)
    with progress_bar() as bar:
        task = bar.add_task("bootstrap", total=REPLICATES, told="")
        fit = fit_card(
            measured,
            out.stem,
            origin,
            replicates=REPLICATES,
            seed=config.seed,
            on_replicate=lambda: bar.advance(task),
        )
    _tell_cells(fit)
    _show_fit(fit)
    quantile_figure(fit, beside)
    write_json(json, _as_json(fit))
    write_text(out, _card_text(fit))  # last: it says that all is there
    say(f"Card: {out}. Beside it: {json.name}, {beside.name}.png, {beside.name}.svg.")


def _check_new(path: Path, overwrite: bool) -> None:
    check_writable(path)
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already: give another --out, or --overwrite."
        )


def _tell_cells(fit: DeviceFit) -> None:
    told = {
        "Left out of the fit, stuck in LRS": fit.stuck_lrs,
        "Left out of the fit, stuck in HRS": fit.stuck_hrs,
        "Swapped (LRS reads above HRS) and kept": fit.swapped,
    }
    n_out = len(fit.stuck_lrs) + len(fit.stuck_hrs)
    say(
        f"{fit.n_cells} cells, {fit.n_rows:,} rows; {fit.n_cells - n_out} cells switch,"
        f" with {fit.n_inverted} rows whose HRS is below their LRS."
    )
    for kind, cells in told.items():
        if cells:
            listed = ", ".join(map(str, cells[:20])) + ", ..." * (len(cells) > 20)
            say(f"{kind}: {len(cells)} ({listed}).")


def _show_fit(fit: DeviceFit) -> None:
    show_table(
        f"Device card {fit.card.name}, fitted",
        ("number", "value", "from", "to"),
        (
            (key, f"{getattr(fit.card, key):g}", f"{low:.4g}", f"{high:.4g}")
            for key, (low, high) in fit.intervals.items()
        ),
    )
    say(f"The intervals hold {fit.level:.0%}, by resampling cells.")
    rows = []
    for p, *logs in zip(
        PROBABILITIES,
        *(q for s in fit.states.values() for q in (s.measured, s.fitted)),
        strict=True,
    ):
        if p in TICKS:
            rows.append((f"{100 * p:g} %", *(f"{np.exp(x):.4g}" for x in logs)))
    header = [f"{s.upper()} {k}" for s in fit.states for k in ("measured", "fitted")]
    show_table("Quantiles [Ohm] of cells that switch", ("", *header), rows)
    for name, state in fit.states.items():
        say(
            f"Standard deviation of ln R_{name.upper()}, measured:"
            f" {state.sd_d2d:.3f} between cells, {state.sd_c2c:.3f} between cycles."
        )


def _as_json(fit: DeviceFit) -> dict:
    result = dataclasses.asdict(fit)
    result["probabilities"] = list(PROBABILITIES)
    for state in result["states"].values():
        for key in ("measured", "fitted"):
            state[f"{key}_ohm"] = np.exp(state.pop(key)).tolist()
    return result


def _card_text(fit: DeviceFit) -> str:
    lines = [
        f"# {key}: {low:.4g} to {high:.4g}"
        for key, (low, high) in fit.intervals.items()
    ]
    card = tomli_w.dumps(dataclasses.asdict(fit.card))
    return "\n".join(
        [
            "# Made by `rram-jax device fit`.",
            f"# {fit.level:.0%} intervals, by resampling cells:",
            *lines,
            card,
        ]
    )


def _sample(config: DeviceCommand, out: Path) -> None:
    n_cells, n_cycles = config.cells or 256, config.cycles or 300
    card = load_card(config.name)
    _check_new(out, config.overwrite)
    params, key = card.params(), jax.random.key(config.seed)
    # The last chunk is as long as the others, so that one program serves all.
    chunk = min(max(CHUNK // n_cycles, 1), n_cells)
    cycle = np.broadcast_to(np.arange(n_cycles), (chunk, n_cycles))
    with measurement_writer(out) as write, progress_bar() as bar:
        task = bar.add_task("cells", total=n_cells, told="")
        for start in range(0, n_cells, chunk):
            cells = np.arange(start, start + chunk)
            r_lrs, r_hrs = map(
                np.asarray,
                sample_cycles(key, jax.numpy.asarray(cells), n_cycles, params),
            )
            n = min(chunk, n_cells - start)
            numbers = np.broadcast_to(cells[:, None], cycle.shape)
            write(numbers[:n], cycle[:n], r_hrs[:n], r_lrs[:n])
            bar.advance(task, n)
    say_in_log(f"cells: {n_cells} of {n_cells}.")
    say(f"{n_cells:,} cells of {card.name} over {n_cycles:,} cycles: {out}.")
