"""What a run tells while it runs: by time, with its stage, how far it is and how long it will take."""

import io
import re
import time

import pytest

from ntnsim.run_progress import RunStatus, duration, expected_images, status_shown
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
