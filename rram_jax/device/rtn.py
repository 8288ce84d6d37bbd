"""Random telegraph noise: one frozen state of every cell's traps."""

import jax
import jax.numpy as jnp

from rram_jax.device.card import DeviceParams
from rram_jax.types import Array, Bool, Float, Key

MAX_TRAPS = 6
"""[-] Traps drawn per cell; with a Poisson mean below 1 more occur in under 1e-4."""


def sample_rtn(
    trap_key: Key, state_key: Key, is_lrs: Bool[Array, "*cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """Relative change of each cell's resistance, R / R_without_RTN [-].

    `trap_key` makes the traps (one draw a chip: how many, how large), `state_key` says
    which are full (one draw a pass over the test set: switching times of milliseconds
    to seconds freeze RTN within an inference). The number of traps is Poisson, the
    amplitude dR/R of each log-normal, and each is full half of the time.
    """
    count_key, size_key = jax.random.split(trap_key)
    state = jnp.where(is_lrs, 0, 1)
    uniform = jax.random.uniform(count_key, is_lrs.shape, jnp.float32)
    count = _poisson_quantile(uniform, device.rtn_traps[state])
    shape = (MAX_TRAPS, *is_lrs.shape)
    spread = jnp.exp(device.rtn_sigma * jax.random.normal(size_key, shape, jnp.float32))
    # `bernoulli` would draw in float64 in x64 mode: another chip.
    full = jax.random.uniform(state_key, shape, jnp.float32) < 0.5
    exists = jnp.arange(MAX_TRAPS).reshape((-1,) + (1,) * is_lrs.ndim) < count
    change = jnp.where(full & exists, spread, 0.0).sum(0)
    return 1.0 + device.rtn_amplitude[state] * change


def _poisson_quantile(uniform, mean):
    """Poisson count at cumulative probability `uniform`, at most MAX_TRAPS."""
    term = below = jnp.exp(-mean)
    count = (uniform > below).astype(jnp.int32)
    for k in range(1, MAX_TRAPS):
        term = term * mean / k
        below = below + term
        count += uniform > below
    return count
