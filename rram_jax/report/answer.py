"""What ngspice and the surrogate said about every simulated image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rram_jax.report.sheet import Column, Sheet, make_sheet
from rram_jax.report.text import Share, Table, bounds, counted, make_table
from rram_jax.report.verified import CodedRun, DeckResult

FEW = 100
"""[-] Fewer simulated images than this are called few."""


@dataclass(frozen=True, kw_only=True)
class ImageAnswer:
    """One image on one chip, both answers side by side."""

    array: str
    chip: int
    image: int
    label: int
    spice: str
    """Winner in words."""
    surrogate: str
    agree: bool
    counts: tuple[int, ...]
    counts_surrogate: tuple[int, ...]
    """From ngspice's own hidden codes."""


def image_answers(verified: Mapping[str, CodedRun]) -> list[ImageAnswer]:
    """One row an image, run after run."""
    return [
        ImageAnswer(
            array=name,
            chip=deck.chip,
            image=deck.image,
            label=deck.label,
            spice=winner_text(deck.winner_spice),
            surrogate=winner_text(deck.winner_surrogate),
            agree=deck.winner_spice == deck.winner_surrogate,
            counts=deck.counts,
            counts_surrogate=tuple(
                run.codes.outputs(deck.chip, deck.image).surrogate.tolist()
            ),
        )
        for name, run in verified.items()
        for deck in run.decks
    ]


def winner_text(winner: tuple[int, ...]) -> str:
    """Such as 7, or 3 and 8 (tie)."""
    text = " and ".join(map(str, winner))
    return text if len(winner) == 1 else f"{text} (tie)"


def agreement(run: CodedRun) -> dict[str, Share]:
    """The run's shares by what they count."""
    m = run.metrics
    decks, counts = len(run.decks), sum(len(deck.counts) for deck in run.decks)
    return {
        "hidden codes equal": Share.from_mean(m.codes_equal, m.n_codes),
        "hidden codes equal, active neurons only": Share.from_mean(
            m.codes_equal_active, m.n_active
        ),
        "hidden codes within 1": Share.from_mean(m.codes_within_1, m.n_codes),
        "output counts equal": Share.from_mean(m.counts_equal, counts),
        "output counts within 1": Share.from_mean(m.counts_within_1, counts),
        "same winner, end to end": Share.from_mean(m.winner_equal, decks),
        "right answer: ngspice": Share.from_mean(m.accuracy_spice, decks),
        "right answer: surrogate": Share.from_mean(m.accuracy_surrogate, decks),
    }


def agreement_table(verified: Mapping[str, CodedRun]) -> Table:
    """Counts, percentages and intervals; three columns a run."""
    shares = {name: agreement(run) for name, run in verified.items()}
    header = ["what"]
    for name in shares:
        header += [name, "share", "95 % interval"]
    rows = []
    for what in next(iter(shares.values())):
        row = [what]
        for by_what in shares.values():
            share = by_what[what]
            row += [share.counted, share.percent, share.bounds]
        rows.append(row)
    return make_table(header, rows)


def sample_sentence(run: CodedRun) -> str:
    """How much the number of simulated images can tell."""
    winner = agreement(run)["same winner, end to end"]
    low, high = winner.interval
    m = run.metrics
    images = f"{counted(m.n_images, 'image')} on {counted(m.n_chips, 'chip')}"
    said = (
        f"The same winner in {winner.counted} ({images}, {m.array}) leaves"
        f" between {100 * low:.0f} and {100 * high:.0f} % for the true share."
    )
    if winner.n < FEW:
        said = (
            f"{said} That is a small sample: it checks the circuit, and says little"
            " about accuracy."
        )
    return said


def answer_sheet(runs: Mapping[str, CodedRun]) -> Sheet:
    """Accuracy of ngspice and surrogate on the same chips, with Wilson's intervals.

    The image is the unit: all chips are given the same ones, and fail on the same.
    """
    columns = [
        Column(name="run", heading="run"),
        Column(name="n", heading="images on chips"),
    ]
    for name, heading in (
        ("right_spice", "right in ngspice"),
        ("right_surrogate", "right in the surrogate"),
        ("same_winner", "same winner"),
    ):
        columns += [
            Column(name=f"{name}{end}", heading=f"{told} [%]", scale=100)
            for end, told in (
                ("", heading),
                ("_low", "95 % interval from"),
                ("_high", "to"),
            )
        ]
    columns += [
        Column(name="only_spice", heading="right in ngspice only"),
        Column(name="only_surrogate", heading="right in the surrogate only"),
        Column(name="ties_spice", heading="ties in ngspice"),
    ]
    rows = []
    for name, run in runs.items():
        n, (spice, surrogate) = len(run.decks), right_answers(run)
        same = sum(d.winner_spice == d.winner_surrogate for d in run.decks)
        counts = int(spice.sum()), int(surrogate.sum()), same
        rows.append(
            (
                name,
                n,
                *(x for k in counts for x in (k / n, *_of_images(k, run))),
                int((spice & ~surrogate).sum()),
                int((surrogate & ~spice).sum()),
                sum(len(d.winner_spice) > 1 for d in run.decks),
            )
        )
    return make_sheet(columns, rows)


def _of_images(k: int, run: CodedRun) -> tuple[float, float]:
    """[-] Interval of the share of so many simulations, images as the unit.

    Where they are no whole number of images: from that below to that above.
    """
    images = run.metrics.n_images
    below, rest = divmod(k * images, len(run.decks))
    low, _ = Share(k=below, n=images).interval
    _, high = Share(k=below + (rest > 0), n=images).interval
    return low, high


def right_answers(run: CodedRun) -> tuple[np.ndarray, np.ndarray]:
    """Which images ngspice and the surrogate have right; a tie is wrong."""
    return (
        np.array([deck.winner_spice == (deck.label,) for deck in run.decks]),
        np.array([deck.winner_surrogate == (deck.label,) for deck in run.decks]),
    )


def model_sentence(run: CodedRun) -> str:
    """What is the model's error, and what only the sample's size."""
    off = np.abs(run.codes.hidden.difference)
    codes = Share(k=int((off > 0).sum()), n=off.size)
    winners = [d.winner_spice != d.winner_surrogate for d in run.decks]
    spice = Share(k=int(right_answers(run)[0].sum()), n=len(winners))
    accuracy = bounds(_of_images(spice.k, run))
    return (
        "Error of the model: given the same cells, thresholds and codes of the layer"
        f" before, the surrogate differs from ngspice in {codes.counted} hidden codes"
        f" ({codes.percent}, bounds {codes.bounds}), by at most {off.max()} LSB, and"
        f" end to end in the winner of {sum(winners)} of"
        f" {counted(spice.n, 'simulation')}; sampling: {spice.counted} right in"
        f" ngspice, on {counted(run.metrics.n_images, 'image')} and"
        f" {counted(run.metrics.n_chips, 'chip')}, leaves"
        f" {accuracy} for the accuracy, images taken as the unit"
        " as chips share them, which only more images would narrow."
    )


def same_images(a: CodedRun, b: CodedRun) -> tuple[Share, Share] | None:
    """Hidden codes and output counts of ngspice that two runs share.

    None where no image was simulated in both on the same chip of the same network.
    """
    ours, theirs = _decks(a), _decks(b)
    both = sorted(ours.keys() & theirs.keys())
    same_chips = (
        a.metrics.network_sha256 == b.metrics.network_sha256
        and a.config.seed == b.config.seed
        and a.config.mismatch == b.config.mismatch
        and a.config.device_card == b.config.device_card
    )
    if not both or not same_chips:
        return None
    equal = [_codes(a, *key) == _codes(b, *key) for key in both]
    counts = [np.equal(ours[key].counts, theirs[key].counts) for key in both]
    codes, counts = np.concatenate(equal), np.concatenate(counts)
    return (
        Share(k=int(codes.sum()), n=codes.size),
        Share(k=int(counts.sum()), n=counts.size),
    )


def _decks(run: CodedRun) -> dict[tuple[int, int], DeckResult]:
    return {(deck.chip, deck.image): deck for deck in run.decks}


def _codes(run: CodedRun, chip: int, image: int) -> np.ndarray:
    """Hidden codes of one deck, in the order of layers and neurons."""
    hidden = run.codes.hidden
    deck = hidden.where((hidden.chip == chip) & (hidden.image == image))
    return deck.spice[np.lexsort((deck.neuron, deck.layer))]
