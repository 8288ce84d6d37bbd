import pytest

from rram_jax.report.answer import (
    agreement,
    agreement_table,
    image_answers,
    same_images,
    sample_sentence,
)
from rram_jax.report.verified import read_verified
from tests.report.folders import DECKS, edit_json, make_verified


@pytest.fixture
def multiport(tmp_path):
    return read_verified(make_verified(tmp_path / "m", "multiport"))


@pytest.fixture
def cells(tmp_path):
    return read_verified(make_verified(tmp_path / "c", "cells", DECKS[:1]))


def test_every_image_has_both_answers(multiport, cells):
    first, second, third = image_answers({"multiport": multiport, "cells": cells})
    assert (first.array, first.image, first.label, first.agree) == (
        "multiport",
        0,
        7,
        True,
    )
    assert first.spice == "1"
    assert first.counts_surrogate == (12, 41)
    # A tie agrees with nothing but the same tie.
    assert (second.spice, second.surrogate, second.agree) == (
        "0 and 1 (tie)",
        "0",
        False,
    )
    assert (third.array, third.counts) == ("cells", (12, 40))


def test_shares_are_counted_over_the_right_number(multiport):
    shares = agreement(multiport)
    assert shares["hidden codes equal"].counted == "5 of 6"
    assert shares["hidden codes equal, active neurons only"].counted == "3 of 4"
    assert shares["output counts equal"].counted == "2 of 4"
    assert shares["same winner, end to end"].counted == "1 of 2"
    assert shares["right answer: ngspice"].counted == "0 of 2"


def test_the_table_has_three_columns_a_run(multiport, cells):
    table = agreement_table({"multiport": multiport, "cells": cells})
    assert table.header[1::3] == ("multiport", "cells")
    assert table.rows[0][1] == "5 of 6"
    assert table.rows[0][4] == "3 of 3"


def test_few_images_are_called_few(multiport, tmp_path):
    said = sample_sentence(multiport)
    assert "1 of 2 (2 images on 1 chip, multiport)" in said
    assert "between 9 and 91 %" in said
    assert "small sample" in said
    many = tuple((k, *DECKS[0][1:]) for k in range(120))
    run = read_verified(make_verified(tmp_path / "many", "multiport", many))
    assert "small sample" not in sample_sentence(run)


def test_runs_of_the_same_chip_are_compared_image_by_image(multiport, cells, tmp_path):
    codes, counts = same_images(multiport, cells)
    assert (codes.counted, counts.counted) == ("3 of 3", "2 of 2")
    image, label, spice, *rest = DECKS[0]
    other = ((image, label, (2, *spice[1:]), *rest),)
    moved = read_verified(make_verified(tmp_path / "moved", "cells", other))
    codes, counts = same_images(multiport, moved)
    assert (codes.counted, counts.counted) == ("2 of 3", "2 of 2")


def test_other_images_and_other_chips_are_not_compared(multiport, tmp_path):
    elsewhere = make_verified(tmp_path / "x", "cells", ((5, *DECKS[0][1:]),))
    assert same_images(multiport, read_verified(elsewhere)) is None
    chip = make_verified(tmp_path / "y", "cells")
    edit_json(chip / "config.json", seed=4)
    assert same_images(multiport, read_verified(chip)) is None
