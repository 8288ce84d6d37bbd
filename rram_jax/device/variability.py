"""Programming spread: the resistance of every cell of one manufactured array."""

import jax
import jax.numpy as jnp

from rram_jax.device.card import DeviceParams
from rram_jax.device.law import resistance_at, score_at
from rram_jax.device.write_verify import conductance_moment, verified_noise
from rram_jax.types import Array, Bool, Float, Integer, Key

MIN_RRAM = 100.0
"""[Ohm] Smallest resistance left for the RRAM beside its access transistor."""

STUCK, VERIFIED, AGAIN = 1 << 16, 1 << 17, 1 << 18
"""Folded into a draw's key: make the numbers that say which cells are stuck, those of
write-verify, and those of later cycles, so that the first blind draw is the same with
and without. Small numbers are no choice: `fold_in(key, 1)` is `split(key)[1]`."""

Cycle = int | Integer[Array, ""]
"""[-] Which programming of the same manufactured cells: 0 for the first."""


def sample_resistance(
    key: Key,
    is_lrs: Bool[Array, "*cells"],
    device: DeviceParams,
    stuck: Float[Array, "*cells"] | None = None,
    cycle: Cycle = 0,
) -> Float[Array, "*cells"]:
    """Draw every cell's read resistance [Ohm]: log-normal about its state's median.

    One draw is one programming of one manufactured array: call it once per chip, never
    once per read. Cells fall into the tail of their state with probability `tail_share`
    or `tail_share_hrs`; shares `stuck` of the cells take the law of LRS or of HRS
    whatever they are programmed to. A draw that leaves less than `MIN_RRAM` beside the
    access transistor is clipped there (`count_clipped` tells how many). The same key
    gives the same cells in float32 and x64 mode, and the samples are differentiable in
    every parameter but the shares, which only choose. Cards with a band of write-verify
    are drawn by `sample_verified`.

    With one key, cycle after cycle is one array programmed again: stuck cells stay so,
    and of each cell's standard normal number the part `d2d` stays, as in `cycles.py`,
    where the law of one programming is the same. The first cycle is what no other
    cycles would have changed.

    Args:
        key: The array, and with `cycle` the programming.
        is_lrs: Which cells are programmed to LRS.
        device: The card's numbers.
        stuck: The cells' own numbers (`draw_stuck`), where they were programmed before;
            None draws them from `key`.
        cycle: Which programming of these cells; may be traced.
    """
    if device.band is not None:
        return sample_verified(key, is_lrs, device, stuck, cycle)[0]
    stuck = draw_stuck(key, is_lrs.shape) if stuck is None else stuck
    return _sample_blind(key, stuck_state(stuck, is_lrs, device), device, cycle)


def sample_verified(
    key: Key,
    is_lrs: Bool[Array, "*cells"],
    device: DeviceParams,
    stuck: Float[Array, "*cells"] | None = None,
    cycle: Cycle = 0,
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """Draw every cell's read resistance [Ohm] after write-verify (`write_verify.py`).

    The draw of `sample_resistance` where `device.band` is not None, and how many
    programmings each cell took: stuck cells all that are allowed, cells of a state
    without a band one. These keep what a blind programming makes of them.
    """
    stuck = draw_stuck(key, is_lrs.shape) if stuck is None else stuck
    state = stuck_state(stuck, is_lrs, device)
    z_key, e_key, luck_key = jax.random.split(jax.random.fold_in(key, VERIFIED), 3)
    e_key, luck_key = key_of_cycle(e_key, cycle), key_of_cycle(luck_key, cycle)
    z = jax.random.normal(z_key, is_lrs.shape, jnp.float32)
    e = jax.random.normal(e_key, is_lrs.shape, jnp.float32)
    luck = jax.random.uniform(luck_key, is_lrs.shape, jnp.float32)
    e, writes = verified_noise(e, luck, z, is_lrs, device)
    d2d = jnp.where(is_lrs, device.d2d[0], device.d2d[1])
    normal = jnp.sqrt(d2d) * z + jnp.sqrt(1 - d2d) * e
    verified = jnp.maximum(resistance_at(normal, is_lrs, device), smallest(device))
    assert device.band is not None
    banded = jnp.isfinite(jnp.where(is_lrs, device.band[0], device.band[1]))
    switches = state == is_lrs
    blind = _sample_blind(key, state, device, cycle)
    r = jnp.where(banded & switches, verified, blind)
    writes = jnp.where(switches, writes, device.max_writes)
    return r, jnp.where(banded, writes, 1.0)


def reprogram(
    key: Key,
    resistance: Float[Array, "*cells"],
    is_lrs: Bool[Array, "*cells"],
    device: DeviceParams,
    stuck: Float[Array, "*cells"],
) -> tuple[Float[Array, "*cells"], Float[Array, "*cells"]]:
    """Write-verify of cells that stand at these resistances [Ohm], into `device.band`.

    A cell's own number z, which the device-to-device share moves, is drawn from what
    its resistance tells: of a blind programming's n = sqrt(d2d) z + sqrt(1 - d2d) e,
    given n, it is normal about sqrt(d2d) n with variance 1 - d2d. (After a card's own
    band this is an approximation.)

    Returns:
        The new resistances, and the programmings that each took: none for cells within
        the band, which are left alone; all that are allowed for stuck cells, which
        stay what they are.
    """
    assert device.band is not None
    own_key, e_key, luck_key = jax.random.split(key, 3)
    own = jax.random.normal(own_key, is_lrs.shape, jnp.float32)
    noise = jax.random.normal(e_key, is_lrs.shape, jnp.float32)
    luck = jax.random.uniform(luck_key, is_lrs.shape, jnp.float32)
    offset = jnp.log(resistance / jnp.where(is_lrs, device.r_lrs, device.r_hrs))
    # The number behind a draw does not move with the card.
    normal = jax.lax.stop_gradient(score_at(offset, is_lrs, device))
    d2d = jnp.where(is_lrs, device.d2d[0], device.d2d[1])
    z = jnp.sqrt(d2d) * normal + jnp.sqrt(1 - d2d) * own
    e, writes = verified_noise(noise, luck, z, is_lrs, device)
    normal = jnp.sqrt(d2d) * z + jnp.sqrt(1 - d2d) * e
    fresh = jnp.maximum(resistance_at(normal, is_lrs, device), smallest(device))
    inside = jnp.abs(offset) <= jnp.where(is_lrs, device.band[0], device.band[1])
    switches = stuck_state(stuck, is_lrs, device) == is_lrs
    writes = jnp.where(switches, writes, device.max_writes)
    keeps = inside | ~switches
    return jnp.where(keeps, resistance, fresh), jnp.where(inside, 0.0, writes)


def _sample_blind(key, is_lrs, device, cycle):
    """Read resistances [Ohm] of cells that are really in these states."""
    normal_key, tail_key = jax.random.split(key)
    noise = jax.random.normal(normal_key, is_lrs.shape, jnp.float32)
    tail = jax.random.uniform(tail_key, is_lrs.shape, jnp.float32)
    in_tail = tail < jnp.where(is_lrs, device.tail_share, device.tail_share_hrs)
    sigma_lrs = jnp.where(in_tail, device.sigma_tail, device.sigma_lrs)
    sigma_hrs = jnp.where(in_tail, device.sigma_tail_hrs, device.sigma_hrs)
    r_lrs = jnp.where(in_tail, device.r_lrs * device.tail_ratio, device.r_lrs)
    r_hrs = jnp.where(in_tail, device.r_hrs * device.tail_ratio_hrs, device.r_hrs)
    sigma = jnp.where(is_lrs, sigma_lrs, sigma_hrs)
    median = jnp.where(is_lrs, r_lrs, r_hrs)
    first = jnp.maximum(median * jnp.exp(sigma * noise), smallest(device))
    if isinstance(cycle, int) and cycle == 0:
        return first
    body = jnp.where(is_lrs, device.r_lrs, device.r_hrs)
    offset = jnp.log(median / body) + sigma * noise
    return jnp.where(cycle == 0, first, _again(key, offset, is_lrs, device, cycle))


def _again(key, offset, is_lrs, device, cycle):
    """Read resistances [Ohm] of a later cycle, given ln R less ln of its median before.

    In `cycles.py` n = sqrt(d2d) z + sqrt(1 - d2d) e. The first cycle has drawn n alone;
    z given n is normal with mean sqrt(d2d) n and variance 1 - d2d, so drawing it so
    makes any two cycles what they are there.
    """
    z_key, e_key = jax.random.split(jax.random.fold_in(key, AGAIN))
    e_key = jax.random.fold_in(e_key, cycle)
    z = jax.random.normal(z_key, is_lrs.shape, jnp.float32)
    e = jax.random.normal(e_key, is_lrs.shape, jnp.float32)
    d2d = jnp.where(is_lrs, device.d2d[0], device.d2d[1])
    stays, anew = jnp.sqrt(d2d), jnp.sqrt(1 - d2d)
    z = stays * score_at(offset, is_lrs, device) + anew * z
    r = resistance_at(stays * z + anew * e, is_lrs, device)
    return jnp.maximum(r, smallest(device))


def key_of_cycle(key: Key, cycle: Cycle) -> Key:
    """A key that is another one in every cycle, and `key` itself in the first."""
    if isinstance(cycle, int) and cycle == 0:
        return key
    later = jax.random.fold_in(jax.random.fold_in(key, AGAIN), cycle)
    return jnp.where(cycle == 0, key, later)


def draw_stuck(key: Key, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Uniform numbers that say which cells are stuck, from an array's first key."""
    return jax.random.uniform(jax.random.fold_in(key, STUCK), shape, jnp.float32)


def stuck_state(
    uniform: Float[Array, "*cells"], is_lrs: Bool[Array, "*cells"], device: DeviceParams
) -> Bool[Array, "*cells"]:
    """The state that each cell is really in, from a uniform number of its own."""
    stuck_lrs, stuck_hrs = device.stuck[0], device.stuck[1]
    return (uniform < stuck_lrs) | (is_lrs & (uniform < 1 - stuck_hrs))


def smallest(device: DeviceParams) -> Float[Array, ""]:
    """[Ohm] The smallest resistance a cell can have."""
    return device.r_access + MIN_RRAM


def count_clipped(
    resistance: Float[Array, "*cells"], device: DeviceParams
) -> Float[Array, ""]:
    """[-] How many cells of a draw stand at the smallest resistance."""
    return jnp.sum(resistance <= smallest(device)).astype(jnp.float32)


def mean_conductance(
    is_lrs: Bool[Array, "*cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """Expected conductance [S] of each cell over programming draws.

    For ln R normal with standard deviation s the mean of 1/R is exp(s^2 / 2) / median;
    each state is a mixture of body and tail, and a cell that may be stuck is a mixture
    of both states. (The clip of `sample_resistance` is left out.)
    """
    return _conductance_moment(is_lrs, device, 1)


def conductance_variance(
    is_lrs: Bool[Array, "*cells"], device: DeviceParams
) -> Float[Array, "*cells"]:
    """Variance [S^2] of each cell's conductance over programming draws."""
    mean = _conductance_moment(is_lrs, device, 1)
    return _conductance_moment(is_lrs, device, 2) - mean**2


def _conductance_moment(is_lrs, device, order):
    def moment(median, sigma):
        return jnp.exp((order * sigma) ** 2 / 2) / median**order

    def mixture(share, median, sigma, ratio, sigma_tail):
        body = (1 - share) * moment(median, sigma)
        return body + share * moment(median * ratio, sigma_tail)

    lrs = mixture(
        device.tail_share,
        device.r_lrs,
        device.sigma_lrs,
        device.tail_ratio,
        device.sigma_tail,
    )
    hrs = mixture(
        device.tail_share_hrs,
        device.r_hrs,
        device.sigma_hrs,
        device.tail_ratio_hrs,
        device.sigma_tail_hrs,
    )
    blind = jnp.stack([lrs, hrs])
    made = blind
    if device.band is not None:
        verified = conductance_moment(device, order)
        made = jnp.where(jnp.isfinite(device.band), verified, blind)
    stuck_lrs, stuck_hrs = device.stuck[0], device.stuck[1]
    return jnp.where(
        is_lrs,
        (1 - stuck_hrs) * made[0] + stuck_hrs * hrs,
        (1 - stuck_lrs) * made[1] + stuck_lrs * lrs,
    )
