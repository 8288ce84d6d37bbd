import pytest

from rram_jax.neuron.config import NeuronConfig
from rram_jax.neuron.transistors import GM_CELL
from rram_jax.ngspice import neuron
from rram_jax.report import schematic
from rram_jax.report.schematic import PLACES, schematic_figure, size_text, sizes

CONFIG = NeuronConfig(v_full=9e-3, i_bias=30e-6)


@pytest.fixture
def words(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(
        schematic, "save_figure", lambda f, p: figures.append(f) or (p, p)
    )
    schematic_figure(CONFIG, tmp_path / "neuron")
    return [text.get_text() for text in figures[0].axes[0].texts]


def test_every_transistor_of_the_gm_cell_is_drawn_once():
    assert sorted(PLACES) == sorted(t.name for t in GM_CELL)
    assert len({place[:2] for place in PLACES.values()}) == len(PLACES)


def test_transistors_carry_their_names_and_real_sizes(words):
    for t in GM_CELL:
        assert words.count(t.name) == 1
        # 30 uA through a table for 20 uA.
        wide = t._replace(width=1.5 * t.width)
        assert size_text(wide) in words
    assert f"C_int\n{1e15 * CONFIG.c_int:.0f} fF" in words


def test_widths_follow_what_the_deck_scales():
    table = {block: ts[0].width for block, ts in sizes(CONFIG).items()}
    plain = {block: ts[0].width for block, ts in schematic.BLOCKS.items()}
    ratio = {block: table[block] / plain[block] for block in table}
    assert ratio == pytest.approx(
        {
            "gm cell": 1.5,
            "auto-zero": 1.0,
            "reset": CONFIG.reset_scale,
            "copy": CONFIG.reset_scale,
            "latch": 1.0,
            "bias": 1.5,
        }
    )
    text = str(neuron.gm_cell("0", CONFIG))
    for block in ("gm cell", "auto-zero", "reset", "copy"):
        for t in sizes(CONFIG)[block]:
            line = next(x for x in text.splitlines() if x.startswith(f"M{t.name} "))
            width = float(line.split(" w=")[1].split()[0])
            assert width == pytest.approx(t.width, rel=1e-5)  # six digits in a deck
