"""Element sets: every record becomes a satellite or an error; passes agree with skyfield."""

import json

import numpy as np
import pytest
from skyfield.api import EarthSatellite, load, wgs84

from ntnsim.orbit.earth import Site
from ntnsim.orbit.element_sets import ElementSetError, read_element_sets
from ntnsim.orbit.passes import find_passes

# Public element sets: the ISS of skyfield's documentation; Vallado's verification sets of the SGP4 code that are in
# low, medium, highly eccentric and near-geostationary orbits.
ISS = (
    "ISS (ZARYA)\n"
    "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
    "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
)
VALLADO = {
    "low": (
        "1 06251U 62025E   06176.82412014  .00008885  00000-0  12808-3 0  3985\n"
        "2 06251  58.0579  54.0425 0030035 139.1568 221.1854 15.56387291  6774\n"
    ),
    "retrograde": (
        "1 28057U 03049A   06177.78615833  .00000060  00000-0  35940-4 0  1836\n"
        "2 28057  98.4283 247.6961 0000884  88.1964 271.9322 14.35478080140550\n"
    ),
    "molniya": (
        "1 08195U 75081A   06176.33215444  .00000099  00000-0  11873-3 0   813\n"
        "2 08195  64.1586 279.0717 6877146 264.7651  20.2257  2.00491383225656\n"
    ),
}


def write(tmp_path, text, name="set.tle"):
    path = tmp_path / name
    path.write_text(text)
    return path


def skyfield_events(lines, site, start_jd, days):
    ts = load.timescale(builtin=True)
    satellite = EarthSatellite(*lines, ts=ts)
    place = wgs84.latlon(site.latitude_deg, site.longitude_deg, elevation_m=site.altitude_m)
    # skyfield counts in terrestrial time; both epochs are UTC here.
    start = ts.utc(1970, 1, 1 + (start_jd - 2_440_587.5))
    end = ts.utc(1970, 1, 1 + (start_jd + days - 2_440_587.5))
    times, events = satellite.find_events(place, start, end, altitude_degrees=site.min_elevation_deg)
    seconds = (
        np.array([t.utc_datetime().timestamp() for t in times]) / 86_400.0 + 2_440_587.5 - start_jd
    ) * 86_400.0
    return seconds, np.array(events)


@pytest.mark.parametrize(
    ("which", "latitude_deg", "longitude_deg", "mask_deg"),
    [
        (which, *place)
        for which in ("iss", "low", "retrograde", "molniya")
        for place in ((44.8, 10.33, 10.0), (-33.9, 18.4, 5.0))
    ]
    + [
        ("retrograde", 90.0, 0.0, 10.0),
        ("retrograde", -90.0, 180.0, 0.0),
        ("retrograde", 78.2, 15.4, 60.0),
        ("low", 0.0, -180.0, 0.0),
    ],
)
def test_passes_rise_and_set_within_a_second_of_skyfield(
    tmp_path, which, latitude_deg, longitude_deg, mask_deg
):
    text = ISS if which == "iss" else VALLADO[which]
    lines = [line for line in text.splitlines() if line[:2] in ("1 ", "2 ")]
    year, day = 2000 + int(lines[0][18:20]), float(lines[0][20:32])
    new_year_days = np.datetime64(f"{year}-01-01").astype("datetime64[D]").astype(int)
    epoch_jd = new_year_days + 2_440_587.5 + day - 1.0
    start_jd = round(epoch_jd) + 0.5
    site = Site("x", latitude_deg, longitude_deg, 100.0, mask_deg)
    orbits = read_element_sets(write(tmp_path, text), (start_jd, 0.0))
    table = find_passes(orbits, site, 0.0, 3 * 86_400.0)
    seconds, events = skyfield_events(lines, site, start_jd, 3.0)
    rises, sets = seconds[events == 0], seconds[events == 2]
    assert len(table) > 2
    assert np.sort(table.rise_s[~table.rise_clipped]) == pytest.approx(rises, abs=1.0)
    assert np.sort(table.set_s[~table.set_clipped]) == pytest.approx(sets, abs=1.0)


FIELDS = {
    "OBJECT_NAME": "ISS (ZARYA)",
    "OBJECT_ID": "1998-067A",
    "EPOCH": "2014-01-20T22:23:04.000416",
    "MEAN_MOTION": 15.49815350,
    "ECCENTRICITY": 0.0003572,
    "INCLINATION": 51.6498,
    "RA_OF_ASC_NODE": 109.4756,
    "ARG_OF_PERICENTER": 55.9686,
    "MEAN_ANOMALY": 274.8005,
    "EPHEMERIS_TYPE": 0,
    "CLASSIFICATION_TYPE": "U",
    "NORAD_CAT_ID": 25544,
    "ELEMENT_SET_NO": 508,
    "REV_AT_EPOCH": 86847,
    "BSTAR": 0.000182,
    "MEAN_MOTION_DOT": 9.878e-05,
    "MEAN_MOTION_DDOT": 0,
}


def test_four_formats_of_one_satellite_agree(tmp_path):
    fields = FIELDS
    as_json = write(tmp_path, json.dumps([fields]), "iss.json")
    as_csv = write(tmp_path, ",".join(fields) + "\n" + ",".join(map(str, fields.values())) + "\n", "iss.csv")
    parts = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    as_xml = write(
        tmp_path, f"<ndm><omm><body><segment><d>{parts}</d></segment></body></omm></ndm>", "iss.xml"
    )
    pairs = "".join(f"{name} = {value}\n" for name, value in fields.items())
    as_kvn = write(tmp_path, "CCSDS_OMM_VERS = 2.0\nCOMMENT by hand\n\n" + pairs, "iss.kvn")
    start = (2_456_679.5, 0.0)
    times_s = np.arange(0.0, 6000.0, 100.0)
    reference = read_element_sets(write(tmp_path, ISS), start).positions_m(times_s)
    for path in (as_json, as_csv, as_xml, as_kvn):
        own = read_element_sets(path, start)
        assert own.names == ("ISS (ZARYA)",)
        assert own.positions_m(times_s) == pytest.approx(reference, abs=1.0)


@pytest.mark.parametrize("epoch", ["2014-020T22:23:04.000416Z", "2014-01-20T22:23:04.0004160000"])
def test_a_message_may_leave_out_what_ccsds_lets_it_and_write_its_epoch_in_other_ways(tmp_path, epoch):
    needless = ("CLASSIFICATION_TYPE", "EPHEMERIS_TYPE", "ELEMENT_SET_NO", "REV_AT_EPOCH", "MEAN_MOTION_DDOT")
    short = {name: value for name, value in FIELDS.items() if name not in needless}
    start, times_s = (2_456_679.5, 0.0), np.array([0.0, 5000.0])
    full = read_element_sets(write(tmp_path, json.dumps(FIELDS), "full.json"), start)
    own = read_element_sets(write(tmp_path, json.dumps({**short, "EPOCH": epoch}), "short.json"), start)
    assert own.positions_m(times_s).tolist() == full.positions_m(times_s).tolist()


def test_messages_hold_satellites_whose_catalogue_numbers_fit_no_tle(tmp_path):
    two = [{**FIELDS, "NORAD_CAT_ID": number} for number in (799_500_001, 799_500_002)]
    orbits = read_element_sets(write(tmp_path, json.dumps(two), "new.json"), (2_456_679.5, 0.0))
    assert orbits.names == ("ISS (ZARYA) (799500001)", "ISS (ZARYA) (799500002)")
    kvn = "".join(
        "CCSDS_OMM_VERS = 3.0\n" + "".join(f"{name} = {value}\n" for name, value in one.items())
        for one in two
    )
    assert read_element_sets(write(tmp_path, kvn, "new.kvn"), (2_456_679.5, 0.0)).names == orbits.names


@pytest.mark.parametrize("which", ["low", "molniya"])
def test_positions_between_samples_are_sgp4s_to_a_few_metres(tmp_path, which):
    day = 2_453_912.5
    orbits = read_element_sets(write(tmp_path, VALLADO[which]), (day, 0.0))
    step_s = float(orbits.fastest_turn_s[0]) / 90
    sampled = orbits.sampled([0], np.arange(0.0, 90_000.0, step_s))
    times_s = np.random.default_rng(1).uniform(0.0, 86_400.0, 2_000)
    satellite = np.zeros(len(times_s), dtype=np.int64)
    error_m = sampled.positions_of_m(satellite, times_s) - orbits.positions_of_m(satellite, times_s)
    assert np.abs(error_m).max() < 10.0
    at_samples_m = sampled.at_samples_m()[0, :100]
    assert at_samples_m == pytest.approx(orbits.positions_m(step_s * np.arange(100.0))[0], abs=1e-2)


def test_a_low_perigee_sets_the_pace_of_the_search(tmp_path):
    # 600 km at perigee, turning there about as fast as a circular orbit at that height, which takes 96 minutes.
    orbits = read_element_sets(write(tmp_path, VALLADO["molniya"]), (2_453_912.5, 0.0))
    assert orbits.period_s[0] == pytest.approx(86_400 / 2.00491383, rel=1e-6)
    eccentricity, axis_m = 0.6877146, (3.986e14 * (orbits.period_s[0] / (2 * np.pi)) ** 2) ** (1 / 3)
    perigee_m = axis_m * (1 - eccentricity)
    speed_m_s = np.sqrt(3.986e14 * (2 / perigee_m - 1 / axis_m))
    assert orbits.fastest_turn_s[0] == pytest.approx(2 * np.pi * perigee_m / speed_m_s, rel=1e-3)


def test_every_record_of_a_file_becomes_a_satellite(tmp_path):
    text = ISS + "".join(VALLADO.values())
    with pytest.warns(UserWarning, match="an epoch is 2766 days from the scenario's start"):
        orbits = read_element_sets(write(tmp_path, text), (2_453_912.5, 0.0), expected_satellites=4)
    assert orbits.names == ("ISS (ZARYA)", "06251", "28057", "08195")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no element set"),
        (ISS + ISS, r"satellite 25544 \(ISS \(ZARYA\)\) stands in the file twice"),
        (ISS.splitlines()[1], "line 1 of an element set is not followed by its line 2"),
        (ISS.replace("51.6498", "51.6499"), "checksum is '3', the line gives 4"),
        (ISS + "LONELY NAME\n", "no element set follows the name 'LONELY NAME'"),
        ("A NAME\nANOTHER\n", "no element set follows the name 'A NAME'"),
        (ISS.splitlines()[2], "line 2 of an element set without its line 1"),
        (
            ISS.replace("2 25544", "2 25545").replace("868473", "868474"),
            "satellite 25544 in line 1, 25545 in line 2",
        ),
        (ISS.replace("  5082", " 5082"), "an element line has 69 characters, got 68"),
    ],
)
def test_files_that_do_not_add_up_are_refused(tmp_path, text, message):
    with pytest.raises(ElementSetError, match=message):
        read_element_sets(write(tmp_path, text), (2_456_679.5, 0.0))


def test_another_count_than_expected_is_an_error(tmp_path):
    with pytest.raises(ElementSetError, match="holds 1 satellites, 2 expected"):
        read_element_sets(write(tmp_path, ISS), (2_456_679.5, 0.0), expected_satellites=2)


def test_a_missing_file_and_broken_messages_are_told_in_one_line(tmp_path):
    with pytest.raises(ElementSetError, match="cannot read element sets"):
        read_element_sets(tmp_path / "nothing.tle", (2_456_679.5, 0.0))
    with pytest.raises(ElementSetError, match="not valid omm-json"):
        read_element_sets(write(tmp_path, "{", "x.json"), (2_456_679.5, 0.0))
    with pytest.raises(ElementSetError, match="record 1: not a complete OMM: lacks EPOCH"):
        read_element_sets(write(tmp_path, "[{}]", "x.json"), (2_456_679.5, 0.0))
    with pytest.raises(ElementSetError, match=r"x.kvn:2: not KEY = value: 'nonsense'"):
        read_element_sets(write(tmp_path, "CCSDS_OMM_VERS = 2.0\nnonsense\n", "x.kvn"), (2_456_679.5, 0.0))


# Two sets of Vallado's verification file (AIAA 2006-6753): 28872 decays 50 minutes after its epoch, 25544 does not.
MINOTAUR = """MINOTAUR R/B
1 28872U 05037B   05333.02012661  .25992681  00000-0  24476-3 0  1534
2 28872  96.4736 157.9986 0303955 244.0492 110.6523 16.46015938 10708
"""
MINOTAUR_EPOCH = (2_453_703.5, 0.02012661)


def minotaur(tmp_path, before_epoch_s=0.0):
    day, fraction = MINOTAUR_EPOCH
    path = tmp_path / "minotaur.tle"
    path.write_text(MINOTAUR)
    return read_element_sets(path, (day, fraction - before_epoch_s / 86_400.0))


def test_a_decaying_satellite_flies_until_sgp4_gives_it_up_and_is_nowhere_from_then_on(tmp_path):
    orbits = minotaur(tmp_path)
    record = orbits.records[0]
    minutes = np.arange(0.0, 1_440.0, 1 / 60)
    codes, positions_km, _ = record.sgp4_array(
        np.full(len(minutes), MINOTAUR_EPOCH[0]), MINOTAUR_EPOCH[1] + minutes / 1_440.0
    )
    first_failure_s = 60 * minutes[np.argmax(codes != 0)]
    [lost_s] = orbits.lost_s(86_400.0)
    assert first_failure_s - 1.0 < lost_s <= first_failure_s
    times_s = 60 * minutes
    radius_m = np.linalg.norm(orbits.positions_of_m(np.zeros(len(times_s), dtype=int), times_s), axis=1)
    flying = times_s < lost_s
    assert radius_m[flying] == pytest.approx(1e3 * np.linalg.norm(positions_km[flying], axis=1))
    assert np.all(radius_m[times_s >= lost_s] == 0.0)
    # SGP4 goes on with code 0 and an orbit that does not exist: that must not come back as a satellite.
    assert np.any(codes[times_s > lost_s] == 0)


def test_a_decay_does_not_depend_on_how_far_ahead_was_asked_first(tmp_path):
    early, late = minotaur(tmp_path, 86_000.0), minotaur(tmp_path, 86_000.0)
    assert early.lost_s(10.0)[0] == np.inf
    assert early.lost_s(200_000.0)[0] == late.lost_s(1_000_000.0)[0]


def test_a_pass_ends_when_its_satellite_is_lost_and_there_is_none_after(tmp_path):
    orbits = minotaur(tmp_path)
    [lost_s] = orbits.lost_s(86_400.0)
    # Right below the satellite half a second before its end.
    x_m, y_m, z_m = orbits.positions_of_m(np.array([0]), np.array([lost_s - 0.5]))[0]
    site = Site(
        "below",
        float(np.degrees(np.arctan2(z_m, np.hypot(x_m, y_m)))),
        float(np.degrees(np.arctan2(y_m, x_m))),
        min_elevation_deg=1.0,
    )
    last = find_passes(orbits, site, 0.0, 86_400.0)
    assert last.set_s[-1] == pytest.approx(lost_s, abs=1e-3)
    assert not last.set_clipped[-1]
    assert len(find_passes(orbits, site, lost_s, 7 * 86_400.0)) == 0


def test_a_satellite_that_decayed_before_the_start_gives_no_pass(tmp_path):
    orbits = minotaur(tmp_path, -10 * 86_400.0)
    assert orbits.lost_s(0.0)[0] < 0
    assert len(find_passes(orbits, Site("anywhere", 40.0, 10.0), 0.0, 86_400.0)) == 0
