"""Dates that no calendar has, or that are none, are one clear line, wherever they are written; zones are converted."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ntnsim.cli import app
from ntnsim.errors import ScenarioError
from ntnsim.scenario.load import read_yaml
from ntnsim.scenario.override import parse_override
from ntnsim.scenario.scenario import Scenario

QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"


@pytest.mark.parametrize("date", ["2026-02-30T09:00:00Z", "2026-13-01", "2026-06-01T25:00:00Z", "2026-04-31"])
def test_impossible_dates_are_refused_with_line_and_value(tmp_path, date):
    path = tmp_path / "x.yaml"
    path.write_text(f"name: x\nsources:\n  - {{name: 2026-01-01}}\nstart_utc: {date}\n")
    with pytest.raises(ScenarioError, match=rf"x\.yaml:4: {date}: "):
        read_yaml(path)
    with pytest.raises(ScenarioError, match=f"--set start_utc={date}: "):
        parse_override(f"start_utc={date}")


def started(start):
    return Scenario(
        name="x",
        start_utc=start,
        sources=[{"name": "a", "n_jobs": 1, "arrivals": {"kind": "periodic", "period_s": 9}}],
        gateways=[{"name": "g"}],
        schemes=[{"name": "s", "codec": {"kind": "sizes", "size_bits": 8e5}}],
    )


@pytest.mark.parametrize("start", [2026, "2026", 2_461_193.5, "2461193.5", 1e400, "nan"])
def test_a_bare_number_is_no_date(start):
    with pytest.raises(ScenarioError, match=r"start_utc: .* is a bare number; .* as in 2026-06-01T09:00:00Z"):
        started(start)


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00Z", "1956-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_dates_outside_the_space_age_are_refused(start):
    with pytest.raises(ScenarioError, match=f"start_utc: the year must be 1957 to 2099, got {start[:19]}"):
        started(start)


def test_a_start_in_another_zone_is_kept_and_told_in_utc(tmp_path):
    scenario = started("2026-06-01T01:30:00+02:00")
    assert scenario.start_utc.isoformat() == "2026-05-31T23:30:00+00:00"
    assert scenario == started("2026-05-31T23:30:00Z")
    (tmp_path / "x.yaml").write_text(
        QUICKSTART.read_text().replace("2026-06-01T09:00:00Z", "2026-06-01T11:00:00+02:00")
    )
    told = [
        CliRunner().invoke(app, ["passes", str(path), "--hours", "0.5"]).output
        for path in (QUICKSTART, tmp_path / "x.yaml")
    ]
    assert told[0].startswith("from 2026-06-01T09:00:00Z")
    assert told[1] == told[0]
