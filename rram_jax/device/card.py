"""The device card: every number about the 1T1R cell, from one TOML file."""

import dataclasses
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jax.numpy as jnp

from rram_jax.device.filament import filament_names, load_filament
from rram_jax.errors import InputError
from rram_jax.toml_file import check_name, load_record, packaged_names
from rram_jax.types import Array, Float, register_record


@register_record
@dataclass(frozen=True)
class DeviceParams:
    """The card's numbers as arrays: what is differentiated, swept or mapped over."""

    r_lrs: Float[Array, ""]
    """[Ohm] Median read resistance of the body of LRS cells."""

    r_hrs: Float[Array, ""]
    """[Ohm] Median read resistance of the body of HRS cells."""

    sigma_lrs: Float[Array, ""]
    """[-] Standard deviation of ln R of the body of LRS cells."""

    sigma_hrs: Float[Array, ""]
    """[-] Standard deviation of ln R of the body of HRS cells."""

    tail_share: Float[Array, ""]
    """[-] Share of LRS cells that belong to the tail."""

    sigma_tail: Float[Array, ""]
    """[-] Standard deviation of ln R of LRS cells in the tail."""

    tail_ratio: Float[Array, ""]
    """[-] Median of the tail over the median of the body, LRS."""

    tail_share_hrs: Float[Array, ""]
    """[-] Share of HRS cells that belong to the tail."""

    sigma_tail_hrs: Float[Array, ""]
    """[-] Standard deviation of ln R of HRS cells in the tail."""

    tail_ratio_hrs: Float[Array, ""]
    """[-] Median of the tail over the median of the body, HRS."""

    stuck: Float[Array, "2"]
    """[-] Shares of cells stuck in LRS and in HRS, whatever they are programmed to."""

    d2d: Float[Array, "2"]
    """[-] Device-to-device share of the variance, LRS and HRS (`cycles.py`)."""

    correlation: Float[Array, "2"]
    """[-] Between LRS and HRS of a cell: device-to-device and cycle-to-cycle."""

    r_access: Float[Array, ""]
    """[Ohm] Access transistor at the read point: part of every cell's resistance."""

    rtn_traps: Float[Array, "2"]
    """[-] Mean number of RTN traps in an LRS cell, and in an HRS cell at `r_hrs`."""

    rtn_amplitude: Float[Array, "2"]
    """[-] Median dR/R of one trap in an LRS and in an HRS cell."""

    rtn_sigma: Float[Array, ""]
    """[-] Standard deviation of ln(dR/R) over traps."""

    rtn_time: Float[Array, "2"]
    """[s] Shortest and longest mean time that a trap stays empty, or full."""

    band: Float[Array, "2"] | None
    """[-] Write-verify: half width of the band of ln R, LRS and HRS (inf: none). None
    where no state is verified."""

    max_writes: Float[Array, ""]
    """[-] Programmings of a cell that write-verify makes at most."""


_SHARE, _CORRELATION, _RATIO = (0.0, 1.0), (-1.0, 1.0), (1e-3, 1e3)

MAX_MEAN = 2.0
"""[-] Mean number of RTN traps that even the thickest barrier does not exceed."""

LIMITS = {
    "tail_share": _SHARE,
    "tail_ratio": _RATIO,
    "tail_share_hrs": _SHARE,
    "tail_ratio_hrs": _RATIO,
    "stuck_lrs": _SHARE,
    "stuck_hrs": _SHARE,
    "d2d_lrs": _SHARE,
    "d2d_hrs": _SHARE,
    "correlation_d2d": _CORRELATION,
    "correlation_c2c": _CORRELATION,
    "rtn_traps_lrs": (0.0, MAX_MEAN),
    "rtn_traps_hrs": (0.0, MAX_MEAN),
    "rtn_time_low": (1e-9, 1e6),
    "rtn_time_high": (1e-9, 1e6),
    "v_reset": (0.0, 5.0),
    "t_reset": (0.0, 10.0),
    "max_writes": (1, 1000),
}
"""Smallest and largest value. Spreads, bands of ln R and dR/R reach from 0 to 3, a
factor of 20."""


@dataclass(frozen=True, kw_only=True)
class DeviceCard:
    """One 1T1R technology after one way of programming it. SI units.

    All resistances are the cell's as it is read, RRAM and access transistor together,
    and so are their spreads (standard deviations of ln R). In each state ln R is normal
    or a mixture of two normals, a body of median `r_lrs` or `r_hrs` and a tail.
    `sigma_*` are spreads over the cells of one programmed array; of their variance the
    share `d2d_*` stays with a cell from one programming to the next.
    """

    name: str
    """Short name, used in tables and file names."""

    source: str
    """Where the numbers come from: measured, fitted or assumed."""

    r_lrs: float
    """[Ohm] Median read resistance of the body, low-resistance state."""

    r_hrs: float
    """[Ohm] Median read resistance of the body, high-resistance state."""

    sigma_lrs: float
    """[-] Spread of ln R_LRS, body."""

    sigma_hrs: float
    """[-] Spread of ln R_HRS, body."""

    tail_share: float = 0.0
    """[-] Share of LRS cells in the tail."""

    sigma_tail: float = 0.0
    """[-] Spread of ln R_LRS in the tail."""

    tail_ratio: float = 1.0
    """[-] Median of the tail over `r_lrs`."""

    tail_share_hrs: float = 0.0
    """[-] Share of HRS cells in the tail."""

    sigma_tail_hrs: float = 0.0
    """[-] Spread of ln R_HRS in the tail."""

    tail_ratio_hrs: float = 1.0
    """[-] Median of the tail over `r_hrs`."""

    d2d_lrs: float = 0.0
    """[-] Share of the variance of LRS that is device-to-device."""

    d2d_hrs: float = 0.0
    """[-] Share of the variance of HRS that is device-to-device."""

    correlation_d2d: float = 0.0
    """[-] Correlation of LRS and HRS between cells."""

    correlation_c2c: float = 0.0
    """[-] Correlation of LRS and HRS between the cycles of a cell."""

    stuck_lrs: float = 0.0
    """[-] Share of cells that are in LRS whatever they are programmed to."""

    stuck_hrs: float = 0.0
    """[-] Share of cells that are in HRS whatever they are programmed to."""

    r_access: float = 900.0
    """[Ohm] Access transistor at the read point, part of the cell's resistance: bounds
    what a draw may be (`variability.MIN_RRAM`)."""

    rtn_traps_lrs: float = 0.0
    """[-] Mean number of RTN traps, LRS."""

    rtn_traps_hrs: float = 0.0
    """[-] Mean number of RTN traps of an HRS cell at `r_hrs`; it grows with ln R."""

    rtn_amplitude_lrs: float = 0.006
    """[-] Median dR/R of one trap, LRS."""

    rtn_amplitude_hrs: float = 0.1
    """[-] Median dR/R of one trap, HRS."""

    rtn_sigma: float = 0.5
    """[-] Spread of ln(dR/R) over traps."""

    rtn_time_low: float = 1e-3
    """[s] Shortest mean time that a trap stays empty, or full; log-uniform up to..."""

    rtn_time_high: float = 10.0
    """[s] ... the longest."""

    band_lrs: float = 0.0
    """[-] Write-verify: half width of the band of ln R about `r_lrs` that a cell is
    programmed again for; 0 writes LRS blindly."""

    band_hrs: float = 0.0
    """[-] The same about `r_hrs`; 0 writes HRS blindly."""

    max_writes: int = 20
    """[-] Programmings of a cell at most, where a band is given."""

    filament: str = ""
    """Filament card that the cells follow when RESET changes: a packaged one's name, or
    a path, seen from this card. It says by which factors HRS and its spread change; all
    else, shares and correlations too, is this card's. Without one the card holds for
    one RESET pulse only."""

    v_reset: float = 0.0
    """[V] Cell voltage of the RESET pulse that HRS stands for, with `filament`."""

    t_reset: float = 0.0
    """[s] Its width, with `filament`."""

    def __post_init__(self):
        check_name(self.name, "device card")
        if not 100 <= self.r_access + 100 < self.r_lrs < self.r_hrs < 1e9:
            raise InputError(
                f"Device card {self.name!r} needs 0 <= r_access, r_access + 100 <"
                f" r_lrs < r_hrs < 1e9, in ohms; it has r_access = {self.r_access:g},"
                f" r_lrs = {self.r_lrs:g} and r_hrs = {self.r_hrs:g}."
            )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            low, high = LIMITS.get(field.name, (0.0, 3.0))
            if isinstance(value, float | int) and field.name[:2] != "r_":
                if not low <= value <= high:
                    raise InputError(
                        f"Device card {self.name!r}: {field.name} must lie between"
                        f" {low:g} and {high:g}; it is {value:g}."
                    )
        if self.rtn_time_low > self.rtn_time_high:
            raise InputError(
                f"Device card {self.name!r} needs rtn_time_low <= rtn_time_high; they"
                f" are {self.rtn_time_low:g} and {self.rtn_time_high:g} s."
            )
        if bool(self.filament) != (self.v_reset > 0 and self.t_reset > 0):
            raise InputError(
                f"Device card {self.name!r}: filament, v_reset and t_reset go together;"
                f" they are {self.filament[:80]!r}, {self.v_reset:g} V and"
                f" {self.t_reset:g} s."
            )
        if self.stuck_lrs + self.stuck_hrs > 1:
            raise InputError(
                f"Device card {self.name!r}: stuck_lrs and stuck_hrs are shares of the"
                " same cells, at most 1 together; they are"
                f" {self.stuck_lrs:g} and {self.stuck_hrs:g}."
            )

    def params(self) -> DeviceParams:
        """The card as float32 arrays."""

        def array(value):
            return jnp.asarray(value, jnp.float32)

        bands = [band or jnp.inf for band in (self.band_lrs, self.band_hrs)]

        return DeviceParams(
            r_lrs=array(self.r_lrs),
            r_hrs=array(self.r_hrs),
            sigma_lrs=array(self.sigma_lrs),
            sigma_hrs=array(self.sigma_hrs),
            tail_share=array(self.tail_share),
            sigma_tail=array(self.sigma_tail),
            tail_ratio=array(self.tail_ratio),
            tail_share_hrs=array(self.tail_share_hrs),
            sigma_tail_hrs=array(self.sigma_tail_hrs),
            tail_ratio_hrs=array(self.tail_ratio_hrs),
            stuck=array([self.stuck_lrs, self.stuck_hrs]),
            d2d=array([self.d2d_lrs, self.d2d_hrs]),
            correlation=array([self.correlation_d2d, self.correlation_c2c]),
            r_access=array(self.r_access),
            rtn_traps=array([self.rtn_traps_lrs, self.rtn_traps_hrs]),
            rtn_amplitude=array([self.rtn_amplitude_lrs, self.rtn_amplitude_hrs]),
            rtn_sigma=array(self.rtn_sigma),
            rtn_time=array([self.rtn_time_low, self.rtn_time_high]),
            band=array(bands) if self.band_lrs or self.band_hrs else None,
            max_writes=array(self.max_writes),
        )


_PACKAGED = resources.files("rram_jax.device") / "presets"


def preset_names() -> list[str]:
    """Names of the cards that come with the package."""
    return packaged_names(_PACKAGED)


def load_card(name_or_path: str | Path) -> DeviceCard:
    """Read a device card: a preset's name or the path of a TOML file.

    Raises:
        InputError: There is no such card, its text is not a valid one, or its filament
            card is none or does not speak for its RESET pulse.
    """
    card = load_record(name_or_path, _PACKAGED, DeviceCard, "device card")
    if not card.filament:
        return card
    # A user's filament card lies where the card says, seen from the card.
    beside = Path(name_or_path).parent / card.filament
    if card.filament not in filament_names() and os.path.isfile(beside):
        card = dataclasses.replace(card, filament=str(beside))
    load_filament(card.filament).check_pulse(card.v_reset, card.t_reset)
    return card
