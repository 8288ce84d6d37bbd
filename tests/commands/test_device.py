import re

import pytest

from rram_jax.cli import main
from rram_jax.device.card import preset_names
from tests.commands.test_train import refused


def test_the_list_has_every_preset_and_its_source(capsys):
    assert main(["device", "list"]) == 0
    out = capsys.readouterr().out
    for name in preset_names():
        assert f"│ {name} " in out
        assert f"\n{name}: " in out


@pytest.fixture
def card(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\nsource = "A [bench] of 1999."\n'
        "r_lrs = 5000.0\nr_hrs = 60000.0\nsigma_lrs = 0.2\nsigma_hrs = 0.6\n"
    )
    return str(file)


def test_a_card_is_shown_with_what_it_makes(card, tmp_path, capsys):
    assert main(["device", "show", card]) == 0
    out = capsys.readouterr().out
    assert re.search(r"│ r_hrs +│ 60000 +│ Ohm ", out)
    assert "Source: A [bench] of 1999." in out
    lrs, hrs = re.findall(r"median (\S+) Ohm, spread of ln R (\S+),", out)
    # The median of 100,000 log-normal numbers stands within 1.25 s / 316 of the true
    # one, their standard deviation within s / 447: five of those.
    assert float(lrs[0]) == pytest.approx(5000, rel=0.004)
    assert float(hrs[0]) == pytest.approx(60e3, rel=0.012)
    assert float(lrs[1]) == pytest.approx(0.2, rel=0.012)
    assert float(hrs[1]) == pytest.approx(0.6, rel=0.012)
    assert out.endswith(
        "Figure: runs/device-mine/cells.png and runs/device-mine/cells.svg.\n"
    )
    first = (tmp_path / "runs" / "device-mine" / "cells.svg").read_bytes()
    assert main(["device", "show", card, "--out", "a/b"]) == 0
    assert (tmp_path / "a" / "b" / "cells.svg").read_bytes() == first
    assert (tmp_path / "a" / "b" / "cells.png").read_bytes()[1:4] == b"PNG"


def test_a_card_that_is_not_there_is_told(capsys):
    assert "give the path of a TOML file" in refused(capsys, "device", "show", "none")


def test_a_card_that_is_wrong_is_told(card, capsys, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(file.read_text() + "r_lsr = 1.0\n")
    assert "r_lsr: there is no such key" in refused(capsys, "device", "show", card)
