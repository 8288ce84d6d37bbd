"""Where the folder `spice/` (models, testbenches, golden numbers) lies."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def spice_dir() -> Path:
    """Return the folder `spice/`: packed in the wheel, or beside the package."""
    packed = _PACKAGE / "_spice"
    return packed if packed.is_dir() else _PACKAGE.parent / "spice"
