"""From the scenario's adaptation, retransmission and fading to what stands between SINR and goodput."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from ntnsim.link.adaptation import level_table
from ntnsim.link.fading import FadingSettings, FadingTables
from ntnsim.link.goodput import GoodputSettings
from ntnsim.link.land_mobile import LandMobile, MobileState
from ntnsim.link.multipath import tapped_delay_line
from ntnsim.link.path_loss import S_BAND_BELOW_HZ
from ntnsim.link.retransmission import ErrorTables, RetransmissionSettings
from ntnsim.scenario.fading import FadingSpec, NoFadingSpec, RicianFadingSpec
from ntnsim.scenario.radio import AdaptationSpec, RetransmissionSpec, StochasticChannelSpec
from ntnsim.units import SPEED_OF_LIGHT_M_S

# Around a resting terminal the satellite turns by a hundredth of a radian per second: waves scattered some 30 m away
# change their paths by this much, and leaves and people do as well. An assumption; fades are then about a second long.
SLOWEST_FADING_M_S = 0.3


@lru_cache(maxsize=64)
def goodput_settings(
    adaptation: AdaptationSpec, again: RetransmissionSpec, elements_per_s: float, slot_s: float
) -> GoodputSettings:
    """Return what stands between SINR and goodput; terminals of one radio share it, and its tables."""
    answered = _settings(adaptation, again, elements_per_s, slot_s, again.feedback, again.repetitions)
    if again.blind_repeats == 1 and again.bler_target_without_feedback is None:
        return answered
    without = _settings(
        adaptation.model_copy(
            update={"bler_target": again.bler_target_without_feedback or adaptation.bler_target}
        ),
        again,
        elements_per_s,
        slot_s,
        "disabled",
        again.repetitions * again.blind_repeats,
    )
    return replace(answered, unanswered=without)


def _settings(
    adaptation: AdaptationSpec,
    again: RetransmissionSpec,
    elements_per_s: float,
    slot_s: float,
    feedback: str,
    repeats: int,
) -> GoodputSettings:
    settings = RetransmissionSettings(
        processes=again.processes,
        feedback=feedback,
        max_transmissions=again.max_transmissions,
        processing_s=again.processing_s,
    )
    levels = level_table(
        table_number=adaptation.table,
        levels=adaptation.levels,
        threshold_set=adaptation.thresholds,
        implementation_loss_db=adaptation.implementation_loss_db,
        bler_target=adaptation.bler_target,
        resource_elements_per_slot=elements_per_s * slot_s,
        repeats=repeats,
        short_blocks=adaptation.block_length == "normal_approximation",
    )
    return GoodputSettings(
        ErrorTables(levels, settings),
        elements_per_s,
        slot_s * repeats,
        outer_loop=adaptation.outer_loop,
        csi_delay_s=adaptation.csi_delay_s,
        repeats=repeats,
        repeat_interval_s=again.blind_repeat_interval_s if repeats > again.repetitions else 0.0,
    )


def fading_of(channel: StochasticChannelSpec, carrier_hz: float) -> FadingSpec:
    """Return the small-scale fading that a channel has, asked for or by default."""
    if channel.fading is not None:
        return channel.fading
    return RicianFadingSpec() if carrier_hz < S_BAND_BELOW_HZ else NoFadingSpec()


def rice_factor_db(fading: FadingSpec) -> float | None:
    """Return K in line of sight for the channel: None draws it, nan asks for none."""
    if fading.kind in ("none", "loo", "two_state"):
        return np.nan
    return fading.k_db if fading.kind == "rician" else 0.0  # a profile's K is its own


def land_mobile(fading: FadingSpec) -> LandMobile | None:
    """Return the states of the direct path, if the fading has its own."""
    if fading.kind == "two_state":
        return LandMobile(
            MobileState(**fading.good.model_dump()),
            MobileState(**fading.bad.model_dump()),
            fading.ramp_slope,
            fading.ramp_offset_m,
        )
    if fading.kind == "loo":
        only = MobileState(
            log_length_mean=0.0,
            log_length_std=1.0,
            shortest_m=0.0,
            direct_mean_db=fading.direct_mean_db,
            direct_std_db=0.0,
            std_slope=0.0,
            std_offset_db=fading.direct_std_db,
            scattered_slope=0.0,
            scattered_offset_db=fading.scattered_db,
            correlation_m=fading.correlation_m,
        )
        return LandMobile(only)
    return None


@lru_cache(maxsize=64)
def fading_tables(
    fading: FadingSpec,
    adaptation: AdaptationSpec,
    again: RetransmissionSpec,
    elements_per_s: float,
    slot_s: float,
    speed_m_s: float,
    carrier_hz: float,
    bandwidth_hz: float,
) -> FadingTables:
    """Return the tables of one kind of fading on one radio, which terminals share."""
    doppler_hz = max(speed_m_s, SLOWEST_FADING_M_S) * carrier_hz / SPEED_OF_LIGHT_M_S
    goodput = goodput_settings(adaptation, again, elements_per_s, slot_s)
    if fading.kind != "ntn_tdl":
        return FadingTables(FadingSettings(doppler_hz, bandwidth_hz), goodput)
    settings = FadingSettings(
        doppler_hz,
        bandwidth_hz,
        tapped_delay_line(fading.line_of_sight, fading.line_of_sight_delay_spread_s),
        tapped_delay_line(fading.no_line_of_sight, fading.no_line_of_sight_delay_spread_s),
        each_k=False,
    )
    return FadingTables(settings, goodput)
