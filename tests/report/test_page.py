import base64
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rram_jax.errors import InputError
from rram_jax.report.page import write_report
from tests.helpers import is_one_sentence
from tests.report.folders import make_demo
from tests.test_layers import PACKAGE, imported

FIGURES = ("accuracy", "cells", "codes", "energy", "neuron", "waves")

SECTIONS = (
    "ideal",
    "answer",
    "accuracy",
    "codes",
    "waves",
    "energy",
    "cells",
    "neuron",
    "verified",
    "repeat",
)

HOSTILE = "<script>alert(1)</script>'\"&$x_{$"


class Page(HTMLParser):
    """Elements and text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def attributes(self, name: str) -> list[str]:
        return [a[name] for _, a in self.elements if name in a]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def images(self) -> list[str]:
        """The SVG of every figure."""
        data = [uri.partition("base64,")[2] for uri in self.attributes("src")]
        return [base64.b64decode(d).decode() for d in data]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A report's folder and what it was made from."""
    out = tmp_path_factory.mktemp("demo")
    asked = make_demo(out)
    write_report(out, **asked)
    return out, asked


@pytest.fixture(scope="module")
def page(demo):
    return Page((demo[0] / "report.html").read_text())


def test_all_sections_stand_in_order_and_what_is_ideal_first(page):
    assert page.attributes("id") == list(SECTIONS)
    assert [a["href"] for t, a in page.elements if t == "a"] == [
        f"#{name}" for name in SECTIONS
    ]
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == 1
    assert tags.count("section") == tags.count("h2") == len(SECTIONS)
    assert "Something <b>new</b>: ideal in every deck." in page.text


def test_the_page_asks_nobody_for_anything(demo, page):
    text = (demo[0] / "report.html").read_text()
    assert not re.search(r"(https?:)?//[a-z]", text)
    assert "url(" not in text
    assert "@import" not in text
    assert not {"script", "link", "iframe", "object", "base"} & {
        tag for tag, _ in page.elements
    }
    assert all(
        src.startswith("data:image/svg+xml;base64,") for src in page.attributes("src")
    )
    for svg in page.images():
        links = {
            value
            for element in ET.fromstring(svg).iter()
            for name, value in element.attrib.items()
            if name.endswith("href")
        }
        assert all(link.startswith("#") for link in links)


def test_every_figure_is_in_the_page_and_beside_it(demo, page):
    out, _ = demo
    names = sorted(path.name for path in (out / "figures").iterdir())
    assert names == sorted(f"{f}.{kind}" for f in FIGURES for kind in ("png", "svg"))
    assert sorted(page.images()) == sorted(
        (out / "figures" / f"{name}.svg").read_text() for name in FIGURES
    )
    for name in FIGURES:
        assert (out / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert all(len(alt) > 20 for alt in page.attributes("alt"))


def test_the_same_runs_give_the_same_bytes(demo):
    out, asked = demo
    files = [out / "report.html", *(out / "figures").iterdir()]
    before = {path: path.read_bytes() for path in files}
    write_report(out, **asked)
    assert {path: path.read_bytes() for path in files} == before


def test_numbers_of_the_runs_are_told(page):
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for told in (
        "the first 2 test images of the set on 1 chip, seed 3, mismatch on",
        "ngspice 46, solver KLU; 1,357 transistors; 62 s an image",
        "5 of 6 83.3 %",
        "0 and 1 (tie)",
        "0.25 hardened 92.01 89.51 89.21 to 89.81 86.01 85.01",
        "Mean accuracy of hardened minus that of conventional, in points: +0.7 at 0,"
        " +3.2 at 0.25, +5.7 at 0.5. One training of each network,",
        "Neuron 2 of layer 0, image 0 on chip 0: ngspice's pulse has code 15; the"
        " surrogate computed a crossing after 21.00 slots, code 15.",
        "arrays, drawn from the supply by linear regulators [pJ] 5,430",
        "Simulated in ngspice: hardened.",
    ):
        assert told in text
    assert page.text.count(" NO ") == 1  # the tie
    assert [a for _, a in page.elements if "differs" in a.get("class", "")]


def test_mnist5k_is_called_by_its_name(demo, page):
    everything = page.text + " ".join(page.attributes("alt")) + str(page.images())
    assert "mnist5k" in everything
    assert "MNIST" not in everything


# The font has no glyph for some hostile characters; none is used here.
def test_hostile_names_stay_text(tmp_path):
    asked = make_demo(tmp_path, dataset=HOSTILE, other=HOSTILE)
    page = Page(write_report(tmp_path, **asked).read_text())
    assert "script" not in {tag for tag, _ in page.elements}
    assert f"mlp-9-3-2 on {HOSTILE}, simulated in ngspice" in page.text
    for svg in page.images():
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter()}
        assert "script" not in tags


@pytest.mark.parametrize("part", ["trained", "curves", "verified"])
def test_a_report_of_nothing_is_refused(demo, part):
    out, asked = demo
    with pytest.raises(InputError) as error:
        write_report(out, **asked | {part: {}})
    assert is_one_sentence(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "conventional/metrics.json",
        "hardened/versions.json",
        "verify-multiport/waves.npz",
        "verify-multiport/small.toml",
        "verify-cells/codes.csv",
    ],
)
def test_what_is_missing_is_named_before_anything_is_written(tmp_path, name):
    asked = make_demo(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError) as error:
        write_report(tmp_path, **asked)
    assert is_one_sentence(error.value)
    assert name in str(error.value)
    assert not (tmp_path / "figures").exists()
    assert not (tmp_path / "report.html").exists()


def test_the_report_needs_neither_flax_nor_pyspice():
    def path_of(name: str) -> Path | None:
        """File of a dotted name, which may end in a name inside the module."""
        path = PACKAGE.parent / name.replace(".", "/")
        for file in (path.with_suffix(".py"), path.parent.with_suffix(".py")):
            if file.is_file():
                return file
        return None

    found, todo = set(), {"rram_jax.report.page.write_report"}
    while todo:
        name = todo.pop()
        found.add(name)
        if name.startswith("rram_jax") and (path := path_of(name)):
            todo |= imported(path.read_text()) - found
    assert "rram_jax.neuron.card.load_neuron_card" in found  # the walk went deep
    assert not {n.partition(".")[0] for n in found} & {"flax", "orbax", "PySpice"}
