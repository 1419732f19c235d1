"""Ionospheric scintillation: weak as TR 38.811 has it by latitude, strong for its share of time, none at Ku and Ka."""

from datetime import UTC, datetime
from math import log10, sqrt

import numpy as np
import pytest

from ntnsim.link.ionosphere import (
    StrongSpells,
    ionospheric_scintillation_db,
    s4_at,
    s4_loss_db,
    strong_spells,
)
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.sky.space_segment import terminal_profile_source

HELSINKI = GatewaySpec(name="helsinki", latitude_deg=60.17, longitude_deg=24.94)


def test_weak_scintillation_follows_the_latitude_rule():
    # TR 38.811, 6.6.6.1: 2.2 dB at 2 GHz below 20 degrees; none from 20 to 60; none from 6 GHz on.
    assert ionospheric_scintillation_db(2e9, -15.0) == pytest.approx(2.2, abs=0.01)
    assert ionospheric_scintillation_db(2e9, 45.0) == 0.0
    for carrier_hz in (6e9, 12e9, 20e9, 30e9):
        for latitude_deg in (0.0, 45.0, 70.0):
            assert ionospheric_scintillation_db(carrier_hz, latitude_deg, s4_index=1.0) == 0.0
            spells = strong_spells(
                carrier_hz,
                latitude_deg,
                s4_index=1.0,
                weak_s4_index=0.1,
                share=0.5,
                mean_s=9.0,
                rng=np.random.default_rng(1),
            )
            assert spells is None


def test_strong_scintillation_is_the_trs_example():
    # TR 38.811, 6.6.6.1: S4 = 0.7 gives P_fluc of about 17 dB and a loss of about 12 dB.
    assert s4_loss_db(0.7) == pytest.approx(12.4, abs=0.1)
    assert s4_loss_db(0.7) * sqrt(2) == pytest.approx(17.5, abs=0.1)


def test_s4_falls_with_the_carrier_by_its_three_halves_power():
    # 15 dB of S4 per decade of frequency.
    assert 10 * log10(s4_at(1e9, 0.1) / s4_at(4e9, 0.1)) == pytest.approx(15 * log10(4))
    assert s4_at(0.4e9, 0.7) == 1.0


def test_no_step_of_many_decibels_at_60_degrees():
    below, above = (ionospheric_scintillation_db(2e9, latitude) for latitude in (59.9, 60.1))
    assert 0 <= above - below < 1.5


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_strong_spells_take_their_share_of_time_and_last_as_asked(share):
    spells = StrongSpells(5.0, share, 60.0, np.random.default_rng(3))
    times_s = np.arange(0.0, 3e6, 2.0)
    strong = spells.more_db(times_s) > 0
    begun = np.count_nonzero(strong[1:] & ~strong[:-1])
    few = 1 / sqrt(begun)  # exponential lengths: their standard deviation is their mean
    assert strong.mean() == pytest.approx(share, rel=4 * few)
    assert strong.sum() * 2.0 / begun == pytest.approx(60.0, rel=0.1 + 4 * few)


def test_spells_do_not_depend_on_the_order_of_questions():
    times_s = np.arange(0.0, 20_000.0, 10.0)
    at_once = StrongSpells(5.0, 0.4, 600.0, np.random.default_rng(5)).more_db(times_s)
    spells = StrongSpells(5.0, 0.4, 600.0, np.random.default_rng(5))
    late, early = spells.more_db(times_s[1000:]), spells.more_db(times_s[:1000])
    assert np.concatenate([early, late]).tolist() == at_once.tolist()
    assert 0 < np.count_nonzero(at_once) < len(at_once)


def _median_rate_bps(site, **channel):
    source = terminal_profile_source(
        SpaceSegmentSpec(),
        RadioSpec.model_validate(
            {
                "channel": {
                    "mode": "channel",
                    "line_of_sight": "always",
                    "fading": {"kind": "none"},
                    **channel,
                },
                "profile": {"step_s": 1.0},
            }
        ),
        site,
        2,
        start_utc=datetime(2026, 3, 1, tzinfo=UTC),
    )
    return np.median(source(0.0).rate_bps)


def test_a_site_beyond_60_degrees_has_no_wall():
    just_below = HELSINKI.model_copy(update={"latitude_deg": 59.9})
    weak, none = _median_rate_bps(HELSINKI), _median_rate_bps(just_below)
    walled = _median_rate_bps(HELSINKI, strong_share=0.999)
    assert weak > 0.7 * none
    assert walled < 0.35 * none


def test_spells_show_among_the_terms_of_a_pass():
    radio = RadioSpec.model_validate(
        {
            "channel": {"mode": "channel", "strong_share": 0.5, "strong_spell_s": 60},
            "profile": {"step_s": 1.0},
        }
    )
    source = terminal_profile_source(
        SpaceSegmentSpec(), radio, HELSINKI, 2, start_utc=datetime(2026, 3, 1, tzinfo=UTC)
    )
    terms = source.whole_pass_terms(source.book.rising_between(0.0, 3600.0)[0])
    levels = sorted(set(np.round(terms["scintillation_db"], 3)))
    assert levels == [round(s4_loss_db(0.1), 3), round(s4_loss_db(0.7), 3)]
