"""What can be asked of `rram-jax doctor`; nothing here needs jax."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class DoctorCommand:
    """Tell what is installed on this machine, and how to get what is missing.

    It ends with 0 whatever it finds; `--json` has the findings for scripts.
    """

    json: Path | None = None
    """File that gets the same as JSON."""
