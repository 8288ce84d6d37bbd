from rram_jax import spice_files


def test_the_folder_of_the_checkout_is_found():
    folder = spice_files.spice_dir()
    assert folder.name == "spice"
    assert (folder.parent / "pyproject.toml").is_file()


def test_the_folder_in_a_wheel_goes_first(tmp_path, monkeypatch):
    (tmp_path / "_spice").mkdir()
    monkeypatch.setattr(spice_files, "_PACKAGE", tmp_path)
    assert spice_files.spice_dir() == tmp_path / "_spice"
