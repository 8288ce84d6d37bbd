"""Whole networks, which take too long here, and what was held against nothing."""

from collections.abc import Iterator

from experiments.verification.record import Check

WHOLE = (
    (
        "all effects together, one layer",
        "the surrogate, given ngspice's codes of the layer before",
        "ngspice, tier `full`: the whole network in one transient",
        "codes and counts of images: README, section Verified; `rram-jax report`",
        "rram-jax verify checkpoints/mlp-144-64-10-hardened --data mnist"
        " --sigma-lrs 0.3 --images 4",
    ),
    (
        "all effects together, end to end",
        "the surrogate's own codes",
        "ngspice, tier `full`",
        "winner of images: README, section Verified",
        "rram-jax verify checkpoints/mlp-144-64-10-hardened --data mnist"
        " --sigma-lrs 0.3 --images 4",
    ),
    (
        "the reduction of arrays (`multiport`)",
        "-",
        "ngspice, tier `full` with every cell and wire",
        "codes of the same images in both forms: report of the demo, section 9",
        "rram-jax demo",
    ),
)
"""effect, in the surrogate, against, case, command."""

NOTHING = (
    (
        "noise in a code",
        "added to the crossing (circuit `full`)",
        "no transient with noise was run: only its deviation was held against .noise",
    ),
    (
        "noise of comparators, kT/C of the reset",
        "none",
        "listed by size by `rram-jax neuron characterise`, not modelled",
    ),
    (
        "curvature of filaments in a network",
        "none: a cell is its read resistance",
        "none in the decks either: the RRAM of a cell is a resistor in all of them",
    ),
    (
        "capacitance of wires",
        "none: bit lines settle at once",
        "decks have it lumped at each output; distributed wires were not simulated",
    ),
    (
        "energy",
        "laws of the card, fitted to ngspice's supplies",
        "the integration of supplies was held against no other simulator",
    ),
    (
        "silicon",
        "-",
        "no measured chip: agreement says that the surrogate does what ngspice does"
        " with this transistor card",
    ),
)
"""effect, in the surrogate, what there is instead."""


def whole_checks() -> Iterator[Check]:
    """What another command checks."""
    for effect, model, against, case, command in WHOLE:
        yield Check(
            effect=effect,
            model=model,
            against=against,
            case=case,
            error=None,
            unit="-",
            repeat=command,
        )


def nothing_checks() -> Iterator[Check]:
    """What stands against nothing independent."""
    for effect, model, told in NOTHING:
        yield Check(
            effect=effect,
            model=model,
            against="nothing",
            case=told,
            error=None,
            unit="-",
            repeat="-",
        )
