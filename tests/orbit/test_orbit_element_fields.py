"""Element sets from elsewhere: a wrong field is told with its line and name, and never flown."""

import json
import warnings

import pytest

from ntnsim.orbit.element_sets import ElementSetError, read_element_sets

START = (2_456_679.5, 0.0)
ISS = (
    "1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082\n"
    "2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473\n"
)
FIELDS = {
    "OBJECT_NAME": "ISS (ZARYA)",
    "EPOCH": "2014-01-20T22:23:04.000416",
    "MEAN_MOTION": 15.49815350,
    "ECCENTRICITY": 0.0003572,
    "INCLINATION": 51.6498,
    "RA_OF_ASC_NODE": 109.4756,
    "ARG_OF_PERICENTER": 55.9686,
    "MEAN_ANOMALY": 274.8005,
    "NORAD_CAT_ID": 25544,
    "BSTAR": 0.000182,
}


def with_checksums(text):
    lines = []
    for line in text.splitlines():
        total = sum(int(char) if char in "0123456789" else char == "-" for char in line[:68])
        lines.append(line[:68] + str(total % 10))
    return "\n".join(lines) + "\n"


def read(tmp_path, text, name="set.tle", **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_element_sets(path, START, **options)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  51.6498", " 251.6498", r"set.tle:2: INCLINATION is '251.6498', not a number in 0 to 180"),
        ("51.6498", "51,6498", r"set.tle:2: INCLINATION \(columns 9 to 16\) is ' 51,6498'"),
        ("25544  51", "25544\u00a0 51", r"set.tle:2: column 8 holds U\+00A0"),
        (
            "14020.93268519",
            "14400.93268519",
            r"set.tle:1: epoch is day 400.93268519, a year has days 1 to 366",
        ),
        ("14020.93268519", "14000.93268519", r"epoch is day 000.93268519"),
        ("15.49815350", " 0.00000000", r"MEAN_MOTION is ' 0.00000000', not a number in 0.001 to 18"),
        ("109.4756", "     N/A", r"RA_OF_ASC_NODE \(columns 18 to 25\)"),
        (" 18200-3", "     NaN", r"BSTAR \(columns 54 to 61\) is '     NaN'"),
        ("0  5082", "4  5082", r"set.tle:1: EPHEMERIS_TYPE is 4 \(SGP4-XP\)"),
        ("274.8005", "474.8005", r"MEAN_ANOMALY is '474.8005'"),
        ("0003572", "00-3572", r"ECCENTRICITY \(columns 27 to 33\)"),
        ("25544U", "2554²U", r"column 7 holds U\+00B2"),
    ],
)
def test_a_wrong_column_of_a_line_is_told(tmp_path, old, new, message):
    text = ISS.replace(old, new, 1)
    with pytest.raises(ElementSetError, match=message):
        read(tmp_path, with_checksums(text) if text.isascii() else text)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("INCLINATION", 251.0, r"INCLINATION is '251.0', not a number in 0 to 180"),
        ("INCLINATION", "51,6498", "INCLINATION is '51,6498'"),
        ("INCLINATION", "51.6498\u00a0", "INCLINATION is"),
        ("MEAN_MOTION", 0, "MEAN_MOTION is '0'"),
        ("MEAN_MOTION", float("nan"), "MEAN_MOTION is 'nan'"),
        ("MEAN_MOTION", True, "MEAN_MOTION is 'True'"),
        ("BSTAR", "N/A", "BSTAR is 'N/A'"),
        ("ECCENTRICITY", 1.2, "ECCENTRICITY is '1.2'"),
        ("EPOCH", "2014-400T22:23:04", "EPOCH is '2014-400T22:23:04'"),
        ("EPOCH", 5, "EPOCH is '5'"),
        ("EPOCH", "0001-01-01T00:00:00", "years from 1957 to 2100"),
        ("NORAD_CAT_ID", -3, "NORAD_CAT_ID is '-3', not a whole number in 0 to 999999999"),
        ("NORAD_CAT_ID", None, "lacks NORAD_CAT_ID"),
        ("EPHEMERIS_TYPE", 4, r"EPHEMERIS_TYPE is 4 \(SGP4-XP\)"),
        ("MEAN_ELEMENT_THEORY", "SGP4-XP", "MEAN_ELEMENT_THEORY is 'SGP4-XP'; only SGP4"),
        ("TIME_SYSTEM", "TAI", "TIME_SYSTEM is 'TAI'; only UTC"),
        ("CENTER_NAME", "MARS", "CENTER_NAME is 'MARS'; only EARTH"),
        ("REF_FRAME", "ICRF", "REF_FRAME is 'ICRF'; only TEME"),
        ("DECAY_DATE", "2014-01-10", r"ISS \(ZARYA\) has decayed: DECAY_DATE is 2014-01-10"),
    ],
)
def test_a_wrong_field_of_a_message_is_told_with_its_place(tmp_path, field, value, message):
    with pytest.raises(ElementSetError, match=f"iss.json: record 1: .*{message}"):
        read(tmp_path, json.dumps([{**FIELDS, field: value}]), "iss.json")


def test_what_a_message_may_say_of_itself_is_taken(tmp_path):
    said = {"CENTER_NAME": "EARTH", "TIME_SYSTEM": "UTC", "REF_FRAME": "TEME", "MEAN_ELEMENT_THEORY": "SGP4"}
    own = read(tmp_path, json.dumps([{**FIELDS, **said, "DECAY_DATE": None}]), "iss.json")
    assert own.names == ("ISS (ZARYA)",)


def test_comma_separated_messages_are_told_by_line(tmp_path):
    header, values = ",".join(FIELDS), ",".join(map(str, FIELDS.values()))
    with pytest.raises(ElementSetError, match=r"iss.csv:3: INCLINATION is 'N/A'"):
        read(tmp_path, f"{header}\n{values}\n{values.replace('51.6498', 'N/A')}\n", "iss.csv")
    with pytest.raises(
        ElementSetError, match=r"iss.csv:2: 11 values under 10 column names; is a comma meant"
    ):
        read(tmp_path, f"{header}\n{values.replace('51.6498', '51,6498')}\n", "iss.csv")


def test_two_messages_without_a_header_are_two_satellites_and_brackets_stay_in_names(tmp_path):
    def message(name, number):
        return "".join(
            f"{key} = {value}{' [deg]' if key == 'INCLINATION' else ''}\n"
            for key, value in {**FIELDS, "OBJECT_NAME": name, "NORAD_CAT_ID": number}.items()
        )

    own = read(tmp_path, message("A [DTC]", 1) + message("B", 2), "two.kvn")
    assert own.names == ("A [DTC]", "B")


def test_catalogue_numbers_are_numbers_however_they_are_padded(tmp_path):
    padded = with_checksums(ISS.replace("25544", "00694"))
    blank = with_checksums(ISS.replace("25544", "  694"))
    assert read(tmp_path, padded).names == read(tmp_path, blank).names == ("00694",)
    mixed = padded.splitlines()[0] + "\n" + blank.splitlines()[1] + "\n"
    assert read(tmp_path, mixed).names == ("00694",)
    with pytest.raises(ElementSetError, match=r"satellite 694 .* stands in the file twice"):
        read(tmp_path, padded + blank)


def test_skip_bad_takes_the_rest_and_counts(tmp_path):
    other = with_checksums(ISS.replace("25544", "25545"))
    bad = with_checksums(ISS.replace("25544", "25546").replace("  51.6498", " 251.6498"))
    text = "LONELY\nGOOD\n" + ISS + bad + other + ISS.splitlines()[0] + "\n"
    with pytest.raises(ElementSetError, match=r"no element set follows the name 'LONELY'"):
        read(tmp_path, text)
    with pytest.warns(UserWarning, match=r"3 of 5 element sets left out: .*'LONELY' \(and 2 more\)"):
        own = read(tmp_path, text, skip_bad=True)
    assert own.names == ("GOOD", "25545")
    with pytest.raises(ElementSetError, match=r"holds no sound element set"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(tmp_path, bad, skip_bad=True)


def test_satellites_lost_before_the_start_are_told(tmp_path):
    # Vallado's verification set 28872 decays 50 minutes after its epoch.
    text = (
        "MINOTAUR R/B\n"
        "1 28872U 05037B   05333.02012661  .25992681  00000-0  24476-3 0  1534\n"
        "2 28872  96.4736 157.9986 0303955 244.0492 110.6523 16.46015938 10708\n"
    )
    path = tmp_path / "minotaur.tle"
    path.write_text(text)
    with pytest.warns(UserWarning, match=r"1 of 1 satellites are lost to drag before the start .*MINOTAUR"):
        read_element_sets(path, (2_453_713.5, 0.0))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deep.json", "[" * 100_000),
        ("digits.json", "[" + "9" * 5_000 + "]"),
        ("number.json", "[3]"),
        ("bomb.xml", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("not.xml", "<a>"),
    ],
)
def test_hostile_files_are_one_line(tmp_path, name, text):
    with pytest.raises(ElementSetError) as caught:
        read(tmp_path, text, name)
    assert len(str(caught.value).splitlines()) == 1
