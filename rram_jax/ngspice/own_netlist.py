"""Reading a user's neuron netlist: devices and numbers pass, all else is refused.

What reaches a deck is written anew from what was understood here, so no comment, card
or word of the file gets there by itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from rram_jax.errors import InputError
from rram_jax.neuron.netlist import (
    HOLD,
    PINS,
    SIZES,
    NetlistFile,
    NeuronNetlist,
    OwnCell,
    block_of,
    shift_names,
    spice_number,
)
from rram_jax.ngspice.checks import refuse_commands, refuse_unknown_options
from rram_jax.toml_file import read_record

MAX_BYTES = 1_000_000
"""[byte] A larger file is no neuron."""

MAX_LINES = 10_000
"""[-] Devices of a subcircuit, called ones included; our gm cell has 25."""

MAX_DEPTH = 20
"""[-] Subcircuits within subcircuits."""

FUNCTIONS = frozenset(
    "abs ceil exp floor int ln log log10 max min pow sgn sqrt".split()
)
"""What expressions may call. With v() or i() a resistor is a behavioural source."""

RESERVED = frozenset("hertz temp temper time".split())
"""Names that make it one as well, so no parameter may have them."""

MODELS = frozenset("nmos pmos r res c cap".split())
"""Kinds of model that the allowed devices can have."""

ABOVE_0 = frozenset(
    "c cap capacitance cj cjsw l m r res resistance rsh scale w".split()
)
"""Settings of devices, and of models of resistors and capacitors, that are above 0: a
negative resistor is gain for nothing."""

_COMMENT = re.compile(r"\s\$\s.*|;.*|//.*")
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?[a-z]*"
_VALUE = re.compile(rf"[+-]?{_NUMBER}|\d+(?:\.\d+)+")  # the second: version=4.8.1
_TOKEN = re.compile(rf"(?P<name>[a-z_]\w*)|{_NUMBER}|[-+*/(),^]")
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[a-z]\w*")


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A card of the file, continuations joined."""

    file: Path
    number: int
    text: str

    def refuse(self, why: str) -> NoReturn:
        raise InputError(f"{self.file}, line {self.number}: `{self.text[:60]}` {why}.")


@dataclass(kw_only=True)
class _Body:
    """A subcircuit while it is read."""

    begin: _Line
    name: str
    pins: tuple[str, ...]
    parameters: dict[str, str]
    known: set[str]
    """Names that expressions may hold."""
    lines: list[str] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)
    calls: list[tuple[_Line, str, int, list[str]]] = field(default_factory=list)
    """Of other subcircuits: name, number of nodes, names of parameters."""


def load_netlist(path: str | Path) -> NeuronNetlist:
    """Read a neuron netlist and the TOML file that names its subcircuits.

    Args:
        path: The TOML file (`rram_jax.neuron.netlist.NetlistFile`).

    Raises:
        InputError: A file is missing, too large or no text, or the netlist holds
            anything but subcircuits of transistors, resistors and capacitors with the
            pins of `PINS`.
    """
    told = read_record(path, NetlistFile, "neuron netlist")
    file = Path(path).parent / told.file
    bodies = {body.name: body for body in _bodies(file, _text(file))}
    for body in bodies.values():
        _check_calls(body, bodies)
    cells = {
        kind: _cell(kind, name.lower(), bodies, file)
        for kind, name in told.cells.items()
    }
    counts: dict[str, int] = {}
    for name in told.cells.values():
        _count(bodies, name.lower(), counts, ())
    called = {name for body in bodies.values() for _, name, *_ in body.calls}
    helpers = [name for name in counts if name in called]
    return NeuronNetlist(
        name=told.name,
        path=str(path),
        cells=cells,
        helpers="\n".join(_helper(bodies[name]) for name in helpers),
    )


def _text(file: Path) -> str:
    if not file.is_file():
        raise InputError(f"There is no netlist {file}: give its path in the TOML file.")
    if file.stat().st_size > MAX_BYTES:
        raise InputError(f"{file} is over {MAX_BYTES} bytes: not a neuron's netlist.")
    try:
        text = file.read_bytes().decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InputError(
            f"{file} is no plain text: give a netlist as ngspice reads it."
        ) from None
    try:
        refuse_commands(text)
        refuse_unknown_options(text)
    except InputError as error:
        raise InputError(f"In the netlist {file}: {error}") from None
    return text


def _cards(file: Path, text: str) -> Iterator[_Line]:
    """Cards in lower case, without comments; blanks only between words."""
    joined: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = _COMMENT.sub("", f" {line} ").strip().lower()
        if line.startswith("+") and joined:
            joined[-1] = joined[-1][0], f"{joined[-1][1]} {line[1:]}"
        elif line and not line.startswith("*"):
            joined.append((number, line))
    for number, line in joined:
        line = re.sub(r"'([^'{}]*)'", r"{\1}", line)
        line = re.sub(r"\{[^{}]*\}", lambda m: "".join(m[0].split()), line)
        line = " ".join(re.sub(r"\s*=\s*", "=", line).split())
        yield _Line(file=file, number=number, text=line)


def _bodies(file: Path, text: str) -> Iterator[_Body]:
    """Every subcircuit of the file."""
    body, names = None, set()
    for line in _cards(file, text):
        first, *words = line.text.split()
        if body is None and first == ".end":
            continue
        if first == ".subckt":
            if body:
                line.refuse(f"stands within {body.name}: end that one by .ends")
            body = _begin(line, words)
            if body.name in names:
                line.refuse("is the second of this name: rename one")
            names.add(body.name)
        elif body is None:
            line.refuse(
                "stands outside of a subcircuit: put devices, .param and .model between"
                " .subckt and .ends, and nothing else"
            )
        elif first == ".ends":
            yield body
            body = None
        else:
            _add(body, line, first, words)
    if body:
        body.begin.refuse("has no .ends: add one")


def _begin(line: _Line, words: list[str]) -> _Body:
    words = [word for word in words if word != "params:"]
    plain = [word for word in words if "=" not in word]
    if not plain or not all(map(_WORD.fullmatch, plain)):
        line.refuse("is no `.subckt NAME PINS` of letters, digits and _")
    body = _Body(
        begin=line, name=plain[0], pins=tuple(plain[1:]), parameters={}, known=set()
    )
    body.parameters.update(_settings(line, words, body))
    _learn(body, line, body.parameters)
    return body


def _learn(body: _Body, line: _Line, names: Iterable[str]) -> None:
    """Let expressions hold these names."""
    if bad := sorted(RESERVED.intersection(names)):
        line.refuse(f"has a parameter {bad[0]!r}, which ngspice keeps for itself")
    body.known.update(names)


def _add(body: _Body, line: _Line, first: str, words: list[str]) -> None:
    """Understand one line of a subcircuit and write it anew."""
    plain = [word for word in words if "=" not in word]
    if first == ".param":
        settings = _settings(line, words, body)
        if plain or not settings:
            line.refuse("is no `.param NAME=VALUE`")
        _learn(body, line, settings)
        written = [first]
    elif first == ".model":
        words = re.sub(r"^(\S+ \w+) ?\((.*)\)$", r"\1 \2", " ".join(words)).split()
        plain = [word for word in words if "=" not in word]
        if len(plain) != 2 or plain[1] not in MODELS or not _NAME.fullmatch(plain[0]):
            line.refuse(f"is no `.model NAME KIND`, KIND one of {', '.join(MODELS)}")
        settings, written = _settings(line, words, body), [first, *plain]
        if plain[1] not in ("nmos", "pmos"):
            _check_above_0(line, settings)
    else:
        settings, written = _device(body, line, first, words, plain)
    body.lines.append(" ".join([*written, *(f"{k}={v}" for k, v in settings.items())]))


def _device(
    body: _Body, line: _Line, first: str, words: list[str], plain: list[str]
) -> tuple[dict[str, str], list[str]]:
    """A transistor, resistor, capacitor or call: its settings and its other words."""
    kind = first[0]
    if kind not in "mrcx" or not _NAME.fullmatch(first):
        line.refuse(
            "is not allowed: a neuron's netlist holds transistors (M), resistors (R),"
            " capacitors (C), calls of its own subcircuits (X), .param and .model"
        )
    settings = _settings(line, words, body)
    count = {"m": 4, "r": 2, "c": 2, "x": len(plain) - 1}[kind]
    nodes, rest = plain[:count], plain[count:]
    if len(nodes) < count or len(rest) > (1 if kind in "mx" else 2):
        line.refuse("has too few or too many words")
    if kind in "mx" and not (len(rest) == 1 and _NAME.fullmatch(rest[0])):
        line.refuse("names no model behind its nodes")
    if bad := [node for node in nodes if not _WORD.fullmatch(node)]:
        line.refuse(f"has a node {bad[0][:20]!r}: use letters, digits and _")
    body.nodes.update(nodes)
    if kind == "x":
        body.calls.append((line, rest[0], count, list(settings)))
        rest = [f"own_{rest[0]}"]
    elif kind in "rc":
        rest = [x if _NAME.fullmatch(x) else _value(line, x, body) for x in rest]
    if kind != "x":
        _check_above_0(line, settings, rest)
    return settings, [first, *nodes, *rest]


def _check_above_0(
    line: _Line, settings: Mapping[str, str], values: Iterable[str] = ()
):
    """Refuse literal sizes that no part has; what an expression gives is not known."""
    sizes = [value for name, value in settings.items() if name in ABOVE_0]
    for value in (*values, *sizes):
        number = spice_number(value)
        if number is not None and not number > 0:
            line.refuse(f"has a value of {value[:20]}, and a part's is above 0")


def _settings(line: _Line, words: list[str], body: _Body) -> dict[str, str]:
    """`NAME=VALUE` words of a line; an expression may hold the names before it."""
    found: dict[str, str] = {}
    for name, equals, value in (word.partition("=") for word in words):
        if equals:
            if not _NAME.fullmatch(name) or name in found:
                line.refuse(f"has no good parameter {name[:20]!r}")
            found[name] = _value(line, value, body)
    return found


def _value(line: _Line, text: str, body: _Body) -> str:
    """A number, or an expression in braces over parameters of the subcircuit."""
    if _VALUE.fullmatch(text):
        return text
    inner = text[1:-1]
    if text[:1] + text[-1:] != "{}" or not inner:
        line.refuse(f"has {text[:20]!r} where a number or {{expression}} belongs")
    at = 0
    while at < len(inner):
        token = _TOKEN.match(inner, at)
        if not token:
            line.refuse(f"has {inner[at]!r} in an expression, which is not allowed")
        name, at = token["name"], token.end()
        if name and name not in (
            FUNCTIONS if inner[at : at + 1] == "(" else body.known
        ):
            line.refuse(f"asks for {name[:20]!r}, no parameter of {body.name}")
    return text


def _check_calls(body: _Body, bodies: Mapping[str, _Body]) -> None:
    for line, name, count, given in body.calls:
        if name not in bodies:
            line.refuse(f"calls {name[:20]!r}, no subcircuit of this file")
        wanted = bodies[name]
        if count != len(wanted.pins):
            line.refuse(f"has {count} nodes, and {name} has {len(wanted.pins)} pins")
        if more := sorted(set(given) - wanted.parameters.keys()):
            line.refuse(f"sets {more[0][:20]!r}, no parameter of {name}")


def _count(
    bodies: Mapping[str, _Body],
    name: str,
    counts: dict[str, int],
    above: tuple[str, ...],
) -> int:
    """Lines of a subcircuit with all that it calls; puts all it meets in `counts`."""
    body = bodies[name]
    if name in above or len(above) > MAX_DEPTH:
        body.begin.refuse("is called by itself, or in too many levels")
    if name not in counts:
        inner = (_count(bodies, c, counts, (*above, name)) for _, c, *_ in body.calls)
        counts[name] = len(body.lines) + sum(inner)
        if counts[name] > MAX_LINES:
            body.begin.refuse(f"has over {MAX_LINES} devices, so it is no neuron")
    return counts[name]


def _cell(kind: str, name: str, bodies: Mapping[str, _Body], file: Path) -> OwnCell:
    """The subcircuit that replaces ours."""
    if name not in bodies:
        raise InputError(f"{file} has no subcircuit {name[:40]!r} for {kind}.")
    body, pins, block = bodies[name], PINS[kind], block_of(kind)
    if sorted(body.pins) != sorted(pins):
        body.begin.refuse(
            f"has {len(body.pins)} pins, and {kind} has the {len(pins)} pins"
            f" {' '.join(pins)}; they differ in"
            f" {' '.join(sorted(set(pins) ^ set(body.pins)))[:80] or 'number'}"
        )
    if block == "gm" and HOLD not in body.nodes - {*pins}:
        body.begin.refuse(
            f"has no inner node `{HOLD}`: name the auto-zero's capacitor node so, as"
            " the testbench measures its noise there"
        )
    shifts = shift_names(kind)
    told = (*shifts, *SIZES[block])
    for parameter in body.parameters:
        if parameter.startswith(("d_", "b_")) and parameter not in told:
            body.begin.refuse(
                f"takes a threshold shift {parameter[:30]!r} that no transistor of ours"
                f" has: use {', '.join(shifts)}"
            )
    return OwnCell(
        kind=kind,
        parameters=body.parameters,
        lines=tuple(body.lines),
        nodes=frozenset(body.nodes),
    )


def _helper(body: _Body) -> str:
    """A called subcircuit, under a name that none of ours has."""
    settings = (f"{k}={v}" for k, v in body.parameters.items())
    head = " ".join([".subckt", f"own_{body.name}", *body.pins, *settings])
    return "\n".join([head, *body.lines, f".ends own_{body.name}"])
