"""What can be asked of `rram-jax report`; nothing here needs jax."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from rram_jax.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ReportCommand:
    """Put finished verifications of any tier on one page, with tables as CSV."""

    runs: Positional[tuple[Path, ...]]
    """Folders of finished `rram-jax verify` runs."""

    json: Path | None = None
    """File that gets the page's numbers as JSON."""

    out: Path | None = None
    """Folder of the results; by default runs/report-NUMBER-runs-HASH."""

    def __post_init__(self):
        if not self.runs:
            raise InputError(
                "A report needs the folder of one finished `rram-jax verify` or more."
            )
