"""Transistors of a CMOS card in a netlist: its models, and its names for instances."""

import hashlib
import math
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from PySpice.Spice.Netlist import SubCircuit

from rram_jax.errors import InputError
from rram_jax.neuron.cmos import ROOM, Process
from rram_jax.neuron.technology import Technology
from rram_jax.neuron.transistors import Transistor
from rram_jax.ngspice.checks import refuse_all_but_models

MAX_BYTES = 100_000_000
"""[byte] All model text of a deck; SKY130's 1.8 V bins of one corner have 3 MB."""

MAX_DEPTH = 20
"""[-] Files within files."""

MAX_FILES = 1000
"""[-] Of a library, each as often as it is read."""

_INCLUDE = re.compile(r"\s*\.inc\w*\s+[\"']?([^\"']+?)[\"']?\s*$", re.IGNORECASE)
_SECTION_OF = re.compile(
    r"\s*\.lib\s+[\"']?([^\"'\s]+)[\"']?\s+(\w+)\s*$", re.IGNORECASE
)
_BEGIN = re.compile(r"\s*\.lib\s+(\w+)\s*$", re.IGNORECASE)
_END = re.compile(r"\s*\.endl\b", re.IGNORECASE)
_MOSFET = re.compile(
    r"^M(?P<name>\S+) (?P<d>\S+) (?P<g>\S+) (?P<s>\S+) (?P<b>\S+) (?P<kind>[np])ch\b"
    r"(?P<rest>.*)$",
    re.MULTILINE | re.IGNORECASE,
)
_SETTING = re.compile(r"(\w+)=(\{[^}]*\}|\S+)")
_POWERS = {"l": 1, "w": 1, "pd": 1, "ps": 1, "ad": 2, "as": 2}


def six_digits(x: float) -> float:
    """Six digits, so that a deck shows 1e-05 and not 9.999999999999999e-06."""
    return float(f"{x:.6g}")


def add_mosfet(
    circuit: SubCircuit, t: Transistor, technology: Technology, more: str = ""
) -> None:
    """Add one BSIM4 transistor; diffusions are two minimum lengths long."""
    width = six_digits(t.width)
    area, edge = six_digits(2 * technology.l_min * width), six_digits(2 * width)
    circuit.M(
        t.name,
        t.drain,
        t.gate,
        t.source,
        t.bulk,
        model=f"{t.kind}ch",
        width=width,
        length=six_digits(t.length),
        drain_area=area,
        source_area=area,
        drain_perimeter=edge,
        source_perimeter=edge,
        raw_spice=more,
    )


def check_fits(process: Process, technology: Technology) -> None:
    """Check that transistors fit what the neurons are sized for.

    Raises:
        InputError: The process has another supply, or longer gates.
    """
    card, v_dd = process.card, technology.v_dd
    if not math.isclose(card.v_dd, v_dd, rel_tol=1e-6):
        raise InputError(
            f"The neuron is sized for {v_dd:g} V, and CMOS card {card.name!r} has"
            f" {card.v_dd:g} V: take a CMOS card of {v_dd:g} V, or a neuron card"
            f" measured with {card.name!r} (rram-jax neuron characterise --cmos)."
        )
    if card.l_min > technology.l_min * (1 + 1e-6):
        raise InputError(
            f"The neuron is sized for gates of {1e6 * technology.l_min:g} um, and CMOS"
            f" card {card.name!r} has {1e6 * card.l_min:g} um at the least: take a"
            f" neuron card measured with {card.name!r} (rram-jax neuron characterise"
            " --cmos)."
        )


def model_lines(process: Process) -> str:
    """Temperature, the corner's parameters and all model text, files written out.

    Raises:
        InputError: A file or section is missing, there is no end of files, or they hold
            more than models (`checks.refuse_all_but_models`).
    """
    corner = process.card.corners[process.corner]
    lines = []
    if process.temperature != ROOM:
        lines.append(f".option temp={process.temperature:g}")
    if corner.parameters:
        settings = (f"{name}={value:.9g}" for name, value in corner.parameters.items())
        lines.append(".param " + " ".join(settings))
    models = _expanded(Path(process.card.include), corner.section, 0, count())
    refuse_all_but_models(models, process.card.include)
    return "\n".join([*lines, models])


def models_sha256(process: Process) -> str:
    """Digest of the models, at their corner and temperature (`model_lines`)."""
    return hashlib.sha256(model_lines(process).encode()).hexdigest()


def with_instances(netlist: str, process: Process) -> str:
    """Rename the transistors of a netlist that calls its models nch and pch.

    Subcircuits of a card take no threshold shift: `delvto` becomes a source in series
    with the gate, which is the same for V_t (added to the signed V_T of n and p).
    """
    card = process.card
    if not card.subcircuit:
        if (card.model_n, card.model_p) == ("nch", "pch"):
            return netlist
        return _MOSFET.sub(
            lambda m: (
                f"M{m['name']} {m['d']} {m['g']} {m['s']} {m['b']}"
                f" {card.model(m['kind'].lower())}{m['rest']}"
            ),
            netlist,
        )

    def instance(m: re.Match) -> str:
        given = {key.lower(): value for key, value in _SETTING.findall(m["rest"])}
        shift, gate, lines = given.pop("delvto", None), m["g"], []
        given.pop("mulu0", None)
        if shift is not None:
            gate = f"vt_{m['name']}"
            lines.append(f"Vt_{m['name']} {m['g']} {gate} {shift}")
        for key in _POWERS.keys() & given.keys():
            given[key] = _in_units(given[key], card.unit ** _POWERS[key])
        settings = " ".join(f"{key}={value}" for key, value in given.items())
        name = card.model(m["kind"].lower())
        lines.append(
            f"XM{m['name']} {m['d']} {gate} {m['s']} {m['b']} {name} {settings}"
        )
        return "\n".join(lines)

    return _MOSFET.sub(instance, netlist)


def _in_units(value: str, unit: float) -> str:
    """A length or an area over the card's unit; a user's may be an expression."""
    try:
        return f"{float(value) / unit:.9g}"
    except ValueError:
        return f"{{({value.strip('{}')})/{unit:.9g}}}"


def _expanded(path: Path, section: str, depth: int, opened: Iterator[int]) -> str:
    """A file's text, or that of one of its sections, with what it includes.

    `opened` counts the files of a library, each as often as it is read.
    """
    name = repr(str(path)[:200])
    if depth > MAX_DEPTH:
        raise InputError(f"Model files include each other without end, at {name}.")
    if next(opened) >= MAX_FILES:
        raise InputError(
            f"A library of models reads up to {MAX_FILES} files; {name} would be one"
            " more."
        )
    if not os.path.isfile(path):  # `Path.is_file` fails where a name is too long
        raise InputError(f"There is no model file {name}.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{name} is over {MAX_BYTES} bytes: no model file of ours.")
    sections, inside = {"": []}, ""
    for line in path.read_text(errors="replace").splitlines():
        if begin := _BEGIN.match(line):
            inside = begin[1].lower()
            sections.setdefault(inside, [])
        elif _END.match(line):
            inside = ""
        else:
            sections[inside].append(line)
    if section.lower() not in sections:
        names = ", ".join(filter(None, sections))[:200] or "no section at all"
        raise InputError(f"{name} has no section {section[:40]!r}; it has {names}.")
    out, size = [], 0
    for line in sections[section.lower()]:
        if of := _SECTION_OF.match(line):
            line = _expanded(path.parent / of[1], of[2], depth + 1, opened)
        elif include := _INCLUDE.match(line):
            line = _expanded(path.parent / include[1], "", depth + 1, opened)
        out.append(line)
        size += len(line)
        if size > MAX_BYTES:
            raise InputError(f"The models of {name} are over {MAX_BYTES} bytes.")
    return "\n".join(out)
