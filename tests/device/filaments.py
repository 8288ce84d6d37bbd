"""Filament cards for tests: one unlike the packaged one, and random ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from rram_jax.device.filament import LIMITS, FilamentCard, FilamentParams

# No two numbers alike, none the packaged card's.
OTHER = FilamentCard(
    name="other",
    source="Made up for a test.",
    r_filament=2900.0,
    t_ox=6e-9,
    x0=0.5e-9,
    v0_lrs=1.3,
    v0_hrs=0.42,
    t_ambient=310.0,
    r_th=7e5,
    nu_reset=3e12,
    e_reset=1.12,
    a_reset=1.2e-9,
    d_reset=1.3e-9,
    nu_set=2e13,
    e_set=1.1,
    a_set=1.9e-9,
    d_set=0.45e-9,
    access_beta=1.1e-3,
    access_threshold=0.4,
    access_slope=1.25,
    gate_read=1.7,
    gate_reset=2.8,
    gate_set=1.15,
    v_read=0.15,
    t_reset=5e-7,
    v_reset_low=0.7,
    v_reset_high=1.6,
    t_reset_low=2e-8,
    t_reset_high=3e-5,
    sigma_s=0.09,
    d2d_s=0.3,
    sigma_x=0.05e-9,
    x_sigma=0.8e-9,
    l_sigma=0.4e-9,
    d2d_x=0.7,
)


def random_params(seed: int, n: int, dtype) -> FilamentParams:
    """Stacked parameters of n cards, anywhere within what a card may hold."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for field in dataclasses.fields(FilamentParams):
        low, high = LIMITS[field.name]
        if low > 0:
            drawn[field.name] = low * (high / low) ** rng.random(n)
        else:
            drawn[field.name] = low + (high - low) * rng.random(n)
    drawn["x0"] = np.clip(drawn["x0"], drawn["t_ox"] / 60, drawn["t_ox"] / 2)
    # Not by its `__init__`, which tests check for scalars.
    form = jax.tree.structure(OTHER.params())
    return jax.tree.unflatten(form, [jnp.asarray(v, dtype) for v in drawn.values()])
