"""A neuron card of two columns, with another number in every place."""

from rram_jax.neuron.card import (
    Conditions,
    DriverResistance,
    KindTable,
    MismatchTable,
    NeuronCard,
    SlopeTable,
)
from rram_jax.neuron.transistors import MISMATCHED, MISMATCHED_ASYNCHRONOUS


def small_table(clocks: int) -> KindTable:
    return KindTable(
        clocks_per_slot=clocks,
        asynchronous=clocks > 1,
        window=185e-9,
        v_full=(4e-3, 16e-3),
        gain=(1.02, 1.0),
        offset=(0.4, 0.1 * clocks),
        leak=(1.2e6, 0.3e6),
        curve=(10.0, 18.0),
        pulse_excess=(-0.01, -0.02),
        noise_rms=(70e-6, 72e-6),
        residual_rms=(0.01, 0.003),
        residual_max=(0.02, 0.007),
        equal=(0.97, 1.0),
        within_1=(1.0, 1.0),
        energy_gm=(14e-12, 15e-12),
        energy_latch=(2.5e-12, 2.6e-12),
        energy_gate=(2e-12, 2.1e-12),
        energy_bias=(27e-12, 28e-12),
    )


def small_slopes(names: tuple[str, ...], equal: float) -> SlopeTable:
    return SlopeTable(
        equal=equal,
        within_1=1.0,
        v_full=(4e-3, 16e-3),
        offset={name: (-10.0 + i, 2.0 * i) for i, name in enumerate(names)},
        gain={name: (0.1 * i, 0.0) for i, name in enumerate(names)},
    )


def small_card() -> NeuronCard:
    return NeuronCard(
        name="small",
        source="invented",
        conditions=Conditions(
            ngspice="46",
            date="2026-11-24",
            i_bias=20e-6,
            t_slot=5e-9,
            swing=0.45,
            shift_share=0.3,
            n_train=32,
            n_test=32,
        ),
        driver=DriverResistance(
            r_driver=16.0, g_row=4e-3, r_pos=15.8, r_neg=16.2, r_rest=15.9
        ),
        hidden=small_table(1),
        output=small_table(4),
        mismatch=MismatchTable(
            a_vt=4e-9,
            hidden=small_slopes(MISMATCHED, 0.98),
            output=small_slopes(MISMATCHED_ASYNCHRONOUS, 0.96),
        ),
    )
