import re
import xml.etree.ElementTree as ET

import pytest

from rram_jax.report import curve
from rram_jax.report.curve import accuracy_curve_figure


def point(sigma, mean, **others):
    return {
        "dataset": "mnist5k",
        "device": "bench-r10",
        "circuit": "map",
        "n_chips": 20,
        "sigma_lrs": sigma,
        "accuracy_ideal": 0.97,
        "accuracy_mean": mean,
        "accuracy_p01": mean - 0.03,
        "ci95": [mean - 0.01, mean + 0.02],
        **others,
    }


TABLES = {
    "plain": [point(0.5, 0.8), point(0.0, 0.96), point(0.2, 0.9)],
    "hardened": [point(0.5, 0.88), point(0.0, 0.95, dataset="mnist")],
}


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figure as it was handed over to be saved."""
    figures, save = [], curve.save_figure
    monkeypatch.setattr(
        curve, "save_figure", lambda f, p: figures.append(f) or save(f, p)
    )
    accuracy_curve_figure(TABLES, tmp_path / "curve")
    (axes,) = figures[0].axes
    return axes


def test_a_curve_runs_through_its_points_in_per_cent(drawn):
    plain, hardened = (bars.lines[0].get_xydata() for bars in drawn.containers)
    assert plain.tolist() == [[0, 96], [0.2, 90], [0.5, 80]]
    assert hardened[:, 1] == pytest.approx([95, 88])
    low, high = drawn.containers[0].lines[2][0].get_segments()[1][:, 1]
    assert (low, high) == pytest.approx((89, 92))
    (shade,) = (drawn.collections[k].get_datalim(drawn.transData) for k in (1,))
    assert shade.y0 == pytest.approx(77)  # the 1st percentile at the widest spread


def test_every_curve_and_data_set_is_named(drawn):
    names = [text.get_text() for text in drawn.get_legend().get_texts()]
    assert names == ["plain", "hardened"]
    title = drawn.get_title(loc="left")
    assert "20 chips of bench-r10, circuit map, on mnist5k, mnist:" in title


def test_equal_tables_give_equal_files(tmp_path):
    first = accuracy_curve_figure(TABLES, tmp_path / "a.b")
    second = accuracy_curve_figure(TABLES, tmp_path / "c")
    assert [path.name for path in first] == ["a.b.png", "a.b.svg"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    text = first[1].read_text()
    ET.fromstring(text)
    assert not re.search(r"20\d\d-\d\d-\d\d", text)  # no date
