import dataclasses
import json
import math
import re
import tomllib

import numpy as np
import pytest

from rram_jax.cli import main
from rram_jax.commands import device
from rram_jax.device.card import DeviceCard, load_card, preset_names
from rram_jax.device.filament import load_filament
from rram_jax.ngspice.rram import rram_subcircuits
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
    # Every number of a card is told.
    for field in dataclasses.fields(DeviceCard):
        if field.name not in ("name", "source"):
            assert f"│ {field.name} " in out
    assert "Source: A [bench] of 1999." in out
    lrs, hrs = re.findall(r"median (\S+) Ohm, spread of ln R (\S+),", out)
    # The median of 100,000 log-normal numbers stands within 1.25 s / 316 of the true
    # one, their standard deviation within s / 447: five of those.
    assert float(lrs[0]) == pytest.approx(5000, rel=0.004)
    assert float(hrs[0]) == pytest.approx(60e3, rel=0.012)
    assert float(lrs[1]) == pytest.approx(0.2, rel=0.012)
    assert float(hrs[1]) == pytest.approx(0.6, rel=0.012)
    assert out.endswith(
        "Figure: runs/device-mine/card.png and runs/device-mine/card.svg.\n"
    )
    first = (tmp_path / "runs" / "device-mine" / "card.svg").read_bytes()
    assert main(["device", "show", card, "--out", "a/b"]) == 0
    assert (tmp_path / "a" / "b" / "card.svg").read_bytes() == first
    assert (tmp_path / "a" / "b" / "card.png").read_bytes()[1:4] == b"PNG"


def test_write_verify_is_told(card, tmp_path, capsys):
    file = tmp_path / "mine.toml"
    file.write_text(file.read_text() + "band_lrs = 0.2\nmax_writes = 3\n")
    assert main(["device", "show", card]) == 0
    out = " ".join(capsys.readouterr().out.split())
    (told,) = re.findall(r"Write-verify of LRS takes (\S+) programmings", out)
    # One standard deviation: 1 + q + q^2 programmings, q = 31.73 % outside.
    assert float(told) == pytest.approx(1 + 0.3173 + 0.3173**2, rel=0.01)
    (share,) = re.findall(r"(\S+)% of the cells took all 3", out)
    assert float(share) == pytest.approx(100 * 0.3173**2, rel=0.05)


def test_the_reset_curve_is_written(tmp_path, capsys):
    assert main(["device", "reset", "hfo2-nominal", "--out", "curve"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "pulses of 1 \u00b5s, read at 0.2 V a cell for 5 ns" in out
    header, *lines = (tmp_path / "curve" / "reset.csv").read_text().splitlines()
    names = header.split(",")
    columns = np.array([[float(x) for x in line.split(",")] for line in lines]).T
    curve = dict(zip(names, columns, strict=True))
    v = curve["v_reset"]
    assert (v[0], v[-1]) == pytest.approx((0.8, 1.46))
    at = int(np.abs(v - 1.3).argmin())
    card = load_card("hfo2-nominal")
    assert curve["r_hrs"][at] == pytest.approx(card.r_hrs, rel=1e-4)
    assert curve["sigma_hrs"][at] == pytest.approx(card.sigma_hrs, rel=1e-4)
    # By hand: two log-normals, 0.2 V for 5 ns.
    on, off = (math.exp(s * s / 2) / r for r, s in ((4520, 0.051), (40600, 0.234)))
    noise = [g * math.sqrt(math.expm1(s * s)) for g, s in ((on, 0.051), (off, 0.234))]
    pair = math.hypot(*noise) / (on - off)
    assert curve["pair_noise"][at] == pytest.approx(pair, rel=1e-3)
    assert curve["read_current"][at] == pytest.approx(0.2 * (on + off), rel=1e-4)
    energy = 0.04 * (on + off) * 5e-9
    assert curve["read_energy"][at] == pytest.approx(energy, rel=1e-4)
    assert (np.diff(curve["read_current"]) < 0).all()
    assert curve["pair_noise"][-1] < curve["pair_noise"][0] / 5
    for kind in ("png", "svg"):
        assert (tmp_path / "curve" / f"reset.{kind}").stat().st_size > 1000


def test_the_netlist_is_that_of_the_compact_model(tmp_path, capsys):
    argv = ("device", "netlist", "hfo2-nominal", "--out")
    assert main([*argv, "cell.lib"]) == 0
    text = (tmp_path / "cell.lib").read_text()
    assert text.endswith(rram_subcircuits(load_filament("hfo2")))
    about = text[: text.index(".subckt")].splitlines()
    assert all(line.startswith("* ") and len(line) < 90 for line in about)
    assert "cell.lib is there already" in refused(capsys, *argv, "cell.lib")
    assert main([*argv, "va.lib", "--verilog-a"]) == 0
    assert ".model filament_va rram_filament" in (tmp_path / "va.lib").read_text()
    assert "rram.va" in capsys.readouterr().out
    assert "names no filament card" in refused(
        capsys, "device", "netlist", "radar-a", "--out", "x.lib"
    )


def test_voltages_that_leave_hrs_at_lrs_are_left_out(tmp_path, capsys):
    argv = ("device", "reset", "hfo2-nominal", "--t-reset", "1e-8", "--out", "curve")
    assert main([*argv]) == 0
    out = " ".join(capsys.readouterr().out.split())
    (left_out,) = re.findall(r"(\d+) of 34 RESET voltages", out)
    header, *lines = (tmp_path / "curve" / "reset.csv").read_text().splitlines()
    assert len(lines) == 34 - int(left_out)
    rows = [
        dict(zip(header.split(","), map(float, x.split(",")), strict=True))
        for x in lines
    ]
    assert min(row["r_hrs"] for row in rows) > 1.1 * 4520
    assert all(row["pair_noise"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("reset", "bench-r10"), "names no filament card"),
        (("reset", "hfo2-nominal", "--t-reset", "1"), "between 1e-08 and 0.0001 s"),
        (("reset", "hfo2-nominal", "--t-reset", "-1"), "between 1e-08 and 0.0001 s"),
        (("show", "hfo2-nominal", "--t-reset", "1e-6"), "belongs to `device reset`"),
    ],
)
def test_a_reset_curve_that_cannot_be(command, told, capsys):
    assert told in refused(capsys, "device", *command)


def test_a_card_that_is_not_there_is_told(capsys):
    assert "give the path of a TOML file" in refused(capsys, "device", "show", "none")


def test_a_card_that_is_wrong_is_told(card, capsys, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(file.read_text() + "r_lsr = 1.0\n")
    assert "r_lsr: there is no such key" in refused(capsys, "device", "show", card)


SAMPLE = ("device", "sample", "radar-a", "--cells", "50", "--cycles", "40")


def test_a_card_is_sampled_the_same_in_any_chunks(tmp_path, monkeypatch, capsys):
    assert main([*SAMPLE, "--seed", "4", "--out", "a.csv"]) == 0
    assert "50 cells of radar-a over 40 cycles: a.csv." in capsys.readouterr().out
    first = (tmp_path / "a.csv").read_text().splitlines()
    assert first[0] == "cell,cycle,r_hrs_ohm,r_lrs_ohm"
    assert len(first) == 1 + 50 * 40
    assert first[41].startswith("1,0,")
    monkeypatch.setattr(device, "CHUNK", 7 * 40)  # 50 is no multiple of 7
    assert main([*SAMPLE, "--seed", "4", "--out", "b.csv"]) == 0
    again = (tmp_path / "b.csv").read_text().splitlines()
    for one, other in zip(first[1:], again[1:], strict=True):
        a, b = one.split(","), other.split(",")
        assert a[:2] == b[:2]
        # float32's last bits may hang on the length of a chunk; a file has 0.1 Ohm.
        assert list(map(float, a)) == pytest.approx(list(map(float, b)), rel=3e-5)
    assert main([*SAMPLE, "--seed", "5", "--out", "c.csv"]) == 0
    assert (tmp_path / "c.csv").read_text().splitlines()[1] != first[1]


def test_measurements_become_a_card_with_all_beside_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(device, "REPLICATES", 100)
    assert main([*SAMPLE, "--out", "m.csv.gz"]) == 0
    argv = ("device", "fit", "m.csv.gz", "--out", "mine.toml")
    assert main([*argv, "--source", "A bench."]) == 0
    out = capsys.readouterr().out
    assert "50 cells, 2,000 rows; 50 cells switch" in out
    assert out.endswith("mine-fit.json, mine-fit.png, mine-fit.svg.\n")
    text = (tmp_path / "mine.toml").read_text()
    card = load_card("mine.toml")
    assert card.name == "mine"
    assert card.source.startswith("Fitted to m.csv.gz (A bench.): 50 cells, 2000 rows;")
    found = json.loads((tmp_path / "mine-fit.json").read_text())
    assert found["card"] == tomllib.loads(text)
    for key, (low, high) in found["intervals"].items():
        assert f"# {key}: {low:.4g} to {high:.4g}\n" in text
        value = getattr(card, key)
        assert f"\u2502 {key} " in out
        # Percentiles of a bootstrap need not hold the value itself, but stand near.
        assert low - (high - low) <= value <= high + (high - low)
    for kind in ("png", "svg"):
        assert (tmp_path / f"mine-fit.{kind}").stat().st_size > 5000
    names = {path.name for path in tmp_path.iterdir()}
    assert not {name for name in names if name.startswith(".m")}
    # It is a card like any other, and what is there is not overwritten unasked.
    assert main(["device", "show", "mine.toml"]) == 0
    assert "mine.toml is there already" in refused(capsys, *argv)
    assert "m.csv.gz is there already" in refused(capsys, *SAMPLE, "--out", "m.csv.gz")
    (tmp_path / "mine.toml").unlink()
    assert "mine-fit.json is there already" in refused(capsys, *argv)
    assert main([*argv, "--overwrite"]) == 0
    assert "A bench" not in (tmp_path / "mine.toml").read_text()
    again = load_card("mine.toml")
    assert (again.r_lrs, again.d2d_hrs) == (card.r_lrs, card.d2d_hrs)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("list", "bench-r10"), "takes no name"),
        (("show",), "needs a card"),
        (("fit", "--out", "a.toml"), "needs a file of measurements"),
        (("fit", "a.csv"), "needs --out"),
        (("fit", "a.csv", "--out", "a.csv"), "give --out NAME.toml"),
        (("fit", "a.csv", "--out", "-a.toml"), "letter or digit first"),
        (("fit", "a.csv", "--out", "a.toml"), "There is no file a.csv"),
        (("fit", "a.csv", "--out", "b/a.toml"), "there is no folder b"),
        (("fit", "a.csv", "--out", "a.toml", "--cells", "3"), "belong to"),
        (("show", "bench-r10", "--source", "me"), "belongs to"),
        (("sample", "bench-r10"), "needs --out"),
        (("sample", "none", "--out", "a.csv"), "no device card"),
        (("sample", "bench-r10", "--out", "a.csv", "--cells", "0"), "cells must be"),
        (("sample", "bench-r10", "--out", "a", "--cycles", "-1"), "cycles must be"),
        (("sample", "bench-r10", "--out", "a", "--seed", "-1"), "seed"),
    ],
)
def test_what_does_not_fit_is_told(argv, told, capsys, tmp_path):
    if argv[-1] == "-a.toml":
        argv = (*argv[:-2], "--out=-a.toml")
    assert told in refused(capsys, "device", *argv)
    assert not list(tmp_path.iterdir())
