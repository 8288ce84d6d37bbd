"""One operating point of the front: what ngspice says, and what the card's laws say."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from rram_jax.errors import InputError
from rram_jax.neuron.card import NeuronCard
from rram_jax.neuron.config import SLOTS, NeuronConfig
from rram_jax.neuron.energy import bias_energy
from rram_jax.neuron.energy_fit import PULSE
from rram_jax.neuron.law import operating_point
from rram_jax.neuron.mismatch import gate_areas
from rram_jax.neuron.model import crossing, to_counts
from rram_jax.ngspice.conversions import NEURONS_A_BIAS
from rram_jax.ngspice.energy import measure_drivers, measure_energy
from rram_jax.ngspice.measure import measure_point, measure_slopes
from rram_jax.ngspice.plan import CharacterisePlan

SWINGS = np.arange(0.45, 0.19, -0.01)
"""[V] Tried from the largest: an LSB at C_int as large as its capacitor lets it be."""

C_INT = 40e-15
"""[F] Capacitor below which the swing gives way."""

SPREAD_SLOTS = (2e-9, 5e-9, 10e-9)
"""[s] Slots at which all transistors' slopes are measured, most of a point's time."""

CODE = 8.0
"""[-] Code whose energy is told; every code above 0 costs nearly the same."""

BLOCKS = ("integrator", "auto_zero", "reset", "ramp", "comparator", "gate", "bias")
"""Blocks of a conversion's energy; clocks are ideal."""


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """Which neuron."""

    i_bias: float
    """[A]"""

    t_slot: float
    """[s]"""

    v_full: float
    """[V]"""

    def config(self) -> NeuronConfig:
        """A hidden neuron; its swing gives way before C_int becomes too small.

        Raises:
            InputError: It cannot be built at any swing.
        """
        point = dataclasses.asdict(self)
        built = []
        for swing in SWINGS:
            try:
                config = NeuronConfig(**point, swing=float(round(swing, 3)))
            except InputError as error:
                refused = error
                continue
            built.append(config)
            if config.c_int >= C_INT:
                return config
        if built:
            return built[-1]
        raise refused


def measure_front(plan: CharacterisePlan, point: FrontPoint) -> dict[str, Any]:
    """Everything that ngspice says of a point, in a worker; as a JSON object."""
    config = point.config()
    try:
        found = measure_point(plan, config, 1 << 20)
    except InputError as error:
        return {"refused": str(error)}
    return found | {
        "spread": _spread(plan, config),
        "energy": measure_energy(config, plan.process),
        "gate": measure_drivers(config, 1, plan.process)["gate"],
    }


def _spread(plan: CharacterisePlan, config: NeuronConfig) -> dict[str, float | None]:
    """Standard deviation of offset [LSB] and gain [-], from measured slopes.

    None where they are not measured (`SPREAD_SLOTS`), or where a shifted latch gives no
    codes: JSON knows no NaN.
    """
    parts = ("offset", "gain")
    if not any(math.isclose(config.t_slot, t) for t in SPREAD_SLOTS):
        return dict.fromkeys(parts)
    slopes = measure_slopes(plan, config)
    sigma = dict(zip(config.mismatched, _sigmas(plan, config), strict=True))
    spread = {
        part: float(np.linalg.norm([slopes[part][k] * s for k, s in sigma.items()]))
        for part in parts
    }
    return {part: x if math.isfinite(x) else None for part, x in spread.items()}


def _number(x: float | None) -> float:
    return float("nan") if x is None else x


def _sigmas(plan: CharacterisePlan, config: NeuronConfig) -> np.ndarray:
    """[V] Of each transistor's threshold."""
    return plan.a_vt / np.sqrt(gate_areas(config))


def compare(
    plan: CharacterisePlan, point: FrontPoint, found: dict[str, Any], card: NeuronCard
) -> dict[str, float]:
    """A row of the table: `ngspice_*` measured, `model_*` by the card's laws.

    What the laws say is NaN outside the card's box.
    """
    config = point.config()
    position = np.array([np.nan if x is None else x for x in found["position"]], float)
    stairs, counts = np.array(found["staircases"]), np.array(found["counts"])
    row = {
        "i_bias": config.i_bias,
        "t_slot": config.t_slot,
        "v_full": config.v_full,
        "swing": config.swing,
        "c_int": config.c_int,
        "conversions_per_second": 1 / config.t_conversion,
        "ngspice_noise_lsb": SLOTS * found["noise_variance"] ** 0.5 / config.v_full,
        "ngspice_offset_sd_lsb": _number(found["spread"]["offset"]),
        "ngspice_gain_sd": _number(found["spread"]["gain"]),
        "ngspice_nonlinearity_lsb": _nonlinearity(stairs, position, config),
        "bracket_lsb": found["bracket"],
    }
    energy = found["energy"]
    row["ngspice_gate_j"] = found["gate"]
    for name in BLOCKS:
        if name == "gate":
            continue
        more = energy.get(f"{name}{PULSE}", 0.0) if name != "bias" else 0.0
        share = NEURONS_A_BIAS if name == "bias" else 1
        row[f"ngspice_{name}_j"] = energy[name] / share + more
    row |= _model(plan, config, stairs, position, counts, card)
    row["ngspice_energy_j"] = sum(row[f"ngspice_{name}_j"] for name in BLOCKS)
    return row


def _nonlinearity(stairs, position, config) -> float:
    """[LSB] Largest distance of crossings from a straight line in the mean input."""
    inside = np.isfinite(position)
    ideal = SLOTS * (stairs.mean(1) + config.v_shift) / config.v_full
    line = np.polyfit(ideal[inside], position[inside], 1)
    return float(np.abs(position - np.polyval(line, ideal))[inside].max())


def _model(plan, config, stairs, position, counts, card) -> dict[str, float]:
    names = ("noise_lsb", "offset_sd_lsb", "gain_sd")
    names += tuple(f"{name}_j" for name in (*BLOCKS, "energy"))
    judged = ("residual_rms_lsb", "residual_max_lsb", "codes_equal", "codes_within_1")
    try:
        params = card.params(config)
    except InputError:
        return {f"model_{name}": float("nan") for name in (*names, *judged)}
    said = crossing(jnp.asarray(stairs, jnp.float32), params)
    codes = np.asarray(to_counts(said, config))
    miss = position - np.asarray(said, float)
    offset, gain = (
        float(np.linalg.norm(np.asarray(x) * _sigmas(plan, config)))
        for x in card.slopes(config)
    )
    point = operating_point(config)
    joule = card.energy_of(config, jnp.asarray(CODE))
    blocks = {name: float(getattr(joule, name)) for name in BLOCKS if name != "bias"}
    blocks["bias"] = float(bias_energy(card.energy, point, config)) / NEURONS_A_BIAS
    values = (
        SLOTS * float(params.noise_rms) / config.v_full,
        offset,
        gain,
        *blocks.values(),
        sum(blocks.values()),
        float(np.sqrt(np.nanmean(miss**2))),
        float(np.nanmax(np.abs(miss))),
        float(np.mean(codes == counts)),
        float(np.mean(np.abs(codes - counts) <= 1)),
    )
    keys = (
        *names[:3],
        *(f"{name}_j" for name in blocks),
        "energy_j",
        *judged,
    )
    return {f"model_{k}": v for k, v in zip(keys, values, strict=True)}
