"""Passes: against brute force, against skyfield on real element sets, and against the search's own settings."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4.api import WGS72, Satrec

from ntnsim.orbit.constellation import CircularOrbits, Shell, walker_orbits
from ntnsim.orbit.earth import EARTH_MODELS, EARTH_MU_M3_S2, Site
from ntnsim.orbit.element_sets import ElementSets
from ntnsim.orbit.geometry import look
from ntnsim.orbit.pass_book import PassBook
from ntnsim.orbit.passes import find_passes, find_passes_over_sites
from ntnsim.orbit.visibility import visibility_mask

ORBITS = walker_orbits([Shell("a", "delta", 550e3, 53.0, 40, 8, 3)], EARTH_MODELS["wgs84"], 1.234)
SITE = Site("parma", 44.8, 10.33, 57.0, 25.0)


def above_mask(site, satellite, times_s):
    sine, _ = look(site, ORBITS.positions_of_m(np.full(len(times_s), satellite), times_s))
    return sine >= np.sin(np.radians(site.min_elevation_deg))


@settings(max_examples=8, deadline=None)
@given(
    latitude_deg=st.floats(-70, 70),
    longitude_deg=st.floats(-180, 180),
    mask_deg=st.floats(0, 60),
    start_s=st.floats(0, 1e6),
)
def test_every_pass_of_a_second_by_second_search_is_found(latitude_deg, longitude_deg, mask_deg, start_s):
    site = Site("x", latitude_deg, longitude_deg, 0.0, mask_deg)
    times_s = start_s + np.arange(0.0, 12_000.0)
    table = find_passes(ORBITS, site, times_s[0], times_s[-1])
    for satellite in range(0, len(ORBITS), 5):
        up = above_mask(site, satellite, times_s)
        rising = times_s[1:][~up[:-1] & up[1:]]
        setting = times_s[1:][up[:-1] & ~up[1:]]
        own = table.satellite == satellite
        rises = np.sort(table.rise_s[own & ~table.rise_clipped])
        sets = np.sort(table.set_s[own & ~table.set_clipped])
        # Passes shorter than the brute-force step may show only here.
        short = table.set_s[own] - table.rise_s[own] < 1.0
        if short.any():
            continue
        assert len(rises) == len(rising) and len(sets) == len(setting)
        assert np.all((rises <= rising) & (rises >= rising - 1.0))
        assert np.all((sets <= setting) & (sets >= setting - 1.0))


def test_edges_stand_on_the_mask_and_culmination_is_the_highest_point():
    table = find_passes(ORBITS, SITE, 0.0, 43_200.0)
    inside = np.flatnonzero(~table.rise_clipped & ~table.set_clipped)
    assert len(inside) > 50
    for edges_s in (table.rise_s, table.set_s):
        sine, _ = look(SITE, ORBITS.positions_of_m(table.satellite[inside], edges_s[inside]))
        assert np.degrees(np.arcsin(sine)) == pytest.approx(25.0, abs=1e-4)
    for number in inside[:20]:
        times_s = np.linspace(table.rise_s[number], table.set_s[number], 500)
        sine, _ = look(SITE, ORBITS.positions_of_m(np.full(500, table.satellite[number]), times_s))
        assert np.degrees(np.arcsin(sine.max())) <= table.max_elevation_deg[number] + 1e-6
        assert abs(times_s[np.argmax(sine)] - table.culmination_s[number]) < 2.0


def test_result_does_not_depend_on_the_step_of_the_search():
    fine = find_passes(ORBITS, SITE, 0.0, 86_400.0, step_s=5.0)
    coarse = find_passes(ORBITS, SITE, 0.0, 86_400.0)
    assert len(fine) == len(coarse)
    assert fine.satellite.tolist() == coarse.satellite.tolist()
    assert fine.rise_s == pytest.approx(coarse.rise_s, abs=1e-3)
    assert fine.set_s == pytest.approx(coarse.set_s, abs=1e-3)


def test_many_sites_at_once_give_what_each_gives_alone():
    sites = [Site(str(n), -50.0 + 20 * n, 30.0 * n, 0.0, 10.0 + n) for n in range(6)]
    for site, together in zip(sites, find_passes_over_sites(ORBITS, sites, 0.0, 20_000.0), strict=True):
        alone = find_passes(ORBITS, site, 0.0, 20_000.0)
        assert alone.satellite.tolist() == together.satellite.tolist()
        assert alone.rise_s == pytest.approx(together.rise_s, abs=1e-6)


@pytest.mark.parametrize(("earth", "allowed_deg"), [("sphere_6371", 1e-4), ("wgs84", 0.02)])
def test_visibility_mask_is_the_elevation_test(earth, allowed_deg):
    orbits = walker_orbits([Shell("a", "delta", 550e3, 53.0, 40, 8, 3)], EARTH_MODELS[earth])
    site = Site("x", 52.0, 5.0, 0.0, 15.0, EARTH_MODELS[earth])
    times_s = np.arange(0.0, 20_000.0, 10.0)
    mask = visibility_mask(orbits, site, times_s)
    sine, _ = look(site, orbits.positions_m(times_s))
    elevation_deg = np.degrees(np.arcsin(sine))
    disagree = mask != (elevation_deg >= 15.0)
    assert mask.sum() > 100
    assert np.all(np.abs(elevation_deg[disagree] - 15.0) < allowed_deg)


def test_pass_book_gives_whole_passes_whatever_the_window():
    book = PassBook(ORBITS, SITE)
    whole = {(p.satellite, round(p.rise_s, 3)): p for p in book.between(3600.0, 18_000.0)}
    pieces = {}
    for start_s in np.arange(3600.0, 18_000.0, 450.0):
        for one in PassBook(ORBITS, SITE).between(start_s, start_s + 450.0):
            pieces[(one.satellite, round(one.rise_s, 3))] = one
    assert pieces == whole
    assert all(one.set_s - one.rise_s < 600 for one in whole.values())
    reference = find_passes(ORBITS, SITE, 0.0, 25_000.0)
    inside = (reference.rise_s < 18_000.0) & (reference.set_s > 3600.0)
    assert inside.sum() == len(whole)


def test_a_geostationary_satellite_stays_up_in_pieces():
    geo = walker_orbits([Shell("geo", "delta", 35_786e3, 0.0, 3, 3, 0)], EARTH_MODELS["wgs84"])
    pieces = PassBook(geo, Site("x", 10.0, 0.0)).between(0.0, 20_000.0)
    assert {one.satellite for one in pieces} == {0}
    assert pieces[0].rise_s == 0.0 and pieces[-1].set_s >= 20_000.0


def test_a_satellite_that_never_sets_is_listed_once_from_the_first_hour_of_the_search_to_its_last():
    geo = walker_orbits([Shell("geo", "delta", 35_786e3, 0.0, 3, 3, 0)], EARTH_MODELS["wgs84"])
    (one,) = PassBook(geo, Site("x", 10.0, 0.0)).whole_between(7200.0, 30_000.0)
    assert (one.satellite, one.rise_s, one.set_s) == (0, 7200.0, 32_400.0)
    assert one.max_elevation_deg == pytest.approx(78.2, abs=0.2)


@pytest.mark.parametrize("start_s", [0.0, 20_000.0, 37_000.0])
def test_a_pass_of_many_hours_is_listed_from_its_rise_to_its_set(start_s):
    # 12 h orbits at 20,000 km: passes of up to six hours, which the book's search cuts into pieces.
    orbits = walker_orbits([Shell("meo", "delta", 20_184e3, 55.0, 6, 3, 1)], EARTH_MODELS["wgs84"])
    listed = PassBook(orbits, SITE).whole_between(start_s, start_s + 40_000.0)
    reference = find_passes(orbits, SITE, -86_400.0, 200_000.0)
    inside = (reference.rise_s < start_s + 40_000.0) & (reference.set_s > start_s)
    assert inside.sum() == len(listed) > 3
    assert max(one.set_s - one.rise_s for one in listed) > 2 * 3600.0
    assert [one.satellite for one in listed] == reference.satellite[inside].tolist()
    assert [one.rise_s for one in listed] == pytest.approx(reference.rise_s[inside], abs=1e-2)
    assert [one.set_s for one in listed] == pytest.approx(reference.set_s[inside], abs=1e-2)
    highest = [one.max_elevation_deg for one in listed]
    assert highest == pytest.approx(reference.max_elevation_deg[inside], abs=1e-3)


def test_listed_passes_of_low_orbits_are_those_served():
    book = PassBook(ORBITS, SITE)
    assert book.whole_between(1234.0, 40_000.0) == book.between(1234.0, 40_000.0)


def test_listing_low_orbits_searches_one_hour_around_and_no_more():
    # SGP4 may fail far from the epoch, and a search of thousands of element sets takes its time.
    asked_s = []

    class Watched(CircularOrbits):
        def positions_of_m(self, satellite, time_s):
            asked_s.extend((np.min(time_s), np.max(time_s)))
            return super().positions_of_m(satellite, time_s)

    watched = Watched(**{column.name: getattr(ORBITS, column.name) for column in fields(ORBITS)})
    PassBook(watched, SITE).whole_between(7200.0, 10_800.0)
    assert min(asked_s) >= 3600.0 and max(asked_s) <= 14_400.0


def test_a_search_that_ends_before_it_begins_is_refused():
    with pytest.raises(ValueError, match="end_s must be > start_s"):
        find_passes(ORBITS, SITE, 10.0, 10.0)


def orbit_record(number, semi_major_m, eccentricity, inclination_deg, perigee_deg, anomaly_deg, node_deg):
    record = Satrec()
    record.sgp4init(
        WGS72,
        "i",
        number,
        27_759.0,  # days from 1949-12-31 to 2026-01-01
        0.0,
        0.0,
        0.0,
        eccentricity,
        np.radians(perigee_deg),
        np.radians(inclination_deg),
        np.radians(anomaly_deg),
        60 * np.sqrt(EARTH_MU_M3_S2 / semi_major_m**3),
        np.radians(node_deg),
    )
    return record


HIGH = ElementSets(
    ("gto", "molniya", "tundra", "meo"),
    (
        orbit_record(1, 24_371e3, 0.7306, 7.0, 178.0, 0.0, 40.0),
        orbit_record(2, 26_600e3, 0.74, 63.4, 270.0, 10.0, 30.0),
        orbit_record(3, 42_164e3, 0.26, 63.4, 270.0, 0.0, 10.0),
        orbit_record(4, 20_000e3, 0.01, 56.0, 0.0, 20.0, 50.0),
    ),
    (2_461_041.5, 0.0),
)


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg"), [(44.8, 10.3), (0.0, 100.0), (-33.0, 151.0), (5.0, -60.0)]
)
def test_culminations_of_eccentric_and_high_orbits_agree_with_a_dense_search(latitude_deg, longitude_deg):
    site = Site("x", latitude_deg, longitude_deg)
    found = PassBook(HIGH, site).whole_between(0.0, 86_400.0)
    assert found
    for one in found:
        times_s = np.arange(one.rise_s, one.set_s, 5.0)
        sine, _ = look(site, HIGH.positions_of_m(np.full(len(times_s), one.satellite), times_s))
        # A search in steps of 5 s misses up to 0.01 degrees near a perigee.
        assert one.max_elevation_deg == pytest.approx(np.degrees(np.arcsin(sine.max())), abs=0.01)
        assert one.max_elevation_deg >= np.degrees(np.arcsin(sine.max())) - 1e-4
        at_culmination, _ = look(
            site, HIGH.positions_of_m(np.array([one.satellite]), np.array([one.culmination_s]))
        )
        assert np.degrees(np.arcsin(at_culmination[0])) == pytest.approx(one.max_elevation_deg, abs=1e-3)
