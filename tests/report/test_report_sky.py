"""What a run keeps of the sky lies where the orbits and the sites are."""

from datetime import UTC, datetime

import numpy as np
import pytest

from ntnsim.results.ground_track import read_ground_track, write_ground_track
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.terrestrial import GatewaySpec
from ntnsim.sky.ground_track import ground_track, sky_rows
from ntnsim.sky.space_segment import terminal_profile_source


@pytest.fixture(scope="module")
def terminals():
    space = SpaceSegmentSpec.model_validate({"constellation": {"kind": "preset", "name": "leo-600"}})
    gateway = GatewaySpec(name="parma", latitude_deg=44.8, longitude_deg=10.3)
    start = datetime(2026, 6, 1, 9, tzinfo=UTC)
    return {"parma": terminal_profile_source(space, RadioSpec(), gateway, 1, start_utc=start)}


def test_a_satellite_that_serves_passes_near_the_site_and_stays_within_its_inclination(terminals, tmp_path):
    track = ground_track(terminals, 3000.0)
    write_ground_track(tmp_path, track)
    read = read_ground_track(tmp_path)
    assert read.duration_s == 3000.0
    assert [site.name for site in read.sites] == ["parma"]
    served = [path for path in read.paths if path.served]
    assert served
    for path in served:
        arc = np.radians(path.longitude_deg - 10.3)
        latitude, site = np.radians(path.latitude_deg), np.radians(44.8)
        central = np.arccos(np.sin(site) * np.sin(latitude) + np.cos(site) * np.cos(latitude) * np.cos(arc))
        # At 600 km and 10° elevation the subpoint is 15.8° away at most: acos(R cos ε / (R + h)) − ε.
        assert np.degrees(central.min()) < 16.5
    highest = max(np.abs(path.latitude_deg).max() for path in read.paths)
    step = max(np.abs(np.diff(path.latitude_deg)).max() for path in read.paths)
    assert step < 3  # 3000 s in 120 points: 25 s, about 1.6° of arc
    assert highest <= 90


def test_passes_of_the_sky_agree_with_the_terminals_own(terminals):
    rows = list(sky_rows(terminals, 3000.0))
    assert {row["kind"] for row in rows} >= {"pass"}
    passes = [row for row in rows if row["kind"] == "pass"]
    assert all(0 <= row["time_s"] < 3000.0 and row["end_s"] > row["time_s"] for row in passes)
    assert [row["time_s"] for row in rows] == sorted(row["time_s"] for row in rows)
    # LEO-600 as built here always has a satellite above 10° over Parma: from the first moment on.
    assert any(row["time_s"] == 0.0 for row in passes)
    own = terminals["parma"].model.passes(terminals["parma"].site, 0.0, 3000.0)
    assert [(max(one.rise_s, 0.0), one.set_s) for one in own] == [(r["time_s"], r["end_s"]) for r in passes]


def test_no_orbit_means_no_track():
    assert ground_track({}, 100.0) is None
