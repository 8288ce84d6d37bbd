"""Neuron cards of short laws: another number in every place, or usual numbers."""

import dataclasses

from rram_jax.neuron.box import Box
from rram_jax.neuron.card import (
    Conditions,
    DriverResistance,
    KindLaws,
    MismatchLaws,
    NeuronCard,
    SlopeLaws,
)
from rram_jax.neuron.law import Term
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS
from tests.neuron.energies import fitted_laws


def term(coefficient: float, **exponents: float) -> Term:
    return Term(coefficient=coefficient, **exponents)


def small_kind(clocks: int) -> KindLaws:
    """At 20 uA, 5 ns and 8 mV: gain 1.01, offset 0.1 + 0.1 * clocks, leak 0.75 / us."""
    return KindLaws(
        clocks_per_slot=clocks,
        asynchronous=clocks > 1,
        gain=(term(1.0), term(0.01, v_full=-1.0)),
        offset=(term(0.1), term(0.1 * clocks, t_slot=-1.0)),
        leak=(term(0.75e6, v_full=-1.0, t_slot=-1.0),),
        curve=(term(16.0),),
        lag=(term(1.2e-9),),
        pulse_excess=(term(-0.01),),
        noise_variance=(term(3.6e-9, i_bias=-1.0, t_slot=-1.0),),
        residual_rms=0.01,
        residual_max=0.02,
        equal=0.97,
        within_1=1.0,
    )


def small_slopes(names: tuple[str, ...], equal: float) -> SlopeLaws:
    """At 8 mV: offset 1.5 i - 5, gain 0.05 i, by the transistor's place i."""
    return SlopeLaws(
        equal=equal,
        within_1=1.0,
        offset_terms=(term(1.0), term(1.0, v_full=1.0)),
        offset={name: (-5.0 + 0.5 * i, 1.0 * i) for i, name in enumerate(names)},
        gain_terms=(term(1.0, v_full=-1.0),),
        gain={name: (0.05 * i,) for i, name in enumerate(names)},
    )


def small_card() -> NeuronCard:
    return NeuronCard(
        name="small",
        source="invented",
        conditions=Conditions(
            ngspice="46",
            date="2026-11-24",
            shift_share=0.3,
            n_points=8,
            n_held_out=2,
            n_staircases=16,
        ),
        box=Box(
            i_bias=(10e-6, 40e-6),
            t_slot=(4e-9, 10e-9),
            v_full=(4e-3, 16e-3),
            swing=(0.2, 0.5),
            c_int=50e-15,
        ),
        driver=DriverResistance(
            r_driver=16.0, g_row=4e-3, r_pos=15.8, r_neg=16.2, r_rest=15.9, edge=0.0
        ),
        hidden=small_kind(1),
        output=small_kind(4),
        mismatch=MismatchLaws(
            a_vt=4e-9,
            hidden=small_slopes(MISMATCHED, 0.98),
            output=small_slopes(MISMATCHED_ASYNCHRONOUS, 0.96),
        ),
        energy=fitted_laws(),
    )


def usual_card() -> NeuronCard:
    """The small card with what hidden neurons of 8 mV, 5 ns and 20 uA were found at."""
    card = small_card()
    usual = {
        "gain": 1.0,
        "offset": 0.295,
        "leak": 0.488e6,
        "curve": 20.0,
        "pulse_excess": -0.009,
    }
    laws = {name: (term(value),) for name, value in usual.items()}
    return dataclasses.replace(
        card,
        driver=dataclasses.replace(card.driver, r_pos=15.998, r_neg=15.998),
        hidden=dataclasses.replace(card.hidden, lag=(), **laws),
    )
