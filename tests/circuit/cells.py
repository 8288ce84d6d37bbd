"""Arrays of cells with a law for tests; of 1T1R cells the node equations, too."""

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from rram_jax.circuit.array_params import array_params
from rram_jax.circuit.cell_law import RramCell
from rram_jax.circuit.newton import solve_law
from tests.device.filaments import OTHER
from tests.helpers import uneven_cells

V_CM, V_GATE = 0.83, 2.6

DRIVE = np.array([[0.21, -0.17, 0.4, 0.05], [0.0, 0.9, -1.1, 0.6]])
"""[V] On four rows: a read, and large enough for both non-linearities."""


def rram_cells(seed: int, rows: int, cols: int) -> RramCell:
    """Cells of mixed states, no two alike, between lines at 0.83 V."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((rows, cols)) < 0.5, 0.05e-9, 1e-9)
    x, s = x * rng.uniform(0.7, 1.3, (rows, cols)), rng.uniform(0.8, 1.25, (rows, cols))
    return RramCell(
        x=jnp.asarray(x, float),
        s=jnp.asarray(s, float),
        v_gate=jnp.asarray(V_GATE, float),
        v_cm=jnp.asarray(V_CM, float),
        params=OTHER.params(),
    )


def filament(v, x, s, p, np=np):
    """[A] Through the RRAM; `p` holds the card's numbers."""
    r = p.r_filament / s * (np.exp(x / p.x0) - x / p.t_ox)
    v0 = p.v0_hrs + (p.v0_lrs - p.v0_hrs) * np.exp(-x / p.x0)
    return v0 / r * np.sinh(v / v0)


def access(v_sl, v_mid, v_gate, p, np=np):
    """[A] From `v_sl` to `v_mid`, all above the bulk."""
    v_t = 8.617333262145179e-5 * p.t_ambient
    pinch = (v_gate - p.access_threshold) / p.access_slope

    def channel(v):
        return np.logaddexp(0, (pinch - v) / (2 * v_t)) ** 2

    scale = 2 * p.access_slope * p.access_beta * v_t**2
    return scale * (channel(v_mid) - channel(v_sl))


def node_equations(nodes, drive, law, wires, np=np):
    """[A] What flows into each node; `nodes` [V]: sl, mid and bl of all cells, feet.

    Ohm's law from node to node, no resistance zero. With `np` = `jax.numpy` it can be
    differentiated.
    """
    rows, cols = law.x.shape
    sl, mid, bl = nodes[:-cols].reshape(3, rows, cols)
    foot = nodes[-cols:]
    p, at = law.params, law.v_cm
    through_access = access(at + sl, at + mid, law.v_gate, p, np)
    through_rram = filament(mid - bl, law.x, law.s, p, np)
    first = (drive - sl[:, 0]) / (wires.r_driver + wires.r_wire_sl)
    along_sl = np.concatenate(
        [first[:, None], (sl[:, :-1] - sl[:, 1:]) / wires.r_wire_sl], 1
    )
    along_bl = (bl - np.concatenate([bl[1:], foot[None]], 0)) / wires.r_wire_bl
    into_sl = along_sl - through_access
    into_sl = np.concatenate([into_sl[:, :-1] - along_sl[:, 1:], into_sl[:, -1:]], 1)
    into_bl = through_rram - along_bl
    into_bl = np.concatenate([into_bl[:1], into_bl[1:] + along_bl[:-1]], 0)
    into_foot = along_bl[-1] - foot / wires.r_sense
    kcl = [into_sl.ravel(), (through_access - through_rram).ravel(), into_bl.ravel()]
    return np.concatenate([*kcl, into_foot])


def sinh_law(g, v0, v_sl, v_bl):
    return g * v0 * jnp.sinh((v_sl - v_bl) / v0)


def sinh_cells(seed=1, rows=4, cols=3):
    g = jnp.asarray(uneven_cells(seed, rows, cols))
    return Partial(sinh_law, g, jnp.asarray(0.21))


def after_steps(n, drive, law, array):
    """Where a cold start is after `n` steps at most."""
    rest = jnp.zeros((len(drive), *law(drive[0, 0], drive[0, 0]).shape))
    return solve_law(drive, law, array_params(array), rest, rest, 1e-13, n)
