"""The compact model of one RRAM: a filament with a barrier, its current and its motion.

State: barrier thickness x [m], 0 in the low-resistance state, at most `t_ox`; and the
filament's relative cross-section s [-], 1 nominal, which programming draws and pulses
leave alone. All functions work element by element and broadcast.

**Polarity**: a positive voltage thickens the barrier (RESET), a negative one removes it
(SET). Current and voltage have the same sign.

    R    = r_filament / s * (exp(x / x0) - x / t_ox)
    V0   = v0_hrs + (v0_lrs - v0_hrs) * exp(-x / x0)
    I    = V0 / R * sinh(V / V0)
    T    = t_ambient + r_th * V * I
    P(u) = 1 / (1 + exp((e - u) / V_T)) - 1 / (1 + exp(e / V_T)),   V_T = k T / q
    V > 0:  dx/dt =  nu_reset * (t_ox - x) * P(a_reset * V / (d_reset + x))
    V < 0:  dx/dt = -nu_set * x * P(a_set * |V| / (d_set + x))

A hop needs the energy `e`, lowered by the field that stands across barrier and hopping
region. Far from saturation P is the Arrhenius factor exp(-(e - u) / V_T). RESET limits
itself since the field (and the heat) falls as x grows; then x, and ln R with it, grows
linearly in V and almost linearly in ln t. SET runs away since the field grows as x
falls. Both rates are bounded, vanish without voltage and at their end of [0, t_ox], so
that no state leaves it.

References:
    A barrier and a cross-section, a sinh, and hopping driven by field and heat are the
    shape of the models of F. M. Puglisi, P. Pavan, L. Larcher and co-workers, whose
    published parameters are not at hand. The equations above, with the bounded hopping
    probability, the linear end-of-range factors and V0(x), are ours, and so are all
    numbers (fitted).
"""

import dataclasses
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp

from rram_jax.errors import InputError
from rram_jax.toml_file import check_name, load_record, packaged_names
from rram_jax.types import Array, Float, register_record

KELVIN = 8.617333262145179e-5
"""[V/K] Boltzmann's constant over the elementary charge (both exact in the SI)."""


@register_record
@dataclass(frozen=True)
class FilamentParams:
    """The card's numbers as arrays: what is differentiated, swept or mapped over.

    Units and meaning are those of `FilamentCard`. `vmap` over a record of stacked
    arrays runs many technologies at once.
    """

    r_filament: Float[Array, ""]
    t_ox: Float[Array, ""]
    x0: Float[Array, ""]
    v0_lrs: Float[Array, ""]
    v0_hrs: Float[Array, ""]
    t_ambient: Float[Array, ""]
    r_th: Float[Array, ""]
    nu_reset: Float[Array, ""]
    e_reset: Float[Array, ""]
    a_reset: Float[Array, ""]
    d_reset: Float[Array, ""]
    nu_set: Float[Array, ""]
    e_set: Float[Array, ""]
    a_set: Float[Array, ""]
    d_set: Float[Array, ""]
    access_beta: Float[Array, ""]
    access_threshold: Float[Array, ""]
    access_slope: Float[Array, ""]


@register_record
@dataclass(frozen=True)
class FilamentSpread:
    """How programming spreads, as arrays; units and meaning as in `FilamentCard`."""

    sigma_s: Float[Array, ""]
    d2d_s: Float[Array, ""]
    sigma_x: Float[Array, ""]
    x_sigma: Float[Array, ""]
    l_sigma: Float[Array, ""]
    d2d_x: Float[Array, ""]


LIMITS = {
    "r_filament": (100.0, 1e6),
    "t_ox": (1e-9, 50e-9),
    "x0": (0.05e-9, 5e-9),
    "v0_lrs": (0.2, 10.0),
    "v0_hrs": (0.2, 10.0),
    "t_ambient": (200.0, 500.0),
    "r_th": (0.0, 1e7),
    "nu_reset": (1e6, 1e15),
    "e_reset": (0.1, 3.0),
    "a_reset": (0.01e-9, 10e-9),
    "d_reset": (0.05e-9, 10e-9),
    "nu_set": (1e6, 1e15),
    "e_set": (0.1, 3.0),
    "a_set": (0.01e-9, 10e-9),
    "d_set": (0.05e-9, 10e-9),
    "access_beta": (1e-5, 0.1),
    "access_threshold": (-1.0, 2.0),
    "access_slope": (1.0, 3.0),
    "gate_read": (0.0, 5.0),
    "gate_reset": (0.0, 5.0),
    "gate_set": (0.0, 5.0),
    "v_read": (1e-3, 1.0),
    "t_reset": (1e-12, 10.0),
    "v_reset_low": (0.1, 5.0),
    "v_reset_high": (0.1, 5.0),
    "t_reset_low": (1e-12, 10.0),
    "t_reset_high": (1e-12, 10.0),
    "sigma_s": (0.0, 1.0),
    "d2d_s": (0.0, 1.0),
    "sigma_x": (0.0, 1e-9),
    "x_sigma": (0.0, 50e-9),
    "l_sigma": (0.02e-9, 50e-9),
    "d2d_x": (0.0, 1.0),
}
"""Smallest and largest value of each number of a card, in the unit of its field."""


@dataclass(frozen=True, kw_only=True)
class FilamentCard:
    """One 1T1R technology, from which JAX, B-source and Verilog-A take their numbers.

    Voltages [V] of the fields `e_*` are energies over the elementary charge.
    """

    name: str
    """Short name, used in tables and file names."""

    source: str
    """Where the numbers come from: measured, fitted or assumed."""

    r_filament: float
    """[Ohm] RRAM alone without barrier, at small voltage and cross-section 1."""

    t_ox: float
    """[m] Thickness of the oxide, largest barrier."""

    x0: float
    """[m] Barrier that makes the resistance e times larger."""

    v0_lrs: float
    """[V] Scale of the sinh without barrier."""

    v0_hrs: float
    """[V] Scale of the sinh with a thick barrier."""

    t_ambient: float = 300.0
    """[K] Temperature of the surroundings, and of the access transistor."""

    r_th: float
    """[K/W] Thermal resistance of the filament."""

    nu_reset: float
    """[1/s] Attempt frequency, RESET."""

    e_reset: float
    """[V] Activation energy, RESET."""

    a_reset: float
    """[m] Distance over which the field helps a hop, RESET."""

    d_reset: float
    """[m] Thickness across which the voltage stands without barrier, RESET."""

    nu_set: float
    """[1/s] Attempt frequency, SET."""

    e_set: float
    """[V] Activation energy, SET."""

    a_set: float
    """[m] Distance over which the field helps a hop, SET."""

    d_set: float
    """[m] Thickness across which the voltage stands without barrier, SET."""

    access_beta: float
    """[A/V^2] Transconductance parameter of the access transistor."""

    access_threshold: float
    """[V] Threshold of the access transistor."""

    access_slope: float = 1.3
    """[-] Its slope factor."""

    gate_read: float
    """[V] Its gate during a read."""

    gate_reset: float
    """[V] Its gate during RESET."""

    gate_set: float
    """[V] Its gate during SET: the compliance."""

    v_read: float = 0.2
    """[V] Cell voltage of a read, in RESET polarity, which disturbs least."""

    t_reset: float = 1e-6
    """[s] Width of the RESET pulse that the card was fitted with."""

    v_reset_low: float
    """[V] Smallest RESET voltage that the card speaks for."""

    v_reset_high: float
    """[V] Largest one."""

    t_reset_low: float
    """[s] Shortest RESET pulse that the card speaks for."""

    t_reset_high: float
    """[s] Longest one."""

    sigma_s: float = 0.0
    """[-] Standard deviation of ln s over cells and programmings."""

    d2d_s: float = 0.5
    """[-] Share of its variance that stays with a cell."""

    sigma_x: float = 0.0
    """[m] Standard deviation of the barrier that RESET leaves, for thin barriers."""

    x_sigma: float = 1e-9
    """[m] Barrier whose standard deviation is sqrt(2) times that; further up it grows
    with exp(x / l_sigma)."""

    l_sigma: float = 0.3e-9
    """[m] See `x_sigma`."""

    d2d_x: float = 0.5
    """[-] Share of the barrier's variance that stays with a cell."""

    def __post_init__(self):
        check_name(self.name, "filament card")
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(
                    f"Filament card {self.name!r}: {name} must lie between {low:g}"
                    f" and {high:g}; it is {value:g}."
                )
        # Below, the resistance could fall with x; above, it overflows float32.
        if not 2 * self.x0 <= self.t_ox <= 60 * self.x0:
            raise InputError(
                f"Filament card {self.name!r} needs t_ox between 2 x0 and 60 x0;"
                f" it has x0 = {self.x0:g} m and t_ox = {self.t_ox:g} m."
            )
        for kind, unit in (("v_reset", "V"), ("t_reset", "s")):
            low, high = getattr(self, f"{kind}_low"), getattr(self, f"{kind}_high")
            if low > high:
                raise InputError(
                    f"Filament card {self.name!r} needs {kind}_low <= {kind}_high;"
                    f" they are {low:g} and {high:g} {unit}."
                )

    def check_pulse(self, v_reset: float, t_reset: float) -> None:
        """Check that the card speaks for a RESET pulse of `v_reset` [V], `t_reset` [s].

        Raises:
            InputError: One of them lies outside of the card's range.
        """
        for name, value, unit in (("v_reset", v_reset, "V"), ("t_reset", t_reset, "s")):
            low, high = (getattr(self, f"{name}_{end}") for end in ("low", "high"))
            if not low <= value <= high:
                raise InputError(
                    f"The filament card {self.name!r} holds for {name} between {low:g}"
                    f" and {high:g} {unit}; got {value:g}."
                )

    def params(self) -> FilamentParams:
        """The card as arrays of jax's default float type (float64 in x64 mode)."""
        names = [f.name for f in dataclasses.fields(FilamentParams)]
        return FilamentParams(
            **{n: jnp.asarray(getattr(self, n), float) for n in names}
        )

    def spread(self) -> FilamentSpread:
        """The spread as arrays of jax's default float type."""
        names = [f.name for f in dataclasses.fields(FilamentSpread)]
        return FilamentSpread(
            **{n: jnp.asarray(getattr(self, n), float) for n in names}
        )


_PACKAGED = resources.files("rram_jax.device") / "filaments"


def filament_names() -> list[str]:
    """Names of the cards that come with the package."""
    return packaged_names(_PACKAGED)


def load_filament(name_or_path: str | Path) -> FilamentCard:
    """Read a filament card: a packaged one's name or the path of a TOML file.

    Raises:
        InputError: There is no such card, or its text is not a valid one.
    """
    return load_record(name_or_path, _PACKAGED, FilamentCard, "filament card")


def resistance(
    x: Float[Array, "*#cells"], s: Float[Array, "*#cells"], params: FilamentParams
) -> Float[Array, "*cells"]:
    """[Ohm] Of the RRAM alone in the limit of small voltage.

    Args:
        x: [m] Barrier.
        s: [-] Relative cross-section.
        params: The technology.
    """
    shape = jnp.exp(x / params.x0) - x / params.t_ox
    return params.r_filament / s * shape


def current(
    v: Float[Array, "*#cells"],
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[A] Through the RRAM at the voltage `v` [V] across it; `x`, `s` as above."""
    v0 = params.v0_hrs + (params.v0_lrs - params.v0_hrs) * jnp.exp(-x / params.x0)
    return v0 / resistance(x, s, params) * jnp.sinh(v / v0)


def temperature(
    v: Float[Array, "*#cells"], i: Float[Array, "*#cells"], params: FilamentParams
) -> Float[Array, "*cells"]:
    """[K] Of the filament at voltage `v` [V] and current `i` [A].

    Quasi-static: the thermal time constant is below 1 ns.
    """
    return params.t_ambient + params.r_th * v * i


def relative_rate(
    v: Float[Array, "*#cells"],
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[1/s] How fast what is left to go shrinks: nu * P, never negative.

    What is left to go is t_ox - x for v >= 0 and x for v < 0. At most `nu_reset` or
    `nu_set`; zero at v = 0. `v` [V] is the voltage across the RRAM.
    """
    reset = v >= 0

    def of(kind):
        names = (f"{kind}_reset", f"{kind}_set")
        return jnp.where(reset, *(getattr(params, n) for n in names))

    e = of("e")
    lowering = of("a") * jnp.abs(v) / (of("d") + x)
    v_t = KELVIN * temperature(v, current(v, x, s, params), params)
    share = jax.nn.sigmoid((lowering - e) / v_t) - jax.nn.sigmoid(-e / v_t)
    return of("nu") * jnp.maximum(share, 0.0)  # rounding at tiny voltages


def rate(
    v: Float[Array, "*#cells"],
    x: Float[Array, "*#cells"],
    s: Float[Array, "*#cells"],
    params: FilamentParams,
) -> Float[Array, "*cells"]:
    """[m/s] dx/dt at the voltage `v` [V] across the RRAM: positive in RESET."""
    left = jnp.where(v >= 0, params.t_ox - x, -x)
    return relative_rate(v, x, s, params) * left
