"""Tables of the full-circuit experiment, from folders written by hand."""

import pytest

from experiments.full_circuit.parts import FullCircuit, chosen_parts, plan_parts
from experiments.full_circuit.summary import lines_of
from experiments.full_circuit.tables import (
    agreement_rows,
    differences,
    energy_rows,
    finished_parts,
    same_decks,
)
from rram_jax.errors import InputError
from rram_jax.run_folder import write_json, write_text

CODES = "chip,image,layer,neuron,spice,surrogate,position\n"


def _folder(place, codes):
    place.mkdir(parents=True)
    write_text(place / "codes.csv", CODES + "".join(f"{row},0\n" for row in codes))
    metrics = {
        "tier": "full",
        "network": "mlp-3-2-2",
        "array": "multiport",
        "n_images": 1,
        "n_chips": 2,
        "codes_equal": 0.75,
        "codes_equal_active": 0.5,
        "codes_within_1": 1.0,
        "n_codes": 4,
        "n_active": 2,
        "counts_equal": 1.0,
        "counts_within_1": 1.0,
        "winner_equal": 1.0,
        "accuracy_spice": 0.5,
        "accuracy_surrogate": 0.5,
        "n_ties": 0,
        "energy_by_block_j": {
            "gm": 1e-9,
            "latch": 2e-9,
            "bias": 3e-9,
            "pre": 4e-9,
            "phases": 5e-9,
            "driver": 10e-9,
            "gate": 20e-9,
            "array": 100e-9,
        },
        "array_from_regulator_j": 300e-9,
        "peak_current_a": {"vp": 0.1, "cm": 0.3},
        "cpu_s_per_image": 100.0,
        "rss_bytes": 1,
    }
    write_json(place / "metrics.json", metrics)
    (place / "decks").mkdir()
    write_json(place / "decks" / "manifest.json", {"t_stop_s": 250e-9})
    return place


def test_tables_by_hand(tmp_path):
    folders = {
        "one": _folder(
            tmp_path / "one",
            ["0,7,0,0,3,3", "0,7,0,1,5,4", "0,7,1,0,9,9", "1,7,0,0,2,2", "1,7,1,0,8,8"],
        ),
        "other": _folder(
            tmp_path / "other", ["0,7,0,0,3,3", "0,7,0,1,4,4", "0,7,1,0,9,9"]
        ),
    }
    assert same_decks(folders, "one", "other") == {
        "decks": 1,
        "codes": 2,
        "codes_equal": 1,
        "counts": 1,
        "counts_equal": 1,
    }
    assert same_decks(folders, "one", "missing")["decks"] == 0
    assert differences(folders["one"]).tolist() == [0, 1, 0]
    first = energy_rows(folders)[0]
    assert first["macs"] == 10
    assert first["energy_without_array_and_drivers_j"] == pytest.approx(15e-9)
    assert first["energy_without_array_j"] == pytest.approx(45e-9)
    assert first["energy_all_j"] == pytest.approx(145e-9)
    assert first["energy_all_from_regulator_per_mac_j"] == pytest.approx(34.5e-9)
    assert first["inferences_per_s"] == pytest.approx(4e6)
    assert first["peak_current_a"] == 0.3
    row = agreement_rows(folders)[0]
    # One of two right, Clopper and Pearson: 1.3 to 98.7 %.
    assert row["accuracy_spice_low"] == pytest.approx(0.0126, abs=1e-3)
    assert row["accuracy_spice_high"] == pytest.approx(0.9874, abs=1e-3)
    assert lines_of([{"a": 1}, {"b": 2}]) == (["a", "b"], [[1, None], [None, 2]])


def test_parts_are_chosen_by_name(tmp_path):
    config = FullCircuit(out=tmp_path, only=("static-large",))
    assert list(chosen_parts(config)) == ["static-large"]
    both = [plan_parts(config)[f"full-{kind}"] for kind in ("hardened", "conventional")]
    # The same images and chips; only the network is another.
    assert both[0].seed == both[1].seed
    assert both[0].draw
    assert both[1].draw
    assert (both[0].images, both[0].chips) == (both[1].images, both[1].chips) == (25, 2)
    assert finished_parts(plan_parts(config)) == {}
    with pytest.raises(InputError, match="no part 'statc'"):
        chosen_parts(FullCircuit(only=("statc",)))
