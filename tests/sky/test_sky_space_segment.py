"""Rate profiles of a scenario's terminal: windows, determinism, gaps, payloads, policies, and the commands that show them."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ntnsim.api.space import PASS_COLUMNS
from ntnsim.cli import space as space_commands
from ntnsim.errors import InputError
from ntnsim.link.budget import calibration_case, reference_budget
from ntnsim.link.goodput import steady_efficiency
from ntnsim.orbit.geometry import slant_range_m
from ntnsim.scenario.radio import RadioSpec
from ntnsim.scenario.space import SpaceSegmentSpec
from ntnsim.scenario.surroundings import SurroundingsSpec
from ntnsim.sky.space_segment import lost_satellites, space_model, terminal_profile_source
from ntnsim.units import SPEED_OF_LIGHT_M_S

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def site(**changes):
    place = {
        "name": "parma",
        "latitude_deg": 44.8,
        "longitude_deg": 10.33,
        "altitude_m": 50.0,
        "min_elevation_deg": 10.0,
        "surroundings": SurroundingsSpec(),
    }
    return SimpleNamespace(**{**place, **changes})


def source(space=None, radio=None, seed=3, where=None, **more):
    return terminal_profile_source(
        SpaceSegmentSpec.model_validate(space or {}),
        RadioSpec.model_validate(radio or {}),
        where or site(),
        seed,
        start_utc=START,
        **more,
    )


CHANNEL = {"mode": "channel", "environment": "suburban"}
SPARSE = {
    "constellation": {
        "kind": "walker",
        "shells": [{"altitude_m": 600e3, "inclination_deg": 53, "satellites": 6, "planes": 3, "phasing": 1}],
    }
}


@pytest.mark.parametrize("policy", ["max_elevation", "longest_remaining", "best_sinr"])
@pytest.mark.parametrize("channel", [{"mode": "link_budget"}, CHANNEL])
def test_profile_does_not_depend_on_how_windows_are_cut(policy, channel):
    space = {"handover": {"policy": policy}}
    whole = source(space, {"channel": channel, "profile": {"window_s": 1200}})(0.0)
    pieces = source(space, {"channel": channel, "profile": {"window_s": 70}})
    start_s = 0.0
    while start_s < 1200.0:
        piece = pieces(start_s)
        first = round(start_s / piece.step_s)
        count = min(len(piece.rate_bps), 12_000 - first)
        for name in (
            "rate_bps",
            "propagation_s",
            "elevation_deg",
            "sinr_db",
            "contact_end_s",
            "next_contact_s",
        ):
            own, reference = getattr(piece, name)[:count], getattr(whole, name)[first : first + count]
            assert np.array_equal(own, reference, equal_nan=True), (name, start_s)
        served = [piece.satellites[i] if i >= 0 else "" for i in piece.satellite_index[:count]]
        assert served == [
            whole.satellites[i] if i >= 0 else "" for i in whole.satellite_index[first : first + count]
        ]
        start_s = piece.end_s


@pytest.mark.parametrize(
    ("space", "radio"),
    [
        ({}, {}),
        ({"payload": {"kind": "transparent"}}, {"band": "ka", "direction": "dl"}),
        ({}, {"adaptation": {"csi_delay_s": 4.0}}),
        ({}, {"band": "ka", "beams": {"kind": "satellite_fixed"}, "interference": True}),
        ({}, {"adaptation": {"outer_loop": False}, "profile": {"step_s": 0.05, "window_s": 300}}),
        ({}, {"channel": {"mode": "channel", "rain": "itu"}, "band": "ka"}),
    ],
)
def test_a_window_holds_what_the_link_of_the_whole_pass_has(space, radio):
    terminal = source(space, radio)
    profile = terminal(600.0)
    first = round(profile.start_s / profile.step_s)
    compared = 0
    for stretch in terminal.plan.between(profile.start_s, profile.end_s):
        link = terminal.pass_link(stretch.satellite_pass)
        low = max(
            round(stretch.start_s / profile.step_s) + 100, first
        )  # past the interruption of the handover
        high = min(int(stretch.end_s / profile.step_s), first + len(profile.rate_bps))
        own, whole = (
            slice(low - first, high - first),
            slice(low - link.geometry.first_step, high - link.geometry.first_step),
        )
        assert profile.rate_bps[own] == pytest.approx(
            link.goodput.rate_bps[whole], rel=1e-11
        )  # shares of steps
        assert np.array_equal(profile.sinr_db[own], link.sinr_db[whole])
        assert np.array_equal(profile.propagation_s[own], link.geometry.propagation_s[whole])
        compared += max(high - low, 0)
    assert compared > 1000


def test_same_seed_gives_the_same_profile_and_another_seed_another_channel():
    radio = {"channel": CHANNEL}
    one, same, other = (source(radio=radio, seed=seed)(0.0) for seed in (1, 1, 2))
    assert one.rate_bps.tobytes() == same.rate_bps.tobytes()
    assert one.sinr_db.tobytes() != other.sinr_db.tobytes()
    assert one.elevation_deg.tobytes() == other.elevation_deg.tobytes()


def test_another_terminal_leaves_this_ones_channel_alone():
    radio = {"channel": CHANNEL}
    alone = source(radio=radio)(0.0)
    source(radio=radio, where=site(name="other", latitude_deg=10.0))(0.0)
    assert source(radio=radio)(0.0).rate_bps.tobytes() == alone.rate_bps.tobytes()


def test_sinr_along_a_pass_is_the_link_budgets():
    profile = source({"earth": "sphere_6371"}, {"residual_frequency_error_ppm": 0})(0.0)
    inside = np.flatnonzero(~np.isnan(profile.elevation_deg))[::500]
    for step in inside:
        elevation = float(profile.elevation_deg[step])
        budget = reference_budget(
            orbit="leo-600",
            parameter_set=1,
            band="s",
            direction="ul",
            terminal="handheld",
            elevation_deg=elevation,
        )
        # The site stands 50 m above the sphere.
        assert profile.sinr_db[step] == pytest.approx(float(budget.cnr_db), abs=0.01)


def test_steady_rate_follows_from_the_sinr():
    terminal = source()
    profile = terminal(0.0)
    efficiency = steady_efficiency(profile.sinr_db[3000:3010], terminal.link.goodput)
    expected = efficiency * terminal.link.goodput.resource_elements_per_s
    assert profile.rate_bps[3000:3010] == pytest.approx(expected, rel=0.03)
    assert terminal.efficiency_at(profile.sinr_db[3000:3010]) == pytest.approx(efficiency)


def test_sparse_constellation_leaves_gaps_that_say_when_they_end():
    terminal = source(SPARSE, {"profile": {"window_s": 7200, "step_s": 1.0}})
    profile = terminal(0.0)
    gap = profile.satellite_index < 0
    assert 0 < gap.mean() < 1
    assert np.all(profile.rate_bps[gap][1:-1] >= 0)
    for step in np.flatnonzero(gap)[::200]:
        middle_s = (step + 0.5) * profile.step_s
        begins_s = profile.next_contact_s[step]
        assert begins_s > middle_s
        stretch = [s for s in terminal.plan.between(begins_s, begins_s + 1.0) if s.start_s >= begins_s - 1e-9]
        assert stretch and stretch[0].start_s == begins_s
    in_contact = np.flatnonzero(~gap)
    assert np.all(profile.contact_end_s[in_contact] >= in_contact * profile.step_s)
    assert np.array_equal(np.isnan(profile.next_contact_s), ~gap)
    assert np.array_equal(np.isnan(profile.contact_end_s), gap)


def test_a_constellation_that_never_comes_is_said_to_be_infinitely_far():
    equatorial = {
        "constellation": {
            "kind": "walker",
            "shells": [{"altitude_m": 550e3, "inclination_deg": 0, "satellites": 2, "planes": 1}],
        }
    }
    profile = source(equatorial, where=site(latitude_deg=80.0))(0.0)
    assert np.all(np.isinf(profile.next_contact_s))
    assert not profile.rate_bps.any()


def test_handover_interrupts_for_one_and_a_half_round_trips_up_and_two_down():
    for direction, factor in (("ul", 1.5), ("dl", 2.0)):
        terminal = source(radio={"direction": direction, "profile": {"step_s": 0.002, "window_s": 10}})
        handovers = [row for row in terminal.timeline(0.0, 600.0) if row["kind"] == "handover"]
        assert handovers
        at_s = handovers[0]["time_s"]
        profile = terminal(at_s - 5.0)
        step = profile.index_at(at_s + 1e-6)
        round_trip_s = (
            2
            * terminal.pass_link(
                next(
                    s.satellite_pass
                    for s in terminal.plan.between(at_s, at_s + 1)
                    if abs(s.start_s - at_s) < 1e-6
                )
            ).geometry.range_m[0]
            / SPEED_OF_LIGHT_M_S
        )
        pause_s = handovers[0]["end_s"] - at_s
        silent = int(np.argmax(profile.rate_bps[step:] > 0))
        assert silent * 0.002 == pytest.approx(pause_s, abs=0.004)
        assert 0.3 * factor * round_trip_s < pause_s <= factor * 0.01289 + 1e-4


def test_regenerative_delay_is_both_hops_and_transparent_round_trip_too():
    stations = [{"name": "fucino", "latitude_deg": 42.0, "longitude_deg": 13.6}]
    regenerative = source({"ground_stations": stations})
    transparent = source({"ground_stations": stations, "payload": {"kind": "transparent"}})
    one = regenerative.book.between(0.0, 2000.0)[0]
    a, b = regenerative.pass_link(one).geometry, transparent.pass_link(one).geometry
    both = (a.range_m + a.ground_range_m) / SPEED_OF_LIGHT_M_S
    seen = ~np.isnan(both)
    assert seen.any()
    assert a.propagation_s[seen] == pytest.approx(both[seen])
    assert a.round_trip_s == pytest.approx(2 * a.range_m / SPEED_OF_LIGHT_M_S)
    assert b.round_trip_s[seen] == pytest.approx(2 * both[seen])
    # TR 38.821, Table 7.1-1: no round trip above 25.77 ms where both elevations are above 10 degrees.
    steep = (a.elevation_deg >= 10) & (a.ground_elevation_deg >= 10)
    assert b.round_trip_s[steep].max() <= 25.77e-3 + 1e-4


def test_feeder_noise_adds_to_a_transparent_payload():
    clear, bent = source(), source({"payload": {"kind": "transparent"}})
    one = clear.book.between(0.0, 2000.0)[0]
    service, joint = clear.pass_link(one), bent.pass_link(one)
    feeder_db = joint.limits_db["feeder"]
    expected = -10 * np.log10(10 ** (-service.sinr_db / 10) + 10 ** (-feeder_db / 10))
    assert joint.sinr_db == pytest.approx(expected)
    # Estimates of the feeder's default: about 20 dB at 10 degrees.
    assert feeder_db.mean() == pytest.approx(20.0, abs=1.5)


def test_no_ground_station_in_view_means_no_contact_unless_satellites_pass_it_on():
    far = [{"name": "far", "latitude_deg": -45.0, "longitude_deg": 170.0}]
    cut = source({"ground_stations": far})(0.0)
    assert not cut.rate_bps.any()
    dense = {"kind": "preset", "name": "oneweb-648"}
    relayed = source(
        {"constellation": dense, "ground_stations": far, "inter_satellite_links": {"kind": "plus_grid"}}
    )(0.0)
    assert relayed.rate_bps.any()
    # Half-way round the Earth: no faster than light along the chord of the shell.
    assert np.nanmin(relayed.propagation_s) > 12_000e3 / SPEED_OF_LIGHT_M_S


def test_no_bit_flows_where_there_is_no_way_to_the_ground():
    stations = [{"name": "fucino", "latitude_deg": 42.0, "longitude_deg": 13.6, "min_elevation_deg": 40.0}]
    terminal = source(
        {"ground_stations": stations}, {"profile": {"step_s": 0.01, "window_s": 300}, "channel": CHANNEL}
    )
    holes = 0
    for window in range(6):
        profile = terminal(300.0 * window)
        lost = np.isnan(profile.propagation_s)
        holes += int(lost.sum())
        assert np.all(profile.rate_bps[lost] == 0.0)
        assert np.array_equal(lost, profile.satellite_index < 0)
        assert np.array_equal(np.isnan(profile.contact_end_s), lost)
    assert 0 < holes < 6 * 30_000


def test_source_on_a_satellite_sends_down_to_its_site_and_no_further():
    terminal = source(where=site(on_satellite=True))
    one = terminal.book.between(0.0, 2000.0)[0]
    geometry = terminal.pass_link(one).geometry
    assert terminal.link.direction == "dl"
    assert geometry.propagation_s == pytest.approx(geometry.range_m / SPEED_OF_LIGHT_M_S)


def test_fixed_beams_cost_gain_towards_their_edges_and_interference_limits_the_sinr():
    steered = source(radio={"interference": False})
    fixed = source(radio={"beams": {"kind": "satellite_fixed"}, "interference": True, "reuse": "frf3"})
    one = steered.book.between(0.0, 2000.0)[0]
    a, b = steered.pass_link(one), fixed.pass_link(one)
    lost = a.budget.g_over_t_db_k - b.budget.g_over_t_db_k
    # A hexagon's corner is at spacing/√3 = sin(HPBW/2): exactly the half-power direction.
    assert 0 <= lost.min() < 0.3
    assert 2.0 < lost.max() <= 3.02
    assert np.all(b.sinr_db < b.limits_db["co_channel"])


def test_walls_cost_what_p2109_says_and_stay_the_same_for_a_terminal():
    indoor = source(radio={"channel": {**CHANNEL, "building": "traditional"}})
    one = indoor.book.between(0.0, 2000.0)[0]
    assert indoor.pass_link(one).budget.additional_db.min() > 1.0
    again = source(radio={"channel": {**CHANNEL, "building": "traditional"}})
    assert (
        again.pass_link(one).budget.additional_db.tolist()
        == indoor.pass_link(one).budget.additional_db.tolist()
    )


def test_an_outage_hands_over_to_another_satellite():
    served = source()(0.0)
    broken = served.satellites[0]

    def outage(name, times_s):
        return np.full(len(times_s), name == broken)

    without = source(outage=outage)(0.0)
    assert broken not in without.satellites
    assert without.rate_bps.sum() > 0.5 * served.rate_bps.sum()


def test_element_sets_serve_as_well(tmp_path):
    path = tmp_path / "iss.tle"
    path.write_text(
        "ISS (ZARYA)\n"
        "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
        "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
    )
    space = SpaceSegmentSpec.model_validate(
        {"constellation": {"kind": "element_sets", "path": "iss.tle"}}, context={"directory": tmp_path}
    )
    terminal = terminal_profile_source(
        space,
        RadioSpec.model_validate({"profile": {"window_s": 3600, "step_s": 1.0}}),
        site(),
        1,
        start_utc=datetime(2014, 1, 21, tzinfo=UTC),
    )
    total = sum(float(terminal(3600.0 * hour).rate_bps.sum()) for hour in range(12))
    assert total > 0


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"inter_satellite_links": {"kind": "plus_grid"}}, "needs ground_stations"),
        (
            {
                "constellation": {
                    "kind": "walker",
                    "shells": [{"altitude_m": 6e5, "inclination_deg": 53, "satellites": 7, "planes": 3}],
                }
            },
            "planes: 3 does not divide satellites: 7",
        ),
        ({"constellation": {"kind": "preset", "name": "kuiper"}}, "iridium-66"),
        (
            {"ground_stations": [{"name": "a", "latitude_deg": 0, "longitude_deg": 0}] * 2},
            "names must differ",
        ),
    ],
)
def test_space_segments_that_cannot_be_are_refused(space, message):
    with pytest.raises(ValueError, match=message):
        SpaceSegmentSpec.model_validate(space)


@pytest.mark.parametrize(
    ("radio", "message"),
    [
        (
            {"band": "ka", "terminal": {"kind": "tr38821", "name": "handheld"}},
            "handheld works in bands s, uhf, n254, n255, n256, got band: ka",
        ),
        ({"profile": {"window_s": 1.05, "step_s": 0.1}}, "window_s: 1.05 is not a multiple of step_s: 0.1"),
        ({"adaptation": {"table": 5}}, "table"),
        ({"adaptation": {"table": 4}}, "downlink below 6 GHz .*, got direction: ul, band: s"),
        ({"adaptation": {"table": 4}, "direction": "dl", "band": "ka"}, "got direction: dl, band: ka"),
        (
            {"adaptation": {"table": 4, "thresholds": "classic_lte"}, "direction": "dl"},
            "measured_nr_ldpc_awgn only, got thresholds: classic_lte",
        ),
        (
            {"retransmission": {"feedback": "enabled", "blind_repeats": 2}},
            "blind_repeats: 2 needs feedback: disabled or auto, got feedback: enabled",
        ),
        (
            {"band": "ka", "channel": {"mode": "channel", "fading": {"kind": "two_state"}}},
            "two_state is made for carriers below 6 GHz .*, got band: ka",
        ),
        (
            {"retransmission": {"repetitions": 2, "blind_repeat_interval_s": 0.01}},
            "works with repetitions: 1, got repetitions: 2",
        ),
        ({"subcarrier_spacing_khz": 120}, "120 is not used in band s; allowed: 15, 30, 60"),
        ({"carrier_hz": 20e9}, r"2e\+10 is not in band s"),
        ({"band": "ka", "carrier_hz": 8e9}, r"8e\+09 is not in band ka ul; allowed: 1.7e\+10 to 3.1e\+10"),
        ({"bandwidth_hz": 1e5}, r"100000 is less than one resource block with 15 kHz subcarriers, 180000"),
        (
            {"bandwidth_hz": 1e9},
            r"1e\+09 is more than the widest channel of band s with 15 kHz subcarriers, 5e\+07",
        ),
        (
            {"band": "ka", "bandwidth_hz": 4.1e8},
            r"4.1e\+08 is more than .* ka with 120 kHz subcarriers, 4e\+08",
        ),
        ({"band": "n254", "bandwidth_hz": 20e6}, r"2e\+07 is more than .* n254 .*, 1.5e\+07"),
        (
            {"band": "n256", "direction": "dl", "carrier_hz": 2.175e9, "bandwidth_hz": 20e6},
            r"2.175e\+09 with bandwidth_hz: 2e\+07 is not in band n256 dl; allowed: 2.17e\+09 to 2.2e\+09",
        ),
        ({"band": "n512", "carrier_hz": 19e9}, "not in band n512 ul"),
        ({"band": "uhf", "subcarrier_spacing_khz": 120}, "not used in band uhf"),
        ({"band": "ku", "terminal": {"kind": "tr38821", "name": "handheld"}}, "got band: ku"),
    ],
)
def test_radios_that_cannot_be_are_refused(radio, message):
    with pytest.raises(ValueError, match=message):
        RadioSpec.model_validate(radio)


@pytest.mark.parametrize("number", range(1, 31))
def test_calibration_case_of_a_scenario_is_the_tables(number):
    radio = RadioSpec.model_validate({"case": f"SC{number}"})
    row = calibration_case(f"SC{number}")
    assert (radio.satellite.orbit, radio.satellite.set) == (row["orbit"], row["parameter_set"])
    assert (radio.band, radio.terminal.name, radio.reuse) == (row["band"], row["terminal"], row["reuse"])
    assert RadioSpec.model_validate(radio.model_dump()) == radio


def test_what_is_written_beside_a_case_wins():
    radio = RadioSpec.model_validate({"case": "SC6", "reuse": "frf3", "direction": "dl"})
    assert (radio.band, radio.reuse, radio.direction) == ("ka", "frf3", "dl")
    with pytest.raises(ValueError, match="case: must be SC1 to SC30, got 'SC31'"):
        RadioSpec.model_validate({"case": "SC31"})


@pytest.mark.parametrize(
    ("radio", "message"),
    [
        ({"interference_tiers": 3}, "interference_tiers: has no effect without interference: true, got 3"),
        ({"interference_load": 0.5}, "interference_load: has no effect without interference: true"),
        (
            {"channel": {"mode": "channel", "s4_index": 0.9, "strong_s4_index": 0.1, "strong_share": 0.5}},
            "strong_s4_index: must be at least s4_index, 0.9, got 0.1",
        ),
    ],
)
def test_radio_options_that_say_nothing_or_contradict_each_other_are_refused(radio, message):
    with pytest.raises(ValueError, match=message):
        RadioSpec.model_validate(radio)


def test_a_vsat_in_ka_band_works_with_its_defaults():
    terminal = source(radio={"band": "ka", "reuse": "frf3"})
    profile = terminal(0.0)
    assert terminal.link.bandwidth_hz == pytest.approx(400e6 / 3)
    assert np.nanmax(profile.rate_bps) > 300e6


def test_earth_models_differ_as_their_radii_say():
    for earth, radius_m in (("sphere_6371", 6_371_000.0), ("sphere_6378", 6_378_000.0)):
        terminal = source({"earth": earth}, where=site(altitude_m=0.0))
        one = max(terminal.book.between(0.0, 3000.0), key=lambda p: p.max_elevation_deg)
        geometry = terminal.pass_link(one).geometry
        expected = slant_range_m(600e3, geometry.elevation_deg, earth_radius_m=radius_m)
        assert geometry.range_m == pytest.approx(expected, rel=1e-9)


QUICKSTART = str(Path(__file__).parents[2] / "scenarios" / "quickstart.yaml")
app = typer.Typer()
space_commands.register(app)
runner = CliRunner()


def test_link_command_prints_the_terms_under_their_names():
    arguments = "link --satellite leo-600 --parameter-set 1 --band s --direction dl --terminal handheld --elevation 30 --json"
    result = runner.invoke(app, arguments.split())
    terms = json.loads(result.stdout)
    expected = reference_budget(
        orbit="leo-600", parameter_set=1, band="s", direction="dl", terminal="handheld"
    )
    for name in (
        "slant_range_m",
        "delay_s",
        "fspl_db",
        "atmospheric_db",
        "shadow_margin_db",
        "scintillation_db",
        "polarisation_db",
        "additional_db",
        "eirp_dbw",
        "g_over_t_db_k",
        "bandwidth_hz",
        "cnr_db",
    ):
        assert terms[name] == pytest.approx(float(getattr(expected, name)))


def test_link_command_knows_calibration_cases_and_refuses_others():
    shown = json.loads(runner.invoke(app, ["link", "--case", "sc9", "--direction", "ul", "--json"]).stdout)
    assert shown["terminal"] == "handheld" and shown["bandwidth_hz"] == 0.36e6
    assert "cnr_db" in runner.invoke(app, ["link", "--case", "SC1"]).stdout
    for arguments, message in (
        ("link --case SC31", "SC1 to SC30"),
        ("link --band ka --terminal handheld", "handheld in s, vsat in ka"),
        ("link --elevation 95", r"95 is not in \(0, 90\]"),
        ("link --case SC9 --band ka", "--band: does not go with --case"),
        ("link --plot pass.png", "--plot: goes only with --scenario"),
        (f"link --scenario {QUICKSTART} --case SC9", "--case: does not go with --scenario"),
        (f"link --scenario {QUICKSTART} --step inf", "--step: inf is not a finite number"),
        (
            f'link --scenario {QUICKSTART} --set satellite_link={{"kind":"constant","rate_bps":1}}',
            "satellite_link.kind: constant has no orbit to follow; allowed: orbit",
        ),
        (
            f"passes {QUICKSTART} --hours 1e5",
            "--hours: must be a finite number > 0 and <= 8784, got 100000.0",
        ),
        (f"trace {QUICKSTART} --out x.csv --hours 1e5", "--hours: 100000 is not <= 8784, a year"),
        (
            f"trace {QUICKSTART} --out x.csv --hours 8000 --step 1e-3",
            "--step: 8000 h in steps of 0.001 s are more rows than a trace may have, 10,000,000",
        ),
    ):
        with pytest.raises(InputError, match=message):
            runner.invoke(app, arguments.split(), catch_exceptions=False)


def test_passes_command_lists_every_pass_of_the_site():
    result = runner.invoke(app, ["passes", QUICKSTART, "--hours", "2", "--json"])
    rows = json.loads(result.stdout)
    assert len(rows) > 10
    for row in rows:
        assert list(row) == list(PASS_COLUMNS)
        assert row["rise_s"] < row["culmination_s"] < row["set_s"]
        assert row["set_s"] > 0 and row["rise_s"] < 7200
    table = runner.invoke(app, ["passes", QUICKSTART, "--hours", "2"]).stdout
    assert f"{len(rows)} passes of" in table
    with pytest.raises(InputError, match="'nowhere' is not one of"):
        runner.invoke(app, ["passes", QUICKSTART, "--site", "nowhere"], catch_exceptions=False)
    for hours in ("0", "nan", "inf"):
        with pytest.raises(
            InputError, match=f"--hours: must be a finite number > 0 and <= 8784, got {float(hours)}"
        ):
            runner.invoke(app, ["passes", QUICKSTART, "--hours", hours], catch_exceptions=False)


def test_link_command_shows_a_whole_pass_as_json_table_and_picture(tmp_path):
    picture = tmp_path / "pass.png"
    arguments = ["link", "--scenario", QUICKSTART, "--pass", "1", "--step", "30"]
    shown = json.loads(runner.invoke(app, [*arguments, "--json", "--plot", str(picture)]).stdout)
    columns = shown["columns"]
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert shown["rise_s"] - 0.2 <= columns["time_s"][0] <= shown["rise_s"] + 0.2
    assert np.all(np.diff(columns["time_s"]) == pytest.approx(30.0))
    for name in (
        "fspl_db",
        "atmospheric_db",
        "doppler_hz",
        "cnr_db",
        "sinr_db",
        "rate_bps",
        "bler",
        "residual_loss",
    ):
        assert len(columns[name]) == len(columns["time_s"])
    assert columns["doppler_hz"][0] > 0 > columns["doppler_hz"][-1]
    table = runner.invoke(app, arguments).stdout
    assert shown["satellite"] in table
    with pytest.raises(InputError, match="--pass: 100000 is more than"):
        runner.invoke(app, ["link", "--scenario", QUICKSTART, "--pass", "100000"], catch_exceptions=False)


def test_passes_of_the_model_are_those_of_the_terminal():
    model = space_model(SpaceSegmentSpec(), START)
    listed = model.passes(site(), 0.0, 7200.0)
    assert [one.satellite for one in listed] == [one.satellite for one in source().book.between(0.0, 7200.0)]
    assert all(one.max_elevation_deg >= 10.0 for one in listed)


def test_an_interruption_longer_than_a_window_is_served_in_full():
    space = {"handover": {"interruption_s": 700.0, "access_rtt": 0.0}}
    terminal = source(space)
    rows = [row for row in terminal.timeline(0.0, 1200.0) if row["kind"] == "acquisition"]
    assert rows[0]["time_s"] == 0.0
    first = [s for s in terminal.plan.between(0.0, 700.0) if s.since_s == 0.0]
    profile = terminal(0.0)
    until = profile.index_at(max(s.end_s for s in first) - 1e-6)
    assert np.all(profile.rate_bps[:until] == 0.0)


def test_a_geostationary_satellite_is_acquired_once_and_stays():
    geo = {
        "constellation": {
            "kind": "walker",
            "shells": [{"altitude_m": 35_786e3, "inclination_deg": 0, "satellites": 3, "planes": 3}],
        }
    }
    terminal = source(geo, {"case": "SC4", "profile": {"step_s": 1.0, "window_s": 3600}, "channel": CHANNEL})
    kinds = [row["kind"] for row in terminal.timeline(0.0, 3 * 3600.0)]
    assert kinds.count("acquisition") == 1 and kinds.count("handover") == 0
    delays = np.concatenate([terminal(3600.0 * hour).propagation_s for hour in range(3)])
    # TR 38.821, Table 7.1-1: at most 270.73 ms there and back on each hop.
    assert np.all((delays > 2 * 119e-3) & (delays < 270.73e-3 + 1e-3))


def high(altitude_m, inclination_deg=0.0):
    shell = {
        "altitude_m": altitude_m,
        "inclination_deg": inclination_deg,
        "satellites": 3,
        "planes": 3,
    }
    return {"constellation": {"kind": "walker", "shells": [shell]}}


@pytest.mark.parametrize("altitude_m", [35_786e3, 12_000e3])
def test_channel_of_a_satellite_that_stays_up_goes_on_over_full_hours(altitude_m):
    radio = {"case": "SC4", "profile": {"step_s": 1.0, "window_s": 3600}, "channel": CHANNEL}
    terminal = source(high(altitude_m), radio)
    jumps_db, steps_db = [], []
    for one in terminal.book.between(0.0, 12 * 3600.0):
        before = terminal.book.stretch_before(one)
        if before is None or one.rise_s <= 0:
            continue
        head, tail = terminal.pass_link(one).loss, terminal.pass_link(before).loss
        if head.line_of_sight[0] == tail.line_of_sight[-1]:
            jumps_db.append(head.shadowing_db[0] - tail.shadowing_db[-1])
        steps_db.append(np.diff(head.shadowing_db)[np.diff(head.line_of_sight.astype(int)) == 0])
    assert len(jumps_db) > 3
    # A redraw would be √2 times the shadowing, several dB; one step of one second is a small part of that.
    assert np.max(np.abs(jumps_db)) <= 1.5 * np.max(np.abs(np.concatenate(steps_db))) + 1e-9


def test_long_pass_is_the_same_whoever_asked_for_its_end_first():
    radio = {"case": "SC4", "profile": {"step_s": 1.0, "window_s": 3600}, "channel": CHANNEL}
    forwards, late = source(high(12_000e3), radio), source(high(12_000e3), radio)
    for hour in range(5):
        forwards(3600.0 * hour)
    assert np.array_equal(forwards(4 * 3600.0).rate_bps, late(4 * 3600.0).rate_bps)


def test_passes_of_a_high_orbit_are_listed_and_shown_from_rise_to_set():
    terminal = source(high(12_000e3), {"profile": {"step_s": 1.0, "window_s": 3600}})
    rows = [row for row in terminal.timeline(0.0, 86_400.0) if row["kind"] == "pass"]
    whole = {(one.satellite, one.rise_s): one for one in terminal.book.whole_between(0.0, 86_400.0)}
    rising = [one for one in whole.values() if one.rise_s >= 0]
    assert sorted(row["time_s"] for row in rows) == sorted(one.rise_s for one in rising)
    assert sorted(row["end_s"] for row in rows) == sorted(one.set_s for one in rising)
    [longest] = sorted(rising, key=lambda one: one.rise_s - one.set_s)[:1]
    assert longest.set_s - longest.rise_s > 2 * 3600
    columns = terminal.whole_pass_terms(longest)
    assert np.diff(columns["time_s"]) == pytest.approx(1.0)
    assert columns["time_s"][0] == pytest.approx(longest.rise_s, abs=1.0)
    assert columns["time_s"][-1] == pytest.approx(longest.set_s, abs=1.0)
    assert np.argmax(columns["elevation_deg"]) == pytest.approx(
        longest.culmination_s - longest.rise_s, abs=30
    )


def test_satellites_that_decayed_are_counted_and_named_in_the_summary(tmp_path):
    (tmp_path / "two.tle").write_text(
        "MINOTAUR R/B\n"
        "1 28872U 05037B   05333.02012661  .25992681  00000-0  24476-3 0  1534\n"
        "2 28872  96.4736 157.9986 0303955 244.0492 110.6523 16.46015938 10708\n"
        "ISS (ZARYA)\n"
        "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
        "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
    )
    space = SpaceSegmentSpec.model_validate(
        {"constellation": {"kind": "element_sets", "path": "two.tle"}}, context={"directory": tmp_path}
    )
    radio = RadioSpec.model_validate({"profile": {"window_s": 3600, "step_s": 1.0}})
    with pytest.warns(UserWarning, match="days from the scenario's start"):
        terminal = terminal_profile_source(
            space, radio, site(), 1, start_utc=datetime(2005, 11, 29, 0, 30, tzinfo=UTC)
        )
    for hour in range(8):
        terminal(3600.0 * hour)
    assert lost_satellites({"parma": terminal}, 1000.0) == {}
    told = lost_satellites({"parma": terminal}, 8 * 3600.0)["satellites_lost"]
    assert told["count"] == 1 and told["names"] == ["MINOTAUR R/B"]
    # It decays 50 minutes after its epoch of 00:28:59.
    assert "MINOTAUR R/B, at 302" in told["note"] or "MINOTAUR R/B, at 303" in told["note"]


def test_the_number_of_a_pass_is_the_one_that_link_takes():
    rows = json.loads(runner.invoke(app, ["passes", QUICKSTART, "--hours", "3", "--json"]).stdout)
    under_way = [row for row in rows if row["rise_s"] < 0]
    assert under_way and all(row["number"] == -1 for row in under_way)
    for row in [row for row in rows if row["number"] in (0, 7, 19)]:
        arguments = [
            "link",
            "--scenario",
            QUICKSTART,
            "--pass",
            str(row["number"]),
            "--step",
            "100",
            "--json",
        ]
        shown = json.loads(runner.invoke(app, arguments).stdout)
        assert (shown["satellite"], shown["rise_s"]) == (row["satellite"], pytest.approx(row["rise_s"]))


SITE = ["--lat", "44.8", "--lon", "10.3"]


def test_passes_need_no_scenario_and_are_those_of_one_with_the_same_sky(tmp_path):
    options = ["--preset", "leo-600", *SITE, "--start", "2026-06-01T09:00:00Z", "--hours", "2", "--json"]
    rows = json.loads(runner.invoke(app, ["passes", *options]).stdout)
    (tmp_path / "sky.yaml").write_text(
        """
name: sky
start_utc: 2026-06-01T09:00:00Z
horizon: {n_jobs: 1}
sources: [{name: a, arrivals: {kind: periodic, period_s: 5}}]
gateways: [{name: parma, latitude_deg: 44.8, longitude_deg: 10.3}]
space: {constellation: {kind: preset, name: leo-600}}
schemes: [{name: sizes, codec: {kind: sizes, size_bits: 5.0e+4}}]
"""
    )
    assert rows == json.loads(
        runner.invoke(app, ["passes", str(tmp_path / "sky.yaml"), "--hours", "2", "--json"]).stdout
    )
    first = next(row for row in rows if row["number"] == 0)
    moment = datetime.fromisoformat(first["rise_utc"]) - datetime(2026, 6, 1, 9, tzinfo=UTC)
    assert moment.total_seconds() == pytest.approx(first["rise_s"], abs=0.5)


def test_passes_of_element_sets_start_when_they_are_told_to(tmp_path):
    # The ISS as its element set of 2008 puts it (Wikipedia's example of the format).
    (tmp_path / "iss.tle").write_text(
        "ISS (ZARYA)\n"
        "1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927\n"
        "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537\n"
    )
    options = [
        "--tle",
        str(tmp_path / "iss.tle"),
        *SITE,
        "--start",
        "2008-09-20T12:00:00Z",
        "--min-elevation",
        "0",
    ]
    shown = runner.invoke(app, ["passes", *options]).stdout
    assert "from 2008-09-20T12:00:00Z" in shown
    assert 5 <= shown.count("ISS (ZARYA)") <= 8  # a site at 45 degrees sees 6 or so of the 15.7 orbits a day


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("passes", "Missing argument 'SCENARIO', or --tle or --preset with --lat and --lon"),
        (f"passes {QUICKSTART} --preset leo-600", "give one of SCENARIO, --tle and --preset"),
        (f"passes {QUICKSTART} --lat 3", "--lat, --lon, --start: go with --tle and --preset"),
        ("passes --preset leo-600", "--lat, --lon: are needed"),
        ("passes --preset leo --lat 1 --lon 1", "--preset: 'leo' is not one of"),
        ("passes --tle nothing.tle --lat 1 --lon 1", "--tle: nothing.tle is not a file"),
        ("passes --preset leo-600 --lat 95 --lon 1", "latitude_deg: 95.0 is not <= 90"),
        ("passes --preset leo-600 --lat 5 --lon 1 --start noon", "start_utc"),
        ("link --set gateways[0].altitude_m=3", "--set: goes only with --scenario"),
        ("link --set 3", "'--set': '3' is not A.B=C; the TR's parameter set, 1 or 2, is --parameter-set"),
    ],
)
def test_options_of_sky_commands_that_do_not_fit_are_one_line(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        runner.invoke(app, arguments.split(), catch_exceptions=False)


def test_link_takes_values_of_the_scenario_by_set():
    arguments = ["link", "--scenario", QUICKSTART, "--step", "100", "--json", "--set"]
    low, high = (
        json.loads(runner.invoke(app, [*arguments, f"gateways[0].min_elevation_deg={degrees}"]).stdout)
        for degrees in (10, 20)
    )
    assert high["columns"]["elevation_deg"][0] == pytest.approx(20, abs=0.1)
    assert low["columns"]["elevation_deg"][0] == pytest.approx(10, abs=0.1)


def test_rain_has_a_column_of_its_own_that_the_ratio_lacks():
    scenario = str(Path(QUICKSTART).with_name("rain_fade.yaml"))
    arguments = ["link", "--scenario", scenario, "--pass", "20", "--step", "60", "--json", "--set"]
    dry, wet = (
        json.loads(runner.invoke(app, [*arguments, f"radio.channel={{mode: channel, rain: {rain}}}"]).stdout)[
            "columns"
        ]
        for rain in ("clear_sky", "itu")
    )
    assert max(dry["rain_cloud_walls_db"]) == 0
    assert max(wet["rain_cloud_walls_db"]) > 0.5
    without_rain = np.array(wet["cnr_db"]) + np.array(wet["rain_cloud_walls_db"])
    assert without_rain == pytest.approx(np.array(dry["cnr_db"]))
    assert wet["additional_db"] == pytest.approx(dry["additional_db"], abs=1e-9)


def test_small_scale_fading_is_on_below_6_ghz_and_off_above_unless_asked_for():
    s_band, ka_band = {"channel": CHANNEL}, {"channel": CHANNEL, "band": "ka"}
    asked = {"channel": {**CHANNEL, "fading": {"kind": "rician", "k_db": 7}}, "band": "ka"}
    assert source(radio=s_band).link.fading is not None
    assert source(radio=ka_band).link.fading is None
    assert source(radio=asked).link.fading is not None
    assert source(radio={}).link.fading is None  # fixed margins


def test_faster_terminals_get_less_through_the_same_fades():
    def bits(**channel):
        own = source(radio={"channel": {**CHANNEL, "line_of_sight": "always", **channel}})
        return [own.pass_link(own_pass).goodput.rate_bps.mean() for own_pass in own.book.between(0, 7200)]

    # Speed also makes shadowing change sooner; over several passes the fades' share is the larger.
    still = np.mean(bits(fading={"kind": "none"}))
    walking = np.mean(bits(terminal_speed_m_s=0.8, fading={"kind": "rician", "k_db": 7}))
    driving = np.mean(bits(terminal_speed_m_s=28.0, fading={"kind": "rician", "k_db": 7}))
    assert 0.8 * still < walking < still
    assert 0.45 * still < driving < 0.7 * still


def test_tapped_delay_lines_take_less_than_flat_fades_where_the_band_is_wide():
    def bits(fading):
        radio = {
            "direction": "dl",
            "terminal": {"kind": "custom", "eirp_dbw": -7.0, "g_over_t_db_k": -4.0},
            "channel": {
                "mode": "channel",
                "environment": "urban",
                "terminal_speed_m_s": 1.0,
                "fading": fading,
            },
        }
        own = source(radio=radio)
        links = [own.pass_link(own_pass) for own_pass in own.book.between(0, 7200)]
        return sum(link.goodput.rate_bps[~link.loss.line_of_sight].sum() for link in links)

    flat = bits({"kind": "ntn_tdl", "no_line_of_sight_delay_spread_s": 0, "line_of_sight_delay_spread_s": 0})
    assert bits({"kind": "ntn_tdl"}) > 1.05 * flat


def test_repetitions_and_blind_repeats_of_a_scenario_reach_the_link():
    plain = source().link.goodput
    again = {"feedback": "disabled", "blind_repeats": 4, "bler_target_without_feedback": 0.01}
    own = source(radio={"retransmission": again})
    without = own.link.goodput.unanswered
    assert without.levels.bler_target == 0.01
    assert without.levels.threshold_db == pytest.approx(plain.levels.threshold_db - 10 * np.log10(4))
    assert without.slot_s == pytest.approx(4 * plain.slot_s)
    link = own.pass_link(own.book.between(0, 7200)[0])
    sent = link.goodput.rate_bps > 0
    assert link.goodput.bler[sent].mean() == pytest.approx(0.01, abs=0.003)
    repeated = source(radio={"retransmission": {"repetitions": 8}}).link.goodput
    assert repeated.levels.efficiency == pytest.approx(plain.levels.efficiency / 8)
    assert source(radio={"retransmission": {"repetitions": 1}}).link.goodput.unanswered is None


@pytest.mark.parametrize("kind", ["loo", "two_state"])
def test_land_mobile_models_do_not_depend_on_how_windows_are_cut(kind):
    radio = {"channel": {"mode": "channel", "terminal_speed_m_s": 5.0, "fading": {"kind": kind}}}
    whole = source(radio={**radio, "profile": {"window_s": 600}})(0.0)
    pieces = source(radio={**radio, "profile": {"window_s": 60}})
    assert (
        np.concatenate([pieces(start).rate_bps for start in range(0, 600, 60)]).tolist()
        == whole.rate_bps.tolist()
    )
    assert np.any(whole.rate_bps > 0)


def test_a_replaced_file_of_element_sets_is_read_anew_in_the_same_process(tmp_path):
    lines = (
        "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
        "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
    )
    file, start = tmp_path / "stations.tle", datetime(2014, 1, 21, tzinfo=UTC)
    space = SpaceSegmentSpec.model_validate({"constellation": {"kind": "element_sets", "path": str(file)}})
    for name in ("ISS", "ZARYA THE SECOND"):
        file.write_text(f"{name}\n{lines}")
        assert list(space_model(space, start).orbits.names) == [name]
