"""Reading a netlist's text: its cards, how many devices it has, and of which kinds."""

import re
from collections import Counter

from rram_jax.errors import InputError

_FREE = {
    "a": "code model",
    "b": "behavioural source",
    "e": "controlled source",
    "f": "controlled source",
    "g": "controlled source",
    "h": "controlled source",
    "s": "ideal switch",
    "w": "ideal switch",
}

FORBIDDEN = set(_FREE)
"""Element letters that no deck of a circuit may hold: behavioural and controlled
sources, ideal switches, code models. They would do for nothing what a transistor pays
for."""

_COMMENT = ("*", "#", "$")
_TRAILING = re.compile(r"[\s,]\$|;")
# So many copies of one of our own drivers (`ngspice.drivers.input_buffer`). Whatever a
# user's subcircuit means by a `k` of its own, it is there once.
_COPIES = re.compile(r"\sk\s*=\s*([1-9]\d{0,8})(?!\S)")
# A resistor, capacitor or inductor whose value follows a voltage, a current, the time,
# the temperature or the frequency: ngspice makes a behavioural source of it. Nodes may
# have these names, so name and nodes stand ahead.
_FOLLOWS = re.compile(
    r"[rcl][^\s,]*([\s,]+[^\s,]+){2}.*[^\w.]([vi]\s*\(|(time|temper|hertz)\b)"
)


def cards(text: str) -> list[str]:
    """A netlist's cards: continuations joined as ngspice does, comments cut off.

    Comments and empty lines may stand between a card and its continuation. The first
    line is taken as any other.
    """
    found = []
    for line in text.split("\n"):
        line = line.strip()
        if not line or line.startswith(_COMMENT):
            continue
        card = _TRAILING.split(line)[0].rstrip()
        if card.startswith("+") and found:
            found[-1] += f" {card[1:].strip()}"
        else:
            found.append(card)
    return [card for card in found if card]


def count_elements(text: str) -> Counter:
    """Number of elements by first letter, subcircuits expanded.

    A whole `k` of subcircuits `buf...` means so many parallel copies, as
    `ngspice.drivers` writes them. A passive element whose value follows a voltage or
    current, or the words `time`, `temper` or `hertz`, counts as a `b`.

    Args:
        text: A whole deck, its title in the first line; subcircuits in any order.

    Raises:
        InputError: It is not whole: it includes a file or lacks a subcircuit; or a
            subcircuit holds itself.
    """
    bodies: dict[str, list[str]] = {"": []}
    inside = [""]
    for card in cards(text.partition("\n")[2]):
        card = card.lower()
        if card.startswith((".inc", ".lib")):
            raise InputError(
                f"A netlist with `{card[:60]}` is not whole, so its elements cannot be"
                " counted: write the file's text in that line's place."
            )
        if card.startswith(".subckt"):
            inside.append(card.split()[1])
            bodies.setdefault(inside[-1], [])
        elif card.startswith(".ends") and len(inside) > 1:
            inside.pop()
        elif "a" <= card[0] <= "z":
            bodies[inside[-1]].append(card)

    counted: dict[str, Counter | None] = {}

    def expanded(name: str) -> Counter:
        if name not in bodies:
            raise InputError(f"The netlist calls a subcircuit {name!r} and has none.")
        if name not in counted:
            counted[name] = None
            counted[name] = total(bodies[name])
        if (found := counted[name]) is None:
            raise InputError(f"Subcircuit {name!r} of the netlist holds itself.")
        return found

    def total(lines: list[str]) -> Counter:
        count = Counter()
        for line in lines:
            if line[0] == "x":
                name = _called(line)
                copies = name.startswith("buf") and _COPIES.search(line)
                for letter, n in expanded(name).items():
                    count[letter] += n * int(copies[1] if copies else 1)
            else:
                count["b" if _FOLLOWS.match(line) else line[0]] += 1
        return count

    return total(bodies[""])


def refuse_free_elements(counts: Counter) -> None:
    """Refuse a circuit with elements that cost nothing, which no chip has.

    Args:
        counts: From `count_elements`.

    Raises:
        InputError: Names them.
    """
    found = [
        f"{counts[x]} {what} ({x.upper()})" for x, what in _FREE.items() if counts[x]
    ]
    if found:
        raise InputError(
            f"The netlist holds {', '.join(found)}: a circuit that is verified is made"
            " of transistors, resistors and capacitors, so build it, or its models,"
            " without them."
        )


def _called(line: str) -> str:
    """The subcircuit that an X line calls: the last word ahead of its parameters."""
    ahead, given, _ = line.partition("=")
    words = ahead.split()[: -1 if given else None]
    return (words[:-1] if words[-1] == "params:" else words)[-1]
