"""Co-design: the circuit at any knobs is that of a design; its slopes are right."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.codesign.__main__ import CoDesign, main
from experiments.codesign.circuit import (
    Bench,
    card_at,
    design_at,
    device_at,
    point_at,
    surroundings_at,
)
from experiments.codesign.knobs import (
    NAMES,
    Knobs,
    free_of,
    on_boundary,
    swing_of,
    values_of,
)
from experiments.codesign.objective import (
    Price,
    hardware_of,
    loss_and_energy,
    model_of,
)
from rram_jax.chip.config import NetworkConfig
from rram_jax.device.card import load_card
from rram_jax.device.reset import at_reset
from rram_jax.neuron.law import operating_point
from rram_jax.qnn.checkpoint import load_checkpoint
from rram_jax.qnn.spread import spread_of, with_rtn
from rram_jax.qnn.surroundings import surroundings_of
from tests.helpers import random_network

CARD = dataclasses.replace(load_card("hfo2-nominal"), sigma_lrs=0.2)
CONFIG = NetworkConfig(sizes=(30, 7, 3), columns_per_output=2, n_bias=1)
PRICE = Price(regulated=True, inferences=1e3, images=5)
ELSEWHERE = Knobs(
    v_reset=jnp.float32(1.15),
    v_read=jnp.float32(0.17),
    t_slot=jnp.float32(3.1e-9),
    i_bias=jnp.float32(13e-6),
    v_full=jnp.asarray([7e-3, 9e-3], jnp.float32),
)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(network=random_network(1, CONFIG), device=CARD, v_read=(0.05, 0.3))


def test_the_map_onto_the_box(bench):
    box = bench.box
    again = values_of(free_of(ELSEWHERE, box), box)
    for name in NAMES:
        there = getattr(ELSEWHERE, name)
        np.testing.assert_allclose(getattr(again, name), there, rtol=1e-5)
    assert on_boundary(ELSEWHERE, box) == "none"
    for end, sign in (("low", -1.0), ("high", 1.0)):
        far = jax.tree.map(lambda x, s=sign: jnp.full_like(x, 30 * s), ELSEWHERE)
        told = on_boundary(values_of(far, box), box)
        assert told.count(end) == len(told.split("; ")) == 6


def test_every_corner_lies_in_the_box_of_the_card(bench):
    box, card = bench.box, bench.card
    rng = np.random.default_rng(0)
    for _ in range(20):
        free = jax.tree.map(
            lambda x: jnp.asarray(rng.choice([-30.0, 30.0], x.shape), jnp.float32),
            ELSEWHERE,
        )
        knobs = values_of(free, box)
        for k in (0, 1):
            swing, point = float(swing_of(knobs, k, card)), point_at(bench, knobs, k)
            beside = card.conditions.technology.c_parasitic * float(knobs.i_bias) / 2e-5
            low, high = card.box.swing
            assert low * 0.999 < swing < high
            assert float(point.c_total) - beside > card.box.c_int * 0.999


def test_the_circuit_is_that_of_a_design(bench):
    model = model_of(bench.network)
    design = design_at(bench, ELSEWHERE, hardware_of(bench, model, ELSEWHERE))
    for k, layer in enumerate(design.layers):
        bench.card.box.check(layer.neuron, "of the design")
        exact, mine = operating_point(layer.neuron), point_at(bench, ELSEWHERE, k)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-6), exact, mine
        )
    device, _ = device_at(bench, ELSEWHERE)
    around = surroundings_at(bench, ELSEWHERE, device)
    theirs = surroundings_of(design, around[0].spread, "full")
    for mine, exact in zip(around, theirs, strict=True):
        # float32; offsets are differences of numbers near 1.
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-7),
            mine.neurons,
            exact.neurons,
        )


def test_reset_moves_the_cells(bench):
    mine, exact = card_at(bench, ELSEWHERE), at_reset(CARD, 1.15)
    for name in ("r_hrs", "sigma_hrs", "sigma_tail_hrs", "rtn_traps_hrs"):
        assert getattr(mine, name) == pytest.approx(getattr(exact, name), rel=1e-5)
    device, _ = device_at(bench, ELSEWHERE)
    found = surroundings_at(bench, ELSEWHERE, device)[0].spread.rtn_hrs
    # 20,000 cells; amplitudes are not small, so that traps add only nearly.
    sampled = with_rtn(spread_of(device), device).rtn_hrs
    assert float(found) == pytest.approx(float(sampled), rel=0.2)


@pytest.mark.slow  # a program for each knob
def test_slopes_against_central_differences(bench):
    """Of loss and energy in each knob: hidden codes unrounded, in float64."""
    rng = np.random.default_rng(3)
    assert bench.own.r_hrs > 0  # made here, in float32
    assert len(bench.rtn) == len(bench.nominal.layers)
    graph, params = nnx.split(model_of(bench.network))
    start = free_of(ELSEWHERE, bench.box)
    with jax.enable_x64(True):

        def wide(x):
            return jnp.asarray(np.asarray(x), jnp.float64)

        params, free = jax.tree.map(wide, params), jax.tree.map(wide, start)
        codes = wide(rng.integers(0, 16, (40, 30)))
        labels = jnp.asarray(rng.integers(0, 3, 40), jnp.int32)

        def both(free):
            knobs = values_of(free, bench.box)
            model, key = nnx.merge(graph, params), jax.random.key(1)
            batch = (codes, labels)
            pair = loss_and_energy(
                bench, model, knobs, batch, key, PRICE, quantised=False
            )
            both = jnp.stack(pair) * jnp.asarray([1.0, 1e9])
            return both, both

        run = jax.jit(jax.jacrev(both, has_aux=True))  # one program, also for the ends
        slopes, _ = run(free)
        for name in NAMES:
            here, slope = getattr(free, name), getattr(slopes, name)
            for k in np.ndindex(here.shape):
                step = 1e-5 * np.ones(())
                ends = [
                    run(dataclasses.replace(free, **{name: here.at[k].add(s)}))[1]
                    for s in (step, -step)
                ]
                difference = (ends[0] - ends[1]) / (2 * step)
                # Steps of 1e-5 in float64: 1e-10 of truncation, 1e-11 of rounding.
                got = slope[(slice(None), *k)]
                np.testing.assert_allclose(got, difference, rtol=1e-5, atol=1e-8)
                assert float(jnp.abs(got[0])) > 1e-6
        # More bias, longer slots and a larger swing take more.
        assert float(slopes.i_bias[1]) > 0
        assert float(slopes.t_slot[1]) > 0
        assert float(slopes.v_read[1]) > 0


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(tmp_path):
    config = CoDesign(
        out=tmp_path / "run", lambdas=(0.3,), epochs=1, chips=2, batch=500
    )
    main(config)
    table = (config.out / "front.csv").read_text()
    rows = json.loads((config.out / "metrics.json").read_text())["rows"]
    assert [row["trained"] for row in rows] == ["nothing", "weights", "knobs", "both"]
    assert rows[3]["energy_j"] < rows[1]["energy_j"] == rows[0]["energy_j"]
    network = load_checkpoint(config.out / "case_03").network
    assert network.layers[0].z_full == pytest.approx(rows[3]["z_full_0"])
    for name in ("metrics.json", "case_03.json", "front.csv"):
        Path(config.out / name).unlink()
    main(config)
    assert (config.out / "front.csv").read_text() == table
