import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_models_and_presets_travel_in_the_wheel(tmp_path):
    """Slow because pip fetches the build tool first."""
    wheel_command = ["-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path)]
    subprocess.run([sys.executable, *wheel_command, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    spice = {
        f"rram_jax/_spice/{file.relative_to(ROOT / 'spice').as_posix()}"
        for file in (ROOT / "spice").rglob("*")
        if file.is_file()
    }
    data = {
        file.relative_to(ROOT).as_posix()
        for suffix in ("py", "toml", "npz")
        for file in (ROOT / "rram_jax").rglob(f"*.{suffix}")
    }
    assert spice
    assert any("/presets/" in name for name in data)
    assert packed >= spice | data
    # Nothing lands beside the package in site-packages.
    assert {name.partition("/")[0].partition("-")[0] for name in packed} == {"rram_jax"}
