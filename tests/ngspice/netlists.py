"""Reading what a netlist says."""

import re

import numpy as np


def points(source):
    """(instants, levels) of a piecewise-linear source."""
    numbers = source[source.index("PWL(") + 4 : source.rindex(")")].split()
    return np.array(numbers[::2], float), np.array(numbers[1::2], float)


def level(text, node, at):
    """[V] Of the ideal source of a node, at some instants."""
    line = next(x for x in text.splitlines() if x.startswith(f"V{node} "))
    return np.interp(at, *points(line))


def width(line):
    """[m] Of a transistor."""
    return float(re.search(r" w=(\S+)", line)[1])
