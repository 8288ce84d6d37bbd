"""The access transistor of 1T1R cells, in decks that hold one in every cell.

    w{i}_{j} --R_cell - R_access-- a{i}_{j} --| n transistor, gate wl |-- b{i}_{j}

Every resistance of a card, a draw or an option is that of a whole cell, so the resistor
has what the transistor leaves of it (`split_cells`). The transistor is sized for the
device card's `r_access`, stands on the bit line's side and is on: its word line is at
the supply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rram_jax.circuit.wiring import Resistor
from rram_jax.device.card import DeviceCard
from rram_jax.errors import InputError, NgspiceError
from rram_jax.neuron.cmos import CmosCard, Process
from rram_jax.neuron.technology import Technology
from rram_jax.ngspice.cmos import model_lines, six_digits, with_instances
from rram_jax.ngspice.runner import run_deck

WORD_LINE = "wl"
"""Node of all word lines."""

REST = 1e-3
"""[V] Across a transistor that counts as resting."""

ROW_GAIN = 0.92
"""[-] Share of a row's swing that its cells have, behind driver and wires: 0.90 to 0.93
on tiles of 64 x 32 (design of the reference networks)."""


@dataclass(frozen=True, kw_only=True)
class AccessTransistor:
    """The same one in every cell of a chip."""

    width: float
    """[m]"""

    resistance: float
    """[Ohm] What it takes of a cell: at rest, which most cells are."""

    swing: tuple[float, float]
    """[-] Swings of positive and negative rows over `v_read`: the levels are trimmed so
    that a median LRS cell of either row carries what its resistance says."""

    technology: Technology
    """Supply of the word lines and gate length."""

    @property
    def word_line(self) -> str:
        """The ideal source of all of them."""
        return f"V{WORD_LINE} {WORD_LINE} 0 {self.technology.v_dd:.9g}"

    @property
    def told(self) -> dict[str, Any]:
        """For the manifest, in SI units."""
        return {
            "width": self.width,
            "resistance": self.resistance,
            "swing": list(self.swing),
        }


def access_transistor(
    device: DeviceCard, v_read: float, card: CmosCard, technology: Technology
) -> AccessTransistor:
    """Size the access transistor of a device card, and measure it in ngspice.

    Its width is that of a row switch to v_cm of `r_access`: the same transistor in the
    same place, gate at the supply, channel at v_cm. It is measured in the typical
    corner at room temperature, whatever the deck stands at: cells are programmed and
    levels trimmed once.

    A driven LRS cell has more of it than one at rest; levels trimmed by that share make
    up for it in a median cell. What is left is each cell's own, and grows with their
    spread.

    Args:
        device: `r_access` and `r_lrs` are used.
        v_read: [V] Swing of a driven row.
        card: Of all transistors.
        technology: That the neurons are sized for: levels, supply and gate length.

    Raises:
        InputError: The device card has no access transistor, it would be narrower than
            the process allows, or ngspice is missing.
        NgspiceError: ngspice failed, or the transistor does not conduct.
    """
    r_access, r_lrs = device.r_access, device.r_lrs
    if not r_access > 0:
        raise InputError(
            "Decks with access transistors need a device card whose r_access is above"
            f" 0 Ohm; got {r_access:g}: take array = cells."
        )
    width = six_digits(technology.width_ohm[1] / r_access)
    if width < card.w_min:
        raise InputError(
            f"An access transistor of {r_access:g} Ohm would be {1e6 * width:.3g} um"
            f" wide, and CMOS card {card.name!r} begins at {1e6 * card.w_min:g} um:"
            " take a device card of smaller r_access, or array = cells."
        )
    driven = ROW_GAIN * v_read * r_access / r_lrs
    up, down = _resistances(width, driven, card, technology)
    rest = sum(_resistances(width, REST, card, technology)) / 2
    return AccessTransistor(
        width=width,
        resistance=rest,
        swing=(1 + (up - rest) / r_lrs, 1 + (down - rest) / r_lrs),
        technology=technology,
    )


def _resistances(
    width: float, volts: float, card: CmosCard, technology: Technology
) -> tuple[float, float]:
    """[Ohm] With `volts` across the transistor, from v_cm upwards and downwards."""
    process, v_cm = Process(card=card), technology.v_cm
    lines = [
        "* access transistor at its read point",
        model_lines(process),
        f"Vcm cm 0 {v_cm:.9g}",
        f"V{WORD_LINE} {WORD_LINE} 0 {technology.v_dd:.9g}",
    ]
    for name, v in (("p", volts), ("m", -volts)):
        line = transistor_line(name, name, "cm", width, technology)
        lines += [f"V{name} {name} 0 {v_cm + v:.9g}", with_instances(line, process)]
    data = run_deck("\n".join([*lines, ".save i(vp) i(vm)", ".op", ".end\n"])).data
    currents = -float(data["i(vp)"][0]), float(data["i(vm)"][0])
    if not min(currents) > 0:
        raise NgspiceError(
            f"An access transistor of {1e6 * width:g} um does not conduct at the read"
            f" point: {currents[0]:g} and {currents[1]:g} A."
        )
    return volts / currents[0], volts / currents[1]


def transistor_line(
    name: str, drain: str, source: str, width: float, technology: Technology
) -> str:
    """One access transistor; an instance of `nch`, which `with_instances` renames.

    Its diffusions are two minimum lengths long, as those of `cmos.add_mosfet`.
    """
    length = technology.l_min
    area, edge = six_digits(2 * length * width), six_digits(2 * width)
    return (
        f"Ma{name} {drain} {WORD_LINE} {source} 0 nch w={width:g} l={length:g}"
        f" ad={area:g} as={area:g} pd={edge:g} ps={edge:g}"
    )


def split_cells(
    resistors: Sequence[Resistor], r_access: float
) -> tuple[list[Resistor], list[tuple[str, str]]]:
    """Cells without their transistors, all else as it is; and the transistors' ends.

    Args:
        resistors: Of `circuit.wiring.layer_resistors`: cells from a node `w` to a `b`.
        r_access: [Ohm] Of the transistor that takes its part of each cell.

    Raises:
        InputError: It leaves nothing of a cell.
    """
    parts, ends = [], []
    for part in resistors:
        if (part.a[0], part.b[0]) == ("w", "b"):
            inner, rest = f"a{part.b[1:]}", part.r - r_access
            if not rest > 0:
                raise InputError(
                    f"A cell of {part.r:.6g} Ohm has no room for an access transistor"
                    f" of {r_access:.6g} Ohm: take a device card of smaller r_access,"
                    " or array = cells."
                )
            ends.append((inner, part.b))
            part = Resistor(part.a, inner, rest)
        parts.append(part)
    return parts, ends
