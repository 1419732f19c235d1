"""Beams: the hexagonal layout, reuse colours, offsets and the interference sum."""

import numpy as np
import pytest

from ntnsim.link.antenna import (
    beam_spacing_uv,
    co_channel,
    downlink_cir_db,
    half_power_beamwidth_rad,
    hexagonal_layout,
    nearest_beam_offset_uv,
    pattern_gain_ratio,
    uplink_cir_db,
)

APERTURE_M, CARRIER_HZ = 2.0, 2e9
CENTRE = np.zeros(2)


def test_two_tiers_are_nineteen_beams_and_four_are_sixty_one():
    assert [len(hexagonal_layout(tiers)[0]) for tiers in (0, 1, 2, 4)] == [1, 7, 19, 61]
    centres, _ = hexagonal_layout(2)
    assert centres[0].tolist() == [0.0, 0.0]
    assert np.linalg.norm(centres[1:7], axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("reuse", "nearest"), [("frf1", 1.0), ("frf3", np.sqrt(3)), ("frf2_polarisation", 2.0)]
)
def test_nearest_co_channel_beam_stands_where_the_reuse_puts_it(reuse, nearest):
    centres, lattice = hexagonal_layout(4)
    same = centres[co_channel(lattice, reuse)]
    distance = np.sort(np.linalg.norm(same, axis=1))
    assert distance[0] == 0.0
    assert distance[1:7] == pytest.approx(nearest)
    # Every co-channel beam sees the same pattern around it: the colours tile the plane.
    assert len(same) == {"frf1": 61, "frf3": 19, "frf2_polarisation": 19}[reuse]


def test_offset_to_the_nearest_beam_is_what_a_search_over_all_beams_gives():
    rng = np.random.default_rng(1)
    spacing = 0.0668
    points = rng.uniform(-0.2, 0.2, size=(500, 2))
    centres = hexagonal_layout(6)[0] * spacing
    every = points[:, None, :] - centres[None, :, :]
    nearest = every[np.arange(500), np.argmin(np.linalg.norm(every, axis=2), axis=1)]
    own = nearest_beam_offset_uv(points[:, 0], points[:, 1], spacing)
    assert np.linalg.norm(own, axis=1) == pytest.approx(np.linalg.norm(nearest, axis=1))


def test_a_hexagons_corner_is_at_half_power():
    spacing = beam_spacing_uv(APERTURE_M, CARRIER_HZ)
    corner = spacing / np.sqrt(3)
    assert pattern_gain_ratio(np.array([corner]), APERTURE_M, CARRIER_HZ)[0] == pytest.approx(0.5)
    assert corner == pytest.approx(np.sin(half_power_beamwidth_rad(APERTURE_M, CARRIER_HZ) / 2))


def test_downlink_interference_in_the_centre_is_the_sum_worked_by_hand():
    spacing = beam_spacing_uv(APERTURE_M, CARRIER_HZ)
    # FRF 3 within four tiers: six beams each at √3, 3, 2√3 spacings.
    rings = np.array([np.sqrt(3), 3.0, 2 * np.sqrt(3)]) * spacing
    by_hand = -10 * np.log10(6 * pattern_gain_ratio(rings, APERTURE_M, CARRIER_HZ).sum())
    assert float(downlink_cir_db(CENTRE, APERTURE_M, CARRIER_HZ, "frf3")) == pytest.approx(by_hand)


@pytest.mark.parametrize("cir", [downlink_cir_db, uplink_cir_db])
def test_more_reuse_interferes_less_and_the_edge_suffers_more_than_the_centre(cir):
    edge = np.array([0.0, beam_spacing_uv(APERTURE_M, CARRIER_HZ) / np.sqrt(3)])  # a corner of the hexagon
    centre = [
        float(cir(CENTRE, APERTURE_M, CARRIER_HZ, reuse)) for reuse in ("frf1", "frf3", "frf2_polarisation")
    ]
    at_edge = [
        float(cir(edge, APERTURE_M, CARRIER_HZ, reuse)) for reuse in ("frf1", "frf3", "frf2_polarisation")
    ]
    assert centre[0] < centre[1] < centre[2]
    assert all(outside < inside for outside, inside in zip(at_edge, centre, strict=True))
    # In the corner of three beams of the same channel their powers are equal: worse than −3 dB downwards.
    if cir is downlink_cir_db:
        assert at_edge[0] < -10 * np.log10(2)


def test_uplink_interference_is_the_mean_over_terminals_spread_in_their_beams():
    spacing = beam_spacing_uv(APERTURE_M, CARRIER_HZ)
    rng = np.random.default_rng(2)
    inside = nearest_beam_offset_uv(*rng.uniform(-3, 3, size=(2, 20_000)), spacing)
    centres, lattice = hexagonal_layout(4)
    total = 0.0
    for centre in centres[co_channel(lattice, "frf3")][1:] * spacing:
        distance = np.hypot(inside[:, 0] + centre[0], inside[:, 1] + centre[1])
        total += pattern_gain_ratio(distance, APERTURE_M, CARRIER_HZ).mean()
    own = float(uplink_cir_db(CENTRE, APERTURE_M, CARRIER_HZ, "frf3"))
    assert own == pytest.approx(-10 * np.log10(total), abs=0.2)
