"""What a run tells while it runs: by time, with its stage, how far it is and how long it will take."""

import io
import re
import time
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from ntnsim import run_progress
from ntnsim.cli import app, codec, models, results, simulate, space
from ntnsim.run_progress import RunStatus, at_work, duration, expected_images, status_shown
from ntnsim.scenario.scenario import Scenario

WORLD = {
    "name": "w",
    "sources": [{"name": "a", "count": 2, "arrivals": {"kind": "poisson", "rate_per_s": 0.1}}],
    "gateways": [{"name": "parma", "latitude_deg": 44.8, "longitude_deg": 10.3}],
    "horizon": {"n_jobs": 24},
    "schemes": [
        {"name": name, "codec": {"kind": "sizes", "size_bits": {"kind": "constant", "value": 8e5}}}
        for name in ("spiff", "jpeg")
    ],
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_run_says_stage_images_simulated_time_rate_and_time_left():
    now = [100.0]
    status = RunStatus(Scenario(**WORLD), clock=lambda: now[0])
    assert status.line() == "starting, 0:00"
    status.stage("loading networks")
    now[0] = 103.0
    assert status.line() == "loading networks, 0:03"
    status.stage("")
    status.advance("spiff", 0, 0.0)
    now[0] = 105.0
    assert status.line() == "spiff (1 of 2): 0 of 48 images, 0 s simulated, 0:02 gone"
    status.stage("restoring", 9, 30)
    status.advance("spiff", 12, 31.4)
    now[0] = 109.0
    # 12 of 48 in 6 s: 2 a second, 36 to go.
    assert status.line() == (
        "spiff (1 of 2): 12 of 48 images, 31 s simulated, 2 images/s, 0:18 left; restoring 9 of 30"
    )


def test_a_run_that_time_ends_is_measured_by_time():
    world = {**WORLD, "horizon": {"duration_s": 400.0}}
    now = [0.0]
    status = RunStatus(Scenario(**world), clock=lambda: now[0])
    assert expected_images(Scenario(**world)) is None
    status.advance("jpeg", 3, 100.0)
    now[0] = 10.0
    status.advance("jpeg", 5, 100.0)
    assert status.line() == "jpeg (2 of 2): 5 images, 100 s simulated, 0.5 images/s, 0:30 left"


@pytest.mark.parametrize(("stream", "separator"), [(io.StringIO(), "\n"), (Terminal(), "\r")])
def test_a_command_is_heard_of_though_nothing_ends(stream, separator):
    begun = time.monotonic()
    with status_shown(lambda: f"at {time.monotonic() - begun:.2f}", stream, every_s=0.02):
        time.sleep(0.3)
    lines = re.findall(r"at \d\.\d\d", stream.getvalue())
    assert len(lines) >= 3 and len(set(lines)) >= 3
    assert stream.getvalue().count(separator) >= len(lines)


def test_what_ends_within_ten_seconds_leaves_no_line_in_a_file():
    stream = io.StringIO()
    with status_shown(lambda: "busy", stream):
        time.sleep(0.3)
    assert stream.getvalue() == ""


def test_a_line_that_fails_does_not_outlive_the_block():
    with pytest.raises(ZeroDivisionError), status_shown(lambda: "busy", io.StringIO(), every_s=0.01):
        raise ZeroDivisionError


@pytest.mark.parametrize(("seconds", "text"), [(6.6, "0:07"), (750, "12:30"), (11045, "3:04:05")])
def test_durations_are_as_on_a_clock(seconds, text):
    assert duration(seconds) == text


def test_work_in_stages_says_which_and_since_when(monkeypatch, capsys):
    monkeypatch.setattr(run_progress, "EVERY_S", 0.02)
    with at_work("reading") as moves_on:
        time.sleep(0.1)
        moves_on("judging")
        time.sleep(0.1)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "reading, 0:00" and said[-1] == "judging, 0:00"


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        (
            ["passes", "--preset", "leo-600", "--lat", "44.8", "--lon", "10.3"],
            "looking for the passes of 24 h",
        ),
        (["link", "--scenario", "scenarios/quickstart.yaml"], "looking for pass 0"),
        (["trace", "scenarios/quickstart.yaml", "--out", "t.csv"], "following the link of parma for 1 h"),
        (["profile", "--bundle", "tiny"], "measuring this host"),
        (["models", "check", "tiny"], "running every member"),
    ],
)
def test_long_commands_say_what_they_are_doing(monkeypatch, tmp_path, words, stage):
    told = []

    @contextmanager
    def recording(what):
        told.append(what)
        yield told.append

    for group in (codec, models, results, simulate, space):
        monkeypatch.setattr(group, "at_work", recording)
    monkeypatch.setattr("ntnsim.host_profile.measure_host", lambda *_, **__: {})
    monkeypatch.setattr("ntnsim.host_profile.profile_yaml", lambda *_: "")
    monkeypatch.setattr("ntnsim.networks.bundle_check.run_members", lambda *_, **__: [])
    placed = [str(tmp_path / word) if word in ("t.csv", "DATA") else word for word in words]
    done = CliRunner().invoke(app, placed, standalone_mode=False)
    assert done.exception is None
    assert stage in told
