"""Reading a netlist's text: how many devices it has, and which kinds."""

import re
from collections import Counter
from functools import cache

FORBIDDEN = set("begfhs")
"""Element letters that no exported deck may hold: behavioural and controlled sources,
ideal switches. They would do for nothing what a transistor pays for."""


def count_elements(text: str) -> Counter:
    """Number of elements by first letter, subcircuits expanded.

    `text` must be complete: every `X` line's subcircuit stands in it, in any order. A
    parameter `k` means so many parallel copies, as `ngspice.drivers` writes them.
    """
    bodies, top, current = {}, [], None
    for line in text.splitlines():
        word = line.strip().lower()
        if word.startswith(".subckt"):
            current = bodies.setdefault(word.split()[1], [])
        elif word.startswith(".ends"):
            current = None
        elif re.match(r"[a-z]", word):
            (top if current is None else current).append(word)

    @cache
    def expanded(name: str) -> Counter:
        return total(bodies[name])

    def total(lines) -> Counter:
        count = Counter()
        for line in lines:
            if line[0] == "x":
                words = [w for w in line.split() if "=" not in w]
                copies = re.search(r"\bk=(\d+)", line)
                for letter, n in expanded(words[-1]).items():
                    count[letter] += n * int(copies[1] if copies else 1)
            else:
                count[line[0]] += 1
        return count

    return total(top[1:])  # the first line of a deck is its title
