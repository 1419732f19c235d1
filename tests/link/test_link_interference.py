"""Interference of other beams: the Earth's limb, tiers and load."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ntnsim.link.antenna import (
    beam_spacing_uv,
    co_channel,
    downlink_cir_db,
    hexagonal_layout,
    nearest_beam_offset_uv,
    pattern_gain_ratio,
    uplink_cir_db,
)
from ntnsim.scenario.background import mean_load
from ntnsim.scenario.scenario import Scenario
from ntnsim.sky.space_segment import terminal_profile_source

APERTURE_M, CARRIER_HZ = 2.0, 2e9
EARTH_M, RADIUS_M = 6_371e3, 6_971e3
LIMB_UV = EARTH_M / RADIUS_M


def scenario(**changes):
    return Scenario(
        name="beams",
        start_utc=datetime(2026, 3, 1, tzinfo=UTC),
        horizon={"duration_s": 400},
        sources=[{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
        gateways=[{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
        schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": 8e5}}],
        **changes,
    )


def meets_the_sphere(u, v):
    """Whether a ray from the satellite at (0, 0, r), looking down, meets the Earth: solved for the ray's length."""
    ray = np.array([u, v, -np.sqrt(max(1.0 - u * u - v * v, 0.0))])
    along = ray @ np.array([0.0, 0.0, RADIUS_M])
    return u * u + v * v <= 1.0 and along**2 - (RADIUS_M**2 - EARTH_M**2) >= 0 and along < 0


@pytest.mark.parametrize("elevation_deg", [10.0, 25.0, 80.0])
@pytest.mark.parametrize("reuse", ["frf1", "frf3"])
def test_beams_that_miss_the_earth_do_not_interfere(elevation_deg, reuse):
    rng = np.random.default_rng(4)
    spacing = beam_spacing_uv(APERTURE_M, CARRIER_HZ)
    offsets = nearest_beam_offset_uv(*rng.uniform(-1, 1, size=(2, 50)), spacing)
    centre = np.array([LIMB_UV * np.cos(np.radians(elevation_deg)), 0.0])
    centres, lattice = hexagonal_layout(4)
    others = centres[co_channel(lattice, reuse)][1:] * spacing
    lit = np.array([meets_the_sphere(*(centre + other)) for other in others])
    assert lit.all() == (elevation_deg == 80.0)
    gains = [
        pattern_gain_ratio(np.linalg.norm(offsets - other, axis=1), APERTURE_M, CARRIER_HZ)
        for other in others[lit]
    ]
    own = pattern_gain_ratio(np.linalg.norm(offsets, axis=1), APERTURE_M, CARRIER_HZ)
    limited = {"tiers": 4, "centre_uv": np.tile(centre, (50, 1)), "limb_uv": np.full(50, LIMB_UV)}
    found = downlink_cir_db(offsets, APERTURE_M, CARRIER_HZ, reuse, **limited)
    assert found == pytest.approx(10 * np.log10(own / np.sum(gains, axis=0)))
    up = uplink_cir_db(offsets, APERTURE_M, CARRIER_HZ, reuse, **limited)
    everywhere = uplink_cir_db(offsets, APERTURE_M, CARRIER_HZ, reuse, tiers=4)
    assert np.all(up > everywhere) if not lit.all() else up == pytest.approx(everywhere)


def test_one_beam_alone_has_no_interference():
    beyond = {"centre_uv": np.array([[2.0, 0.0]]), "limb_uv": np.array([LIMB_UV])}
    assert np.isinf(downlink_cir_db(np.zeros((1, 2)), APERTURE_M, CARRIER_HZ, "frf1", **beyond)[0])


def test_outer_tiers_add_interference_that_converges():
    means = [
        float(downlink_cir_db(np.zeros(2), APERTURE_M, CARRIER_HZ, "frf3", tiers=tiers))
        for tiers in (2, 4, 8, 12)
    ]
    steps = -np.diff(means)
    assert np.all(steps > 0) and np.all(np.diff(steps) < 0)


def test_neighbours_are_as_busy_as_the_background():
    radio = {"interference": True, "reuse": "frf3", "direction": "dl", "profile": {"step_s": 1.0}}

    def cir_db(**changes):
        world = scenario(**changes)
        source = terminal_profile_source(
            world.space, world.service_radio, world.gateways[0], 1, start_utc=world.start_utc
        )
        return source.pass_link(source.book.rising_between(0.0, 3600.0)[0]).limits_db.get("co_channel")

    full = cir_db(radio={**radio, "interference_load": 1.0})
    assert cir_db(radio=radio, background=0.25) == pytest.approx(full + 10 * np.log10(4))
    assert cir_db(radio={**radio, "interference_load": 0.5}, background=0.25) == pytest.approx(
        full + 10 * np.log10(2)
    )
    assert cir_db(radio=radio) is None  # nobody else is there


@pytest.mark.parametrize(
    ("background", "mean"),
    [
        (0.3, 0.3),
        ({"kind": "daily", "loads": [0.0, 0.2, 0.7]}, 0.3),
        (
            {
                "kind": "on_off",
                "on_load": 0.8,
                "off_load": 0.2,
                "on_s": {"kind": "exponential", "mean": 30},
                "off_s": {"kind": "constant", "value": 90},
            },
            (30 * 0.8 + 90 * 0.2) / 120,
        ),
        # From 100 s on 0.4, from 200 s on 1.0, up to the horizon's 400 s.
        ({"kind": "trace", "times_s": [100, 200], "loads": [0.4, 1.0]}, (100 * 0.4 + 200 * 1.0) / 400),
        ({"kind": "trace", "times_s": [500], "loads": [1.0]}, 0.0),
    ],
)
def test_mean_of_each_kind_of_background(background, mean):
    world = scenario(background=background, radio={"interference": True})
    assert world.service_radio.interference_load == pytest.approx(mean)
    assert mean_load(world.background, 400.0) == pytest.approx(mean)
