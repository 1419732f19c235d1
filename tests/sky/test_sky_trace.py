"""Traces for emulators, and the directions in which satellites are seen."""

import csv
import itertools
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ntnsim.api.space import pass_rows
from ntnsim.cli import app
from ntnsim.orbit.earth import Site
from ntnsim.orbit.element_sets import read_element_sets
from ntnsim.orbit.geometry import azimuth_deg
from ntnsim.scenario.load import load_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"
QUICKSTART, ISL_RELAY = SCENARIOS / "quickstart.yaml", SCENARIOS / "isl_relay.yaml"
ISS = (
    "ISS (ZARYA)\n"
    "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
    "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
)


def test_azimuths_agree_with_skyfield(tmp_path):
    api = pytest.importorskip("skyfield.api")
    (tmp_path / "iss.tle").write_text(ISS)
    start = datetime(2014, 1, 21, tzinfo=UTC)
    orbits = read_element_sets(tmp_path / "iss.tle", (2_456_678.5, 0.0))
    times_s = np.linspace(0.0, 20_000.0, 40)
    own = azimuth_deg(Site("x", 44.8, 10.33), orbits.positions_of_m(np.zeros(40, dtype=int), times_s))
    timescale = api.load.timescale(builtin=True)
    satellite = api.EarthSatellite(*ISS.splitlines()[1:], "ISS", timescale)
    moments = timescale.utc(start.year, start.month, start.day, 0, 0, times_s)
    _, azimuth, _ = (satellite - api.wgs84.latlon(44.8, 10.33)).at(moments).altaz()
    # UT1 − UTC of 0.1 s and polar motion turn the sky by a few thousandths of a degree.
    assert np.abs((own - azimuth.degrees + 180) % 360 - 180).max() < 0.05


def test_passes_tell_azimuths_at_rise_culmination_and_set():
    rows, _ = pass_rows(load_scenario(QUICKSTART), None, 3.0)
    assert rows
    for row in rows:
        angles = [row[f"{when}_azimuth_deg"] for when in ("rise", "culmination", "set")]
        assert all(0 <= angle < 360 for angle in angles)
        # Between rise and set a satellite goes past its culmination, never back.
        turned = [(after - before + 180) % 360 - 180 for before, after in itertools.pairwise(angles)]
        assert turned[0] * turned[1] >= 0


def test_trace_gives_delay_doppler_and_rate_that_fit_each_other(tmp_path):
    out = tmp_path / "trace.csv"
    result = CliRunner().invoke(
        app, ["trace", str(QUICKSTART), "--hours", "0.2", "--step", "0.5", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1440
    assert [float(row["time_s"]) for row in rows] == [0.5 * number for number in range(1440)]
    served = [row for row in rows if row["satellite"]]
    assert served and sum(float(row["rate_bps"]) > 0 for row in served) > 0.8 * len(served)
    carrier_hz = 2e9  # S band
    checked = 0
    for before, after in itertools.pairwise(rows):
        if not before["satellite"] or before["satellite"] != after["satellite"]:
            continue
        # Doppler is the rate at which the service link's delay shrinks; the assumed feeder's delay is constant to 1e-7.
        slope = (float(after["delay_s"]) - float(before["delay_s"])) / 0.5
        mean_hz = (float(before["doppler_hz"]) + float(after["doppler_hz"])) / 2
        assert mean_hz == pytest.approx(-slope * carrier_hz, abs=400.0)
        checked += 1
    assert checked > 500


def traced(path, *overrides):
    changes = [part for override in overrides for part in ("--set", override)]
    result = CliRunner().invoke(
        app, ["trace", str(ISL_RELAY), "--hours", "0.1", "--step", "20", "--out", str(path), *changes]
    )
    assert result.exit_code == 0, result.output
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_trace_tells_the_whole_way_also_where_satellites_queue(tmp_path):
    plain = traced(tmp_path / "plain.csv")
    for limit in ("space.inter_satellite_links.rate_bps=1e9", "space.payload.feeder_rate_bps=1e9"):
        queued = traced(tmp_path / "queued.csv", limit)
        assert [row["satellite"] for row in queued] == [row["satellite"] for row in plain]
        np.testing.assert_allclose(
            [float(row["delay_s"]) for row in queued], [float(row["delay_s"]) for row in plain], atol=2e-5
        )


def test_a_stored_image_has_no_delay_to_trace_until_a_station_is_in_view(tmp_path):
    near, far = (
        "{name: near, latitude_deg: -25, longitude_deg: -20}",
        "{name: far, latitude_deg: 60, longitude_deg: 160}",
    )
    for station, known in ((near, True), (far, False)):
        rows = traced(
            tmp_path / "x.csv",
            "space.inter_satellite_links={kind: none}",
            "space.payload.store_and_forward=true",
            f"space.ground_stations=[{station}]",
        )
        served = [row for row in rows if row["satellite"]]
        assert served and all(float(row["rate_bps"]) > 0 for row in served)
        assert {bool(row["delay_s"]) for row in served} == {known}


def test_passes_tell_what_the_skyline_leaves(tmp_path):
    wall = "{horizon_deg: [[0, 30], [180, 30]]}"
    walled, _ = pass_rows(load_scenario(QUICKSTART, [f"gateways.parma.surroundings={wall}"]), None, 3.0)
    clear, _ = pass_rows(load_scenario(QUICKSTART, ["gateways.parma.min_elevation_deg=30"]), None, 3.0)
    left = {row["satellite"]: row["usable_s"] for row in walled if row["rise_s"] > 0 and row["usable_s"] > 0}
    above = {row["satellite"]: row["set_s"] - row["rise_s"] for row in clear if row["rise_s"] > 120}
    assert all(row["usable_s"] == row["set_s"] - row["rise_s"] for row in clear)
    assert above and all(abs(left[name] - extent_s) < 2.0 for name, extent_s in above.items())
    table = CliRunner().invoke(
        app, ["passes", str(QUICKSTART), "--hours", "1", "--set", f"gateways.parma.surroundings={wall}"]
    )
    assert "note: surroundings shorten" in table.output


def test_trace_refuses_what_it_cannot_do(tmp_path):
    result = CliRunner().invoke(
        app,
        [
            *["trace", str(QUICKSTART), "--out", str(tmp_path / "x.csv")],
            *["--set", "satellite_link={kind: constant, rate_bps: 1}"],
        ],
    )
    assert "satellite_link.kind: constant has no orbit to follow" in str(result.exception)
    assert not (tmp_path / "x.csv").exists()
    for arguments in (["--hours", "0"], ["--step", "-1"], ["--site", "nowhere"]):
        result = CliRunner().invoke(
            app, ["trace", str(QUICKSTART), "--out", str(tmp_path / "x.csv"), *arguments]
        )
        assert result.exit_code != 0
